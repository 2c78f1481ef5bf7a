"""Finds the concepts that a summary names, under every name that the lexicon and the oracle's own tables give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Protocol

from clinical.lexicon import load_lexicon
from clinical.mentions import keys_of
from clinical.oracle.roots import find_unordered, roots_of
from clinical.oracle.words import Token, forms, tokens_of

PROBLEM, DRUG, CLASS, LAB, PROCEDURE = "problem", "drug", "class", "lab", "procedure"
SERVICE, ADVICE, ALLERGEN, LEVEL = "service", "advice", "allergen", "level"
_WITHIN = re.compile(r"[ \t]*\n?[ \t]*|[-/]|\s*-\s*")
_SHORT = 3  # names up to this length count only in the lexicon's own capitals
_BETWEEN_HEAD_AND_PART = frozenset(
    ["the", "his", "her", "their", "both", "a", "an", "left", "right", "bilateral", "lower", "upper", "side", "sided"]
)
_LINKS = frozenset(["in", "of", "to", "at", "over", "on", "around", "affecting", "involving"])


class _Listed(Protocol):
    """An entry of the lexicon with its names."""

    @property
    def name(self) -> str: ...

    @property
    def synonyms(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Named:
    """Concepts named by tokens ``first`` to ``end`` (exclusive): (kind, name) pairs, one of which is meant.

    ``literal`` is false for a name in other order ("swelling of the left leg"), which may hold a side of its own.
    """

    first: int
    end: int
    meanings: tuple[tuple[str, str], ...]
    literal: bool = True

    def name_of(self, *kinds: str) -> str | None:
        """The first name of one of these kinds."""
        return next((name for kind, name in self.meanings if kind in kinds), None)

    def names_of(self, *kinds: str) -> list[str]:
        """All names of these kinds."""
        return [name for kind, name in self.meanings if kind in kinds]


@dataclass(frozen=True)
class _Entry:
    keys: tuple[str, ...]
    exact: str | None
    meanings: tuple[tuple[str, str], ...]


def _names() -> list[tuple[str, str, str]]:
    """(surface, kind, name) of everything that can be named, the lexicon's first."""
    lexicon, own = load_lexicon(), forms()
    rows: list[tuple[str, str, str]] = []
    listed: tuple[tuple[str, tuple[_Listed, ...]], ...] = (
        (PROBLEM, (*lexicon.conditions, *lexicon.findings)),
        (LAB, lexicon.labs),
        (PROCEDURE, lexicon.procedures),
        (SERVICE, lexicon.services),
        (ADVICE, lexicon.advice),
        (ALLERGEN, lexicon.allergens),
    )
    for kind, entries in listed:
        for entry in entries:
            surfaces = (entry.name, *entry.synonyms, *own["forms"].get(entry.name, ()))
            rows += [(surface, kind, entry.name) for surface in surfaces]
            rows += [(broad, kind, broad) for broad in broader_of(entry.name)]
    for drug in lexicon.drugs:
        rows += [(surface, DRUG, drug.name) for surface in (drug.name, *drug.brands)]
        rows.append((drug.drug_class, CLASS, drug.drug_class))
    for name, surfaces in own["class_forms"].items():
        rows += [(surface, CLASS, name) for surface in (name, *surfaces)]
    rows += [(surface, LEVEL, surface) for surface in own["levels"]]
    return rows


@cache
def broader_of(name: str) -> tuple[str, ...]:
    """Wider notions of a concept, the wider ones of these included."""
    table = _broader_table()
    found: list[str] = []
    waiting = [name]
    while waiting:
        for wider in table.get(waiting.pop(0), ()):
            if wider not in found and wider != name:
                found.append(wider)
                waiting.append(wider)
    return tuple(found)


@cache
def _broader_table() -> dict[str, tuple[str, ...]]:
    lexicon, own = load_lexicon(), forms()["broader"]
    table = {condition.name: condition.broader for condition in lexicon.conditions}
    table |= {finding.name: finding.broader for finding in lexicon.findings}
    for name, wider in own.items():
        table[name] = (*table.get(name, ()), *(w for w in wider if w not in table.get(name, ())))
    return table


@cache
def classes_of(drug: str) -> frozenset[str]:
    """The classes of a drug, wide ones included: furosemide is a loop diuretic and a diuretic."""
    entry = next((d for d in load_lexicon().drugs if d.name == drug), None)
    if entry is None:
        return frozenset()
    low = entry.drug_class.lower()
    parts = forms()["class_parts"]
    wide = {name for name, of in parts.items() if any(part.lower() in low for part in of)}
    return frozenset({entry.drug_class, *wide})


@cache
def _index() -> dict[str, tuple[_Entry, ...]]:
    found: dict[tuple[tuple[str, ...], str | None], dict[tuple[str, str], None]] = {}
    for surface, kind, name in _names():
        exact = surface if len(surface) <= _SHORT and surface != surface.lower() else None
        keys = keys_of(surface)
        if keys:
            found.setdefault((keys, exact), {})[kind, name] = None
    index: dict[str, list[_Entry]] = {}
    for (keys, exact), meanings in found.items():
        index.setdefault(keys[0], []).append(_Entry(keys, exact, tuple(meanings)))
    return {first: tuple(sorted(entries, key=lambda e: -len(e.keys))) for first, entries in index.items()}


@cache
def _by_keys() -> dict[tuple[str, ...], tuple[tuple[str, str], ...]]:
    return {entry.keys: entry.meanings for entries in _index().values() for entry in entries if entry.exact is None}


