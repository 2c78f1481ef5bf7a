"""Why: the causal links and indications that a text states, as effect and cause: held due to a rash, for gout.

The effect is the medicine or condition that stands before the link in the same clause (or, with the link first, the
medicine after it); the cause is what the link names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from clinical.lexicon import load_lexicon
from clinical.mentions import CONDITION, DRUG, FINDING, IMAGING_FINDING, Concept, Mention, concepts_of, find_mentions
from clinical.reading.assertion import LISTED
from clinical.reading.changes import CHANGE_WORDS
from clinical.rewording import akin
from clinical.sentences import Span, sentence_spans

_BECAUSE = (
    r"due to|d/t|2/2|owing to|because of|b/c(?: of)?|in view of|on account of|secondary to|given|caused by|"
    r"attribut(?:ed|able) to|as a result of|resulting from|in light of|in response to"
)
_DETERMINERS = r"(?:(?:the|an?|his|her|their|new|acute|known|suspected|likely|possible|presumed|ongoing)\s+)*"
_LINK = re.compile(rf"\b(?P<because>{_BECAUSE})\s+{_DETERMINERS}$", re.IGNORECASE)
_FOR = re.compile(rf"\b(?P<for>for|to treat)\s+{_DETERMINERS}$", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\(\s*$")
_BRACKET_ENDS = re.compile(r"\s*\)")
_CLAUSE_ENDS = re.compile(
    r"[;:]\s|\b(?:while|whereas|but|who|which|presents?|presented|attend(?:s|ed)|came|comes|seen|sought|seeks)\b|"
    r",\s+(?:and\s+)?(?:he|she|we|the|this|an?|our)\b"
)
_REACH = 90  # characters between a medicine and the link: "losartan 50 mg once daily was held because of"
_LINK_LENGTH = 40
_DOSING = (
    r"(?:[\s(]*(?:[\d.,/]+\s?(?:mg|mcg|µg|units?|mEq|mL|g|%)?|at|of|daily|once|twice|three times|four times|a day|"
    r"weekly|every \w+(?: hours)?|q\d+h|qd|bid|tid|qid|prn|qhs|po|iv|orally|intravenously|as needed|when needed|"
    r"at bedtime|dose)(?![a-z])\)?)*"
)
_BETWEEN_DRUGS = re.compile(rf"{_DOSING}\s*(?:,|,?\s*\band\b|&)\s*(?:his\s+|her\s+|the\s+)?", re.IGNORECASE)
# What may stand between a medicine and what it is for: "gabapentin 100 mg was started for".
_GIVEN = re.compile(
    rf"{_DOSING}[\s,(]*(?:(?:is|was|were|are|has been|being|be|now|newly|then|also)\s+)*(?:{CHANGE_WORDS})?\s*"
    rf"(?:(?:from|to|up|down)\b{_DOSING}\s*)*",
    re.IGNORECASE,
)
_CHANGED = re.compile(rf"{_DOSING}[\s,:–-]*(?:{CHANGE_WORDS})\s*\(\s*", re.IGNORECASE)
_CHANGE_BEFORE = re.compile(rf"(?:{CHANGE_WORDS})(?:\s+(?:on|his|her|the|home))*\s+$", re.IGNORECASE)
_JUST_BEFORE = re.compile(
    r"[\s,(]*(?:(?:is|was|were|are|likely|probably|thought|felt|to be|most|is)\s+)*$", re.IGNORECASE
)
_PROBLEMS = (CONDITION, FINDING, IMAGING_FINDING)


@dataclass(frozen=True)
class Link:
    """``effect`` because of (or, an indication, for) ``cause``; ``start`` to ``end`` is the link and the cause."""

    start: int
    end: int
    effect: Mention
    cause: Mention
    indication: bool
    shared: bool = False  # one of several effects or causes that share the link: "metformin and losartan, due to"


@lru_cache(maxsize=512)
def find_links(text: str) -> tuple[Link, ...]:
    """All causal links and indications that stand beside both of their ends, in order of the causes."""
    links: list[Link] = []
    mentions = find_mentions(text)
    for span in sentence_spans(text):
        inside = [m for m in mentions if span.start <= m.start < span.end]
        for index, mention in enumerate(inside):
            if mention.concept.kind not in _PROBLEMS:
                continue
            previous = inside[index - 1] if index else None
            shared = [link for link in links if previous and link.cause is previous]
            if shared and previous and LISTED.fullmatch(text, previous.end, mention.start):
                links += [replace(link, end=mention.end, cause=mention, shared=True) for link in shared]
                continue
            links += _links_to(text, span, inside, index)
    return tuple(links)


@cache
def is_usual(drug: Concept, problem: Concept) -> bool:
    """Whether the lexicon says that a medicine treats a condition, a wider or a narrower one."""
    return any(akin(condition, problem) for condition in _treated_by(drug))


@cache
def _treated_by(drug: Concept) -> tuple[Concept, ...]:
    entry = next((d for d in load_lexicon().drugs if d.name == drug.name), None)
    return tuple(c for c in concepts_of(CONDITION) if entry and c.name in entry.treats)


def _links_to(text: str, span: Span, inside: list[Mention], index: int) -> list[Link]:
    cause = inside[index]
    lead = text[max(span.start, cause.start - _LINK_LENGTH) : cause.start]
    match = _LINK.search(lead) or _FOR.search(lead)
    bracketed = (
        _IN_BRACKETS.search(lead)
        and _BRACKET_ENDS.match(text, cause.end)
        and index > 0
        and _is_changed(text, inside[index - 1], cause.start)
    )
    if match is None and not bracketed:
        return []
    start = cause.start - len(lead) + match.start() if match else cause.start
    because = bool(bracketed) or (match is not None and bool(match.groupdict().get("because")))
    effects = _effects(text, inside[:index], start, because=because)
    if not effects and because:
        effects = _effect_after(text, span, inside[index + 1 :], start, cause.end)
    return [Link(start, cause.end, effect, cause, not because, n > 0) for n, effect in enumerate(effects)]


def _is_changed(text: str, drug: Mention, end: int) -> bool:
    """Whether the words between a medicine and a bracket, or those before it, tell a change: naproxen held (AKI)."""
    between = _CHANGED.fullmatch(text, drug.end, end)
    return bool(between or _CHANGE_BEFORE.search(text[max(0, drug.start - _LINK_LENGTH) : drug.start]))


def _effects(text: str, before: list[Mention], start: int, *, because: bool) -> list[Mention]:
    """The condition right before the link, else the nearest medicines of its clause."""
    if before and because and before[-1].concept.kind in _PROBLEMS:
        return [before[-1]] if _JUST_BEFORE.fullmatch(text, before[-1].end, start) else []
    drugs = [m for m in before if m.concept.kind == DRUG]
    if not drugs or drugs[-1] is not before[-1] or start - drugs[-1].end > _REACH:
        return []
    if _CLAUSE_ENDS.search(text, drugs[-1].end, start):
        return []
    if not because and not _GIVEN.fullmatch(text, drugs[-1].end, start):
        return []
    effects = [drugs[-1]]
    for drug in reversed(drugs[:-1]):
        if not _BETWEEN_DRUGS.fullmatch(text, drug.end, effects[-1].start):
            break
        effects.append(drug)
    return effects


def _effect_after(text: str, span: Span, after: list[Mention], start: int, end: int) -> list[Mention]:
    """Because of a rash, carbamazepine was held."""
    begins = not text[span.start : start].strip(" ,;") or text[:start].rstrip().endswith((",", ";"))
    if not begins or not after or after[0].concept.kind != DRUG or after[0].start - end > _LINK_LENGTH:
        return []
    return [after[0]] if text[end : after[0].start].lstrip().startswith(",") else []
