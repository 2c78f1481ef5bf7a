"""Chooses what matters in a patient and writes it as a summary, in other frames than the note's."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from clinical.lexicon import load_lexicon
from phase1_data_medhal import phrases as p
from phase1_data_medhal.patient import DrugUse, Patient, Value

FRAMES = Path(__file__).resolve().parent / "summary_frames.json"
# How often a summary takes a kind of fact that its note gives; the complaint, age and sex it always takes.
TAKEN = {
    "diagnosis": 0.9, "changes": 0.9, "imaging": 0.5, "labs": 0.5, "conditions": 0.55, "denied": 0.45, "symptoms": 0.4,
    "plan": 0.4, "follow_up": 0.45, "allergy": 0.12, "home": 0.15, "family": 0.08, "smoking": 0.08, "vitals": 0.12,
}  # fmt: skip
FEWEST_KINDS, MOST_KINDS = 3, 6
# Symptoms that take a plural verb.
PLURALS = {"palpitations", "chills", "night sweats", "visual changes", "panic attacks", "suicidal thoughts",
           "black stools", "loose stools"}  # fmt: skip


def choose_facts(patient: Patient, rng: random.Random) -> Patient:
    """The patient with only those facts that the summary takes, all of them the note's own."""
    given = _given(patient, rng)
    kinds = [kind for kind in given if rng.random() < TAKEN[kind]]
    if patient.counter_typical and "denied" not in kinds and rng.random() < 0.85:
        kinds.insert(0, "denied")  # an expected symptom that is missing is worth telling
    spare = [kind for kind in given if kind not in kinds]
    while len(kinds) < FEWEST_KINDS and spare:
        kinds.append(spare.pop(rng.randrange(len(spare))))
    while len(kinds) > MOST_KINDS:
        kinds.remove(rng.choice(kinds[2:]))
    taken: dict[str, Any] = {kind: given[kind] for kind in given if kind in kinds}
    drugs = (*taken.pop("changes", ()), *taken.pop("home", ()))
    return replace(_bare(patient), drugs=drugs, **taken)


def _bare(patient: Patient) -> Patient:
    """Who came with what, and nothing else."""
    return Patient(
        specialty=patient.specialty,
        age=patient.age,
        sex=patient.sex,
        complaint=patient.complaint,
        side=patient.side,
        sided=patient.sided,
        duration=patient.duration,
    )


def _given(patient: Patient, rng: random.Random) -> dict[str, Any]:
    """What a summary could take of each kind of fact that the note gives."""
    diagnosis = patient.diagnosis[0] if patient.diagnosis else None
    measured = [v for v in patient.vitals if v.name in ("oxygen saturation", "temperature") and _level(v)]
    options: dict[str, Any] = {
        "diagnosis": patient.diagnosis,
        "changes": _some(rng, [d for d in patient.drugs if d.change != "continued"], 2),
        "imaging": patient.imaging,
        "labs": _some(rng, [v for v in patient.labs if _level(v) or v.earlier], 1),
        "conditions": _some(rng, [c for c in patient.conditions if c != diagnosis], 2),
        "denied": _chosen_denied(patient, rng),
        "symptoms": _some(rng, patient.symptoms, 2),
        "plan": _some(rng, patient.plan, 1),
        "follow_up": patient.follow_up,
        "allergy": patient.allergy,
        "home": _some(rng, [d for d in patient.drugs if d.change == "continued"], 1),
        "family": patient.family,
        "smoking": patient.smoking,
        "vitals": tuple(measured[:1]),
    }
    return {kind: value for kind, value in options.items() if value}


def _some(rng: random.Random, items: Sequence[Any], most: int) -> tuple[Any, ...]:
    """One to ``most`` of ``items``, in their order."""
    kept = sorted(rng.sample(range(len(items)), k=min(len(items), rng.randint(1, most))))
    return tuple(items[i] for i in kept)


def _chosen_denied(patient: Patient, rng: random.Random) -> tuple[str, ...]:
    first = [patient.counter_typical] if patient.counter_typical in patient.denied else []
    others = [d for d in patient.denied if d not in first]
    return (*first, *_some(rng, others, 1))[: rng.choice([1, 2])] if first else _some(rng, others, 2)


def _level(value: Value) -> str:
    """``high`` or ``low`` against the reference range; empty within it."""
    lab = next(lab for lab in load_lexicon().labs if lab.name == value.name)
    return "high" if float(value.value) > lab.high else "low" if float(value.value) < lab.low else ""


@cache
def _frames() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(FRAMES.read_text(encoding="utf-8"))
    return loaded


