"""The mean of the weights: its values by hand, what is validated and saved, and that training does not see it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

import stage_b_dpo_training
from preference import callbacks
from preference.averaging import AVERAGE, AverageWeights, averaged_weights
from tests.tiny import write_pairs
from utils.files import read_journal


def moving(*values, steps):
    """A weight that an optimizer takes through these values, and the optimizer."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight])
    keeps = AverageWeights(steps)
    for step, value in enumerate(values, start=1):
        weight.grad = torch.ones(1)
        optimizer.step()
        weight.data.fill_(value)
        keeps.on_step_end(None, SimpleNamespace(global_step=step), None, optimizer=optimizer)
    return weight, optimizer


@pytest.mark.parametrize(
    ("steps", "mean"),
    [
        (1, 6.0),
        (2, ((((1 + 3) / 2 + 5) / 2 + 8) / 2 + 2) / 4 + 6 / 2),
        (3, ((((1 + 3) / 2 + 5) / 2 + 8) / 2 + 2) / 3 + 6 / 3),
        (50, ((((1 + 3) / 2 + 5) / 2 + 8) / 2 + 2) / 3 + 6 / 3),
    ],
)
def test_the_mean_takes_a_quarter_of_the_steps_at_most_so_many(steps, mean):
    weight, optimizer = moving(9, 7, 1, 3, 5, 8, 2, 6, steps=steps)
    assert optimizer.state[weight][AVERAGE].item() == pytest.approx(mean)
    assert weight.item() == 6


def test_a_long_run_forgets_where_it_began():
    weight, optimizer = moving(*[1000] * 3, *[0] * 197, steps=50)
    assert 0 < optimizer.state[weight][AVERAGE].item() < 1


def test_weights_are_exchanged_for_their_mean_and_given_back_whatever_happens():
    weight, optimizer = moving(0, 1, 1, 3, steps=9)
    with pytest.raises(KeyError), averaged_weights(optimizer):
        assert weight.item() == 2
        raise KeyError
    assert weight.item() == 3
    assert optimizer.state[weight][AVERAGE].item() == 2


def test_without_a_mean_nothing_is_exchanged():
    weight = torch.nn.Parameter(torch.ones(1))
    for optimizer in (None, torch.optim.AdamW([weight])):
        with averaged_weights(optimizer):
            assert weight.item() == 1


def test_a_checkpoint_holds_the_mean():
    weight, optimizer = moving(0, 1, 1, 3, steps=9)
    another = torch.nn.Parameter(weight.detach().clone())
    restored = torch.optim.AdamW([another])
    restored.load_state_dict(optimizer.state_dict())
    assert restored.state[another][AVERAGE].item() == 2


@pytest.fixture(scope="module")
def runs(tiny_adapter, tmp_path_factory):
    """The same 5 steps with and without the mean: folders, and the weights after each step."""
    folder = tmp_path_factory.mktemp("averaging")
    train = write_pairs(folder / "train.jsonl", 9)
    val = write_pairs(folder / "val.jsonl", 4, start=20)
    seen: dict[str, list[dict[str, torch.Tensor]]] = {}

    def watched(name):
        def on_step_end(self, args, state, control, model=None, **_):
            now = {key: p.detach().clone() for key, p in model.named_parameters() if p.requires_grad}
            seen.setdefault(name, []).append(now)

        return on_step_end

    for name, steps in (("last", "1"), ("mean", "50")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(callbacks.StopOnDivergence, "on_step_end", watched(name), raising=False)
            argv = ["--sft_model_path", tiny_adapter, "--train_data_path", train, "--val_data_path", val]
            argv += ["--output_dir", folder / name, "--reference_dir", folder / "known", "--device", "cpu"]
            argv += ["--batch_size", "2", "--learning_rate", "9e-5", "--num_epochs", "1", "--average_steps", steps]
            assert stage_b_dpo_training.main(list(map(str, argv))) == 0
    return folder, seen


def saved(folder):
    tensors = load_file(folder / "final_model" / "adapter_model.safetensors")
    return {name.replace(".weight", ".default.weight"): tensor for name, tensor in tensors.items()}


def test_the_model_is_the_mean_of_the_weights_after_the_last_steps(runs):
    folder, seen = runs
    steps = seen["mean"]
    assert len(steps) == 5
    for name, tensor in saved(folder / "mean").items():
        torch.testing.assert_close(tensor, (steps[2][name] + steps[3][name] + 2 * steps[4][name]) / 4)
    last = saved(folder / "last")
    assert all(torch.equal(tensor, seen["last"][-1][name]) for name, tensor in last.items())


def test_training_does_not_see_the_mean_and_validation_does(runs):
    folder, seen = runs
    for one, other in zip(seen["last"], seen["mean"], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    journals = [read_journal(folder / name / "metrics.jsonl") for name in ("last", "mean")]
    trained, validated = ([[e[key] for e in j if key in e] for j in journals] for key in ("loss", "eval_loss"))
    assert trained[0] == trained[1]
    assert len(validated[0]) == len(validated[1]) == 1
    assert validated[1] > validated[0]  # fewer steps, so to speak: the losses fall
