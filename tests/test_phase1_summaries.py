"""Summaries: every chosen fact is in the text, nothing else is, they are short, varied and follow from the seed."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest

from benchmarks.corpus_variety import compression_ratio, mask, sentences_of, shares, variety_of
from clinical.lexicon import load_lexicon
from clinical.patient import (
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
from phase1_data_medhal.authors import draw_author
from phase1_data_medhal.drawing.draw import draw_patient
from phase1_data_medhal.seeds import seeded
from phase1_data_medhal.summaries.phrases import terms, words
from phase1_data_medhal.summaries.writer import choose_facts, write_summary

NUMBERS = {name: n for n, name in enumerate(words()["number"])}
DAYS = {"hours": 1 / 24, "days": 1, "weeks": 7, "months": None, "years": None}

EVERYTHING = Patient(
    age=67,
    sex="female",
    specialty="cardiology",
    setting="inpatient",
    complaint=Complaint("dyspnea", None, Time(14, "days"), "worsening"),
    symptoms=("orthopnea",),
    denied=("chest pain",),
    problems=(Problem("hypertension", "active", Time(12, "months")), Problem("ischemic stroke", "resolved")),
    operations=(Operation("total knee replacement", "left", Time(4, "years")),),
    family=(Relative("father", "colon cancer"),),
    smoking="former",
    pack_years=30,
    alcohol="occasional",
    drugs=(
        DrugUse("furosemide", "40 mg", "oral", "twice daily", "started"),
        DrugUse("metoprolol succinate", "25 mg", None, None, "increased", "50 mg"),
        DrugUse("metformin", change="held", reason="acute kidney injury"),
    ),
    allergies=(Allergy("latex", "rash"),),
    vitals=(Value("oxygen saturation", "88"),),
    signs=(Located("crackles", "bilateral"),),
    absent_signs=("heart murmur",),
    labs=(Value("creatinine", "2.1", "1.4"), Value("potassium", "5.9")),
    studies=(Study("chest X-ray", (Located("pleural effusion", "right"),), ("pulmonary nodule",)),),
    diagnosis=Diagnosis("heart failure", "confirmed", True),
    ruled_out=("pulmonary embolism",),
    outcome=Course("dyspnea", "improved"),
    plan=(PlanItem("repeat", "potassium", Time(3, "days")), PlanItem("advise", "fluid restriction", None, "1500 mL")),
    disposition="discharged home",
    follow_up=FollowUp("cardiology", Time(2, "weeks")),
)


@cache
def written(number: int, held_out: bool = False) -> tuple[Patient, Patient, str]:
    """A drawn patient, the chosen facts and the summary."""
    rng = seeded("summary tests", number, held_out)
    patient = draw_patient(rng, held_out)
    facts = choose_facts(patient, rng)
    return patient, facts, write_summary(facts, draw_author(rng, held_out), rng)


def names_of(name: str) -> list[str]:
    """Every wording of a concept, in lower case; a side asks for the name where no wording is plain."""
    return [wording.lower() for wording in (name, *terms().get(name, ()))]


def says(text: str, name: str) -> bool:
    """Whether the concept is named, be it with a size or a side between its words or in the plural."""
    flat = text.lower()
    return any(n in flat or n.rstrip("s") in flat for n in names_of(name))


def concepts_in(facts: Patient) -> list[str]:
    """All concepts that the summary has to name; those of a named abnormal value are checked by their number."""
    named = [facts.complaint.finding, *facts.symptoms, *facts.denied, *facts.absent_signs, *facts.ruled_out]
    named += [p.condition for p in facts.problems] + [o.procedure for o in facts.operations]
    named += [r.condition for r in facts.family] + [d.name for d in facts.drugs]
    named += [d.reason for d in facts.drugs if d.reason] + [s.finding for s in facts.signs]
    for study in facts.studies:
        named += [study.procedure, *(f.finding for f in study.findings), *study.absent]
    named += [a.substance for a in facts.allergies or ()] + [i.target for i in facts.plan]
    if facts.diagnosis:
        named.append(facts.diagnosis.condition)
    if facts.follow_up:
        named.append(facts.follow_up.service)
    return named


def numbers_in(text: str) -> set[float]:
    """The numbers of a text, in digits or in words; those within names of concepts do not count."""
    for name in sorted(_digit_names(), key=len, reverse=True):
        text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE)
    text = re.sub(r"10\^9", " ", text)
    digits = {float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)}
    return digits | {float(NUMBERS[w]) for w in re.findall(r"[a-z]+", text.lower()) if w in NUMBERS}


@cache
def _digit_names() -> tuple[str, ...]:
    found = [n for name, wordings in terms().items() for n in (name, *wordings)]
    found += [drug.name for drug in load_lexicon().drugs]
    spelled = re.compile(rf"\b(?:{'|'.join(NUMBERS)})\b", re.IGNORECASE)
    return tuple({n for n in found if re.search(r"\d", n) or spelled.search(n)})


def numbers_of(facts: Patient) -> set[float]:
    """The numbers that the facts give, and those that follow from them in another unit."""
    lexicon = load_lexicon()
    per_unit = {float(n) for lab in lexicon.labs for n in re.findall(r"\d+(?:\.\d+)?", lab.unit)}
    found = {float(facts.age), 1.0, *per_unit}
    if facts.pack_years:
        found.add(float(facts.pack_years))

    def visit(item: Any) -> None:
        if isinstance(item, Time):
            found.update({float(item.n), item.n / 24, item.n / 7, item.n * 7.0, item.n / 12})
        elif isinstance(item, str):
            found.update(float(n) for n in re.findall(r"\d+(?:\.\d+)?", item))
            found.update(float(NUMBERS[w]) for w in item.lower().split() if w in NUMBERS)
            found.add(2.0 if "twice" in item else 1.0)
        elif isinstance(item, tuple):
            for part in item:
                visit(part)
        elif isinstance(item, int):
            found.add(float(item))
        elif hasattr(item, "__dataclass_fields__"):
            for field in fields(item):
                visit(getattr(item, field.name))

    visit(facts)
    return found


@pytest.mark.parametrize("number", range(200))
def test_every_fact_is_in_the_text(number: int) -> None:
    _, facts, text = written(number)
    missing = [name for name in concepts_in(facts) if not says(text, name)]
    assert not missing, text
    values = [v.value for v in (*facts.vitals, *facts.labs)]
    doses = [d for use in facts.drugs for d in (use.dose, use.new_dose) if d]
    assert all(v in text for v in [*values, *doses, str(facts.age)]), text


@pytest.mark.parametrize("number", range(200))
def test_no_number_but_the_facts(number: int) -> None:
    _, facts, text = written(number)
    assert numbers_in(text) <= numbers_of(facts), text


@pytest.mark.parametrize("number", range(200))
def test_the_facts_are_the_notes_own_and_the_important_ones_are_there(number: int) -> None:
    patient, facts, _ = written(number)
    assert (facts.age, facts.sex, facts.complaint) == (patient.age, patient.sex, patient.complaint)
    assert facts.diagnosis == patient.diagnosis
    for field in ("symptoms", "denied", "problems", "operations", "family", "vitals", "signs", "labs", "ruled_out"):
        assert set(getattr(facts, field)) <= set(getattr(patient, field))
    changes = {(d.name, d.change, d.reason) for d in patient.drugs}
    assert {(d.name, d.change, d.reason) for d in facts.drugs} <= changes
    assert facts.disposition in (None, patient.disposition)
    assert facts.follow_up in (None, patient.follow_up)


def test_most_summaries_tell_the_changes_of_medicines() -> None:
    told = total = 0
    for number in range(200):
        patient, facts, _ = written(number)
        changed = [d.name for d in patient.drugs if d.change != "continued"]
        if 0 < len(changed) <= 3:
            total += 1
            told += set(changed) <= {d.name for d in facts.drugs}
    assert told / total > 0.85


def test_lengths() -> None:
    lengths = [len(written(number)[2].split()) for number in range(400)]
    assert sum(20 <= n <= 70 for n in lengths) / len(lengths) > 0.99
    assert 30 <= sorted(lengths)[200] <= 55


def test_english_is_tidy() -> None:
    for number in range(400):
        text = written(number)[2]
        assert not re.search(r"[{}\[\]<>|~]|a\(n\)|  | [,.;]|,,|,\.|;\.|\.\.", text), text
        assert not re.search(r"\b(\w{2,}) \1\b", text.lower()), text
        assert not re.search(r"\b[Aa] (?:(?!one\b|eu)[aeio]\w+|8\d?[ -])|\b[Aa]n (?:[bcdfgjklmnpqrstvwz]\w)", text), (
            text
        )
        assert not re.search(r"\b(?:severe|mild|persistent|stable|significant(?! for))\b", _without_names(text)), text


def _without_names(text: str) -> str:
    for name in sorted(_all_names(), key=len, reverse=True):
        text = text.replace(name, " ") if name in text else text
    return text


@cache
def _all_names() -> tuple[str, ...]:
    found = (n for name, wordings in terms().items() for n in (name, *wordings))
    return tuple(n for n in found if re.search("severe|mild|stable", n))


def test_no_wording_means_two_concepts() -> None:
    meaning: dict[str, str] = {}
    for name, wordings in terms().items():
        for wording in wordings:
            assert meaning.setdefault(wording.lower(), name) == name, wording


def test_no_wording_is_the_lexicons_for_another_concept() -> None:
    lexicon = load_lexicon()
    entries: list[Any] = [
        *lexicon.conditions, *lexicon.findings, *lexicon.procedures, *lexicon.services, *lexicon.advice, *lexicon.labs,
    ]  # fmt: skip
    known: dict[str, set[str]] = {}
    for entry in entries:
        for name in (entry.name, *entry.synonyms):
            known.setdefault(name.lower(), set()).add(entry.name)
    wrong = [(w, name) for name, ws in terms().items() for w in ws if name not in known.get(w.lower(), {name})]
    assert not wrong


def test_summaries_are_varied() -> None:
    found = variety_of([written(number)[2] for number in range(400)], seed=7)
    assert found.distinct > 0.95
    assert found.top[0][0] < 0.01
    assert found.top_first[0][0] < 0.02
    assert found.ratio < 3.5


@pytest.mark.parametrize("number", range(40))
def test_all_kinds_of_facts_can_be_told(number: int) -> None:
    rng = seeded("everything", number)
    text = write_summary(EVERYTHING, draw_author(rng, False), rng)
    assert all(says(text, name) for name in concepts_in(EVERYTHING)), text
    assert numbers_in(text) <= numbers_of(EVERYTHING), text
    assert all(part in text for part in ("88", "2.1", "5.9", "25 mg", "50 mg", "40 mg", "1500 mL", "father")), text


@pytest.mark.parametrize("sex", ["male", "female"])
def test_pronouns_agree(sex: str) -> None:
    wrong = r"\b(?:she|her|woman)\b" if sex == "male" else r"\b(?:he|his|him|man)\b"
    for number in range(40):
        rng = seeded("pronouns", number)
        text = write_summary(replace(EVERYTHING, sex=sex), draw_author(rng, False), rng)
        assert not re.search(wrong, text.lower()), text


def test_a_bare_complaint_is_a_sentence() -> None:
    bare = Patient(40, "male", "neurology", "clinic", Complaint("headache"))
    rng = seeded("bare")
    text = write_summary(bare, draw_author(rng, False), rng)
    assert says(text, "headache")
    assert text.endswith(".")


def test_the_same_seed_writes_the_same_text() -> None:
    first = written(3)
    written.cache_clear()
    assert written(3) == first


def test_masking_hides_terms_and_numbers() -> None:
    assert mask("She was started on furosemide 40 mg for three days.") == "she was started on X # for # days.".lower()


def test_few_frames_compress_well_and_repeat() -> None:
    texts = ["She denied chest pain. He went home.", "She denied fever. He went home."] * 20
    assert compression_ratio(texts, seed=1) > 5
    assert shares([mask(s) for text in texts for s in sentences_of(text)])[0][0] == pytest.approx(0.5)
    assert variety_of(texts, seed=1).distinct == pytest.approx(2 / 80)
