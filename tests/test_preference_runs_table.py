"""The runs and their rates: each rate with the run whose model it is of, all in a table for a narrow terminal."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys

import pytest

import manual_assessment_tool
import stage_b_dpo_training
from utils.cli import PROJECT_ROOT
from utils.files import read_journal, write_json
from utils.rates import EVALUATED_RUN, add_rate, run_behind
from utils.records import write_csv
from utils.statistics import wilson

RESULTS = {"last_loss": 0.4, "val_loss": 0.5432, "val_margin": 1.256, "val_chosen_reward": -0.05, "seconds": 3720.4}


def write_run(out, name, day, complete=True, reached=2.0, **arguments):
    """A run's folder as training leaves it."""
    folder = out / "runs" / name
    (folder / "final_model").mkdir(parents=True)
    values = {"beta": 0.1, "num_epochs": 2.0, "output_dir": f"run of day {day}", **arguments}
    made = {
        "arguments": {key: {"value": value, "from": "command line"} for key, value in values.items()},
        "inputs": {"train_data": {"path": "train.jsonl", "sha256": f"{arguments.get('pairs', 'aaaa')}567890"}},
    }
    write_json(folder / "started.json", {**made, "started": f"2026-01-0{day}T00:00:00"})
    if complete:
        finished = {"finished": f"2026-01-0{day}T12:00:00", "results": {**RESULTS, "run": name}}
        write_json(folder / "run.json", {**made, **finished})
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "epoch": reached, "loss": 0.6}) + "\n")
    return folder


def show(out, folder):
    """What stands at the top of the output folder."""
    shutil.rmtree(out / "final_model", ignore_errors=True)
    shutil.copytree(folder / "final_model", out / "final_model")
    shutil.copyfile(folder / "run.json", out / "run.json")


