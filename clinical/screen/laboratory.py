"""What a summary says of laboratory values beside their numbers, judged by the note and the adult reference ranges."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache

from clinical.levels import HIGH, LOW, level_of
from clinical.mentions import LAB, Concept, concepts, find_mentions, related
from clinical.numbers import Quantity
from clinical.reading.claims import NUMBER, Claim
from clinical.reading.lab_words import BLOOD_PRESSURE, LabWord, find_lab_words
from clinical.reading.trends import FALLING, RISING, contrary_trend, find_trends
from clinical.screen.note_reading import Note, Readings
from clinical.screen.verdicts import CONTRADICTED, UNSUPPORTED, ScreenedClaim, flag
from clinical.sentences import Span

_PARTS_OF_PRESSURE = ("systolic blood pressure", "diastolic blood pressure")
# Beside a value of the note, these may tell of its course in words that are not read: then nothing is said against one.
_TELLS_OF_COURSE = re.compile(
    r"\b(?:previous\w*|prior|prev|earlier|before|baseline|usual|last|again|now|still|from|up|down|increas\w+|decreas\w+|"
    r"ris\w+|rose|climb\w*|fall\w*|fell|drop\w*|declin\w+|improv\w+|wors\w+|better|trend\w*|stable|higher|lower|"
    r"change\w*|recover\w*|normali[sz]\w+)\b|->|→|↑|↓",
    re.IGNORECASE,
)
_AROUND = 60  # characters after a name, and half of them before, in which such a word would be of it


def judge_levels(note: Readings, summary: str) -> Iterator[ScreenedClaim]:
    """A value is called high or low that is not, by the adult range, and that the note does not call so."""
    for word in find_lab_words(summary):
        if word.kind not in (HIGH, LOW) or not word.values:
            continue
        quantity = word.values[0].quantity
        levels = _levels(word.about, quantity) if quantity else set()
        if levels and word.kind not in levels and not _called_so(note.full, word):
            yield _flag(note, summary, word)


def judge_trends(note: Readings, summary: str) -> Iterator[ScreenedClaim]:
    """A value or a dose is said to have gone the way that the note, or the numbers beside it, say it did not go.

    Or a laboratory value is said to have moved of which the note gives a single value and no course.
    """
    contrary = []
    for trend in find_trends(summary) if find_trends(note.full.text) else ():
        found = contrary_trend(trend, note.full.text)
        if found:
            contrary.append(flag(summary, trend.start, trend.end, trend.type, note, Span(found.start, found.end)))
    yield from contrary
    for word in find_lab_words(summary):
        seen = any(other.start < word.end and word.start < other.end for other in contrary)
        if word.kind in (RISING, FALLING) and not seen:
            if _against_its_numbers(summary, word) or _against_the_note(note.full, word):
                yield _flag(note, summary, word)
            elif _without_course(note.full, word.about):
                yield _flag(note, summary, word, UNSUPPORTED)


def is_of_another_lab(claim: Claim, equal: Iterable[Claim], note: Note) -> bool:
    """Whether the note gives these equal values for other labs, and the claim's lab another value or none at all."""
    lab = _labs().get(claim.about)
    owners = [_labs().get(other.about) for other in equal]
    if lab is None or not all(owner and not related(lab, owner) for owner in owners):
        return False
    return lacks_lab(note, lab) or any(other.about == claim.about for other in note.amounts)


def lacks_lab(note: Note, lab: Concept) -> bool:
    """Whether a note names a lab nowhere, in no wording that is known or like a known one."""
    if any(mention.concept is lab for mention in note.found):
        return False
    return not (note.sentence_naming(lab) or note.has_word_like(lab))


@cache
def _labs() -> dict[str, Concept]:
    return {concept.name: concept for concept in concepts() if concept.kind == LAB}


def told_from(summary: str, claim: Claim, note: Note) -> int:
    """Where what a value's claim says begins: with the name of its lab where the note has no such lab."""
    lab = _labs().get(claim.about)
    if lab is None or not lacks_lab(note, lab):
        return claim.start
    names = [m for m in find_mentions(summary) if m.concept is lab and m.end <= claim.start]
    alone = names and not any(letter.isdigit() for letter in summary[names[-1].end : claim.start])
    return names[-1].start if alone else claim.start


def _levels(about: str, quantity: Quantity) -> set[str]:
    """Low, normal or high, of either part of a blood pressure; empty where the range is not known, or of other unit."""
    if about == BLOOD_PRESSURE and len(quantity.values) == len(_PARTS_OF_PRESSURE):
        parts = zip(_PARTS_OF_PRESSURE, quantity.values, strict=True)
        levels = [level_of(part, Quantity(0, 0, (value,), quantity.unit)) for part, value in parts]
    else:
        levels = [level_of(about, quantity)]
    return {level for level in levels if level}


def _called_so(note: Note, word: LabWord) -> bool:
    return any(other.about == word.about and other.kind == word.kind for other in find_lab_words(note.text))


def _against_its_numbers(summary: str, word: LabWord) -> bool:
    """Whether the two numbers told with a word moved the other way, or not at all."""
    if len(word.values) < len(("old", "new")):
        return False
    first, second = word.values
    trend = next((t for t in find_trends(summary) if (t.start, t.end) == (first.start, second.end)), None)
    if trend:
        return trend.kind != word.kind
    assert first.quantity and second.quantity
    return first.end <= word.start < second.start and first.quantity.values == second.quantity.values


def _against_the_note(note: Note, word: LabWord) -> bool:
    known = {trend.kind for trend in find_trends(note.text) if trend.about == word.about}
    return bool(known) and word.kind not in known


def _without_course(note: Note, about: str) -> bool:
    """Whether the note gives one value of a lab, and beside its name no word that may tell how it moved."""
    values = [claim for claim in note.amounts if claim.about == about]
    if len(values) != 1 or any(trend.about == about for trend in find_trends(note.text)):
        return False
    names = [m for m in note.found if m.concept.kind == LAB]
    others = sorted([m.end for m in names] + [claim.end for claim in note.amounts])
    for index, name in enumerate(names):
        if name.concept.name == about:
            before = others[bisect_right(others, name.start) - 1] if others[0] <= name.start else 0
            begin = max(before, name.start - _AROUND // 2)
            stop = min(names[index + 1].start if index + 1 < len(names) else len(note.text), name.end + _AROUND)
            if _TELLS_OF_COURSE.search(note.text, begin, stop):
                return False
    return True


def _flag(note: Readings, summary: str, word: LabWord, verdict: str = CONTRADICTED) -> ScreenedClaim:
    own = next((claim for claim in note.full.amounts if claim.about == word.about), None)
    if own:
        return flag(summary, word.start, word.end, NUMBER, note, Span(own.start, own.end), verdict)
    return ScreenedClaim(word.start, word.end, summary[word.start : word.end], NUMBER, verdict)
