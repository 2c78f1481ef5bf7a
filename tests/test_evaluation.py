"""Step 3: the same notes for every model, figures counted by hand, before against after."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from evaluation_stage_a import evaluate_stage_a
from evaluation_stage_a.comparison import as_json, compare, read_results, summarise
from evaluation_stage_a.examples import Example, read_examples
from evaluation_stage_a.screening import score_all
from tests.tiny import write_phase1
from utils.cli import UserError
from utils.generation import Generated
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


def test_nothing_to_compare_with_is_said_before_anything_is_generated(tiny_model, notes_csv, tmp_path):
    with pytest.raises(UserError, match="evaluate Stage A into it first"):
        evaluate(tiny_model, notes_csv, tmp_path / "b", "--compare_with", str(tmp_path / "a"))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("column", "value"), [("flagged_claims", "two"), ("flags", "none"), ("clinical_note", None)])
def test_edited_results_are_refused_without_showing_a_note(tiny_model, notes_csv, tmp_path, column, value):
    rows = evaluate(tiny_model, notes_csv, tmp_path / "a")
    rows[1][column] = value or rows[0][column]
    write_csv(tmp_path / "a" / "evaluation_results.csv", list(rows[0]), rows)
    with pytest.raises(UserError, match="evaluate into another folder") as refusal:
        read_results(tmp_path / "a")
    assert rows[0]["clinical_note"] not in str(refusal.value)


NOTE = "A 60-year-old man with cough for 3 days. Denies fever. Takes lisinopril 10 mg daily."


def scored(*summaries):
    examples = [Example(str(i), NOTE + " " * i, "A 60-year-old man with cough.") for i in range(len(summaries))]
    return score_all(examples, [Generated(text, "eos", 50, 9) for text in summaries])


def test_a_wrong_dose_is_flagged_with_its_evidence_and_a_faithful_summary_is_not():
    frame = scored("A 60-year-old man takes lisinopril 10 mg daily.", "A 60-year-old man takes lisinopril 40 mg daily.")
    assert list(frame["flagged_claims"]) == [0, 1]
    flag = json.loads(frame["flags"][1])[0]
    assert (flag["type"], flag["verdict"], flag["evidence"]) == ("dose", "contradicted", "10 mg")
    start, end = flag["span"]
    assert frame["generated_summary"][1][start:end] == flag["text"] == "40 mg"


def test_rouge_and_length_by_hand():
    frame = scored("A 60-year-old man with cough.", "Cough.")
    assert list(frame["words"]) == [5, 1]
    assert frame["rougeL"][0] == 1.0
    # 7 tokens (a 60 year old man with cough) against 1: precision 1, recall 1/7
    assert frame["rougeL"][1] == pytest.approx(2 * (1 / 7) / (1 + 1 / 7), abs=1e-4)


def results(*flagged):
    count = len(flagged)
    return pd.DataFrame(
        {
            "clinical_note": [f"note {i}" for i in range(count)],
            "finish_reason": ["eos"] * (count - 1) + ["length"],
            "words": [10] * count,
            "claims": [4] * count,
            "flagged_claims": flagged,
            "flags": [json.dumps([{"type": "dose"}] * n) for n in flagged],
            "rougeL": [0.5] * (count - 1) + [math.nan],
        }
    )


def test_figures_of_one_model_by_hand():
    figures = summarise(results(0, 2, 1, 0))
    rate = figures["screened_hallucination_rate"]
    assert (rate.events, rate.total, rate.share) == (2, 4, 0.5)
    # Wilson, z = 1.96, k = 2, n = 4
    assert (rate.low, rate.high) == (pytest.approx(0.150, abs=1e-3), pytest.approx(0.850, abs=1e-3))
    assert figures["flagged_claims_per_summary"] == 0.75
    assert figures["flagged_claims_by_type"] == {"dose": 3}
    assert figures["stopped_at_eos"].events == 3
    assert figures["mean_rouge_l"] == 0.5
    assert as_json(figures)["screened_hallucination_rate"]["share"] == 0.5


def test_before_and_after_by_hand():
    before, after = results(1, 1, 1, 1, 1, 1, 0, 1), results(0, 0, 0, 0, 0, 0, 1, 1)
    comparison = compare(before, after)
    assert [comparison[key] for key in ("fixed", "broken", "both", "neither")] == [6, 1, 1, 0]
    assert comparison["mcnemar_p"] == pytest.approx(2 * (1 + 7) / 2**7)  # two-sided binomial, 1 of 7


def test_only_notes_in_common_are_compared():
    before, after = results(1, 1, 1), results(0, 0)
    comparison = compare(before, after)
    assert (comparison["notes_in_common"], comparison["before"]["summaries"], comparison["fixed"]) == (2, 2, 2)
    with pytest.raises(UserError, match="no note in common"):
        compare(before, after.assign(clinical_note=["x", "y"]))
