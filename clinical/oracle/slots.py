"""Finds the places of a sentence where only a name can stand: of a medicine, of a condition or finding."""

from __future__ import annotations

from clinical.oracle.sentence import Sentence

_DRUG_VERBS = frozenset(
    [
        *("started on", "start on", "starts on", "put on", "placed on", "maintained on", "kept on", "prescribed"),
        *("treated with", "managed with", "initiated", "commenced", "started", "newly prescribed", "newly started"),
        *("received", "receives", "takes", "taking", "given", "administered", "continued on", "remains on"),
    ]
)
_DRUG_LINKS = frozenset(
    ["a", "an", "the", "of", "dose", "doses", "regimen", "course", "new", "oral", "iv", "his", "her"]
)
_AFTER_NAME = frozenset(
    ["and", "or", "with", "for", "at", "to", "in", "on", "by", "but", "while", "daily", "once", "twice"]
)
_AFTER_NAME_TOO = frozenset(["because", "due", "after", "is", "was", "who", "which", "as", "from"])
_PASSIVE = frozenset(["is", "was", "been", "were", "being"])
_ADJECTIVES = frozenset(
    [
        *("left", "right", "bilateral", "sided", "mild", "moderate", "severe", "small", "large", "acute", "chronic"),
        *("new", "foot", "hand", "arm", "leg", "eye", "skin", "dry"),
    ]
)
_OPENERS = frozenset(["a", "an"])
_OPENING_PAIRS = (("history", "of"), ("diagnosed", "with"), ("diagnosis", "of"), ("complaint", "of"))


def ends_phrase(sentence: Sentence, at: int) -> bool:
    """Whether a token is the last of its noun phrase: a mark, the end, or a word that begins another follows."""
    if at + 1 >= len(sentence.tokens):
        return True
    gap, following = sentence.gap(at + 1, at + 1), sentence.tokens[at + 1].low
    marked = any(mark in gap for mark in ",;.:()")
    return marked or following[0].isdigit() or following in _AFTER_NAME or following in _AFTER_NAME_TOO


def in_drug_slot(sentence: Sentence, at: int) -> bool:
    """Whether a token stands where the name of a medicine must: started on (a dose of) ..."""
    if not ends_phrase(sentence, at) or sentence.tokens[at].low.endswith(("ing", "ed", "ly")):
        return False
    measured = {n for amount in sentence.amounts for n in range(amount.first, amount.end)}
    first = at
    while first and (first - 1 in measured or sentence.tokens[first - 1].low in _DRUG_LINKS):
        if sentence.gap(first, first).strip(" "):
            return False
        first -= 1
    cue = next((cue for cue in sentence.cues if cue.end == first and "change" in cue.senses), None)
    if cue is None or sentence.gap(first, first).strip(" "):
        return False
    spelt = sentence.words_of(cue).lower()
    before = sentence.between(max(0, cue.first - 2), cue.first)
    if spelt in ("given", "started") and not _PASSIVE & set(before):
        return False
    return spelt in _DRUG_VERBS


def in_finding_slot(sentence: Sentence, at: int, read: set[int]) -> bool:
    """Whether a token is the head of "a(n) ...", "history of ...", "diagnosed with ..." that names nothing read.

    Only sides, sizes, grades and other unread words may stand between.
    """
    low = sentence.tokens[at].low
    if not ends_phrase(sentence, at) or low.endswith(("ed", "ly", "able", "ful")):
        return False
    measured = {n for amount in sentence.amounts for n in range(amount.first, amount.end)}
    first, told = at, False
    while first and at - first < 6:
        before = sentence.tokens[first - 1].low
        if sentence.gap(first, first).strip(" -"):
            return False
        told = told or first - 1 in measured or before in ("left", "right", "bilateral")
        pair = (sentence.tokens[first - 2].low, before) if first > 1 else ("", before)
        if pair in _OPENING_PAIRS:
            return True
        if before in _OPENERS:
            return told or sentence.tokens[at].low.endswith(_NOUNS) or _is_had(sentence, first - 1)
        if before not in _ADJECTIVES and first - 1 not in measured and first - 1 in read:
            return False
        first -= 1
    return False


_NOUNS = ("ology", "ation", "osis", "itis", "oma", "opathy", "ity")


def _is_had(sentence: Sentence, article: int) -> bool:
    return article > 0 and sentence.tokens[article - 1].low in ("had", "has", "showed", "revealed", "with", "of", "for")
