"""Binds a cue (held, rose, elevated, improved) to the names it speaks of: those before it or those after it."""

from __future__ import annotations

import re

from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.words import Cue, words

PASSIVE = frozenset(["is", "are", "was", "were", "be", "been", "being"])
_LIST_STOPS = frozenset(["addition", "alongside", "besides", "because", "due", "since", "before"])


def targets(sentence: Sentence, cue: Cue, table: str, kinds: tuple[str, ...]) -> list[Mention]:
    """What a cue of change, trend, level, course or outcome speaks of: the names before it or after it."""
    if not _binds(cue, table):
        return []
    among = [m for m in sentence.mentions if m.is_a(*kinds)]
    forward = _forward(sentence, cue, table, among)
    behind = _backward(sentence, cue, table, among)
    loose = _loose(sentence, cue, among)
    spelt = sentence.words_of(cue).lower()
    following = word_after(sentence, cue)
    if following == "dose" and table != "change":
        return []
    if spelt in ("up", "down") or (table == "trend" and following in ("for", "on", "given", "because", "due", "owing")):
        return behind or (loose if following in ("from", "to", "at") else [])
    if table in ("level", "course"):  # adjectives stand right before their noun, or after a verb
        direct = [
            m for m in forward if m.first - cue.end <= 2 and "," not in sentence.text[_stop(sentence, cue) : m.start]
        ]
        if behind and (following in ("at", "to", "of") or following[:1].isdigit()):
            return behind
        return direct[:1] or behind
    if spelt.endswith((" on", " off", " of", " in", " for", " with")) and table == "change":
        back = behind if spelt.endswith(" off") or _goes_back(sentence, cue) else []
        return forward or back or (loose if spelt.endswith("hold") else [])
    beside = next((m for m in sentence.mentions if 0 <= m.first - cue.end <= 2), None)
    if spelt.endswith((" in", " of")) and table == "trend":
        return forward[:1] if beside in forward[:1] else []
    if spelt.endswith(" from") and table == "trend":
        return behind[:1] or loose
    if beside and beside not in among and not behind and following not in ("to", "from", "at", "on", "and", "with"):
        return []  # raised pain score: nothing happens to the drug before it
    direct = [m for m in forward if m.first - cue.end <= 2 and "," not in sentence.gap(cue.end, cue.end)]
    if _goes_back(sentence, cue) or (behind and following in _AFTER_VERB):
        if forward and "," not in sentence.gap(cue.end, cue.end) and (following in ("on", "with") or not behind):
            if table == "change":
                return forward
            return (direct[:1] if following in ("on", "with") else []) or loose or direct[:1]
        return behind or loose or (forward if table == "change" else [])
    if following in ("to", "from", "at"):
        return behind or loose or forward
    if following[:1].isdigit():
        return behind or forward or loose
    if following in ("in", "of") or (table == "outcome" and spelt.endswith((" in", " of"))):
        first = next((m for m in sentence.mentions if m.first >= cue.end), None)
        return [m for m in forward[:1] if m is first] or behind or loose
    if table == "outcome" and following in _AFTER_VERB:
        return behind or loose
    if table == "outcome":
        return direct[:1] or behind or loose
    if table == "trend":
        adjective = cue.first > 0 and sentence.tokens[cue.first - 1].low in ("a", "an", "of", "the")
        return behind or direct[:1] or ([] if adjective else loose)
    return forward or behind


_AFTER_VERB = (
    "to",
    "from",
    "at",
    "by",
    "and",
    "with",
    "because",
    "due",
    "for",
    "over",
    "after",
    "while",
    "given",
    "owing",
    "until",
    "secondary",
    "per",
)


def _stop(sentence: Sentence, cue: Cue) -> int:
    return sentence.tokens[cue.end - 1].end


def word_after(sentence: Sentence, cue: Cue) -> str:
    """The word behind a cue, in small letters; empty at the end of the sentence."""
    return sentence.tokens[cue.end].low if cue.end < len(sentence.tokens) else ""


def _goes_back(sentence: Sentence, cue: Cue) -> bool:
    """Whether a cue is a passive (was held) or ends its phrase: then it speaks of what stands before."""
    ends = cue.end >= len(sentence.tokens) or bool(re.search(r"[,;.)]", sentence.gap(cue.end, cue.end)))
    return ends or (cue.first > 0 and sentence.tokens[cue.first - 1].low in PASSIVE)


