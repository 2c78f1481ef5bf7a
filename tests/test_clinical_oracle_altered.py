"""Altering one fact of a state under a fixed summary flips the verdicts that depend on the fact, and no others."""

import random
from dataclasses import replace

import pytest

from clinical.oracle import judge
from clinical.oracle.claims import RIGHT
from clinical.patient import Course, Located, PlanItem, Problem, Relative, Time
from tests.oracle_cases import HEART, HEART_RIGHT, LUNG, LUNG_RIGHT

OTHER_SIDE = {"left": "right", "right": "left", "bilateral": "left"}


def swap(items, old, new):
    return tuple(new if item is old else item for item in items)


# Each alteration returns the altered patient and the words of which one occurs in what a dependent claim was
# compared with, before or after; None where the patient has no such fact.
def dose(patient, rng):
    known = [drug for drug in patient.drugs if drug.dose and not drug.new_dose]
    drug = rng.choice(known)
    number, unit = drug.dose.split()
    other = replace(drug, dose=f"{float(number) * 3 + 7:g} {unit}")
    return replace(patient, drugs=swap(patient.drugs, drug, other)), [f"{drug.name} dose"]


def new_dose(patient, rng):
    known = [drug for drug in patient.drugs if drug.new_dose]
    if not known:
        return None
    drug = rng.choice(known)
    return replace(patient, drugs=swap(patient.drugs, drug, replace(drug, new_dose="90 mg"))), [f"{drug.name} dose"]


def change(patient, rng):
    drug = rng.choice([drug for drug in patient.drugs if not drug.new_dose])
    other = rng.choice([c for c in ("started", "stopped", "held", "continued") if c != drug.change])
    return replace(patient, drugs=swap(patient.drugs, drug, replace(drug, change=other))), [f"{drug.name} change"]


def no_drug(patient, rng):
    drug = rng.choice(patient.drugs)
    words = [drug.name, *([drug.reason] if drug.reason else [])]
    return replace(patient, drugs=tuple(d for d in patient.drugs if d is not drug)), [*words, "unstated"]


def lab(patient, rng):
    value = rng.choice(patient.labs)
    other = replace(value, value=f"{float(value.value) * 1.7 + 0.3:g}")
    return replace(patient, labs=swap(patient.labs, value, other)), [f"labs: {value.name}"]


def vital(patient, rng):
    value = rng.choice(patient.vitals)
    words = [f"labs: {value.name}", "blood pressure"]
    other = replace(value, value=f"{float(value.value) + 3:g}")
    return replace(patient, vitals=swap(patient.vitals, value, other)), words


def trend(patient, rng):
    value = rng.choice([value for value in patient.labs if value.earlier])
    other = replace(value, earlier=f"{float(value.value) * 2:g}" if float(value.earlier) < float(value.value) else "1")
    return replace(patient, labs=swap(patient.labs, value, other)), [f"labs: {value.name}"]


def complaint_side(patient, rng):
    side = patient.complaint.side
    if side is None:
        return None
    return replace(patient, complaint=replace(patient.complaint, side=OTHER_SIDE[side])), ["complaint side"]


def finding_side(patient, rng):
    study = patient.studies[0]
    sided = [finding for finding in study.findings if finding.side]
    if not sided:
        return None
    finding = rng.choice(sided)
    other = Located(finding.finding, OTHER_SIDE[finding.side], finding.size)
    studies = (replace(study, findings=swap(study.findings, finding, other)),)
    return replace(patient, studies=studies), [f"{finding.finding} side"]


def duration(patient, rng):
    other = replace(patient.complaint, duration=Time(11, "hours"))
    return replace(patient, complaint=other), [f"time: {patient.complaint.finding}"]


def denied_is_present(patient, rng):
    name = rng.choice(patient.denied)
    denied = tuple(other for other in patient.denied if other != name)
    return replace(patient, denied=denied, symptoms=(*patient.symptoms, name)), [name]


def present_is_denied(patient, rng):
    name = rng.choice([s for s in patient.symptoms if patient.outcome is None or s != patient.outcome.finding])
    symptoms = tuple(other for other in patient.symptoms if other != name)
    return replace(patient, symptoms=symptoms, denied=(*patient.denied, name)), [name]


def forgotten_denial(patient, rng):
    name = rng.choice(patient.denied)
    return replace(patient, denied=tuple(other for other in patient.denied if other != name)), [name, "temperature"]


def sex(patient, rng):
    return replace(patient, sex="female" if patient.sex == "male" else "male"), ["sex"]


def age(patient, rng):
    return replace(patient, age=patient.age + rng.choice([-25, 25])), ["age"]


def no_problem(patient, rng):
    problem = rng.choice(patient.problems)
    others = tuple(p for p in patient.problems if p is not problem)
    return replace(patient, problems=others), [problem.condition, "blood pressure"]


def problem_time(patient, rng):
    problem = rng.choice([p for p in patient.problems if p.ago])
    other = Problem(problem.condition, problem.status, Time(25, "years"))
    return replace(patient, problems=swap(patient.problems, problem, other)), [f"time: {problem.condition}"]


