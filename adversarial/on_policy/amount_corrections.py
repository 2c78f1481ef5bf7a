"""What could stand in place of a wrong amount: the note's value of the same thing, or the lab that has the value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adversarial.on_policy.sample_reading import Sample
from adversarial.operators.edits import Edit, replace_span
from clinical.mentions import LAB, Mention
from clinical.numbers import WORDS, Quantity
from clinical.reading.claims import NUMBER, TIME, Claim
from clinical.reading.trends import find_trends

_BOUND = 40  # characters within which a value and what it is of are named together, as in the claims
_NUMBER_WORDS = {number: word for word, number in WORDS.items() if number <= 20}
_DIGIT = re.compile(r"\d")
_ITS_NOUN = re.compile(r" (?:level|count|concentration|reading|value)\b")  # a heart rate has no level
_OF_BLOOD = re.compile(r"(?:serum|plasma|blood) (?=\w)", re.IGNORECASE)


def other_amounts(sample: Sample, claim: Claim) -> Iterator[tuple[Edit, ...]]:
    """The note's value of the same thing; for a lab also the lab whose value it is, or another lab with its own value.

    Else the note's only unit for the same number; else an amount named beside the same.
    """
    wrong = claim.quantity
    assert wrong is not None
    known = [c for c in sample.note.amounts if c.quantity and not c.quantity.implied]
    fitting = [c for c in known if c.quantity and len(c.quantity.values) == len(wrong.values)]
    if wrong.is_age:
        for other in fitting:
            if other.quantity and other.quantity.is_age:
                yield (_amount_as(sample, claim, other),)
        return
    fitting = [c for c in fitting if c.quantity and not c.quantity.is_age]
    own = [c for c in fitting if claim.about and c.about == claim.about]
    alike = [c for c in own if c.quantity and (c.quantity.measures == wrong.measures or claim.type == NUMBER)]
    for other in (*alike, *(own if wrong.measures == "mass" else [])):
        yield (_amount_as(sample, claim, other),)
    yield from _other_labs(sample, claim, fitting)
    beside = [c for c in fitting if _beside_the_same(sample, claim, c)]
    same_number = [c for c in beside if c.quantity and c.quantity.values == wrong.values and c.quantity.unit]
    same_measure = [c for c in beside if c.quantity and wrong.measures and c.quantity.measures == wrong.measures]
    for other in (*same_number, *same_measure):
        yield (_amount_as(sample, claim, other),)


def _other_labs(sample: Sample, claim: Claim, fitting: Iterable[Claim]) -> Iterator[tuple[Edit, ...]]:
    """The name of the lab that has this value in the note; then other labs of the note, each with its own value."""
    named = next((m for m in reversed(sample.mentions) if m.concept.name == claim.about and m.end <= claim.start), None)
    if named is None or named.concept.kind != LAB or _DIGIT.search(sample.text, named.end, claim.start):
        return  # no lab, or one whose own value stands before this earlier one
    labs = {m.concept.name: m for m in reversed(sample.note.found) if m.concept.kind == LAB}
    earlier = [trend.old for trend in find_trends(sample.note.text)]
    others = [c for c in fitting if c.about in labs and c.about != claim.about and c not in earlier]
    assert claim.quantity is not None
    same = [c for c in others if c.quantity and c.quantity.values == claim.quantity.values]
    for other in (*same, *(c for c in others if c not in same)):
        name = _name_like(named, labs[other.about])
        value = _lab_value(sample, claim, other, labs[other.about].concept.group)
        noun = _ITS_NOUN.match(sample.text, named.end)
        end = noun.end() if noun else named.end
        edits = (replace_span(sample.text, named.start, end, name, claim.type), value)
        yield tuple(edit for edit in edits if edit.old != edit.new)


def _name_like(named: Mention, other: Mention) -> str:
    """The other lab's name in full, "serum" before it where it stands before the first and may stand before this."""
    prefix = _OF_BLOOD.match(named.text)
    full = f"{prefix[0].lower()}{other.concept.name}" if prefix else ""
    return full if full in other.concept.names else other.concept.name


def _lab_value(sample: Sample, claim: Claim, other: Claim, unit: str) -> Edit:
    """The edit that writes another lab's value, in the note's unit or else the lab's where the summary gives one."""
    assert claim.quantity and other.quantity
    number = sample.note.text[other.start : other.quantity.number_end]
    if not claim.quantity.unit:
        return replace_span(sample.text, claim.start, claim.quantity.number_end, number, claim.type)
    unit = other.quantity.unit or unit
    words = f"{number}{unit}" if unit == "%" else f"{number} {unit}".rstrip()
    return replace_span(sample.text, claim.start, claim.end, words, claim.type)


def _beside_the_same(sample: Sample, claim: Claim, other: Claim) -> bool:
    """Whether summary and note name one and the same thing beside the two values."""
    near_sample = _names_beside(sample.mentions, claim)
    near_note = _names_beside(sample.note.found, other)
    return bool(near_sample & near_note)


def _names_beside(mentions: Iterable[Mention], claim: Claim) -> set[str]:
    return {m.concept.name for m in mentions if m.start - _BOUND <= claim.end and m.end + _BOUND >= claim.start}


def _amount_as(sample: Sample, claim: Claim, other: Claim) -> Edit:
    """The edit that writes the note's value as the summary writes its own: in words or digits, hyphened or not."""
    old, new = claim.quantity, other.quantity
    assert old is not None and new is not None
    written = sample.text[claim.start : old.number_end]
    number = sample.note.text[other.start : new.number_end]
    if written.isalpha() and not number.isalpha():
        number = _NUMBER_WORDS.get(int(new.values[0]) if new.values[0].is_integer() else -1, number)
    if number.isalpha() and not written.isalpha():
        number = f"{new.values[0]:g}"
    if claim.type == TIME:
        return replace_span(sample.text, claim.start, claim.end, _duration(claim.text, number, new), claim.type)
    if old.is_age or old.unit == new.unit or not new.unit:
        return replace_span(sample.text, claim.start, old.number_end, number, claim.type)
    space = "" if new.unit == "%" else " "
    return replace_span(sample.text, claim.start, claim.end, f"{number}{space}{new.unit}", claim.type)


def _duration(written: str, number: str, quantity: Quantity) -> str:
    if "-" in written:
        return f"{number}-{quantity.unit}"
    return f"{number} {quantity.unit}{'' if quantity.values[0] == 1 else 's'}"
