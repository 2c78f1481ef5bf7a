"""The oracle's own words: cues (started, denies, due to), harmless words, and the tokens in which they are sought."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinical.sentences import word_key, word_spans

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Token:
    """A word or number at ``text[start:end]``; ``low`` in small letters, ``key`` also without plural ending."""

    start: int
    end: int
    low: str
    key: str


@dataclass(frozen=True)
class Cue:
    """A phrase of tokens ``first`` to ``end`` (exclusive); ``senses``: kind of cue -> value, "" where it has none."""

    first: int
    end: int
    senses: Mapping[str, str]


@cache
def words() -> dict[str, Any]:
    """The tables of words.json: cues by kind."""
    loaded: dict[str, Any] = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))
    return loaded


@cache
def forms() -> dict[str, Any]:
    """The tables of forms.json: how concepts are called beyond the lexicon, and what follows from what."""
    loaded: dict[str, Any] = json.loads((FOLDER / "forms.json").read_text(encoding="utf-8"))
    return loaded


@cache
def harmless() -> frozenset[str]:
    """Words that say nothing of their own about a patient."""
    lines = (FOLDER / "harmless.txt").read_text(encoding="utf-8").splitlines()
    text = " ".join(line for line in lines if not line.startswith("#"))
    return frozenset(token.low for token in tokens_of(text))


def tokens_of(text: str) -> list[Token]:
    """Words and numbers in order."""
    return [
        Token(span.start, span.end, text[span.start : span.end].lower(), word_key(text[span.start : span.end]))
        for span in word_spans(text)
    ]


_CUE_TABLES = (
    "change", "level", "trend", "outcome", "course", "relative", "plan", "disposition", "smoking", "alcohol",
    "route", "frequency", "ages",
)  # fmt: skip
_CUE_LISTS = (
    "switch", "flare", "negation_before", "negation_after", "negation_either", "suspected_before", "suspected_after",
    "neutral_before", "neutral_after", "soft_before", "confirmed", "past", "resolved", "active",
    "plan_any", "follow_up", "done",
    "planned", "cause", "cause_strict", "allergy", "no_allergy", "about", "more", "less", "vague",
)  # fmt: skip


@cache
def _phrases() -> dict[str, list[tuple[tuple[str, ...], dict[str, str]]]]:
    """Cue phrases by their first word, the longest first, each with all its senses."""
    senses: dict[tuple[str, ...], dict[str, str]] = {}
    for kind in _CUE_TABLES:
        for value, phrases in words()[kind].items():
            for phrase in [value] if kind == "ages" else phrases:
                senses.setdefault(tuple(token.low for token in tokens_of(phrase)), {}).setdefault(kind, value)
    for kind in _CUE_LISTS:
        for phrase in words()[kind]:
            senses.setdefault(tuple(token.low for token in tokens_of(phrase)), {})[kind] = ""
    index: dict[str, list[tuple[tuple[str, ...], dict[str, str]]]] = {}
    for phrase, found in sorted(senses.items(), key=lambda item: (-len(item[0]), item[0])):
        index.setdefault(phrase[0], []).append((phrase, found))
    return index


def cue_at(text: str, tokens: list[Token], position: int) -> Cue | None:
    """The longest cue that begins at a token; no cue runs over a comma or a full stop."""
    for phrase, senses in _phrases().get(tokens[position].low, ()):
        end = position + len(phrase)
        if end <= len(tokens) and all(tokens[position + n].low == word for n, word in enumerate(phrase)):
            gaps = (text[left.end : right.start] for left, right in pairwise(tokens[position:end]))
            if not any(mark in gap for gap in gaps for mark in ",;:("):
                return Cue(position, end, senses)
    return None
