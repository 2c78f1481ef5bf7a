"""What dpo_speed.py works out of two arms' steps: ratios with their spread, differences, the limit, the profile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from preference.memory.prediction import GB
from utils.cli import RunError

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.side_by_side.turns import Report

RESAMPLES = 10_000
# Floating-point operations of one token for each weight of a frozen matrix: forward, then with the gradient of its
# input (LoRA trains nothing else). TRL's head works its scores out again on the way back.
FORWARD, STEP, HEAD_STEP = 2, 4, 6
STEP_FIGURES = ("seconds", "loss", "margin")
GRADIENTS, PROFILE_FILE = "gradients.safetensors", "profile.json"  # what an arm leaves in its folder
# What an operator's time is put down to: the first line of which a name is part of the operator's or of a caller's.
PROFILE: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("Optimizer.step", "Optimizer.zero_grad", "clip_grad"),
    "data": ("DataLoader",),
    "LM head": ("ChunkedLogProb", "LabelScores"),
    "attention": ("scaled_dot_product", "ScaledDotProduct"),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::matmul", "aten::linear"),
    "other operators": ("",),
}


class Ratio(NamedTuple):
    """A ratio with a 95 % interval."""

    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f} [{self.low:.2f} to {self.high:.2f}]"


class Spread(NamedTuple):
    """The middle of some values, and where nine in ten lie above and below."""

    percentile_10: float
    median: float
    percentile_90: float


class PairSize(NamedTuple):
    """Tokens of a pair: of its note's prompt, and of both summaries."""

    prompt: int
    chosen: int
    rejected: int


class RowSize(NamedTuple):
    """Tokens of the row that all pairs of a note make, and how many of them are the note's prompt."""

    prompt: int
    tokens: int


class Parameters(NamedTuple):
    """Weights that multiply every token: of the layers (``body``), and of the LM head."""

    body: int
    head: int


def ratio_of_sums(
    stock: Sequence[float], ours: Sequence[float], stock_once: float, ours_once: float, seed: int
) -> Ratio:
    """All seconds of stock over all of ours, with a bootstrap interval (percentiles; Efron, Ann. Stat. 1979).

    ``stock[i]`` and ``ours[i]`` are the same step, and are drawn together; what each spent ``once`` is in every sum.
    """
    import numpy as np

    steps = np.array([stock, ours])
    once = np.array([[stock_once], [ours_once]])
    drawn = np.random.default_rng(seed).integers(steps.shape[1], size=(RESAMPLES, steps.shape[1]))
    sums = steps[:, drawn].sum(axis=2) + once
    low, high = np.percentile(sums[0] / sums[1], [2.5, 97.5])
    whole = steps.sum(axis=1, keepdims=True) + once
    return Ratio(float(whole[0, 0] / whole[1, 0]), float(low), float(high))


def spread_of_ratios(stock: Sequence[float], ours: Sequence[float]) -> Spread:
    """How much faster ours was in each step."""
    import numpy as np

    ratios = np.array(stock) / np.array(ours)
    return Spread(*(float(value) for value in np.percentile(ratios, [10, 50, 90])))


def largest_difference(steps: Iterable[tuple[Report, Report]], name: str) -> float:
    """The largest absolute difference of a figure between the arms at any step."""
    return max(abs(stock[name] - ours[name]) for stock, ours in steps)


def gradient_difference(stock: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]) -> tuple[float, str]:
    """The largest ``||stock - ours|| / ||stock||`` over the parameters, and whose it is.

    Raises RunError where the arms did not train the same parameters.
    """
    import numpy as np

    if stock.keys() != ours.keys():
        raise RunError(f"the arms train different parameters: {sorted(stock.keys() ^ ours.keys())[:4]}")

    def relative(name: str) -> float:
        difference, size = (float(np.linalg.norm(value)) for value in (stock[name] - ours[name], stock[name]))
        if difference == 0:
            return 0.0
        return difference / size if size > 0 and math.isfinite(difference) else math.inf

    return max((relative(name), name) for name in stock)


def stock_tokens(pair: PairSize) -> int:
    """Of the two rows that stock TRL runs: the note twice."""
    return 2 * pair.prompt + pair.chosen + pair.rejected


