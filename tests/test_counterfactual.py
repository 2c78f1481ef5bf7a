"""Counterfactual tracking: notes that differ in one fact, what a summary makes of it, and the figures of two models."""

from __future__ import annotations

import difflib
import json
import random
from pathlib import Path

import pytest

from benchmarks import counterfactual
from benchmarks.changed_facts import reading as reading
from benchmarks.changed_facts.facts import KINDS
from benchmarks.changed_facts.notes import Change, changes_of
from benchmarks.changed_facts.reading import differ_in_that_alone, outcome, values
from clinical.patient import Complaint, DrugUse, Located, Patient, Relative, Value
from evaluation_stage_a.examples import read_examples
from utils.cli import UserError
from utils.records import read_csv, write_csv

SHIPPED = Path(__file__).resolve().parent.parent / "phase1_data_medhal" / "sft"
NOTES = {"val": 12, "test": 18}


@pytest.fixture(scope="module")
def phase1(tmp_path_factory):
    """The first shipped notes of both splits."""
    folder = tmp_path_factory.mktemp("phase1")
    for split, count in NOTES.items():
        rows = read_csv(SHIPPED / counterfactual.NOTES[split], ("id",))
        write_csv(folder / counterfactual.NOTES[split], list(rows[0]), rows[:count])
    return folder


@pytest.fixture(scope="module")
def changes(phase1):
    examples = [example for name in counterfactual.NOTES.values() for example in read_examples(phase1 / name, None, 0)]
    return counterfactual.all_changes(examples)[0]


# ---------------------------------------------------------------------------------------------- reading surfaces
@pytest.mark.parametrize(
    ("kind", "text", "stated"),
    [
        ("age", "A man of 84 and an 79-year-old woman; 66F, for 3 days.", {"84", "79", "66"}),
        ("duration", "Cough for three days, x2w of fever; amlodipine 5 mg, aged 60 years.", {"3 day", "2 week"}),
        ("dose", "Raised from 20 to 40 mg for 3 days, insulin 10 units.", {"20 mg", "40 mg", "10 unit"}),
        ("value", "Potassium 5.60 (was 4.1), BP 142/88, CRP 95 mg/L in a 60-year-old.", {"5.6", "4.1", "95"}),
        ("drug", "Took Zestril, no penicillin.", {"lisinopril", "penicillins"}),
        ("relative", "His mom and two sisters.", {"mother", "sister"}),
        ("condition", "HTN, and asthma in his sister, with cough.", {"hypertension", "asthma"}),
        ("side", "Left-sided pain, R knee; 1.2 x10^9/L, 5 mmol/L.", {"left", "right"}),
        ("present or denied", "Has fever; denies cough.", {"fever: present", "cough: denied"}),
        ("certainty", "Likely pneumonia. Gout was confirmed.", {"pneumonia: suspected", "gout: confirmed"}),
    ],
)
def test_what_a_text_states(kind, text, stated):
    assert values(KINDS[kind].read, text) == stated


@pytest.mark.parametrize(
    ("changed", "alone"),
    [
        ("An 81-year-old man with cough for 3 days.", True),
        ("An 81-year-old man with a cough for 3 days.", False),
        ("An 81-year-old man with cough for 4 days.", False),
        ("A 79-year-old man with cough for 3 days.", False),
    ],
)
def test_notes_that_differ_in_one_value_alone(changed, alone):
    note = "A 79-year-old man with cough for 3 days."
    assert differ_in_that_alone(reading.ages, note, changed, "79", "81") is alone


def test_a_value_that_stands_elsewhere_too_is_not_told_apart():
    note, changed = (f"Lisinopril {dose} mg, sertraline 10 mg." for dose in (10, 20))
    assert not differ_in_that_alone(reading.doses, note, changed, "10 mg", "20 mg")


@pytest.mark.parametrize(
    ("summary", "end"),
    [
        ("He takes lisinopril 20 mg.", "follows"),
        ("He takes lisinopril 10 mg.", "stays"),
        ("Lisinopril was raised from 10 to 20 mg.", "other"),  # both
        ("He takes lisinopril 40 mg.", "other"),  # a third dose
        ("He takes lisinopril and sertraline 50 mg.", "drops"),  # a dose of the note's own
        ("He takes metoprolol 25 mg.", "drops"),  # invented, but of another drug
        ("He has hypertension.", "drops"),
    ],
)
def test_what_becomes_of_a_dose(summary, end):
    note = "Lisinopril 20 mg, sertraline 50 mg."
    assert outcome(reading.doses, note, summary, "10 mg", "20 mg", about="lisinopril") == end


# ------------------------------------------------------------------------------------------------ changed notes
def test_every_kind_of_fact_can_be_changed(changes):
    assert {change.kind for change in changes} == set(KINDS)


def test_the_changed_note_has_the_new_value_and_not_the_old_one(changes):
    for change in changes:
        read = KINDS[change.kind].read
        assert change.old in values(read, change.note) - values(read, change.changed)
        assert change.new in values(read, change.changed) - values(read, change.note)


def test_nothing_else_is_reworded(changes):
    """By the words themselves: few differ, and those that stand for a number hold it."""
    for change in changes:
        was, now = change.note.split(), change.changed.split()
        blocks = difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
        differing = [(was[a:b], now[c:d]) for tag, a, b, c, d in blocks if tag != "equal"]
        words = sum(max(len(old), len(new)) for old, new in differing)
        assert 0 < words <= (20 if change.kind in ("certainty", "side") else 12), (change, differing)
        if change.kind in ("age", "value", "duration", "follow-up"):
            number = change.new.split()[0]
            new_words = " ".join(word for _, new in differing for word in new)
            assert len(differing) <= 2 and number in new_words, (change, differing)


