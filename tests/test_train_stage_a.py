"""Stage A's training: killed at any moment it goes on to the very same adapter; it keeps what the curve needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers.models.llama.modeling_llama import LlamaModel

from models import stage_a_training, train_stage_a
from models.stage_a_training import evaluation_steps, flatness, in_plain_words
from tests.tiny import find, write_phase1
from utils import resumable_training
from utils.cli import PROJECT_ROOT, RunError
from utils.files import read_journal
from utils.resumable_training import LengthGroupedOrder

ROWS = 11  # batches of 2: 6 steps an epoch, the last one short; 12 steps in all


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_phase1(tmp_path_factory.mktemp("data"), train=ROWS, validation=6)


@pytest.fixture(scope="module", autouse=True)
def often():
    """A checkpoint after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumable_training, "CHECKPOINT_MINUTES", 0.0)
        patch.setattr(stage_a_training, "LOGGING_STEPS", 1)
        yield


def command(model, data, output_dir, *more):
    options = {
        "base_model": model,
        "train_data": data / "train_set_processed.csv",
        "val_data": data / "validation_set_processed.csv",
        "output_dir": output_dir,
        "batch_size": 2,
        "num_epochs": 2,
        "device": "cpu",
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))] + list(more)


def train(*args):
    assert train_stage_a.main(command(*args)) == 0


def adapter(output_dir):
    return (output_dir / "final_model" / "adapter_model.safetensors").read_bytes()


def figures(output_dir):
    """The journal without what the clock decides, and without TRL's count of tokens, which begins anew."""
    timed = ("runtime", "per_second", "num_tokens")
    lines = [{k: v for k, v in e.items() if not k.endswith(timed)} for e in read_journal(output_dir / "metrics.jsonl")]
    return [line for line in lines if "train_loss" not in line]


@pytest.fixture(scope="module")
def uninterrupted(tiny_model, data, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("whole") / "sft"
    train(tiny_model, data, output_dir)
    return output_dir


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


def kill_after(monkeypatch, step, moment="on_step_begin"):
    def die(self, args, state, control, **_):
        if state.global_step == step:
            raise Killed

    monkeypatch.setattr(stage_a_training.Milestones, moment, die)


@pytest.mark.parametrize("step", [1, 5, 6, 7, 11])
def test_a_run_that_was_cut_off_ends_with_the_adapter_of_one_that_was_not(
    step, tiny_model, data, uninterrupted, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "sft"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, step)
        train(tiny_model, data, out)
    capsys.readouterr()
    train(tiny_model, data, out)
    assert f"Going on     after step {step}, from" in capsys.readouterr().out
    assert adapter(out) == adapter(uninterrupted)
    assert figures(out) == figures(uninterrupted)


def test_cut_off_after_the_last_step_it_repeats_only_what_was_not_saved(
    tiny_model, data, uninterrupted, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "sft"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 12, "on_train_end")
        train(tiny_model, data, out)
    capsys.readouterr()
    train(tiny_model, data, out)
    assert "after step 11" in capsys.readouterr().out
    assert adapter(out) == adapter(uninterrupted)


def test_kill_9_leaves_nothing_that_misleads_the_next_run(tiny_model, data, uninterrupted, tmp_path):
    out = tmp_path / "sft"
    code = (
        "import sys; sys.path.insert(0, '.'); from utils.cli import stay_private; stay_private()\n"
        "from models import stage_a_training, train_stage_a\n"
        "from utils import resumable_training\n"
        "resumable_training.CHECKPOINT_MINUTES, stage_a_training.LOGGING_STEPS = 0.0, 1\n"
        "train_stage_a.main(sys.argv[1:])"
    )
    argv = [sys.executable, "-c", code, *command(tiny_model, data, out)]
    process = subprocess.Popen(argv, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("checkpoints/run-*/resume-*")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "run.json").exists()
    checkpoints = next(out.glob("checkpoints/run-*"))
    (checkpoints / ".saving-torn" / "checkpoint-99").mkdir(parents=True)  # what a kill while saving leaves
    train(tiny_model, data, out)
    assert adapter(out) == adapter(uninterrupted)
    assert not list(checkpoints.glob(".*"))


def test_another_command_starts_anew_and_says_so(tiny_model, data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "sft"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 5)
        train(tiny_model, data, out)
    capsys.readouterr()
    train(tiny_model, data, out, "--learning_rate", "2e-4")
    printed = capsys.readouterr().out
    assert "Going on" not in printed
    assert "anew: 1 other run(s)" in printed
    assert len(list(out.glob("checkpoints/run-*/resume-*"))) == 1  # the first command's, still there to go on from


def test_other_rows_under_the_same_name_are_another_run(tiny_model, tmp_path, monkeypatch, capsys):
    data, out = write_phase1(tmp_path / "data", train=ROWS, validation=6), tmp_path / "sft"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 5)
        train(tiny_model, data, out)
    write_phase1(data, train=ROWS + 1, validation=6)
    train(tiny_model, data, out)
    assert "Going on" not in capsys.readouterr().out


def test_a_finished_run_is_not_repeated(tiny_model, data, uninterrupted, capsys):
    before = adapter(uninterrupted)
    train(tiny_model, data, uninterrupted)
    assert "nothing to do" in capsys.readouterr().out
    assert adapter(uninterrupted) == before


