"""Which way a laboratory value or a dose went, told by its old and new number or by a word beside its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from clinical.mentions import LAB, find_mentions
from clinical.reading.claims import DOSE, NUMBER, Claim, extract_claims
from clinical.sentences import Span

RISING, FALLING = "rising", "falling"

_FULL_STOP = re.compile(r"\.\s")
_NEAR = 45  # characters between the old number and the new: "3.2 mg/dL (up from an earlier value of 2.2"
# How the words between two numbers end tells which of them is the older.
_THEN_NEW = re.compile(r"(?:\bto|-+>|→|\bnow(?: at)?)\s*:?\s*$", re.IGNORECASE)
_THEN_OLD = re.compile(
    r"(?:\b(?:from|was|prev(?:ious(?:ly)?)?|formerly|had been|earlier(?: value)?|after|before(?: this)?|against|"
    r"vs\.?|versus|compared with|instead of|baseline|prior)(?: of| value of| an earlier| a previous)?)\s*:?\s*$",
    re.IGNORECASE,
)
_OLD_ALONE = re.compile(
    r"(?:[(,;]\s*was|\b(?:from|prev(?:ious(?:ly)?)?|formerly|had been|earlier|before|after|than|against|versus|"
    r"baseline))"
    r"(?: an?| the)?(?: earlier| previous| prior)?(?: value| level)?(?: of)?\s*:?\s*$",
    re.IGNORECASE,
)
_RISING = r"rising|risen|rose|rises|climbing|climbed|climbs|increasing|increased|went up|goes up|came up|going up"
_FALLING = (
    r"falling|fallen|fell|falls|declining|declined|declines|dropping|dropped|drops|decreasing|decreased|"
    r"went down|goes down|came down|going down"
)
_WORD = rf"(?:(?P<rising>{_RISING})|(?P<falling>{_FALLING}))"
_BEFORE = re.compile(rf"\b{_WORD}\s+(?:serum\s+|the\s+|her\s+|his\s+)?$", re.IGNORECASE)
_AFTER = re.compile(
    rf"(?:\s+(?:level|count|concentration|value|reading)s?)?\s+(?:(?:(?:that |which )?(?:was|is|has|had|has been))\s+)?"
    rf"{_WORD}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Trend:
    """What a text says of the course of a value, at ``text[start:end]``; ``old`` and ``new`` where it gives numbers."""

    start: int
    end: int
    about: str
    type: str
    kind: str
    old: Claim | None = None
    new: Claim | None = None


@lru_cache(maxsize=512)  # a note is compared with several summaries
def find_trends(text: str) -> tuple[Trend, ...]:
    """All trends in order: first those told by two numbers, then those told by a word alone."""
    amounts = [
        claim
        for claim in extract_claims(text)
        if claim.about and claim.type in (DOSE, NUMBER) and claim.quantity and len(claim.quantity.values) == 1
    ]
    told = [trend for one, two in pairwise(amounts) if (trend := _between(text, one, two))]
    for mention in find_mentions(text):
        if mention.concept.kind != LAB or any(t.about == mention.concept.name and t.old for t in told):
            continue
        word = _BEFORE.search(text[: mention.start][-40:]) or None
        offset = max(0, mention.start - 40)
        if word is None:
            word, offset = _AFTER.match(text, mention.end), 0
        if word:
            kind = RISING if word["rising"] else FALLING
            start, end = word.span(RISING if word["rising"] else FALLING)
            told.append(Trend(offset + start, offset + end, mention.concept.name, NUMBER, kind))
    return tuple(sorted(told, key=lambda trend: trend.start))


def contrary_trend(trend: Trend, note: str) -> Span | None:
    """Where the note says that this value went the other way, and nowhere that it went this way."""
    known = [other for other in find_trends(note) if other.about == trend.about]
    if not known or any(other.kind == trend.kind for other in known):
        return None
    return Span(known[0].start, known[0].end)


def outdated_value(claim: Claim, summary: str, note: str) -> Span | None:
    """Where the note gives as an earlier value of the same test what a summary gives as its value."""
    if claim.type != NUMBER or not claim.quantity or not claim.about or _OLD_ALONE.search(summary[: claim.start][-30:]):
        return None
    earlier = [trend.old for trend in find_trends(note) if trend.about == claim.about and trend.old]
    if not earlier or any(trend.old == claim for trend in find_trends(summary)):
        return None
    stated = [other for other in extract_claims(note) if other.about == claim.about and other.quantity]
    same = [other for other in stated if other.quantity and other.quantity.values == claim.quantity.values]
    if same and all(other in earlier for other in same):
        return Span(same[0].start, same[0].end)
    return None


def _between(text: str, one: Claim, two: Claim) -> Trend | None:
    """The trend that two numbers of the same thing tell, if the words between them say which is the older."""
    between = text[one.end : two.start]
    if one.about != two.about or len(between) > _NEAR or not one.quantity or not two.quantity:
        return None
    if _FULL_STOP.search(between):
        return None
    if one.quantity.unit and two.quantity.unit and one.quantity.unit != two.quantity.unit:
        return None
    if _THEN_NEW.search(between):
        old, new = one, two
    elif _THEN_OLD.search(between):
        old, new = two, one
    else:
        return None
    assert old.quantity and new.quantity
    before, after = old.quantity.values[0], new.quantity.values[0]
    if before == after:
        return None
    return Trend(one.start, two.end, one.about, one.type, RISING if after > before else FALLING, old, new)
