"""Words on laboratory values: read beside the name, judged by the range, by the numbers and by what the note tells."""

import pytest

from clinical.levels import HIGH, LOW
from clinical.reading.lab_words import find_lab_words
from clinical.reading.trends import FALLING, RISING
from clinical.screen.support import CONTRADICTED, UNSUPPORTED, has_unsupported, unsupported_claims


@pytest.mark.parametrize(
    ("text", "about", "kind", "values"),
    [
        ("a raised serum creatinine of 2.1 mg/dL", "creatinine", HIGH, [2.1]),
        ("C-reactive protein above range at 9 mg/L", "C-reactive protein", HIGH, [9]),
        ("potassium is low at 3.1", "potassium", LOW, [3.1]),
        ("blood pressure up at 171/103 mmHg", "blood pressure", HIGH, [171]),
        ("sodium of 137 mmol/L (up from 143)", "sodium", RISING, [137, 143]),
        ("a fall in hemoglobin to 9.1 g/dL", "hemoglobin", FALLING, [9.1]),
        ("D-dimer rose from 832 to 953 ng/mL", "D-dimer", RISING, [832, 953]),
        ("her lipase was trending down", "lipase", FALLING, []),
    ],
)
def test_a_word_is_read_with_its_value(text, about, kind, values):
    [word] = find_lab_words(text)
    assert (word.about, word.kind) == (about, kind)
    assert [claim.quantity.values[0] for claim in word.values] == values


@pytest.mark.parametrize(
    "text",
    [
        "A low-sodium diet was advised.",
        "With potassium 4.2 there is falling hemoglobin.",
        "Sodium 140, and he had a high fever.",
        "She climbed stairs.",
    ],
)
def test_a_word_on_something_else_is_not_of_the_value_before_it(text):
    assert [word.about for word in find_lab_words(text)] in ([], ["hemoglobin"])


NOTE = (
    "A 60-year-old man with a cough. Heart rate 82, BP 128/76. Labs: sodium 137 (previously 143), "
    "potassium 4.2 mmol/L, creatinine 2.1 mg/dL, eos 0.3 and CRP 6. Chest CT showed emphysema."
)


@pytest.mark.parametrize(
    ("summary", "wrong", "verdict"),
    [
        ("He had a CRP above range at 6 mg/L.", "above range", CONTRADICTED),  # 0 to 10
        ("He had a low heart rate of 82 bpm.", "low", CONTRADICTED),
        ("His blood pressure was low at 128/76 mmHg.", "low", CONTRADICTED),
        ("He had a sodium of 137 mmol/L (up from 143).", "up from", CONTRADICTED),
        ("He had a rise in sodium.", "rise in", CONTRADICTED),
        ("He had a fall in potassium to 4.2 mmol/L.", "fall in", UNSUPPORTED),  # of one value nothing tells that
        ("He had a potassium of 4.2 mmol/L (down from 4.2).", "down from", CONTRADICTED),
        ("He had a sodium of 4.2 mmol/L.", "4.2 mmol/L", CONTRADICTED),  # potassium's, and the note gives no unit
        ("He had a heart rate of 4.2 mmol/L.", "4.2 mmol/L", CONTRADICTED),
        ("He had a lipase of 137 U/L.", "lipase of 137 U/L", CONTRADICTED),  # sodium's, and no lipase in the note
    ],
)
def test_what_the_note_does_not_bear_out_is_flagged(summary, wrong, verdict):
    assert [(claim.text, claim.verdict) for claim in unsupported_claims(NOTE, summary)] == [(wrong, verdict)]
    assert has_unsupported(NOTE, summary)


@pytest.mark.parametrize(
    "summary",
    [
        "He had a raised creatinine of 2.1 mg/dL.",
        "He had a sodium of 137 mmol/L (down from 143).",
        "Sodium is falling, now 137 mmol/L, with an eosinophil count of 0.3 x10^9/L.",
        "He had a potassium of 4.2 mmol/L and a CRP at 6 mg/L.",
    ],
)
def test_what_the_note_bears_out_is_not(summary):
    assert unsupported_claims(NOTE, summary) == []


@pytest.mark.parametrize(
    ("note", "summary"),
    [
        ("Potassium 4.9, which is high for him.", "He had a high potassium of 4.9 mmol/L."),  # the note's own word
        ("Creatinine 1.2, worse than last week.", "Creatinine is rising."),  # the note may tell so
        ("BP 148/58.", "His blood pressure was low at 148/58 mmHg."),  # one part of it is
        ("Urine sodium 77.", "She had a sodium of 77 mmol/L."),  # perhaps the same
        ("Labs: trop 0.3, alb 2.9.", "A troponin of 0.3 ng/mL and a low albumin of 2.9 g/dL."),
    ],
)
def test_where_the_note_may_mean_it_nothing_is_flagged(note, summary):
    assert unsupported_claims(note, summary) == []


@pytest.mark.parametrize(
    ("note", "wrong"),
    [
        ("Home meds: aspirin. Pneumonia. Follow-up in 2 weeks.", True),
        ("Pneumonia. He may leave for home.", False),
        ("Pneumonia. Disposition: admitted to intensive care.", True),
    ],
)
def test_a_place_to_go_that_the_note_does_not_name_is_flagged(note, wrong):
    assert has_unsupported(note, "He had pneumonia and was discharged home.") is wrong


@pytest.mark.parametrize(
    ("note", "wrong"),
    [
        ("Findings raise concern for pneumonia.", True),
        ("Amoxicillin was given for pneumonia. Assessment: pneumonia.", False),
    ],
)
def test_concern_for_a_diagnosis_is_no_diagnosis(note, wrong):
    assert has_unsupported(note, "With a diagnosis of pneumonia, she started amoxicillin.") is (wrong)


@pytest.mark.parametrize(
    ("note", "summary", "wrong"),
    [
        ("47F with a cough.", "A man of 47 has a cough.", True),
        ("60 y/o M with a cough.", "A man of 60 has a cough.", False),
        ("Cough, temperature 99F.", "A man has a cough.", False),
    ],
)
def test_the_letter_after_an_age_tells_the_sex(note, summary, wrong):
    assert has_unsupported(note, summary) is wrong


@pytest.mark.parametrize(
    "shorthand", ["Sertraline up to 50 mg from 25 mg.", "Sertraline is now 50 mg, raised from 25 mg."]
)
def test_a_dose_that_went_up_was_not_started(shorthand):
    assert has_unsupported(f"Insomnia. {shorthand}", "The team began sertraline.")
    assert not has_unsupported(f"Insomnia. {shorthand}", "The team raised sertraline from 25 mg to 50 mg.")
