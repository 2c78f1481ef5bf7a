"""The writer of the notes: every fact stands in the note, in clean English, in all styles, the same for one seed."""

import re
import statistics
from collections import Counter
from functools import cache

import pytest

from clinical.lexicon import load_lexicon
from clinical.patient import (
    ALCOHOL,
    CERTAINTIES,
    CHANGES,
    COURSES,
    DISPOSITIONS,
    OUTCOMES,
    SIDES,
    SMOKING,
    UNITS,
    Allergy,
    Complaint,
    Course,
    Diagnosis,
    DrugUse,
    FollowUp,
    Located,
    Operation,
    Patient,
    PlanItem,
    Problem,
    Relative,
    Study,
    Time,
    Value,
)
from phase1_data_medhal.authors import STYLES, Author, all_authors, draw_author
from phase1_data_medhal.drawing.draw import draw_patient
from phase1_data_medhal.notes.phrases import words
from phase1_data_medhal.notes.sentences import frames
from phase1_data_medhal.notes.writer import choose_style, write_note
from phase1_data_medhal.seeds import seeded

DRAWN = 250
KINDS = ["symptoms", "denied", "problems", "drugs", "started", "held", "stopped", "allergies", "signs", "labs", "plan",
         "follow up"]  # fmt: skip


@cache
def drawn():
    """Patients with their notes."""
    pairs = []
    for number in range(DRAWN):
        rng = seeded("test of notes", number)
        patient, author = draw_patient(rng, False), draw_author(rng, False)
        pairs.append((patient, write_note(patient, author, rng)))
    return pairs


def forms(name, acute=False):
    """All wordings of a concept that the notes know."""
    longer, shorter = words()["words"].get(name, ((), ()))
    flares = [w for group in words()["acute forms"].get(name, ()) for w in group] if acute else []
    return [name, words()["renamed"].get(name, name), *longer, *shorter, *flares]


def stands(name, note, acute=False):
    """Whether a wording of the concept stands in the note; a side may stand between its words."""
    low = f" {re.sub(r'[^a-z0-9%+&/.-]+', ' ', note.lower())} ".replace(". ", " ")
    for form in forms(name, acute):
        tokens = [t for t in re.sub(r"[^a-z0-9%+&/.-]+", " ", form.lower()).split() if t not in ("a", "an", "the")]
        if all(f" {token} " in low or f"{token} " in low for token in tokens):
            return True
    return False


def concepts(patient):
    """Every concept that the facts name."""
    yield patient.complaint.finding
    yield from (*patient.symptoms, *patient.denied, *patient.absent_signs, *patient.ruled_out)
    yield from (p.condition for p in patient.problems)
    yield from (o.procedure for o in patient.operations)
    yield from (r.condition for r in patient.family)
    yield from (s.finding for s in patient.signs)
    yield from (v.name for v in patient.labs)
    yield from (v.name for v in patient.vitals if "blood pressure" not in v.name)
    yield from (item.target for item in patient.plan)
    for use in patient.drugs:
        yield from (x for x in (use.name, use.reason) if x)
    for allergy in patient.allergies or ():
        yield from (x for x in (allergy.substance, allergy.reaction) if x)
    for study in patient.studies:
        yield from (study.procedure, *(f.finding for f in study.findings), *study.absent)
    if patient.outcome:
        yield patient.outcome.finding
    if patient.follow_up:
        yield patient.follow_up.service


def numbers(patient):
    """Every number that the facts state, as text."""
    yield str(patient.age)
    times = [patient.complaint.duration, *(p.ago for p in patient.problems), *(o.ago for o in patient.operations)]
    times += [item.within for item in patient.plan]
    times += [patient.follow_up.after] if patient.follow_up else []
    yield from (str(time.n) for time in times if time)
    for use in patient.drugs:
        yield from (dose.split(" ")[0] for dose in (use.dose, use.new_dose) if dose)
    for value in (*patient.vitals, *patient.labs):
        yield value.value
        yield from [value.earlier] if value.earlier else []
    yield from [str(patient.pack_years)] if patient.pack_years is not None else []
    yield from (item.amount.split(" ")[0] for item in patient.plan if item.amount)


