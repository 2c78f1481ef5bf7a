"""Reads a summary: of each name, whether it is denied, suspected, past or a relative's, and what is said to change."""

from __future__ import annotations

import re

from clinical.oracle.binding import PASSIVE, targets, word_after
from clinical.oracle.sentence import BE, Mention, Sentence
from clinical.oracle.surface import ALLERGEN, CLASS, DRUG, LAB, LEVEL, PROBLEM, PROCEDURE
from clinical.oracle.words import Cue, words
from clinical.sentences import Span, sentence_spans

_COMPLETE = re.compile(r"[.!?][\"')\]]*$")
_LAST_CLAUSE = re.compile(r"[,;]\s|\s(?:and|but|with|while)\s")
_PAST_STOPS = frozenset([
    "with", "who", "presents", "presented", "presenting", "for", "complaining", "on", "admitted", "now", "comes",
    "came", "seen", "returns", "after", "whose",
])  # fmt: skip
_RELATING = frozenset(["which", "that", "since", "in", "the", "past", "is", "was", "now", "has", "have"])
_BY_MEANS = frozenset(["on", "by", "per", "via", "from", "with", "after"])
_NOT_BETWEEN = frozenset(["and", "or", "with", "without", "showed", "but", "on", "in", "at", "by", "per", "for"])
_VERBS_OF_RELATIVES = frozenset([
    "who", "had", "has", "have", "with", "was", "is", "suffered", "died", "of", "from", "and", "a", "an",
    "diagnosed", "history", "known", "to", "reported",
])  # fmt: skip
_SHOWN = frozenset([
    "showing", "showed", "shows", "revealing", "revealed", "demonstrating", "demonstrated", "found", "coexisting",
    "known", "background",
])  # fmt: skip
_DURATION_WORD = re.compile(r"(?:hour|day|week|month|year|time|long)s?$")


def read(text: str) -> tuple[list[Sentence], bool]:
    """The sentences of a summary, read, and whether its end is cut off; an unfinished last clause is left out."""
    spans = sentence_spans(text)
    unfinished = bool(spans) and not _COMPLETE.search(text.rstrip())
    if unfinished:
        start, end = spans[-1]
        breaks = [match.start() for match in _LAST_CLAUSE.finditer(text, start, end)]
        spans[-1:] = [Span(start, breaks[-1])] if breaks else []
    sentences = [Sentence(text, span) for span in spans]
    for sentence in sentences:
        _read_sentence(sentence)
    return sentences, unfinished


def _read_sentence(sentence: Sentence) -> None:
    for cue in sentence.cues:
        _read_negation(sentence, cue)
        _read_certainty(sentence, cue)
        _read_past(sentence, cue)
        _read_relative(sentence, cue)
        _read_allergy(sentence, cue)
        _read_flare(sentence, cue)
        for table, attribute, kinds in (
            ("change", "changes", (DRUG, CLASS)),
            ("trend", "trends", (LAB, LEVEL)),
            ("level", "levels", (LAB, LEVEL)),
            ("outcome", "outcomes", (PROBLEM,)),
            ("course", "courses", (PROBLEM,)),
        ):
            if table in cue.senses:
                for mention in targets(sentence, cue, table, kinds):
                    getattr(mention, attribute).append((cue.senses[table], cue))
    _read_sides(sentence)


def _after_be(sentence: Sentence, cue: Cue) -> bool:
    return cue.first > 0 and sentence.tokens[cue.first - 1].low in BE


def _read_negation(sentence: Sentence, cue: Cue) -> None:
    """Denied before (no fever, denies chest pain) or after (fever was absent)."""
    either = "negation_either" in cue.senses
    backward = either or "negation_after" in cue.senses
    forward = either or "negation_before" in cue.senses
    problems = [m for m in sentence.mentions if m.is_a(PROBLEM, LEVEL)]
    passive = cue.first > 0 and sentence.tokens[cue.first - 1].low in PASSIVE
    beside = any(m.end == cue.first for m in problems) and not any(m.first == cue.end for m in sentence.mentions)
    following = word_after(sentence, cue)
    beside = beside and (following in ("and", "or", "with") or not sentence.words_of(cue).lower().startswith("den"))
    beside = beside or (cue.first > 0 and sentence.tokens[cue.first - 1].low == "notably")
    if backward and (passive or beside or not forward or _at_end(sentence, cue)):
        listed = sentence.list_before(cue.first, problems)
        if len(listed) > 1 and sentence.tokens[cue.first - 1].low in ("is", "was"):
            between = sentence.between(listed[1].end, listed[0].first)
            listed = listed if {"and", "or", "nor"} & set(between) else listed[:1]
        if len(listed) == 2 and "," in sentence.text[listed[1].stop : listed[0].start]:
            listed = listed[:1]  # calf pain, and chills were denied
        for number, mention in enumerate(listed):
            shown = _SHOWN & set(sentence.between(max(0, mention.first - 4), mention.first))
            mention.absent = number == 0 or not (mention.confirmed or mention.past or mention.suspected or shown)
        if listed:
            return
    done = either and passive and not sentence.words_of(cue).lower().endswith(" for")  # was excluded
    if not forward or done or _is_pseudo(sentence, cue):
        return
    stop = sentence.reach(cue.end)
    last, denied = cue.end, False
    for mention in sentence.mentions:
        if not cue.end <= mention.first < stop:
            continue
        if mention.is_a(PROBLEM, LEVEL):
            measured = mention.is_a(LEVEL) and any(
                set(sentence.between(mention.end, a.first)) <= {"at", "of"}
                and 0 <= a.first - mention.end <= 1
                and not a.quantity.is_age
                and a.quantity.measures != "time"
                for a in sentence.amounts
            )
            mention.absent = denied = not measured
        elif mention.first - last <= 3 and mention.is_a(DRUG, CLASS, PROCEDURE) and not denied:
            mention.absent = sentence.tokens[mention.first - 1].low not in _BY_MEANS
        if mention.absent:
            last = mention.end


