"""A repaired sample passes the screen, says what the note says, and differs from the sample only where it was wrong."""

from __future__ import annotations

import csv
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adversarial.on_policy.repair import Irreparable, Repair, inverted, repair, trimmed
from adversarial.operators.edits import Edit, apply_edits
from clinical.screen.support import unsupported_claims
from utils.cli import PROJECT_ROOT

NOTE = (
    "A 63-year-old man presented with a cough for 5 days and flank pain. He denies fever and chest pain. "
    "Past medical history: hypertension and gout. Medications: lisinopril 10 mg once daily and allopurinol 300 mg. "
    "Exam: right knee swelling. BP 150/90 mmHg. Hemoglobin 9.1 g/dL. Chest CT showed emphysema. "
    "Pneumonia is suspected. Naproxen 250 mg was stopped. Doxycycline 100 mg twice daily was started. "
    "Atorvastatin was increased from 20 mg to 40 mg. Follow-up with cardiology in 2 weeks."
)
START = "A 63-year-old man had a cough for 5 days. "

# (what is wrong, the sample, the repaired text)
REPAIRS = (
    ("dose of a medicine", "He takes lisinopril 40 mg.", "He takes lisinopril 10 mg."),
    ("dose in front of its medicine", "He takes 100 mg of allopurinol daily.", "He takes 300 mg of allopurinol daily."),
    ("dose in brackets", "He takes lisinopril (20 mg).", "He takes lisinopril (10 mg)."),
    ("frequency", "He takes lisinopril 10 mg twice daily.", "He takes lisinopril 10 mg once daily."),
    ("frequency in letters", "He started doxycycline 100 mg TID.", "He started doxycycline 100 mg BID."),
    ("frequency a day", "He started doxycycline 100 mg once a day.", "He started doxycycline 100 mg twice a day."),
    ("laboratory value", "He had a hemoglobin of 12.4 g/dL.", "He had a hemoglobin of 9.1 g/dL."),
    ("blood pressure", "His blood pressure was 170/80 mmHg.", "His blood pressure was 150/90 mmHg."),
    ("side", "He had left knee swelling.", "He had right knee swelling."),
    ("side with -sided", "He had left-sided knee swelling.", "He had right-sided knee swelling."),
    ("started for stopped", "He was started on naproxen 250 mg.", "He was taken off naproxen 250 mg."),
    ("began for stopped", "The team began naproxen 250 mg.", "The team stopped naproxen 250 mg."),
    ("newly started", "He was newly started on naproxen.", "He was taken off naproxen."),
    ("added for stopped", "Naproxen was added.", "Naproxen was stopped."),
    ("stopped for started", "Doxycycline 100 mg was stopped.", "Doxycycline 100 mg was started."),
    ("held for started", "The team held doxycycline.", "The team started doxycycline."),
    ("taken off for started", "He was taken off doxycycline.", "He was started on doxycycline."),
    ("lowered for raised", "Atorvastatin was decreased.", "Atorvastatin was increased."),
    ("went down for up", "He went down on atorvastatin.", "He went up on atorvastatin."),
    ("reported for denied", "He had a fever.", "He had no fever."),
    ("with for without", "He came with fever.", "He came with no fever."),
    ("history of what is denied", "He had a history of a fever.", "He had no history of fever."),
    ("denied for reported", "He denied flank pain.", "He reported flank pain."),
    ("no for reported", "He had no flank pain.", "He had flank pain."),
    ("confirmed for suspected", "A diagnosis of pneumonia was confirmed.", "A diagnosis of pneumonia was suspected."),
    ("stated for suspected", "The diagnosis was pneumonia.", "The suspected diagnosis was pneumonia."),
    ("found for suspected", "He was found to have pneumonia.", "He was suspected of having pneumonia."),
    ("started for raised", "The team started atorvastatin.", "The team increased atorvastatin."),
    ("started on for raised", "He was newly started on atorvastatin.", "He went up on atorvastatin."),
    ("symptom of a kind", "He also had abdominal pain.", "He also had flank pain."),
    ("medicine by its dose", "He was started on azithromycin 100 mg.", "He was started on doxycycline 100 mg."),
    ("medicine by what was done", "Ibuprofen was stopped.", "Naproxen was stopped."),
    ("procedure", "A chest X-ray showed emphysema.", "A chest CT showed emphysema."),
    ("clinic", "He has neurology follow-up.", "He has cardiology follow-up."),
    ("item of a list", "He had gout, asthma and hypertension.", "He had gout and hypertension."),
    ("last of two", "He takes allopurinol and warfarin.", "He takes allopurinol and lisinopril."),
)


