"""Turns round which way a value went, and on which side of normal it lies."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from adversarial.operators.amounts import as_number, find_lab, range_of
from adversarial.operators.donors import Donors, amount_key
from adversarial.operators.edits import Edit, Proposal, lot, proposal, replace_span, stable_choice
from adversarial.operators.exchange import FAMILY as ROLE_EXCHANGE
from adversarial.operators.names import FAMILY as ENTITY_SWAP
from adversarial.operators.opposites import COURSE_WORD, DOWN_WORDS, HIGH_WORDS, LEVEL_WORD, LOW_WORDS, UP_WORDS
from clinical.reading.claims import NUMBER, Claim, extract_claims
from clinical.reading.trends import RISING, Trend, find_trends

_REACH = 70  # characters before the numbers in which the word for their course may stand
_COURSES = {**UP_WORDS, **DOWN_WORDS}
_LEVELS = {**HIGH_WORDS, **LOW_WORDS}
_SAYS_A_COURSE = re.compile(r"\b(?:from|to)\b")
_STOP = re.compile(r"[;.](?:\s|$)|, (?:with|while|and)\b")  # where another statement begins


def turn_course(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """What rose fell and what fell rose, the old number and the new changing places.

    As often one way as the other: where the corpus raises doses more often than it lowers them, only that share of
    raised doses is turned.
    """
    trends = list(find_trends(summary))
    rng.shuffle(trends)
    for trend in trends:
        edits = _turned(summary, trend, rng, donors)
        if edits:
            return proposal("turn_course", ROLE_EXCHANGE, summary, edits)
    return None


def turn_level(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A high value becomes a low one and a low one a high one, the number a real one of that side of normal."""
    options = _levels(summary)
    if not options:
        return None
    claim, word = rng.choice(options)
    if any(claim in (trend.old, trend.new) for trend in find_trends(summary)):
        return None  # its course would have to change as well
    new = _opposite_word(summary, word[0], _LEVELS, rng, donors)
    number = _other_side(summary, claim, rng, donors)
    if new is None or number is None or not claim.quantity:
        return None
    edits = [
        replace_span(summary, word.start(), word.end(), _cased(new, word[0]), NUMBER),
        replace_span(summary, claim.start, claim.quantity.number_end, number, NUMBER),
    ]
    return proposal("turn_level", ENTITY_SWAP, summary, edits)


def mistake_level(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A low value is called high and a high one low; the number stays, so that it belies the word."""
    options = _levels(summary)
    if not options:
        return None
    _, word = rng.choice(options)
    new = _opposite_word(summary, word[0], _LEVELS, rng, donors)
    if new is None:
        return None
    edit = replace_span(summary, word.start(), word.end(), _cased(new, word[0]), NUMBER)
    return proposal("mistake_level", ENTITY_SWAP, summary, [edit])


def _levels(summary: str) -> list[tuple[Claim, re.Match[str]]]:
    """The values of tests that are called high or low, each with that word."""
    return [
        (claim, word)
        for claim in extract_claims(summary)
        if claim.type == NUMBER and claim.quantity and find_lab(claim.about)
        for word in LEVEL_WORD.finditer(summary, max(0, claim.start - _REACH), min(len(summary), claim.end + _REACH))
        if _belongs(summary, word, claim)
    ]


def _turned(summary: str, trend: Trend, rng: random.Random, donors: Donors) -> list[Edit]:
    """The edits that turn one trend round; none where its word is not known, or is turned too seldom in return."""
    if not trend.old or not trend.new:
        found = COURSE_WORD.search(summary, trend.start, trend.end)
    else:
        window = max(0, trend.start - _REACH)
        last = max(trend.old.start, trend.new.start)
        begin = max((stop.end() for stop in _STOP.finditer(summary, window, trend.start)), default=window)
        found = max(COURSE_WORD.finditer(summary, begin, last), key=lambda match: match.start(), default=None)
        if not found and _SAYS_A_COURSE.search(summary, begin, last):
            return []  # the word for the course is not known: it would contradict the numbers
    edits: list[Edit] = []
    if found:
        new = _opposite_word(summary, found[0], _COURSES, rng, donors)
        if found[0].lower() not in (UP_WORDS if trend.kind == RISING else DOWN_WORDS):
            return []  # it speaks of something else
        if new is None:
            return []
        edits.append(replace_span(summary, found.start(), found.end(), _cased(new, found[0]), trend.type))
    if trend.old and trend.new:
        for one, other in ((trend.old, trend.new), (trend.new, trend.old)):
            assert one.quantity and other.quantity
            number = summary[other.start : other.quantity.number_end]
            edits.append(replace_span(summary, one.start, one.quantity.number_end, number, trend.type))
    return edits


def _opposite_word(
    summary: str, word: str, table: Mapping[str, tuple[str, ...]], rng: random.Random, donors: Donors
) -> str | None:
    """A word for the other way, in as large a share of the summaries as goes that way of itself."""
    others = table[word.lower()]
    here, there = (sum(donors.weights(words).values()) for words in (table[others[0]], others))
    return stable_choice(rng, others, donors.weights(others)) if lot(summary, word) * here < there else None


def _belongs(summary: str, word: re.Match[str], claim: Claim) -> bool:
    """Whether a word for a level speaks of this value: no other statement and no other number between them."""
    between = summary[word.end() : claim.start] if word.end() <= claim.start else summary[claim.end : word.start()]
    return not re.search(r"[;,.](?:\s|$)|\d|\b(?:and|with|while|from|to)\b", between)


def _other_side(summary: str, claim: Claim, rng: random.Random, donors: Donors) -> str | None:
    """A real value of the test on the other side of its reference range, written with as many decimals."""
    lab = find_lab(claim.about)
    if lab is None or not claim.quantity:
        return None
    side = range_of(lab, claim.quantity.values[0])
    decimals = len(summary[claim.start : claim.quantity.number_end].partition(".")[2])
    real: Mapping[str, int] = donors.amounts.get(amount_key(claim), {})
    options = [
        text
        for text in real
        if (value := as_number(text)) is not None
        and side * range_of(lab, value) < 0
        and len(text.partition(".")[2]) == decimals
    ]
    return stable_choice(rng, options, real)


def _cased(new: str, old: str) -> str:
    return new.capitalize() if old[:1].isupper() else new
