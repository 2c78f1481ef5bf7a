"""The drawn patients: names of the lexicon, medical sense, and the shares that make notes hard."""

import json
import statistics
from collections import Counter
from dataclasses import fields, is_dataclass

import pytest

from clinical.lexicon import load_lexicon
from clinical.patient import (
    ALCOHOL,
    CERTAINTIES,
    CHANGES,
    COURSES,
    DISPOSITIONS,
    ORDERS,
    OUTCOMES,
    SIDES,
    SMOKING,
    UNITS,
    Time,
    from_json,
    to_json,
)
from phase1_data_medhal.drawing.checks import harming_drugs
from phase1_data_medhal.drawing.draw import FACT_LIMITS, draw_patient
from phase1_data_medhal.drawing.drugs import are_rivals, is_avoided
from phase1_data_medhal.drawing.facts import fact_count
from phase1_data_medhal.drawing.sense import HERE, clashes, held_out_names, named, scenarios, sense
from phase1_data_medhal.seeds import seeded

LEXICON = load_lexicon()
DRUGS = {drug.name: drug for drug in LEXICON.drugs}
CONDITIONS = {entry.name for entry in LEXICON.conditions}
FINDINGS = {entry.name for entry in LEXICON.findings}
SYMPTOMS = {entry.name for entry in LEXICON.findings if entry.kind == "symptom"}
SIGNS = {entry.name for entry in LEXICON.findings if entry.kind in ("symptom", "sign")}
LABS = {entry.name for entry in LEXICON.labs}
PROCEDURES = {entry.name for entry in LEXICON.procedures}
SERVICES = {entry.name for entry in LEXICON.services}
ADVICE = {entry.name for entry in LEXICON.advice}
CLASSES = {drug.drug_class for drug in LEXICON.drugs}
TARGETS = {
    "repeat": LABS | PROCEDURES,
    "obtain": PROCEDURES | LABS,
    "refer": SERVICES | {entry.name for entry in LEXICON.procedures if entry.kind == "therapy"},
    "advise": ADVICE,
    "consider": PROCEDURES | set(DRUGS) | CONDITIONS,
}
TRAIN = [draw_patient(seeded("draw test", n), held_out=False) for n in range(600)]
TEST = [draw_patient(seeded("draw test", "held out", n), held_out=True) for n in range(300)]
ALL = TRAIN + TEST