def write_summary(facts: Patient, rng: random.Random) -> str:
    """Render every fact of ``facts``: first who came with what, then the rest in a drawn order."""
    slots = _slots(facts, rng)
    leads = [lead for lead in _frames()["leads"] if all(slots.get(need) for need in lead["needs"])]
    rich = [lead for lead in leads if lead["needs"]]
    lead = rng.choice(rich if rich and rng.random() < 0.7 else leads)
    order = rng.choice(_frames()["orders"])
    told = set(lead["needs"])
    sentences = [_fill(lead["frame"], slots)]
    for kinds in order:
        wanted = [kind for kind in kinds.split() if kind not in told and slots.get(kind)]
        joined = "+".join(wanted)
        overlong = "drugs" in wanted and " and " in slots["drugs"]
        if joined in _frames()["joined"] and not overlong and rng.random() < 0.6:
            sentences.append(_fill(rng.choice(_frames()["joined"][joined]), slots))
        else:
            sentences += [_fill(rng.choice(_frames()["single"][kind]), slots) for kind in wanted]
        told.update(wanted)
    return p.tidy(" ".join(sentences))


def _fill(frame: str, slots: dict[str, str]) -> str:
    return p.capital(frame.format_map(slots))


def _slots(facts: Patient, rng: random.Random) -> dict[str, str]:
    """Every kind of fact that ``facts`` has, as a phrase; ``be_`` slots hold the verb that agrees with it."""
    slots = {**p.pronouns(facts), "age": str(facts.age), "np": _complaint(facts, rng)}

    def put(kind: str, names: Sequence[str], word: str = "and") -> None:
        if names:
            slots[kind] = p.listed(names, word)
            slots[f"be_{kind}"] = "were" if len(names) > 1 or names[0] in PLURALS else "was"

    put("symptoms", [p.in_words(s, rng) for s in facts.symptoms])
    put("denied", [p.in_words(s, rng) for s in facts.denied], "or")
    put("history", [p.in_words(c, rng) for c in facts.conditions])
    put("labs", [_lab_clause(v, rng) for v in facts.labs])
    put("vitals", [f"{v.name} was {p.with_unit(v.value, v.name)}" for v in facts.vitals])
    put("drugs", [_drug_clause(d, rng) for d in facts.drugs if d.change != "continued"])
    put("home", [p.drug_phrase(d, terse=False) for d in facts.drugs if d.change == "continued"])
    put("plan", [item.summary for item in facts.plan])
    if facts.imaging:
        slots["imaging"] = facts.imaging.result.summary
        slots["study"] = p.in_words(facts.imaging.study, rng)
    if facts.diagnosis:
        condition, suffix, certainty = facts.diagnosis
        verb = "diagnosed" if certainty == "confirmed" else "suspected"
        slots |= {"diagnosis": p.in_words(condition, rng) + suffix, "verb": verb}
        slots["certainty"] = "" if certainty == "confirmed" else rng.choice(["suspected ", "probable "])
        slots["a_diagnosis"] = p.with_article(condition, suffix, slots["certainty"] + slots["diagnosis"])
    if facts.follow_up:
        clinic, n, units = facts.follow_up
        slots |= {"follow_up": f"{clinic} follow-up in {n} {units}", "clinic": clinic, "when": f"{n} {units}"}
    if facts.allergy:
        substance, reaction = facts.allergy
        slots["allergy"] = (
            rng.choice(["no drug allergies", "no known drug allergies"]) if substance == "none"
            else f"an allergy to {substance}" + (f" ({reaction})" if reaction else "")
        )  # fmt: skip
    if facts.family:
        slots |= {"family": facts.family[1], "relative": facts.family[0]}
    if facts.smoking:
        slots["smoking"] = facts.smoking
    return slots


def _complaint(facts: Patient, rng: random.Random) -> str:
    word = p.complaint_words(facts, p.in_words(facts.complaint, rng))
    if facts.duration is None:
        return word
    n, units = facts.duration
    return rng.choice(_frames()["complaint"]).format(c=word, n=n, units=units, unit=p.singular(units))


def _lab_clause(value: Value, rng: random.Random) -> str:
    now = p.with_unit(value.value, value.name)
    if value.earlier:
        rose = float(value.value) > float(value.earlier)
        verb = rng.choice(["rose", "had risen"] if rose else ["fell", "had fallen"])
        return f"{value.name} {verb} from {value.earlier} to {now}"
    frames = _frames()["labs"][_level(value)]
    return str(rng.choice(frames)).format(name=value.name, now=now)


def _drug_clause(use: DrugUse, rng: random.Random) -> str:
    """A clause about one medicine, with no more about dose, route and frequency than is stated."""
    frames = _frames()["drugs"]
    kind = use.change if use.change not in ("increased", "decreased") or use.new_dose else f"{use.change} without dose"
    phrase = p.drug_phrase(use, terse=False)
    return str(rng.choice(frames[kind])).format(phrase=phrase, name=use.name, old=use.dose, new=use.new_dose)
