"""Puts another name where one stood, with the article, number and sex that the words around it ask for."""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache

from adversarial.operators.donors import sexes_of
from adversarial.operators.edits import Edit, replace_span
from clinical.lexicon import DATA_DIR

# The article of the phrase that a name ends: "a constant headache", not "a history of headache".
_ARTICLE_AHEAD = re.compile(
    r"\b(an?) ((?:(?!(?:of|with|for|in|to|on|from|by|and|or|at|had|has|was|is|from)\b)[A-Za-z-]+ ){0,2})$",
    re.IGNORECASE,
)
_VERB_AFTER = re.compile(r"\s+(?:\w+ly\s+|also\s+|likewise\s+)?(?:was|were|is|are|has|have|persists?|remains?)\b")
_VERB_BEFORE = re.compile(r"\b(?:there|there also) (?:was|were|is|are)\s+(?:also\s+)?(?:no\s+|an?\s+)?$", re.IGNORECASE)
_TAIL = re.compile(r"\s+(?:of|in|on|with|to|from|after|at|for|due|by|without|over)\b.*", re.DOTALL)
_NO_WORD = re.compile(r"[^a-z-]+")
_SINGULAR_ENDINGS = ("ss", "us", "is", "ness", "xis", "diabetes", "ascites", "pus", "herpes", "rabies", "shingles")


def replace_name(summary: str, start: int, end: int, new: str, type_: str) -> Edit | None:
    """The edit that puts another name at a span; None where its number would not agree with a verb.

    An article is taken away where the new name is never counted: "a rash" becomes "fatigue".
    """
    old = summary[start:end]
    agrees = is_plural(old) == is_plural(new)
    if not agrees and (_VERB_AFTER.match(summary, end) or _VERB_BEFORE.search(summary[:start][-30:])):
        return None
    article = _ARTICLE_AHEAD.search(summary[:start][-60:])
    if article is None or is_counted(new):
        return replace_span(summary, start, end, new, type_)
    start -= len(article[0])
    words = article[2] + new
    return Edit(
        start, end, summary[start:end], words[:1].upper() + words[1:] if article[1][0].isupper() else words, type_
    )


def head_of(name: str) -> str:
    """The noun that a name is about: pain, of "pain in the chest"."""
    words = _TAIL.sub("", name).split()
    return words[-1].lower() if words else name.lower()


def is_plural(name: str) -> bool:
    """Whether a name is a plural: palpitations, kidney stones; not gallstone disease, diabetes."""
    head = head_of(name)
    return head.endswith("s") and not head.endswith(_SINGULAR_ENDINGS) and not name[:-1].isupper()


def is_counted(name: str) -> bool:
    """Whether "a" may stand before a name: a rash, a stroke; not nausea, hives."""
    return head_of(name) in _countable()


@lru_cache(maxsize=4096)  # names of the lexicon, and what other summaries lend, come up again and again
def sex_of(name: str) -> str:
    """The sex that alone can have or need what is named: male, female, or empty."""
    words = f" {_NO_WORD.sub(' ', name.lower())} "
    return next((sex for word, sex in _sexed().items() if f" {word} " in words), "")


def sexes_fit(summary: str, sex: str) -> bool:
    """Whether what only one sex can have may stand in a summary, by the sexes that its words tell."""
    return not sex or sexes_of(summary) <= {sex}


@cache
def _countable() -> frozenset[str]:
    with (DATA_DIR / "countable_heads.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["head"] for row in csv.DictReader(file))


@cache
def _sexed() -> dict[str, str]:
    with (DATA_DIR / "sexed_words.csv").open(encoding="utf-8", newline="") as file:
        return {row["word"]: row["sex"] for row in csv.DictReader(file)}
