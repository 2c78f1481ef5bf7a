"""--dry_run: each item is found out, a failed one says what helps, and nothing is written or loaded."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple

import pytest
import torch

import stage_b_dpo_training
from preference import checklist
from preference.data.batches import Batch
from preference.expected_time import EFFICIENCY, product_speed, rough_seconds
from preference.memory.model_shape import AdapterShape, ModelShape
from preference.memory.prediction import Plan
from tests.tiny import find, write_pairs
from utils.files import sha256_path


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    return {
        "train_data_path": write_pairs(folder / "train.jsonl", 8),
        "val_data_path": write_pairs(folder / "val.jsonl", 4, start=8),
    }


@pytest.fixture(autouse=True)
def work_folder(tmp_path, monkeypatch):
    """The one folder with evaluations, in place of the project's."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(checklist, "PROJECT_ROOT", folder)
    return folder


@pytest.fixture
def dry_run(pairs, tmp_path, capsys, monkeypatch):
    def no_weights(*_, **__):
        raise AssertionError("a dry run loads no weights")

    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", no_weights)
    monkeypatch.setattr("preference.expected_time.product_speed", lambda *_: 1e9)

    def run(sft, *more):
        options = {"sft_model_path": sft, **pairs, "output_dir": tmp_path / "work" / "out"}
        argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        code = stage_b_dpo_training.main([*argv, "--device", "cpu", "--dry_run", *more])
        return code, capsys.readouterr().out

    return run


def marks(out):
    """The mark of each item."""
    lines = [line.split(maxsplit=2) for line in out.splitlines() if line[0] in (checklist.YES, checklist.NO, "?")]
    return {name if name != "Stage" else "Stage A": mark for mark, name, _ in lines}


def label(folder, hallucinated, of, adapter=None):
    """An evaluation of an adapter, with labels beside it."""
    folder.mkdir()
    inputs = {"test_data": {"path": "x", "sha256": "x"}, "model": {"path": "x", "sha256": "x"}}
    if adapter:
        inputs["adapter"] = {"path": str(adapter), "sha256": sha256_path(adapter)}
    (folder / "run.json").write_text(json.dumps({"inputs": inputs}))
    judged = [{"example_id": str(n), "has_hallucination": n < hallucinated} for n in range(of)]
    (folder / "manual_assessment.json").write_text(json.dumps({"total_assessed": of, "assessments": judged}))


def test_a_run_that_may_begin(tiny_adapter, pairs, dry_run, work_folder):
    pairs["train_data_path"].with_name("pairs_report.json").write_text(json.dumps({"verdict": "pass"}))
    label(work_folder / "evaluation_results_stage_a", 20, 50, tiny_adapter)
    before = sorted(work_folder.parent.rglob("*"))
    code, out = dry_run(tiny_adapter)
    assert code == 0
    assert marks(out) == {
        **dict.fromkeys(("Stage A", "Labels", "Pairs", "Audit", "Options", "Memory", "Disk"), "✓"),
        "Device": "?",  # a CPU: a card is recommended
    }
    assert "20/50 = 40%" in out and "8 train, 4 validation" in out
    assert "sigmoid, beta 0.1, learning rate 5e-06, 2 epochs, batch 4 x 1, float32 on cpu" in out
    assert "very roughly" in out
    assert sorted(work_folder.parent.rglob("*")) == before


def test_losses_stand_with_their_weights(tiny_adapter, dry_run):
    loss = ("--loss_type", "sigmoid", "sft", "--loss_weights", "1", "0.5", "--reference_free")
    assert "sigmoid + 0.5 sft without reference, beta 0.1, " in dry_run(tiny_adapter, *loss)[1]


def test_what_is_not_known_is_no_failure(tiny_model, dry_run):
    code, out = dry_run(tiny_model)
    assert code == 0
    assert marks(out)["Labels"] == marks(out)["Audit"] == "?"
    assert f'--model_path "{tiny_model}"' in out and "manual_assessment_tool.py --results_csv" in out
    assert "python generate_phase2_data.py" in out


