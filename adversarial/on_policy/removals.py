"""How a flagged claim can be left out of a summary: a value, an item of a list, a clause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from adversarial.operators.edits import Edit, takes_an
from clinical.mentions import DRUG, LAB, Mention
from clinical.reading.claims import DOSE, NUMBER, TIME
from clinical.screen.support import ScreenedClaim
from clinical.sentences import Span, sentence_spans

_VALUES = (DOSE, NUMBER, TIME)
# What belongs to a name and goes with it: the words of "a history of", articles and sides before it, a dose after it.
_OWN_BEFORE = re.compile(
    r"(?:\b(?:an?|the|his|her|some|new|acute|chronic|mild|severe|left|right|bilateral|(?:left|right)-sided|"
    r"(?:history|diagnosis|episode|episodes|dose) of)\s+)+$",
    re.IGNORECASE,
)
_OWN_AFTER = re.compile(
    r"(?:\s+\(?\d[\d.,/]*\s?(?:mg|mcg|g|units?|mEq|mL|%)\)?)?"
    r"(?:\s+(?:once|twice|two times|three times|four times)?\s?(?:daily|a day|weekly|every \w+ hours))?"
)
_ITEM_BEFORE = re.compile(r"(?:,? (?:and|or)|,) $")
_ITEM_AFTER = re.compile(
    r"(?:,? (?:and|or)|,) (?!(?:he|she|they|the patient|(?:an?|this|the) (?:\S+ ){0,2}(?:wo)?man|"
    r"was|is|were|had|has|who|with|which|while|but)\b)"
)
_CLAUSE_END = re.compile(
    r"(?=[.;]|, (?:and|with|who|while|but|which)\b| and (?:he |she |they )?(?:had|has|was|is|were|began|started)\b|$)"
)
_CLAUSE_LEAD = re.compile(
    r"(?:,? (?:and|but) (?:(?:he|she|they|the (?:patient|man|woman)) )?(?:also )?"
    r"(?:had|has|was|is|were|are|began|begins|started|starts|reported|reports|denied|denies|given|diagnosed)\b|"
    r",? with\b|,? without\b|,? showing\b|,? who (?:had|has|was|is|were)\b|"
    r",? (?:due to|because of|owing to|given|after|on account of|for)\b)",
    re.IGNORECASE,
)
_VALUE_LINK = re.compile(r"(?: (?:level|reading|count|of|at|was|is|an?|the|about|over)|\()*\s*")
_SINCE = re.compile(r",? (?:that|which) (?:had )?(?:started|began|begun) (?:about |approximately )?$", re.IGNORECASE)
_AGO = re.compile(r" (?:ago|earlier|before|previously)\b")
_VALUE_BEFORE = re.compile(r"(?: (?:at|of|for|about|over|up to|with)(?: (?:an?|the))?)? \(?$", re.IGNORECASE)
# A temperature, a fall: what says nothing without its value.
_NEEDS_VALUE = re.compile(r"\b(?:level|reading|count|pressure|rate|fall|drop|rise|decline|increase|range|up|down)\W*$")
_VALUE_END = re.compile(r"$|[.,;]| (?:and|with|for)\b")


def removals(text: str, mentions: Sequence[Mention], flagged: ScreenedClaim) -> Iterator[tuple[Edit, ...]]:
    """Ways to leave out a claim, the fewest words first. Whether the rest reads as English is for the caller."""
    named = next((m for m in mentions if _holds(m, flagged)), None)
    if named is None and flagged.type in _VALUES:
        yield from _value(text, mentions, flagged)
    elif named is not None:
        yield from listed_item(text, named, flagged.type)
    span = next(span for span in sentence_spans(text) if span.start <= flagged.start < span.end)
    others = [m for m in mentions if not (_holds(m, flagged) or _owns(text, m, flagged))]
    yield from _clause(text, span, others, flagged)


def without_words(text: str, start: int, end: int, type_: str) -> Edit:
    """The edit that leaves out ``text[start:end]``, and puts right the article before it."""
    article = re.search(r"\b(an?) $", text[:start], re.IGNORECASE)
    following = text[end:].lstrip()
    if article and following[:1].isalnum():
        word = "an" if takes_an(following) else "a"
        if article[1].lower() != word:
            new = f"{word.capitalize() if article[1][0].isupper() else word} "
            return Edit(article.start(), end, text[article.start() : end], new, type_)
    return Edit(start, end, text[start:end], "", type_)


def _holds(mention: Mention, flagged: ScreenedClaim) -> bool:
    return mention.start <= flagged.start and flagged.end <= mention.end


def _owns(text: str, mention: Mention, flagged: ScreenedClaim) -> bool:
    """Whether a value is this laboratory value's or vital sign's, which says nothing without it."""
    between = text[mention.end : flagged.start]
    return mention.concept.kind == LAB and mention.end <= flagged.start and bool(_VALUE_LINK.fullmatch(between))


def _value(text: str, mentions: Sequence[Mention], flagged: ScreenedClaim) -> Iterator[tuple[Edit, ...]]:
    """A value with what links it: of 8 mm, (10 mg), 50 mg of, a 23-minute, that started 3 days ago."""
    start, end = flagged.start, flagged.end
    if text[end : end + 4] == " of " and text[start - 1 : start] == " ":
        yield (without_words(text, start, end + 4, flagged.type),)
    if "-" in flagged.text and text[end : end + 1] == " ":
        yield (without_words(text, start, end + 1, flagged.type),)
    since, ago = _SINCE.search(text[:start]), _AGO.match(text, end)
    if since and ago:
        yield (Edit(since.start(), ago.end(), text[since.start() : ago.end()], "", flagged.type),)
    before = _VALUE_BEFORE.search(text[:start])
    if any(_owns(text, mention, flagged) for mention in mentions):
        return
    if before and not _NEEDS_VALUE.search(text[: before.start()]):
        opened = before[0].endswith("(")
        if opened and text[end : end + 1] == ")":
            end += 1
        if opened == (text[end - 1] == ")") and _VALUE_END.match(text, end):
            yield (Edit(before.start(), end, text[before.start() : end], "", flagged.type),)


def listed_item(text: str, named: Mention, type_: str) -> Iterator[tuple[Edit, ...]]:
    """One of several: "fever, cough and chills" without any of them."""
    own = _OWN_BEFORE.search(text[: named.start])
    start = own.start() if own else named.start
    after_name = _OWN_AFTER.match(text, named.end) if named.concept.kind == DRUG else None
    end = after_name.end() if after_name else named.end
    before, after = _ITEM_BEFORE.search(text[:start]), _ITEM_AFTER.match(text, end)
    if before and before[0] == ", " and after:
        yield (Edit(before.start(), end, text[before.start() : end], "", type_),)
    elif after:
        yield (without_words(text, start, after.end(), type_),)
    elif before and before[0] != ", ":
        yield (Edit(before.start(), end, text[before.start() : end], "", type_),)


def _clause(text: str, span: Span, others: Sequence[Mention], flagged: ScreenedClaim) -> Iterator[tuple[Edit, ...]]:
    """The clause around the claim, from what leads it in to where it ends, if it names nothing else."""
    leads = list(_CLAUSE_LEAD.finditer(text, span.start, flagged.start))
    for lead in reversed(leads):
        stop = _CLAUSE_END.search(text, flagged.end, span.end)
        end = stop.start() if stop else span.end
        if any(lead.end() <= other.start < end for other in others):
            return
        if text[end : end + 1] == "," and text[lead.start()] == ",":
            apposition = lead[0].lstrip(", ").startswith("who")
            end += apposition  # ", who had X, was" loses both commas
        yield (Edit(lead.start(), end, text[lead.start() : end], "", flagged.type),)
