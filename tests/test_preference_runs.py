"""The same command again: resumed to the bit after a kill, continued by an epoch, kept apart with another beta."""

from __future__ import annotations

import json
import shutil

import pytest
from filelock import FileLock
from safetensors.torch import load_file

import stage_b_dpo_training
from preference import callbacks
from preference.data import reference
from preference.runs.folder import all_runs, differing_arguments
from preference.trainer import PairsTrainer
from tests.tiny import write_pairs
from utils import resumable_training
from utils.cli import RunError, UserError
from utils.files import read_journal

TRAIN, VALIDATION = 11, 4  # batches of 2: 6 steps an epoch, the last one short


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return {
        "train_data_path": write_pairs(folder / "train.jsonl", TRAIN),
        "val_data_path": write_pairs(folder / "val.jsonl", VALIDATION, start=20),
    }


@pytest.fixture(scope="module", autouse=True)
def often():
    """A checkpoint after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumable_training, "CHECKPOINT_MINUTES", 0.0)
        yield


def run(sft, pairs, output_dir, *more):
    options = {"sft_model_path": sft, **pairs, "output_dir": output_dir, "reference_dir": output_dir.parent / "known"}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    options = ["--device", "cpu", "--batch_size", "2", "--learning_rate", "9e-5"]
    return stage_b_dpo_training.main([*argv, *options, *more])


def weights(output_dir):
    return (output_dir / "final_model" / "adapter_model.safetensors").read_bytes()


def losses(output_dir):
    return [(entry["step"], entry["loss"]) for entry in read_journal(output_dir / "metrics.jsonl") if "loss" in entry]


@pytest.fixture(scope="module")
def uninterrupted(tiny_adapter, pairs, tmp_path_factory):
    """Two epochs in one go."""
    output_dir = tmp_path_factory.mktemp("whole") / "out"
    assert run(tiny_adapter, pairs, output_dir) == 0
    return output_dir


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


def kill_at(monkeypatch, step, moment):
    def die(self, args, state, control, **_):
        if state.global_step == step:
            raise Killed

    monkeypatch.setattr(callbacks.StopOnDivergence, moment, die, raising=False)


@pytest.mark.parametrize(
    ("step", "moment"),
    [(1, "on_step_begin"), (5, "on_step_begin"), (6, "on_epoch_begin"), (8, "on_step_end"), (12, "on_train_end")],
)
def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    step, moment, tiny_adapter, pairs, uninterrupted, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, step, moment)
        run(tiny_adapter, pairs, tmp_path / "out")
    assert not (tmp_path / "out" / "final_model").exists()
    capsys.readouterr()
    run(tiny_adapter, pairs, tmp_path / "out")
    assert "Going on     after step" in capsys.readouterr().out
    assert weights(tmp_path / "out") == weights(uninterrupted)
    assert losses(tmp_path / "out") == losses(uninterrupted)


def test_cut_off_in_the_reference_pass_it_scores_the_rest_and_ends_the_same(
    tiny_adapter, pairs, uninterrupted, tmp_path, monkeypatch
):
    append = reference.append_journal
    written = []

    def die(file, entry):
        if len(written) == 3:
            raise Killed
        written.append(entry)
        append(file, entry)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(reference, "append_journal", die)
        run(tiny_adapter, pairs, tmp_path / "out")
    run(tiny_adapter, pairs, tmp_path / "out")
    assert weights(tmp_path / "out") == weights(uninterrupted)


def test_one_more_epoch_goes_on_from_the_last_state(tiny_adapter, pairs, uninterrupted, tmp_path, capsys):
    run(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    first = weights(tmp_path / "out")
    capsys.readouterr()
    run(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "2")
    assert "after step 6" in capsys.readouterr().out
    assert weights(tmp_path / "out") == weights(uninterrupted) != first
    assert losses(tmp_path / "out") == losses(uninterrupted)
    assert len(all_runs(tmp_path / "out")) == 1


def test_fewer_epochs_than_a_run_has_are_a_run_of_their_own(tiny_adapter, pairs, tmp_path, capsys):
    run(tiny_adapter, pairs, tmp_path / "short", "--num_epochs", "1")
    out = tmp_path / "out"
    run(tiny_adapter, pairs, out, "--num_epochs", "2")
    longer = weights(out)
    run(tiny_adapter, pairs, out, "--num_epochs", "1")
    assert weights(out) == weights(tmp_path / "short") != longer
    assert [entry["epoch"] for entry in all_runs(out)] == [2, 1]
    capsys.readouterr()
    for epochs, expected in (("1", weights(out)), ("2", longer)):  # both are there: nothing to train
        run(tiny_adapter, pairs, out, "--num_epochs", epochs)
        assert weights(out) == expected
    assert "after step" not in capsys.readouterr().out


def test_a_part_of_an_epoch_ends_with_a_whole_step_and_is_done_once(tiny_adapter, pairs, tmp_path, capsys):
    out = tmp_path / "out"
    run(tiny_adapter, pairs, out, "--num_epochs", "0.4")  # 2.4 steps, so 3
    assert losses(out)[-1][0] == 3
    capsys.readouterr()
    run(tiny_adapter, pairs, out, "--num_epochs", "0.4")
    assert "nothing to do" in capsys.readouterr().out
    assert len(all_runs(out)) == 1


def test_a_run_does_not_go_on_in_another_precision(tiny_adapter, pairs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 3, "on_step_end")
        run(tiny_adapter, pairs, out)
    [started] = out.glob("runs/*/started.json")
    assert '"computes": "cpu in float32"' in started.read_text()
    started.write_text(started.read_text().replace("cpu in float32", "cuda in bfloat16"))
    with pytest.raises(UserError, match="begun on cuda in bfloat16, and this would go on with cpu in float32"):
        run(tiny_adapter, pairs, out)


def test_another_beta_is_another_run_and_the_first_can_come_back(tiny_adapter, pairs, tmp_path, capsys):
    out = tmp_path / "out"
    run(tiny_adapter, pairs, out, "--num_epochs", "1")
    first = weights(out)
    run(tiny_adapter, pairs, out, "--num_epochs", "1", "--beta", "0.3")
    assert weights(out) != first
    assert json.loads((out / "run.json").read_text())["arguments"]["beta"]["value"] == 0.3
    runs = all_runs(out)
    assert [entry["arguments"]["beta"]["value"] for entry in runs] == [0.1, 0.3]
    assert differing_arguments(runs) == ["beta"]
    kept = load_file(out / "runs" / runs[0]["name"] / "final_model" / "adapter_model.safetensors")
    assert kept
    capsys.readouterr()
    run(tiny_adapter, pairs, out, "--num_epochs", "1")  # the first again: nothing to train
    assert "holds this run" in capsys.readouterr().out
    assert weights(out) == first
    assert (out / "training_curves.png").is_file()


def test_a_run_that_diverges_keeps_the_earlier_model_and_says_so(tiny_adapter, pairs, tmp_path):
    out = tmp_path / "out"
    run(tiny_adapter, pairs, out, "--num_epochs", "1")
    kept = weights(out)
    with pytest.raises(RunError, match="diverged at step"):
        run(tiny_adapter, pairs, out, "--learning_rate", "1e30", "--force")
    assert weights(out) == kept


def test_learning_rates_of_stage_as_size_are_refused(tiny_model, pairs, tmp_path):
    with pytest.raises(UserError, match=r"0\.0001"):
        run(tiny_model, pairs, tmp_path / "out", "--learning_rate", "2e-4")
    with pytest.raises(UserError, match="all weights"):
        run(tiny_model, pairs, tmp_path / "out", "--learning_rate", "5e-5", "--lora_r", "0")
    with pytest.raises(UserError, match="a number for each"):
        run(tiny_model, pairs, tmp_path / "out", "--loss_type", "sigmoid", "sft", "--loss_weights", "1")
    assert not (tmp_path / "out").exists()


def test_all_weights_are_trained_with_rank_0_and_the_result_is_a_full_model(tiny_model, pairs, tmp_path, capsys):
    out = tmp_path / "out"
    run(tiny_model, pairs, out, "--lora_r", "0", "--learning_rate", "1e-5", "--num_epochs", "1")
    said = capsys.readouterr().out
    assert "all weights trained" in said
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(out / "final_model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)
    results = json.loads((out / "run.json").read_text())["results"]
    assert results["first_loss"] == pytest.approx(0.693147, abs=1e-5)


def test_early_stopping_keeps_the_best_model(tiny_adapter, pairs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    rising = iter((0.5, 0.6, 0.7, 0.8))
    stock = PairsTrainer.evaluate

    def evaluate(self, *args, **options):
        metrics = stock(self, *args, **options)
        value = next(rising)
        self.state.log_history[-1]["eval_loss"] = value
        return {**metrics, "eval_loss": value}

    monkeypatch.setattr(PairsTrainer, "evaluate", evaluate)
    run(tiny_adapter, pairs, out, "--num_epochs", "4", "--early_stopping_patience", "2")
    assert losses(out)[-1][0] == 18  # stopped after the third epoch
    [entry] = all_runs(out)
    folder = out / "runs" / entry["name"]
    best = (folder / "best_model" / "adapter_model.safetensors").read_bytes()
    assert weights(out) == best
    for made in (folder, out):  # as if killed between the last checkpoint and the end
        (made / "run.json").unlink()
        shutil.rmtree(made / "final_model")
    run(tiny_adapter, pairs, out, "--num_epochs", "4", "--early_stopping_patience", "2")
    assert losses(out)[-1][0] == 18
    assert weights(out) == best


@pytest.mark.parametrize(
    ("metrics", "warns"),
    [
        ({"eval_rewards/chosen": -0.2, "eval_rewards/rejected": -0.3}, True),
        ({"eval_rewards/chosen": 0.1, "eval_rewards/rejected": -0.3}, False),
        ({"eval_rewards/chosen": -0.05, "eval_rewards/rejected": -0.9}, False),
        ({}, False),
    ],
)
def test_chosen_summaries_that_become_unlikely_with_the_rejected_are_said(metrics, warns):
    assert (callbacks.displacement(metrics, beta=0.1) is not None) == warns


def test_two_processes_do_not_train_one_run(tiny_adapter, pairs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 1, "on_step_begin")
        run(tiny_adapter, pairs, out)
    [folder] = (out / "runs").iterdir()
    with FileLock(folder / "lock"), pytest.raises(UserError, match="another process is training"):
        run(tiny_adapter, pairs, out)
