"""The negation_invert family: what the note denies is reported, what it reports is denied.

Only symptoms and signs: real summaries deny those, but seldom a diagnosis, and wording that no real summary has would
give the negative away.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from adversarial.operators.donors import Donors, sexes_of
from adversarial.operators.edits import Edit, Proposal, proposal, takes_an
from adversarial.operators.frames import LEADS, TAILS, draw_frame, fill_frame, match_frame
from adversarial.operators.grammar import is_counted, is_plural
from clinical.mentions import FINDING
from clinical.reading.assertion import AFFIRMED, NEGATED
from clinical.reading.claims import NEGATION, Claim, extract_claims
from clinical.sentences import Span, sentence_spans, word_key

FAMILY = "negation_invert"

# Inside a longer sentence, besides LEADS and TAILS: (words before the list, what they become at the sentence's end,
# what elsewhere).
TO_AFFIRMED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r",? but (?:with )?no ", (", accompanied by ", " and "), (" and ",)),
)
TO_NEGATED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r",? (?:accompanied by|along with|together with|also reporting) ", (" but no ", " without "), (" without ",)),
    (r"\balso had ", ("had no ", "did not have "), ("had no ", "did not have ")),
)
# "No cough was reported": the denial stands before the list, the verb after it.
_NO_BEFORE = re.compile(r"\b(no)(?: (?:associated|accompanying))? $", re.IGNORECASE)
_TOLD_AFTER = re.compile(
    r"\s+(?:was|is|were|are)\s+(?:also\s+)?(?:reported|described|mentioned|noted|elicited|volunteered|present|"
    r"recorded|documented|endorsed)\b"
)
# What lasted or began somewhen is there: a denial of it would be told from its words alone.
_LASTS = re.compile(
    r"\s+(?:for|over|during|lasting|dating|going|present|ongoing|starting|started|that|since|of|which|first|began|on|in|"
    r"with|getting|following|after|also|too|as well|besides|easily)\b|\s*,\s*(?:which|first|ongoing)\b",
    re.IGNORECASE,
)
_AND_NOT = re.compile(r",?\s*(?:but|and|although|though)\s+(?:no|not|without|denied|denies|denying)\b", re.IGNORECASE)
_LIST_LINK = re.compile(r"\s*(?:,|,?\s*\b(?:and|or|nor)\b|\s*/)\s*(?:an? |any |some )?", re.IGNORECASE)
# A list that goes on in words the lexicon does not have: "fever, chills, or other concerns".
_GOES_ON = re.compile(r"\s*(?:,(?!\s*(?:and|but|although|while|who|which)\b)|/|,?\s*or\b)", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(?:an?|any|some) $")
_BEFORE = 40  # characters before a list in which its trigger is looked for: longer than any rule above


def affirm(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Turn a denial into a report: "She denied fever or cough." becomes "She also had fever and cough."."""
    return _invert("affirm_denied", summary, rng, donors, reported=False)


