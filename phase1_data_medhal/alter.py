"""Makes one fact of a summary wrong, to write the rows labelled ``hallucinated``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from clinical.lexicon import Drug, load_lexicon
from clinical.patient import (
    OUTCOMES,
    Complaint,
    DrugUse,
    FollowUp,
    Operation,
    Patient,
    Problem,
    Time,
    Value,
)

Alteration = Callable[[Patient, Patient, random.Random], Patient | None]
_OTHER_SIDE = {"left": "right", "right": "left"}


def alter_one_fact(facts: Patient, patient: Patient, rng: random.Random) -> tuple[Patient, str]:
    """``facts`` with one fact that ``patient``'s note does not bear out, and the type of that hallucination."""
    kinds = list(ALTERATIONS)
    rng.shuffle(kinds)
    for kind in kinds:
        makers = list(ALTERATIONS[kind])
        rng.shuffle(makers)
        for make in makers:
            altered = make(facts, patient, rng)
            if altered is not None:
                return altered, kind
    raise AssertionError("a fabricated condition can always be added")


# ---------------------------------------------------------------------------------------------- contradiction
def _denied_becomes_present(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if not facts.denied:
        return None
    turned = rng.choice(facts.denied)
    return replace(facts, denied=_without(facts.denied, turned), symptoms=(*facts.symptoms, turned))


def _present_becomes_denied(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if not facts.symptoms:
        return None
    turned = rng.choice(facts.symptoms)
    return replace(facts, symptoms=_without(facts.symptoms, turned), denied=(*facts.denied, turned))


def _wrong_side(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    side = _OTHER_SIDE.get(facts.complaint.side or "")
    return _with_complaint(facts, side=side) if side else None


def _wrong_duration(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    told = facts.complaint.duration
    return _with_complaint(facts, duration=Time(told.n + rng.choice([2, 3, 5]), told.unit)) if told else None


def _wrong_dose(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    for at, use in enumerate(facts.drugs):
        others = [dose for dose in _drug(use.name).doses if dose not in (use.dose, use.new_dose)]
        if use.dose and others and use.change in ("started", "continued"):
            return _with_drug(facts, at, dose=rng.choice(others))
    return None


def _doses_exchanged(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    dosed = [at for at, use in enumerate(facts.drugs) if use.dose and use.change in ("started", "continued")]
    if len(dosed) < 2 or facts.drugs[dosed[0]].dose == facts.drugs[dosed[1]].dose:
        return None
    first, second = dosed[:2]
    exchanged = _with_drug(facts, first, dose=facts.drugs[second].dose)
    return _with_drug(exchanged, second, dose=facts.drugs[first].dose)


def _opposite_change(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    for at, use in enumerate(facts.drugs):
        if use.change in ("held", "stopped"):
            return _with_drug(facts, at, change="started", reason=None)
        if use.change in ("increased", "decreased") and use.dose and use.new_dose:
            opposite = "decreased" if use.change == "increased" else "increased"
            return _with_drug(facts, at, change=opposite, dose=use.new_dose, new_dose=use.dose, reason=None)
    return None


def _wrong_value(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if not facts.labs:
        return None
    at = rng.randrange(len(facts.labs))
    told = facts.labs[at]
    decimals = len(told.value.partition(".")[2])
    value = f"{float(told.value) * rng.choice([0.6, 0.75, 1.3, 1.6]):.{decimals}f}"
    if value == told.value:
        return None
    return replace(facts, labs=tuple(Value(told.name, value) if i == at else v for i, v in enumerate(facts.labs)))


def _wrong_outcome(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if facts.outcome is None:
        return None
    others = [outcome for outcome in OUTCOMES if outcome != facts.outcome.outcome]
    return replace(facts, outcome=replace(facts.outcome, outcome=rng.choice(others)))


# ---------------------------------------------------------------------------------------- incorrect inference
def _sibling_diagnosis(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if facts.diagnosis is None:
        return None
    siblings = _unknown_conditions(patient, _group(facts.diagnosis.condition))
    return (
        replace(facts, diagnosis=replace(facts.diagnosis, condition=rng.choice(siblings), acute=False))
        if siblings
        else None
    )


def _overcertain(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if facts.diagnosis is None or facts.diagnosis.certainty != "suspected":
        return None
    return replace(facts, diagnosis=replace(facts.diagnosis, certainty="confirmed"))


# ------------------------------------------------------------------------------------------------- fabricated
def _new_problem(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    common = [c for c in COMMON if c in _unknown_conditions(patient)]
    return replace(facts, problems=(*facts.problems, Problem(rng.choice(common)))) if common else None


def _new_drug(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    given = {_drug(use.name).drug_class for use in patient.drugs}
    others = [drug for drug in load_lexicon().drugs if drug.drug_class not in given and drug.routes[0] == "oral"]
    drug = rng.choice(others)
    use = DrugUse(drug.name, rng.choice(drug.doses), None, drug.frequencies[0], "started")
    return replace(facts, drugs=(*facts.drugs, use))


def _new_operation(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if patient.operations:
        return None
    operation = Operation(rng.choice(["appendectomy", "cholecystectomy", "hernia repair"]), None, Time(6, "years"))
    return replace(facts, operations=(operation,))


# ----------------------------------------------------------------------------------------- unsupported details
def _unstated_dose(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    dosed = {use.name for use in patient.drugs if use.dose}  # the summary may have left a dose out
    for at, use in enumerate(facts.drugs):
        if use.name not in dosed and use.change in ("started", "continued"):
            return _with_drug(facts, at, dose=rng.choice(_drug(use.name).doses))
    return None


def _unstated_duration(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    return None if patient.complaint.duration else _with_complaint(facts, duration=Time(rng.randint(2, 5), "days"))


def _unstated_follow_up(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if patient.follow_up is not None:
        return None
    return replace(facts, follow_up=FollowUp("primary care", Time(rng.randint(2, 6), "weeks")))


def _with_complaint(facts: Patient, **changed: Any) -> Patient:
    complaint: Complaint = replace(facts.complaint, **changed)
    return replace(facts, complaint=complaint)


def _with_drug(facts: Patient, at: int, **changed: Any) -> Patient:
    return replace(facts, drugs=tuple(replace(d, **changed) if i == at else d for i, d in enumerate(facts.drugs)))


def _without(items: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(item for item in items if item != one)


@cache
def _drug(name: str) -> Drug:
    return next(drug for drug in load_lexicon().drugs if drug.name == name)


@cache
def _group(condition: str) -> str:
    return next(c.group for c in load_lexicon().conditions if c.name == condition)


def _unknown_conditions(patient: Patient, group: str | None = None) -> list[str]:
    """Conditions, of one group where given, that the note does not name in any role."""
    named = {p.condition for p in patient.problems} | {r.condition for r in patient.family} | {*patient.ruled_out}
    if patient.diagnosis:
        named.add(patient.diagnosis.condition)
    return [c.name for c in load_lexicon().conditions if c.name not in named and group in (None, c.group)]


COMMON = ("hypertension", "asthma", "epilepsy", "hypothyroidism", "gout", "atrial fibrillation", "migraine")
ALTERATIONS: dict[str, tuple[Alteration, ...]] = {
    "contradiction": (
        _denied_becomes_present,
        _present_becomes_denied,
        _wrong_side,
        _wrong_duration,
        _wrong_dose,
        _doses_exchanged,
        _opposite_change,
        _wrong_value,
        _wrong_outcome,
    ),
    "incorrect_inference": (_sibling_diagnosis, _overcertain),
    "fabricated": (_new_problem, _new_drug, _new_operation),
    "unsupported_details": (_unstated_dose, _unstated_duration, _unstated_follow_up),
}