@cache
def _heads() -> frozenset[str]:
    """Last words of two-word problems: pain, swelling, weakness."""
    return frozenset(
        keys[-1] for keys, meanings in _by_keys().items() if len(keys) == 2 and any(k == PROBLEM for k, _ in meanings)
    )


def named_at(text: str, tokens: list[Token], position: int) -> Named | None:
    """The longest name that begins at a token, or a name in other order: pain in the right knee."""
    best = _literal_at(text, tokens, position)
    turned = _turned_at(tokens, position)
    if turned and (best is None or turned.end > best.end):
        best = turned
    unordered = unordered_at(text, tokens, position)
    if unordered and (best is None or unordered[1] > best.end):
        sided = any(side in name.split() for _, name in unordered[0] for side in ("left", "right"))
        best = Named(position, unordered[1], unordered[0], literal=sided)
    return _with_lab(text, tokens, best)


LEVEL_WORDS = frozenset(["elevated", "high", "raised", "increased", "low", "decreased", "reduced"])


def _with_lab(text: str, tokens: list[Token], named: Named | None) -> Named | None:
    """A finding such as "elevated intraocular pressure" names the laboratory value or vital sign, too."""
    if named is None or named.end - named.first < 2 or named.name_of(PROBLEM) is None:
        return named
    if tokens[named.first].low not in LEVEL_WORDS:  # a potassium level low at 3.1
        lab = _literal_at(text, tokens, named.first)
        told = {token.low for token in tokens[named.first : named.end]} & LEVEL_WORDS
        found = lab.names_of(LAB) if lab and told and lab.end < named.end else []
        return Named(named.first, named.end, (*named.meanings, *((LAB, name) for name in found)), named.literal)
    lab = _literal_at(text, tokens, named.first + 1)
    if lab is None or lab.name_of(LAB) is None:
        return named
    if lab.end < named.end and not (lab.end == named.end - 1 and tokens[lab.end].key == "level"):
        return named
    return Named(named.first, max(lab.end, named.end), (*named.meanings, *(m for m in lab.meanings if m[0] == LAB)))


def _literal_at(text: str, tokens: list[Token], position: int) -> Named | None:
    meanings: list[tuple[str, str]] = []
    size = 0
    for entry in _index().get(tokens[position].key, ()):
        if len(entry.keys) < size:
            break
        run = tokens[position : position + len(entry.keys)]
        if tuple(token.key for token in run) != entry.keys:
            continue
        if not all(_WITHIN.fullmatch(text, left.end, right.start) for left, right in pairwise(run)):
            continue
        if entry.exact is not None and not text.startswith(entry.exact, run[0].start):
            continue
        size = len(entry.keys)
        meanings += entry.meanings
    return Named(position, position + size, tuple(meanings)) if meanings else None


def _turned_at(tokens: list[Token], position: int) -> Named | None:
    head = tokens[position]
    if head.key not in _heads() or position + 2 >= len(tokens) or tokens[position + 1].low not in _LINKS:
        return None
    at = position + 2
    while at < len(tokens) - 1 and at < position + 6 and tokens[at].low in _BETWEEN_HEAD_AND_PART:
        at += 1
    for size in (2, 1):
        keys = (*(token.key for token in tokens[at : at + size]), head.key)
        meanings = _by_keys().get(keys)
        if meanings and len(keys) == size + 1:
            return Named(position, at + size, meanings, literal=False)
    return None


def unordered_at(text: str, tokens: list[Token], position: int) -> tuple[tuple[tuple[str, str], ...], int] | None:
    """The longest run from a token on whose words are, in whatever order and with their like, those of one name."""
    return find_unordered(text, tokens, position, _by_roots())


_UNORDERED = (PROBLEM, PROCEDURE, ADVICE, LAB, SERVICE)
_TOO_GENERAL = frozenset(("increased", "decreased"))  # a high urinary ratio is no increased urination


@cache
def _by_roots() -> dict[frozenset[str], tuple[tuple[str, str], ...]]:
    found: dict[frozenset[str], dict[tuple[str, str], None]] = {}
    for surface, kind, name in _names():
        roots = roots_of([token.low for token in tokens_of(surface)])
        if len(roots) >= 2 and not roots & _TOO_GENERAL and kind in _UNORDERED:
            found.setdefault(roots, {})[kind, name] = None
    return {roots: tuple(meanings) for roots, meanings in found.items()}


@cache
def word_bags(name: str) -> tuple[tuple[str, ...], ...]:
    """The words of each name of a concept, as they are compared."""
    lexicon, own = load_lexicon(), forms()["forms"]
    entries: tuple[_Listed, ...] = (
        *lexicon.conditions,
        *lexicon.findings,
        *lexicon.procedures,
        *lexicon.labs,
        *lexicon.services,
        *lexicon.advice,
        *lexicon.allergens,
    )
    entry = next((entry for entry in entries if entry.name == name), None)
    surfaces = (name, *(entry.synonyms if entry else ()), *own.get(name, ()))
    return tuple(tuple(token.key for token in tokens_of(surface)) for surface in surfaces)


@cache
def follows(fact: str, claimed: str) -> bool:
    """Whether a thing may rightly be called ``claimed``: its own name, a wider notion, or its head noun alone."""
    if claimed == fact or claimed in broader_of(fact):
        return True
    one = tuple(token.key for token in tokens_of(claimed))
    return any(
        one and one[-1] == bag[-1] and set(one) <= set(bag) and "non" not in set(bag) - set(one)
        for bag in word_bags(fact)
        if bag
    )
