"""Draws a patient: a presenting problem first, then facts that fit it and one another."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from clinical.lexicon import Lab, load_lexicon
from phase1_data_medhal.draw_drugs import draw_drugs
from phase1_data_medhal.patient import Imaging, Patient, Value, Wording

SCENARIOS = Path(__file__).resolve().parent / "scenarios.json"
MISSING_SHARE = 0.25  # of notes leave out each slot that summaries usually give: dose, side, duration
COUNTER_TYPICAL_SHARE = 0.25

YOUNGEST = {
    "hypertension": 35, "hyperlipidemia": 35, "type 2 diabetes mellitus": 36, "coronary artery disease": 48,
    "atrial fibrillation": 52, "heart failure": 54, "mitral regurgitation": 50, "peripheral artery disease": 52,
    "chronic kidney disease": 48, "COPD": 50, "benign prostatic hyperplasia": 54, "osteoporosis": 55,
    "osteoarthritis": 45, "gout": 38, "breast cancer": 40, "colon cancer": 48, "diabetic neuropathy": 45,
    "obstructive sleep apnea": 32, "fatty liver disease": 32, "nephrolithiasis": 25, "vitamin B12 deficiency": 40,
}  # fmt: skip
SEX_OF = {"benign prostatic hyperplasia": "male", "osteoporosis": "female", "breast cancer": "female"}
MARKERS = {"type 2 diabetes mellitus": ("HbA1c", 6.6, 9.4), "chronic kidney disease": ("creatinine", 1.5, 2.6),
           "iron deficiency anemia": ("ferritin", 6, 24), "hypothyroidism": ("TSH", 1.1, 5.6)}  # fmt: skip
NORMALS = {"sodium": (136, 144), "potassium": (3.6, 4.8), "hemoglobin": (12.4, 15.4), "platelet count": (170, 340)}
VITALS = {"systolic blood pressure": (114, 148), "diastolic blood pressure": (66, 86), "heart rate": (64, 92),
          "respiratory rate": (13, 18), "oxygen saturation": (95, 99)}  # fmt: skip
ALLERGIES = [("penicillin", "rash"), ("penicillin", "hives"), ("sulfa drugs", "rash"), ("codeine", "nausea"),
             ("latex", "hives"), ("iodinated contrast", "hives")]  # fmt: skip
FAMILY = [("coronary artery disease", ""), ("type 2 diabetes mellitus", ""), ("colon cancer", ""),
          ("hypertension", ""), ("breast cancer", "female"), ("prostate cancer", "male"),
          ("ischemic stroke", "")]  # fmt: skip
RELATIVES = {
    "": ["mother", "father", "brother", "sister"],
    "female": ["mother", "sister"],
    "male": ["father", "brother"],
}
SURGERIES = ["appendectomy", "hernia repair", "total knee replacement", "cholecystectomy", "total hip replacement"]
SMOKING = ["current smoker", "former smoker", "never smoker"]


@cache
def scenarios() -> list[dict[str, Any]]:
    """The presenting problems, as data."""
    loaded: list[dict[str, Any]] = json.loads(SCENARIOS.read_text(encoding="utf-8"))
    return loaded


def draw_patient(rng: random.Random) -> Patient:
    """Draw one patient. What the note shall not state is left ``None``, so no writer can state it."""
    story = rng.choice(scenarios())
    age = rng.randint(*story["age"])
    sex = story.get("sex") or rng.choice(["male", "female"])
    counter = rng.random() < COUNTER_TYPICAL_SHARE
    complaint = rng.choice(story["complaints"])
    symptoms = rng.sample([s for s in story["symptoms"] if s != complaint], k=rng.choice([1, 2, 2]))
    denied = rng.sample(story["denied"], k=rng.choice([2, 3, 3]))
    (denied if counter else symptoms).insert(0, story["cardinal"])
    low, high = story["duration"][1:]
    side = None if rng.random() < MISSING_SHARE else rng.choice(["left", "right"])
    conditions = _draw_conditions(rng, story, age, sex)
    suspected = story["may_be_suspected"] and rng.random() < 0.4
    diagnosis = (story["diagnosis"], story["suffix"], "suspected" if suspected else "confirmed")
    allergy = _draw_allergy(rng)
    vitals = _draw_vitals(rng, story, symptoms)
    systolic = next(float(v.value) for v in vitals if v.name == "systolic blood pressure")
    return Patient(
        specialty=story["specialty"], setting=story["setting"], age=age, sex=sex,
        complaint=complaint, side=side, sided=story["sided"],
        duration=None if rng.random() < MISSING_SHARE else (rng.randint(low, high), story["duration"][0]),
        symptoms=tuple(symptoms), denied=tuple(denied), conditions=conditions,
        surgery=_draw_surgery(rng, age, story), family=_draw_family(rng, conditions),
        smoking=rng.choice(SMOKING) if rng.random() < 0.3 else None,
        drugs=draw_drugs(rng, story, conditions, allergy, systolic), allergy=allergy, vitals=vitals,
        labs=_draw_labs(rng, story, conditions),
        exam=tuple(rng.sample([_placed(e, side, 0) for e in story["exam"]], k=rng.choice([1, 1, 2]))),
        imaging=_draw_imaging(rng, story, side), diagnosis=diagnosis, plan=_draw_plan(rng, story),
        follow_up=_draw_follow_up(rng, story), counter_typical=story["cardinal"] if counter else None,
    )  # fmt: skip


def _draw_conditions(rng: random.Random, story: dict[str, Any], age: int, sex: str) -> tuple[str, ...]:
    fitting = [c for c in story["conditions"] if age >= YOUNGEST.get(c, 18) and SEX_OF.get(c, sex) == sex]
    drawn = rng.sample(fitting, k=min(len(fitting), rng.choice([2, 3, 3, 4])))
    if story["suffix"]:  # an exacerbation needs the disease before it
        drawn = [*drawn[:3], story["diagnosis"]]
        rng.shuffle(drawn)
    return tuple(drawn)


def _draw_vitals(rng: random.Random, story: dict[str, Any], symptoms: list[str]) -> tuple[Value, ...]:
    ranges = {**VITALS, **story["vitals"]}
    ranges["temperature"] = (37.9, 39.2) if "fever" in symptoms else (36.4, 37.3)
    pressure = ["systolic blood pressure", "diastolic blood pressure"]
    others = [name for name in ranges if name not in pressure]
    told = rng.sample(others, k=rng.choice([2, 3, 3]))
    for name in story["vitals"]:  # what the illness moves is always measured
        if name in others and name not in told:
            told[-1] = name
    values = [Value(name, _printed(rng.uniform(*ranges[name]), _lab(name))) for name in [*pressure, *told]]
    return tuple({value.name: value for value in values}.values())


def _draw_labs(rng: random.Random, story: dict[str, Any], conditions: tuple[str, ...]) -> tuple[Value, ...]:
    own = {name: (low, high) for name, low, high in story["labs"]}
    ranges = {name: own[name] for name in rng.sample(list(own), k=min(len(own), rng.choice([2, 2, 3])))}
    for condition in conditions:
        marker = MARKERS.get(condition)
        if marker and marker[0] not in own and condition != story["diagnosis"] and rng.random() < 0.7:
            ranges[marker[0]] = marker[1:]
    if rng.random() < 0.6:
        name = rng.choice(list(NORMALS))
        hidden = name in own or (name == "hemoglobin" and "iron deficiency anemia" in conditions)
        if not hidden:
            ranges[name] = NORMALS[name]
    values = [Value(name, _printed(rng.uniform(*span), _lab(name))) for name, span in ranges.items()]
    if rng.random() < 0.4:
        values[0] = _with_earlier(rng, values[0])
    rng.shuffle(values)
    return tuple(values)


def _with_earlier(rng: random.Random, value: Value) -> Value:
    """An abnormal value with the one before it, clearly nearer to normal: the trend fits the story."""
    lab = _lab(value.name)
    middle = (lab.low + lab.high) / 2
    earlier = _printed(float(value.value) + (middle - float(value.value)) * rng.uniform(0.35, 0.8), lab)
    now = float(value.value)
    telling = not lab.low <= now <= lab.high and abs(now - float(earlier)) >= 0.1 * now
    return Value(value.name, value.value, earlier) if telling else value


def _draw_imaging(rng: random.Random, story: dict[str, Any], side: str | None) -> Imaging:
    study, note, summary = rng.choice(story["imaging"])
    number = rng.randint(3, 7)
    return Imaging(study, Wording(_placed(note, side, number), _placed(summary, side, number)))


def _placed(text: str, side: str | None, number: int) -> str:
    """Fill in side and size; without a side the words around it go too."""
    text = text.replace("{mm}", str(number))
    if side is None:
        for phrase in (" on the {side} side", " on the {side}", " in the {side} lobe", "{side}-sided ", "{side} "):
            text = text.replace(phrase, "")
        return text
    return text.replace("{side}", side)


def _draw_plan(rng: random.Random, story: dict[str, Any]) -> tuple[Wording, ...]:
    plan = []
    for note, summary, *numbers in rng.sample(story["plans"], k=min(len(story["plans"]), rng.choice([1, 2, 2]))):
        n = str(rng.choice(numbers[0])) if numbers else ""
        plan.append(Wording(note.replace("{n}", n), summary.replace("{n}", n)))
    return tuple(plan)


def _draw_follow_up(rng: random.Random, story: dict[str, Any]) -> tuple[str, int, str] | None:
    if rng.random() < 0.35:
        return None
    clinic = rng.choice(["primary care", "primary care" if "medicine" in story["specialty"] else story["specialty"]])
    return (clinic, *rng.choice([(5, "days"), (10, "days"), (2, "weeks"), (3, "weeks"), (4, "weeks"), (3, "months")]))


def _draw_surgery(rng: random.Random, age: int, story: dict[str, Any]) -> tuple[str, int] | None:
    options = [s for s in SURGERIES if (age > 60 or not s.startswith("total")) and s[:9] != story["id"][:9]]
    return (rng.choice(options), rng.randint(2, min(20, age - 16))) if age > 24 and rng.random() < 0.25 else None


def _draw_family(rng: random.Random, conditions: tuple[str, ...]) -> tuple[str, str] | None:
    condition, sex = rng.choice([f for f in FAMILY if f[0] not in conditions])
    return (rng.choice(RELATIVES[sex]), condition) if rng.random() < 0.35 else None


def _draw_allergy(rng: random.Random) -> tuple[str, str | None] | None:
    if rng.random() < 0.3:
        return None
    if rng.random() < 0.5:
        return ("none", None)
    substance, reaction = rng.choice(ALLERGIES)
    return (substance, reaction if rng.random() < 0.7 else None)


@cache
def _lab(name: str) -> Lab:
    return next(lab for lab in load_lexicon().labs if lab.name == name)


def _printed(value: float, lab: Lab) -> str:
    return f"{value:.{lab.decimals}f}"