def operations(
    pairs: Sequence[PairSize], rows: Sequence[RowSize], epochs: int, weights: Parameters
) -> tuple[float, float]:
    """Floating-point operations of stock on the pairs, and of ours on the rows that they make, reference included.

    Stock runs the reference beside the policy in every epoch and scores every token of both rows; ours runs the
    reference once and scores each token of the summaries once. Real tokens, no padding, all pairs of a note in one row;
    attention's own products, which grow with the square of the length, and LoRA's are left out. The measured ratio may
    be the greater one: here every operation takes as long, and memory nothing.
    """
    stock, ours = sum(map(stock_tokens, pairs)), sum(row.tokens for row in rows)
    scored = ours - sum(row.prompt for row in rows)
    of_stock = epochs * stock * ((FORWARD + STEP) * weights.body + (FORWARD + HEAD_STEP) * weights.head)
    of_ours = ours * (FORWARD + epochs * STEP) * weights.body + scored * (FORWARD + epochs * HEAD_STEP) * weights.head
    return float(of_stock), float(of_ours)


def category(names: Sequence[str]) -> str:
    """What an operator's time is put down to, by its own name and those of its callers."""
    return next(kind for kind, parts in PROFILE.items() if any(p in name for name in names for p in parts))


def profile_shares(operators: Iterable[tuple[Sequence[str], float]], seconds: float) -> dict[str, float]:
    """Each category's share of ``seconds``, and what is left for Python, outside of all operators.

    ``operators`` are names (see :func:`category`) with the seconds that each spent in itself.
    """
    spent = dict.fromkeys(PROFILE, 0.0)
    for names, own in operators:
        spent[category(names)] += own
    return {**{kind: own / seconds for kind, own in spent.items()}, "Python": 1 - sum(spent.values()) / seconds}


def side_by_side(turns: Sequence[tuple[Report, Report]], epochs: int, seed: int) -> dict[str, Any]:
    """What the reports of stock and of ours, which took the same turns, say of time, memory, losses and the limit."""
    stock, ours = ([turn[arm] for turn in turns] for arm in (0, 1))
    steps = [turn for turn in turns if turn[0]["phase"] == "step"]
    taken = [[step[arm]["seconds"] for step in steps] for arm in (0, 1)]
    spent = {"stock": seconds_by_phase(stock), "ours": seconds_by_phase(ours)}

    def ratio(phases: Sequence[str]) -> Ratio:
        once = [sum(arm[phase] for phase in phases) for arm in spent.values()]
        return ratio_of_sums(taken[0], taken[1], once[0], once[1], seed)

    known = {name: value for report in ours for name, value in report.items()}
    pairs, rows = [PairSize(*sizes) for sizes in known["pairs"]], [RowSize(*sizes) for sizes in known["rows"]]
    of_stock, of_ours = operations(pairs, rows, epochs, Parameters(*known["parameters"]))
    end_to_end = ratio(("reference", "end"))
    peak = [max(report["peak_bytes"] for report in arm) / GB for arm in (stock, ours)]
    return {
        "time_ratio": end_to_end,
        "time_ratio_from_the_loaded_model": ratio(("build", "estimate", "reference", "end")),
        "step_ratio": spread_of_ratios(*taken),
        "peak_gb": {
            "stock": peak[0],
            "ours": peak[1],
            "ratio": peak[1] / peak[0],
            "ours_predicted": known["predicted_bytes"] / GB,
            "prediction_off_by": abs(known["predicted_bytes"] / GB / peak[1] - 1),
        },
        "loss_difference": largest_difference(steps, "loss"),
        "margin_difference": largest_difference(steps, "margin"),
        "limit": {
            "ratio": of_stock / of_ours,
            "reached": end_to_end.ratio / (of_stock / of_ours),
            "operations": {"stock": of_stock, "ours": of_ours},
            "tokens": {
                "stock": epochs * sum(map(stock_tokens, pairs)),
                "ours": epochs * sum(row.tokens for row in rows),
            },
            "tokens_with_padding": known["tokens_with_padding"],
        },
        "pairs": len(pairs),
        "not_shared_because": known["unshared"],
        "seconds": spent,
        "steps": [
            {f"{arm}_{name}": report[name] for arm, report in zip(spent, step, strict=True) for name in STEP_FIGURES}
            for step in steps
        ],
    }


def seconds_by_phase(reports: Iterable[Report]) -> dict[str, float]:
    """What an arm spent in each phase, all steps together."""
    spent: dict[str, float] = {}
    for report in reports:
        spent[report["phase"]] = spent.get(report["phase"], 0.0) + report["seconds"]
    return spent


def as_json(figure: Any) -> Any:
    """Named tuples as objects, wherever they stand."""
    if hasattr(figure, "_asdict"):
        return figure._asdict()
    return {name: as_json(part) for name, part in figure.items()} if isinstance(figure, dict) else figure
