"""The importer as its user runs it: tables in, three Phase 1 files out; then Stage A and steps 1 to 4 on them."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

import generate_phase2_data
import manual_assessment_tool
import stage_b_dpo_training
from evaluation_stage_a import evaluate_stage_a
from models import train_stage_a
from phase1_data_medhal import import_notes
from tests.tiny import build_tiny_model
from utils.cli import PROJECT_ROOT, UserError
from utils.records import PHASE1_COLUMNS, read_csv, read_jsonl

OWN = Path(__file__).parent / "own_notes.csv"  # in MTS-Dialog's columns; invented
COLUMNS = ("--note_column", "dialogue", "--summary_column", "section_text")
SHARES = ("--validation_share", "0.25", "--test_share", "0.25", "--seed", "1")
NOTE = "A man of {} with a cough for three days, who takes lisinopril 10 mg daily and denies a fever."
SIDES = ("train", "validation", "test")


def run(output_dir, *words):
    assert import_notes.main([*map(str, words), "--output_dir", str(output_dir)]) == 0
    return output_dir


def own(output_dir, *more):
    return run(output_dir, "--input", OWN, *COLUMNS, *SHARES, *more)


def written(folder):
    return {side: read_csv(folder / f"{side}_set_processed.csv", PHASE1_COLUMNS) for side in SIDES}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}


def medhal_rows(count=40):
    """Two statements of each note, as MedHal has them: one that it supports, one that it does not."""
    columns = ("id", "context", "statement", "label", "explanation", "inner_id", "source", "synthetic")
    rows = []
    for number in range(count):
        note = NOTE.format(30 + number)
        for days, label in (("three", True), ("nine", False)):
            statement = f"A man of {30 + number} has had a cough for {days} days."
            source = "mednli" if number % 4 == 0 else "acm"
            rows.append((f"{number}-{label}", note, statement, label, "...", str(number), source, False))
    rows.append(("q", None, "Lisinopril is an inhibitor of an enzyme.", True, "...", "q", "medmcqa", False))
    return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture(params=[".jsonl", ".parquet"])
def medhal(request, tmp_path):
    """A file in MedHal's columns."""
    path = tmp_path / f"medhal{request.param}"
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in medhal_rows()))
    else:
        parquet.write_table(pyarrow.Table.from_pylist(medhal_rows()), path)
    return path


def test_every_row_is_in_one_file_as_it_was_written(tmp_path, capsys):
    folder = own(tmp_path / "own")
    source = {f"own_notes.csv:{n}": row for n, row in enumerate(read_csv(OWN, ("dialogue",)), start=1)}
    kept = [row for rows in written(folder).values() for row in rows]
    aside = read_csv(folder / "set_aside.csv", import_notes.ASIDE_COLUMNS)
    assert sorted([row["id"] for row in kept] + [f"{row['table']}:{row['row']}" for row in aside]) == sorted(source)
    for row in kept:
        assert row["clinical_note"] == source[row["id"]]["dialogue"].strip()
        assert row["model_summary"] == source[row["id"]]["section_text"]
        assert (row["label"], row["hallucination_type"], row["evidence_stats"]) == ("factual", "", "")
    assert {row["row"]: row["reason"] for row in aside} == {
        "4": "summary of fewer than 5 words",
        "17": "same note and summary as an earlier row",
        "18": "summary longer than its note",
        "20": "empty summary",
    }
    assert aside[0]["clinical_note"].startswith("Doctor: Any allergies?")
    printed = capsys.readouterr().out
    assert "Read         20 rows" in printed
    assert "none; every summary counts as factual (--label_column" in printed
    assert re.search(r"train +10 +0\n +validation +3 +0\n +test +3 +0\n", printed)
    assert "      1  summary longer than its note" in printed


def test_the_same_command_writes_the_same_bytes(tmp_path):
    first = content(own(tmp_path / "a"))
    assert content(own(tmp_path / "b")) == first
    assert content(own(tmp_path / "a")) == first  # over an earlier import
    assert content(own(tmp_path / "c", "--seed", "2")) != first


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_only_the_owner_can_read_what_was_imported(tmp_path):
    folder = own(tmp_path / "own")
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}


