"""The smoke test of a card: all checks that a CPU can run on a tiny model, and what becomes of those that go wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import gpu_smoke
from benchmarks.gpu_smoke import FAIL, PASS, SKIPPED, Outcome
from benchmarks.side_by_side.turns import Worker
from benchmarks.smoke import checks as smoke_checks
from benchmarks.smoke.checks import ADAPTER_WEIGHTS, CHECKS, adapter_moved
from benchmarks.smoke.setting import BATCH, CheckFailed, Setting, Step
from tests.tiny import find, write_pairs
from utils.cli import PROJECT_ROOT, RunError

CPU = torch.device("cpu")


@pytest.fixture
def setting(tiny_adapter, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.jsonl", 2 * BATCH)
    return Setting(str(tiny_adapter), pairs, CPU, tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("fp32", r"fp32, 2 steps, first loss 0\.6931, adapter moved by \de-07"),
        ("4-bit", r"fp32, 2 steps, first loss 0\.6931, adapter moved by \de-07"),
        ("8-bit", r"fp32, 2 steps, first loss 0\.69\d\d, adapter moved by \de-07"),
        ("checkpointing", r"whole weights: loss differs by .*; 4-bit: loss differs by .*"),
        ("sharing", r"fp32: log-probs differ by .*, loss differs by .*, gradients by .*"),
        ("reference", rf"fp32: {BATCH} pairs on disk, first reward .*"),
        ("out-of-memory", r"said, not provoked: 2 of 4 pairs at once, loss differs by .*"),
        ("generation", r"fp32 slots: 4 of 4 texts the same; fp32 padded: 4 of 4 texts the same"),
    ],
)
def test_on_a_cpu_a_check_passes_with_its_figures(name, figures, setting):
    found = CHECKS[name](setting)
    assert re.fullmatch(re.sub(r"\\de-07", r"\\d\\.\\de-07", figures), found)


@pytest.mark.parametrize("name", ["bf16", "fp16", "preflight"])
def test_what_a_cpu_has_not_got_is_skipped_with_the_reason(name, setting):
    result, reason, log = gpu_smoke.judged(name, setting)
    assert (result, log) == (SKIPPED, "")
    assert re.search("card|CUDA", reason)


def test_the_checks_are_named_once_and_run_in_one_order():
    assert tuple(CHECKS) == gpu_smoke.CHECKS


def test_a_step_that_is_another_step_does_not_pass():
    step = Step(0.7, {"a": np.array([3.0, 4.0])})
    assert step.compare(Step(0.70005, {"a": np.array([3.0, 4.004])}), "fp32").startswith("loss differs by 5.0e-05")
    other_gradient = Step(0.7, {"a": np.array([3.0, 4.5])})
    with pytest.raises(CheckFailed, match=r"gradients by 1\.0e-01 \(a\), in fp32"):
        step.compare(other_gradient, "fp32")
    assert step.compare(other_gradient, "bf16")
    with pytest.raises(CheckFailed, match=r"loss differs by 1\.0e-01"):
        step.compare(Step(0.8, step.gradients), "bf16")


def test_an_adapter_that_stood_still_or_is_not_fp32_is_seen(tiny_adapter, tmp_path):
    checkpoint, copy = find(tiny_adapter), tmp_path / ADAPTER_WEIGHTS
    weights = load_file(Path(tiny_adapter) / ADAPTER_WEIGHTS)
    save_file(weights, copy)
    assert adapter_moved(checkpoint, copy) == 0.0
    name = min(weights)
    save_file({**weights, name: weights[name] + 0.25}, copy)
    assert adapter_moved(checkpoint, copy) == pytest.approx(0.25)
    save_file({**weights, name: weights[name].bfloat16()}, copy)
    with pytest.raises(CheckFailed, match=r"torch\.bfloat16"):
        adapter_moved(checkpoint, copy)


def test_a_path_that_is_not_stock_trl_fails(setting, monkeypatch):
    """Wrong positions: the self-check turns sharing off, and here that is a failure."""
    from preference.packing import shared_prefix

    pack = shared_prefix.pack

    def wrong(*rows):
        packed = pack(*rows)
        packed.position_ids[:, packed.position_ids.size(1) // 2 :] += 7
        return packed

    monkeypatch.setattr(shared_prefix, "pack", wrong)
    result, figures, log = gpu_smoke.judged("sharing", setting)
    assert result == FAIL
    assert "packed pairs give other log-probs" in figures
    assert "CheckFailed" in log


def test_memory_that_never_runs_out_is_no_proof_of_recovery(setting, monkeypatch):
    monkeypatch.setattr(smoke_checks, "refused_memory", lambda trainer, step: (step(), iter([("never", step())])))
    assert gpu_smoke.judged("out-of-memory", setting)[:2] == (FAIL, "memory did not run out, whatever was left of it")


def test_an_error_is_told_without_folders_and_kept_with_its_traceback(setting, monkeypatch):
    def broken(setting):
        raise OSError(
            f"no kernel image in {Path.home()}/my things/lib.so, /opt/a b/cuda/libx.so or {PROJECT_ROOT}/x.py"
        )

    monkeypatch.setitem(CHECKS, "fp32", broken)
    result, figures, log = gpu_smoke.judged("fp32", setting)
    assert result == FAIL
    assert figures.startswith("OSError: no kernel image in …")
    assert re.search(r", in tests/test_gpu_smoke\.py:\d+$", figures)
    for place in (str(Path.home()), str(PROJECT_ROOT), "/opt"):
        assert place not in figures
    assert "in broken" in log


class KilledWorker(Worker):
    """A worker whose process, where it does the check fp32, the system has ended."""

    def __enter__(self):
        return self if self.folder.name == "fp32" else super().__enter__()

    def __exit__(self, *error):
        if self.folder.name != "fp32":
            super().__exit__(*error)

    def turns(self, patience=None):
        assert patience == gpu_smoke.PATIENCE
        if self.folder.name == "fp32":
            raise RunError(f"the worker fp32 ended with code -9, after its start:\nCUDA error in {self.folder}/kernel")
        return super().turns(patience)


def test_a_check_that_crashes_stops_no_other_and_the_run_fails(tiny_adapter, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_smoke, "Worker", KilledWorker)
    pairs, output = write_pairs(tmp_path / "pairs.jsonl", 4), tmp_path / "out"
    options = ["--model", str(tiny_adapter), "--train_data_path", str(pairs), "--output_dir", str(output)]
    assert gpu_smoke.main([*options, "--checks", "fp32", "bf16", "--device", "cpu"]) == 1
    assert "✗ 1 FAIL, 1 skipped" in capsys.readouterr().out
    pasted = (output / "gpu_smoke.md").read_text("utf-8")
    assert re.search(r"\| fp32 \| FAIL \| \d+\.\d \| RunError: the worker fp32 ended with code -9", pasted)
    assert re.search(r"\| bf16 \| skipped \| \d+\.\d \| bf16 is for cards", pasted)
    assert str(tmp_path) not in pasted
    assert "CUDA error" in (output / "gpu_smoke.log").read_text("utf-8")


def test_the_text_to_paste_counts_and_lists():
    outcomes = [
        Outcome("fp32", PASS, 1.25, "x"),
        Outcome("bf16", SKIPPED, 0.0, "no card"),
        Outcome("fp16", PASS, 2, "y"),
    ]
    assert gpu_smoke.as_markdown(outcomes, ["a card", "a driver"]).splitlines() == [
        "**gpu_smoke.py: 2 pass, 1 skipped**",
        "",
        "- a card",
        "- a driver",
        "",
        "| check | result | s | figures |",
        "|---|---|---|---|",
        "| fp32 | pass | 1.2 | x |",
        "| bf16 | skipped | 0.0 | no card |",
        "| fp16 | pass | 2.0 | y |",
    ]