def certainty(patient, rng):
    other = "suspected" if patient.diagnosis.certainty == "confirmed" else "confirmed"
    return replace(patient, diagnosis=replace(patient.diagnosis, certainty=other)), ["diagnosis"]


def relative(patient, rng):
    other = Relative("sister", patient.family[0].condition)
    return replace(patient, family=(other,)), ["family"]


def disposition(patient, rng):
    return replace(patient, disposition="admitted to intensive care"), ["disposition"]


def plan_time(patient, rng):
    timed = [item for item in patient.plan if item.within]
    if not timed:
        return None
    item = rng.choice(timed)
    other = PlanItem(item.order, item.target, Time(9, "months"))
    return replace(patient, plan=swap(patient.plan, item, other)), [f"time: {item.target}"]


def outcome(patient, rng):
    if patient.outcome is None:
        return None
    return replace(patient, outcome=Course(patient.outcome.finding, "unchanged")), ["outcome"]


def smoking(patient, rng):
    return replace(patient, smoking="never"), ["smoking"]


def allergies(patient, rng):
    return replace(patient, allergies=None if patient.allergies == () else ()), ["allergies", "reaction"]


ALTERATIONS = (
    dose, new_dose, change, no_drug, lab, vital, trend, complaint_side, finding_side, duration, denied_is_present,
    present_is_denied, forgotten_denial, sex, age, no_problem, problem_time, certainty, relative, disposition,
    plan_time, outcome, smoking, allergies,
)  # fmt: skip
CASES = [*((HEART, text) for text in HEART_RIGHT), *((LUNG, text) for text in LUNG_RIGHT)]
SEEDS = range(3)


def compared(patient, summary):
    """Where each claim of a summary was found -> (whether it is right, what it was compared with)."""
    found = {}
    for claim in judge(patient, summary).claims:
        told = found.setdefault((claim.start, claim.end), [True, ""])
        told[0] = told[0] and claim.verdict == RIGHT
        told[1] += f"{claim.compared} | "
    return found


def flips(patient, altered, summary):
    """The claims whose verdict flips, and all claims: what each was compared with before and after."""
    before, after = compared(patient, summary), compared(altered, summary)
    told = {key: f"{before.get(key, ['', ''])[1]}{after.get(key, ['', ''])[1]}" for key in {**before, **after}}
    flipped = [key for key in told if before.get(key, [None])[0] != after.get(key, [None])[0]]
    return flipped, told


def runs():
    for alteration in ALTERATIONS:
        for patient, summary in CASES:
            for seed in SEEDS:
                result = alteration(patient, random.Random(seed))
                if result is not None:
                    yield alteration.__name__, patient, *result, summary


def test_only_dependent_verdicts_flip():
    total, strays = 0, []
    for name, patient, altered, words, summary in runs():
        flipped, told = flips(patient, altered, summary)
        total += len(told)
        strays += [(name, summary, summary[a:b], told[a, b]) for a, b in flipped if not depends(told[a, b], words)]
    assert total > 5000
    assert len(strays) <= 0.01 * total, strays[:20]


def depends(told, words):
    return any(word in told for word in words)


@pytest.mark.parametrize(
    ("alteration", "patient", "summary"),
    [
        (new_dose, HEART, "Furosemide was increased to 40 mg."),
        (lab, LUNG, "D-dimer was 2400, troponin 0.01 and hemoglobin 10.2."),
        (trend, LUNG, "Hemoglobin fell."),
        (complaint_side, HEART, "He has left leg swelling."),
        (duration, HEART, "He has had leg swelling for two weeks."),
        (denied_is_present, HEART, "He denies chest pain and fever."),
        (present_is_denied, LUNG, "She has a cough and pleuritic chest pain."),
        (forgotten_denial, LUNG, "She denies hemoptysis, leg swelling and syncope."),
        (sex, LUNG, "She has a cough."),
        (age, HEART, "A 67-year-old with leg swelling."),
        (certainty, LUNG, "She has a suspected pulmonary embolism."),
        (certainty, HEART, "He has acute heart failure."),
        (relative, HEART, "His mother had breast cancer."),
        (disposition, HEART, "He was discharged home."),
        (outcome, HEART, "His orthopnea improved."),
        (smoking, LUNG, "She is a smoker."),
        (allergies, LUNG, "She has no known allergies."),
        (plan_time, HEART, "Potassium in 3 days and an echocardiogram in two weeks."),
        (problem_time, LUNG, "She has had asthma for 12 years."),
        (no_problem, LUNG, "She has asthma and migraine."),
        (finding_side, HEART, "X-ray: right pleural effusion and left pulmonary nodule."),
    ],
)
def test_a_dependent_verdict_flips(alteration, patient, summary):
    for seed in range(6):
        result = alteration(patient, random.Random(seed))
        assert result is not None
        altered, words = result
        assert not judge(patient, summary).hallucinated
        flipped, told = flips(patient, altered, summary)
        assert flipped and all(depends(told[key], words) for key in flipped)
