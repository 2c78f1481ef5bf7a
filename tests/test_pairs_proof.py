"""Negatives are wrong and chosen summaries are not, by the facts behind the shipped notes; and the benchmark of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

import generate_phase2_data
from adversarial.pairs import LABELLED, note_id
from benchmarks import pairs_proof
from clinical.patient import Complaint, Patient, to_json
from utils.cli import UserError
from utils.prompts import completion_messages
from utils.records import read_csv, write_csv

SHIPPED = Path(__file__).resolve().parent.parent / "phase1_data_medhal" / "sft"
NOTES = {"train_set_processed.csv": 85, "validation_set_processed.csv": 5}
COUGH = Patient(60, "male", "pulmonology", "clinic", Complaint("cough"))
NOTE = "A 60-year-old man with a cough."


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    """A random share of the shipped notes, and the pairs that the generator makes of it."""
    phase1, phase2 = (tmp_path_factory.mktemp(name) for name in ("phase1", "phase2"))
    for name, count in NOTES.items():
        rows = read_csv(SHIPPED / name, ("id",))
        write_csv(phase1 / name, list(rows[0]), random.Random(11).sample(rows, count))
    assert generate_phase2_data.main(["--phase1_dir", str(phase1), "--phase2_dir", str(phase2)]) == 0
    return phase1, phase2


def test_negatives_are_wrong_and_chosen_are_not_by_the_known_facts(share, tmp_path):
    """The bars: at least 98 % of 200 negatives state something wrong, at least 99 % of the chosen do not."""
    phase1, phase2 = share
    output = tmp_path / "proof.json"
    argv = ["--pairs_dir", str(phase2), "--phase1_dir", str(phase1), "--pairs", "200", "--output", str(output)]
    assert pairs_proof.main(argv) == 0
    found = json.loads(output.read_text("utf-8"))
    assert found["negatives_wrong"]["total"] == 200
    assert found["negatives_wrong"]["share"] >= pairs_proof.NEGATIVES_BAR, found["negatives_judged_clean"]
    assert found["chosen_without_error"]["share"] >= pairs_proof.CHOSEN_BAR, found["chosen_judged_wrong"]
    assert len(found["negatives_wrong_by_kind"]) >= 8


def pair(number, rejected="A 60-year-old man with a rash.", types=("condition",), **more):
    return {
        "chosen": completion_messages("A 60-year-old man with a cough."),
        "rejected": completion_messages(rejected),
        "id": f"row-{number}",
        "note_id": note_id(NOTE),
        "strategy": "entity_swap",
        "edits": [{"old": "cough", "new": "rash", "type": type_} for type_ in types],
        "severity": "minor",
        **more,
    }


def judged(*pairs):
    return pairs_proof.judge_pairs(pairs, {note_id(NOTE): COUGH})


def test_a_negative_that_says_nothing_wrong_is_a_failure():
    rows = judged(pair(1), pair(2, rejected="A 60-year-old man with a cough."))
    assert pairs_proof.negatives_wrong(rows)[:2] == (1, 2)
    failures = pairs_proof.failures(rows, 5)
    assert [failure["id"] for failure in failures["negatives_judged_clean"]] == ["row-2"]
    assert failures["chosen_judged_wrong"] == []


def test_a_chosen_summary_counts_once_and_is_a_failure_when_it_is_wrong():
    wrong = {"chosen": completion_messages("A 60-year-old man with a fever.")}
    rows = judged(pair(1), pair(2), pair(3, **wrong), pair(4, **wrong))
    assert pairs_proof.chosen_sound(rows)[:2] == (1, 2)
    (failure,) = pairs_proof.failures(rows, 5)["chosen_judged_wrong"]
    assert [error["text"] for error in failure["errors"]] == ["fever"]


def test_no_more_failures_than_asked_for_are_kept():
    rows = judged(*(pair(number, rejected="A 60-year-old man with a cough.") for number in range(4)))
    assert len(pairs_proof.failures(rows, 3)["negatives_judged_clean"]) == 3


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "condition"),
        ({"types": ("number", "number")}, "number"),  # one value exchanged for another: two edits, one fact
        ({"types": ("number", "time"), "severity": "moderate"}, "several"),
        ({"types": ("number", "number"), "severity": "moderate"}, "several"),
        ({"types": ("fabricated",), "strategy": LABELLED}, LABELLED),
    ],
)
def test_kinds(more, kind):
    assert pairs_proof.kind_of(pair(1, **more)) == kind


def test_the_sample_takes_turns_among_kinds_whatever_the_order():
    pairs = [pair(n) for n in range(90)] + [pair(n, types=("dose",)) for n in range(90, 100)]
    drawn = pairs_proof.draw(pairs, 30, seed=1)
    assert Counter(map(pairs_proof.kind_of, drawn)) == {"condition": 20, "dose": 10}
    assert pairs_proof.draw(pairs[::-1], 30, seed=1) == drawn
    assert pairs_proof.draw(pairs, 30, seed=2) != drawn
    assert len(pairs_proof.draw(pairs, 500, seed=1)) == 100


def test_the_estimate_weighs_each_kind_by_its_number_of_pairs():
    rows = judged(pair(1), pair(2, rejected="A 60-year-old man with a cough.", types=("dose",)))
    figures = pairs_proof.proof(rows, {"condition": 30, "dose": 10})
    assert figures["negatives_wrong"].share == 0.5
    assert figures["negatives_wrong_as_they_come"] == 0.75


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "no pairs, one JSON object a line"),
        ([], "holds no pairs"),
        (['{"chosen": "a", "rejected": "b"}'], "pair 1 has no edits, id, note_id, severity, strategy"),
    ],
)
def test_faulty_pairs_are_one_message(tmp_path, lines, message):
    for name in pairs_proof.PAIR_FILES:
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        pairs_proof.read_pairs(tmp_path)


def test_notes_without_facts_are_one_message(tmp_path):
    for name, facts in zip(pairs_proof.PHASE1_FILES, (to_json(COUGH), "{}"), strict=True):
        rows = [{"id": "row-7", "clinical_note": NOTE, "evidence_stats": facts}]
        write_csv(tmp_path / name, list(rows[0]), rows)
    with pytest.raises(UserError, match="row-7"):
        pairs_proof.read_patients(tmp_path)
    with pytest.raises(UserError, match="row-1 is of a note"):
        pairs_proof.judge_pairs([pair(1)], {})
