"""Guides/SEVERAL_GPUS.md: launcher and steps take its commands, and refuse what it says they refuse."""

from __future__ import annotations

import importlib
import re
import shlex
import sys

import pytest
from accelerate.commands.launch import launch_command_parser
from datasets import Dataset

from preference.data.reference import ReferenceLogProbs
from tests.test_stage_b_two_processes import LAUNCH
from utils.cli import PROJECT_ROOT, RunError, UserError
from utils.models import choose_device

GUIDE = (PROJECT_ROOT / "Guides" / "SEVERAL_GPUS.md").read_text("utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^accelerate launch .*", GUIDE, flags=re.MULTILINE)]


def parsed(command):
    """What the launcher reads of a command, and what the step does."""
    launcher = launch_command_parser().parse_args(command[2:])
    step = importlib.import_module(launcher.training_script.removesuffix(".py").replace("/", "."))
    return launcher, step.build_parser().parse_args(launcher.training_script_args)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command[4]} processes, {command[-1]}")
def test_the_launcher_and_the_steps_take_the_commands(command):
    launcher, step = parsed(command)
    assert launcher.multi_gpu
    assert launcher.num_processes % launcher.num_machines == 0
    if launcher.training_script == "stage_b_dpo_training.py" and launcher.num_machines == 1:
        assert step.batch_size * launcher.num_processes * step.gradient_accumulation_steps == 4


def test_the_machines_of_one_run_are_told_the_same():
    both = [command for command in COMMANDS if "--machine_rank" in command]
    ranks = [command.pop(command.index("--machine_rank") + 1) for command in map(list, both)]
    first, second = ([word for word in command if word not in ranks] for command in both)
    assert ranks == ["0", "1"]
    assert first == second


def test_the_command_for_a_cpu_has_the_launcher_options_that_are_tested():
    [tried] = [command for command in COMMANDS if "cpu" in command]
    assert tried[2 : tried.index("stage_b_dpo_training.py")] == [*LAUNCH[3:]]
    assert LAUNCH[:3] == (sys.executable, "-m", "accelerate.commands.launch")


@pytest.mark.parametrize("way", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_a_launcher_that_shards_the_model_is_refused(monkeypatch, way):
    monkeypatch.setenv(f"ACCELERATE_USE_{way}", "true")
    with pytest.raises(UserError, match="every process needs the whole model"):
        choose_device("cpu", several_processes=True)


def test_machines_that_do_not_share_a_folder_are_told_so(tmp_path, monkeypatch):
    pairs = Dataset.from_list([{"prompt_ids": [i], "chosen_ids": [8], "rejected_ids": [9]} for i in range(4)])
    monkeypatch.setenv("WORLD_SIZE", "2")
    here = ReferenceLogProbs(tmp_path / "here", "run")
    here.compute(pairs, here.missing(pairs, 1), lambda rows: [(-1.0, -2.0)] * len(rows))
    with pytest.raises(RunError, match="machines need a folder that they share"):
        here.add_to(pairs)
