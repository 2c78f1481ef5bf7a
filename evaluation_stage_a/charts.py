"""The pictures of the evaluation report: rates with intervals, bars by type, lengths, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from utils.html_page import CHOSEN, FAINT, GRID, INK, REJECTED, percent, svg_figure
from utils.statistics import THRESHOLD, Rate

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF, FULL = 5.4, 12.0  # inches of width
_ROW = 0.34  # inches of height for one row of a chart
_COLOURS = {"before": REJECTED, "after": CHOSEN, "only": CHOSEN}
_MOST_TYPES = 12

Models = Mapping[str, Mapping[str, Any]]  # figures by "before" and "after", or of the "only" one


def charts(models: Models, words: Mapping[str, pd.Series]) -> dict[str, Markup | None]:
    """All pictures by name; None where there is nothing to draw. ``words`` are lengths of summaries, by whose."""
    oracles = {name: figures["oracle"] for name, figures in models.items() if "oracle" in figures}
    exact = len(oracles) == len(models)
    return {
        "rates": _rates(models),
        "flags": _bars("flags", {n: f["flagged_claims_by_type"] for n, f in models.items()}, "claims flagged"),
        "errors": _bars("errors", {n: f["errors_by_type"] for n, f in oracles.items()}, "errors") if exact else None,
        "words": _words(words),
        "omitted": _omitted({n: f["omitted_by_kind"] for n, f in oracles.items()})
        if exact
        else _bars("omitted", {n: f["omissions_by_type"] for n, f in models.items()}, "left out"),
    }


def _rates(models: Models) -> Markup:
    last = list(models.values())[-1]
    rows = [
        ("summaries with a flag (screen)", "screened_hallucination_rate"),
        ("sentences with a flag (screen)", "screened_sentence_rate"),
        ("claims flagged (screen)", "screened_claim_rate"),
    ]
    found = {title: {name: figures[key] for name, figures in models.items()} for title, key in rows}
    if all("oracle" in figures for figures in models.values()):
        exact = {name: figures["oracle"]["hallucination_rate"] for name, figures in models.items()}
        found = {"summaries with an error (oracle)": exact, **found}
    height = 0.9 + 1.35 * _ROW * len(found)
    title = f"Rates with 95 % intervals, {last['summaries']} summaries; dashed: the threshold of {percent(THRESHOLD)}"

    def draw(figure: Figure) -> None:
        """The rates of each model, beside the threshold."""
        axes = figure.subplots()
        axes.axvline(THRESHOLD, color=FAINT, linestyle="--", linewidth=1)
        axes.set_xlabel(f"95 % intervals; dashed: the threshold of {percent(THRESHOLD)}, which is of summaries")
        _intervals(axes, found)

    return svg_figure("rates", title, (FULL, height), draw)


def _omitted(models: Models) -> Markup | None:
    kinds = list(dict.fromkeys(kind for figures in models.values() for kind in figures))
    if not kinds:
        return None
    found = {kind: {name: figures[kind] for name, figures in models.items() if kind in figures} for kind in kinds}

    def draw(figure: Figure) -> None:
        """What each model leaves out, by kind."""
        _intervals(figure.subplots(), found)

    height = 0.7 + 1.35 * _ROW * len(kinds)
    return svg_figure("omitted", "Important facts left out, by kind, with intervals", (HALF, height), draw)


def _intervals(axes: Axes, rows: Mapping[str, Mapping[str, Rate]]) -> None:
    """One row for each title, a point with its interval for each model."""
    for row, rates in enumerate(rows.values()):
        for place, (name, rate) in enumerate(rates.items()):
            if rate.share is None or rate.low is None or rate.high is None:
                continue
            at = row + (place - (len(rates) - 1) / 2) * 0.36
            colour = _COLOURS[name]
            axes.plot([rate.low, rate.high], [at, at], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
            axes.plot(rate.share, at, "o", color=colour, markersize=7)
            axes.annotate(
                percent(rate.share),
                (rate.high, at),
                (7, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                size=9.5,
            )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    highest = max((rate.high for rates in rows.values() for rate in rates.values() if rate.high), default=1.0)
    axes.set_xlim(0, min(1.0, highest) + 0.08)  # and room for the last figure
    axes.xaxis.set_major_formatter(lambda share, _: percent(share) if share <= 1 else "")
    axes.grid(axis="x")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def _bars(name: str, models: Mapping[str, Mapping[str, int]], what: str) -> Markup | None:
    total = pd.DataFrame(models).fillna(0).astype(int)
    if total.empty:
        return None
    types = total.loc[total.sum(axis=1).sort_values(ascending=False, kind="stable").index[:_MOST_TYPES]]

    def draw(figure: Figure) -> None:
        """A bar for each type and model, with its count behind it."""
        axes = figure.subplots()
        high = 0.8 / len(types.columns)
        for place, model in enumerate(types.columns):
            at = [row + (place - (len(types.columns) - 1) / 2) * high for row in range(len(types))]
            bars = axes.barh(at, types[model], high * 0.9, color=_COLOURS[model])
            axes.bar_label(bars, padding=4, color=INK, size=9.5)
        axes.set_yticks(range(len(types)), list(types.index))
        axes.set_ylim(len(types) - 0.5, -0.5)
        axes.set_xlim(0, max(1, 1.1 * int(types.to_numpy().max())))
        axes.set_xticks([])
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)

    height = 0.35 + _ROW * len(types) * (1 + 0.45 * (len(types.columns) - 1))
    return svg_figure(name, f"Number of {what}, by type", (HALF, height), draw)


def _words(words: Mapping[str, pd.Series]) -> Markup:
    from matplotlib.ticker import MaxNLocator

    longest = max(int(lengths.max()) for lengths in words.values() if len(lengths))
    edges = _edges(longest)

    def draw(figure: Figure) -> None:
        """The lengths of each model's summaries, as steps over a light fill, with their median."""
        axes = figure.subplots()
        for name, lengths in words.items():
            colour = _COLOURS.get(name, FAINT)
            axes.hist(lengths, bins=edges, histtype="stepfilled", color=colour, alpha=0.12)
            axes.hist(lengths, bins=edges, histtype="step", color=colour, linewidth=1.8)
            axes.axvline(float(lengths.median()), color=colour, linestyle=":", linewidth=1.2)
        axes.set_xlim(0, edges[-1])
        axes.set_xlabel("words in a summary; dotted: median")
        axes.set_ylabel("summaries")
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(axis="y", color=GRID)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)

    return svg_figure("words", "How long the summaries are", (HALF, 2.9), draw)


def _edges(longest: int) -> Sequence[int]:
    """About twenty bins of a round width."""
    width = next(width for width in (1, 2, 5, 10, 20, 50, 100, 10**6) if longest / width <= 24)
    return range(0, longest + 2 * width, width)
