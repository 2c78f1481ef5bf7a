"""Which facts of a patient can be changed, each into what is as plausible; everything beside them stays as it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, TypeVar

from benchmarks.changed_facts import reading as reading
from benchmarks.changed_facts.reading import Reader, certainty, plain, standing, time_value
from clinical.lexicon import Drug, Lab, load_lexicon
from clinical.numbers import UNITS, Quantity, find_quantities
from clinical.patient import DrugUse, Patient, Time, Value
from phase1_data_medhal.drawing.sense import sense
from phase1_data_medhal.drawing.values import PRESSURES, lab, printed

ADULT = range(18, 96)
YEARS_APART = range(2, 10)  # of two ages
LONGEST = {"hours": 23, "days": 13, "weeks": 11, "months": 11, "years": 30}  # before one says it in another unit
FACTORS, DRAWS = (0.75, 1.3), 8  # of a measured value, and how many are tried
_OPPOSITE = {"left": "right", "right": "left"}

Item = TypeVar("Item")


class Option(NamedTuple):
    """A patient with one fact changed; ``about`` is what the value belongs to (a drug, a lab), where it matters."""

    patient: Patient
    old: str
    new: str
    about: str = ""


class Kind(NamedTuple):
    """How facts of one kind are changed, each in several ways in random order, and how they are read from a text."""

    options: Callable[[Patient, random.Random], Iterable[Option]]
    read: Reader


def _ages(patient: Patient, rng: random.Random) -> Iterator[Option]:
    for apart in _shuffled([sign * years for years in YEARS_APART for sign in (1, -1)], rng):
        if patient.age + apart in ADULT:
            yield Option(replace(patient, age=patient.age + apart), str(patient.age), str(patient.age + apart))


def _durations(patient: Patient, rng: random.Random) -> Iterator[Option]:
    told = patient.complaint.duration
    if told:
        for time in _shuffled(_times_near(told), rng):
            complaint = replace(patient.complaint, duration=time)
            yield Option(replace(patient, complaint=complaint), time_value(told), time_value(time))


def _times_near(told: Time) -> list[Time]:
    """Half to twice as long, in the same unit; never one, which is told in words of its own."""
    longest = min(2 * told.n, LONGEST[told.unit])
    return [Time(n, told.unit) for n in range(max(2, told.n // 2), longest + 1) if n != told.n]


def _follow_ups(patient: Patient, rng: random.Random) -> Iterator[Option]:
    visit = patient.follow_up
    told = visit.after if visit else None
    if visit and told:
        for n, unit in _shuffled(sense()["follow_up_times"], rng):
            if unit == told.unit and n != told.n:
                after = Time(n, unit)
                changed = replace(patient, follow_up=replace(visit, after=after))
                yield Option(changed, time_value(told), time_value(after))


def _measured(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """Laboratory values and vital signs, moved by a quarter without leaving their side; not the pair of pressures."""
    for field in ("labs", "vitals"):
        told: tuple[Value, ...] = getattr(patient, field)
        for at, item in enumerate(told):
            for new in _values_near(item, rng):
                values: dict[str, Any] = {field: _with(told, at, replace(item, value=new))}
                yield Option(replace(patient, **values), plain(float(item.value)), plain(float(new)), item.name)


def _values_near(item: Value, rng: random.Random) -> Iterator[str]:
    entry, old = lab(item.name), float(item.value)
    for _ in range(DRAWS if item.name not in PRESSURES else 0):
        new = printed(old * rng.uniform(*FACTORS), entry)
        if (
            float(new) != old
            and entry.plausible_low <= float(new) <= entry.plausible_high
            and _side_of_normal(float(new), entry) == _side_of_normal(old, entry)
        ):
            yield new


def _side_of_normal(value: float, entry: Lab) -> int:
    return (value > entry.high) - (value < entry.low)


def _doses(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """Another of the drug's usual doses; of a drug that is raised or lowered the new dose, which stays on its side."""
    for at, use in enumerate(patient.drugs):
        field = "new_dose" if use.new_dose else "dose"
        told = getattr(use, field)
        for dose in _shuffled(_drug(use.name).doses, rng) if told else ():
            turned = field == "new_dose" and use.dose and _is_more(dose, use.dose) != _is_more(told, use.dose)
            if dose not in (use.dose, use.new_dose) and not turned:
                dosed: dict[str, Any] = {field: dose}
                changed = replace(patient, drugs=_with(patient.drugs, at, replace(use, **dosed)))
                yield Option(changed, _dose_value(told), _dose_value(dose), use.name)


def _is_more(dose: str, other: str) -> bool:
    """Whether a dose is the larger one of two of the same drug."""
    sizes = [q.values[0] * UNITS[q.unit][1] if q.unit else q.values[0] for q in map(_quantity, (dose, other))]
    return sizes[0] > sizes[1]


def _quantity(dose: str) -> Quantity:
    return find_quantities(dose)[0]


def _dose_value(dose: str) -> str:
    """A dose as the reader gives it; empty, which no text states, where it cannot be read."""
    return next((found.value for found in reading.doses(dose)), "")


