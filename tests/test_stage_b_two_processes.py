"""Two processes started by ``accelerate launch`` make the run of one with the same global batch, and speak as one."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

import stage_b_dpo_training
from tests.tiny import stage_b_command, write_pairs
from utils import cli
from utils.cli import PROJECT_ROOT, RunError, UserError, run_script
from utils.files import read_journal
from utils.models import choose_device
from utils.run_record import RunRecord

STEPS = 10  # 2 epochs of 17 pairs in batches of 4: the last of each holds one pair, for two processes
COMPARED = ("loss", "grad_norm", "rewards/chosen", "rewards/margins", "logps/rejected", "entropy")
# "sft" is a mean over tokens, not over pairs; of 19 pairs 17 are trained on.
OPTIONS = ("--learning_rate", "9e-5", "--loss_type", "sigmoid", "sft", "--keep_hardest", "0.9")
FREE = ("--reference_free",)

# What each process does: Stage B into "whole", the same again, into "free" without reference, and into "cut", stopped
# in epoch 2 and gone on with.
LAUNCHED = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from accelerate import PartialState
import stage_b_dpo_training
from preference.trainer import PairsTrainer
from utils import resumable_training
from utils.cli import run_script
from utils.distributed import is_main_process

def train(folder, *more):
    words = [word.replace("FOLDER", folder) for word in sys.argv[1:]] + [*more]
    assert stage_b_dpo_training.main(words) == 0
    PartialState().wait_for_everyone()

def main(argv):
    PairsTrainer.end = lambda trainer: None  # there is more to train, with the same processes
    train("whole")
    train("whole")
    train("free", *{FREE!r})
    resumable_training.CHECKPOINT_MINUTES = 0.0
    step, calls = PairsTrainer.training_step, []

    def with_ctrl_c(*args, **options):
        calls.append(step)
        if len(calls) == 8 and is_main_process():
            os.kill(os.getpid(), signal.SIGINT)
        return step(*args, **options)

    PairsTrainer.training_step = with_ctrl_c
    try:
        train("cut")
    except KeyboardInterrupt:
        train("cut")
    return 0

run_script(main)
"""
LAUNCH = (
    *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
)


@pytest.fixture(scope="module")
def runs(tiny_adapter, tmp_path_factory):
    """The folder of all runs, and what the two processes said."""
    folder = tmp_path_factory.mktemp("two")
    pairs = write_pairs(folder / "train.jsonl", 19), write_pairs(folder / "val.jsonl", 5, start=20)
    one, free, two = (
        stage_b_command(tiny_adapter, *pairs, folder / name, "--batch_size", size, *OPTIONS, *more)
        for name, size, more in (("of_one/whole", "4", ()), ("of_one/free", "4", FREE), ("of_two/FOLDER", "2", ()))
    )
    assert stage_b_dpo_training.main(one) == stage_b_dpo_training.main(free) == 0
    script = folder / "launched.py"
    script.write_text(LAUNCHED)
    said = subprocess.run([*LAUNCH, str(script), *two], capture_output=True, text=True, check=False, timeout=600)
    assert said.returncode == 0, said.stderr[-6000:]
    return folder, said.stdout


def figures(folder, name):
    return [entry for entry in read_journal(folder / "metrics.jsonl") if name in entry]


def weights(folder):
    return load_file(folder / "final_model" / "adapter_model.safetensors")


@pytest.mark.parametrize("run", ["whole", "free"])
def test_every_step_and_evaluation_is_that_of_one_process(runs, run):
    one, two = (figures(runs[0] / processes / run, "loss") for processes in ("of_one", "of_two"))
    assert [step["step"] for step in two] == list(range(1, STEPS + 1))
    for ours, expected in zip(two, one, strict=True):
        for name in COMPARED:
            assert ours[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-5), (ours["step"], name)
    assert two[0]["num_tokens"] == one[0]["num_tokens"]
    one, two = (figures(runs[0] / processes / run, "eval_loss") for processes in ("of_one", "of_two"))
    for ours, expected in zip(two, one, strict=True):
        for name in ("eval_loss", "eval_rewards/margins", "eval_rewards/chosen"):
            assert ours[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-5), name


def test_the_adapter_is_that_of_one_process(runs, tiny_adapter):
    start = load_file(tiny_adapter / "adapter_model.safetensors")
    one, two = weights(runs[0] / "of_one" / "whole"), weights(runs[0] / "of_two" / "whole")
    way, apart = (max((a[name] - b[name]).abs().max() for name in a) for a, b in ((one, start), (two, one)))
    assert apart < 1e-5 < 1e-4 < way


def test_a_run_stopped_in_its_second_epoch_ends_with_the_same_weights_to_the_bit(runs):
    whole, cut = weights(runs[0] / "of_two" / "whole"), weights(runs[0] / "of_two" / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    states = (runs[0] / "of_two" / "cut").glob("runs/*/checkpoints/resume-*/rng_state*")
    assert {state.name for state in states} == {"rng_state_0.pth", "rng_state_1.pth"}


def test_each_pair_is_scored_once_by_one_of_them(runs):
    journals = sorted((runs[0] / "of_two").glob("reference/*/*.jsonl"))
    assert [journal.stem.rpartition("-")[2] for journal in journals] == ["0", "1"]
    scored = [[key for entry in read_journal(journal) for key in entry["pairs"]] for journal in journals]
    assert min(map(len, scored)) >= 10
    assert len(set(scored[0] + scored[1])) == len(scored[0] + scored[1]) == 19 + 5


def test_they_speak_as_one(runs):
    assert runs[1].count("✓ Stage B: 17 pairs") == 3
    assert runs[1].count("nothing to do") == 1
    assert runs[1].count("0 pairs read") == 1
    assert runs[1].count("Going on     after step 8") == 1


def test_a_problem_is_told_with_the_process_that_is_alone_with_it(monkeypatch, capfd):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(cli, "SECONDS_FOR_MAIN", 0.0)
    monkeypatch.setattr(cli, "silence_unless_main", lambda: None)

    def main(argv):
        raise RunError("out of memory")

    with pytest.raises(SystemExit, match="1"):
        run_script(main)
    assert capfd.readouterr().err == "error in process 1: out of memory\n"


def test_each_process_takes_a_card_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    for place in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", place)
        assert choose_device("auto", several_processes=True) == torch.device("cuda", int(place))
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="--num_processes 2"):
        choose_device("cuda", several_processes=True)
    assert choose_device("cpu", several_processes=True) == torch.device("cpu")


def test_several_processes_of_which_one_was_started_are_named(monkeypatch):
    for name, value in (("ACCELERATE_MIXED_PRECISION", "no"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="accelerate launch --multi_gpu --num_processes"):
        choose_device("cpu", several_processes=True)
    assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert choose_device("cpu", several_processes=True) == torch.device("cpu")


def test_another_number_of_processes_is_another_run(monkeypatch, tmp_path):
    def identity():
        return RunRecord(tmp_path, "script.py", argparse.Namespace(), argparse.ArgumentParser(), {}).identity()

    alone = identity()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert identity() == alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert identity() != alone
