"""The rate benchmark: every kept adapter on the same notes, figures with intervals, a plot, and no work done twice."""

from __future__ import annotations

import json

import pytest

from benchmarks import stage_a_rate
from clinical.patient import Complaint, Patient, to_json
from evaluation_stage_a import known_facts
from models import train_stage_a
from tests.test_evaluation_known_facts import StubClaim, StubVerdict
from tests.tiny import write_phase1
from utils.cli import UserError
from utils.records import read_csv, write_csv

STATE = to_json(Patient(60, "male", "cardiology", "clinic", Complaint("cough")))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_phase1(tmp_path_factory.mktemp("data"), train=8, validation=6, test=6)
    for name in ("validation", "test"):
        path = folder / f"{name}_set_processed.csv"
        rows = read_csv(path, ("id",))
        write_csv(path, list(rows[0]), [{**row, "evidence_stats": STATE} for row in rows])
    return folder


@pytest.fixture(scope="module")
def stage_a(tiny_model, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "sft"
    argv = ["--base_model", str(tiny_model), "--output_dir", str(folder), "--device", "cpu", "--batch_size", "4"]
    argv += ["--train_data", str(data / "train_set_processed.csv"), "--num_epochs", "1"]
    assert train_stage_a.main([*argv, "--val_data", str(data / "validation_set_processed.csv")]) == 0
    return folder


def measure(stage_a, data, folder, *more):
    options = {
        "stage_a": stage_a,
        "val_data": data / "validation_set_processed.csv",
        "test_data": data / "test_set_processed.csv",
        "output_dir": folder / "out",
        "work_dir": folder / "work",
        "curve_notes": 3,
        "test_notes": 4,
        "max_new_tokens": 6,
        "device": "cpu",
    }
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    assert stage_a_rate.main([*argv, *more]) == 0
    return json.loads((folder / "out" / "stage_a_rate.json").read_text())


@pytest.fixture(autouse=True)
def stub_oracle(monkeypatch):
    """Every other summary has an error."""
    judged = []

    def judge(patient, summary):
        judged.append(summary)
        return StubVerdict((StubClaim("dose", "wrong" if len(judged) % 2 else "right"),))

    monkeypatch.setattr(known_facts, "judge_summary", judge)


def test_figures_intervals_and_plot_of_every_adapter(stage_a, data, tmp_path, capsys):
    record = measure(stage_a, data, tmp_path, "--with_base")
    curve = record["curve_on_validation_notes"]
    assert [point["step"] for point in curve] == [0, 1, 2]
    assert curve[0]["val_loss"] is None
    assert curve[-1]["val_loss"] == json.loads((stage_a / "run.json").read_text())["results"]["val_loss"]
    final = record["last_adapter_on_test_notes"]
    assert (final["step"], final["summaries"]) == (2, 4)
    assert {**final["hallucination_rate"], "low": 0, "high": 0} == {
        "events": 2, "total": 4, "share": 0.5, "low": 0, "high": 0,
    }  # fmt: skip
    assert final["hallucination_rate"]["low"] == pytest.approx(0.150, abs=1e-3)  # Wilson, k = 2, n = 4
    assert final["errors_by_type"] == {"dose": 2}
    assert record["training"]["arguments"]["batch_size"] == 4
    assert record["command"][:2] == ["python", "benchmarks/stage_a_rate.py"]
    assert (tmp_path / "out" / "stage_a_rate.png").read_bytes().startswith(b"\x89PNG")
    assert "errors on test notes: dose 2 (100%)" in capsys.readouterr().out


def test_a_second_run_generates_nothing(stage_a, data, tmp_path, monkeypatch):
    first = measure(stage_a, data, tmp_path)["last_adapter_on_test_notes"]
    monkeypatch.setattr("utils.models.load_model", lambda *args, **more: pytest.fail("a model was loaded"))
    again = measure(stage_a, data, tmp_path)["last_adapter_on_test_notes"]
    assert (again["summaries"], again["mean_words"]) == (first["summaries"], first["mean_words"])


def test_notes_whose_facts_are_not_known_are_refused(stage_a, data, tmp_path):
    rows = read_csv(data / "test_set_processed.csv", ("id",))
    write_csv(tmp_path / "test.csv", list(rows[0]), [{**row, "evidence_stats": ""} for row in rows])
    with pytest.raises(UserError, match="only shipped notes can be judged exactly"):
        measure(stage_a, data, tmp_path, "--test_data", str(tmp_path / "test.csv"))


def test_without_kept_adapters_the_way_out_is_named(data, tmp_path):
    with pytest.raises(UserError, match=r"python models/train_stage_a\.py"):
        measure(tmp_path / "gone", data, tmp_path)
