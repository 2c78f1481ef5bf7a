"""Who in the family has what: conditions that a text gives to a relative, not to the patient.

Only what stands right beside the relative counts: "mother has asthma", "asthma in his mother", "FH: asthma (mother)".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import CONDITION, FINDING, Mention, find_mentions
from clinical.reading.assertion import LISTED
from clinical.sentences import Span, sentence_spans

ANY_RELATIVE = ""  # the family, without a word on who
_NAMES = {
    "mother": "mother|mom|mum|mommy",
    "father": "father|dad|daddy",
    "brother": "brothers?",
    "sister": "sisters?",
    "son": "sons?",
    "daughter": "daughters?",
    "grandmother": "grandmother|grandma|[MP]GM",
    "grandfather": "grandfather|grandpa|[MP]GF",
    "aunt": "aunts?",
    "uncle": "uncles?",
    "cousin": "cousins?",
    "parent": "parents?",
    "sibling": "siblings?",
    "child": "child|children",
    "grandparent": "grandparents?",
}
# A wider word may stand for a narrower one.
_WIDER = {
    **dict.fromkeys(("mother", "father"), "parent"),
    **dict.fromkeys(("brother", "sister"), "sibling"),
    **dict.fromkeys(("son", "daughter"), "child"),
    **dict.fromkeys(("grandmother", "grandfather"), "grandparent"),
}
# Of others a note may speak in other words: mom's brother, for an uncle.
PLAIN = frozenset(("mother", "father", "brother", "sister", "son", "daughter"))
_FLAGS = re.IGNORECASE
_RELATIVE = rf"(?P<who>{'|'.join(_NAMES.values())})(?!-in-law)(?:['’]s)?"
_WHOSE = r"(?:(?:his|her|their|my|the|an?|one|both|maternal|paternal|older|younger|patient['’]s)\s+)*"
_FAMILY = r"(?:family history|family hx|famhx|fam hx|fhx?)"
_HAS = (
    r"(?:\s*(?:who|also|has|had|have|got|with|w/|is|was|were|are|known|to have|affected by|diagnosed with|"
    r"died (?:of|from)|suffer(?:s|ed)? from|a history of|history of|[-–:]|an?)(?=[\s\W])\s*)+"
)
_BEFORE = re.compile(rf"\b{_RELATIVE}{_HAS}$", _FLAGS)
_AFTER = re.compile(
    rf"\s*(?:\(\s*|\b(?:in|affect(?:s|ed|ing)|(?:is|runs) in (?:the|his|her) family:?)\s+){_WHOSE}{_RELATIVE}\b", _FLAGS
)
_GENERIC = re.compile(
    rf"\b{_FAMILY}\W*(?:(?:is|was|of|includes?|included|shows|records|lists|positive|pos|notable|significant|sig|for|"
    rf"relevant|an?|remarkable|in|the|\+)\b\W*)*$",
    _FLAGS,
)
_ANY = re.compile(rf"\b(?:{_FAMILY}|{_RELATIVE}|family|relatives?)\b", _FLAGS)
_REACH = 60  # characters before a condition in which its relative is looked for


@dataclass(frozen=True)
class FamilyCondition:
    """``mention`` is of a relative (ANY_RELATIVE where the text does not say who), named at ``who``."""

    mention: Mention
    relative: str
    who: Span


def names_relative(text: str) -> bool:
    """Whether a text speaks of the family at all."""
    return bool(_ANY.search(text))


def same_relative(one: str, other: str) -> bool:
    """Whether two words can mean the same person: mother and parent, but not mother and father."""
    return one == other or ANY_RELATIVE in (one, other) or _WIDER.get(one) == other or _WIDER.get(other) == one


@lru_cache(maxsize=512)
def find_family_conditions(text: str) -> tuple[FamilyCondition, ...]:
    """All conditions that a text gives to a relative, in order."""
    found: list[FamilyCondition] = []
    mentions = [m for m in find_mentions(text) if m.concept.kind in (CONDITION, FINDING)]
    for span in sentence_spans(text):
        if not names_relative(text[span.start : span.end]):
            continue
        previous: FamilyCondition | None = None
        for mention in (m for m in mentions if span.start <= m.start < span.end):
            previous = _of_relative(text, span, mention, previous)
            if previous:
                found.append(previous)
    return tuple(found)


def _of_relative(text: str, span: Span, mention: Mention, previous: FamilyCondition | None) -> FamilyCondition | None:
    after = _AFTER.match(text, mention.end, span.end)
    if after:
        return _bound(mention, after)
    lead = max(span.start, mention.start - _REACH)
    before = _BEFORE.search(text[: mention.start], lead)
    if before:
        return _bound(mention, before)
    if previous and LISTED.fullmatch(text, previous.mention.end, mention.start):
        return FamilyCondition(mention, previous.relative, previous.who)
    generic = _GENERIC.search(text[: mention.start], lead)
    if generic:
        return FamilyCondition(mention, ANY_RELATIVE, Span(generic.start(), generic.end()))
    return None


def _bound(mention: Mention, match: re.Match[str]) -> FamilyCondition:
    word = match["who"]
    name = next(name for name, words in _NAMES.items() if re.fullmatch(words, word, _FLAGS))
    return FamilyCondition(mention, name, Span(match.start("who"), match.start("who") + len(word)))
