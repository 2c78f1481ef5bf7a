"""Finds the lexicon's entries in a text, drugs to allergens: every name, the longest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, pairwise

from clinical.lexicon import load_lexicon
from clinical.sentences import Span, separable_parts, word_key, word_spans

DRUG, CONDITION, FINDING, LAB, PROCEDURE = "drug", "condition", "finding", "lab", "procedure"
IMAGING_FINDING = "imaging finding"  # apart from symptoms and signs, which a patient has without any study
SERVICE, ADVICE, ALLERGEN = "service", "advice", "allergen"

_WITHIN = re.compile(r"['’%]?[ \t]*\n?[ \t]*|[-/]|\s*-\s*")  # what may stand between the words of one name
_INITIAL = re.compile(r"\.\s?")  # after a single letter: H. pylori
# PE and MS head a part of an examination: "PE: lungs clear", "PE reveals"; a problem list has "DVT:", "HTN:".
_HEADING = re.compile(r"(?:PE|MS)(?:\s*:|\s+(?:exam|findings?|notable|remarkable|reveal|show|significant\s+for)\w*)")
_CAPITALS = re.compile(r"\b[A-Z]{2,5}\b")
_SHORT = 3  # names up to this length (MI, PE, AS, CAP) count only in the lexicon's own capitals


@dataclass(frozen=True, eq=False)
class Concept:
    """One entry of the lexicon under all its names; there is one object of each, compared by identity.

    ``group`` is what siblings share, such as a drug's class.
    """

    kind: str
    name: str
    group: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Mention:
    """A concept named at ``text[start:end]``."""

    start: int
    end: int
    text: str
    concept: Concept

    def moved(self, distance: int) -> Mention:
        """The same mention, ``distance`` characters further on."""
        return Mention(self.start + distance, self.end + distance, self.text, self.concept)


@dataclass(frozen=True)
class _Entry:
    keys: tuple[str, ...]
    exact: str | None  # the spelling that the text must have, of short names
    spoken: bool  # whether it is spoken letter by letter (C T head), which must be capitals
    concept: Concept


@cache
def concepts() -> tuple[Concept, ...]:
    """Every entry of the lexicon as a concept, in the lexicon's order."""
    lexicon = load_lexicon()
    return (
        *(Concept(DRUG, drug.name, drug.drug_class, (drug.name, *drug.brands)) for drug in lexicon.drugs),
        *(Concept(CONDITION, c.name, c.group, (c.name, *c.synonyms)) for c in lexicon.conditions),
        *(
            Concept(IMAGING_FINDING if f.kind == "imaging" else FINDING, f.name, f.group, (f.name, *f.synonyms))
            for f in lexicon.findings
        ),
        *(Concept(LAB, lab.name, lab.unit, (lab.name, *lab.synonyms)) for lab in lexicon.labs),
        *(Concept(PROCEDURE, p.name, p.group, (p.name, *p.synonyms)) for p in lexicon.procedures),
        *(Concept(SERVICE, s.name, "service", (s.name, *s.synonyms)) for s in lexicon.services),
        *(Concept(ADVICE, a.name, a.group, (a.name, *a.synonyms)) for a in lexicon.advice),
        *(Concept(ALLERGEN, a.name, "allergen", (a.name, *a.synonyms)) for a in lexicon.allergens),
    )


@cache
def concepts_of(kind: str) -> tuple[Concept, ...]:
    """The entries of one kind, in the lexicon's order."""
    return tuple(concept for concept in concepts() if concept.kind == kind)


@cache
def siblings(concept: Concept) -> tuple[Concept, ...]:
    """The other concepts of the same kind and group: plausible in its place, and never the same."""
    return tuple(c for c in concepts() if c.kind == concept.kind and c.group == concept.group and c != concept)


@cache
def related(one: Concept, other: Concept) -> bool:
    """Whether a name of one holds all words of a name of the other: chest pain and pleuritic chest pain."""
    bags = [[set(keys_of(name)) for name in concept.names] for concept in (one, other)]
    return any(a <= b or b <= a for a in bags[0] for b in bags[1])


@cache
def keys_of(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared."""
    return tuple(word_key(name[span.start : span.end]) for span in word_spans(name))


def find_mentions(text: str) -> list[Mention]:
    """Mentions in order, not overlapping; of two names that begin at the same word, the longer one."""
    return list(_mentions(text))


@lru_cache(maxsize=2048)  # a note is read several times, and so are the sentences that its summaries share
def _mentions(text: str) -> tuple[Mention, ...]:
    parts = separable_parts(text)
    if len(parts) > 1:
        starts = accumulate(map(len, parts), initial=0)
        return tuple(m.moved(start) for part, start in zip(parts, starts, strict=False) for m in _mentions(part))
    spans = word_spans(text)
    keys = [word_key(text[start:end]) for start, end in spans]
    index = _index()
    mentions = []
    position = 0
    while position < len(keys):
        entries = index.get(keys[position])
        entry = next(_matches(entries, text, spans, keys, position), None) if entries else None
        if entry is None:
            position += 1
            continue
        start, end = spans[position].start, spans[position + len(entry.keys) - 1].end
        mentions.append(Mention(start, end, text[start:end], entry.concept))
        position += len(entry.keys)
    return tuple(mentions)


def _matches(
    entries: Iterable[_Entry], text: str, spans: list[Span], keys: list[str], position: int
) -> Iterator[_Entry]:
    """Those of the entries, which all begin with the word at ``position``, that stand there."""
    for entry in entries:
        size = len(entry.keys)
        if tuple(keys[position : position + size]) != entry.keys:
            continue
        words = spans[position : position + size]
        joined = all(_stand_together(text, left, right) for left, right in pairwise(words))
        capitals = not entry.spoken or all(text[word.start].isupper() for word in words if word.end - word.start == 1)
        exact = entry.exact is None or text.startswith(entry.exact, words[0].start)
        if joined and capitals and exact and not (entry.exact and _HEADING.match(text, words[0].start)):
            yield entry


def _stand_together(text: str, left: Span, right: Span) -> bool:
    return bool(
        _WITHIN.fullmatch(text, left.end, right.start)
        or (left.end - left.start == 1 and _INITIAL.fullmatch(text, left.end, right.start))
    )


@cache
def _index() -> dict[str, tuple[_Entry, ...]]:
    """Entries by first word, longest first. A name shared by two concepts belongs to the first in the lexicon."""
    found: dict[tuple[tuple[str, ...], str | None], _Entry] = {}
    for concept in concepts():
        for name in concept.names:
            exact = name if len(name) <= _SHORT else None
            found.setdefault((keys_of(name), exact), _Entry(keys_of(name), exact, False, concept))
            spoken = _CAPITALS.sub(lambda letters: " ".join(letters[0]), name)
            if spoken != name:
                found.setdefault((keys_of(spoken), spoken), _Entry(keys_of(spoken), None, True, concept))
    index: dict[str, list[_Entry]] = {}
    for entry in found.values():
        index.setdefault(entry.keys[0], []).append(entry)
    return {first: tuple(sorted(entries, key=lambda e: -len(e.keys))) for first, entries in index.items()}
