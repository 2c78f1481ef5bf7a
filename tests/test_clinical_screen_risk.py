"""The number that ranks summaries: flags first, then the words that no single sentence of the note holds."""

from __future__ import annotations

import pytest

from clinical.screen.risk import risk, unfounded_words
from clinical.screen.support import screen

NOTE = "A 60-year-old man has a cough. He keeps bees in Leeds. He plays chess. No fever. Lisinopril 10 mg was started."


def words(summary, note=NOTE):
    return unfounded_words(note, summary, screen(note, summary))


def ranked(summary, note=NOTE):
    return risk(note, summary, screen(note, summary))


@pytest.mark.parametrize(
    ("summary", "count"),
    [
        ("He keeps bees.", 0),
        ("She has been keeping the bee.", 0),  # stems and grammar
        ("He keeps goats.", 1),
        ("He keeps goats in York.", 2),
        ("He keeps bees. He keeps goats.", 1),
        ("He plays chess in Leeds.", 1),  # each stands in the note, not together
        ("No fever.", 0),
        ("", 0),
    ],
)
def test_words_that_the_nearest_sentence_lacks(summary, count):
    assert words(summary) == count


def test_a_supported_claim_is_found_in_other_words():
    assert words("A temperature of 38.5.", "Febrile.") > 0
    assert words("He has hypertension.", "He has high blood pressure.") == 0


def test_an_empty_note_founds_nothing():
    assert words("He keeps bees.", "") == 2


def test_without_flags_more_unfounded_words_rank_higher_and_stay_below_one():
    assert 0 == ranked("He keeps bees.") < ranked("He keeps goats.") < ranked("He keeps goats in York.") < 1


def test_a_flag_outranks_any_number_of_words():
    strange = "He collects purple umbrellas near Oslo with cheerful neighbours."
    assert ranked(strange) < 1 <= ranked("He has a fever.") < 2
    assert ranked("He has a fever. He has no cough.") >= 2
