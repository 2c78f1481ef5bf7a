"""Turns frames with alternatives and slots into tidy English."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from phase1_data_medhal.authors import Author

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\ba\(n\) (\W?)(\w[\w-]*)")
# Letters, and numbers, whose names begin with a vowel: an MRI, an 8-day history, an 80-year-old, an hour.
_AN = re.compile(
    r"(?:[aeioAEIO]|[uU](?!ni|ri|se|su|til|ro|te)|[hH]ours?\b|[hH]onest|8|11\b|18\b|HbA|[FHLMNRSX](?:[A-Z]|\b))"
)
_CONSONANT = re.compile(r"(?:[eE]u|[oO]ne\b|[oO]nce\b|U[A-Z])")


def expand(frame: str, author: Author, rng: random.Random) -> str:
    """Choose from every ``[one|two|]`` in ``frame``, the innermost first, by the author's habits."""
    while match := _INNERMOST.search(frame):
        chosen = author.pick(match[1].split("|"), rng, match[1])
        frame = frame[: match.start()] + chosen + frame[match.end() :]
    return frame


def fill(frame: str, slots: Mapping[str, str], author: Author, rng: random.Random) -> str:
    """Expand a frame and put ``slots`` into its ``{names}``; what fills a slot is never expanded."""
    return expand(frame, author, rng).format_map(slots)


def slot_names(frame: str) -> frozenset[str]:
    """The slots that a frame may ask for, in any of its alternatives."""
    return frozenset(re.findall(r"\{(\w+)\}", frame))


def listed(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def tidy(text: str) -> str:
    """Mend what filling leaves behind: ``a(n)``, doubled blanks and stops, stray blanks, small first letters."""
    text = _ARTICLE.sub(lambda match: f"{_article(match[2])} {match[1]}{match[2]}", text)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" +([,.;:)])", r"\1", text)
    text = re.sub(r"([,;])(?=[.;])", "", text)
    text = re.sub(r"\.\.+", ".", text)
    text = re.sub(r"(?:^|(?<=[.!?] )|(?<=\n))[a-z](?!H\b|GFR\b)", lambda match: match[0].upper(), text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _article(word: str) -> str:
    return "an" if _AN.match(word) and not _CONSONANT.match(word) else "a"