def evaluate(folder, model_path):
    """The record that step 3 leaves in a folder."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "run.json", {"results": {EVALUATED_RUN: run_behind(str(model_path))}})
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "models"
    write_run(folder, "beta0.1_lr5e-06_11111111", day=1)
    show(folder, write_run(folder, "beta0.2_lr5e-06_22222222", day=2, beta=0.2, loss_type=["sigmoid", "sft"]))
    write_run(folder, "beta0.3_lr5e-06_33333333", day=3, beta=0.3, complete=False, reached=0.83)
    return folder


def test_a_rate_goes_to_the_run_that_the_model_was_of_when_it_was_evaluated(out, tmp_path):
    first, second = (out / "runs" / name for name in ("beta0.1_lr5e-06_11111111", "beta0.2_lr5e-06_22222222"))
    evaluation = evaluate(tmp_path / "evaluation", out / "final_model")
    assert add_rate(evaluation, step=3, kind="oracle", rate=wilson(3, 10)) == second
    show(out, first)  # another run stands under the same path when the labels come in
    assert add_rate(evaluation, step=4, kind="labelled", rate=wilson(5, 10), annotator="ann") == second
    assert not (first / "rates.jsonl").exists()
    assert add_rate(evaluate(tmp_path / "own", first / "final_model"), 3, "screen", wilson(1, 10)) == first


def test_the_same_evaluation_again_replaces_its_line(out, tmp_path):
    evaluation = evaluate(tmp_path / "evaluation", out / "final_model")
    for events in (3, 4):
        for kind in ("screen", "oracle"):
            folder = add_rate(evaluation, step=3, kind=kind, rate=wilson(events, 10))
    add_rate(evaluate(tmp_path / "other", out / "final_model"), step=3, kind="oracle", rate=wilson(9, 10))
    lines = read_journal(folder / "rates.jsonl")
    assert [(line["kind"], line["rate"]["events"]) for line in lines] == [("screen", 4), ("oracle", 4), ("oracle", 9)]
    assert (lines[0]["rate"]["low"], lines[0]["num_epochs"]) == (pytest.approx(0.168, abs=1e-3), 2.0)


def test_other_models_have_no_run(out, tmp_path):
    for path in (tmp_path, out / "runs", "hub:owner/name", out / "runs" / "beta0.3_lr5e-06_33333333" / "final_model"):
        assert run_behind(str(path)) is None
        assert add_rate(evaluate(tmp_path / "evaluation", path), step=3, kind="screen", rate=wilson(1, 2)) is None
    assert add_rate(tmp_path / "no evaluation", step=4, kind="labelled", rate=wilson(1, 2)) is None
    shown = evaluate(tmp_path / "evaluation", out / "final_model")
    assert add_rate(shown, step=4, kind="labelled", rate=wilson(0, 0)) is None


def list_runs(out, capsys):
    assert stage_b_dpo_training.main(["--list_runs", "--output_dir", str(out)]) == 0
    return capsys.readouterr().out


def test_the_table_shows_what_differs_and_what_was_found(out, tmp_path, capsys):
    evaluation = evaluate(tmp_path / "evaluation", out / "final_model")
    add_rate(evaluation, step=3, kind="oracle", rate=wilson(14, 50))
    add_rate(evaluation, step=3, kind="screen", rate=wilson(2, 50))
    add_rate(evaluation, step=4, kind="labelled", rate=wilson(6, 50))
    printed = list_runs(out, capsys)
    assert max(map(len, printed.splitlines())) <= 80
    first, second, third = re_split(printed)
    assert "beta 0.1" in first
    assert "not complete" not in first
    assert ["shown as final_model" in part for part in (first, second, third)] == [False, True, False]
    # The last training loss, validation's loss, margin and chosen log-prob (-0.05 / 0.2), 62 minutes.
    for cell in ("0.400", "0.543", "+1.26", "-0.25", "1:02", "loss_type sigmoid sft", "28% of 50", "12% of 50"):
        assert cell in second
    assert "oracle" in second
    assert "not complete: epoch 0.83" in third
    assert "output_dir" not in printed


def re_split(printed):
    """The table's part for each run."""
    starts = [printed.index(f"beta0.{number}_lr") for number in (1, 2, 3)]
    return [printed[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def test_step_4_gives_the_run_the_rate_of_its_labels(out, tmp_path, monkeypatch, capsys):
    evaluation = evaluate(tmp_path / "evaluation", out / "final_model")
    rows = [{"example_id": f"{number}", "clinical_note": "Cough.", "generated_summary": "Fever."} for number in (1, 2)]
    write_csv(evaluation / "evaluation_results.csv", list(rows[0]), rows)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n1\nn\nq\n"))
    manual_assessment_tool.main(["--results_csv", str(evaluation / "evaluation_results.csv"), "--annotator", "ann"])
    [line] = read_journal(out / "runs" / "beta0.2_lr5e-06_22222222" / "rates.jsonl")
    assert (line["step"], line["kind"], line["annotator"]) == (4, "labelled", "ann")
    assert (line["rate"]["events"], line["rate"]["total"]) == (1, 2)


def test_a_rate_of_fewer_epochs_is_not_shown_for_more(out, tmp_path, capsys):
    add_rate(evaluate(tmp_path / "evaluation", out / "final_model"), step=4, kind="labelled", rate=wilson(6, 50))
    assert "12% of 50" in list_runs(out, capsys)
    shutil.rmtree(out / "runs" / "beta0.1_lr5e-06_11111111")
    path = out / "runs" / "beta0.2_lr5e-06_22222222" / "run.json"
    record = json.loads(path.read_text())
    record["arguments"]["num_epochs"]["value"] = 3.0
    write_json(path, record)
    assert "12% of 50" not in list_runs(out, capsys)


def test_other_pairs_under_the_same_path_are_told_apart(tmp_path, capsys):
    for day, pairs in ((1, "aaaa"), (2, "bbbb")):
        write_run(tmp_path, f"beta0.1_lr5e-06_{pairs}", day=day, pairs=pairs)
    assert "train_data bbbb5678" in list_runs(tmp_path, capsys)


def test_no_runs_is_no_error(tmp_path, capsys):
    assert "No runs in" in list_runs(tmp_path, capsys)


def test_listing_needs_neither_torch_nor_input(out):
    watch = (
        "import sys, stage_b_dpo_training as script\n"
        f"assert script.main(['--list_runs', '--output_dir', {str(out)!r}]) == 0\n"
        "assert not {'torch', 'transformers', 'pandas', 'scipy', 'datasets'} & set(sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", watch], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
