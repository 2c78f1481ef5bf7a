"""The people who write the notes and summaries: each has habits of style, phrase and abbreviation."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from phase1_data_medhal.seeds import seeded

STYLES = ("prose", "soap", "telegraphic", "discharge", "triage", "letter")
AUTHORS, TEST_ONLY_AUTHORS = 60, 12
TEST_ONLY_SHARE = 0.4  # of the test notes are written by the authors who write nowhere else


@dataclass(frozen=True)
class Author:
    """One writer: two favourite ``styles``, how often abbreviations are used (0 to 1), how firm the habits are.

    ``firmness`` is the standard deviation of an option's log weight: at 0 all phrases are equally likely.
    """

    name: str
    styles: tuple[str, str]
    abbreviating: float
    firmness: float

    def pick(self, options: Sequence[str], rng: random.Random, key: str) -> str:
        """One of ``options``, by this author's habits; ``key`` names the choice and keeps habits apart."""
        return rng.choices(options, _weights(self.name, self.firmness, key, len(options)))[0]


@cache
def _weights(name: str, firmness: float, key: str, size: int) -> tuple[float, ...]:
    rng = seeded("habits", name, key)
    return tuple(math.exp(rng.gauss(0, firmness)) for _ in range(size))


@cache
def all_authors() -> tuple[Author, ...]:
    """All authors, the last ``TEST_ONLY_AUTHORS`` of them for the test split alone; every style is as frequent."""
    return tuple(_author(number) for number in range(AUTHORS))


def _author(number: int) -> Author:
    rng = seeded("author", number)
    first = STYLES[number % len(STYLES)]
    second = rng.choice([style for style in STYLES if style != first])
    return Author(f"author {number + 1}", (first, second), rng.uniform(0.05, 0.95), rng.uniform(0.4, 1.1))


def draw_author(rng: random.Random, held_out: bool) -> Author:
    """The writer of one text; ``held_out`` draws for the test split."""
    everyday, test_only = all_authors()[:-TEST_ONLY_AUTHORS], all_authors()[-TEST_ONLY_AUTHORS:]
    return rng.choice(test_only if held_out and rng.random() < TEST_ONLY_SHARE else everyday)
