"""Counts the facts that a note of a patient states, as a careful reader would tick them off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clinical.patient import Complaint, DrugUse, Patient, Study, Value


def fact_count(patient: Patient) -> int:
    """The facts of a note: one for each thing stated, and one more for what is told of a complaint, drug or value.

    A complaint's side, duration and course count, a drug's dose and its change, a value's earlier one, and each
    finding or absence of a study. Age and sex are one fact. Routes, frequencies, reasons and times belong to the fact
    beside which they stand.
    """
    p = patient
    single = (p.age, p.smoking, p.pack_years, p.alcohol, p.diagnosis, p.outcome, p.disposition, p.follow_up)
    listed = (p.symptoms, p.denied, p.problems, p.operations, p.family, p.signs, p.absent_signs, p.ruled_out, p.plan)
    detailed: tuple[Complaint | DrugUse | Value | Study, ...] = (p.complaint, *p.drugs, *p.labs, *p.vitals, *p.studies)
    allergies = 0 if p.allergies is None else max(1, len(p.allergies))
    return allergies + _stated(single) + sum(map(len, listed)) + sum(map(_facts_in, detailed))


def _stated(values: Iterable[Any]) -> int:
    return sum(value is not None for value in values)


def _facts_in(item: Complaint | DrugUse | Value | Study) -> int:
    if isinstance(item, Study):
        return len(item.findings) + len(item.absent)
    if isinstance(item, Value):
        return 1 + _stated((item.earlier,))
    if isinstance(item, DrugUse):
        return 1 + (item.dose is not None) + (item.change != "continued")
    return 1 + _stated((item.side, item.duration, item.course))
