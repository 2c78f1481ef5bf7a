"""The negation_invert family: what the note denies is reported, what it reports is denied.

Only symptoms and signs: real summaries deny those, but seldom a diagnosis, and wording that no real summary has would
give the negative away.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from adversarial.donors import Donors, sexes_of
from adversarial.edits import Edit, Proposal, proposal
from adversarial.frames import draw_frame, fill_frame, match_frame
from clinical.assertion import AFFIRMED, NEGATED
from clinical.claims import NEGATION, Claim, extract_claims
from clinical.mentions import FINDING
from clinical.sentences import Span, sentence_spans, word_key

FAMILY = "negation_invert"

# Inside a longer sentence: (words before the list, what they become at the sentence's end, what elsewhere).
TO_AFFIRMED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r",? but (?:with )?no ", (", accompanied by ", " and "), (" and ",)),
    (r" without (?:any )?", (", accompanied by ", " with "), (" with ",)),
    (r"\b([Nn])egative for ", ("positive for ",), ("positive for ",)),
    (r"\bdenied (?:any )?", ("reported ",), ("reported ",)),
    (r"\bdenies (?:any )?", ("reports ",), ("reports ",)),
    (r"\bdenying (?:any )?", ("reporting ",), ("reporting ",)),
)
TO_NEGATED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r",? (?:accompanied by|along with|together with|also reporting) ", (" but no ", " without "), (" without ",)),
    (r"\b([Pp])ositive for ", ("negative for ",), ("negative for ",)),
    (r"\balso had ", ("had no ", "did not have "), ("had no ", "did not have ")),
    (r"\breports ", ("denies ",), ("denies ",)),
)
_AND_NOT = re.compile(r",?\s*(?:but|and|although|though)\s+(?:no|not|without|denied|denies|denying)\b", re.IGNORECASE)
_LIST_LINK = re.compile(r"\s*(?:,|,?\s*\b(?:and|or|nor)\b|\s*/)\s*(?:an? |any |some )?", re.IGNORECASE)
# A list that goes on in words the lexicon does not have: "fever, chills, or other concerns".
_GOES_ON = re.compile(r"\s*(?:,(?!\s*(?:and|but|although|while|who|which)\b)|/|,?\s*or\b)", re.IGNORECASE)
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


def _joined(items: str, *, reported: bool) -> str:
    """The items in small letters, joined as a denial or a report joins them: fever or cough, fever and cough."""
    old, new = ("and", "or") if reported else ("or", "and")
    items = re.sub(rf"\b{old}\b", new, items)
    return items if items[1:2].isupper() else items[:1].lower() + items[1:]
