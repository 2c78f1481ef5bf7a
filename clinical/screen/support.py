"""The screen: is each claim of a summary supported by the note? Offline, without weights; a screen, not the truth."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from clinical.mentions import CONDITION, Concept, concepts, keys_of
from clinical.numbers import Quantity, same_amount
from clinical.reading.assertion import AFFIRMED, CONSIDERED, NEGATED, UNCLEAR
from clinical.reading.claims import DEMOGRAPHICS, DOSE, LATERALITY, NEGATION, NUMBER, TIME, TITLE, Claim, extract_claims
from clinical.reading.standing import contrary_standing, is_reason, kindred
from clinical.reading.trends import outdated_value
from clinical.rewording import akin, sounds_like, wider_words
from clinical.screen.judgements import ACROSS_PARTS, JUDGEMENTS, WITHIN_PARTS
from clinical.screen.laboratory import is_of_another_lab, told_from
from clinical.screen.note_reading import Note, Readings, read_note
from clinical.screen.verdicts import (
    CERTAINTY,
    CONTRADICTED,
    FLAGGED,
    SUPPORTED,
    UNKNOWN,
    UNSUPPORTED,
    ScreenedClaim,
)
from clinical.sentences import Span, separable_parts, word_key, word_spans

__all__ = [
    "CONTRADICTED",
    "FLAGGED",
    "SUPPORTED",
    "UNKNOWN",
    "UNSUPPORTED",
    "ScreenedClaim",
    "has_unsupported",
    "screen",
    "unsupported_claims",
]

# A bare small number (three medicines, two visits) is often counted, not read; its absence proves nothing.
_COUNTABLE_UP_TO = 10
_ENDS_TIME = re.compile(r"\s*(?:\)|ago\b)")


def screen(note: str, summary: str) -> list[ScreenedClaim]:
    """The verdict on every claim of a summary, in order.

    supported: the note says so. contradicted: it says something else of the same thing. unsupported: it does not
    mention it. unknown: it cannot be told here. Made to be precise rather than complete: what lies outside the
    lexicon, most of causes and plans and who did what are not looked at.
    """
    known = read_note(note)
    verdicts = [_verdict(claim, known, summary) for claim in extract_claims(summary)]
    further = [verdict for judge in JUDGEMENTS for verdict in judge(known, summary)]
    judged = {(verdict.start, verdict.end) for verdict in further}
    others = [
        verdict for verdict in verdicts if (verdict.start, verdict.end) not in judged or verdict.verdict in FLAGGED
    ]
    return sorted([*others, *further], key=lambda verdict: (verdict.start, verdict.end))


def unsupported_claims(note: str, summary: str) -> list[ScreenedClaim]:
    """The claims of a summary that the note does not support: unsupported or contradicted."""
    return [claim for claim in screen(note, summary) if claim.verdict in FLAGGED]


def has_unsupported(note: str, summary: str) -> bool:
    """Whether there are unsupported claims: the same answer, sooner where other summaries of the note were asked for.

    Part by part, up to the first that is flagged; each part is judged once for its note.
    """
    known = read_note(note)
    if any(_is_flagged(part, known) for part in separable_parts(summary)):
        return True
    return any(True for judge in ACROSS_PARTS for _ in judge(known, summary))


def _is_flagged(part: str, known: Readings) -> bool:
    if part not in known.flagged:
        known.flagged[part] = any(
            _weigh_readings(claim, known, part).verdict in FLAGGED for claim in extract_claims(part)
        ) or any(True for judge in WITHIN_PARTS for _ in judge(known, part))
    return known.flagged[part]


def _verdict(claim: Claim, note: Readings, summary: str) -> ScreenedClaim:
    """What is said of a claim, with what is nearest to it in the note."""
    kind, verdict, found, reading = _weigh_readings(claim, note, summary)
    evidence = None
    if found:
        in_full = reading is note.full
        evidence = note.written.origin(found.start, found.end) if in_full else Span(found.start, found.end)
    elif verdict in FLAGGED:
        around = summary[max(0, claim.start - 80) : claim.end + 80]
        words = frozenset(word_key(around[w.start : w.end]) for w in word_spans(around))
        evidence = note.plain.nearest_sentence(words)
    start = told_from(summary, claim, note.full) if verdict in FLAGGED and claim.quantity else claim.start
    return ScreenedClaim(start, claim.end, summary[start : claim.end], kind, verdict, evidence)


class _Weighed(NamedTuple):
    """The type and the verdict of a claim, what they rest on, and the reading of the note in which that stands."""

    kind: str
    verdict: str
    found: Claim | Span | None
    reading: Note


def _weigh_readings(claim: Claim, note: Readings, summary: str) -> _Weighed:
    """By the note with its shorthand written out; a claim that this does not support may still stand there as it is."""
    kind, verdict, found = _judge(claim, note.full)
    outdated = outdated_value(claim, summary, note.full.text) if verdict == SUPPORTED else None
    shifted = _shifted(claim, summary, note) if verdict not in FLAGGED else None
    if outdated:
        return _Weighed(claim.type, CONTRADICTED, outdated, note.full)
    if shifted:
        return _Weighed(CERTAINTY, CONTRADICTED, shifted, note.full)
    if verdict in FLAGGED and note.full is not note.plain:
        plain = _judge(claim, note.plain)
        if plain[1] == SUPPORTED:
            return _Weighed(*plain, note.plain)
    return _Weighed(kind, verdict, found, note.full)


def _shifted(claim: Claim, summary: str, note: Readings) -> Claim | None:
    """Where the note holds a diagnosis otherwise: only suspected, excluded, past."""
    if claim.concept is None or claim.concept.kind != CONDITION:
        return None
    return contrary_standing(claim, summary, note.full.text, kindred(claim, note.full.kin(claim.concept)))


def _judge(claim: Claim, note: Note) -> Judgement:
    if claim.concept:
        return _judge_mention(claim, note)
    if claim.quantity:
        return _judge_amount(claim, note)
    if claim.type == LATERALITY:
        return _judge_side(claim, note)
    return _judge_sex(claim, note) if claim.type == DEMOGRAPHICS else _judge_frequency(claim, note)


Judgement = tuple[str, str, Claim | Span | None]


def _judge_mention(claim: Claim, note: Note) -> Judgement:
    assert claim.concept is not None
    everywhere = note.mentions.get(claim.concept.name, [])
    same = [other for other in everywhere if other.subject == claim.subject]
    if not same:
        if everywhere:
            return claim.type, UNKNOWN, everywhere[0]
        value = note.value_telling(claim.concept)
        if value:
            return claim.type, SUPPORTED if claim.polarity == AFFIRMED else UNKNOWN, value
        reworded = note.sentence_with(keys_of(claim.text)) or note.sentence_naming(claim.concept)
        if reworded:
            return claim.type, SUPPORTED if claim.polarity == AFFIRMED else UNKNOWN, reworded
        kin = next(iter(note.kin(claim.concept)), None)
        wider = wider_words(claim.concept) & note.loose_words  # pancreatitis, for acute pancreatitis
        if kin or wider or note.has_word_like(claim.concept) or claim.polarity == NEGATED:
            return claim.type, UNKNOWN, kin  # a narrower or wider name; or "no fever" where fever is never mentioned
        return claim.type, UNSUPPORTED, None
    agreeing = next((other for other in same if other.polarity == claim.polarity), None)
    if claim.confirmed and claim.polarity == AFFIRMED:
        tentative = [other for other in same if other.tentative or other.polarity == CONSIDERED]
        stated = [other for other in same if other not in tentative and not is_reason(note.text, other)]
        if tentative and not stated:
            return CERTAINTY, CONTRADICTED, tentative[0]  # the note only suspects what is said to be confirmed
    if agreeing:
        return claim.type, SUPPORTED, agreeing
    if claim.polarity == CONSIDERED or any(other.polarity == UNCLEAR for other in same):
        return claim.type, UNKNOWN, same[0]
    opposite = NEGATED if claim.polarity == AFFIRMED else AFFIRMED
    contrary = next((other for other in same if other.polarity == opposite), None)
    if contrary is None:
        return claim.type, UNKNOWN, same[0]  # the note only considers it: possible, if, allergic to
    return NEGATION, CONTRADICTED, contrary


def _judge_amount(claim: Claim, note: Note) -> Judgement:
    quantity = claim.quantity
    assert quantity is not None
    if quantity.implied:
        return claim.type, UNKNOWN, None
    equal = [o for o in note.amounts if o.quantity and same_amount(quantity, o.quantity)]
    own = [
        o
        for o in note.amounts
        if claim.about and o.about == claim.about and o.quantity and _same_measure(quantity, o.quantity, claim.type)
    ]
    if quantity.is_age:
        own = [o for o in note.amounts if o.quantity and o.quantity.is_age]
        return claim.type, *_weigh(equal, own)
    agreeing = next((o for o in equal if o.about == claim.about), None) or next(
        (o for o in equal if not (o.about and claim.about)), None
    )
    if agreeing:
        return claim.type, SUPPORTED, agreeing
    if equal and claim.type == DOSE:  # another medicine's dose: this one has its own, perhaps in another measure
        own = own or [o for o in note.amounts if o.type == DOSE and o.about == claim.about]
    if equal:  # stands in the note, but for something else
        if own or is_of_another_lab(claim, equal, note) or _is_of_another_condition(claim, equal, note):
            return claim.type, CONTRADICTED, (own or equal)[0]
        return claim.type, UNKNOWN, equal[0]
    if not quantity.unit and not claim.about and len(quantity.values) == 1 and quantity.values[0] <= _COUNTABLE_UP_TO:
        return claim.type, UNKNOWN, None
    if not own and any(same_amount(quantity, other) for other in note.quantities):
        return claim.type, UNKNOWN, None  # stands in the note as part of a name: 24-hour urine collection
    return claim.type, *_weigh(equal, own)


def _is_of_another_condition(claim: Claim, equal: list[Claim], note: Note) -> bool:
    """Whether a condition's time is that of something else, beside which the note has it in brackets or with "ago".

    Elsewhere a time may be of several things: diabetes and hypertension for ten years.
    """
    condition = _concepts().get(claim.about)
    if claim.type != TIME or condition is None or condition.kind != CONDITION:
        return False
    owners = [_concepts().get(other.about) for other in equal if _ENDS_TIME.match(note.text, other.end)]
    return len(owners) == len(equal) and all(
        owner and not akin(condition, owner) and not sounds_like(condition, owner) for owner in owners
    )


@cache
def _concepts() -> dict[str, Concept]:
    return {concept.name: concept for concept in concepts()}


def _same_measure(one: Quantity, other: Quantity, kind: str) -> bool:
    """Whether two amounts of one thing can be held against each other: notes often leave out the unit of a lab."""
    return one.measures == other.measures or (kind == NUMBER and not (one.unit and other.unit))


def _weigh(equal: list[Claim], own: list[Claim]) -> tuple[str, Claim | None]:
    if equal:
        return SUPPORTED, equal[0]
    return (CONTRADICTED, own[0]) if own else (UNSUPPORTED, None)


def _judge_frequency(claim: Claim, note: Note) -> Judgement:
    """Only a medicine whose frequency the note gives can contradict."""
    own = [other for other in note.frequencies if claim.about and other.about == claim.about]
    equal = next((other for other in own if other.value == claim.value), None)
    if equal:
        return claim.type, SUPPORTED, equal
    return claim.type, *((CONTRADICTED, own[0]) if own else (UNKNOWN, None))


def _judge_side(claim: Claim, note: Note) -> Judgement:
    own = [other for other in note.sides if other.about == claim.about]
    sides = {other.value for other in own}
    if claim.value in sides or "both" in sides or (claim.value == "both" and {"left", "right"} <= sides):
        return claim.type, SUPPORTED, own[0]
    if own:
        return claim.type, CONTRADICTED, own[0]
    if any(
        word in held for _, held in note.sentences for word in ("left", "right", "bilateral", "both", "bilaterally")
    ):
        return claim.type, UNKNOWN, None
    return claim.type, UNSUPPORTED, None


def _judge_sex(claim: Claim, note: Note) -> Judgement:
    if claim.about == TITLE:
        return claim.type, UNKNOWN, None
    same = next((other for other in note.sexes if other.value == claim.value), None)
    if same or not note.sexes:
        return claim.type, SUPPORTED if same else UNKNOWN, same
    return claim.type, CONTRADICTED, note.sexes[0]