def _at_end(sentence: Sentence, cue: Cue) -> bool:
    """Whether nothing of the clause follows the cue: "fever (denied)", "chills absent"."""
    return cue.end >= len(sentence.tokens) or (
        not sentence.gap(cue.end, cue.end).strip(" ").isspace()
        and bool(re.match(r"\s*[),;.]", sentence.gap(cue.end, cue.end)))
    )


def _is_pseudo(sentence: Sentence, cue: Cue) -> bool:
    """No relief, not improving, not only: these deny no finding."""
    if any(mention.first == cue.end for mention in sentence.mentions):
        return False  # no increased thirst
    following = sentence.between(cue.end, min(cue.end + 2, len(sentence.tokens)))
    while following and following[0] in ("significant", "further", "much", "any", "well", "fully", "yet"):
        following = following[1:]
    return bool(following) and following[0].startswith(tuple(words()["negation_pseudo"]))


def _read_certainty(sentence: Sentence, cue: Cue) -> None:
    problems = [m for m in sentence.mentions if m.is_a(PROBLEM)]
    for kind, attribute in (
        ("suspected", "suspected"),
        ("neutral", "neutral"),
        ("soft", "soft"),
        ("confirmed", "confirmed"),
    ):
        before, after = f"{kind}_before" in cue.senses or kind in cue.senses, f"{kind}_after" in cue.senses
        beside = any(m.end == cue.first for m in problems) and word_after(sentence, cue) in ("and", "but", "or", "with")
        if after and (_after_be(sentence, cue) or not before or _at_end(sentence, cue) or beside):
            listed = sentence.list_before(cue.first, problems)
            for mention in listed:
                setattr(mention, attribute, True)
            if listed:
                continue
        if before:
            stop = min(sentence.reach(cue.end, frozenset(("with", "for"))), len(sentence.tokens))
            last = cue.end
            for mention in problems:
                if cue.end <= mention.first < stop and mention.first - last <= 4:
                    setattr(mention, attribute, True)
                    last = mention.end


def _read_past(sentence: Sentence, cue: Cue) -> None:
    """History of a problem over a list; resolved, prior and active only right beside it."""
    followed = cue.end < len(sentence.tokens) and "," not in sentence.gap(cue.end, cue.end)
    if "past" in cue.senses and followed and not _is_duration(sentence, cue):
        stop = sentence.reach(cue.end, _PAST_STOPS)
        for mention in sentence.mentions:
            if cue.end <= mention.first < stop:
                mention.past = True
    for kind in ("resolved", "active"):
        if kind not in cue.senses:
            continue
        near = next((m for m in sentence.mentions if 0 <= m.first - cue.end <= 1 and m.is_a(PROBLEM)), None)
        if near and not re.search("[,;.]", sentence.gap(cue.end, near.first)):
            setattr(near, kind, True)
        elif kind == "resolved":
            problems = [m for m in sentence.mentions if m.is_a(PROBLEM)]
            for mention in sentence.list_before(cue.first, problems)[:1] or _related(sentence, cue, problems):
                mention.resolved = True


def _related(sentence: Sentence, cue: Cue, problems: list[Mention]) -> list[Mention]:
    """The name that a relative clause or an apposition speaks of: "asthma, which has resolved", "asthma, resolved"."""
    before = [m for m in problems if m.end <= cue.first]
    return [m for m in before[-1:] if set(sentence.between(m.end, cue.first)) <= _RELATING]


def _is_duration(sentence: Sentence, cue: Cue) -> bool:
    """A 3-day history of cough is no past history."""
    return cue.first > 0 and bool(_DURATION_WORD.match(sentence.tokens[cue.first - 1].low))