@pytest.mark.parametrize(("sample", "expected"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS])
def test_what_is_wrong_becomes_what_the_note_says(sample, expected):
    repaired = repair(NOTE, START + sample)
    assert isinstance(repaired, Repair), repaired
    assert repaired.text == START + expected
    assert_sound(NOTE, START + sample, repaired)


FIRST_SENTENCES = (
    ("age", "A 36-year-old man had a cough.", "A 63-year-old man had a cough."),
    ("age with its article", "An 18-year-old man had a cough.", "A 63-year-old man had a cough."),
    ("sex", "A 63-year-old woman had a cough.", "A 63-year-old man had a cough."),
    (
        "sex with its pronouns",
        "A 63-year-old woman had a cough. She told us that her knee hurt her.",
        "A 63-year-old man had a cough. He told us that his knee hurt him.",
    ),
    ("duration", "A 63-year-old man had a cough for 3 weeks.", "A 63-year-old man had a cough for 5 days."),
    ("duration with hyphen", "A man had a 9-week history of cough.", "A man had a 5-day history of cough."),
    ("duration in words", "A man had a three-day history of cough.", "A man had a five-day history of cough."),
    (
        "two facts",
        "A 73-year-old man had a cough for 5 days and took lisinopril 5 mg.",
        "A 63-year-old man had a cough for 5 days and took lisinopril 10 mg.",
    ),
)


@pytest.mark.parametrize(
    ("sample", "expected"), [row[1:] for row in FIRST_SENTENCES], ids=[r[0] for r in FIRST_SENTENCES]
)
def test_who_came_and_for_how_long(sample, expected):
    repaired = repair(NOTE, sample)
    assert isinstance(repaired, Repair), repaired
    assert repaired.text == expected
    assert_sound(NOTE, sample, repaired)


REFUSALS = (
    ("nothing is wrong", "He takes lisinopril 10 mg.", "nothing to repair"),
    (
        "one word for two medicines",
        "He was started on naproxen and doxycycline.",
        "no repair of contradicted medication",
    ),
    ("no other name fits the slot", "He was advised of a stroke at once.", "no repair of unsupported condition"),
)


