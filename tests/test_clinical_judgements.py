"""What the screen flags beyond names and numbers: certainty, time, whose condition, causes, courses, plans."""

import pytest

from clinical.reading.causes import find_links
from clinical.reading.courses import CONSTANT, IMPROVED, RESOLVED, UNCHANGED, WORSENED, find_courses
from clinical.reading.plans import (
    ADMITTED,
    DONE,
    HOME,
    INTENSIVE,
    OBSERVED,
    PLANNED,
    REHABILITATION,
    find_places,
    find_stages,
    may_tell_place,
)
from clinical.reading.relatives import ANY_RELATIVE, find_family_conditions
from clinical.screen.support import unsupported_claims

NOTE = """Dx: ? gout. Pneumonia ruled out. Asthma (resolved, 3 years ago). Has known hypertension.
FH: colon cancer (mom). Meds: lisinopril 10 mg.
Naproxen held due to acute kidney injury; prednisone started for gout. Continue metformin.
Worsening knee pain; the nausea has resolved. Order a brain MRI. Chest X-ray shows no effusion. Dispo: home."""


@pytest.mark.parametrize(
    ("summary", "text", "kind"),
    [
        ("She was diagnosed with gout.", "gout", "certainty"),  # only asked
        ("Pneumonia is suspected.", "Pneumonia", "negation"),  # excluded
        ("She is diagnosed with asthma.", "asthma", "certainty"),  # past
        ("She has resolved hypertension.", "hypertension", "certainty"),  # present
        ("She has colon cancer.", "colon cancer", "experiencer"),
        ("Her father had colon cancer.", "father", "experiencer"),
        ("Naproxen was held because of hypertension.", "because of hypertension", "cause"),
        ("Metformin continues due to knee pain.", "due to knee pain", "cause"),
        ("The knee pain is improving.", "improving", "plan"),
        ("The nausea is unchanged.", "unchanged", "plan"),
        ("A brain MRI was done.", "brain MRI", "plan"),
        ("A chest X-ray is planned.", "chest X-ray", "plan"),
        ("She was admitted.", "admitted", "plan"),
        ("Metformin was stopped.", "stopped", "medication"),
        ("She starts lisinopril.", "starts", "medication"),  # she takes it already
    ],
)
def test_what_the_note_says_otherwise_is_flagged(summary, text, kind):
    assert (text, kind) in [(claim.text, claim.type) for claim in unsupported_claims(NOTE, summary)]


def test_a_condition_of_the_patient_is_not_a_relative_s():
    flagged = unsupported_claims("PMH: hypertension.", "Her mother has hypertension.")
    assert [(claim.text, claim.type) for claim in flagged] == [("mother", "experiencer")]