def negate(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Turn a report into a denial: "with fever, accompanied by cough" becomes "with fever but no cough"."""
    return _invert("deny_reported", summary, rng, donors, reported=True)


def _invert(operator: str, summary: str, rng: random.Random, donors: Donors, *, reported: bool) -> Proposal | None:
    polarity = AFFIRMED if reported else NEGATED
    named = [
        claim
        for claim in extract_claims(summary)
        if claim.concept and claim.concept.kind == FINDING and claim.polarity == polarity
    ]
    lists = _lists(summary, named)
    rng.shuffle(lists)
    sentences = sentence_spans(summary)
    for listed in lists:
        span = next(s for s in sentences if s.start <= listed[0].start < s.end)
        edit = _whole_sentence(summary, span, listed, rng, donors, reported=reported) or _in_clause(
            summary, span, listed, rng, reported=reported
        )
        edit = edit or _by_phrase(summary, span, listed, rng, reported=reported)
        if edit:
            return proposal(operator, FAMILY, summary, [edit])
    return None


def _lists(summary: str, claims: Sequence[Claim]) -> list[list[Claim]]:
    """Claims that stand in one list share one trigger: fever, chills or cough."""
    lists: list[list[Claim]] = []
    for claim in claims:
        if lists and _LIST_LINK.fullmatch(summary, lists[-1][-1].end, claim.start):
            lists[-1].append(claim)
        else:
            lists.append([claim])
    return lists


def _whole_sentence(
    summary: str, span: Span, listed: Sequence[Claim], rng: random.Random, donors: Donors, *, reported: bool
) -> Edit | None:
    """Exchange the frame of a sentence that says nothing but this list."""
    sentence = summary[span.start : span.end]
    frame = match_frame(sentence)
    if frame is None or frame.reports != reported:
        return None
    if (frame.start, frame.end) != (listed[0].start - span.start, listed[-1].end - span.start):
        return None
    sexes = sexes_of(summary)
    who = frame.who or ({"male": "He", "female": "She"}[min(sexes)] if len(sexes) == 1 else "")
    template = draw_frame(rng, frame.opposites, donors.frames, known_who=bool(who))
    items = _joined(sentence[frame.start : frame.end], reported=reported)
    plural = len(listed) > 1 or word_key(items.split()[-1]) != items.split()[-1].lower()
    new = fill_frame(template, items, who, plural=plural)
    end = span.end - sentence.endswith(".")
    return Edit(span.start, end, summary[span.start : end], new, NEGATION)


def _in_clause(summary: str, span: Span, listed: Sequence[Claim], rng: random.Random, *, reported: bool) -> Edit | None:
    """Exchange the words before a list inside a longer sentence."""
    first, last = listed[0], listed[-1]
    if _GOES_ON.match(summary, last.end) or (reported and _AND_NOT.match(summary, last.end)):
        return None  # half a list; or "but no cough but no fever"
    window = max(span.start, first.start - _BEFORE)
    at_the_end = summary[last.end : span.end] in ("", ".")
    for pattern, closing, running in TO_NEGATED if reported else TO_AFFIRMED:
        match = re.search(f"(?:{pattern})$", summary[window : first.start])
        if match:
            new = rng.choice(closing if at_the_end else running)
            new = new.capitalize() if match[0][:1].isupper() else new
            start = window + match.start()
            new += _joined(summary[first.start : last.end], reported=reported)
            return Edit(start, last.end, summary[start : last.end], new, NEGATION)
    return None


def _by_phrase(summary: str, span: Span, listed: Sequence[Claim], rng: random.Random, *, reported: bool) -> Edit | None:
    """Exchange a phrase that reports a list inside a sentence for one that denies it, or the reverse."""
    first, last = listed[0], listed[-1]
    if _GOES_ON.match(summary, last.end) or (reported and _LASTS.match(summary, last.end)):
        return None
    items = _joined(summary[first.start : last.end], reported=reported)
    lead = summary[span.start : first.start]
    article = _ARTICLE.search(lead)
    head = lead[: article.start()] if article else lead
    for tail, others in _phrases(TAILS, r"\s+{}\b", reported=reported):
        found = tail.match(summary, last.end)
        if found and not _NO_BEFORE.search(lead):
            new = f"{summary[first.start : last.end]} {rng.choice(others)}"
            return Edit(first.start, found.end(), summary[first.start : found.end()], new, NEGATION)
    no = _NO_BEFORE.search(lead)
    if _TOLD_AFTER.match(summary, last.end) and bool(no) != reported:
        start = span.start + (no.start() if no else len(head))
        words = items if no else f"no {items}"
        words = words[:1].upper() + words[1:] if summary[start].isupper() else words
        return Edit(start, last.end, summary[start : last.end], words, NEGATION)
    for phrase, others in _phrases(LEADS, r"(?i:\b{} $)", reported=reported):
        found = phrase.search(head)
        if found:
            new = _agreeing(rng.choice(others), plural=len(listed) > 1 or is_plural(last.text))
            new = new[:1].upper() + new[1:] if found[0][:1].isupper() else new
            keeps = reported and article and re.search(r"\bnot\b|\bof$|\bwithout$", new)
            needs_article = bool(keeps) or (not reported and is_counted(first.text))
            counted = ("an " if takes_an(items) else "a ") if needs_article else ""
            start = span.start + found.start()
            return Edit(start, last.end, summary[start : last.end], f"{new} {counted}{items}", NEGATION)
    return None


def _agreeing(phrase: str, *, plural: bool) -> str:
    """There is a cough, there are hives and a cough; no other phrase changes."""
    match = re.fullmatch(r"there (was|were|is|are)( no)?", phrase)
    if match is None:
        return phrase
    past = match[1] in ("was", "were")
    verb = ("were" if past else "are") if plural else ("was" if past else "is")
    return f"there {verb}{match[2] or ''}"


@cache
def _phrases(
    pairs: tuple[tuple[str, str], ...], place: str, *, reported: bool
) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """The pattern of each phrase in its ``place``, with those that may stand there instead; the longest first."""
    found: dict[str, list[str]] = {}
    for denying, reporting in pairs:
        old, new = (reporting, denying) if reported else (denying, reporting)
        found.setdefault(old, []).append(new)
    longest_first = sorted(found, key=lambda phrase: (-len(phrase), phrase))
    return tuple((re.compile(place.format(old)), tuple(found[old])) for old in longest_first)


def _joined(items: str, *, reported: bool) -> str:
    """The items in small letters, joined as a denial or a report joins them: fever or cough, fever and cough."""
    old, new = ("and", "or") if reported else ("or", "and")
    items = re.sub(rf"\b{old}\b", new, items)
    return items if items[1:2].isupper() else items[:1].lower() + items[1:]
