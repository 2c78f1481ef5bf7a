"""Courses of values: read from two numbers or a word, judged by the note."""

import pytest

from clinical.reading.diagnoses import exchanged_diagnoses
from clinical.reading.trends import FALLING, RISING, find_trends
from clinical.screen.support import unsupported_claims


@pytest.mark.parametrize(
    ("text", "about", "kind", "old", "new"),
    [
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "hemoglobin", FALLING, 10.9, 9.3),
        ("Creatinine 1.3 mg/dL (it had been 0.9).", "creatinine", RISING, 0.9, 1.3),
        ("Sodium 126 (earlier value 123).", "sodium", RISING, 123, 126),
        ("LDH 199 before and now 281.", "lactate dehydrogenase", RISING, 199, 281),
        ("CRP rose from 2 to 4 mg/L.", "C-reactive protein", RISING, 2, 4),
        ("Lenalidomide 25 mg (previously 15 mg).", "lenalidomide", RISING, 15, 25),
        ("Metoprolol succinate 50 mg -> 25 mg.", "metoprolol succinate", FALLING, 50, 25),
        ("Falling hemoglobin of 9.3 g/dL.", "hemoglobin", FALLING, None, None),
        ("Creatinine level was rising.", "creatinine", RISING, None, None),
    ],
)
def test_a_course_is_read(text, about, kind, old, new):
    [trend] = find_trends(text)
    assert (trend.about, trend.kind) == (about, kind)
    assert [c.quantity.values[0] if c else None for c in (trend.old, trend.new)] == [old, new]


@pytest.mark.parametrize(
    "text",
    ["Hemoglobin 9.3 g/dL, sodium 130.", "Hemoglobin 9.3 on Monday, 9.9 on Friday.", "CRP 4 mg/L (was 4).", "He fell."],
)
def test_no_course_is_read_into_a_text(text):
    assert find_trends(text) == ()


@pytest.mark.parametrize(
    ("note", "summary", "wrong"),
    [
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "Her hemoglobin is falling.", False),
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "Her hemoglobin is rising.", True),
        ("Hemoglobin 9.3 g/dL.", "Her hemoglobin is rising.", True),  # of one value nothing tells that
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "Hemoglobin went up from 9.3 to 10.9 g/dL.", True),
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "Hemoglobin was 10.9 g/dL.", True),  # that was before
        ("Hemoglobin 9.3 g/dL (previously 10.9).", "Hemoglobin was 9.3 g/dL, down from 10.9.", False),
    ],
)
def test_a_course_is_judged(note, summary, wrong):
    assert bool(unsupported_claims(note, summary)) is wrong


@pytest.mark.parametrize(
    ("summary", "exchanged"),
    [
        ("The diagnosis was gout.", ["gout"]),
        ("The diagnosis was pneumonia.", []),
        ("She is known to have gout.", []),
        ("She is known to have pneumonia.", ["pneumonia"]),
        ("She has gout and pneumonia.", []),  # in no role
    ],
)
def test_the_diagnosis_of_now_is_told_from_what_was_known(summary, exchanged):
    note = "Cough. History of gout and hypertension. Assessment: pneumonia. Amoxicillin was started."
    assert [claim.text for claim, _ in exchanged_diagnoses(note, summary)] == exchanged


def test_a_diagnosis_in_either_role_is_left_alone():
    note = "History of gout. Assessment: acute flare of gout. Colchicine was started."
    assert list(exchanged_diagnoses(note, "The diagnosis was gout.")) == []