@pytest.mark.parametrize(
    "summary",
    [
        "Gout is suspected, and pneumonia was ruled out.",
        "She has a history of asthma and prior asthma.",
        "Her mother had colon cancer; there is a family history of colon cancer.",
        "Naproxen was held owing to AKI, and prednisone added for gout.",
        "Lisinopril for hypertension.",  # usual, if not said
        "The nausea improved.",  # what has resolved has improved
        "A brain MRI is planned; she went home.",
        "Metformin continues; she takes lisinopril.",
    ],
)
def test_what_the_note_says_is_left_alone(summary):
    assert unsupported_claims(NOTE, summary) == []


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Lisinopril 10 mg was held due to a dry cough.", [("Lisinopril", "dry cough")]),
        ("Because of gout, aspirin was stopped.", [("aspirin", "gout")]),
        ("Metformin and aspirin were held given AKI.", [("aspirin", "AKI"), ("Metformin", "AKI")]),
        ("Naproxen held (AKI).", [("Naproxen", "AKI")]),
        ("Allergic to aspirin (hives).", []),
        ("Prednisone 10 mg for gout.", [("Prednisone", "gout")]),
        ("On prednisone, he was seen for gout.", []),
        ("Anemia due to peptic ulcer disease.", [("Anemia", "peptic ulcer disease")]),
    ],
)
def test_causal_links(text, links):
    assert [(link.effect.text, link.cause.text) for link in find_links(text)] == links


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mother has gout and asthma.", [("gout", "mother"), ("asthma", "mother")]),
        ("There is gout in his sister.", [("gout", "sister")]),
        ("FH: gout (dad).", [("gout", "father")]),
        ("Family history of gout.", [("gout", ANY_RELATIVE)]),
        ("The mother reports that he has a cough.", []),
        ("Whose father had gout, presents with cough.", [("gout", "father")]),
    ],
)
def test_conditions_of_relatives(text, found):
    assert [(item.mention.text, item.relative) for item in find_family_conditions(text)] == found


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Better: cough. The nausea is gone.", [IMPROVED, RESOLVED]),
        ("The cough has not improved or worsened.", [UNCHANGED]),
        ("No change in the cough; worsening dyspnea, constant headache.", [UNCHANGED, WORSENED, CONSTANT]),
        ("The cough did not improve.", []),
    ],
)
def test_courses(text, kinds):
    assert [course.kind for course in find_courses(text)] == kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Dispo: home.", [HOME]),
        ("She goes to the ICU.", [INTENSIVE]),
        ("He was kept for observation.", [OBSERVED]),
        ("Discharged to rehab.", [REHABILITATION]),
        ("He admits to fever and was never admitted.", []),
        ("She was admitted to the hospital.", [ADMITTED]),
        ("Home glucose monitoring; pulmonary rehabilitation.", []),
    ],
)
def test_places(text, kinds):
    assert [place.kind for place in find_places(text)] == kinds


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("Home BG log reviewed; home monitoring. Home meds: none.", False),
        ("Obs: P 106. Obs BP 120/80. Obs temperature 36.8. Obs BMI 31.", False),
        ("Naproxen 250 mg - d/c (rash). Lisinopril d/c due to cough.", False),
        ("Disposition and plan below. Came to the hospital, presented to hospital with cough.", False),
        ("Back home with her son.", True),
        ("Obs unit.", True),
        ("D/c tomorrow.", True),
        ("Dispo pending.", True),
        ("Stays in hospital.", True),
    ],
)
def test_what_may_tell_of_a_place(text, may):
    assert may_tell_place(text) is may


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Order a brain MRI.", [PLANNED]),
        ("Brain MRI: atrophy. An echocardiogram is pending.", [DONE, PLANNED]),
        ("She underwent an appendectomy.", [DONE]),
        ("A brain MRI was ordered and showed atrophy.", [PLANNED]),
        ("Brain MRI.", []),
    ],
)
def test_stages(text, kinds):
    assert [stage.kind for stage in find_stages(text)] == kinds


@pytest.mark.parametrize(
    ("note", "summary", "wrong"),
    [
        ("Naproxen was stopped.", "The team held naproxen.", True),
        ("Naproxen was put on hold.", "Naproxen was stopped.", False),  # as people say
        ("Naproxen was held.", "She had a hold placed on naproxen.", False),
        ("Naproxen was stopped for now.", "Naproxen was held.", False),  # stopped only for a time
        ("Held naproxen; later stopped naproxen.", "Naproxen was held.", False),
    ],
)
def test_what_is_stopped_is_not_only_held(note, summary, wrong):
    assert bool(unsupported_claims(f"Gout. {note}", summary)) is wrong


@pytest.mark.parametrize(
    ("note", "summary", "wrong"),
    [
        ("Hx of AF (dx 18y ago), DM2.", "She has an 18-year history of type 2 diabetes.", True),
        ("Hx of AF (x18 years), DM2.", "She has an 18-year history of AF.", False),
        ("Migraine (for 2 years). She had removal of the appendix 4 years ago.", "A 4-year history of migraine.", True),
        (
            "Migraine (for 2 years). She had removal of the appendix 4 years ago.",
            "A 2-year history of migraine.",
            False,
        ),
        ("Type 2 diabetes (for 9 years).", "A 9-year history of diabetes.", False),  # a wider name
        ("Diabetes and hypertension for 10 years.", "A 10-year history of diabetes.", False),  # of both
        ("Hypertension (10 years). Diabetes for 10 years.", "A 10-year history of diabetes.", False),
    ],
)
def test_how_long_a_condition_has_been_known(note, summary, wrong):
    assert bool(unsupported_claims(f"A woman of 60. {note}", summary)) is wrong
