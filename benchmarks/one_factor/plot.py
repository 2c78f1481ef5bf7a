"""A sweep as a picture: for each factor the rate and the coverage, and below how both changed note by note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.one_factor.plan import SETTING
from benchmarks.one_factor.report import TITLES

ERRORS, COVERAGE = "C3", "C0"
BESIDE = 0.08  # of the way to the next value, so that two intervals do not hide each other


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Draw one column of two panels for each factor of which an arm has been measured."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    measured = {factor: known(values, record["arms"]) for factor, values in record["factors"].items()}
    columns = {factor: arms for factor, arms in measured.items() if arms}
    size = (1.5 + 2.9 * len(columns), 6.4)
    figure, rows = plt.subplots(2, len(columns), figsize=size, sharey="row", squeeze=False, layout="constrained")
    for (factor, arms), levels, changes in zip(columns.items(), *rows, strict=True):
        draw_levels(levels, list(arms.values()), record["stage_a"])
        draw_changes(changes, list(arms.values()))
        for panel in (levels, changes):
            panel.set_xticks(range(len(arms)), [value.replace(" + ", "\n+ ") for value in arms])
            panel.set_xlim(-0.5, len(arms) - 0.5)
            panel.spines[["top", "right"]].set_visible(False)
            for label, value in zip(panel.get_xticklabels(), arms, strict=True):
                label.set_fontweight("bold" if record["factors"][factor][value] == SETTING else "normal")
        levels.set_title(TITLES[factor], fontsize=10)
    rows[0][0].set(ylabel="%", ylim=(0, 100))
    rows[1][0].set_ylabel("change against Stage A, points")
    figure.legend(*rows[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(
        f"{record['train_pairs']} pairs, {record['notes']} validation notes, 95 % intervals; "
        "bold: the setting; dotted: Stage A"
    )
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def known(values: Mapping[str, str], arms: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The arms of one factor that have been measured, by value."""
    return {value: arms[name] for value, name in values.items() if name in arms}


def draw_levels(panel: Any, arms: Sequence[Mapping[str, Any]], stage_a: Mapping[str, Any]) -> None:
    """Summaries with an error, with their intervals, and the important facts that are given; Stage A's as lines."""
    found = [arm["summaries"] for arm in arms]
    rates = [one["hallucination_rate"] for one in found]
    shares = [100 * rate["share"] for rate in rates]
    reach = [[100 * (r["share"] - r["low"]) for r in rates], [100 * (r["high"] - r["share"]) for r in rates]]
    panel.errorbar(range(len(arms)), shares, reach, fmt="o-", capsize=3, color=ERRORS, label="summaries with an error")
    coverage = [100 * one["coverage"] for one in found]
    panel.plot(range(len(arms)), coverage, "s-", color=COVERAGE, label="important facts given")
    panel.axhline(100 * stage_a["hallucination_rate"]["share"], color=ERRORS, linestyle=":")
    panel.axhline(100 * stage_a["coverage"], color=COVERAGE, linestyle=":")


def draw_changes(panel: Any, arms: Sequence[Mapping[str, Any]]) -> None:
    """The same two against Stage A on the same notes, with the intervals of the differences."""
    for name, marker, colour, side in (
        ("summaries_with_an_error", "o", ERRORS, -BESIDE),
        ("coverage", "s", COVERAGE, BESIDE),
    ):
        found = [arm["against_stage_a"][name] for arm in arms]
        differences = [100 * one["difference"] for one in found]
        reach = [
            [100 * (one["difference"] - one["low"]) for one in found],
            [100 * (one["high"] - one["difference"]) for one in found],
        ]
        places = [place + side for place in range(len(arms))]
        panel.errorbar(places, differences, reach, fmt=marker, capsize=3, color=colour)
    panel.axhline(0, color="C7", linewidth=0.8)
