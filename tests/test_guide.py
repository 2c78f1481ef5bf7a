"""The Guide's claims: its commands and options exist, its links lead somewhere, its figures are the measured ones."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from benchmarks.arms.marked_text import marked
from benchmarks.one_factor import report
from preference.data.batches import batch_of
from preference.data.pairs import PairIds
from preference.memory.model_shape import new_adapter, shape_of
from preference.memory.prediction import Plan, predict
from tests.test_preference_memory import LLAMA_8B
from tests.test_readme_commands import README, SCRIPTS, script
from utils.cli import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "Guides"
GUIDE = (FOLDER / "STAGE_B_DPO_GUIDE.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", GUIDE)
COMMANDS = {code for code in (*CODE, *GUIDE.splitlines()) if code.startswith("python ")}


def between_marks(name):
    return re.search(rf"<!-- from {re.escape(name)} -->\n(.*)\n<!-- end of", GUIDE, flags=re.S)[1]


def test_it_is_read_in_one_sitting():
    assert len(GUIDE.split()) < 4000


def test_readme_points_to_it():
    assert "Guides/STAGE_B_DPO_GUIDE.md" in README


def test_its_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", GUIDE) if not link.startswith("https://")]
    named = [code for code in CODE if re.match(r"(?:benchmarks|Guides|models|phase1_data_medhal|tests)/[\w/.]+$", code)]
    assert links and named
    for path in (*(FOLDER / link for link in links), *(PROJECT_ROOT / path for path in named)):
        assert path.exists(), path


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_its_commands_are_understood(command):
    _, *words = shlex.split(command)
    assert script(words).build_parser().parse_args(words[1:])


@pytest.mark.parametrize("option", sorted(set(re.findall(r"--\w+", " ".join(CODE)))))
def test_its_options_exist(option):
    assert any(option in script((path,)).build_parser().format_help() for path in SCRIPTS)


def test_its_memory_arithmetic_is_that_of_the_preflight():
    plan = Plan("cuda", True, new_adapter(shape_of(LLAMA_8B), 16), "4bit", checkpointing=True, triton=True)
    batch = batch_of([PairIds([1] * 512, [2] * 64, [3] * 64)])
    shown = between_marks("preference.memory.prediction")
    assert shown == f"```\n{predict(shape_of(LLAMA_8B), batch, plan).arithmetic()}\n```"


def test_its_figures_of_each_option_are_those_of_the_sweep():
    record = json.loads((PROJECT_ROOT / "benchmarks" / "sweep.json").read_text("utf-8"))
    assert marked(report.SOURCE, report.for_guide(record)) in GUIDE
    said = re.search(r"around the setting `(.*?)`", GUIDE.replace("\n", " "))[1]
    parser, names = script(("stage_b_dpo_training.py",)).build_parser(), re.findall(r"--(\w+)", said)
    setting = parser.parse_args(shlex.split(said))
    assert {name: getattr(setting, name) for name in names} == {name: record["setting"][name] for name in names}
    assert names and f"{record['train_pairs']} pairs" in GUIDE and f"{record['notes']} validation notes" in GUIDE


def test_its_training_curves_are_the_sweep_s():
    shown = re.findall(r"\(\.\./benchmarks/sweep_curves/(\w+)\.png\)", GUIDE)
    record = json.loads((PROJECT_ROOT / "benchmarks" / "sweep.json").read_text("utf-8"))
    assert sorted(shown) == sorted(record["curves"])
