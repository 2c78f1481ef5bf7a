"""What a summary says of changes, services, trends, relatives, causes, courses and plans, judged by the note.

Each judgement yields only what it flags: where the note says something else of the very same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clinical.mentions import DRUG, FINDING, SERVICE, find_mentions, keys_of
from clinical.reading.allergies import Allergies, find_allergies, may_tell_allergies
from clinical.reading.causes import Link, find_links, is_usual
from clinical.reading.changes import CONTRARY as CONTRARY_CHANGES
from clinical.reading.changes import LOWERED, RAISED, Change, find_changes, is_pause
from clinical.reading.claims import CONDITION, DOSE, MEDICATION, NEGATION, PROCEDURE
from clinical.reading.courses import CONTRARY as CONTRARY_COURSES
from clinical.reading.courses import find_courses
from clinical.reading.diagnoses import exchanged_diagnoses
from clinical.reading.plans import AGREES, find_places, find_stages, may_tell_place
from clinical.reading.relatives import PLAIN, find_family_conditions, names_relative, same_relative
from clinical.reading.routes import find_routes
from clinical.rewording import akin
from clinical.screen.laboratory import judge_levels, judge_trends
from clinical.screen.note_reading import Readings
from clinical.screen.verdicts import CAUSE, EXPERIENCER, PLAN, UNSUPPORTED, ScreenedClaim, flag
from clinical.sentences import Span, sentence_spans

Judgements = Iterator[ScreenedClaim]
_FAR = 300  # characters before a condition in which a relative may be meant: "How did she pass? She had lung cancer."
_AROUND = 80  # characters around what the note lacks, by whose words the nearest sentence is found


def judge_changes(note: Readings, summary: str) -> Judgements:
    """A medicine is said to be started that the note stops, or raised that it lowers, or only held that it stops."""
    for change in find_changes(summary) if note.full.changes else ():
        known = [other for other in note.full.changes if other.drug == change.drug]
        contrary = [other for other in known if _is_contrary(summary, change, note.full.text, other)]
        if contrary and len(contrary) == len(known):
            kind = DOSE if {change.kind, contrary[0].kind} == {RAISED, LOWERED} else MEDICATION
            yield flag(summary, change.start, change.end, kind, note, Span(contrary[0].start, contrary[0].end))


def _is_contrary(summary: str, change: Change, note: str, other: Change) -> bool:
    only_held = is_pause(summary, change) is True and is_pause(note, other) is False
    return only_held or other.kind in CONTRARY_CHANGES[change.kind]  # a hold is often called a stop


def judge_allergies(note: Readings, summary: str) -> Judgements:
    """An allergy, or that there is none, where the note does not speak of allergies, or says the reverse."""
    text = note.full.text
    known = find_allergies(text)
    silent = not may_tell_allergies(text)
    for said in find_allergies(summary):
        kind = NEGATION if said.none else MEDICATION
        if silent:
            yield ScreenedClaim(said.start, said.end, summary[said.start : said.end], kind, UNSUPPORTED)
        elif known and all(_is_reverse(said, other) for other in known):
            yield flag(summary, said.start, said.end, kind, note, Span(known[0].start, known[0].end))


def _is_reverse(one: Allergies, other: Allergies) -> bool:
    """One knows of none where the other has some, and they do not speak of different sorts."""
    none, some = (one, other) if one.none else (other, one)
    return none.none and not some.none and (some.of_drugs or not none.of_drugs)


def judge_services(note: Readings, summary: str) -> Judgements:
    """A clinic or specialist that the note does not name, not even in short (endo, neuro)."""
    for mention in find_mentions(summary):
        if mention.concept.kind != SERVICE:
            continue
        named = {m.concept.name for m in (*note.plain.found, *note.full.found)}
        if mention.concept.name in named or note.full.names_in_short(mention.concept):
            continue
        around = summary[max(0, mention.start - _AROUND) : mention.end + _AROUND]
        evidence = note.plain.nearest_sentence(frozenset(keys_of(around)))
        yield ScreenedClaim(mention.start, mention.end, mention.text, PROCEDURE, UNSUPPORTED, evidence)


def judge_routes(note: Readings, summary: str) -> Judgements:
    """A medicine is said to be given by another route than the note gives for it."""
    everywhere = find_routes(note.full.text)
    for route in find_routes(summary) if everywhere else ():
        known = [other for other in everywhere if other.drug == route.drug]
        if known and all(other.name != route.name for other in known):
            yield flag(summary, route.start, route.end, DOSE, note, Span(known[0].start, known[0].end))


def judge_diagnoses(note: Readings, summary: str) -> Judgements:
    """A condition known before is said to be the diagnosis of now, or the reverse."""
    for claim, found in exchanged_diagnoses(note.full.text, summary):
        yield flag(summary, claim.start, claim.end, CONDITION, note, found)


def judge_relatives(note: Readings, summary: str) -> Judgements:
    """A relative's condition is given to the patient, the patient's to a relative, or one relative's to another."""
    text = note.full.text
    family = find_family_conditions(text)
    ours = find_family_conditions(summary)
    bound = {(item.mention.start, item.mention.end) for item in family}
    for item in ours:
        same = [other for other in family if akin(other.mention.concept, item.mention.concept)]
        if any(same_relative(item.relative, other.relative) for other in same):
            continue
        others = [m for m in note.full.found if m.concept is item.mention.concept and (m.start, m.end) not in bound]
        if same and not {item.relative, *(other.relative for other in same)} <= PLAIN:
            continue
        if same:
            evidence = Span(same[0].mention.start, same[0].mention.end)
        elif others and not any(names_relative(text[max(0, m.start - _FAR) : m.end + _AROUND]) for m in others):
            evidence = Span(others[0].start, others[0].end)
        else:
            continue
        yield flag(summary, *item.who, EXPERIENCER, note, evidence)
    if not family:
        return
    given = {(item.mention.start, item.mention.end) for item in ours}
    for mention in find_mentions(summary):
        same = [other for other in family if other.mention.concept is mention.concept]
        if (
            not same
            or (mention.start, mention.end) in given
            or names_relative(_sentence_around(summary, mention.start))
        ):
            continue
        kin = [m for m in note.full.found if akin(m.concept, mention.concept) and (m.start, m.end) not in bound]
        if not kin and note.full.value_telling(mention.concept) is None:
            evidence = Span(same[0].mention.start, same[0].mention.end)
            yield flag(summary, mention.start, mention.end, EXPERIENCER, note, evidence)


