"""An outcome as a picture: rates with their intervals, errors by type, and coverage against the rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.arms.report import TITLES

Rate: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # of an arm's figures

COLOURS = {"stage_a": "C7", "control": "C0", "stage_b": "C2"}
RATES: Mapping[str, Rate] = {
    "known facts": lambda arm: arm["oracle"]["hallucination_rate"],
    "upper bound": lambda arm: arm["oracle"]["upper_bound_rate"],
    "screen": lambda arm: arm["screened_hallucination_rate"],
}


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Draw the three panels into one PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for panel, fill in zip(panels, (draw_rates, draw_types, draw_coverage), strict=True):
        fill(panel, record["arms"])
    panels[0].legend()
    figure.suptitle(f"{record['notes']} {record['split']} notes, 95 % intervals")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_rates(panel: Any, arms: Mapping[str, Any], judges: Mapping[str, Rate] = RATES) -> None:
    """Summaries with an error, by each judge, as bars."""
    for place, (name, arm) in enumerate(arms.items()):
        rates = [rate(arm) for rate in judges.values()]
        shares = [100 * rate["share"] for rate in rates]
        reach = [[100 * (r["share"] - r["low"]) for r in rates], [100 * (r["high"] - r["share"]) for r in rates]]
        where = [index + 0.27 * (place - (len(arms) - 1) / 2) for index in range(len(judges))]
        panel.bar(where, shares, 0.25, yerr=reach, capsize=3, color=COLOURS[name], label=TITLES[name])
    panel.set_xticks(range(len(judges)), judges)
    panel.set(title="Summaries with an error", ylabel="%", ylim=(0, 100))


def draw_types(panel: Any, arms: Mapping[str, Any]) -> None:
    """Wrong claims of each type, for each hundred summaries."""
    types = list(dict.fromkeys(name for arm in arms.values() for name in arm["oracle"]["errors_by_type"]))
    for place, (name, arm) in enumerate(arms.items()):
        counts = [100 * arm["oracle"]["errors_by_type"].get(kind, 0) / arm["oracle"]["summaries"] for kind in types]
        where = [index + 0.27 * (place - (len(arms) - 1) / 2) for index in range(len(types))]
        panel.barh(where, counts, 0.25, color=COLOURS[name])
    panel.set_yticks(range(len(types)), types)
    panel.invert_yaxis()
    panel.set(title="What is wrong", xlabel="wrong claims in 100 summaries")


def draw_coverage(panel: Any, arms: Mapping[str, Any]) -> None:
    """Important facts that are given, against the rate: better is up and to the left."""
    for name, arm in arms.items():
        rate, coverage = arm["oracle"]["hallucination_rate"], arm["oracle"]["coverage"]
        reach = [[100 * (rate["share"] - rate["low"])], [100 * (rate["high"] - rate["share"])]]
        place = [100 * rate["share"]], [100 * coverage]
        panel.errorbar(*place, xerr=reach, fmt="o", capsize=3, color=COLOURS[name], label=TITLES[name])
    coverages = [100 * arm["oracle"]["coverage"] for arm in arms.values()]
    around = (min(coverages) - 10, max(coverages) + 10)  # points, so that a small difference looks small
    panel.set(
        title="Important facts given", xlabel="summaries with an error, %", ylabel="%", xlim=(0, 100), ylim=around
    )
    panel.legend()