def test_medhal_without_mednli(medhal, tmp_path, capsys):
    folder = run(tmp_path / "own", "--medhal", medhal)
    rows = [row for side in written(folder).values() for row in side]
    assert len(rows) == 60
    assert {(" nine " in row["model_summary"], row["label"]) for row in rows} == {
        (True, "hallucinated"),
        (False, "factual"),
    }
    notes = {side: {row["clinical_note"] for row in rows} for side, rows in written(folder).items()}
    assert sum(map(len, notes.values())) == len(set.union(*notes.values())) == 30
    results = json.loads((folder / "run.json").read_text("utf-8"))["results"]
    assert results["set aside"] == {"of the data set mednli": 20, "empty note": 1}
    printed = capsys.readouterr().out
    assert "'true'" not in printed
    assert "true (41) as factual, false (40) as hallucinated" in printed
    assert "--include_mednli takes them in" in printed


def test_medhal_with_mednli(medhal, tmp_path, capsys):
    rows = written(run(tmp_path / "own", "--medhal", medhal, "--include_mednli"))
    assert sum(map(len, rows.values())) == 80
    assert "MedNLI" not in capsys.readouterr().out


def test_max_records_is_counted_and_said(medhal, tmp_path, capsys):
    folder = run(tmp_path / "own", "--medhal", medhal, "--max_records", "40", *SHARES)
    assert sum(map(len, written(folder).values())) == 40
    assert "20 more rows were not drawn (--max_records 40)." in capsys.readouterr().out


