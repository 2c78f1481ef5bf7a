"""Step 3: the same notes for every model, and what it leaves behind."""

from __future__ import annotations

import json

import pytest

from evaluation_stage_a import evaluate_stage_a
from evaluation_stage_a.comparison import read_earlier
from evaluation_stage_a.examples import Example, read_examples
from tests.tiny import write_phase1
from utils.cli import RunError, UserError
from utils.records import read_csv, write_csv


@pytest.fixture
def notes_csv(tmp_path):
    return write_phase1(tmp_path / "phase1", test=9) / "test_set_processed.csv"


def evaluate(model, notes_csv, output_dir, *more):
    argv = ["--model_path", str(model), "--test_data", str(notes_csv), "--output_dir", str(output_dir)]
    assert evaluate_stage_a.main([*argv, "--max_new_tokens", "8", "--device", "cpu", *more]) == 0
    return read_csv(output_dir / "evaluation_results.csv", ("example_id", "generated_summary"))


def test_rows_labelled_hallucinated_and_repeated_notes_are_no_examples(notes_csv):
    examples = read_examples(notes_csv, None, seed=1)
    assert [e.example_id for e in examples] == [f"test-{i}" for i in range(9)]


def test_rows_without_ground_truth_or_id_are_examples(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text('clinical_note\nBP 120/80.\n""\n')
    assert read_examples(path, None, seed=1) == [Example("row-1", "BP 120/80.", "")]
    path.write_text('clinical_note\n" "\n')
    with pytest.raises(UserError, match="no row has a clinical_note"):
        read_examples(path, None, seed=1)


def test_both_stages_get_the_same_seeded_notes_and_not_the_first(tiny_model, tiny_adapter, notes_csv, tmp_path):
    ids = [
        [row["example_id"] for row in evaluate(model, notes_csv, tmp_path / name, "--max_examples", "4")]
        for name, model in (("a", tiny_model), ("b", tiny_adapter))
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 4
    assert ids[0] != [f"test-{i}" for i in range(4)]


def test_a_second_run_generates_nothing_and_says_so(tiny_model, notes_csv, tmp_path, capsys):
    first = evaluate(tiny_model, notes_csv, tmp_path / "out")
    capsys.readouterr()
    assert evaluate(tiny_model, notes_csv, tmp_path / "out") == first
    assert "0 generated in 0 s, 9 reused" in capsys.readouterr().out


def test_the_results_open_with_the_four_agreed_columns(tiny_model, notes_csv, tmp_path, capsys):
    evaluate(tiny_model, notes_csv, tmp_path / "out")
    header = (tmp_path / "out" / "evaluation_results.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("example_id,clinical_note,ground_truth,generated_summary,")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "evaluation_results.csv",
        "evaluation_statistics.json",
        "evaluation_report.html",
        "evaluation_report.txt",
        "generated.journal.jsonl",
        "run.json",
    }
    assert 'python manual_assessment_tool.py --results_csv "' in capsys.readouterr().out


def test_a_run_that_has_both_stages_shows_them_side_by_side(tiny_model, tiny_adapter, notes_csv, tmp_path, capsys):
    evaluate(tiny_model, notes_csv, tmp_path / "a")
    evaluate(tiny_adapter, notes_csv, tmp_path / "b", "--compare_with", str(tmp_path / "a"))
    assert "Before and after, on the same 9 notes" in capsys.readouterr().out
    statistics = json.loads((tmp_path / "b" / "evaluation_statistics.json").read_text())
    assert statistics["comparison"]["notes_in_common"] == 9


def test_a_model_for_which_memory_is_short_is_one_message(tiny_model, notes_csv, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refuse)
    with pytest.raises(RunError, match=r"not enough memory to load .*--load_in_4bit"):
        evaluate(tiny_model, notes_csv, tmp_path / "out")
    assert not (tmp_path / "out" / "evaluation_results.csv").exists()


def test_nothing_to_compare_with_is_said_before_anything_is_generated(tiny_model, notes_csv, tmp_path):
    with pytest.raises(UserError, match="evaluate Stage A into it first"):
        evaluate(tiny_model, notes_csv, tmp_path / "b", "--compare_with", str(tmp_path / "a"))
    assert not (tmp_path / "b").exists()


def test_a_note_that_stands_twice_is_refused_without_showing_it(tiny_model, notes_csv, tmp_path):
    rows = evaluate(tiny_model, notes_csv, tmp_path / "a")
    notes = [row["clinical_note"] for row in rows]
    rows[1]["clinical_note"] = notes[0]
    write_csv(tmp_path / "a" / "evaluation_results.csv", list(rows[0]), rows)
    with pytest.raises(UserError, match="evaluate into another folder") as refusal:
        read_earlier(tmp_path / "a", notes)
    assert notes[0] not in str(refusal.value)
