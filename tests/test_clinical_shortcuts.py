"""What is left out because it can find nothing, or is searched in small letters, says the same as the long way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adversarial.operators import turn_words
from adversarial.pairs import Draws, seeded
from clinical import numbers
from clinical.numbers import FREQUENCIES, find_frequencies, find_quantities
from clinical.reading.claims import extract_claims
from clinical.screen.note_reading import Note
from clinical.sentences import sentence_spans, small_letters, word_key, word_spans
from tests.test_clinical_reading_in_parts import TEXTS

DOSING = [
    "daily",
    "b.i.d.",
    "TID",
    "Q6H",
    "qhs",
    "every ",
    "eight ",
    "hours",
    "Each night",
    "twice a day",
    "weekly",
    " x ",
]


@given(text=st.text())
def test_small_letters_keep_their_places(text):
    small = small_letters(text)
    assert len(small) == len(text)
    assert all(new in (old, old.lower()) for new, old in zip(small, text, strict=True))


def test_a_letter_that_would_become_two_stays():
    assert small_letters("İV 5 MG") == "İv 5 mg"


@settings(deadline=None)
@given(text=st.lists(st.sampled_from([*DOSING, " ", "aspirin ", "5 mg "]), max_size=12).map("".join))
def test_no_frequency_is_passed_over(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "_ANY_FREQUENCY", re.compile(""))
        everything = find_frequencies(text)
    assert find_frequencies(text) == everything


@pytest.mark.parametrize("name", FREQUENCIES)
def test_every_frequency_is_found_by_its_name(name):
    assert [found.name for found in find_frequencies(f"Aspirin {name.upper()}.")] == [name]


def test_numbers_in_words_are_read_in_any_case():
    assert [amount.values for amount in find_quantities("Twenty Five mg, ONE TWENTY over Eighty")] == [
        (25.0,),
        (120.0, 80.0),
    ]


@pytest.mark.parametrize("text", ["No fever, but cough.", "She denies fever and reports a cough."])
def test_a_denial_is_read_in_any_case(text):
    said = [(claim.concept, claim.polarity) for claim in extract_claims(text)]
    assert [(claim.concept, claim.polarity) for claim in extract_claims(text.upper())] == said
    assert {polarity for concept, polarity in said if concept} == {"affirmed", "negated"}


@pytest.mark.parametrize("operator", turn_words._data())
@pytest.mark.parametrize(("he", "his"), [("he", "his"), ("She", "Her")])
def test_no_row_is_passed_over_whose_wording_stands_there(operator, he, his):
    for row in turn_words._rows(operator):
        for wording in row.kind_of:
            summary = f"Then {wording.format(he=he, his=his)}, she said."
            assert row.word.search(summary)
            assert not row.first_words.isdisjoint(turn_words._words(summary)), wording


@settings(deadline=None)
@given(text=TEXTS)
def test_a_note_has_the_words_of_its_sentences(text):
    sentences = [(span, text[span.start : span.end]) for span in sentence_spans(text)]
    assert Note(text).sentences == [
        (span, frozenset(word_key(sentence[w.start : w.end]) for w in word_spans(sentence)))
        for span, sentence in sentences
    ]


def test_numbers_that_are_seeded_late_are_the_same():
    late, early = Draws(7, "note"), seeded(7, "note")
    assert late.are_untouched
    for draw in (
        lambda rng: rng.random(),
        lambda rng: rng.choice("abcdef"),
        lambda rng: rng.sample(range(99), 9),
        lambda rng: rng.choices("abc", (1, 2, 3), k=5),
        lambda rng: rng.randrange(2**64),
        lambda rng: rng.shuffle(list(range(9))),
    ):
        assert draw(late) == draw(early)
        assert not late.are_untouched
    assert late.getstate() == early.getstate()
