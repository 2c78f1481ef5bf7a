"""Compares names by the roots of their words, in whatever order: inguinal pain is groin pain, pain in the groin too."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from clinical.oracle.words import FOLDER, Token
from clinical.sentences import word_key

Meaning = TypeVar("Meaning")
_SIDES = frozenset(("left", "right"))
_LONGEST = 7  # words from the first to the last of one name


@cache
def _tables() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "roots.json").read_text(encoding="utf-8"))
    return loaded


@cache
def _stops() -> frozenset[str]:
    return frozenset(_tables()["unordered_stops"])


@cache
def _same() -> dict[str, str]:
    return {
        word_key(variant): word_key(root)
        for root, variants in _tables()["same"].items()
        for variant in (root, *variants)
        if " " not in variant
    }


@cache
def root_of(low: str) -> frozenset[str]:
    """The roots of one word; none of a word that only joins others."""
    if low in _stops():
        return frozenset()
    spelt = _tables()["parts"].get(low) or low
    return frozenset(_same().get(word_key(word), word_key(word)) for word in spelt.split())


def roots_of(lows: list[str]) -> frozenset[str]:
    """The roots of some words together."""
    return frozenset(root for low in lows for root in root_of(low))


def find_unordered(
    text: str, tokens: list[Token], position: int, index: dict[frozenset[str], Meaning]
) -> tuple[Meaning, int] | None:
    """What the longest run of words from a token on means by its roots, and the token after it."""
    roots = root_of(tokens[position].low)
    if not roots:
        return None
    best: tuple[Meaning, int] | None = None
    for end in range(position + 1, min(position + _LONGEST, len(tokens)) + 1):
        if end > position + 1:
            gap = text[tokens[end - 2].end : tokens[end - 1].start]
            if any(mark in gap for mark in ",;:.()") or tokens[end - 1].low in ("and", "or", "no", "without"):
                break
            more = root_of(tokens[end - 1].low)
            if not more:
                continue
            roots = roots | more
        found = index.get(roots)
        if found is None and not {tokens[position].low, tokens[end - 1].low} & _SIDES:
            found = index.get(roots - _SIDES)
        if found and len(roots) >= 2:
            best = (found, end)
    return best