def test_each_evaluation_leaves_an_adapter_that_loads_and_is_small(uninterrupted, tiny_model):
    results = json.loads((uninterrupted / "run.json").read_text())["results"]
    kept = sorted((uninterrupted / results["checkpoints"]).iterdir())
    assert [folder.name for folder in kept] == [f"step-{step:06d}" for step in (2, 4, 6, 8, 10, 12)]
    for folder in kept:
        assert find(folder).base == str(tiny_model)
        assert {str(v.dtype) for v in load_file(folder / "adapter_model.safetensors").values()} == {"torch.float16"}
    assert (kept[-1] / "adapter_model.safetensors").read_bytes() == adapter(uninterrupted)
    losses = {e["step"]: e["eval_loss"] for e in read_journal(uninterrupted / "metrics.jsonl") if "eval_loss" in e}
    points = [json.loads((folder / "point.json").read_text()) for folder in kept]
    assert losses == {point["step"]: point["val_loss"] for point in points}
    assert results["val_loss"] == points[-1]["val_loss"]


def test_the_journal_has_every_step_once(uninterrupted):
    assert [e["step"] for e in read_journal(uninterrupted / "metrics.jsonl") if "loss" in e] == list(range(1, 13))


def test_the_order_is_the_epoch_s_own_and_groups_by_length():
    lengths = [10 * (i % 7) + i // 10 for i in range(400)]
    order = LengthGroupedOrder(lengths, batch_size=4, seed=3)
    first = list(order)
    assert sorted(first) == list(range(400))
    assert list(order) == first
    order.set_epoch(1)
    assert list(order) != first
    padding = sum(4 * max(lengths[i] for i in first[b : b + 4]) for b in range(0, 400, 4)) - sum(lengths)
    unsorted = sum(4 * max(lengths[b : b + 4]) for b in range(0, 400, 4)) - sum(lengths)
    assert padding < unsorted / 2


def test_evaluations_are_even_and_end_with_the_last_step():
    assert evaluation_steps(300) == [50, 100, 150, 200, 250, 300]
    assert evaluation_steps(3)[-1] == 3
    assert evaluation_steps(1) == [1]


@pytest.mark.parametrize(
    ("losses", "fall", "said"),
    [([1.0, 0.995], 0.005, "it has flattened"), ([1.0, 0.9], 0.1, "has not flattened"), ([1.0], None, "not known")],
)
def test_whether_the_validation_loss_has_flattened_is_said(losses, fall, said):
    last, found = flatness([{"eval_loss": loss} for loss in losses])
    assert last == losses[-1]
    assert found == (None if fall is None else pytest.approx(fall))
    assert said in in_plain_words(found)


def test_half_an_epoch_and_its_checkpoint_end_at_the_right_step(tiny_model, data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "sft"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 8)
        train(tiny_model, data, out, "--num_epochs", "1.5")
    train(tiny_model, data, out, "--num_epochs", "1.5")
    assert "✓ Stage A: 1 steps" in capsys.readouterr().out
    assert figures(out)[-1]["step"] == 9


def test_a_full_disk_is_one_message(tiny_model, data, tmp_path, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resumable_training, "sync_files", full)
    with pytest.raises(RunError, match=r"no checkpoint could be saved.*make room"):
        train(tiny_model, data, tmp_path / "sft")
    assert not list(tmp_path.glob("sft/checkpoints/run-*/resume-*"))


def test_a_loss_that_is_no_number_saves_no_model(tiny_model, data, tmp_path):
    with pytest.raises(RunError, match="diverged"):
        train(tiny_model, data, tmp_path / "sft", "--learning_rate", "1e30")
    assert not (tmp_path / "sft" / "final_model").exists()


@pytest.mark.parametrize("bf16", [True, False])
def test_a_cpu_with_bf16_trains_in_it_and_validates_in_fp32(bf16, tiny_model, data, tmp_path, monkeypatch, capsys):
    seen = {True: set(), False: set()}
    stock = LlamaModel.forward

    def watched(self, *args, **options):
        seen[self.training].add(torch.is_autocast_enabled("cpu"))
        return stock(self, *args, **options)

    monkeypatch.setattr(LlamaModel, "forward", watched)
    monkeypatch.setattr("utils.models.cpu_multiplies_bf16", lambda device: bf16)
    train(tiny_model, data, tmp_path / "sft", "--num_epochs", "1")
    assert seen == {True: {bf16}, False: {False}}
    said = "bf16 autocast, validation in fp32 on cpu" if bf16 else "fp32 on cpu"
    assert f"Precision    {said}" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "rows"), [("3", 3), ("all", ROWS)])
def test_how_many_rows_to_train_on(given, rows, tiny_model, data, tmp_path, capsys):
    train(tiny_model, data, tmp_path / "sft", "--max_train_rows", given, "--num_epochs", "1")
    assert f"{rows} train and 6 validation rows" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["0", "-1", "some"])
def test_a_wrong_number_of_rows_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        train_stage_a.build_parser().parse_args(["--max_train_rows", given])
    assert "whole number of at least 1" in capsys.readouterr().err