@pytest.mark.parametrize("hallucinated, of, mark", [(20, 50, "✓"), (7, 50, "?"), (2, 100, "✗"), (0, 0, "?")])
def test_labels_decide_by_their_rate_and_how_sure_it_is(tiny_adapter, work_folder, hallucinated, of, mark):
    label(work_folder / "evaluation_results_stage_a", hallucinated, of, tiny_adapter)
    assert checklist.labels(find(tiny_adapter))[0] == mark


def test_labels_of_another_model_do_not_count(tiny_adapter, tiny_model, work_folder):
    label(work_folder / "evaluation_results_stage_b", 20, 50, tiny_model)
    assert checklist.labels(find(tiny_adapter))[0] == "?"
    assert checklist.labels(find(tiny_model))[0] == "?"  # its labels are of an adapter on it


def test_every_item_that_fails_is_named_with_its_remedy(tiny_adapter, pairs, dry_run, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(tiny_adapter, torn)
    weights = torn / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    pairs["val_data_path"].unlink()
    code, out = dry_run(torn, "--learning_rate", "2e-4", "--max_train_pairs", "4")
    assert code == 2
    failed = [name for name, mark in marks(out).items() if mark == "✗"]
    assert failed == ["Stage A", "Pairs", "Options"]
    assert "python generate_phase2_data.py" in out and "Take 5e-6" in out


def test_notes_in_both_files_and_a_failed_audit(tiny_adapter, pairs, dry_run):
    write_pairs(pairs["val_data_path"], 4, start=6)
    pairs["train_data_path"].with_name("pairs_report.json").write_text(json.dumps({"verdict": "fail"}))
    code, out = dry_run(tiny_adapter)
    assert code == 2
    assert marks(out)["Pairs"] == marks(out)["Audit"] == "✗"
    assert "2 notes are in" in out and "pairs_report.html" in out


def test_too_little_memory_and_disk(tiny_adapter, dry_run, monkeypatch):
    monkeypatch.setattr("preference.memory.preflight.free_memory", lambda device: 1e6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1e6))
    code, out = dry_run(tiny_adapter)
    assert code == 2
    assert marks(out)["Memory"] == marks(out)["Disk"] == "✗"
    assert "make room" in out


def test_disk_holds_two_checkpoints_and_two_of_each_model():
    one = checklist.disk_needed(1_000_000, pairs=0) - checklist.disk_needed(0, pairs=0)
    assert one == 1_000_000 * (2 * (4 + 8 + 4) + 2 * 4 + 2 * 4)


def test_the_rough_time_is_operations_by_speed():
    shape = ModelShape(
        layers=1, hidden=2, intermediate=4, heads=1, query=2, vocabulary=10, linear=((2, 3), (4, 5)), other=7
    )
    batch = Batch(rows=2, width=10, scored=9)
    forward = 20 * 2 * (6 + 20) + 20 * 10 * 4 * 2 + 9 * 2 * 2 * 10  # linear layers, attention, 9 scored tokens
    lora, full = (Plan("cpu", False, AdapterShape(rank, 1)) for rank in (8, 0))
    passes = {"reference": 2 + 1, "each epoch": 2 * 2 + 1}  # two batches to train on, one to validate
    assert rough_seconds(shape, lora, [batch] * 2, [batch], 2, speed=1) == pytest.approx(
        forward * (passes["reference"] + 2 * passes["each epoch"]) / EFFICIENCY
    )
    assert rough_seconds(shape, full, [batch] * 2, [batch], 2, speed=1) == pytest.approx(
        forward * (3 + 2 * (2 * 3 + 1)) / EFFICIENCY
    )


def test_a_products_speed_is_timed():
    speed = product_speed(torch.device("cpu"), torch.float32, least=1e-3)
    assert 1e6 < speed < 1e16
