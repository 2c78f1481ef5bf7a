"""By which route a medicine is given, read and judged."""

import pytest

from clinical.reading.routes import find_routes
from clinical.screen.support import unsupported_claims


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        ("Vancomycin 1000 mg intravenously was given.", [("vancomycin", "intravenous")]),
        ("Subcutaneous enoxaparin (60 mg) was started.", [("enoxaparin", "subcutaneous")]),
        ("Lisinopril 10 mg PO, ceftriaxone 2 g IV.", [("lisinopril", "oral"), ("ceftriaxone", "intravenous")]),
        ("Nothing by mouth. IV drug use.", []),
    ],
)
def test_a_route_is_read(text, routes):
    assert [(route.drug, route.name) for route in find_routes(text)] == routes


@pytest.mark.parametrize(
    ("summary", "wrong"),
    [
        ("Ceftriaxone 2 g IV was given.", False),
        ("Ceftriaxone 2 g orally was given.", True),
        ("Lisinopril orally was given.", False),  # the note does not tell
    ],
)
def test_a_route_is_judged(summary, wrong):
    note = "Ceftriaxone 2 g intravenously. Lisinopril 10 mg."
    assert bool(unsupported_claims(note, summary)) is wrong
