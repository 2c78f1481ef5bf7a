"""The benchmark of Stage B: its figures by hand, and both arms in turns on a tiny model, step by step the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import dpo_speed
from benchmarks.side_by_side.dpo_figures import (
    PairSize,
    Parameters,
    Ratio,
    RowSize,
    Spread,
    category,
    gradient_difference,
    operations,
    profile_shares,
    ratio_of_sums,
    side_by_side,
    spread_of_ratios,
    stock_tokens,
)
from benchmarks.side_by_side.turns import Turns, Worker
from tests.tiny import write_pairs
from utils.cli import RunError

# A note of 10 tokens, summaries of 4 and 5, the first 2 of them shared: 10 + 4 + 5 - 2 in the trie, one repeated.
PAIR, ROW = PairSize(prompt=10, chosen=4, rejected=5), RowSize(prompt=10, tokens=18)


def test_the_limit_counts_tokens_as_the_formula_does():
    assert stock_tokens(PAIR) == 29
    # Body alone, N = 1, k = 4: stock E (k + 2) 2(P + C), ours (2 + k E) (P + 2C - s + 1).
    assert operations([PAIR], [ROW], 2, Parameters(body=1, head=0)) == (2 * 6 * 29, (2 + 4 * 2) * 18)
    # Head alone: stock scores every token, reference and policy, in each epoch; ours the summaries', reference once.
    assert operations([PAIR], [ROW], 2, Parameters(body=0, head=1)) == (2 * (2 + 6) * 29, (2 + 6 * 2) * 8)
    # A second pair of the note doubles stock's work, and adds to the row what is new in it.
    one, other = operations([PAIR, PAIR], [RowSize(prompt=10, tokens=22)], 3, Parameters(1, 0))
    assert (one, other) == (2 * 3 * 6 * 29, (2 + 4 * 3) * 22)


def test_the_ratio_is_of_all_seconds_and_its_interval_holds_it():
    ratio = ratio_of_sums([4.0, 8.0, 6.0, 2.0], [1.0, 2.0, 1.5, 0.5], stock_once=0.0, ours_once=0.0, seed=0)
    assert ratio == pytest.approx((4.0, 4.0, 4.0))  # every step alike: nothing to be unsure of
    ratio = ratio_of_sums([4.0, 8.0, 6.0, 2.0], [1.0, 2.0, 3.0, 1.0], stock_once=1.0, ours_once=3.0, seed=0)
    assert ratio.ratio == pytest.approx(21 / 10)
    assert ratio.low < ratio.ratio < ratio.high
    # The extremes are one step drawn four times: the last, 9 s to 7 s, and the second, 33 s to 11 s.
    assert ratio.low >= 9 / 7
    assert ratio.high <= 33 / 11
    assert ratio == ratio_of_sums([4.0, 8.0, 6.0, 2.0], [1.0, 2.0, 3.0, 1.0], 1.0, 3.0, seed=0)


def test_the_spread_is_of_single_steps():
    ours = [1.0] * 11
    assert spread_of_ratios([float(n) for n in range(11)], ours) == Spread(1.0, 5.0, 9.0)


def test_gradients_are_compared_relative_to_stock_the_worst_parameter_named():
    stock = {"a": np.array([3.0, 4.0]), "b": np.array([1.0]), "still": np.zeros(2)}
    ours = {"a": np.array([3.0, 4.5]), "b": np.array([1.05]), "still": np.zeros(2)}
    largest, name = gradient_difference(stock, ours)
    assert (largest, name) == (pytest.approx(0.1), "a")
    assert gradient_difference(stock, {**ours, "still": np.ones(2)}) == (float("inf"), "still")
    with pytest.raises(RunError, match="different parameters: \\['b'\\]"):
        gradient_difference(stock, {"a": stock["a"], "still": stock["still"]})


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["aten::addmm", "aten::linear"], "matrix products"),
        (["aten::mm", "_ChunkedLogProbFunction"], "LM head"),
        (["aten::mm", "_ChunkedLogProbFunctionBackward", "autograd::engine::evaluate_function"], "LM head"),
        (["aten::bmm", "aten::scaled_dot_product_attention"], "attention"),
        (["aten::mul_", "Optimizer.step#AdamW.step"], "optimizer"),
        (["aten::cat", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"], "data"),
        (["aten::silu"], "other operators"),
    ],
)
def test_an_operator_is_put_down_to_its_callers_first(names, kind):
    assert category(names) == kind


def test_the_profile_adds_up_with_what_no_operator_took():
    shares = profile_shares([(["aten::mm"], 5.0), (["aten::mm"], 1.0), (["aten::silu"], 1.0)], seconds=8.0)
    assert shares["matrix products"] == 0.75
    assert (shares["other operators"], shares["Python"]) == (0.125, 0.125)
    assert sum(shares.values()) == pytest.approx(1.0)


def reports(seconds, losses, peak, **build):
    """One arm's reports: one second each to load, build and estimate, two for the reference, none at the end."""
    report = {"peak_bytes": peak, "loss": 0.0}
    phases = (("load", 1.0), ("build", 1.0), ("estimate", 1.0), ("reference", 2.0))
    rows = [{**report, "phase": phase, "seconds": spent} for phase, spent in phases]
    rows[1].update(build)
    rows += [
        {**report, "phase": "step", "seconds": spent, "loss": loss, "margin": 0.0}
        for spent, loss in zip(seconds, losses, strict=True)
    ]
    return [*rows, {**report, "phase": "end", "seconds": 0.0, "peak_bytes": peak + 1e9}]


