"""Two processes started by ``accelerate launch`` share the notes, write the texts of one, and speak as one."""

from __future__ import annotations

import subprocess

import pytest

from evaluation_stage_a import evaluate_stage_a
from tests.test_stage_b_two_processes import LAUNCH
from tests.tiny import write_phase1
from utils.cli import PROJECT_ROOT
from utils.files import read_journal
from utils.records import read_csv

NOTES = 9  # in groups of four: the first and the last are the main process's, the second is the other's
JOURNALS = ("generated.journal.jsonl", "generated.journal.1.jsonl")

# What each process does: step 3 into "whole", the same again, and into "cut", where a killed run has left a journal.
LAUNCHED = f"""
import sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from evaluation_stage_a import evaluate_stage_a
from utils.cli import run_script
from utils.distributed import wait_for_all

def main(argv):
    for folder in ("whole", "whole", "cut"):
        evaluate_stage_a.main([word.replace("FOLDER", folder) for word in sys.argv[1:]])
        wait_for_all()
    return 0

run_script(main)
"""


@pytest.fixture(scope="module")
def runs(tiny_adapter, tmp_path_factory):
    """The folder with the results of one process and of two, and what the two said."""
    folder = tmp_path_factory.mktemp("two")
    notes = write_phase1(folder / "phase1", test=NOTES) / "test_set_processed.csv"

    def command(name):
        paths = {"model_path": tiny_adapter, "test_data": notes, "output_dir": folder / name, "device": "cpu"}
        options = ("--batch_size", "2", "--max_new_tokens", "12", "--temperature", "1")
        return [*(word for option, value in paths.items() for word in (f"--{option}", str(value))), *options]

    assert evaluate_stage_a.main(command("one")) == 0
    (folder / "cut").mkdir()
    first, second, _ = (folder / "one" / JOURNALS[0]).read_bytes().splitlines(keepends=True)
    (folder / "cut" / JOURNALS[0]).write_bytes(first + second[:-5])
    script = folder / "launched.py"
    script.write_text(LAUNCHED)
    launched = [*LAUNCH, str(script), *command("FOLDER")]
    said = subprocess.run(launched, capture_output=True, text=True, check=False, timeout=600)
    assert said.returncode == 0, said.stderr[-6000:]
    return folder, said.stdout


def results(folder):
    return read_csv(folder / "evaluation_results.csv", ("example_id", "generated_summary"))


@pytest.mark.parametrize("name", ["whole", "cut"])
def test_the_results_are_those_of_one_process(runs, name):
    expected = results(runs[0] / "one")
    assert len({row["generated_summary"] for row in expected}) == NOTES
    assert results(runs[0] / name) == expected


def test_each_text_is_generated_once_by_one_of_them(runs):
    journals = [[len(entry["texts"]) for entry in read_journal(runs[0] / "whole" / name)] for name in JOURNALS]
    assert journals == [[4, 1], [4]]
    assert [len(read_journal(runs[0] / "cut" / name)) for name in JOURNALS] == [2, 1]


def test_they_speak_as_one(runs):
    counts = ("9 generated", "0 reused"), ("0 generated in 0 s", "9 reused"), ("5 generated", "4 reused")
    said = [line for line in runs[1].splitlines() if "reused" in line]
    assert len(said) == len(counts)
    assert all(made in line and known in line for line, (made, known) in zip(said, counts, strict=True))
    assert runs[1].count("✓ Results") == 3
