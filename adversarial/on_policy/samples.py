"""Decides which sampled summaries can stand in a pair: whole, unbroken ones in known words, none nearly twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from clinical.rewording import stem_of
from clinical.sentences import word_key, word_spans
from utils.generation import Generated
from utils.records import MIN_SUMMARY_WORDS

# A phrase of this many words comes once: of 1,500 shipped factual summaries 9 repeat one, of 340 by a model 41.
_PHRASE = 6
_WORD = re.compile(r"\d+(?:[.,/]\d+)*|\w+")
_ENDS = (".", "!", "?", ".)", '."')
# Letters, digits and marks of English clinical prose; anything else comes from a model that has lost its way.
_FOREIGN = re.compile(r"[^\sA-Za-z0-9À-ÿ.,;:!?'’\"“”()\[\]/%+\-–—−<>=≥≤±°µμ²³^#&*×→~@$_|]")
_SAME_WORDS = 0.9  # share of words in common, in order, above which two samples are one


def check_sample(sample: Generated) -> str | None:
    """Refuse a sample that is cut off, empty or too short, garbled, or caught in a loop; the reason, or None."""
    text = sample.text.strip()
    if not text:
        return "sample is empty"
    if sample.finish_reason != "eos":
        return "sample did not end by itself"
    if len(text.split()) < MIN_SUMMARY_WORDS:
        return f"sample of fewer than {MIN_SUMMARY_WORDS} words"
    if _FOREIGN.search(text):
        return "sample is garbled"
    if not text.endswith(_ENDS):
        return "sample ends in the middle of a sentence"
    return "sample repeats itself" if repeats_itself(text) else None


def stems_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of texts by stem, numbers left out."""
    return frozenset().union(*(_stems(text) for text in texts))


def check_words(text: str, note: str, vocabulary: frozenset[str]) -> str | None:
    """Refuse a sample with a word that stands neither in its note nor in ``vocabulary`` (:func:`stems_of`).

    A small model makes names up: no lexicon tells them from rare ones, and on both sides of a pair they would be
    learned.
    """
    known = _stems(text) <= vocabulary or _stems(text) <= vocabulary | _stems(note)
    return None if known else "sample with a word that no note and no factual summary has"


def _stems(text: str) -> set[str]:
    words = (text[span.start : span.end] for span in word_spans(text))
    return {stem_of(word_key(word)) for word in words if not any(map(str.isdigit, word))}


def repeats_itself(text: str) -> bool:
    """Whether words follow themselves (a history of a history of) or a phrase of six words comes twice."""
    words = _WORD.findall(text.lower())
    stutters = any(
        words[start : start + size] == words[start + size : start + 2 * size]
        for size in range(1, _PHRASE + 1)
        for start in range(len(words) - 2 * size + 1)
    )
    phrases = Counter(tuple(words[start : start + _PHRASE]) for start in range(len(words) - _PHRASE + 1))
    return stutters or any(count > 1 for count in phrases.values())


def alike(one: str, other: str) -> bool:
    """Whether two texts are nearly the same: nine words in ten, in order."""
    return likeness(one, other) >= _SAME_WORDS


def likeness(one: str, other: str) -> float:
    """The share of words that two texts have in common, in order: 1 for the same words, 0 for none."""
    return SequenceMatcher(None, one.lower().split(), other.lower().split(), autojunk=False).ratio()
