"""The patient behind a note: what is true, and therefore all that note and summary may say."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DrugUse:
    """One medicine. ``None`` means that the note states no such thing; ``dose`` is the dose before a change."""

    name: str
    dose: str | None
    route: str | None
    frequency: str | None
    change: str = "continued"  # or started, increased, decreased, held, stopped
    new_dose: str | None = None


@dataclass(frozen=True)
class Value:
    """A laboratory value or vital sign as printed; ``earlier`` is the one before, where the note gives it."""

    name: str
    value: str
    earlier: str | None = None


@dataclass(frozen=True)
class Wording:
    """A fact that has no lexicon entry, in the words of the note and in those of the summary."""

    note: str
    summary: str


@dataclass(frozen=True)
class Imaging:
    """A study and its result."""

    study: str
    result: Wording


@dataclass(frozen=True)
class Patient:
    """All facts of one note, or those of them that a summary takes. Empty and ``None`` mean: not stated."""

    specialty: str
    age: int
    sex: str
    complaint: str
    setting: str = "both"  # acute, clinic or both: which styles of note fit
    side: str | None = None
    sided: bool = False  # whether the side belongs to the complaint, not only to the findings
    duration: tuple[int, str] | None = None
    symptoms: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    surgery: tuple[str, int] | None = None  # procedure, years ago
    family: tuple[str, str] | None = None  # relative, condition
    smoking: str | None = None
    drugs: tuple[DrugUse, ...] = ()
    allergy: tuple[str, str | None] | None = None  # substance or "none", reaction
    vitals: tuple[Value, ...] = ()
    labs: tuple[Value, ...] = ()
    exam: tuple[str, ...] = ()
    imaging: Imaging | None = None
    diagnosis: tuple[str, str, str] | None = None  # condition, suffix such as " flare", confirmed or suspected
    plan: tuple[Wording, ...] = ()
    follow_up: tuple[str, int, str] | None = None  # clinic, number, unit
    counter_typical: str | None = field(default=None, compare=False)  # the cardinal symptom, where it is denied


def seeded(*parts: object) -> random.Random:
    """A random source that depends on ``parts`` alone, on every platform and in every process."""
    return random.Random(int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big"))


def evidence(patient: Patient) -> str:
    """The facts as compact JSON: one ``[kind, ...]`` array per fact, absent values left out or null."""
    facts: list[list[Any]] = [["patient", patient.age, patient.sex, patient.specialty]]
    side = patient.side if patient.sided else None
    facts.append(["complaint", patient.complaint, side, list(patient.duration) if patient.duration else None])
    facts += [["present", *patient.symptoms], ["denied", *patient.denied], ["history", *patient.conditions]]
    for kind, value in (("surgery", patient.surgery), ("family", patient.family), ("allergy", patient.allergy)):
        facts.append([kind, *(value or ())])
    facts.append(["smoking", *([patient.smoking] if patient.smoking else [])])
    facts += [["drug", d.name, d.dose, d.route, d.frequency, d.change, d.new_dose] for d in patient.drugs]
    facts += [["vital", v.name, v.value] for v in patient.vitals]
    facts += [["lab", v.name, v.value, *([v.earlier] if v.earlier else [])] for v in patient.labs]
    facts.append(["exam", *patient.exam])
    if patient.imaging:
        facts.append(["imaging", patient.imaging.study, patient.imaging.result.note])
    facts += [["diagnosis", *(patient.diagnosis or ())], ["plan", *(item.note for item in patient.plan)]]
    facts.append(["follow-up", *(patient.follow_up or ())])
    return json.dumps([fact for fact in facts if len(fact) > 1], ensure_ascii=False, separators=(",", ":"))
