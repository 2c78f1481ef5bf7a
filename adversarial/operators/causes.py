"""The causal_link family: a true fact of the note is made the reason of something that it is not the reason of."""

from __future__ import annotations

import random
import re

from adversarial.operators.donors import Donors
from adversarial.operators.edits import ARTICLE_BEFORE, Edit, Proposal, proposal, replace_span, stable_choice
from adversarial.operators.grammar import is_counted
from clinical.mentions import DRUG, Concept, Mention, find_mentions
from clinical.reading.assertion import AFFIRMED
from clinical.reading.causes import Link, find_links, is_usual
from clinical.reading.claims import extract_claims
from clinical.rewording import akin
from clinical.screen.verdicts import CAUSE

FAMILY = "causal_link"
# A reason that goes on in further words (a cough without sputum) would take them along to the other one.
_REASON_ENDS = re.compile(r"(?:[.,;)]|\s+(?:and|with|while)\b|$)")
_SHORT = 4  # letters: a name up to this length (AKI, HTN) is exchanged only for one as short


def swap_reason(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Another problem of the note becomes the reason: held because of a rash, for held because of kidney injury."""
    links = _whole_links(summary)
    if not links:
        return None
    link = rng.choice(links)
    used = {mention.concept.name for mention in find_mentions(summary)}
    options = {
        claim.concept.name: claim.concept
        for claim in extract_claims(note)
        if claim.concept
        and claim.concept.kind == link.cause.concept.kind
        and claim.polarity == AFFIRMED
        and claim.concept.name not in used
        and not _true_of(link, claim.concept, note)
    }
    chosen = stable_choice(rng, options, {n: sum(donors.weights(c.names).values()) for n, c in options.items()})
    if chosen is None:
        return None
    counted = bool(ARTICLE_BEFORE.search(summary[: link.cause.start]))
    names = [
        name
        for name in options[chosen].names
        if (len(name) <= _SHORT) == (len(link.cause.text) <= _SHORT) and is_counted(name) == counted
    ]
    name = stable_choice(rng, names, donors.weights(names))
    if name is None:
        return None
    edit = replace_span(summary, link.cause.start, link.cause.end, name, CAUSE)
    return proposal("swap_reason", FAMILY, summary, [edit])


def move_reason(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A reason is taken from its medicine and put behind another one's change, word for word."""
    links = [link for link in _whole_links(summary) if link.effect.concept.kind == DRUG]
    if not links:
        return None
    link = rng.choice(links)
    explained = {other.effect.concept for other in find_links(summary)}
    others = [
        (mention, end)
        for mention in find_mentions(summary)
        if mention.concept.kind == DRUG
        and mention.concept not in explained
        and not is_usual(mention.concept, link.cause.concept)
        and (end := _end_of_change(summary, mention, given=link.indication)) is not None
    ]
    if not others or link.effect.start > link.start:
        return None
    _, end = rng.choice(others)
    words = summary[link.start : link.end]
    gone = len(summary[: link.start]) - len(summary[: link.start].rstrip())
    edits = [
        Edit(link.start - gone, link.end, summary[link.start - gone : link.end], "", CAUSE),
        Edit(end, end, "", f" {words}", CAUSE),
    ]
    return proposal("move_reason", FAMILY, summary, edits)


def _true_of(link: Link, problem: Concept, note: str) -> bool:
    """Whether a problem may well be the reason: the note says so, the lexicon does, or it is another word for it."""
    if akin(problem, link.cause.concept) or problem is link.effect.concept:
        return True
    if link.effect.concept.kind == DRUG and is_usual(link.effect.concept, problem):
        return True
    return any(o.effect.concept is link.effect.concept and akin(o.cause.concept, problem) for o in find_links(note))


_CHANGE_ENDS = re.compile(
    r"(?:[\s(]+(?:[\d.,/]+\s?(?:mg|mcg|units?|mEq|mL|g|%)?|at|(?:once |twice |three times )?daily)\)?)*"
    r"(?:\s+(?:is|was|were|are))?"
    r"(?:\s+(?:started|begun|initiated|added|stopped|discontinued|withdrawn|held|paused|withheld|suspended|increased|raised|"
    r"reduced|lowered|decreased))?(?=[.,;]| and\b| with\b)"
)
_CHANGE_BEFORE = re.compile(
    r"\b(?:start(?:s|ed)?|began|begins|begun|added|initiated|put|placed|off|stopped|stops|discontinued|held|paused|withheld|"
    r"went up|goes up|went down|goes down|prescribed)\b[\w\s]{0,16}$"
)
_GIVES = re.compile(r"\b(?:start|beg[aiu]n|initiat|add|increas|rais|put|placed|went up|goes up|prescribed)")
_CHANGED_AFTER = re.compile(r"(?:ed|un|held|drawn|used)$")


def _whole_links(summary: str) -> list[Link]:
    """The links whose cause ends where its clause or phrase does."""
    return [link for link in find_links(summary) if not link.shared and _REASON_ENDS.match(summary, link.end)]


def _end_of_change(summary: str, drug: Mention, *, given: bool) -> int | None:
    """Where the words end that tell what was done with a medicine, if a clause or sentence ends there too.

    ``given``: only where it was started or raised, as one does "for" something.
    """
    match = _CHANGE_ENDS.match(summary, drug.end)
    if match is None:
        return None
    before = _CHANGE_BEFORE.search(summary[max(0, drug.start - 30) : drug.start])
    words = match[0] if _CHANGED_AFTER.search(match[0]) else before[0] if before else ""
    return match.end() if words and (not given or _GIVES.search(words)) else None
