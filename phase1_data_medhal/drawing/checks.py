"""Checks a drawn patient as a whole: drugs against measured values, and extras against one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clinical.lexicon import load_lexicon
from clinical.patient import Patient
from phase1_data_medhal.drawing.sense import sense


def harming_drugs(patient: Patient) -> list[str]:
    """The drugs that nobody leaves or begins at the values measured: an NSAID at a raised creatinine."""
    classes = {drug.name: drug.drug_class for drug in load_lexicon().drugs}
    values = {value.name: float(value.value) for value in (*patient.labs, *patient.vitals)}
    given = [use.name for use in patient.drugs if use.change not in ("held", "stopped")]
    return [
        name
        for kind, lab, low, high in sense()["values_that_forbid"]
        for name in given
        if kind in (name, classes[name]) and lab in values and low <= values[lab] <= high
    ]


def without_contradictions(extras: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The extras without those that another one rules out: who goes home eats, who is to drink less drinks."""
    fields = {name for name, _ in extras}
    targets = [value[0].target for name, value in extras if name == "plan"]
    home = any(name == "disposition" and value.startswith("discharged") for name, value in extras)
    recent = any(name == "operations" and value[0].ago and value[0].ago.unit == "days" for name, value in extras)
    eats = home or recent or "follow_up" in fields
    drinks = any(target.startswith("alcohol") for target in targets)
    return [
        (name, value)
        for name, value in extras
        if not (name == "plan" and eats and value[0].target in sense()["orders_of_a_bed"])
        and not (name == "alcohol" and value == "none" and drinks)
    ]
