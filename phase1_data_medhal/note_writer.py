"""Writes a patient's note in one of six styles; every fact of the patient stands in it."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from phase1_data_medhal import phrases as p
from phase1_data_medhal.patient import DrugUse, Patient

FRAMES = Path(__file__).resolve().parent / "note_frames.json"
SMOKING = {
    "current smoker": "currently smokes",
    "former smoker": "is a former smoker",
    "never smoker": "has never smoked",
}
STYLES = {
    "acute": ["prose", "soap", "telegraphic", "triage", "discharge"],
    "clinic": ["prose", "soap", "telegraphic", "letter"],
    "both": ["prose", "soap", "telegraphic", "triage", "discharge", "letter"],
}
FULL_STYLES = ("prose", "letter", "discharge")


@cache
def _frames() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(FRAMES.read_text(encoding="utf-8"))
    return loaded


def write_note(patient: Patient, rng: random.Random) -> str:
    """Render every fact of ``patient``; style, order and frames are drawn from ``rng``."""
    style = rng.choice(STYLES[patient.setting])
    terse = style not in FULL_STYLES
    sections = _sections(patient, rng, style)
    sections["opening"] = [_opening(patient, rng, style)]
    sections["changes"] = _changes(patient, rng, terse)
    text, glue = "", ""
    for step in rng.choice(_frames()["orders"][style]):
        if step.startswith("|"):  # a new line, with its heading
            glue = "\n" + step[1:]
            continue
        parts = step.split()
        if step in ("vitals exam", "labs imaging", "symptoms denied") and rng.random() < 0.3:
            parts.reverse()
        for sentence in (s for part in parts for s in sections.get(part, [])):
            text += glue + p.capital(sentence)
            glue = " "
    return p.tidy(text)


def _opening(patient: Patient, rng: random.Random, style: str) -> str:
    terse = style not in FULL_STYLES
    word = p.short(patient.complaint, rng) if terse else p.in_words(patient.complaint, rng)
    complaint = p.complaint_words(patient, word)
    if patient.duration:
        n, units = patient.duration
        frame = "{c} x {n} {units}" if style == "telegraphic" else rng.choice(_frames()["complaint"])
        complaint = frame.format(c=complaint, n=n, units=units, unit=p.singular(units))
    frame = rng.choice(_frames()["openings"][style])
    return frame.format(
        np=complaint, age=patient.age, sex=patient.sex, specialty=patient.specialty, **p.pronouns(patient)
    )


def _sections(patient: Patient, rng: random.Random, style: str) -> dict[str, list[str]]:
    """The sentences of every section but the opening and the changes, those without facts left out."""
    terse = style not in FULL_STYLES
    bank = {**_frames()["terse" if terse else "full"], **_frames().get(style, {})}

    def say(kind: str, x: str, **slots: object) -> list[str]:
        return [rng.choice(bank[kind]).format(x=x, X=p.capital(x), **slots, **p.pronouns(patient))] if x else []

    def names(items: tuple[str, ...], word: str) -> str:
        if not items:
            return ""
        if terse:
            return ", ".join(p.short(i, rng) for i in items)
        return p.listed([p.in_words(i, rng) for i in items], word)

    home = [p.drug_phrase(d, terse) for d in patient.drugs if d.change != "started"]
    condition, suffix, certainty = patient.diagnosis or ("", "", "")
    name = (p.short(condition, rng, 0.5) if terse else p.in_words(condition, rng, 0.2)) + suffix if condition else ""
    study = patient.imaging.study if patient.imaging else ""
    sections = {
        "symptoms": say("symptoms", names(patient.symptoms, "and")),
        "denied": say("denied", names(patient.denied, "or")),
        "history": say("history", names(patient.conditions, "and")),
        "drugs": say("drugs", (", ".join(home) if terse else p.listed(home)) if home else ""),
        "vitals": say("vitals", _vitals(patient, rng, terse)),
        "exam": say("exam", p.listed(patient.exam) if patient.exam else ""),
        "labs": say("labs", _labs(patient, rng, terse)),
        "diagnosis": say(certainty, name, a=p.with_article(condition, suffix, name)),
        "social": [],
    }
    if patient.imaging:
        spelled = p.capital(p.short(study, rng) if terse else p.in_words(study, rng))
        sections["imaging"] = say("imaging", patient.imaging.result.note, S=spelled)
    if patient.allergy:
        substance, reaction = patient.allergy
        told = f"{substance} ({reaction})" if reaction else substance
        sections["allergy"] = say("no allergy", " ") if substance == "none" else say("allergy", told)
    if patient.surgery:
        sections["social"] += say("surgery", patient.surgery[0], n=patient.surgery[1])
    if patient.family:
        relative, illness = patient.family
        sections["social"] += say("family", p.short(illness, rng) if terse else illness, r=relative)
    if patient.smoking:
        sections["social"] += say("smoking", patient.smoking if terse else SMOKING[patient.smoking])
    rng.shuffle(sections["social"])
    actions = [item.note for item in patient.plan]
    sections["plan"] = say("plan", "; ".join(actions) if terse else p.listed(actions)) if actions else []
    if patient.follow_up:
        clinic, n, units = patient.follow_up
        sections["plan"] += say("follow-up", clinic, n=n, units=units)
    return sections


def _vitals(patient: Patient, rng: random.Random, terse: bool) -> str:
    spelled = [("BP " if terse else "blood pressure ") + (p.pressure(patient) or "")]
    for value in p.other_vitals(patient):
        name = p.short(value.name, rng, 1.0) if terse else value.name
        spelled.append(f"{'T' if name == 'temperature' and terse else name} {p.with_unit(value.value, value.name)}")
    return ", ".join(spelled) if terse else p.listed(spelled)


def _labs(patient: Patient, rng: random.Random, terse: bool) -> str:
    spelled = []
    for lab in patient.labs:
        text = f"{p.short(lab.name, rng) if terse else lab.name} {p.with_unit(lab.value, lab.name)}"
        if lab.earlier:
            text += rng.choice([f" (previously {lab.earlier})", f" (was {lab.earlier})", f" (prior {lab.earlier})"])
        spelled.append(text)
    return (", ".join(spelled) if terse else p.listed(spelled)) if spelled else ""


def _changes(patient: Patient, rng: random.Random, terse: bool) -> list[str]:
    spelled = [_change_phrase(d, patient, rng, terse) for d in patient.drugs if d.change != "continued"]
    if not spelled:
        return []
    if terse:
        return ["; ".join(spelled) + "."]
    return [p.listed(spelled) + "."] if len(spelled) == 2 and rng.random() < 0.4 else [f"{s}." for s in spelled]


def _change_phrase(use: DrugUse, patient: Patient, rng: random.Random, terse: bool) -> str:
    """What happened to one medicine, with the old and the new dose where they are stated."""
    kind = use.change if use.change not in ("increased", "decreased") or use.new_dose else f"{use.change} without dose"
    frame = rng.choice(_frames()["changes"]["terse" if terse else "full"][kind])
    new = p.drug_phrase(use, terse)
    return frame.format(name=use.name, new=new, old=use.dose, dose=use.new_dose, **p.pronouns(patient))
