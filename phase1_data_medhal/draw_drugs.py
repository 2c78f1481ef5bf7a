"""Draws a patient's medicines: they treat the problems, at usual doses, and what harms now is held."""

from __future__ import annotations

import random
from typing import Any

from clinical.lexicon import Drug, load_lexicon
from phase1_data_medhal.patient import DrugUse

NO_DOSE_SHARE = 0.25  # of notes state no dose for about half of the medicines
UNTREATED_SHARE = 0.2  # of problems: so that a usual drug cannot be taken for granted

# Classes that a prescriber avoids in a condition.
AVOIDED = {
    "asthma": {"beta blocker", "NSAID"},
    "COPD": {"beta blocker"},
    "chronic kidney disease": {"NSAID", "biguanide", "SGLT2 inhibitor"},
    "heart failure": {"NSAID", "calcium channel blocker"},
    "hypertension": {"triptan"},
    "gout": {"thiazide diuretic"},
    "coronary artery disease": {"NSAID", "triptan"},
    "peripheral artery disease": {"NSAID", "triptan"},
    "gastroesophageal reflux disease": {"NSAID"},
    "atrial fibrillation": {"antiplatelet agent", "NSAID"},
    "NSTEMI": {"NSAID", "triptan", "anticoagulant"},
    "acute kidney injury": {"xanthine oxidase inhibitor"},
    "major depressive disorder": {"beta blocker"},
}
# Classes that nobody takes together without a special reason.
RIVALS = [
    {"ACE inhibitor", "angiotensin receptor blocker"},
    {"SSRI", "SNRI"},
    {"proton pump inhibitor", "H2 blocker"},
    {"beta blocker", "calcium channel blocker"},
    {"anticoagulant", "NSAID"},
    {"GLP-1 agonist", "DPP-4 inhibitor"},
]
PRESSURE_CLASSES = {"ACE inhibitor", "angiotensin receptor blocker", "calcium channel blocker", "beta blocker"}
RAISED = {"statin", "SSRI", "SNRI"} | PRESSURE_CLASSES
LOWERED = {"gabapentinoid", "proton pump inhibitor", "H2 blocker", "basal insulin", "sulfonylurea"} | PRESSURE_CLASSES
# Classes that are begun at a low dose.
TITRATED = {"gabapentinoid", "SSRI", "SNRI", "antimetabolite", "anticonvulsant", "beta blocker", "GLP-1 agonist",
            "basal insulin", "biguanide", "thyroid hormone", "antimalarial"}  # fmt: skip


def draw_drugs(
    rng: random.Random,
    story: dict[str, Any],
    conditions: tuple[str, ...],
    allergy: tuple[str, str | None] | None,
    systolic: float,
) -> tuple[DrugUse, ...]:
    """The medicines a patient with this story and this systolic pressure takes, and what happens to them."""
    drugs = {drug.name: drug for drug in load_lexicon().drugs}
    avoided = {name for c in (*conditions, story["diagnosis"]) for name in AVOIDED.get(c, ())}
    if allergy and allergy[0] == "penicillin":
        avoided |= {"penicillin antibiotic", "cephalosporin antibiotic"}
    share = 0.5 if rng.random() < NO_DOSE_SHARE else 0.0
    taken = _taken(rng, story, conditions, avoided)
    changes = _changes(rng, story, taken, systolic)
    uses = [_changed(rng, _use(rng, drug, share), drug, changes.get(drug.name)) for drug in taken]
    staying = [drug for drug in taken if changes.get(drug.name) not in ("held", "stopped")]
    starts = [drugs[n] for n in story["start"] if drugs[n] not in taken and _fits(drugs[n], staying, avoided)]
    if starts and rng.random() < 0.85:
        uses.append(_use(rng, rng.choice(starts), share, new=True))
    return tuple(uses)


def _fits(drug: Drug, others: list[Drug], avoided: set[str]) -> bool:
    rivals = {drug.drug_class}.union(*(pair for pair in RIVALS if drug.drug_class in pair))
    return drug.drug_class not in avoided and not any(other.drug_class in rivals for other in others)


def _taken(rng: random.Random, story: dict[str, Any], conditions: tuple[str, ...], avoided: set[str]) -> list[Drug]:
    """One drug for most problems, and at times one that the present illness makes harmful."""
    taken: list[Drug] = []
    for condition in conditions:
        options = [d for d in load_lexicon().drugs if condition in d.treats and _fits(d, taken, avoided)]
        options = [d for d in options if d.drug_class not in ("corticosteroid", "NSAID")]  # not for years
        options = [d for d in options if d.routes != ("intravenous",)]
        options = [d for d in options if d.name not in story["start"][:1]]
        if options and rng.random() >= UNTREATED_SHARE:
            taken.append(rng.choice(options))
    problems = {*conditions, story["diagnosis"]}
    harmful = [d for d in load_lexicon().drugs if d.name in story["hold"] and problems & set(d.treats)]
    harmful = [d for d in harmful if _fits(d, taken, avoided - {"biguanide"})]
    if harmful and rng.random() < 0.5:
        taken.append(rng.choice(harmful))
    return taken[:5]


def _use(rng: random.Random, drug: Drug, no_dose: float, new: bool = False) -> DrugUse:
    """``drug`` at a usual dose. An unusual route is always told, the mouth seldom."""
    route = rng.choice(drug.routes if new else [r for r in drug.routes if r != "intravenous"])
    told = route != "oral" or rng.random() < (0.3 if new else 0.1)
    bare = rng.random() < no_dose
    doses = drug.doses[:2] if new and drug.drug_class in TITRATED else drug.doses
    return DrugUse(
        name=drug.name,
        dose=None if bare else rng.choice(doses),
        route=route if told and not bare else None,
        frequency=None if bare or rng.random() < 0.1 else rng.choice(drug.frequencies),
        change="started" if new else "continued",
    )


def _changes(rng: random.Random, story: dict[str, Any], taken: list[Drug], systolic: float) -> dict[str, str]:
    """At most two changes: one drug that harms now is held, one other is adjusted where that makes sense."""
    changes = {}
    harmful = [d.name for d in taken if d.name in story["hold"]]
    if harmful:
        changes[rng.choice(harmful)] = rng.choice(["held", "held", "stopped"])
    options = []
    for drug in taken:
        if drug.name in story["hold"] or len(drug.doses) < 2:
            continue
        treats_this = story["diagnosis"] in drug.treats
        lowers_pressure = drug.drug_class in PRESSURE_CLASSES
        if (treats_this or drug.drug_class in RAISED) and not (lowers_pressure and systolic < 136):
            options.append((drug.name, "increased"))
        if drug.drug_class in LOWERED and not treats_this and not (lowers_pressure and systolic > 118):
            options.append((drug.name, "decreased"))
    if options and rng.random() < 0.55:
        name, change = rng.choice(options)
        changes[name] = change
    return changes


def _changed(rng: random.Random, use: DrugUse, drug: Drug, change: str | None) -> DrugUse:
    if change is None:
        return use
    if change in ("held", "stopped") or use.dose is None:
        return DrugUse(use.name, use.dose, use.route, use.frequency, change)
    at = rng.randrange(len(drug.doses) - 1)
    old, new = drug.doses[at : at + 2] if change == "increased" else drug.doses[at : at + 2][::-1]
    return DrugUse(use.name, old, use.route, use.frequency, change, new)
