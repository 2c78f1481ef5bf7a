"""Turned words: which are found, into what they turn, how often each way, and that the screen proves it."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.checks import check_proven
from adversarial.operators.causes import move_reason, swap_reason
from adversarial.operators.donors import collect_donors
from adversarial.operators.turn_words import find_turnables, turnable_words
from adversarial.operators.turns import TURNS, turn

EMPTY = collect_donors([])


def texts(operator, note, summary, donors=EMPTY, tries=30):
    """The different proven texts of some tries."""
    propose = turn(operator) if isinstance(operator, str) else operator
    made = [propose(note, summary, random.Random(seed), donors) for seed in range(tries)]
    return {m.text for m in made if m and check_proven(note, m.text) is None}


@pytest.mark.parametrize(
    ("operator", "note", "summary", "wanted"),
    [
        ("shift_certainty", "Dx: possible gout.", "She was thought to have gout.", "She was diagnosed with gout."),
        ("shift_certainty", "Dx: gout.", "She was diagnosed with gout.", "She was thought to have gout."),
        ("shift_certainty", "Gout confirmed.", "The final diagnosis was gout.", "The working diagnosis was gout."),
        ("shift_certainty", "Suspected gout.", "He had possible gout.", "He had a diagnosis of gout."),
        ("shift_time", "Gout (resolved).", "He has prior gout.", "He has known gout."),
        ("shift_time", "He has gout.", "A man with known gout.", "A man with resolved gout."),
        ("shift_experiencer", "FH: gout (mother).", "Gout in his mother.", "Gout on his problem list."),
        ("shift_experiencer", "PMH: gout.", "A history of gout is noted.", "A family history of gout is noted."),
        ("swap_relative", "FH: gout (dad).", "Her father has gout.", "Her mother has gout."),
        ("reverse_change", "Start aspirin.", "Aspirin 81 mg was added.", "Aspirin 81 mg was discontinued."),
        ("reverse_change", "Hold aspirin.", "The team held aspirin.", "The team began aspirin."),
        ("reverse_change", "Continues aspirin.", "She remains on aspirin.", "She stops aspirin."),
        ("reverse_place", "Dispo: home.", "He was sent home.", "He was admitted to the ICU."),
        ("reverse_place", "Admitted to ICU.", "He went to the ICU.", "He went home."),
        ("reverse_course", "The cough has resolved.", "The cough is gone.", "The cough is unchanged."),
        ("reverse_course", "Cough unchanged.", "With no change in cough.", "With resolution of cough."),
        ("reverse_course", "Worsening cough.", "He had a worsening cough.", "He had an improving cough."),
        ("reverse_stage", "Order a brain MRI.", "A brain MRI is planned.", "A brain MRI was performed."),
        ("reverse_stage", "Underwent brain MRI.", "She underwent a brain MRI.", "She is to have a brain MRI."),
    ],
)  # fmt: skip
def test_each_word_turns_into_its_opposite(operator, note, summary, wanted):
    made = texts(operator, note, summary, tries=80)
    assert wanted in made, sorted(made)


@pytest.mark.parametrize(
    ("operator", "summary"),
    [
        ("reverse_change", "Aspirin was stopped because of a rash."),  # a reason would no longer suit
        ("reverse_stage", "She underwent an MRI of the brain, which showed atrophy."),  # neither would a result
        ("shift_experiencer", "A family history of gout (mother) was noted."),  # the mother would be left over
        ("shift_experiencer", "There was a family history of gout in his mother."),
        ("swap_relative", "Her mother reports that she has a cough."),
        ("shift_certainty", "Confirmed by phone."),
    ],
)
def test_words_that_their_sentence_holds_fast_are_left_alone(operator, summary):
    assert find_turnables(operator, summary) == []


def test_pronouns_follow_the_patient():
    made = texts("shift_experiencer", "FH: gout (mother).", "This woman has gout in her mother.", tries=60)
    assert "This woman has gout on her problem list." in made
    assert not any(" his " in text for text in made)


def test_each_way_is_turned_as_often_as_the_other_in_a_corpus_that_starts_more_than_it_stops():
    started = [f"Note {n}. Aspirin was started for patient {n}." for n in range(300)]
    stopped = [f"Note {n}. Aspirin was stopped for patient {n}." for n in range(100)]
    donors = collect_donors([("note", text) for text in (*started, *stopped)])
    turned = Counter()
    for text in (*started, *stopped):
        made = turn("reverse_change")("note", text, random.Random(text), donors)
        if made:
            turned[made.edits[0].old, made.edits[0].new] += 1
    # 300 and 100 wordings: 100 turned each way, but for the share of the wordings that the corpus never uses (a half
    # each, 21 of them: about one in twenty) and a standard deviation of 8.
    assert 70 < turned["started", "stopped"] < 130
    assert 70 < turned["stopped", "started"] <= 100


@given(st.text(max_size=200))
def test_any_text_can_be_searched(summary):
    for operator in TURNS:
        for item in find_turnables(operator, summary):
            assert item.wording in item.row.kind_of
            assert 0 <= item.start < item.end <= len(summary)
    assert all(":" in word for word in turnable_words(summary))


NOTE = (
    "PMH: hypothyroidism, osteoarthritis. Lisinopril held due to hyperkalemia. Prednisone was started. "
    "Colchicine started for gout."
)


def test_a_reason_becomes_another_problem_of_the_note():
    made = texts(swap_reason, NOTE, "Lisinopril was held due to hyperkalemia.")
    assert "Lisinopril was held due to hypothyroidism." in made
    assert "Lisinopril was held due to hyperkalemia." not in made


def test_a_reason_that_is_true_or_usual_is_not_drawn():
    made = texts(swap_reason, "Hypertension and gout. Lisinopril raised for heart failure.",
                 "Lisinopril was raised for heart failure.")  # fmt: skip
    assert made
    assert all("gout" in text for text in made)


def test_a_reason_moves_to_another_medicine_word_for_word():
    summary = "Lisinopril was held due to hyperkalemia. Prednisone was started."
    assert texts(move_reason, NOTE, summary) == {"Lisinopril was held. Prednisone was started due to hyperkalemia."}


def test_an_indication_moves_only_to_what_is_given():
    summary = "Colchicine was started for gout. Lisinopril was held."
    assert texts(move_reason, NOTE, summary) == set()


def test_a_reason_with_more_words_stays():
    assert texts(swap_reason, NOTE, "Lisinopril was held due to hyperkalemia of unknown origin.") == set()