def _drugs(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """Another drug of the same class that comes in the same dose and is taken the same way."""
    named = {use.name for use in patient.drugs} | {allergy.substance for allergy in patient.allergies or ()}
    for at, use in enumerate(patient.drugs):
        for other in _shuffled(load_lexicon().drugs, rng):
            if other.name not in named and _can_replace(other, use):
                changed = replace(patient, drugs=_with(patient.drugs, at, replace(use, name=other.name)))
                yield Option(changed, use.name, other.name)


def _can_replace(other: Drug, use: DrugUse) -> bool:
    return (
        other.drug_class == _drug(use.name).drug_class
        and {use.dose, use.new_dose} <= {None, *other.doses}
        and use.route in (None, *other.routes)
        and use.frequency in (None, *other.frequencies)
    )


def _allergies(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """Another substance that causes the same reaction, and of whose class the patient takes nothing."""
    taken = {use.name for use in patient.drugs} | {_drug(use.name).drug_class for use in patient.drugs}
    for at, told in enumerate(patient.allergies or ()):
        for substance, reactions, classes in _shuffled(sense()["allergies"], rng):
            if (
                told.reaction in (None, *reactions)
                and not taken & {substance, *classes}
                and substance != told.substance
            ):
                changed = _with(patient.allergies or (), at, replace(told, substance=substance))
                yield Option(replace(patient, allergies=changed), told.substance, substance)


def _relatives(patient: Patient, rng: random.Random) -> Iterator[Option]:
    lines = dict(sense()["family"])
    for at, told in enumerate(patient.family):
        for other in _shuffled(sense()["relatives"][lines.get(told.condition) or "any"], rng):
            if other != told.relative:
                family = _with(patient.family, at, replace(told, relative=other))
                yield Option(replace(patient, family=family), told.relative, other)


def _conditions(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """A sibling of the diagnosis or of a known problem, in its place wherever the patient has it."""
    told = [problem.condition for problem in patient.problems]
    told += [patient.diagnosis.condition] if patient.diagnosis else []
    named = {*told, *patient.ruled_out, *(relative.condition for relative in patient.family)}
    groups = {condition.name: condition.group for condition in load_lexicon().conditions}
    for old in dict.fromkeys(told):
        for new in _shuffled([name for name, group in groups.items() if group == groups[old]], rng):
            if new not in named:
                yield Option(_renamed(patient, old, new), old, new)


def _renamed(patient: Patient, old: str, new: str) -> Patient:
    diagnosis = patient.diagnosis
    if diagnosis and diagnosis.condition == old:
        diagnosis = replace(diagnosis, condition=new)
    problems = tuple(replace(p, condition=new) if p.condition == old else p for p in patient.problems)
    drugs = tuple(replace(use, reason=new) if use.reason == old else use for use in patient.drugs)
    return replace(patient, diagnosis=diagnosis, problems=problems, drugs=drugs)


def _sides(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """All of the patient mirrored, so that signs and studies still agree with the complaint."""
    located = [*patient.signs, *(finding for study in patient.studies for finding in study.findings)]
    parts: tuple[Any, ...] = (patient.complaint, *located, *patient.operations)
    told = {part.side for part in parts} & _OPPOSITE.keys()
    if len(told) == 1:
        (old,) = told
        studies = tuple(replace(study, findings=_mirrored(study.findings)) for study in patient.studies)
        (complaint,) = _mirrored((patient.complaint,))
        changed = replace(patient, complaint=complaint, signs=_mirrored(patient.signs), studies=studies)
        yield Option(replace(changed, operations=_mirrored(patient.operations)), old, _OPPOSITE[old])


def _mirrored(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(replace(part, side=_OPPOSITE.get(part.side, part.side)) for part in parts)


def _standings(patient: Patient, rng: random.Random) -> Iterator[Option]:
    """A symptom and a denied one change places, so that neither list grows; either of them can be followed."""
    for at, present in enumerate(patient.symptoms):
        for place, denied in enumerate(patient.denied):
            symptoms, absent = _with(patient.symptoms, at, denied), _with(patient.denied, place, present)
            changed = replace(patient, symptoms=symptoms, denied=absent)
            yield Option(changed, standing(present, denied=False), standing(present, denied=True), present)
            yield Option(changed, standing(denied, denied=True), standing(denied, denied=False), denied)


def _certainties(patient: Patient, rng: random.Random) -> Iterator[Option]:
    if patient.diagnosis:
        condition, suspected = patient.diagnosis.condition, patient.diagnosis.certainty == "suspected"
        other = replace(patient.diagnosis, certainty="confirmed" if suspected else "suspected")
        old, new = (certainty(condition, suspected=value) for value in (suspected, not suspected))
        yield Option(replace(patient, diagnosis=other), old, new, condition)


KINDS = {
    "age": Kind(_ages, reading.ages),
    "duration": Kind(_durations, reading.times),
    "follow-up": Kind(_follow_ups, reading.times),
    "value": Kind(_measured, reading.numbers),
    "dose": Kind(_doses, reading.doses),
    "drug": Kind(_drugs, reading.substances),
    "allergy": Kind(_allergies, reading.substances),
    "relative": Kind(_relatives, reading.relatives),
    "condition": Kind(_conditions, reading.conditions),
    "certainty": Kind(_certainties, reading.certainties),
    "side": Kind(_sides, reading.sides),
    "present or denied": Kind(_standings, reading.standings),
}


def _shuffled(items: Sequence[Item], rng: random.Random) -> list[Item]:
    return rng.sample(items, len(items))


def _with(items: tuple[Item, ...], at: int, item: Item) -> tuple[Item, ...]:
    return (*items[:at], item, *items[at + 1 :])


@cache
def _drug(name: str) -> Drug:
    return next(drug for drug in load_lexicon().drugs if drug.name == name)
