"""Chooses the facts that a good summary of a patient takes, the important ones first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clinical.patient import DrugUse, Patient, Value
from phase1_data_medhal.summaries.phrases import BLOOD_PRESSURE, level

RAISED_PRESSURE = 140
# How often the summary takes what its note gives, of the kinds that matter most.
MAJOR = {"drugs": 0.95, "disposition": 0.75, "outcome": 0.7, "labs": 0.85, "studies": 0.85, "denied": 0.55}
# How likely each of the other kinds is, against one another, to fill the rest.
MINOR = {
    "problems": 7.0, "symptoms": 4.0, "signs": 2.5, "plan": 4.0, "follow_up": 4.0, "denied": 2.0, "vitals": 3.0,
    "operations": 2.5, "family": 2.0, "allergies": 2.0, "smoking": 2.0, "alcohol": 1.5, "continued": 2.0,
    "ruled_out": 2.0, "absent_signs": 0.7, "disposition": 2.0, "outcome": 2.0, "labs": 1.0, "studies": 1.0,
}  # fmt: skip
# One fact of these kinds is in about every second summary whose note gives any, ahead of what would crowd it out.
ASIDE = {"follow_up": 3.0, "smoking": 1.5, "allergies": 1.5, "family": 1.5, "alcohol": 1.0, "vitals": 1.0}
ASIDE_SHARE = 0.45
FIELDS = ("symptoms", "denied", "problems", "operations", "family", "vitals", "signs", "absent_signs", "labs",
          "studies", "ruled_out", "plan")  # fmt: skip


@dataclass
class _Basket:
    """The facts taken so far, by field."""

    taken: dict[str, list[Any]]
    size: int = 1  # the complaint

    def add(self, kind: str, item: Any) -> None:
        self.taken.setdefault(kind, []).append(item)
        self.size += 1


def choose_facts(patient: Patient, rng: random.Random) -> Patient:
    """The five to nine facts that the summary takes, all of them the note's own."""
    most = rng.choice((5, 5, 5, 5, 5, 6, 6, 6, 7, 7, 8, 9))
    basket = _Basket({})
    if patient.diagnosis:
        basket.add("diagnosis", patient.diagnosis)
    aside = {kind: items for kind, items in _left(patient, basket).items() if kind in ASIDE}
    if aside and rng.random() < ASIDE_SHARE:
        kind = rng.choices(list(aside), [ASIDE[k] for k in aside])[0]
        basket.add(kind, rng.choice(aside[kind]))
        most = min(most + 1, 8)
    for kind, share in MAJOR.items():
        if rng.random() < share:
            _take_major(kind, patient, basket, most, rng)
    left = _left(patient, basket)
    while basket.size < most and left:
        kinds = list(left)
        kind = rng.choices(kinds, [MINOR[k] for k in kinds])[0]
        basket.add("drugs" if kind == "continued" else kind, left[kind].pop(rng.randrange(len(left[kind]))))
        if not left[kind] or kind in ("operations", "family", "continued", "vitals", "labs", "studies", "absent_signs"):
            del left[kind]
    return _as_patient(patient, basket, rng)


def _take_major(kind: str, patient: Patient, basket: _Basket, most: int, rng: random.Random) -> None:
    room = most - basket.size
    if room <= 0:
        return
    if kind == "drugs":
        changed = [d for d in patient.drugs if d.change != "continued"]
        for use in changed[: min(3, room)]:
            basket.add("drugs", use)
    elif kind == "labs":
        telling = [v for v in patient.labs if level(v) != "normal" or v.earlier]
        for value in _some(telling, min(room, rng.choice((1, 1, 2))), rng):
            basket.add("labs", value)
    elif kind == "studies":
        showing = [s for s in patient.studies if s.findings] or [s for s in patient.studies if s.absent]
        for study in _some(showing, 1, rng):
            basket.add("studies", study)
    elif kind == "denied":
        for name in patient.denied[:1]:  # the counter-typical denial, where there is one, comes first
            basket.add("denied", name)
    elif getattr(patient, kind):
        basket.add(kind, getattr(patient, kind))


