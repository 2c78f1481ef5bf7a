"""The curves of a run as one picture: is it learning, is it still safe, does validation agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SMOOTHED_OVER = 20  # steps: one batch of four pairs says little
TRAIN, VALIDATION, REJECTED = "#4477aa", "#ee6677", "#bbbbbb"
# Title, what is drawn (its name in the log, colour, label), and the value of a model that cannot tell them apart.
PANELS: tuple[tuple[str, tuple[tuple[str, str, str], ...], float | None], ...] = (
    (
        "loss",
        (("loss", TRAIN, "train"), ("eval_loss", VALIDATION, "validation")),
        None,
    ),
    (
        "margin of chosen over rejected",
        (("rewards/margins", TRAIN, "train"), ("eval_rewards/margins", VALIDATION, "validation")),
        0.0,
    ),
    (
        "share of pairs with the chosen preferred",
        (("rewards/accuracies", TRAIN, "train"), ("eval_rewards/accuracies", VALIDATION, "validation")),
        0.5,
    ),
    (
        "reward: log-probability against the reference, times beta",
        (
            ("rewards/chosen", TRAIN, "chosen"),
            ("rewards/rejected", REJECTED, "rejected"),
            ("eval_rewards/chosen", VALIDATION, "chosen, validation"),
        ),
        0.0,
    ),
)


def draw_curves(log: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write the picture, whole or not at all; ``log`` is the trainer's log history."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    for panel, (title, lines, start) in zip(axes.flat, PANELS, strict=True):
        for name, colour, label in lines:
            steps = [entry["step"] for entry in log if name in entry]
            values = [float(entry[name]) for entry in log if name in entry]
            if name.startswith("eval_"):
                panel.plot(steps, values, "o-", color=colour, label=label, zorder=3)
            else:
                panel.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
                panel.plot(steps, running_mean(values, SMOOTHED_OVER), color=colour, label=label)
        if start is not None:
            panel.axhline(start, color="#888888", linewidth=0.8, linestyle=":")
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_xlabel("step")
        panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    fresh = path.with_name(f".{path.name}.new.png")
    figure.savefig(fresh, dpi=120, metadata={"Software": None})
    plt.close(figure)
    fresh.replace(path)


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and up to ``width`` - 1 before it."""
    means: list[Any] = []
    for index in range(len(values)):
        window = values[max(0, index + 1 - width) : index + 1]
        means.append(sum(window) / len(window))
    return means