def test_two_arms_are_compared_end_to_end_reference_included():
    build = {"pairs": [PAIR], "rows": [ROW], "parameters": [1, 0], "unshared": None}
    build |= {"predicted_bytes": 2.2e9, "tokens_with_padding": {"stock": 60, "ours": 36}}
    stock, ours = reports([9.0, 9.0], [0.7, 0.6], 3e9), reports([2.0, 2.0], [0.7, 0.61], 1e9, **build)
    found = side_by_side(list(zip(stock, ours, strict=True)), epochs=2, seed=0)
    assert found["time_ratio"].ratio == pytest.approx((2 + 18) / (2 + 4))
    assert found["time_ratio_from_the_loaded_model"].ratio == pytest.approx((4 + 18) / (4 + 4))
    assert found["step_ratio"].median == pytest.approx(4.5)
    peak = {"stock": 4.0, "ours": 2.0, "ratio": 0.5, "ours_predicted": 2.2, "prediction_off_by": 0.1}
    assert found["peak_gb"] == pytest.approx(peak)
    assert found["loss_difference"] == pytest.approx(0.01)
    assert found["limit"]["ratio"] == pytest.approx(348 / 180)
    assert found["limit"]["reached"] == pytest.approx((20 / 6) / (348 / 180))
    assert found["limit"]["tokens"] == {"stock": 58, "ours": 36}
    assert found["limit"]["tokens_with_padding"] == {"stock": 60, "ours": 36}
    assert [step["ours_loss"] for step in found["steps"]] == [0.7, 0.61]


def test_a_figure_passes_on_the_right_side_of_its_bar():
    found = {
        "time_ratio": Ratio(3.2, 3.0, 3.4),
        "peak_gb": {"ratio": 0.5, "prediction_off_by": 0.21},
        "loss_difference": 2e-3,
        "gradient_difference": {"largest": 1e-5},
        "rerun": {"first_step_done": 15.1},
    }
    assert [bar.reached for bar in dpo_speed.bars("sigmoid", found)] == [False, True, False, False, True, False]
    assert [bar.reached for bar in dpo_speed.bars("sigmoid sft", found)] == [True, True, False, False, True, False]
    assert dpo_speed.bars("sigmoid", found)[0].measured == "3.20 [3.00 to 3.40]"


def fail(connection, folder):
    turns = Turns(connection)
    turns.done("load", folder=folder.name)
    print("what it printed")
    raise ValueError("no such thing")


def test_a_worker_that_fails_is_one_message_with_what_it_printed(tmp_path):
    with Worker(fail, tmp_path / "it") as worker:
        turns = worker.turns()
        report = next(turns)
        assert (report["phase"], report["folder"]) == ("load", "it")
        assert report["peak_bytes"] > 2**20
        with pytest.raises(RunError, match=r"(?s)worker it ended with code 1 .*after load:\n.*no such thing"):
            next(turns)


def test_both_arms_in_turns_give_the_same_losses_and_gradients(tiny_adapter, tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs.jsonl", 10)
    options = {"sft_model_path": tiny_adapter, "train_data_path": pairs, "pairs": 8, "num_epochs": 1, "batch_size": 2}
    options |= {"learning_rate": 1e-3, "output": tmp_path / "out.json"}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    assert dpo_speed.main([*argv, "--losses", "sigmoid sft"]) == 0
    assert "times as fast" in capsys.readouterr().out
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))["losses"]["sigmoid sft"]
    assert len(found["steps"]) == 4
    assert len({round(step["stock_loss"], 4) for step in found["steps"]}) > 1
    assert found["loss_difference"] <= 1e-5
    assert found["margin_difference"] <= 1e-5
    assert found["gradient_difference"]["largest"] <= 1e-4
    assert found["not_shared_because"] is None
    assert found["rerun"]["pairs_computed"] == 0
    assert set(found["rerun"]["profile"]) >= {"matrix products", "LM head", "attention", "optimizer", "other operators"}
    assert all(share > 0 for share in found["rerun"]["profile"].values())
