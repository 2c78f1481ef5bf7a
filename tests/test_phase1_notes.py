"""The shipped notes: the same bytes from the same seed, and summaries that their notes bear out."""

import csv
import json
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import fields
from pathlib import Path

import pytest

from clinical.lexicon import load_lexicon
from phase1_data_medhal import write_notes as script
from phase1_data_medhal.alter import ALTERATIONS, alter_one_fact
from phase1_data_medhal.draw import draw_patient, scenarios
from phase1_data_medhal.note_writer import write_note
from phase1_data_medhal.patient import seeded
from phase1_data_medhal.phrases import tidy
from phase1_data_medhal.summary_writer import choose_facts, write_summary
from utils.records import PHASE1_COLUMNS

SHIPPED = Path(script.__file__).parent / "sft"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def read(split):
    with (SHIPPED / f"{split}_set_processed.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = {split: read(split) for split in script.DEFAULT_SIZES}
ALL = [row for rows in ROWS.values() for row in rows]
FACTUAL = [row for row in ALL if row["label"] == "factual"]
HALLUCINATED = [row for row in ALL if row["label"] == "hallucinated"]


def test_the_default_command_writes_the_shipped_bytes(tmp_path):
    assert script.main(["--output_dir", str(tmp_path)]) == 0
    for split in script.DEFAULT_SIZES:
        name = f"{split}_set_processed.csv"
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), f"{name}: run write_notes.py again"


def test_a_row_depends_on_nothing_but_seed_split_and_number():
    later_first = [script.rows_of_note(7, "test", number) for number in (40, 3)]
    assert later_first[1] == script.rows_of_note(7, "test", 3)
    assert script.rows_of_note(8, "test", 3) != later_first[1]
    assert later_first[0][0] in ROWS["test"]


def test_the_script_runs_from_any_folder(tmp_path):
    sizes = ["--train", "2", "--validation", "1", "--test", "1"]
    done = subprocess.run(
        [sys.executable, script.__file__, "--output_dir", "here", *sizes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "here").glob("*_set_processed.csv"))) == 3


def test_sizes_columns_and_ids():
    for split, rows in ROWS.items():
        assert sum(row["label"] == "factual" for row in rows) == script.DEFAULT_SIZES[split]
        assert tuple(rows[0]) == PHASE1_COLUMNS
    assert len({row["id"] for row in ALL}) == len(ALL)
    assert all(row["hallucination_type"] == "" for row in FACTUAL)


def test_no_two_factual_rows_share_a_note_in_any_split():
    assert len({row["clinical_note"] for row in FACTUAL}) == len(FACTUAL)


def test_hallucinated_rows_pair_with_a_factual_row_of_their_split():
    for split, rows in ROWS.items():
        factual = {row["clinical_note"]: row["model_summary"] for row in rows if row["label"] == "factual"}
        wrong = [row for row in rows if row["label"] == "hallucinated"]
        assert 0.06 <= len(wrong) / len(factual) <= 0.10, split
        for row in wrong:
            assert factual[row["clinical_note"]] != row["model_summary"], row["id"]
    assert {row["hallucination_type"] for row in HALLUCINATED} == set(ALTERATIONS)


def test_word_counts():
    notes = [len(row["clinical_note"].split()) for row in FACTUAL]
    summaries = [len(row["model_summary"].split()) for row in FACTUAL]
    assert min(notes) >= 60
    assert max(notes) <= 200
    assert 95 <= statistics.median(notes) <= 120
    assert min(summaries) >= 20
    assert max(summaries) <= 60


def test_every_number_of_a_summary_stands_in_its_note():
    for row in FACTUAL:
        assert set(NUMBER.findall(row["model_summary"])) <= set(NUMBER.findall(row["clinical_note"])), row["id"]


def test_every_drug_of_a_summary_stands_in_its_note():
    names = re.compile("|".join(re.escape(d.name) for d in load_lexicon().drugs))
    seen = 0
    for row in FACTUAL:
        told = set(names.findall(row["model_summary"].lower()))
        assert told <= set(names.findall(row["clinical_note"].lower())), row["id"]
        seen += len(told)
    assert seen > len(FACTUAL) / 2


def doses_told(text):
    """Each drug's doses: those that stand between its name and the next drug, comma or full stop."""
    names = "|".join(re.escape(d.name) for d in load_lexicon().drugs)
    told = defaultdict(set)
    pieces = re.split(f"({names})", text.lower())
    for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
        clause = re.split(r"[,;]|\.(?:\s|$)", after)[0]
        told[name] |= set(re.findall(r"\d[\d./]*(?: (?:mg|mcg|g|units)(?![/\w])|%)", clause))
    return told


def test_every_dose_of_a_summary_belongs_to_that_drug_in_the_note():
    """Several drugs have near doses, so a swap would be easy."""
    seen = 0
    for row in FACTUAL:
        note = doses_told(row["clinical_note"])
        for drug, doses in doses_told(row["model_summary"]).items():
            assert doses <= note[drug], row["id"]
            seen += len(doses)
    assert seen > len(FACTUAL) / 2


