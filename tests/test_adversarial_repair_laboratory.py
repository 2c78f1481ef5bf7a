"""A repaired sample gives a laboratory value to the lab that has it, and says of its course what the note says."""

from __future__ import annotations

import pytest

from adversarial.on_policy.repair import Repair, repair
from tests.test_adversarial_repair import assert_sound

NOTE = (
    "A 60-year-old man presented with a cough. Heart rate 82 bpm. Labs: sodium 137 (previously 143), "
    "potassium 4.2 mmol/L, creatinine 2.1 mg/dL, CRP 6 and BNP 1817. He stopped ibuprofen 400 mg. "
    "Cetirizine is now 5 mg, down from 10 mg. Findings raise concern for pneumonia. "
    "Started on doxycycline 100 mg for pneumonia."
)
START = (
    "A 60-year-old man had a cough. Pneumonia is suspected, and doxycycline 100 mg was started for it. "
    "Ibuprofen 400 mg was stopped. Cetirizine is now 5 mg. "
)

# (what is wrong, the sample, the repaired text)
REPAIRS = (
    ("another lab's value", "He had a sodium of 4.2 mmol/L.", "He had a sodium of 137 mmol/L."),
    (
        "a lab that the note lacks",
        "He had a high troponin level at 1817 pg/mL.",
        "He had a high B-type natriuretic peptide at 1817 pg/mL.",
    ),
    ("its unit too", "He had a lipase of 6 U/L.", "He had a C-reactive protein of 6 mg/L."),
    ("serum kept", "He had a serum lipase of 2.1 U/L.", "He had a serum creatinine of 2.1 mg/dL."),
    ("high within the range", "He had a CRP above range at 6 mg/L.", "He had a CRP at 6 mg/L."),
    ("high with its article", "He had a high heart rate of 82 bpm.", "He had a heart rate of 82 bpm."),
    ("low for high", "He had a low creatinine of 2.1 mg/dL.", "He had a high creatinine of 2.1 mg/dL."),
    ("up for down", "Sodium was 137 mmol/L (up from 143).", "Sodium was 137 mmol/L (down from 143)."),
    ("old and new exchanged", "Sodium fell from 137 to 143 mmol/L.", "Sodium fell from 143 to 137 mmol/L."),
    (
        "an earlier value where there is none",
        "Potassium was 4.2 mmol/L (down from 5.1).",
        "Potassium was 4.2 mmol/L.",
    ),
    ("a fall where there is none", "He had a fall in potassium to 4.2 mmol/L.", "He had a potassium of 4.2 mmol/L."),
    ("rising where nothing tells", "Potassium is rising, now 4.2 mmol/L.", "Potassium is 4.2 mmol/L."),
    ("lowered for stopped", "He had his cetirizine held.", "He had his cetirizine lowered."),
    ("stopped for held", "The team held ibuprofen.", "The team stopped ibuprofen."),
    ("stopped for raised", "He had his ibuprofen dose increased.", "He had his ibuprofen stopped."),
    (
        "presumed for stated",
        "With a diagnosis of pneumonia, he started doxycycline.",
        "With a presumed diagnosis of pneumonia, he started doxycycline.",
    ),
)


@pytest.mark.parametrize(("sample", "expected"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS])
def test_what_is_wrong_becomes_what_the_note_says(sample, expected):
    repaired = repair(NOTE, START + sample)
    assert isinstance(repaired, Repair), repaired
    assert repaired.text == START + expected
    assert_sound(NOTE, START + sample, repaired)


def test_a_lab_is_not_named_twice_when_its_value_is_given_to_it():
    sample = START + "He had a sodium of 137 mmol/L and a potassium of 137 mmol/L."
    repaired = repair(NOTE.replace("potassium 4.2 mmol/L, ", ""), sample)
    assert isinstance(repaired, Repair)
    assert repaired.text.count("sodium") == 1
    assert_sound(NOTE.replace("potassium 4.2 mmol/L, ", ""), sample, repaired)
