"""Writes out the shorthand of notes (R abd pain, HA, hip fx), and finds the way back to the places in the note.

The lexicon holds only names that mean one thing wherever they stand. Shorthand such as HA or PT means another thing
elsewhere; it may help to find support for a claim, and is never by itself a claim.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from clinical.lexicon import DATA_DIR
from clinical.mentions import find_mentions
from clinical.sentences import Span

# A lone capital is a side before a part of the body or a complaint: R foot pain, L-sided, (R) knee; not 2 L, mmol/L.
_LONE_SIDE = (
    r"(?<![\w/.'’^%-])(?<!\d )(?:\((?P<bracketed>[RL])\)|(?P<side>[RL]))"
    r"(?=-?\s?sided\b|[ ](?!(?:and|or|was|were|is|in|on|of|at|per|with|via|by|flow|nasal cannula)\b)"
    r"(?:[a-z]{3,}|UE|LE|HA|CP|MCA|ICA|CVA)\b)"
)
_SIDES = {"R": "right", "L": "left"}


@dataclass(frozen=True)
class WrittenOut:
    """A text without shorthand, and which stretches of it stand for which of the original."""

    text: str
    starts: tuple[int, ...]  # in this text, of each stretch
    origins: tuple[Span, ...]  # in the original
    replaced: tuple[bool, ...]

    def origin(self, start: int, end: int) -> Span:
        """Where ``text[start:end]`` stands in the original."""
        first, last = self._stretch(start), self._stretch(max(start, end - 1))
        begin = self.origins[first].start + (0 if self.replaced[first] else start - self.starts[first])
        stop = self.origins[last].end if self.replaced[last] else self.origins[last].start + end - self.starts[last]
        return Span(begin, stop)

    def _stretch(self, position: int) -> int:
        return max(0, bisect_right(self.starts, position) - 1)


def write_out(text: str) -> WrittenOut:
    """The text with its shorthand in words; what is part of a name of the lexicon stays (SOB, CT head)."""
    named = [(mention.start, mention.end) for mention in find_mentions(text)]
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[Span] = []
    replaced: list[bool] = []
    size = 0

    def add(words: str, origin: Span, is_replaced: bool) -> None:
        nonlocal size
        pieces.append(words)
        starts.append(size)
        origins.append(origin)
        replaced.append(is_replaced)
        size += len(words)

    position = 0
    for match in _pattern().finditer(text):
        inside_a_name = any(match.start() < end and start < match.end() for start, end in named)
        if inside_a_name and not _long_forms().get(match[0], "").startswith(tuple(_SIDES.values())):
            continue  # but RUQ pain is written out, since it tells a side
        side = match["side"] or match["bracketed"]
        add(text[position : match.start()], Span(position, match.start()), False)
        add(_SIDES[side] if side else _long_forms()[match[0]], Span(match.start(), match.end()), True)
        position = match.end()
    add(text[position:], Span(position, len(text)), False)
    return WrittenOut("".join(pieces), tuple(starts), tuple(origins), tuple(replaced))


@cache
def _long_forms() -> dict[str, str]:
    with (DATA_DIR / "shorthand.csv").open(encoding="utf-8", newline="") as file:
        return {row["short"]: row["long"] for row in csv.DictReader(file)}


@cache
def _pattern() -> re.Pattern[str]:
    shorts = "|".join(re.escape(short) for short in sorted(_long_forms(), key=lambda short: (-len(short), short)))
    return re.compile(rf"{_LONE_SIDE}|(?<![\w/])(?:{shorts})(?![\w/])")