def test_a_change_follows_from_the_seed(phase1):
    example = read_examples(phase1 / counterfactual.NOTES["test"], None, 0)[3]
    row = (example.example_id, example.clinical_note, example.evidence_stats, counterfactual.CORPUS_SEED)
    assert changes_of(*row) == changes_of(*row)


def test_a_note_that_cannot_be_written_again_is_refused(phase1):
    example = read_examples(phase1 / counterfactual.NOTES["test"], None, 0)[0]
    for name, note in ((example.example_id, example.clinical_note + " Smokes."), ("mine", example.clinical_note)):
        with pytest.raises(UserError, match=r"write_notes\.py"):
            changes_of(name, note, example.evidence_stats, counterfactual.CORPUS_SEED)


PATIENT = Patient(
    60, "male", "cardiology", "clinic", Complaint("cough", "left"),
    drugs=(DrugUse("lisinopril", "10 mg", None, "once daily", "increased", "20 mg"),),
    labs=(Value("potassium", "5.6"),), signs=(Located("wheezes", "left"),),
    family=(Relative("father", "prostate cancer"),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "news"),
    [
        ("dose", {"40 mg"}),  # still an increase, and not the dose it has
        ("side", {"right"}),
        ("relative", {"brother"}),  # no mother has cancer of the prostate
    ],
)
def test_a_new_value_is_as_plausible(kind, news):
    assert {option.new for option in KINDS[kind].options(PATIENT, random.Random(1))} == news


def test_a_high_value_stays_high_and_the_whole_patient_is_mirrored():
    assert all(float(option.new) > 5 for option in KINDS["value"].options(PATIENT, random.Random(1)))
    (option,) = KINDS["side"].options(PATIENT, random.Random(1))
    assert (option.patient.complaint.side, option.patient.signs[0].side) == ("right", "right")


# ----------------------------------------------------------------------------------------------------- figures
def change(number, kind="age"):
    return Change(f"test-{number}", kind, "", "60", "65", f"note {number}", f"changed {number}")


def test_the_sample_takes_turns_among_kinds_and_one_of_a_kind_in_a_note():
    many = [change(number) for number in range(8)] + [change(1, "side"), change(1, "side"), change(2, "side")]
    drawn = counterfactual.choose(many, 5, seed=3)
    assert [c.kind for c in drawn] == ["age", "side", "age", "side", "age"]
    assert {c.example_id for c in drawn if c.kind == "side"} == {"test-1", "test-2"}
    assert counterfactual.choose(many, 5, seed=3) == drawn


def test_two_models_on_the_same_changes():
    changes = [change(number // 2) for number in range(6)]  # of three notes
    before = ["follows", "stays", "drops", "stays", "other", "stays"]
    after = ["follows", "follows", "follows", "follows", "follows", "drops"]
    found = counterfactual.compare(changes, before, after)
    assert [found[name] for name in ("both_follow", "gained", "lost", "neither")] == [1, 4, 0, 1]
    assert found["mcnemar_p"] == pytest.approx(2 * 0.5**4)
    assert found["follows"]["before"] == pytest.approx(1 / 6)
    assert found["follows"]["difference"] == pytest.approx(4 / 6)


def command(phase1, folder, *models):
    options = {"phase1_dir": phase1, "work_dir": folder / "work", "output": folder / "out.json", "device": "cpu"}
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return ["--model_paths", *map(str, models), "--max_new_tokens", "4", "--notes", "6", *named]


def test_a_model_that_copies_its_note_follows_and_one_that_remembers_stays(
    phase1, tmp_path, tiny_model, tiny_adapter, changes, monkeypatch, capsys
):
    unchanged = {change.changed: change.note for change in changes}

    def summaries(checkpoint, notes, device, args):
        remembers = checkpoint.adapter is None
        return [unchanged.get(note, note) if remembers else note for note in notes]

    monkeypatch.setattr(counterfactual, "summaries", summaries)
    argv = command(phase1, tmp_path, tiny_model, tiny_adapter)
    assert counterfactual.main([*argv, "--changes", "20", "--split", "val"]) == 0
    record = json.loads((tmp_path / "out.json").read_text("utf-8"))
    remembering, copying = record["models"]
    assert remembering["stays"]["events"] == copying["follows"]["events"] == 20
    assert copying["states_the_unchanged_fact"]["share"] == 1
    (comparison,) = record["comparisons"]
    assert (comparison["gained"], comparison["lost"], comparison["mcnemar_p"]) == (20, 0, pytest.approx(2 * 0.5**20))
    assert comparison["follows"]["difference"] == 1
    kinds = record["facts_that_can_be_changed_alone"]
    assert sum(ends["stays"]["events"] for ends in remembering["by_kind"].values()) == 20
    assert set(remembering["by_kind"]) <= set(kinds)
    assert set(record["tracked"][0]) == {*counterfactual.KEPT, "outcomes"}  # no texts
    assert "20 gained, 0 lost" in capsys.readouterr().out


def test_a_second_run_loads_no_model_and_a_model_that_says_nothing_is_not_tracked(
    phase1, tmp_path, tiny_model, tiny_adapter, monkeypatch, capsys
):
    argv = command(phase1, tmp_path, tiny_model, tiny_adapter)
    assert counterfactual.main(argv) == 0
    first = json.loads((tmp_path / "out.json").read_text("utf-8"))
    monkeypatch.setattr("utils.models.load_model", lambda *args, **more: pytest.fail("a model was loaded"))
    assert counterfactual.main(argv) == 0
    again = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert {**first, "date": ""} == {**again, "date": ""}
    assert (first["changes"], first["models"][0]["follows"]["share"]) == (0, None)
    assert first["comparisons"][0]["follows"] is None
    assert "take more --notes" in capsys.readouterr().out
