"""Which condition is the diagnosis of now and which was known before; and where a summary exchanges them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from clinical.mentions import CONDITION
from clinical.reading.assertion import AFFIRMED, PATIENT
from clinical.reading.claims import Claim, extract_claims
from clinical.rewording import akin
from clinical.sentences import Span

# Words of a summary that leave no doubt, close before or after the name.
_NOW_BEFORE = re.compile(
    r"\b(?:(?:the|final|working|clinical|confirmed|primary)\s+diagnosis\s+(?:is|was|of|being|remains)|diagnosed with|"
    r"judged to have|assessed as having|turn(?:s|ed) out to have|"
    r"(?:assessment|impression|conclusion)\s+(?:is|was|of|being)|likely (?:has|had)|suspicion of|"
    r"clinicians (?:suspect|suspected)|work-?up identif(?:ies|ied)|investigation identif(?:ies|ied))"
    r"\s+(?:(?:an?|the|of|acute|presumed|possible|likely|probable)\s+)*$",
    re.IGNORECASE,
)
_NOW_AFTER = re.compile(
    r"\s+(?:is|was)\s+(?:the\s+(?:final\s+|working\s+|clinical\s+)?(?:diagnosis|assessment|impression)|diagnosed|"
    r"confirmed|identified|established|suspected|thought likely)\b",
    re.IGNORECASE,
)
_KNOWN_BEFORE = re.compile(
    r"\b(?:known (?:to have|diagnosis of|history of)|history of|coexisting|concomitant|comorbid|background of|"
    r"living with|comorbidit(?:y|ies)(?: included?| includes?| of)?|already (?:has|had))\s+(?:(?:an?|the)\s+)*$",
    re.IGNORECASE,
)
# In a note any of these makes its sentence, or the line that it heads, one about the diagnosis of now.
_ABOUT_NOW = re.compile(
    r"\b(?:diagnos\w+|dx|assessment|impression|summary|conclusion|picture|confirmed|confirms|presumed|presumptive|"
    r"suspect\w*|suspicion|likely|probabl[ey]|possibl[ey]|concern|worr\w+|established|identified|consistent|workup|"
    r"flare\w*|exacerbation|acute|attack|episode|evaluation|evidence|a/p|a&p|imp|plan|given|due to|because|for|this is|"
    r"crisis|new|worsening|assess\w*|presentation|thought|judged|felt|turned out|found)\b|\bA\s*[:/-]|\bP\s*[:-]",
    re.IGNORECASE,
)
_ABOUT_KNOWN = re.compile(
    r"\b(?:histor(?:y|ies)|hx|h/o|pmhx?|pmh|background|known|comorbidit\w+|problems?|conditions|past|diagnosed|dx|"
    r"years?|yrs?|since|previous\w*|prior|pt has|living with|among (?:his|her) diagnoses)\b|\bx\s?\d|\b\d+\s?y\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[.;]\s|\n")
_REACH = 70


def exchanged_diagnoses(note: str, summary: str) -> Iterator[tuple[Claim, Span]]:
    """Conditions that a summary gives as the diagnosis and the note only as known before, or the reverse.

    Each with where the note names it. Only where the note has another diagnosis (or another known condition) and
    never names this one in the other role; whatever is unclear counts for the summary.
    """
    held = _held(note)
    for claim in _conditions(summary):
        own = [other for other in held if _same(other, claim)]
        if not own:
            continue
        roles = [held[other] for other in own]
        elsewhere = [held[other] for other in held if other not in own]
        if _is_now(summary, claim):
            exchanged = all(known and not now for now, known in roles) and any(now for now, _ in elsewhere)
        elif _KNOWN_BEFORE.search(summary[max(0, claim.start - _REACH) : claim.start]):
            exchanged = all(now and not known for now, known in roles) and any(known for _, known in elsewhere)
        else:
            exchanged = False
        if exchanged:
            yield claim, Span(own[0].start, own[0].end)


@lru_cache(maxsize=64)  # a note is compared with several summaries, part by part
def _held(note: str) -> dict[Claim, tuple[bool, bool]]:
    """The conditions of a note with their :func:`_roles`."""
    return {claim: _roles(note, claim) for claim in _conditions(note)}


def _conditions(text: str) -> list[Claim]:
    return [
        claim
        for claim in extract_claims(text)
        if claim.concept and claim.concept.kind == CONDITION and claim.subject == PATIENT and claim.polarity == AFFIRMED
    ]


def _same(one: Claim, other: Claim) -> bool:
    assert one.concept and other.concept
    return one.concept is other.concept or akin(one.concept, other.concept)


def _is_now(summary: str, claim: Claim) -> bool:
    before = _NOW_BEFORE.search(summary[max(0, claim.start - _REACH) : claim.start])
    return bool(before or _NOW_AFTER.match(summary, claim.end))


def _roles(note: str, claim: Claim) -> tuple[bool, bool]:
    """Whether the sentence around a condition speaks of the diagnosis of now, and whether of what was known."""
    start = max((stop.end() for stop in _BREAK.finditer(note, 0, claim.start)), default=0)
    stop = _BREAK.search(note, claim.end)
    sentence = note[start : stop.start() if stop else len(note)]
    return bool(_ABOUT_NOW.search(sentence)), bool(_ABOUT_KNOWN.search(sentence))
