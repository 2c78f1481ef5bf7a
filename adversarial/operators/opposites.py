"""Words that say which way a value went, or on which side of normal it lies, with those that say the opposite."""

from __future__ import annotations

import re

# Each row: words for up, words for down, which fit the same place in a sentence.
COURSES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("rising", "climbing"), ("falling", "declining")),
    (("rose", "climbed", "went up"), ("fell", "declined", "dropped", "went down", "came down")),
    (("went up on",), ("went down on",)),
    (("goes up on",), ("goes down on",)),
    (("going up on",), ("going down on",)),
    (("risen",), ("fallen",)),
    (("rises", "goes up"), ("falls", "goes down")),
    (("increased", "raised", "uptitrated", "titrated up", "stepped up"), ("decreased", "lowered", "reduced")),
    (("increases", "raises"), ("decreases", "lowers", "reduces")),
    (("turned up", "escalated", "titrated upward"), ("turned down", "stepped down", "titrated down")),
    (("rise", "increase", "climb"), ("fall", "drop", "decrease", "decline")),
    (("up",), ("down",)),
)
LEVELS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("high", "raised"), ("low",)),
    (("elevated",), ("subnormal",)),
    (("above range",), ("below range",)),
)
UP_WORDS = {word: down for up, down in COURSES for word in up}
DOWN_WORDS = {word: up for up, down in COURSES for word in down}
HIGH_WORDS = {word: low for high, low in LEVELS for word in high}
LOW_WORDS = {word: high for high, low in LEVELS for word in low}
COURSE_WORD = re.compile(
    rf"\b(?:{'|'.join(sorted({*UP_WORDS, *DOWN_WORDS}, key=lambda word: (-len(word), word)))})\b", re.IGNORECASE
)
LEVEL_WORD = re.compile(
    rf"\b(?:{'|'.join(sorted({*HIGH_WORDS, *LOW_WORDS}, key=lambda word: (-len(word), word)))})\b", re.IGNORECASE
)
