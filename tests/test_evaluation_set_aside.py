"""One checkpoint's results in a folder at a time: another's are set aside with their labels, whatever is cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from evaluation_stage_a import evaluate_stage_a
from evaluation_stage_a.comparison import RESULTS_CSV
from evaluation_stage_a.set_aside import checkpoint_id, keep_apart
from tests.tiny import build_tiny_adapter, write_phase1
from utils.cli import UserError
from utils.files import read_journal, write_json

LABELS = ("manual_assessment.json", "manual_assessment_ann.journal.jsonl", "comparison_report.html")
KEPT = (RESULTS_CSV, "evaluation_statistics.json", "run.json", *LABELS)


def record(weights):
    """What step 3 records of a checkpoint with these weights; always under the same path."""
    return {
        "script": "evaluate_stage_a.py",
        "arguments": {"model_path": {"value": "models/dpo/final_model", "from": "default"}},
        "inputs": {"test_data": {"sha256": "t"}, "adapter": {"sha256": weights}, "model": {"sha256": "base"}},
    }


def write_evaluation(folder, weights):
    """Results and labels of one checkpoint; each file says whose it is."""
    for name in KEPT:
        (folder / name).write_text(weights)
    write_json(folder / "run.json", record(weights))


def whose(folder):
    """What lies in a folder, and whose it is by its own content."""
    names = [name for name in KEPT if name != "run.json" and (folder / name).exists()]
    return {name: (folder / name).read_text() for name in names}


@pytest.fixture
def output_dir(tmp_path):
    (tmp_path / "generated.journal.jsonl").write_text("texts of all checkpoints")
    (tmp_path / "my own file.txt").write_text("mine")
    write_evaluation(tmp_path, "first")
    return tmp_path


ALL = tuple(name for name in KEPT if name != "run.json")


def test_another_checkpoint_s_results_and_labels_move_and_nothing_else(output_dir):
    [said] = keep_apart(output_dir, record("second"))
    aside = output_dir / "set_aside" / checkpoint_id(record("first"))
    assert whose(aside) == dict.fromkeys(ALL, "first")
    assert str(aside) in said
    assert {path.name for path in output_dir.iterdir()} == {"generated.journal.jsonl", "my own file.txt", "set_aside"}


def test_the_same_checkpoint_moves_nothing(output_dir):
    assert keep_apart(output_dir, record("first")) == []
    assert whose(output_dir) == dict.fromkeys(ALL, "first")
    assert not (output_dir / "set_aside").exists()


def test_what_was_set_aside_comes_back_with_its_checkpoint(output_dir):
    keep_apart(output_dir, record("second"))
    write_evaluation(output_dir, "second")
    assert len(keep_apart(output_dir, record("first"))) == 2
    assert whose(output_dir) == dict.fromkeys(ALL, "first")
    assert whose(output_dir / "set_aside" / checkpoint_id(record("second"))) == dict.fromkeys(ALL, "second")


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


@pytest.mark.parametrize("moves", range(12))
@pytest.mark.parametrize("after", ["first", "second", "third"])
def test_cut_off_between_any_two_moves_nothing_is_mixed_or_lost(output_dir, moves, after, monkeypatch):
    keep_apart(output_dir, record("second"))
    write_evaluation(output_dir, "second")
    rename, done = Path.rename, []

    def until_killed(self, target):
        if len(done) == moves:
            raise Killed
        done.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):  # six files go, six come
        patch.setattr(Path, "rename", until_killed)
        keep_apart(output_dir, record("first"))
    keep_apart(output_dir, record(after))
    for weights in ("first", "second"):
        aside = output_dir / "set_aside" / checkpoint_id(record(weights))
        assert whose(output_dir if weights == after else aside) == dict.fromkeys(ALL, weights)
    if after == "third":
        assert whose(output_dir) == {}


def test_results_without_a_record_are_of_an_unknown_checkpoint_and_never_overwritten(output_dir):
    for _ in range(2):
        (output_dir / "run.json").unlink(missing_ok=True)
        [said] = keep_apart(output_dir, record("first"))
        assert "an unknown checkpoint" in said
        (output_dir / RESULTS_CSV).write_text("first")
    for name in ("unknown", "unknown_2"):
        assert (output_dir / "set_aside" / name / RESULTS_CSV).read_text() == "first"


def test_results_that_are_being_labelled_stay(output_dir):
    with (
        FileLock(output_dir / ".manual_assessment_ann.lock"),
        pytest.raises(UserError, match="is being labelled; end that session"),
    ):
        keep_apart(output_dir, record("second"))
    assert whose(output_dir) == dict.fromkeys(ALL, "first")


def test_step_3_keeps_apart_two_models_under_one_path_and_gives_the_run_its_rate(
    tiny_model, tiny_adapter, tmp_path, capsys
):
    notes = write_phase1(tmp_path / "phase1", test=3) / "test_set_processed.csv"
    models, out = tmp_path / "models", tmp_path / "evaluation"
    run = models / "runs" / "beta0.1"
    run.mkdir(parents=True)

    def evaluate(model):
        shutil.rmtree(models / "final_model", ignore_errors=True)
        shutil.copytree(model, models / "final_model")
        paths = {"model_path": models / "final_model", "test_data": notes, "output_dir": out}
        argv = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
        assert evaluate_stage_a.main([*argv, "--max_new_tokens", "4", "--device", "cpu"]) == 0
        return capsys.readouterr().out

    write_json(models / "run.json", {"results": {"run": "beta0.1"}, "arguments": {"num_epochs": {"value": 2.0}}})
    assert "Set aside" not in evaluate(tiny_adapter)
    [line] = read_journal(run / "rates.jsonl")
    assert (line["step"], line["kind"], line["rate"]["total"], line["num_epochs"]) == (3, "screen", 3, 2.0)
    (out / "manual_assessment.json").write_text("labels of the first")
    (models / "run.json").unlink()
    assert "Set aside    the results of " in evaluate(build_tiny_adapter(tmp_path / "other", tiny_model, seed=2))
    assert not (out / "manual_assessment.json").exists()
    [aside] = (out / "set_aside").iterdir()
    assert {"manual_assessment.json", RESULTS_CSV, "run.json"} <= {path.name for path in aside.iterdir()}
    assert len(read_journal(run / "rates.jsonl")) == 1
    assert "Back again" in evaluate(tiny_adapter)
    assert (out / "manual_assessment.json").read_text() == "labels of the first"
