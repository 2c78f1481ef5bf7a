"""Makes one fact of a summary wrong, to write the rows labelled ``hallucinated``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from clinical.lexicon import load_lexicon
from phase1_data_medhal.patient import Patient

Alteration = Callable[[Patient, Patient, random.Random], Patient | None]


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


def _denied_becomes_present(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if not facts.denied:
        return None
    turned = rng.choice(facts.denied)
    return replace(facts, denied=tuple(d for d in facts.denied if d != turned), symptoms=(*facts.symptoms, turned))


def _wrong_side(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if not (facts.sided and facts.side):
        return None
    return replace(facts, side={"left": "right", "right": "left"}[facts.side])


def _wrong_duration(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if facts.duration is None:
        return None
    n, units = facts.duration
    return replace(facts, duration=(n + rng.choice([2, 3, 5]), units))


def _wrong_dose(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    doses = {d.name: d.doses for d in load_lexicon().drugs}
    for at, use in enumerate(facts.drugs):
        others = [d for d in doses[use.name] if d not in (use.dose, use.new_dose)]
        if use.dose and others and use.change in ("started", "continued"):
            return _with_drug(facts, at, dose=rng.choice(others))
    return None


def _opposite_change(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    for at, use in enumerate(facts.drugs):
        if use.change in ("held", "stopped"):
            return _with_drug(facts, at, change="started")
    return None


def _sibling_diagnosis(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    if facts.diagnosis is None:
        return None
    condition, _, certainty = facts.diagnosis
    known = {condition, *patient.conditions}
    groups = {c.name: c.group for c in load_lexicon().conditions}
    siblings = [c for c, group in groups.items() if group == groups[condition] and c not in known]
    return replace(facts, diagnosis=(rng.choice(siblings), "", certainty)) if siblings else None


def _new_condition(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    known = {*patient.conditions, *(patient.diagnosis or ())[:1]}
    common = ["hypertension", "asthma", "epilepsy", "hypothyroidism", "gout", "atrial fibrillation", "migraine"]
    return replace(facts, conditions=(*facts.conditions, rng.choice([c for c in common if c not in known])))


def _unstated_dose(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    doses = {d.name: d.doses for d in load_lexicon().drugs}
    for at, use in enumerate(facts.drugs):
        if use.dose is None and use.change in ("started", "continued"):
            return _with_drug(facts, at, dose=rng.choice(doses[use.name]))
    return None


def _unstated_duration(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    return replace(facts, duration=(rng.randint(2, 5), "days")) if facts.duration is None else None


def _unstated_side(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    return replace(facts, side=rng.choice(["left", "right"])) if facts.sided and facts.side is None else None


def _unstated_follow_up(facts: Patient, patient: Patient, rng: random.Random) -> Patient | None:
    return replace(facts, follow_up=("primary care", rng.randint(2, 6), "weeks")) if patient.follow_up is None else None


def _with_drug(facts: Patient, at: int, **changed: str) -> Patient:
    return replace(facts, drugs=tuple(replace(d, **changed) if i == at else d for i, d in enumerate(facts.drugs)))


ALTERATIONS: dict[str, tuple[Alteration, ...]] = {
    "contradiction": (_denied_becomes_present, _wrong_side, _wrong_duration, _wrong_dose, _opposite_change),
    "incorrect_inference": (_sibling_diagnosis,),
    "fabricated": (_new_condition,),
    "unsupported_details": (_unstated_dose, _unstated_duration, _unstated_side, _unstated_follow_up),
}