def _some(items: Sequence[Any], k: int, rng: random.Random) -> list[Any]:
    kept = sorted(rng.sample(range(len(items)), k=min(k, len(items))))
    return [items[i] for i in kept]


def _left(patient: Patient, basket: _Basket) -> dict[str, list[Any]]:
    """What each minor kind still offers; a vital sign only if it is out of range."""
    offers: dict[str, list[Any]] = {kind: list(getattr(patient, kind)) for kind in FIELDS}
    offers["vitals"] = [v for v in patient.vitals if level(v) != "normal" and _alone(v, patient)]
    offers["continued"] = [d for d in patient.drugs if d.change == "continued"]
    offers["allergies"] = list(patient.allergies or ()) or ([None] if patient.allergies == () else [])
    for kind in ("smoking", "alcohol", "disposition", "outcome", "follow_up"):
        offers[kind] = [getattr(patient, kind)] if getattr(patient, kind) else []
    said = patient.diagnosis.condition if patient.diagnosis else None
    offers["problems"] = [p for p in offers["problems"] if p.condition != said]
    rest = {kind: [i for i in items if i not in basket.taken.get(kind, [])] for kind, items in offers.items()}
    return {kind: items for kind, items in rest.items() if items and kind in MINOR}


def _alone(value: Value, patient: Patient) -> bool:
    """Blood pressure is told as a pair or not at all: the systolic one, of one reading, stands for both."""
    names = [v.name for v in patient.vitals if v.earlier is None]
    if value.name == BLOOD_PRESSURE[0] and level(value) == "high" and float(value.value) < RAISED_PRESSURE:
        return False  # many would not call it high
    return value.name not in BLOOD_PRESSURE or (
        value.name == BLOOD_PRESSURE[0] and all(names.count(n) == 1 for n in BLOOD_PRESSURE)
    )


def _as_patient(patient: Patient, basket: _Basket, rng: random.Random) -> Patient:
    """A patient of the taken facts, in the note's order within each field."""
    chosen: dict[str, Any] = {}
    for kind, items in basket.taken.items():
        if kind in FIELDS:
            chosen[kind] = tuple(i for i in getattr(patient, kind) if i in items)
        elif kind == "drugs":
            chosen["drugs"] = tuple(_trimmed(d, rng) for d in patient.drugs if d in items)
        elif kind == "allergies":
            chosen["allergies"] = tuple(i for i in items if i is not None)
        else:
            chosen[kind] = items[0]
    if any(v.name in BLOOD_PRESSURE for v in chosen.get("vitals", ())):
        told = {v.name for v in chosen["vitals"]} | set(BLOOD_PRESSURE)
        chosen["vitals"] = tuple(v for v in patient.vitals if v.name in told)
    if "plan" in chosen:  # for how long an advice holds is a detail
        chosen["plan"] = tuple(replace(i, within=None) if i.order == "advise" else i for i in chosen["plan"])
    if "smoking" in chosen:
        chosen["pack_years"] = patient.pack_years
    if "studies" in chosen:
        chosen["studies"] = tuple(replace(s, findings=s.findings[:2], absent=s.absent[:1]) for s in chosen["studies"])
    bare = Patient(patient.age, patient.sex, patient.specialty, patient.setting, patient.complaint)
    return replace(bare, **chosen)


def _trimmed(use: DrugUse, rng: random.Random) -> DrugUse:
    """A medicine without its route mostly, its frequency often and its dose at times, as summaries tell them."""
    keep_dose = rng.random() < (0.85 if use.change in ("started", "increased", "decreased", "continued") else 0.3)
    keep_often = keep_dose and rng.random() < 0.5
    return replace(
        use,
        dose=use.dose if keep_dose else None,
        new_dose=use.new_dose if keep_dose else None,
        route=use.route if keep_often and rng.random() < 0.3 else None,
        frequency=use.frequency if keep_often else None,
    )