@pytest.mark.parametrize(("sample", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_what_cannot_be_mended_is_refused_with_its_reason(sample, reason):
    assert repair(NOTE, START + sample) == Irreparable(reason)


def test_a_sentence_without_remedy_is_exchanged_for_one_of_a_clean_sample():
    sample = START + "He was advised of a stroke and seen at once. He had gout."
    spare = "A 63-year-old man had a cough. A chest CT that was done showed emphysema."
    repaired = repair(NOTE, sample, [spare])
    assert isinstance(repaired, Repair)
    assert repaired.text == START + "A chest CT that was done showed emphysema. He had gout."
    assert_sound(NOTE, sample, repaired)


def test_no_repair_leaves_out_what_the_note_names():
    """A sentence of a clean sample may take the place of one with an invention, but not of the medicine beside it."""
    spare = "A 63-year-old man had a cough. A chest CT that was done showed emphysema."
    sample = START + "He was advised of a stroke and started doxycycline. He had gout."
    assert repair(NOTE, sample, [spare]) == Irreparable("no repair of unsupported condition")
    other = "A 63-year-old man had a cough. He was started on doxycycline 100 mg twice daily."
    repaired = repair(NOTE, sample, [spare, other])
    assert isinstance(repaired, Repair)
    assert repaired.text == START + "He was started on doxycycline 100 mg twice daily. He had gout."


def test_no_repair_leaves_a_dose_without_its_medicine():
    sample = START + "He, currently off 8 mg of enoxaparin, began doxycycline."
    assert repair(NOTE, sample) == Irreparable("no repair of unsupported medication")


def test_the_errors_that_the_screen_does_not_see_stay_as_they_are():
    repaired = repair(NOTE, START + "He takes lisinopril 40 mg and lives on a boat.")
    assert isinstance(repaired, Repair)
    assert repaired.text == START + "He takes lisinopril 10 mg and lives on a boat."


def test_a_value_without_any_in_the_note_is_left_out():
    repaired = repair(NOTE.replace(" 300 mg", ""), START + "He takes allopurinol 777 mg and has gout.")
    assert isinstance(repaired, Repair)
    assert repaired.text == START + "He takes allopurinol and has gout."


def test_facts_are_counted_and_edits_lead_back_to_the_sample():
    sample = "A 73-year-old man had a cough for 5 days and took lisinopril 5 mg."
    repaired = repair(NOTE, sample)
    assert isinstance(repaired, Repair)
    assert repaired.wrong_facts == 2
    assert repaired.edits == (Edit(2, 4, "63", "73", "demographics"), Edit(61, 63, "10", "5", "dose"))


@given(cuts=st.lists(st.integers(0, 30), min_size=2, max_size=8, unique=True), new=st.text("ab ", max_size=5))
def test_inverted_edits_lead_back(cuts, new):
    text = "a repaired sample of the model"
    spans = [span for number, span in enumerate(pairwise(sorted(cuts))) if number % 2 == 0]
    edits = [Edit(start, min(end, 30), text[start:end], new, "dose") for start, end in spans if start < 30]
    changed = apply_edits(text, edits)
    assert apply_edits(changed, inverted(edits)) == text


@given(old=st.text("ab ", max_size=12), new=st.text("ab ", max_size=12))
def test_trimming_changes_no_text(old, new):
    text = f"x {old} y"
    edit = Edit(2, 2 + len(old), old, new, "dose")
    assert apply_edits(text, [trimmed(edit)]) == apply_edits(text, [edit])


def test_trimming_takes_off_the_words_in_common():
    assert trimmed(Edit(0, 11, "has a fever", "has no fever", "x")) == Edit(4, 5, "a", "no", "x")


@pytest.fixture(scope="module")
def shipped():
    with (PROJECT_ROOT / "phase1_data_medhal/sft/validation_set_processed.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    return [(row["clinical_note"], row["model_summary"]) for row in rows[:120]]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_summary_held_against_another_note_is_repaired_soundly_or_refused(shipped, data):
    """The hardest samples: everything in them may be wrong. A repair may be refused; it must not be unsound."""
    note, own = data.draw(st.sampled_from(shipped))
    other = data.draw(st.sampled_from(shipped))[1]
    sample = data.draw(st.sampled_from([own, other, own.replace(" mg", "0 mg"), own.replace("right", "left")]))
    repaired = repair(note, sample)
    assert repaired == repair(note, sample)
    if isinstance(repaired, Repair):
        assert_sound(note, sample, repaired)


def assert_sound(note: str, sample: str, repaired: Repair) -> None:
    """The repaired text passes the screen, and without its edits it is the sample, word for word."""
    assert not unsupported_claims(note, repaired.text)
    assert repaired.text != sample
    assert apply_edits(repaired.text, repaired.edits) == sample
    assert repaired.wrong_facts == len(unsupported_claims(note, sample))
    assert all(edit.old != edit.new for edit in repaired.edits)
