"""Stage B stopped by signals and by a full disk: the same command goes on, and ends with the very same weights."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys

import pytest

import stage_b_dpo_training
from tests.tiny import stage_b_command, write_pairs
from utils import resumable_training
from utils.cli import EXIT_INTERRUPTED, PROJECT_ROOT, RunError
from utils.files import read_journal

STEPS = 12  # 2 epochs of 11 pairs in batches of 2

# A function that every run calls, and at which of its calls a run is stopped.
REFERENCE_PASS = ("preference.data.reference.append_journal", 3)
STEP = ("preference.packing.shared_prefix.pack", 16)
CHECKPOINT = ("utils.resumable_training.sync_files", 4)
PUBLISHING = ("preference.runs.folder.copy_folder", 1)

# Runs Stage B with that function replaced by one that sends this process a signal.
STOPPED = """
import importlib, os, sys
sys.path.insert(0, ".")
place, call, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.argv[:4] = ["stage_b_dpo_training.py"]
module, name = place.rsplit(".", 1)
module = importlib.import_module(module)
original, calls = getattr(module, name), []

def stopping(*args, **options):
    calls.append(name)
    if len(calls) == call:
        os.kill(os.getpid(), number)
    return original(*args, **options)

setattr(module, name, stopping)
from utils import resumable_training
resumable_training.CHECKPOINT_MINUTES = 0.0
import stage_b_dpo_training
from utils.cli import run_script
run_script(stage_b_dpo_training.main)
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return write_pairs(folder / "train.jsonl", 11), write_pairs(folder / "val.jsonl", 4, start=20)


def command(sft, pairs, output_dir):
    return stage_b_command(sft, *pairs, output_dir, "--batch_size", "2", "--learning_rate", "9e-5")


def run(*args):
    assert stage_b_dpo_training.main(command(*args)) == 0


def stopped(moment, number, *args):
    """The command in a process of its own, stopped by a signal."""
    place, call = moment
    argv = [sys.executable, "-c", STOPPED, place, str(call), str(int(number)), *command(*args)]
    return subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)


def weights(output_dir):
    return (output_dir / "final_model" / "adapter_model.safetensors").read_bytes()


def steps(output_dir):
    return [entry["step"] for entry in read_journal(output_dir / "metrics.jsonl") if "loss" in entry]


def evaluations(output_dir):
    return [entry["step"] for entry in read_journal(output_dir / "metrics.jsonl") if "eval_loss" in entry]


@pytest.fixture(scope="module")
def uninterrupted(tiny_adapter, pairs, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("whole") / "out"
    run(tiny_adapter, pairs, output_dir)
    return output_dir


@pytest.mark.parametrize("moment", [REFERENCE_PASS, STEP, CHECKPOINT, PUBLISHING])
def test_kill_9_at_any_moment_costs_nothing_but_time(moment, tiny_adapter, pairs, uninterrupted, tmp_path):
    out = tmp_path / "out"
    assert stopped(moment, signal.SIGKILL, tiny_adapter, pairs, out).returncode == -signal.SIGKILL
    assert not (out / "run.json").exists()
    run(tiny_adapter, pairs, out)
    assert weights(out) == weights(uninterrupted)
    assert steps(out) == list(range(1, STEPS + 1))


@pytest.mark.parametrize(("moment", "saves"), [(REFERENCE_PASS, False), (STEP, True)])
def test_ctrl_c_saves_says_how_to_go_on_and_ends_the_same(moment, saves, tiny_adapter, pairs, uninterrupted, tmp_path):
    out = tmp_path / "out"
    process = stopped(moment, signal.SIGINT, tiny_adapter, pairs, out)
    assert process.returncode == EXIT_INTERRUPTED
    assert ("this step is finished and saved first" in process.stderr) == saves
    assert bool(list(out.glob("runs/*/checkpoints/resume-*"))) == saves
    words = ["python", "stage_b_dpo_training.py", *command(tiny_adapter, pairs, out)]
    assert f"Go on with: {shlex.join(words)}" in process.stderr
    run(tiny_adapter, pairs, out)
    assert weights(out) == weights(uninterrupted)


def test_a_checkpoint_by_the_clock_never_skips_an_evaluation(tiny_adapter, pairs, uninterrupted, tmp_path, monkeypatch):
    class Killed(BaseException):
        """Not caught anywhere, like the signal."""

    def die(*args, **options):
        raise Killed

    monkeypatch.setattr(resumable_training, "CHECKPOINT_MINUTES", 0.0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("preference.trainer.PairsTrainer.evaluate", die)
        run(tiny_adapter, pairs, tmp_path / "out")
    run(tiny_adapter, pairs, tmp_path / "out")
    assert evaluations(tmp_path / "out") == evaluations(uninterrupted) == [STEPS // 2, STEPS]


def test_a_full_disk_leaves_the_last_good_checkpoint(tiny_adapter, pairs, uninterrupted, tmp_path, monkeypatch):
    sync, calls = resumable_training.sync_files, []

    def full(folder):
        calls.append(folder)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        sync(folder)

    monkeypatch.setattr(resumable_training, "CHECKPOINT_MINUTES", 0.0)
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"no checkpoint could be saved.*make room"):
        patch.setattr(resumable_training, "sync_files", full)
        run(tiny_adapter, pairs, out)
    assert [folder.name for folder in out.glob("runs/*/checkpoints/*")] == ["resume-000003"]
    run(tiny_adapter, pairs, out)
    assert weights(out) == weights(uninterrupted)