def _backward(sentence: Sentence, cue: Cue, table: str, among: list[Mention]) -> list[Mention]:
    """The names right before a cue, as far back as the cue before it."""
    others = [c for c in sentence.cues_of(table) if c is not cue and _binds(c, table)]
    adjacent = sentence.list_before(cue.first, among)
    if table != "change" and len(adjacent) > 1:
        between = sentence.text[adjacent[1].stop : adjacent[0].start]
        if "," in between or any(char.isdigit() for char in between):
            adjacent = adjacent[:1]  # a sodium of 139, serum lactate dropped
    if cue.first and sentence.tokens[cue.first - 1].low in ("is", "was"):  # aspirin, and labetalol was raised
        lone = bool(adjacent[1:]) and "," in sentence.text[adjacent[1].stop : adjacent[0].start]
        adjacent = [m for n, m in enumerate(adjacent) if not lone or n == 0 or m.end == adjacent[0].first]
    for earlier in (c for c in others if c.first < cue.first):
        own = next((m for m in among if 0 <= m.first - earlier.end <= 4), None)  # came off X, Y was begun
        own = next((m for m in among if own and m.first == own.end), own)  # the beta blocker metoprolol
        floor = own.end if own and not _goes_back(sentence, earlier) else earlier.end
        adjacent = [m for m in adjacent if m.first >= floor] or adjacent[:1]
    return adjacent


def _loose(sentence: Sentence, cue: Cue, among: list[Mention]) -> list[Mention]:
    """The last name of the clause before a cue, if nothing else is named between."""
    before = [
        m for m in sentence.mentions if m.end <= cue.first and sentence.clauses[m.first] == sentence.clauses[cue.first]
    ]
    return before[-1:] if before and before[-1] in among else []


def _forward(sentence: Sentence, cue: Cue, table: str, among: list[Mention]) -> list[Mention]:
    """The names after a cue up to the next cue or subject, without those that a later cue takes back."""
    others = [
        c for c in sentence.cues_of(table) if c.first > cue.first and (_binds(c, table) or _takes_over(sentence, c))
    ]
    limit = min((c.first for c in others), default=len(sentence.tokens))
    for at in range(cue.end, limit):
        new_subject = (
            sentence.tokens[at].low in _SUBJECTS
            and (sentence.tokens[at].low != "and" or _verb_soon(sentence, at))
            and "," in sentence.gap(at, at)
            and at > cue.end
        )
        if sentence.clauses[at] != sentence.clauses[cue.first] or sentence.tokens[at].low in _LIST_STOPS or new_subject:
            limit = at
            break
    found = [m for m in among if cue.end <= m.first < limit]
    if found and found[0].first - cue.end > 5:
        return []
    following = next((c for c in others if _binds(c, table)), None)
    if following and table == "change" and _speaks_of_before(sentence, following, among):
        taken = _backward(sentence, following, table, among)
        return [m for m in found if m not in taken]
    return found


_SUBJECTS = frozenset([
    "he", "she", "they", "patient", "clinicians", "team", "the", "this", "her", "his", "and", "while", "with",
    "had", "has", "used", "is", "was",
])  # fmt: skip


def _verb_soon(sentence: Sentence, at: int) -> bool:
    """Whether ", and" goes on with a verb or a subject and no further name of the list."""
    following = sentence.tokens[at + 1].low if at + 1 < len(sentence.tokens) else ""
    return sentence.told_of_next(at) or following in _SUBJECTS or following in words()["ends_negation"]


def _speaks_of_before(sentence: Sentence, cue: Cue, among: list[Mention]) -> bool:
    """Whether a cue is about the name before it: a passive, or nothing that it could be about comes soon."""
    soon = any(0 <= m.first - cue.end <= 5 and "," not in sentence.gap(cue.end, cue.end) for m in among)
    return _goes_back(sentence, cue) or word_after(sentence, cue) in _AFTER_VERB or not soon


def _takes_over(sentence: Sentence, cue: Cue) -> bool:
    """Whether a cue that changes nothing by itself (gets, receives) begins another phrase."""
    return sentence.words_of(cue).lower() in (
        "gets",
        "got",
        "get",
        "receives",
        "received",
        "takes",
        "took",
        "has",
        "given",
        "used",
        "uses",
    )


def _binds(cue: Cue, table: str) -> bool:
    return cue.senses.get(table) != "given"