def names_in(value):
    """Every text of a state that could be the name of an entity."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, tuple):
        return set().union(*map(names_in, value))
    if is_dataclass(value):
        return set().union(*(names_in(getattr(value, f.name)) for f in fields(value)))
    return set()


def present_in(patient):
    imaging = [finding.finding for study in patient.studies for finding in study.findings]
    signs = [sign.finding for sign in patient.signs]
    return [patient.complaint.finding, *patient.symptoms, *signs, *imaging]


@pytest.mark.parametrize("story", scenarios(), ids=lambda story: story["id"])
def test_every_name_of_a_scenario_is_in_the_lexicon_with_its_kind(story):
    findings = [name for _, seen, absent in story["studies"] for name in (*seen, *absent)]
    pools = {
        "symptom": (SYMPTOMS, [story["cardinal"], *story["complaints"], *story["symptoms"], *story["denied"]]),
        "condition": (CONDITIONS, [story["diagnosis"], *story["conditions"], *story["differentials"]]),
        "sign": (SIGNS, [*story["signs"], *story["absent_signs"]]),
        "finding": (FINDINGS, findings),
        "procedure": (PROCEDURES, [entry[0] for entry in (*story["studies"], *story["operations"])]),
        "lab": (LABS, [*story["vitals"], *(entry[0] for entry in story["labs"])]),
        "drug": (set(DRUGS), [*story["start"], *story["adjust"], *(entry[0] for entry in story["stop"])]),
        "reason": (CONDITIONS | FINDINGS, [entry[1] for entry in story["stop"] if entry[1]]),
        "service": (SERVICES, story["follow_up"]),
        "disposition": (set(DISPOSITIONS), story["dispositions"]),
        "course": (set(COURSES), story["courses"]),
    }
    missing = {kind: sorted({named(n) for n in names} - pool) for kind, (pool, names) in pools.items()}
    missing["plan"] = [entry[1] for entry in story["plan"] if entry[1] not in TARGETS[entry[0]]]
    assert not {kind: names for kind, names in missing.items() if names}
    assert not [name for name in (*story["symptoms"], *story["denied"], story["cardinal"]) if "/" in name]


def test_the_tables_of_sense_name_entries_of_the_lexicon():
    tables = sense()
    classes = {name for group in tables["rival_classes"] for name in group}
    classes |= {name for names in tables["avoided_classes"].values() for name in names}
    classes |= {name for entry in tables["allergies"] for name in entry[2]}
    for key in ("both_of_a_class", "not_for_years", "pressure_classes", "rate_classes", "titrated_classes"):
        classes |= set(tables[key])
    for key in ("raised_classes", "lowered_classes", "taken_without_a_problem"):
        classes |= set(tables[key])
    assert not classes - CLASSES - set(DRUGS)
    conditions = {
        name for key in ("avoided_classes", "youngest", "oldest", "sex_of", "markers") for name in tables[key]
    }
    assert not conditions - CONDITIONS
    assert not {name for group in tables["same_thing"] for name in group} - FINDINGS - CONDITIONS
    drugs = {name for group in tables["rival_drugs"] for name in group}
    drugs |= {*tables["starts_seen_in"], *tables["seldom_drugs"], *tables["loading_doses"]}
    assert not drugs - set(DRUGS)
    shown = [*tables["starts_seen_in"].values(), *tables["reasons_seen_in"].values()]
    shown += [entry for entries in tables["markers"].values() for entry in entries]
    assert not {entry[0] for entry in shown} - LABS
    assert not {name for pair in tables["never_both_labs"] for name in pair} - LABS
    exclusive = {name for pair in tables["never_both_findings"] for group in pair for name in group}
    assert not exclusive - FINDINGS
    assert not set(tables["advice_about_drugs"]) - ADVICE
    assert not {entry[0] for entry in tables["values_that_forbid"]} - CLASSES - set(DRUGS)
    assert not {entry[1] for entry in tables["values_that_forbid"]} - LABS
    assert not {name for pair in tables["needs_class"].items() for name in pair} - CLASSES
    assert not {name for pair in tables["given_together"].items() for name in pair} - set(DRUGS)
    assert not [name for name, doses in tables["uncommon_doses"].items() if set(doses) - set(DRUGS[name].doses)]
    assert not set(tables["slow_findings"]) - FINDINGS
    assert (
        not {name for group in [*tables["rival_orders"], tables["orders_of_a_bed"]] for name in group}
        - ADVICE
        - SERVICES
    )
    assert not {name for group in tables["exclusive_conditions"] for name in group} - CONDITIONS
    assert not {entry[0] for entry in tables["family"]} - CONDITIONS
    assert not set(tables["heals"]) - CONDITIONS
    assert not {entry[0] for entry in tables["past_operations"]} - PROCEDURES
    assert not {entry[0] for entry in tables["allergies"]} - set(DRUGS) - {entry.name for entry in LEXICON.allergens}
    assert not {name for entry in tables["allergies"] for name in entry[1]} - FINDINGS - CONDITIONS


def test_what_is_held_out_exists_and_no_scenario_of_training_depends_on_it():
    kinds = json.loads((HERE / "test_only.json").read_text(encoding="utf-8"))
    pools = {"drugs": set(DRUGS), "conditions": CONDITIONS, "findings": FINDINGS}
    pools |= {"procedures": PROCEDURES, "advice": ADVICE, "services": SERVICES}
    assert {kind: set(names) - pools[kind] for kind, names in kinds.items()} == {kind: set() for kind in pools}
    for story in scenarios():
        if not story["test_only"]:
            assert not {story["diagnosis"], story["cardinal"]} & held_out_names(), story["id"]
            assert any(named(name) not in held_out_names() for name in story["complaints"]), story["id"]


def test_train_and_validation_never_name_what_is_held_out():
    for patient in TRAIN:
        assert not names_in(patient) & held_out_names()
    own = {story["diagnosis"] for story in scenarios() if story["test_only"]}
    own -= {story["diagnosis"] for story in scenarios() if not story["test_only"]}
    assert not [patient for patient in TRAIN if patient.diagnosis.condition in own]
    assert sum(bool(names_in(patient) & held_out_names()) for patient in TEST) > len(TEST) / 2
    assert 0.12 <= sum(patient.diagnosis.condition in own for patient in TEST) / len(TEST) <= 0.35


def test_the_same_seed_draws_the_same_patient_and_its_json_reads_back():
    for n in range(20):
        assert draw_patient(seeded("draw test", n), held_out=False) == TRAIN[n]
        assert from_json(to_json(TRAIN[n])) == TRAIN[n]


def test_nothing_is_both_present_and_denied():
    for patient in ALL:
        there = present_in(patient)
        absent = [*patient.denied, *patient.absent_signs, *(name for s in patient.studies for name in s.absent)]
        assert not [name for name in absent if clashes(name, there)], to_json(patient)
        conditions = [patient.diagnosis.condition, *(problem.condition for problem in patient.problems)]
        assert not [name for name in patient.ruled_out if clashes(name, [*there, *conditions])], to_json(patient)


def test_no_fact_is_stated_twice():
    for patient in ALL:
        for name in ("symptoms", "denied", "problems", "drugs", "labs", "vitals", "signs", "absent_signs", "plan"):
            facts = [getattr(fact, "name", fact) for fact in getattr(patient, name)]
            assert len(set(facts)) == len(facts), (name, to_json(patient))
        assert patient.complaint.finding not in patient.symptoms
        assert not set(patient.denied) & set(patient.absent_signs)


def test_doses_are_usual_and_changes_have_a_direction():
    for patient in ALL:
        for use in patient.drugs:
            drug = DRUGS[use.name]
            assert {use.dose, use.new_dose} <= {*drug.doses, None}
            assert use.route in (*drug.routes, None)
            assert use.frequency in (*drug.frequencies, None)
            assert use.change in CHANGES
            assert use.dose or not (use.new_dose or use.frequency or use.route)
            if use.new_dose:
                step = drug.doses.index(use.new_dose) - drug.doses.index(use.dose)
                assert step == (1 if use.change == "increased" else -1)


def test_nobody_takes_what_harms_or_rivals_or_what_the_allergy_forbids():
    for patient in ALL:
        staying = [DRUGS[use.name] for use in patient.drugs if use.change not in ("held", "stopped")]
        problems = [*(problem.condition for problem in patient.problems), patient.diagnosis.condition]
        assert not [drug.name for drug in staying if is_avoided(drug, problems)], to_json(patient)
        assert not harming_drugs(patient), to_json(patient)
        pairs = [(a.name, b.name) for n, a in enumerate(staying) for b in staying[:n] if are_rivals(a, b)]
        assert not pairs, to_json(patient)
        for allergy in patient.allergies or ():
            forbidden = {allergy.substance}
            forbidden |= {c for e in sense()["allergies"] if e[0] == allergy.substance for c in e[2]}
            assert not [u.name for u in patient.drugs if {u.name, DRUGS[u.name].drug_class} & forbidden]


def test_values_are_plausible_and_agree_with_what_is_told():
    entries = {entry.name: entry for entry in LEXICON.labs}
    fevers = set(sense()["fever"]["findings"])
    for patient in ALL:
        values = {value.name: float(value.value) for value in (*patient.vitals, *patient.labs)}
        for value in (*patient.vitals, *patient.labs):
            for text in filter(None, (value.value, value.earlier)):
                assert entries[value.name].plausible_low <= float(text) <= entries[value.name].plausible_high
            assert value.earlier != value.value
        if "temperature" in values and fevers & {patient.complaint.finding, *patient.symptoms}:
            assert values["temperature"] >= 38
        if "temperature" in values and fevers & set(patient.denied):
            assert values["temperature"] < 37.5
        if "systolic blood pressure" in values:
            assert values["systolic blood pressure"] - values["diastolic blood pressure"] >= 20
        for use in patient.drugs:
            name, low, high = sense()["reasons_seen_in"].get(use.reason, (None, 0, 0))
            assert name is None or low <= values[name] <= high, to_json(patient)


def test_ages_and_sexes_fit_the_problems():
    tables = sense()
    for patient in ALL:
        for problem in patient.problems:
            assert patient.age >= tables["youngest"].get(problem.condition, 18)
            assert tables["sex_of"].get(problem.condition, patient.sex) == patient.sex
            if problem.ago and problem.ago.unit == "years":
                assert problem.ago.n < patient.age - 10
            assert problem.status == "active" or problem.ago


def test_orders_of_a_plan_agree_with_one_another_and_with_the_rest():
    for patient in ALL:
        targets = [item.target for item in patient.plan]
        assert not [group for group in sense()["rival_orders"] if len(set(targets) & set(group)) > 1], to_json(patient)
        recent = [operation for operation in patient.operations if operation.ago and operation.ago.unit == "days"]
        if recent or patient.follow_up or (patient.disposition or "").startswith("discharged"):
            assert not set(targets) & set(sense()["orders_of_a_bed"]), to_json(patient)
        if "tobacco use disorder" in [problem.condition for problem in patient.problems]:
            assert patient.smoking in ("current", None)


def test_hospital_facts_stand_only_in_fitting_settings():
    for patient in ALL:
        recent = [operation for operation in patient.operations if operation.ago and operation.ago.unit == "days"]
        assert patient.setting == "inpatient" or not (recent or patient.outcome)
        assert patient.setting != "clinic" or not patient.disposition
        if patient.outcome:
            assert patient.outcome.finding in (patient.complaint.finding, *patient.symptoms)


def test_values_of_slots_are_those_of_the_contract():
    for patient in ALL:
        located = [patient.complaint, *patient.signs, *(f for study in patient.studies for f in study.findings)]
        assert {item.side for item in located} <= {*SIDES, None}
        assert patient.complaint.course in (*COURSES, None)
        assert patient.smoking in (*SMOKING, None)
        assert patient.alcohol in (*ALCOHOL, None)
        assert patient.disposition in (*DISPOSITIONS, None)
        assert patient.diagnosis.certainty in CERTAINTIES
        assert {item.order for item in patient.plan} <= set(ORDERS)
        assert patient.outcome is None or patient.outcome.outcome in OUTCOMES
        times = [
            patient.complaint.duration,
            *(item.within for item in patient.plan),
            *(p.ago for p in patient.problems),
        ]
        assert all(time is None or (isinstance(time, Time) and time.unit in UNITS and time.n > 0) for time in times)


def test_facts_are_neither_few_nor_many():
    counts = [fact_count(patient) for patient in ALL]
    assert min(counts) >= FACT_LIMITS.start
    assert max(counts) < FACT_LIMITS.stop
    assert 25 <= statistics.median(counts) <= 31


def test_a_tenth_of_the_entities_occurs_in_the_test_split_alone():
    lexicon = [*LEXICON.drugs, *LEXICON.conditions, *LEXICON.findings, *LEXICON.labs, *LEXICON.procedures]
    entities = {entry.name for entry in [*lexicon, *LEXICON.services, *LEXICON.advice]}
    train, test = (set().union(*map(names_in, patients)) & entities for patients in (TRAIN, TEST))
    assert 0.08 <= len(test - train) / len(train | test) <= 0.2


def share(holds):
    return sum(map(bool, map(holds, TRAIN))) / len(TRAIN)


def test_shares_that_make_notes_hard():
    assert 0.20 <= share(lambda p: not p.complaint.duration) <= 0.32
    assert 0.18 <= share(lambda p: any(not use.dose for use in p.drugs)) <= 0.32
    assert share(lambda p: 4 <= len(p.drugs) <= 7) >= 0.6
    assert share(lambda p: 2 <= len(p.labs) <= 5) >= 0.9
    assert share(lambda p: sum(bool(value.earlier) for value in p.labs) <= 2) == 1
    changes = [sum(use.change != "continued" for use in p.drugs) for p in TRAIN]
    assert sum(1 <= n <= 3 for n in changes) / len(changes) >= 0.97
    assert 0.12 <= share(lambda p: p.diagnosis.certainty == "suspected") <= 0.35
    changed = [use for p in TRAIN for use in p.drugs if use.change != "continued"]
    assert 0.1 <= sum(bool(use.reason) for use in changed) / len(changed) <= 0.22


def test_about_a_quarter_of_the_sided_notes_leave_the_side_out():
    told = Counter()
    for patient in TRAIN:
        story = next(s for s in scenarios() if fits(patient, s))
        entries = [*story["complaints"], *story["signs"], *(name for _, seen, _ in story["studies"] for name in seen)]
        sided = {named(entry) for entry in entries if "/side" in entry}
        located = [patient.complaint, *patient.signs, *(f for study in patient.studies for f in study.findings)]
        sides = [item.side for item in located if item.finding in sided]
        if sides:
            told[any(sides)] += 1
    assert 0.15 <= told[False] / told.total() <= 0.35


def fits(patient, story):
    complaints = [named(name) for name in story["complaints"]]
    same = patient.diagnosis.condition == story["diagnosis"] and patient.specialty == story["specialty"]
    return same and patient.complaint.finding in complaints
