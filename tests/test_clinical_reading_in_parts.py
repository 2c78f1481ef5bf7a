"""A text read part by part says the same as the text read whole, so parts may be looked up instead of read again."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical import mentions
from clinical.mentions import find_mentions
from clinical.reading import claims
from clinical.reading.claims import extract_claims
from clinical.sentences import sentence_spans, separable_parts

# Words and stretches that names, values, dates, list numbers and answers could be split at.
PIECES = [
    ". ",
    "? ",
    "! ",
    "\n",
    "\n\n",
    ".\n",
    ", ",
    "; ",
    ": ",
    " - ",
    '"? ',
    ".) ",
    ") ",
    "H. pylori ",
    "Dr. ",
    "St. ",
    "vs. ",
    "e.g. ",
    "May. ",
    "Jan ",
    "5 ",
    "1. ",
    "2.5 ",
    "120/80 ",
    "3 to 4 ",
    "two ",
    "seventy ",
    "a week ",
    "days ",
    "mg ",
    "mg. ",
    "years old ",
    "y.o. ",
    "qd. ",
    "b.i.d. ",
    "at bedtime ",
    "daily ",
    "lisinopril ",
    "metformin ",
    "PE ",
    "CT ",
    "head ",
    "C",
    "T ",
    "fever ",
    "chest pain ",
    "no ",
    "denied ",
    "denies ",
    "not ",
    "without ",
    "was ",
    "ruled out ",
    "absent ",
    "left ",
    "right ",
    "both ",
    "leg ",
    "knee ",
    "Fever ",
    "Chest pain ",
    "No ",
    "Yes ",
    "She ",
    "He ",
    "The patient ",
    "Mother ",
    "also ",
    "and ",
    "or ",
    "had ",
    "suspected ",
    "confirmed ",
    "creatinine ",
    "rose from ",
    "SpO2 98%. ",
    "L. ",
    "2L. ",
    "A. ",
    "woman ",
    "Mr. ",
    "anti-",
    "(left). ",
    "é. ",
    "99. ",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def whole(text, monkeypatch):
    """Mentions and claims of a text that is not cut into parts."""
    with monkeypatch.context() as patch:
        for module in (mentions, claims):
            patch.setattr(module, "separable_parts", lambda text: [text])
        patch.setattr(claims, "find_mentions", lambda text: list(mentions._mentions.__wrapped__(text)))
        return claims.extract_claims.__wrapped__(text), list(mentions._mentions.__wrapped__(text))


@settings(deadline=None)
@given(text=TEXTS)
def test_read_in_parts_a_text_says_the_same_as_read_whole(text):
    with pytest.MonkeyPatch.context() as monkeypatch:
        read, found = whole(text, monkeypatch)
    assert extract_claims(text) == read
    assert find_mentions(text) == found


@settings(deadline=None)
@given(text=st.one_of(TEXTS, st.text()))
def test_parts_are_whole_sentences_and_joined_the_text(text):
    parts = separable_parts(text)
    assert "".join(parts) == text
    starts = list(accumulate(map(len, parts), initial=0))[1:-1]
    assert set(starts) <= {span.start for span in sentence_spans(text)}
    assert [separable_parts(part) for part in parts] == [(part,) for part in parts]


@pytest.mark.parametrize(
    "text",
    [
        "Biopsy showed H. Pylori gastritis",  # a name goes on
        "Seen by Dr. Lee",
        "Fever? Yes",  # a question stays with its answer
        "Last seen in May. 5 mg then",  # a date, no dose
        "Medications:\nAspirin\nMetformin",  # a line may end within a name
    ],
)
def test_what_belongs_together_stays_together(text):
    assert separable_parts(f"{text}. She left.") == (f"{text}. ", "She left.")


def test_sentences_are_parts():
    assert separable_parts("She had fever. He had none.  A cough of 5 mg. Now?") == (
        "She had fever. ",
        "He had none.  ",
        "A cough of 5 mg. ",
        "Now?",
    )