def test_every_concept_stands_in_the_note():
    for patient, note in drawn():
        for name in concepts(patient):
            assert stands(name, note, acute=True), (name, note)
        if patient.diagnosis:
            assert stands(patient.diagnosis.condition, note, acute=True), (patient.diagnosis, note)


def test_every_number_stands_in_the_note():
    for patient, note in drawn():
        for number in numbers(patient):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d|\.\d)", note), (number, note)


def test_sizes_sides_and_sexes_stand_in_the_note():
    for patient, note in drawn():
        located = [*patient.signs, *(f for s in patient.studies for f in s.findings)]
        for item in located:
            if item.size:
                assert f"{item.size} mm" in note or f"{item.size / 10:g} cm" in note, note
            if item.side:
                short = {"left": r"\bL\b", "right": r"\bR\b", "bilateral": r"[bB]/l"}[item.side]
                assert re.search(rf"(?i:\b{item.side})|{short}", note), (item, note)
        male = re.search(r"\b(?:man|male|gentleman|Male)\b|\dM\b|\b(?:yo|y/o) M\b|he\b", note)
        female = re.search(r"\b(?:woman|female|lady|Female)\b|\dF\b|\b(?:yo|y/o) F\b", note)
        assert male if patient.sex == "male" else female, note


def test_doses_follow_their_drug():
    for patient, note in drawn():
        for use in patient.drugs:
            for dose in (use.dose, use.new_dose):
                if dose:
                    number = re.escape(dose.split(" ")[0])
                    names = "|".join(re.escape(form) for form in forms(use.name))
                    assert re.search(rf"(?i)(?:{names})\b[^;]{{0,80}}?(?<![\d.]){number}(?!\d|\.\d)", note), (use, note)


def test_blood_pressures_stand_together():
    for patient, note in drawn():
        values = {v.name: v for v in patient.vitals}
        pair = [values.get(f"{part} blood pressure") for part in ("systolic", "diastolic")]
        if all(pair) and bool(pair[0].earlier) == bool(pair[1].earlier):
            assert f"{pair[0].value}/{pair[1].value}" in note


def test_lengths():
    lengths = [len(note.split()) for _, note in drawn()]
    assert min(lengths) >= 60
    assert max(lengths) <= 300
    assert statistics.median(lengths) <= 120


def test_all_styles_occur_and_favourites_come_first():
    styles = Counter()
    for number, (patient, _) in enumerate(drawn()):
        rng = seeded("styles", number)
        styles[choose_style(patient, draw_author(rng, False), rng)] += 1
    assert set(styles) == set(STYLES)
    patient = drawn()[0][0]
    author = Author("x", ("prose", "soap"), 0.5, 0.5)
    assert choose_style(patient, author, seeded("x")) == "prose"


def test_one_seed_gives_the_same_note():
    author = all_authors()[3]
    for patient, _ in drawn()[:20]:
        assert write_note(patient, author, seeded("again")) == write_note(patient, author, seeded("again"))


def test_notes_differ():
    assert len({note for _, note in drawn()}) == DRAWN
    starts = Counter(re.sub(r"\d+", "#", " ".join(note.split()[:5])) for _, note in drawn())
    assert starts.most_common(1)[0][1] <= DRAWN * 0.06


def test_english_is_clean():
    for _, note in drawn():
        assert not re.search(r"  |[{}\[\]|]|\bNone\b(?! known)|\.\.| [,.;]|\( |a\(n\)|(?m:^\W*$)", note), note
        assert not re.search(r"\ba (?:[aeio]|8\d?[ -]|11[ -]|18[ -])", note), note
        assert not re.search(r"\ban (?:[bcdfgjkmpqtvwyz]|[2-79]|1[02-79])", note), note
        assert not re.search(r"\b(\w{2,}) \1\b", note), note
        assert not re.search(r"\b(?:an?|the) (?:an?|the)\b", note, re.I), note
        assert not re.search(r"\b[Hh]e's|\b[Ss]he's", note), note


def test_no_person_and_no_date():
    for _, note in drawn():
        assert not re.search(r"\b(?:Dr|Mr|Mrs|Ms|Prof)\b|\b(?:19|20)\d\d-\d\d|\d/\d+/\d{2,4}", note), note


