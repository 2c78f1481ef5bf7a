"""Draws a patient: a presenting problem first, then facts that fit it and one another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from clinical.lexicon import load_lexicon
from clinical.patient import (
    Allergy,
    Diagnosis,
    DrugUse,
    Patient,
    Problem,
    Time,
    Value,
)
from phase1_data_medhal.drawing.checks import harming_drugs, without_contradictions
from phase1_data_medhal.drawing.drugs import Need, draw_drugs
from phase1_data_medhal.drawing.facts import fact_count
from phase1_data_medhal.drawing.findings import complaint_of, signs_of, studies_of, symptoms_of, told_vitals
from phase1_data_medhal.drawing.outlook import background, consequences, outlook, plan_items
from phase1_data_medhal.drawing.sense import Chooser, Story, clashes, scenarios, sense, wider_than
from phase1_data_medhal.drawing.values import PRESSURES, draw_labs, draw_vitals, vital_ranges

TEST_ONLY_SHARE = 0.25  # of the test split's patients have a presenting problem that train and validation never show
NO_SIDE_SHARE = 0.26  # of notes leave out the side wherever one belongs
CARDINAL_DENIED_SHARE = 0.16  # counter-typical: the symptom one would expect is denied
CLASS_ABSENT_SHARE = 0.08  # counter-typical: the usual drug classes are absent; allergies bring it to some more
SUSPECTED_SHARE = 0.6  # where the scenario allows it
RULED_OUT_SHARE = 0.14
PROBLEM_NUMBERS = (2, 2, 3, 3, 3)  # equally likely
SINCE_SHARE = 0.12  # of problems say since when
HEALED_SHARE = 0.5  # of problems that can heal have healed
PACK_YEARS_SHARE = 0.5
ALLERGIC_SHARE = 0.5  # of patients whose note speaks of allergies
REACTION_SHARE = 0.7
FACT_LIMITS = range(20, 36)
USUAL_STARTS = 2  # the first drugs of a scenario's "start": their classes are the usual ones
# The share of notes that tell a field's first, second, third item, of those there are; what is not named here is told
# wherever it is drawn.
TOLD = {
    "symptoms": (1.0, 0.72, 0.15),
    "denied": (1.0, 0.72, 0.25),
    "problems": (0.25, 0.1),
    "signs": (0.62, 0.3),
    "absent_signs": (0.38,),
    "studies": (0.68, 0.4),
    "vitals": (0.42, 0.2, 0.2),
    "plan": (0.95, 0.5, 0.12),
}


def draw_patient(rng: random.Random, held_out: bool) -> Patient:
    """Draw one patient, for the test split where ``held_out``. What the note shall not state is empty."""
    choose = Chooser(rng, held_out)
    own = held_out and choose.chance(TEST_ONLY_SHARE)
    stories = [story for story in scenarios() if story["test_only"] == own]
    specialty = rng.choice(sorted({story["specialty"] for story in stories}))
    story = rng.choice([story for story in stories if story["specialty"] == specialty])
    while True:
        patient = draw_from(story, choose)
        if fact_count(patient) in FACT_LIMITS and not harming_drugs(patient):
            return patient


def draw_from(story: Story, choose: Chooser) -> Patient:
    """A patient of one scenario."""
    rng = choose.rng
    age, sex = rng.randint(*story["age"]), story["sex"] or rng.choice(["male", "female"])
    setting = rng.choice(story["settings"])
    side = None if choose.chance(NO_SIDE_SHARE) else rng.choice(["left", "right"])
    complaint = complaint_of(choose, story, side)
    lacks_class = choose.chance(CLASS_ABSENT_SHARE)
    denies = choose.chance(CARDINAL_DENIED_SHARE) and not clashes(story["cardinal"], [complaint.finding])
    present, denied = symptoms_of(choose, story, complaint.finding, denies)
    conditions = _conditions(choose, story, age, sex)
    problems = tuple(_problem(choose, condition, age) for condition in conditions)
    active = [problem.condition for problem in problems if problem.status == "active"]
    allergies = _allergies(choose)
    told_fever = set(sense()["fever"]["findings"])
    fever = True if told_fever & {complaint.finding, *present} else (False if told_fever & set(denied) else None)
    pressed = draw_vitals(choose, vital_ranges(story, active, fever, {}))
    need = Need(
        story=story,
        problems=(*active, *([story["diagnosis"]] if story["acute"] else [])),
        past=tuple(name for name in conditions if name not in active),
        allergic_to=_allergic_to(allergies),
        usual=_usual_class(story),
        lacks_usual=lacks_class,
        vitals={name: float(value.value) for name, value in pressed.items()},
    )
    drugs = tuple(use for use in draw_drugs(choose, need))
    forced = _forced(drugs)
    vitals = draw_vitals(choose, vital_ranges(story, active, fever, forced)) if forced else pressed
    labs = draw_labs(choose, story, active, forced, age, sex)
    signs, absent_signs = signs_of(choose, story, side, [complaint.finding, *present], denied)
    seen = [complaint.finding, *present, *(sign.finding for sign in signs)]
    studies = studies_of(choose, story, side, [*seen, *conditions], [*denied, *absent_signs])
    seen += [finding.finding for study in studies for finding in study.findings]
    diagnosis = _diagnosis(choose, story)
    everything = [*seen, *conditions, story["diagnosis"], *wider_than(story["diagnosis"])]
    ruled_out = [name for name in choose.some(story["differentials"], 9) if not clashes(name, everything)]
    pressed_by_illness = [name for name in PRESSURES if _is_telling(story, name)]
    core = Patient(
        age=age, sex=sex, specialty=story["specialty"], setting=setting, complaint=complaint,
        problems=_explaining(problems, drugs, labs), drugs=drugs, labs=labs, diagnosis=diagnosis,
        vitals=tuple(vitals[name] for name in _with_pair([*forced, *pressed_by_illness]) if name in vitals),
    )  # fmt: skip
    plan = plan_items(choose, story, core, studies)
    offered: list[tuple[str, Sequence[Any]]] = [
        ("plan", [(item,) for item in plan]),
        ("symptoms", [(name,) for name in present]),
        ("denied", [(name,) for name in denied]),
        ("problems", [(problem,) for problem in problems if problem not in core.problems]),
        ("vitals", [told for told in told_vitals(choose, story, vitals, fever) if not {*told} & {*core.vitals}]),
        ("signs", [(sign,) for sign in signs]),
        ("absent_signs", [(name,) for name in absent_signs]),
        ("studies", [(study,) for study in studies]),
    ]
    extras = [(name, item) for name, items in offered for n, item in enumerate(items) if choose.chance(_told(name, n))]
    plan = [item for name, (item, *_) in extras if name == "plan"]
    symptoms = tuple(item for name, (item, *_) in extras if name == "symptoms")
    if ruled_out and choose.chance(RULED_OUT_SHARE):
        extras.append(("ruled_out", tuple(ruled_out[:1])))
    extras += background(choose, age, sex, conditions, story, allergies)
    extras += outlook(choose, story, setting, replace(core, symptoms=symptoms), plan)
    extras = without_contradictions(extras)
    core = replace(core, **consequences(plan))
    return _with_pack_years(choose, _filled(core, extras))


def _told(field: str, n: int) -> float:
    """The share of notes in which the n-th item of a field is told."""
    shares = TOLD[field]
    return shares[n] if n < len(shares) else 0.0


def _is_telling(story: Story, name: str) -> bool:
    """Whether the illness moves this vital sign so far that a note without it would miss the point."""
    low, high = sense()["telling_pressures"][name]
    least, most = story["vitals"].get(name, (low, high))
    return bool(most < low or least > high)


def _filled(patient: Patient, extras: Sequence[tuple[str, Any]]) -> Patient:
    """The patient with all extras, each in its field; a field that holds one thing keeps its first."""
    for name, value in extras:
        old = getattr(patient, name)
        told: Any = old
        if isinstance(old, tuple) and isinstance(value, tuple):
            told = (*old, *(item for item in value if item not in old))
        elif old is None:
            told = value
        patient = replace(patient, **{name: told})
    return patient


def _with_pack_years(choose: Chooser, patient: Patient) -> Patient:
    """How much a smoker smoked, in some notes with room for it."""
    room = fact_count(patient) + 1 in FACT_LIMITS
    if patient.smoking in ("former", "current") and room and choose.chance(PACK_YEARS_SHARE):
        most = max(10, min(60, patient.age - 18))
        return replace(patient, pack_years=choose.rng.randrange(5, most + 1, 5))
    return patient


def _conditions(choose: Chooser, story: Story, age: int, sex: str) -> tuple[str, ...]:
    """Known problems beside the present one, none younger than its age."""
    tables = sense()
    chosen: list[str] = []
    total = choose.rng.choice(PROBLEM_NUMBERS)
    for name in choose.some(story["conditions"], len(story["conditions"])):
        of_age = tables["youngest"].get(name, 18) <= age <= tables["oldest"].get(name, 120)
        others = [*chosen, story["diagnosis"]]
        double = any(name in group and other in group for group in tables["exclusive_conditions"] for other in others)
        double = double or any(name == o or name in wider_than(o) or o in wider_than(name) for o in others)
        if of_age and tables["sex_of"].get(name, sex) == sex and not double and len(chosen) < total:
            chosen.append(name)
    return tuple(chosen)


def _problem(choose: Chooser, condition: str, age: int) -> Problem:
    room = age - sense()["youngest"].get(condition, 18)
    if condition in sense()["heals"] and choose.chance(HEALED_SHARE):
        return Problem(condition, "resolved", Time(choose.rng.randint(1, max(1, min(12, room))), "years"))
    told = choose.chance(SINCE_SHARE) and room > 2
    return Problem(condition, "active", Time(choose.rng.randint(2, min(20, room)), "years") if told else None)


def _explaining(problems: Sequence[Problem], drugs: Sequence[DrugUse], labs: Sequence[Value]) -> tuple[Problem, ...]:
    """The problems that explain drugs or values, at least one: a note that gives the one gives the other."""
    treats = {drug.name: drug.treats for drug in load_lexicon().drugs}
    explained = {name for use in drugs for name in treats[use.name]}
    values = {lab.name for lab in labs}
    markers = sense()["markers"].items()
    explained |= {name for name, shown in markers if any(lab in values for lab, _, _ in shown)}
    return tuple([problem for problem in problems if problem.condition in explained] or problems[:1])


def _usual_class(story: Story) -> frozenset[str]:
    """The classes of the drugs that the scenario begins first."""
    classes = {drug.name: drug.drug_class for drug in load_lexicon().drugs}
    return frozenset(classes[name] for name in story["start"][:USUAL_STARTS] if name in classes)


def _forced(drugs: Sequence[DrugUse]) -> dict[str, tuple[float, float]]:
    """Values that must show why a drug is begun, or the reason for which one is changed."""
    tables = sense()
    shown = [tables["starts_seen_in"].get(use.name) for use in drugs if use.change == "started"]
    shown += [tables["reasons_seen_in"].get(use.reason) for use in drugs]
    return {name: (low, high) for name, low, high in filter(None, shown)}


def _with_pair(names: Iterable[str]) -> list[str]:
    """Blood pressure is told as a pair."""
    return list(dict.fromkeys(name for told in names for name in (PRESSURES if told in PRESSURES else (told,))))


def _allergies(choose: Chooser) -> tuple[Allergy, ...]:
    substance, reactions, _ = choose.one(sense()["allergies"])
    if not choose.chance(ALLERGIC_SHARE):
        return ()
    known = [reaction for reaction in reactions if choose.allows(reaction)]
    return (Allergy(substance, choose.one(known) if choose.chance(REACTION_SHARE) else None),)


def _allergic_to(allergies: Sequence[Allergy]) -> frozenset[str]:
    names = [allergy.substance for allergy in allergies]
    classes = [name for substance, _, avoided in sense()["allergies"] if substance in names for name in avoided]
    return frozenset([*names, *classes])


def _diagnosis(choose: Chooser, story: Story) -> Diagnosis:
    unsure = "suspected" in story["certainties"]
    sure = "confirmed" in story["certainties"]
    suspected = unsure and (choose.chance(SUSPECTED_SHARE) or not sure)
    return Diagnosis(story["diagnosis"], "suspected" if suspected else "confirmed", story["acute"])