def labelled(tmp_path, *labels):
    path = tmp_path / "table.jsonl"
    rows = [
        {"n": NOTE.format(n), "s": "He has had a cough for three days.", "ok": label} for n, label in enumerate(labels)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ("--input", path, "--note_column", "n", "--summary_column", "s", "--label_column", "ok")


def test_labels_of_ones_own(tmp_path):
    table = labelled(tmp_path, *["Sound", "wrong"] * 10, None)
    with pytest.raises(UserError, match=r"column 'ok' holds 'sound' \(10 rows\), 'wrong' \(10 rows\)"):
        run(tmp_path / "own", *table)
    assert not (tmp_path / "own").exists()
    folder = run(tmp_path / "own", *table, "--factual_labels", "sound", "--hallucinated_labels", "wrong", *SHARES)
    labels = [row["label"] for rows in written(folder).values() for row in rows]
    assert (labels.count("factual"), labels.count("hallucinated")) == (10, 10)
    assert [row["reason"] for row in read_csv(folder / "set_aside.csv", ("reason",))] == ["no label"]


def test_a_failure_leaves_the_earlier_import_as_it_was(tmp_path, monkeypatch):
    folder = own(tmp_path / "own")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    read_once, readings = import_notes.read_rows, []

    def breaks_off(*args):
        readings.append(1)
        for row in read_once(*args):
            if len(readings) == 2 and row.number == 9:
                raise OSError("the disk is gone")
            yield row

    monkeypatch.setattr(import_notes, "read_rows", breaks_off)
    with pytest.raises(OSError, match="the disk is gone"):
        own(folder, "--max_records", "12")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize("folder", ["phase1_data_medhal", "phase1_data_medhal/sft", "phase1_data_medhal/new"])
def test_the_shipped_notes_are_not_overwritten(folder):
    with pytest.raises(UserError, match=r"holds the shipped notes, .* --output_dir own_data"):
        own(PROJECT_ROOT / folder)


def test_a_folder_with_anything_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"holds thesis\.tex, which was not imported"):
        own(tmp_path)
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    (by_hand / "train_set_processed.csv").write_text("made by hand")
    with pytest.raises(UserError, match=r"holds train_set_processed\.csv, which was not imported"):
        own(by_hand)
    imported = own(tmp_path / "own")
    table = ("--input", imported, "--note_column", "clinical_note", "--summary_column", "model_summary")
    with pytest.raises(UserError, match="lies in the output folder"):
        run(imported, *table)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input", OWN), "--input needs --note_column and --summary_column"),
        (("--medhal", OWN, "--note_column", "a"), "--note_column goes with --input"),
        (("--input", OWN, *COLUMNS, "--include_mednli"), "--include_mednli goes with --medhal"),
        (("--input", OWN, *COLUMNS, "--validation_share", "0.5", "--test_share", "0.5"), "must be below 1"),
        (("--input", OWN, *COLUMNS, "--test_share", "0.001"), "no note falls to the test side, of 16 notes"),
        (("--input", OWN, "--note_column", "a", "--summary_column", "b"), "no column 'a'; found: ID, section_header"),
        (("--input", OWN, "--note_column", "ID", "--summary_column", "ID"), "none of 20 rows can be used: 20 summary"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_written(words, said, tmp_path):
    with pytest.raises(UserError, match=said):
        run(tmp_path / "own", *words)
    assert not list(tmp_path.iterdir())


def few_notes(path, count):
    rows = [f'"{NOTE.format(30 + number)}",A man with a cough for days.' for number in range(count)]
    path.write_text("\n".join(["note,summary", *rows, rows[0].replace("for days", "for three days")]))
    return "--input", path, "--note_column", "note", "--summary_column", "summary"


def test_too_few_notes_for_three_sides_are_counted(tmp_path):
    with pytest.raises(UserError, match="need a note each, and there are 2 different ones; bring more notes"):
        run(tmp_path / "own", *few_notes(tmp_path / "two.csv", 2))
    with pytest.raises(UserError, match="there are 1 different ones; take a larger --max_records"):
        run(tmp_path / "own", *few_notes(tmp_path / "three.csv", 3), "--max_records", "1")


def test_where_a_side_stays_empty_the_seed_that_is_named_fills_it(tmp_path):
    table = few_notes(tmp_path / "three.csv", 3)
    with pytest.raises(UserError, match=r"no note falls to the \w+ side, of 3 notes") as refused:
        run(tmp_path / "own", *table)
    [seed] = re.findall(r"--seed (\d+)", str(refused.value))
    assert all(written(run(tmp_path / "own", *table, "--seed", seed)).values())


def test_the_printed_commands_and_all_steps_run_on_imported_notes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    build_tiny_model(tmp_path / "models" / "SmolLM2-135M-Instruct")
    own("own_data")
    printed = capsys.readouterr().out
    stage_a, pairs = (shlex.split(line)[1:] for line in printed.splitlines() if line.startswith("  python "))
    assert (stage_a[0], pairs[0]) == ("models/train_stage_a.py", "generate_phase2_data.py")
    assert train_stage_a.main([*stage_a[1:], "--num_epochs", "1", "--device", "cpu"]) == 0
    assert "10 train and 3 validation rows" in capsys.readouterr().out
    assert generate_phase2_data.main([*pairs[1:], "--num_proc", "1"]) == 0
    made = read_jsonl(Path("phase2_data/dpo/train_dpo.jsonl"), ("chosen",))
    chosen = {pair["chosen"][0]["content"] for pair in made}
    assert chosen <= {row["model_summary"] for row in written(Path("own_data"))["train"]}
    assert len(chosen) >= 5
    sft = ("--sft_model_path", "models/own_stage_a/final_model", "--num_epochs", "1", "--device", "cpu")
    assert stage_b_dpo_training.main(list(sft)) == 0
    test = re.search(r'--test_data "(.*)"', printed)[1]
    assert evaluate_stage_a.main(["--test_data", test, "--max_new_tokens", "8", "--device", "cpu"]) == 0
    results = read_csv(Path("evaluation_results_stage_b/evaluation_results.csv"), ("example_id", "ground_truth"))
    assert {row["example_id"]: row["ground_truth"] for row in results} == {
        row["id"]: row["model_summary"] for row in written(Path("own_data"))["test"]
    }
    statistics = json.loads(Path("evaluation_results_stage_b/evaluation_statistics.json").read_text())
    assert "oracle" not in statistics  # nobody knows the facts behind these notes
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n1\nn\nq\n"))
    labels = "evaluation_results_stage_b/evaluation_results.csv"
    assert manual_assessment_tool.main(["--results_csv", labels]) == 0
    assert Path("evaluation_results_stage_b/manual_assessment.json").is_file()
