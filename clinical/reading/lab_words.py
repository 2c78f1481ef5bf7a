"""What words say of a laboratory value beside its number: high or low, rising or falling.

Read are words right before or after the name: a raised creatinine, sodium above range, 137 (up from 143), a fall in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from clinical.levels import HIGH, LOW
from clinical.mentions import LAB, find_mentions
from clinical.reading.claims import NUMBER, Claim, extract_claims
from clinical.reading.trends import FALLING, RISING
from clinical.sentences import Span, sentence_spans

BLOOD_PRESSURE = "blood pressure"  # two values in one, which no single entry of the lexicon has
_PRESSURE = re.compile(r"\b(?:blood pressure|BP)\b", re.IGNORECASE)
_REACH = 45  # characters between a name and the words and numbers that are of it, as for a claim's value
_OF_NAME = r"(?:serum|plasma|blood|fasting|the|an?|his|her)"
_HIGH = r"high|elevated|raised"
_LOW = r"low|depressed"
_LEVEL_BEFORE = re.compile(rf"\b(?:(?P<high>{_HIGH})|(?P<low>{_LOW}))\s+(?:{_OF_NAME}\s+)*$", re.IGNORECASE)
_LEVEL_AFTER = re.compile(
    r"(?:[\s(,]|\b(?:level|count|concentration|reading|value|which|that|is|was|are|were|came back|returned|remains?|"
    r"found|to be|still|also|slightly|mildly|markedly|very)\b)*"
    rf"\b(?:(?P<high>above (?:the )?(?:normal |reference )?range|{_HIGH}|up(?= at\b))|"
    rf"(?P<low>below (?:the )?(?:normal |reference )?range|{_LOW}|down(?= at\b)))\b",
    re.IGNORECASE,
)
_LEVEL_AFTER_VALUE = re.compile(
    rf"(?:\s*\(|,?\s+(?:which|that)\s+(?:is|was)\s+)(?:(?P<high>{_HIGH})|(?P<low>{_LOW}))\b", re.IGNORECASE
)
_MOVE_BEFORE = re.compile(
    r"\b(?:(?P<rising>(?:rise|climb|increase) in|rising|climbing)|"
    rf"(?P<falling>(?:fall|drop|decline|decrease) in|falling|declining|dropping))\s+(?:{_OF_NAME}\s+)*$",
    re.IGNORECASE,
)
_MOVE_AFTER = re.compile(
    r"\b(?:(?P<rising>(?:up|rose|risen|rising|climb(?:ed|ing)|increased|increasing) (?:from|to)|trending up|"
    r"(?<!there )(?:is|was|are|were|been) (?:rising|climbing))|"
    r"(?P<falling>(?:down|fell|fallen|falling|declin(?:ed|ing)|dropp(?:ed|ing)|decreas(?:ed|ing)) (?:from|to)|"
    r"trending down|(?<!there )(?:is|was|are|were|been) (?:falling|declining|dropping)))\b",
    re.IGNORECASE,
)
# A text without any of these has none of the words above, as most parts of summaries have none.
_ANY_WORD = re.compile(
    r"high|elevat|rais|low|depressed|above|up|down|ris|rose|climb|fall|fell|declin|drop|creas", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"[;.](?=\s|$)|,\s+(?:and|with|who|while|but)\b")


@dataclass(frozen=True)
class LabWord:
    """A word on a laboratory value, at ``text[start:end]``: HIGH, LOW, RISING or FALLING.

    ``values`` are the numbers told of the value beside it, in the text's order: one, or two where it gives an earlier.
    """

    start: int
    end: int
    about: str
    kind: str
    values: tuple[Claim, ...]


@dataclass(frozen=True)
class _Named:
    """Where a text names a laboratory value, and where what may be of it begins and ends."""

    about: str
    name: Span
    begin: int
    end: int


@lru_cache(maxsize=512)  # a note is compared with several summaries
def find_lab_words(text: str) -> tuple[LabWord, ...]:
    """All words on laboratory values, in the order of the values."""
    if not _ANY_WORD.search(text):
        return ()
    numbers = [claim for claim in extract_claims(text) if claim.type == NUMBER and claim.about and claim.quantity]
    found: list[LabWord] = []
    for named in _named(text):
        own = [c for c in numbers if c.about == named.about and named.name.end <= c.start < named.end]
        told = own[0].start if own else named.end
        matches = (
            _LEVEL_BEFORE.search(text[: named.name.start], max(named.begin, named.name.start - _REACH)),
            _LEVEL_AFTER.match(text, named.name.end, told),
            _LEVEL_AFTER_VALUE.match(text, own[0].end, named.end) if own else None,
            _MOVE_BEFORE.search(text[: named.name.start], max(named.begin, named.name.start - _REACH)),
            _MOVE_AFTER.search(text, named.name.end, named.end),
        )
        for match in matches:
            if match:
                kind = next(name for name in (HIGH, LOW, RISING, FALLING) if match.groupdict().get(name))
                found.append(LabWord(*match.span(kind), named.about, kind, tuple(own[:2])))
    return tuple(found)


def _named(text: str) -> Iterator[_Named]:
    """The names of laboratory values with their surroundings: up to the clause's end or the next such name."""
    mentions = find_mentions(text)
    names = [(m.concept.name, Span(m.start, m.end)) for m in mentions if m.concept.kind == LAB]
    for match in _PRESSURE.finditer(text):
        if not any(m.start <= match.start() < m.end for m in mentions):  # "high blood pressure" is a condition
            names.append((BLOOD_PRESSURE, Span(*match.span())))
    names.sort(key=lambda item: item[1])
    for sentence in sentence_spans(text):
        inside = [item for item in names if sentence.start <= item[1].start < sentence.end]
        for index, (about, span) in enumerate(inside):
            begin = inside[index - 1][1].end if index else sentence.start
            stop = inside[index + 1][1].start if index + 1 < len(inside) else sentence.end
            clause = _CLAUSE_END.search(text, span.end, stop)
            yield _Named(about, span, begin, min(clause.start() if clause else stop, span.end + _REACH))