def test_no_wording_of_the_notes_means_two_things():
    owners: dict[str, set[str]] = {}
    lexicon = load_lexicon()
    groups = [lexicon.conditions, lexicon.findings, lexicon.labs, lexicon.procedures, lexicon.drugs]
    known = {entry.name for group in groups for entry in group}
    for name in known:
        owners.setdefault(name.lower(), set()).add(name)
    for name, (longer, shorter) in words()["words"].items():
        for form in (*longer, *shorter):
            owners.setdefault(form.lower(), set()).add(name)
    assert not {form: names for form, names in owners.items() if len(names) > 1}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fact_has_many_frames(kind):
    def count(bank):
        return sum(2 ** frame.count("|") if "|" in frame else 1 for frame in bank)

    assert count(frames()[kind]["full"]) >= 12
    assert count(frames()[kind]["terse"]) >= 8


def anybody(rng):
    """A patient of arbitrary facts: every slot filled or missing, whether or not it makes sense."""
    lexicon = load_lexicon()

    def some(entries, low, high):
        return tuple(entry.name for entry in rng.sample(list(entries), k=rng.randint(low, high)))

    def maybe(value):
        return value if rng.random() < 0.6 else None

    def time():
        return Time(rng.randint(1, 30), rng.choice(UNITS))

    def value(name):
        return Value(name, f"{rng.uniform(2, 9):.1f}", maybe(f"{rng.uniform(2, 9):.1f}"))

    def located(name):
        return Located(name, maybe(rng.choice(SIDES)), maybe(rng.randint(2, 40)))

    findings = list(lexicon.findings)
    rng.shuffle(findings)
    procedures = some(lexicon.procedures, 6, 6)
    conditions = some(lexicon.conditions, 6, 6)
    drugs = [
        DrugUse(drug.name, maybe(drug.doses[0]), maybe(drug.routes[0]), maybe(drug.frequencies[0]), change,
                maybe(drug.doses[-1]) if change in ("increased", "decreased") else None, maybe(conditions[0]))
        for drug in rng.sample(list(lexicon.drugs), k=7) for change in [rng.choice(CHANGES)]
    ]  # fmt: skip
    smoking = maybe(rng.choice(SMOKING))
    return Patient(
        age=rng.randint(18, 99), sex=rng.choice(["male", "female"]), specialty="cardiology",
        setting=rng.choice(["emergency", "inpatient", "clinic"]),
        complaint=Complaint(findings[0].name, maybe(rng.choice(SIDES)), maybe(time()), maybe(rng.choice(COURSES))),
        symptoms=tuple(f.name for f in findings[1:rng.randint(1, 4)]),
        denied=tuple(f.name for f in findings[4:rng.randint(4, 7)]),
        problems=tuple(Problem(name, rng.choice(["active", "resolved"]), maybe(time())) for name in conditions[1:3]),
        operations=tuple(Operation(name, maybe("left"), maybe(time())) for name in procedures[:2]),
        family=tuple(Relative(rng.choice(["mother", "brother"]), name) for name in conditions[3:rng.randint(3, 5)]),
        smoking=smoking, pack_years=maybe(20) if smoking != "never" else None, alcohol=maybe(rng.choice(ALCOHOL)),
        drugs=tuple(drugs),
        allergies=rng.choice([None, (), (Allergy("latex", maybe("rash")), Allergy("shellfish"))]),
        vitals=tuple(value(name) for name in ("heart rate", "systolic blood pressure", "diastolic blood pressure")),
        signs=tuple(located(f.name) for f in findings[7:rng.randint(7, 10)]),
        absent_signs=tuple(f.name for f in findings[10:rng.randint(10, 13)]),
        labs=tuple(value(name) for name in ("potassium", "eGFR", "HbA1c", "INR")),
        studies=(Study(procedures[2], tuple(located(f.name) for f in findings[13:rng.randint(13, 16)]),
                       tuple(f.name for f in findings[16:rng.randint(16, 18)])),),
        diagnosis=maybe(Diagnosis(conditions[5], rng.choice(CERTAINTIES), rng.random() < 0.3)),
        ruled_out=(conditions[4],) if rng.random() < 0.5 else (),
        outcome=maybe(Course(findings[0].name, rng.choice(OUTCOMES))),
        plan=(PlanItem("repeat", "potassium", maybe(time())), PlanItem("obtain", procedures[3], maybe(time())),
              PlanItem("refer", "neurology", maybe(time())), PlanItem("consider", procedures[4]),
              PlanItem("advise", "fluid restriction", None, maybe("1500 mL"))),
        disposition=maybe(rng.choice(DISPOSITIONS)), follow_up=maybe(FollowUp("cardiology", maybe(time()))),
    )  # fmt: skip


