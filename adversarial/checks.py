"""Accepts a negative only when it is proven: changed, wrong by the note, as long as the chosen one, and still English.

Each check returns None, or the reason for refusing. Reasons are counted and shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from adversarial.operators.edits import Edit, takes_an
from clinical.screen.support import has_unsupported, unsupported_claims
from utils.records import MIN_SUMMARY_WORDS

# The audit's bar is 0.9-1.1 of the length for 90 % of pairs; a word more or less is allowed in a short summary.
LENGTH_RATIO = (0.9, 1.1)
LENGTH_SLACK = 12  # characters: the longest single word that the operators put in or take out ("accompanied ")

_NO_WORD = re.compile(r"\W+")
_ARTICLE = re.compile(r"\b(an?) (?=(\w[\w'-]*))", re.IGNORECASE)
_DOUBLED = re.compile(r"\b([A-Za-z]+) \1\b", re.IGNORECASE)
_SPACING = re.compile(r"  +| [,.;:]|\( | \)|,\.|\.\.")
_SMALL_START = re.compile(r"(?:^|[.!?] )[a-z]")


def check_chosen(note: str, summary: str) -> str | None:
    """Refuse a chosen summary that says too little, or that the screen cannot square with its note."""
    if len(summary.split()) < MIN_SUMMARY_WORDS:
        return f"summary of fewer than {MIN_SUMMARY_WORDS} words"
    flagged = unsupported_claims(note, summary) if has_unsupported(note, summary) else []
    return f"chosen summary: {flagged[0].verdict} {flagged[0].type}" if flagged else None


def check_changed(summary: str, text: str) -> str | None:
    """Refuse a negative that differs from the chosen summary in capitals, spaces or punctuation only."""
    return "text unchanged" if _words(summary) == _words(text) else None


def check_proven(note: str, text: str) -> str | None:
    """Refuse a negative in which the screen finds nothing wrong. (In the chosen summary it found nothing either.)"""
    return None if has_unsupported(note, text) else "not proven wrong by the note"


def check_length(summary: str, text: str) -> str | None:
    """Refuse a negative that its length gives away."""
    ratio = len(text) / len(summary)
    if abs(len(text) - len(summary)) <= LENGTH_SLACK or LENGTH_RATIO[0] <= ratio <= LENGTH_RATIO[1]:
        return None
    return "much longer" if ratio > 1 else "much shorter"


def check_english(summary: str, text: str) -> str | None:
    """Refuse a negative with slips that the chosen summary does not have: articles, doubled words, spaces, capitals."""
    new = slips(text) - slips(summary)
    return f"english: {min(new)}" if new else None


@lru_cache(maxsize=16)  # a chosen summary is compared with several negatives
def _words(text: str) -> str:
    return _NO_WORD.sub(" ", text).strip().lower()


@lru_cache(maxsize=16)
def slips(text: str) -> Counter[str]:
    """Slips of the pen by kind."""
    wrong_articles = [m for m in _ARTICLE.finditer(text) if (m[1].lower() == "an") != takes_an(m[2])]
    return Counter(
        {
            "article": len(wrong_articles),
            "doubled word": len(_DOUBLED.findall(text)),
            "spacing": len(_SPACING.findall(text)),
            "small letter at the start": len(_SMALL_START.findall(text)),
        }
    )


def overlapping(edits: Sequence[Edit]) -> bool:
    """Whether two edits touch each other."""
    ordered = sorted(edits, key=lambda edit: edit.start)
    return any(one.end > two.start for one, two in pairwise(ordered))