def test_summaries_take_only_facts_of_the_patient():
    """The writers see one patient; what is chosen must be part of it, and what is missing must stay missing."""
    for number in range(300):
        rng = seeded("test", number)
        patient = draw_patient(rng)
        facts = choose_facts(patient, rng)
        assert (facts.age, facts.sex, facts.complaint) == (patient.age, patient.sex, patient.complaint)
        for field in fields(facts):
            chosen, given = getattr(facts, field.name), getattr(patient, field.name)
            if field.name in ("symptoms", "denied", "conditions", "drugs", "labs", "vitals", "plan"):
                assert set(chosen) <= set(given), field.name
            elif field.name not in ("setting", "counter_typical"):
                assert chosen in (given, None, ()), field.name


def test_an_alteration_is_never_true_of_the_patient():
    for number in range(300):
        rng = seeded("altered", number)
        patient = draw_patient(rng)
        facts = choose_facts(patient, rng)
        altered, kind = alter_one_fact(facts, patient, rng)
        assert altered != facts
        new = {s for s in altered.symptoms if s not in patient.symptoms}
        new |= {c for c in altered.conditions if c not in patient.conditions}
        new |= {d for d in altered.drugs if d not in patient.drugs}
        slots = ("side", "duration", "diagnosis", "follow_up")
        new |= {s for s in slots if getattr(altered, s) not in (getattr(patient, s), None)}
        assert len(new) == 1, (number, kind, new)


@pytest.mark.parametrize("missing", ["duration", "dose", "side"])
def test_usual_slots_are_missing_in_a_fair_share_of_notes(missing):
    patients = [draw_patient(seeded("slots", number)) for number in range(600)]
    if missing == "side":
        states = [p.side is None for p in patients if p.sided]
    elif missing == "duration":
        states = [p.duration is None for p in patients]
    else:
        states = [any(d.dose is None for d in p.drugs) for p in patients]
    assert 0.15 <= statistics.mean(states) <= 0.35


def test_medicine_makes_sense():
    classes = {d.name: d.drug_class for d in load_lexicon().drugs}
    for number in range(600):
        patient = draw_patient(seeded("sense", number))
        names = [d.name for d in patient.drugs]
        kept = [classes[d.name] for d in patient.drugs if d.change not in ("held", "stopped")]
        assert len(set(names)) == len(names)
        assert max(Counter(kept).values(), default=0) <= 1, names
        assert not ("NSAID" in kept and "anticoagulant" in kept), names
        if patient.allergy and patient.allergy[0] == "penicillin":
            assert not any("penicillin" in c or "cephalosporin" in c for c in kept), names
        temperature = next((float(v.value) for v in patient.vitals if v.name == "temperature"), None)
        if temperature and "fever" in (*patient.symptoms, *patient.denied):
            assert (temperature >= 37.8) == ("fever" in patient.symptoms)
        assert set(patient.symptoms).isdisjoint(patient.denied)


def test_values_are_plausible_and_print_in_the_note():
    labs = {lab.name: lab for lab in load_lexicon().labs}
    for number in range(200):
        rng = seeded("values", number)
        patient = draw_patient(rng)
        note = write_note(patient, rng)
        for value in (*patient.labs, *patient.vitals):
            lab = labs[value.name]
            assert lab.plausible_low <= float(value.value) <= lab.plausible_high
            assert value.value in NUMBER.findall(note), (value, note)
        for use in patient.drugs:
            assert use.name in note.lower()
            assert all(dose in note for dose in (use.dose, use.new_dose) if dose and use.change != "increased")


@pytest.mark.parametrize("text", ["clinical_note", "model_summary"])
def test_english_is_clean(text):
    for row in ALL:
        written = row[text]
        assert not re.search(r"  |\{|\}|None|\.\.| [,.;]|\( ", written), written
        assert not re.search(r"\ba (?:[aeio]|8|11\b|18\b)", written), written
        assert not re.search(r"\ban (?:[bcdfgjkmpqtvwyz]|[2-79]|1[02-79]?\b)", written), written
        assert tidy(written) == written
        for line in written.split("\n"):
            assert line[0].isupper() or line[0].isdigit(), line
            assert line[-1] == ".", line
        assert not re.search(r"[a-z)]\. [a-df-z]", written), written  # an eGFR may open a sentence


def test_frames_name_only_slots_that_are_filled():
    """Each lead, each order and each style turns up over enough patients, and none leaves an error."""
    for number in range(1500):
        rng = seeded("frames", number)
        patient = draw_patient(rng)
        assert write_note(patient, rng)
        assert write_summary(choose_facts(patient, rng), rng)


def test_notes_are_varied():
    assert len({json.loads(row["evidence_stats"])[0][3] for row in FACTUAL}) >= 8
    assert len(scenarios()) >= 8
    starts = Counter(re.sub(r"\d+", "#", " ".join(row["clinical_note"].split()[:5])) for row in FACTUAL)
    assert starts.most_common(1)[0][1] / len(FACTUAL) < 0.1
    skeletons = Counter(re.sub(r"\d+", "#", " ".join(row["model_summary"].split()[:4])) for row in FACTUAL)
    assert skeletons.most_common(1)[0][1] / len(FACTUAL) < 0.25


def test_evidence_is_compact_and_carries_the_patient():
    for row in FACTUAL:
        facts = json.loads(row["evidence_stats"])
        assert all(isinstance(fact, list) and len(fact) > 1 for fact in facts)
        assert str(facts[0][1]) in row["clinical_note"]
        assert row["evidence_stats"] == json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