def judge_causes(note: Readings, summary: str) -> Judgements:
    """A medicine is given, or a condition explained, by something else than the note says, or where it says nothing.

    What a medicine is usual for is never flagged where the note names it: the summary may well know why it is given.
    """
    known = find_links(note.full.text)
    for link in find_links(summary):
        if link.shared:
            continue
        own = [other for other in known if other.effect.concept is link.effect.concept]
        if any(akin(other.cause.concept, link.cause.concept) for other in own):
            continue
        if link.effect.concept.kind == DRUG and is_usual(link.effect.concept, link.cause.concept):
            continue
        if own:
            yield flag(summary, link.start, link.end, CAUSE, note, Span(own[0].start, own[0].end))
        elif _is_made_up(link, note, known):
            effect = next(m for m in note.full.found if m.concept is link.effect.concept)
            yield flag(summary, link.start, link.end, CAUSE, note, Span(effect.start, effect.end), UNSUPPORTED)


def _is_made_up(link: Link, note: Readings, known: tuple[Link, ...]) -> bool:
    """Whether the note names both ends, never near each other, or the cause only as the cause of something else."""
    text, found = note.full.text, note.full.found
    effects = [m for m in found if m.concept is link.effect.concept]
    causes = [m for m in found if akin(m.concept, link.cause.concept)]
    if not effects or not causes:
        return False
    elsewhere = {other.cause.start for other in known}
    if link.effect.concept.kind != DRUG:
        symptoms = link.effect.concept.kind == link.cause.concept.kind == FINDING
        return symptoms and not any(other.effect.concept is link.effect.concept for other in known)
    apart = all(_sentence_around(text, e.start) != _sentence_around(text, c.start) for e in effects for c in causes)
    return apart or all(cause.start in elsewhere for cause in causes)


def judge_courses(note: Readings, summary: str) -> Judgements:
    """A symptom is said to have improved that the note calls unchanged, or the like."""
    known = find_courses(note.full.text)
    for course in find_courses(summary) if known else ():
        contrary = CONTRARY_COURSES[course.kind]
        own = [other for other in known if other.concept == course.concept]
        against = next((other for other in own if other.kind in contrary), None)
        agreeing = any(other.kind == course.kind for other in own)
        if against and not agreeing and all(other.kind in contrary for other in own):
            yield flag(summary, course.start, course.end, PLAN, note, Span(against.start, against.end))


def judge_places(note: Readings, summary: str) -> Judgements:
    """The patient is said to go home whom the note admits, or to go where the note names no place at all."""
    known = find_places(note.full.text)
    for place in find_places(summary):
        if not known and not may_tell_place(note.full.text):
            yield ScreenedClaim(place.start, place.end, summary[place.start : place.end], PLAN, UNSUPPORTED)
        elif known and not any(other.kind in AGREES[place.kind] for other in known):
            yield flag(summary, place.start, place.end, PLAN, note, Span(known[-1].start, known[-1].end))


def judge_stages(note: Readings, summary: str) -> Judgements:
    """A study is said to be done that the note only plans, or planned that was done."""
    known = find_stages(note.full.text)
    for stage in find_stages(summary) if known else ():
        own = [other for other in known if other.procedure == stage.procedure]
        named = [m for m in note.full.found if m.concept.name == stage.procedure]
        if own and len(own) == len(named) and all(other.kind != stage.kind for other in own):
            yield flag(summary, stage.start, stage.end, PLAN, note, Span(own[0].start, own[0].end))


JUDGEMENTS: tuple[Callable[[Readings, str], Judgements], ...] = (
    judge_changes,
    judge_allergies,
    judge_services,
    judge_levels,
    judge_trends,
    judge_diagnoses,
    judge_routes,
    judge_relatives,
    judge_causes,
    judge_courses,
    judge_places,
    judge_stages,
)
# What these look at may lie on both sides of a full stop: "Creatinine was 1.2. It rose", "given IV. Heparin", "Home."
ACROSS_PARTS = (judge_trends, judge_routes, judge_places)
# The others say of a text what they say of its separable parts, each alone.
WITHIN_PARTS = tuple(judge for judge in JUDGEMENTS if judge not in ACROSS_PARTS)


def _sentence_around(text: str, position: int) -> str:
    span = next((span for span in sentence_spans(text) if span.start <= position < span.end), Span(0, 0))
    return text[span.start : span.end]