@cache
def arbitrary():
    """Notes of patients who fill every slot."""
    pairs = []
    for number in range(300):
        rng = seeded("anybody", number)
        patient = anybody(rng)
        pairs.append((patient, write_note(patient, all_authors()[number % 60], rng)))
    return pairs


def test_every_slot_of_the_state_is_told():
    for patient, note in arbitrary():
        for name in concepts(patient):
            assert stands(name, note, acute=True), (name, note)
        for number in numbers(patient):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d|\.\d)", note), (number, note)
        assert not re.search(r"  |[{}\[\]|]|\bNone\b(?! known)|\.\.| [,.;]|\( |a\(n\)", note), note
        assert len(note.split()) <= 300
        if patient.allergies == ():
            assert re.search(r"(?i)NKDA|NKA|none|no (?:known |drug )*allerg", note), note
        if patient.smoking:
            assert re.search(r"(?i)smok|tobacco", note), note
        if patient.alcohol:
            assert re.search(r"(?i)alcohol|EtOH|drink", note), note
        if patient.disposition:
            assert re.search(r"(?i)admi|ICU|intensive|home|rehab|obs|ward", note), note


HAND = Patient(
    age=81, sex="female", specialty="cardiology", setting="inpatient",
    complaint=Complaint("dyspnea", duration=Time(3, "days"), course="worsening"),
    symptoms=("orthopnea",), denied=("chest pain", "fever"),
    problems=(Problem("hypertension", ago=Time(12, "years")), Problem("deep vein thrombosis", "resolved")),
    drugs=(DrugUse("lisinopril", "10 mg", None, "once daily", "held", None, "acute kidney injury"),
           DrugUse("furosemide", "20 mg", "oral", "twice daily", "increased", "40 mg"),
           DrugUse("atorvastatin")),
    allergies=(Allergy("latex", "hives"),),
    vitals=(Value("systolic blood pressure", "142"), Value("diastolic blood pressure", "88")),
    signs=(Located("bibasilar crackles"),), absent_signs=("heart murmur",),
    labs=(Value("creatinine", "2.1", "1.4"), Value("sodium", "131")),
    studies=(Study("chest X-ray", (Located("pulmonary nodule", "left", 4),), ("pneumothorax",)),),
    diagnosis=Diagnosis("heart failure", "confirmed", True), ruled_out=("pulmonary embolism",),
    plan=(PlanItem("repeat", "potassium", Time(2, "days")), PlanItem("advise", "fluid restriction", None, "1500 mL")),
    disposition="admitted", follow_up=FollowUp("cardiology", Time(2, "weeks")),
)  # fmt: skip


@pytest.mark.parametrize("number", range(60))
def test_a_patient_written_by_hand(number):
    author = all_authors()[number]
    note = write_note(HAND, author, seeded("hand", number))
    assert "142/88" in note
    assert re.search(r"4 mm|0\.4 cm", note)
    assert re.search(r"(?i)atorvastatin(?! \d)", note)
    assert re.search(r"1\.4 (?:before and now|->).*2\.1|2\.1.*(?:was|prev|from|earlier|had been|prior).*1\.4", note)
    assert re.search(r"20(?: mg)? (?:to|->) 40 mg|40 mg.*(?:was|prev|from|instead|before)|20 mg.*40 mg", note), note
    assert re.search(r"(?i)hold|held|holding|withh|paus", note)
    assert re.search(r"(?i)resolved", note)
    assert re.search(r"(?i)admit|admission|ward", note)
    assert re.search(r"(?i)ruled out|exclu|r/o'd", note)
    assert len(note.split()) <= 200
