"""The oracle on hand-written patients and summaries, with verdicts worked out by hand."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.oracle import judge
from clinical.oracle.claims import INVENTED, RIGHT, TYPES, UNKNOWN, WRONG
from tests.oracle_cases import HEART, HEART_RIGHT, HEART_WRONG, LUNG, LUNG_RIGHT, LUNG_WRONG

RIGHTS = [*((HEART, text) for text in HEART_RIGHT), *((LUNG, text) for text in LUNG_RIGHT)]
WRONGS = [*((HEART, *case) for case in HEART_WRONG), *((LUNG, *case) for case in LUNG_WRONG)]


def verdicts(patient, summary):
    return {claim.text.lower(): claim.verdict for claim in judge(patient, summary).claims}


@pytest.mark.parametrize(("patient", "summary"), RIGHTS)
def test_what_follows_from_the_state_is_right(patient, summary):
    verdict = judge(patient, summary)
    assert [claim for claim in verdict.claims if claim.verdict != RIGHT] == []
    assert not verdict.failed and not verdict.possibly_hallucinated


@pytest.mark.parametrize(("patient", "summary", "kind"), WRONGS)
def test_errors_are_found_with_their_type(patient, summary, kind):
    verdict = judge(patient, summary)
    assert verdict.hallucinated
    assert kind in {claim.type for claim in verdict.errors}
    assert {claim.type for claim in verdict.claims} <= set(TYPES)


def test_only_the_wrong_claims_are_wrong():
    summary = "A 67-year-old man with hypertension had left leg swelling for two weeks. He denies fever and has asthma."
    assert verdicts(HEART, summary) == {
        "67-year-old": RIGHT,
        "man": RIGHT,
        "hypertension": RIGHT,
        "left": RIGHT,
        "leg swelling": RIGHT,
        "two weeks": RIGHT,
        "fever": RIGHT,
        "asthma": INVENTED,
    }


def test_spans_point_into_the_summary():
    summary = "He has orthopnea. Furosemide was increased to 80 mg. He denies chest pain."
    verdict = judge(HEART, summary)
    assert all(summary[claim.start : claim.end] == claim.text for claim in verdict.claims)
    assert [claim.text for claim in verdict.errors] == ["80 mg"]
    assert verdict.errors[0].verdict == WRONG and verdict.errors[0].compared == "drugs: furosemide dose"


@pytest.mark.parametrize(
    "summary",
    [
        "He had puffiness of the left leg.",
        "He had edema in his left lower extremity.",
        "With no fever or chest pain, he has orthopnea.",
        "Enlargement of the heart was not described, but cardiac failure was diagnosed.",
        "Fluid in the pleural space on the right: right pleural effusion on radiograph of the chest.",
    ],
)
def test_other_words_in_other_order_are_read(summary):
    errors = judge(HEART, summary).errors
    assert [claim.text for claim in errors if "eart" not in claim.text.split()[-1]] == []


@pytest.mark.parametrize(
    ("patient", "summary"),
    [
        (HEART, "He was started on methalingone."),
        (HEART, "He had a 2.6 cm left-sided peronology."),
        (HEART, "He has a history of zymosity."),
        (HEART, "He had eosinophilic spherocytosis, and leg swelling."),
        (HEART, "He was started on sodium at 25 mg."),
    ],
)
def test_an_unknown_word_in_the_place_of_a_name_is_invented(patient, summary):
    assert INVENTED in {claim.verdict for claim in judge(patient, summary).errors}


@pytest.mark.parametrize(
    ("patient", "summary", "kind"),
    [
        (HEART, "He began an echocardiogram.", "plan"),
        (HEART, "He has leg swelling, and the echocardiogram is done.", "plan"),
        (HEART, "He was advised of a history of a knee replacement.", "plan"),
        (HEART, "He has a history of fluid restriction.", "plan"),
        (HEART, "He was started on spironolactone, with furosemide 20 mg.", "dose"),
        (HEART, "He had been on lisinopril for 10 years.", "time"),
        (HEART, "He had a potassium of 5.9 mg/dL.", "number"),
        (LUNG, "She was evaluated for pulmonary embolism. She was diagnosed with pulmonary embolism.", "certainty"),
        (LUNG, "She had a cough, and the diagnosis was confirmed.", "certainty"),
    ],
)
def test_what_is_told_of_the_wrong_time_unit_or_certainty_is_wrong(patient, summary, kind):
    assert kind in {claim.type for claim in judge(patient, summary).errors}


@pytest.mark.parametrize(
    ("patient", "summary"),
    [
        (HEART, "A man, 67 years, with leg swelling."),
        (HEART, "A man, 67, presents with leg swelling."),
        (HEART, "He has a history of heart failure."),
        (LUNG, "She has a history of smoking and a cough."),
        (HEART, "Furosemide 20 mg was raised. He takes metformin 500 mg."),
    ],
)
def test_loose_words_are_right(patient, summary):
    assert judge(patient, summary).errors == ()


def test_a_finding_of_another_study_is_an_exchange():
    verdict = judge(HEART, "Pleural effusion was found on echocardiogram.")
    assert [claim.type for claim in verdict.errors] == ["role exchange"]


def test_an_advice_that_names_a_drug_class_takes_in_no_drug():
    assert judge(LUNG, "She was started on insulin aspart.").errors


def test_a_repeated_claim_counts_once():
    once = judge(HEART, "He has asthma.")
    twice = judge(HEART, "He has asthma. He was treated for his asthma.")
    assert len(once.errors) == len(twice.errors) == 1


def test_a_contrary_pronoun_counts_once_and_not_after_a_relative():
    verdict = judge(HEART, "She has orthopnea. She denies fever and her legs are swollen.")
    assert [claim.type for claim in verdict.errors] == ["demographics"]
    assert not judge(HEART, "His mother had breast cancer before she died.").errors


def test_an_unfinished_last_clause_is_skipped():
    whole = judge(HEART, "He has orthopnea and fatigue, and was started on spironolactone 250")
    assert whole.unfinished and not whole.errors
    assert not judge(HEART, "He has orthopnea and fatigue.").unfinished


@pytest.mark.parametrize("summary", ["", "   ", "The the of and.", "Lorem ipsum dolor sit amet consectetur elit."])
def test_no_summary_is_failed(summary):
    verdict = judge(HEART, summary)
    assert verdict.failed and verdict.hallucinated


def test_omissions_and_coverage():
    verdict = judge(HEART, "Acute on chronic heart failure with left leg swelling; furosemide was increased.")
    assert verdict.important == (
        "complaint",
        "diagnosis",
        "drugs: furosemide change",
        "drugs: metformin change",
        "drugs: spironolactone change",
        "labs: potassium",
        "labs: creatinine",
        "disposition",
    )
    assert set(verdict.omitted) == {
        "drugs: metformin change",
        "drugs: spironolactone change",
        "labs: potassium",
        "labs: creatinine",
        "disposition",
    }
    assert verdict.coverage == pytest.approx(3 / 8)


def test_words_outside_every_table_are_residue_or_unknown():
    verdict = judge(HEART, "He has orthopnea, fatigue and a xylofibritis near the zzyzx.")
    assert [claim.verdict for claim in verdict.claims if claim.text == "xylofibritis"] == [UNKNOWN]
    assert "zzyzx" in verdict.residue
    assert verdict.possibly_hallucinated and not verdict.hallucinated


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        ("Leg swelling for two weeks.", RIGHT),
        ("Leg swelling for about 2 weeks.", RIGHT),
        ("Leg swelling for several days.", RIGHT),
        ("Leg swelling for over a week.", RIGHT),
        ("Leg swelling for 15 days.", WRONG),
        ("Leg swelling for a month.", WRONG),
        ("Leg swelling for more than a month.", WRONG),
    ],
)
def test_lengths_of_time(summary, verdict):
    claims = [claim for claim in judge(HEART, summary).claims if claim.type in ("time", "role exchange")]
    assert [claim.verdict for claim in claims] == [verdict]


def test_it_is_quick_enough():
    start = time.process_time()
    for patient, summary in RIGHTS * 3:
        judge(patient, summary)
    assert len(RIGHTS) * 3 / (time.process_time() - start) > 100  # a second, on one core


@given(st.lists(st.sampled_from(" ".join((*HEART_RIGHT, *LUNG_RIGHT)).split()), max_size=40))
@settings(max_examples=150, deadline=None)
def test_broken_sentences_are_judged_too(pieces):
    summary = " ".join(pieces)
    verdict = judge(LUNG, summary)
    assert all(summary[claim.start : claim.end] == claim.text for claim in verdict.claims)
    assert 0 <= verdict.coverage <= 1
    assert judge(LUNG, summary) == verdict
