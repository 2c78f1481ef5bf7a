"""Where sentences begin and end, and the words in them, as character offsets into the text."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

# A line ends a sentence, except where the next one goes on in small letters (hard-wrapped text). Here and below, the
# pattern begins with the few characters it can begin with, so that the search need not try every place.
_END = re.compile(r"[.!?\n](?:(?<!\n)[.!?]*[\"')\]]*(?=\s|$)|(?<=\n)(?:(?!\s*[a-z])|\s*\n))")
# A full stop ends no sentence after a title or a dotted abbreviation (Dr. Lee, b.i.d., p.m.).
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|St|vs|e\.g|i\.e|[a-z]\.[a-z])$")
# Between two sentences that can be read apart: no name (H. pylori), date (in May. 5 mg), list number or answer to a
# question goes from one to the other, since a full stop, then a capital letter stand between whole words.
_BETWEEN_PARTS = re.compile(
    r"\.(?:(?<=[A-Za-z]{2}\.)|(?<=\d\d\.)|(?<=\d\.\d\.)|(?<=[%)]\.))"
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bvs\.)\s+(?=[A-Z])"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:['’][a-z]{1,2}\b)?|\d+(?:[.,]\d+)*")


class Span(NamedTuple):
    """A stretch of a text: ``text[start:end]``."""

    start: int
    end: int


def sentence_spans(text: str) -> list[Span]:
    """The sentences of a text, in order, without the white space around them."""
    return list(_sentence_spans(text))


@lru_cache(maxsize=2048)  # each reader of a text asks for its sentences
def _sentence_spans(text: str) -> tuple[Span, ...]:
    spans = []
    begin = 0
    ends = [
        match.end()
        for match in _END.finditer(text)
        if match[0] != "." or not _ABBREVIATION.search(text, max(0, match.start() - 5), match.start())
    ]
    for end in [*ends, len(text)]:
        piece = text[begin:end]
        if piece.strip():
            start = begin + len(piece) - len(piece.lstrip())
            spans.append(Span(start, begin + len(piece.rstrip())))
        begin = end
    return tuple(spans)


@lru_cache(maxsize=2048)  # mentions, claims and verdicts are all taken part by part
def separable_parts(text: str) -> tuple[str, ...]:
    """The text cut where what stands before and after can be read apart; joined, the parts are the text again.

    A part is a sentence or several. What a part names and claims is the same within the text and alone, so that it
    can be looked up instead of read again: most texts that are compared differ in one sentence.
    """
    cuts = [0, *(match.end() for match in _BETWEEN_PARTS.finditer(text)), len(text)]
    return tuple(text[start:end] for start, end in pairwise(cuts))


def word_spans(text: str) -> list[Span]:
    """Words and numbers of a text; hyphens and slashes stand between words."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def small_letters(text: str) -> str:
    """The text in small letters, each in its place; many words are found in it sooner than where case is ignored."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


@lru_cache(maxsize=2**16)  # more than a corpus has words, and bounded for a hostile one
def word_key(word: str) -> str:
    """A word as it is compared: lower case, without possessive or plural ending."""
    key = word.lower().replace("’", "'").removesuffix("'s")
    if len(key) > 3 and key.endswith("ies"):
        return key[:-3] + "y"
    if len(key) > 3 and key.endswith("s") and not key.endswith(("ss", "us", "is")):
        return key[:-1]
    return key
