"""What an operator hands over: spans of the chosen summary and what stands there instead."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

_VOWEL = re.compile(r"[aeiou]|hour|honest|8\d*(?:\.\d+)?\b|1[18]\b", re.IGNORECASE)
_YOU_OR_ONE = re.compile(r"eu|uni(?!n)|ur[aeio]|us[aeu]|ut[ei]|one\b|once\b", re.IGNORECASE)  # a uric acid, a one-week
_SPELT_OUT = re.compile(r"(?!STEMI)(?:[A-Z]{2,}s?\b|HbA1c|SpO2)")  # letter by letter: an MRI, a UTI
_SPELT_WITH_VOWEL = re.compile(r"[AEFHILMNORSX]")
ARTICLE_BEFORE = re.compile(r"\b(an?) $", re.IGNORECASE)


@dataclass(frozen=True)
class Edit:
    """``summary[start:end]``, which reads ``old``, is replaced by ``new``; ``type`` is what becomes wrong."""

    start: int
    end: int
    old: str
    new: str
    type: str

    def as_record(self) -> dict[str, Any]:
        """The edit as the pairs file holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Proposal:
    """One wrong fact, made by one operator; a side is changed wherever it stands, so there may be several edits."""

    operator: str
    family: str
    text: str
    edits: tuple[Edit, ...]


def replace_span(summary: str, start: int, end: int, new: str, type_: str) -> Edit:
    """The edit that puts ``new`` at a span, and with it the article or capital letter that ``new`` needs."""
    old = summary[start:end]
    if old[:1].isupper() and new[:1].islower() and _begins_sentence(summary, start):
        new = new[:1].upper() + new[1:]
    article = ARTICLE_BEFORE.search(summary[:start])
    if article:
        word = "an" if takes_an(new) else "a"
        if article[1].lower() != word:
            start = article.start()
            new = f"{word.capitalize() if article[1][0].isupper() else word} {new}"
    return Edit(start, end, summary[start:end], new, type_)


def takes_an(words: str) -> bool:
    """Whether "an" stands before these words, by their sound."""
    if _SPELT_OUT.match(words):
        return bool(_SPELT_WITH_VOWEL.match(words))
    return bool(_VOWEL.match(words)) and not _YOU_OR_ONE.match(words)


def apply_edits(summary: str, edits: Sequence[Edit]) -> str:
    """The summary with all edits made. Raises ValueError where they overlap or do not fit the text."""
    pieces = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start < position or summary[edit.start : edit.end] != edit.old:
            raise ValueError(f"edit {edit} does not fit the summary")
        pieces += [summary[position : edit.start], edit.new]
        position = edit.end
    return "".join([*pieces, summary[position:]])


def proposal(operator: str, family: str, summary: str, edits: Sequence[Edit]) -> Proposal | None:
    """The proposal that these edits make; None where they change nothing."""
    text = apply_edits(summary, edits)
    return None if text == summary else Proposal(operator, family, text, tuple(sorted(edits, key=lambda e: e.start)))


def stable_choice(rng: random.Random, options: Iterable[str], weights: Mapping[str, float] | None = None) -> str | None:
    """A random option, as often as its weight says (1 where it has none); None of none.

    Weighted rendezvous hashing: each option's hash with a drawn number becomes an exponential waiting time, the
    shortest wins. Unlike ``rng.choices``, it does not depend on the order of the options, and one option more or less
    changes the result only where that option wins: what other rows donate hardly reaches this one.
    """
    salt = rng.getrandbits(64).to_bytes(8, "big")

    def waiting_time(option: str) -> float:
        drawn = int.from_bytes(blake2b(option.encode(), key=salt, digest_size=8).digest(), "big")
        return -math.log((drawn + 1) / 2**64) / (weights.get(option, 1.0) if weights is not None else 1.0)

    return min(options, key=waiting_time, default=None)


def lot(*parts: str) -> float:
    """A number in [0, 1) that depends on these texts alone: a share of the summaries, whatever is drawn how often."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big") / 2**64


def _begins_sentence(summary: str, start: int) -> bool:
    before = summary[:start].rstrip()
    return not before or before[-1] in ".!?:\n"
