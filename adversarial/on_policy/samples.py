"""Decides which sampled summaries can stand in a pair: whole, unbroken ones, none nearly twice."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher

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