def _read_relative(sentence: Sentence, cue: Cue) -> None:
    who = cue.senses.get("relative")
    if who is None:
        return
    problems = [m for m in sentence.mentions if m.is_a(PROBLEM, LEVEL)]
    before = sentence.between(max(0, cue.first - 3), cue.first)
    if "in" in before or "affects" in before or "affected" in before or ("of" in before[-2:] and "side" not in before):
        behind = [m for m in problems if m.end <= cue.first and cue.first - m.end <= 4]
        if behind:
            listed = sentence.list_before(behind[-1].end, problems) or behind[-1:]
            if "affects" in before or (len(listed) > 1 and "," in sentence.text[listed[1].stop : listed[0].start]):
                listed = listed[:1]
            for mention in listed:  # a history of asthma, and stroke in his mother
                mention.who = mention.who if mention.past and mention is not listed[0] else who
            return
    if cue.end < len(sentence.tokens) and sentence.tokens[cue.end].low in words()["relative_speech"]:
        return  # the wife reports
    closed = cue.end < len(sentence.tokens) and ")" in sentence.gap(cue.end, cue.end)
    if closed:
        problems = [m for m in problems if m.end <= cue.first]
    start = cue.end  # "her mother had a stroke": the verb right after the relative does not end the reach
    while start < len(sentence.tokens) - 1 and sentence.tokens[start].low in _VERBS_OF_RELATIVES:
        start += 1
    stop = sentence.reach(start, frozenset(("patient", "presents", "presented", "he", "she")))
    named = False
    for mention in problems:
        if cue.end <= mention.first < stop:
            mention.who, named = (who if mention.who in ("patient", "any") else mention.who), True
    if not named:
        behind = [m for m in problems if m.end <= cue.first and cue.first - m.end <= 3]
        for mention in behind[-1:]:
            mention.who = who


def _read_allergy(sentence: Sentence, cue: Cue) -> None:
    if "allergy" not in cue.senses:
        return
    substances = [m for m in sentence.mentions if m.is_a(DRUG, CLASS, ALLERGEN)]
    behind = [m for m in substances if m.end == cue.first and not re.search("[,;]", sentence.gap(m.end, cue.first))]
    stop = sentence.reach(cue.end, frozenset(("she", "he", "continue", "continued", "start", "started")))
    ahead: list[Mention] = []
    for mention in (m for m in substances if cue.end <= m.first < stop):
        joined = not ahead or set(sentence.between(ahead[-1].end, mention.first)) <= {"and", "or", "to", "both"}
        if not joined or (ahead and ")" in sentence.text[ahead[-1].stop : mention.start]):
            break
        ahead.append(mention)
    if ahead and "," in sentence.text[sentence.tokens[cue.end - 1].end : ahead[0].start]:
        ahead = []
    for mention in behind or ahead:
        mention.allergy = True


def _read_flare(sentence: Sentence, cue: Cue) -> None:
    if "flare" not in cue.senses:
        return
    problems = [m for m in sentence.mentions if m.is_a(PROBLEM)]
    behind = [m for m in problems if m.end == cue.first]
    ahead = [m for m in problems if 0 <= m.first - cue.end <= 1 and "," not in sentence.gap(cue.end, m.first)]
    near = behind or ahead or [m for m in problems if 0 <= cue.first - m.end <= 1]
    for mention in near[:1]:
        mention.flare = cue


def _read_sides(sentence: Sentence) -> None:
    """A side belongs to the name that follows within a few words, else to the one before."""
    table: dict[str, str] = {}
    for side, spellings in words()["side"].items():
        for spelling in spellings:
            if " " not in spelling:
                table[spelling] = side
    literal = {at for m in sentence.mentions if m.named.literal for at in range(m.first, m.end)}
    for at, token in enumerate(sentence.tokens):
        side = table.get(token.low)
        if side is None or at in literal:
            continue
        following = sentence.tokens[at + 1].low if at + 1 < len(sentence.tokens) else ""
        closed = bool(following) and bool(sentence.gap(at + 1, at + 1).strip())  # on the left; the assessment was
        if f"{token.low} {following}" in words()["not_a_side"] and not closed:
            continue
        if token.low == "both" and following != "sides" and not following.endswith("s"):
            continue
        owner = _owner_of_side(sentence, at)
        if owner:
            owner.sides.append((side, token))


def _owner_of_side(sentence: Sentence, at: int) -> Mention | None:
    sided = [m for m in sentence.mentions if m.is_a(PROBLEM, PROCEDURE)]
    inside = next((m for m in sided if m.first <= at < m.end), None)
    if inside:
        return inside
    ahead = next((m for m in sided if m.first > at), None)
    near = ahead and ahead.first - at <= 4 and not re.search(r"[,;.]", sentence.gap(at + 1, ahead.first))
    if ahead and near and not _NOT_BETWEEN & set(sentence.between(at + 1, ahead.first)):
        return ahead
    behind = [m for m in sided if m.end <= at and at - m.end <= 6]
    return behind[-1] if behind else None
