"""How a text holds a diagnosis: as stated, as only suspected, as past; and where a summary holds it otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clinical.mentions import CONDITION
from clinical.reading.assertion import AFFIRMED, CONSIDERED, NEGATED
from clinical.reading.claims import Claim
from clinical.rewording import akin

STATED, SUSPECTED, DENIED, PAST, OTHER = "stated", "suspected", "denied", "past", "other"

_AS_REASON = re.compile(  # why something is given or stopped, which tells nothing of how certain it is
    # unlike "concern for" and "suspicion for"
    r"(?:(?<!concern )(?<!concerns )(?<!concerning )(?<!concerned )(?<!suspicion )(?<!suspicious )\bfor|"
    r"given|due to|d/t|2/2|owing to|because of|in view of|on account of|secondary to|\()\s*"
    r"(?:(?:the|an?|his|her|acute|flare(?:-up)?|exacerbation|attack|episode|of|\w+(?:ic|al|ous|ary))\s+)*$",
    re.IGNORECASE,
)
_REASON_REACH = 45
_PAST_BEFORE = re.compile(
    r"\b(?:previous(?:ly had)?|prior|past|resolved|remote|recovered from|earlier(?: history of)?|former|old)\s+"
    r"(?:(?:an?|the|episodes?|history|bouts?|of|acute)\s+)*$",
    re.IGNORECASE,
)
_PAST_AFTER = re.compile(
    r"[\s,(]*(?:(?:now|is|was|has|about|approximately|dx|diagnosed|an?|one|\w+|\d+)\s+){0,4}?"
    r"(?:resolved|in (?:the|his|her) past|in remission|"
    r"(?<!diagnosed )(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|many)\s+"
    r"(?:years?|yrs?|months?|mos?|y)\s+(?:ago|earlier|before|previously)\b|"
    r"in (?:19|20)\d\d|as a child|in childhood)",
    re.IGNORECASE,
)
_SINCE = re.compile(r"[\s,(]*(?:diagnosed|dx|first diagnosed|since|for)\b", re.IGNORECASE)
# "resolved", unlike "previous", leaves no doubt that it is gone.
_GONE_BEFORE = re.compile(r"\b(?:resolved|recovered from)\s+(?:(?:previous|prior|past|an?|the)\s+)*$", re.IGNORECASE)
# In these sentences a bare name may be a past one.
_HISTORY = re.compile(
    r"\b(?:histor(?:y|ies)|hx|h/o|pmhx?|background|problem list|previous(?:ly)?|prior|past|ago|earlier|had|remote|"
    r"resolved|comorbidit\w+|recovered)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.;\n]")
_REACH = 45


def is_reason(text: str, claim: Claim) -> bool:
    """Whether a diagnosis is named only as the reason of something: antibiotics for pneumonia."""
    return bool(_AS_REASON.search(text[max(0, claim.start - _REASON_REACH) : claim.start]))


def is_past(text: str, claim: Claim) -> bool:
    """Whether a condition is said to be over: previous pneumonia, DVT 3 years ago, gout (resolved)."""
    before = _PAST_BEFORE.search(text[max(0, claim.start - _REACH) : claim.start])
    after = None if _SINCE.match(text, claim.end) else _PAST_AFTER.match(text[: claim.end + _REACH], claim.end)
    return bool(before or after)


def standing_of(text: str, claim: Claim) -> str:
    """STATED, SUSPECTED, DENIED, PAST, or OTHER (a reason, a risk, a condition of something)."""
    if claim.tentative:
        return SUSPECTED
    if is_past(text, claim):
        return PAST
    if claim.polarity == NEGATED:
        return DENIED
    return STATED if claim.polarity == AFFIRMED and not is_reason(text, claim) else OTHER


def contrary_standing(claim: Claim, summary: str, note: str, claims: Sequence[Claim]) -> Claim | None:
    """The claim of the note by which a summary holds a diagnosis otherwise than the note ever does.

    ``claims`` are the note's of the same subject and the same or a narrower or wider diagnosis. Stated for suspected
    and the reverse, suspected for excluded and the reverse, present for past and the reverse.
    """
    if claim.concept is None or claim.concept.kind != CONDITION:
        return None
    said = standing_of(summary, claim)
    held: dict[str, Claim] = {}
    for other in claims:
        if is_reason(note, other):
            continue  # what something is given for may be suspected or past
        held.setdefault(standing_of(note, other), other)
    if said in held or not held or OTHER in (said, *held):
        return None
    own = [other for other in claims if other.concept is claim.concept]
    if not own:
        return None
    if said == STATED:
        past = held.get(PAST) if set(held) == {PAST} and not _neutral(summary, claim) else None
        return held.get(SUSPECTED) or past
    if said == SUSPECTED:
        return held.get(STATED) or held.get(DENIED)
    if said == DENIED:
        return held.get(SUSPECTED) if claim.polarity == NEGATED else None
    gone = _GONE_BEFORE.search(summary[max(0, claim.start - _REACH) : claim.start])
    current = next((o for o in own if standing_of(note, o) in (STATED, SUSPECTED) and not _neutral(note, o)), None)
    return (held.get(STATED) or held.get(SUSPECTED)) if gone else current


def _neutral(text: str, claim: Claim) -> bool:
    """Whether the words before, in the same sentence, leave open whether a condition is past: history of, had."""
    begin = max((m.end() for m in _SENTENCE_END.finditer(text, 0, claim.start)), default=0)
    return bool(_HISTORY.search(text, begin, claim.start))


def kindred(claim: Claim, others: Sequence[Claim]) -> list[Claim]:
    """The claims of a note on the same, a narrower or a wider condition of the same person."""
    return [
        other
        for other in others
        if other.concept
        and claim.concept
        and other.subject == claim.subject
        and other.polarity in (AFFIRMED, NEGATED, CONSIDERED)
        and (other.concept is claim.concept or akin(other.concept, claim.concept))
    ]
