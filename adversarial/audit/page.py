"""The audit as a page: the verdict, the bars, then what lies behind each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adversarial.audit.bars import LIMITS
from adversarial.audit.checkup import Audit
from adversarial.audit.pairs import EDITED, LABELLED, ON_POLICY
from adversarial.audit.tally import MOST_WORDS, RATIO, RATIO_BINS
from utils.files import write_json
from utils.html_page import CHOSEN, FAINT, GOOD, GRID, POOR, REJECTED, svg_figure, write_page

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT_HTML, REPORT_JSON = "pairs_report.html", "pairs_report.json"
_TEMPLATE = Path(__file__).parent / "page.html"
SOURCE_TITLES = {
    EDITED: "Edited by operators",
    ON_POLICY: "The model's own samples",
    LABELLED: "Labelled as hallucinated by Phase 1",
}
_HALF = (5.4, 3.0)
_ROW = 0.3  # inches of height for one row of a chart


def write_report(audit: Audit, folder: Path, kinds: Sequence[Mapping[str, Any]] = ()) -> tuple[Path, Path]:
    """Write ``pairs_report.html`` and ``pairs_report.json`` into a folder, each whole or not at all; their paths.

    ``kinds`` tells what a model gets wrong, where the pairs were mixed after that (see operators.kinds).
    """
    report = audit.as_json() | ({"kinds_of_errors": list(kinds)} if kinds else {})
    html, json = folder / REPORT_HTML, folder / REPORT_JSON
    write_page(html, _TEMPLATE, {"report": report, "titles": SOURCE_TITLES, "figures": figures(report)})
    write_json(json, report)
    return html, json


def figures(report: Mapping[str, Any]) -> dict[str, Markup | None]:
    """The pictures of a report by name; None where it has nothing to draw."""
    probe = report["without_the_note"].get(EDITED)
    drawn: dict[str, Markup | None] = dict.fromkeys(("scores", "kinds", "ratios", "words", "directions", "types"))
    if probe:
        drawn["scores"] = _scores(probe["score_histogram"])
        drawn["kinds"] = _kinds(probe["response_by_kind"], probe["response"]["auc"]["value"])
    if any(report["length_ratio_histogram"].values()):
        drawn["ratios"] = _ratios(report["length_ratio_histogram"])
        drawn["words"] = _words(report["words_changed_histogram"])
    if report["directions"]:
        drawn["directions"] = _directions(report["directions"])
    if report["pairs_by_type_and_severity"]:
        drawn["types"] = _types(report["pairs_by_type_and_severity"])
    return drawn


def _scores(histogram: Mapping[str, Sequence[float]]) -> Markup:
    def draw(figure: Figure) -> None:
        """The two histograms, as steps over a light fill."""
        axes = figure.subplots()
        for side, colour in (("chosen", CHOSEN), ("rejected", REJECTED)):
            axes.stairs(histogram[side], histogram["edges"], color=colour, linewidth=2, label=side)
            axes.stairs(histogram[side], histogram["edges"], color=colour, alpha=0.12, fill=True)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("looks chosen  ←  score of the classifier  →  looks rejected")
        axes.legend(loc="upper right")

    return svg_figure("scores", "Scores of chosen and rejected summaries, one over the other", _HALF, draw)


def _kinds(kinds: Mapping[str, Mapping[str, Any]], overall: float) -> Markup:
    rows = sorted(kinds.items(), key=lambda item: item[1]["auc"]["value"])
    limit = LIMITS["response_auc"].limit

    def draw(figure: Figure) -> None:
        """A point with its interval for each kind, beside the bar."""
        axes = figure.subplots()
        names = [f"{name} ({one['pairs']:,})" for name, one in rows]
        axes.axvline(0.5, color=GRID)
        axes.axvline(limit, color=POOR, linestyle="--", linewidth=1)
        axes.axvline(overall, color=FAINT, linestyle=":", linewidth=1)
        for row, (_, one) in enumerate(rows):
            colour = POOR if one["auc"]["value"] > limit else GOOD
            axes.plot([one["auc"]["low"], one["auc"]["high"]], [row, row], color=colour, linewidth=2)
            axes.plot(one["auc"]["value"], row, "o", color=colour, markersize=6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.7, len(names) - 0.3)
        lows, highs = ([one["auc"][end] for _, one in rows] for end in ("low", "high"))
        axes.set_xlim(min([0.45, *lows]) - 0.01, max([limit + 0.02, *highs]) + 0.01)
        axes.set_xlabel(f"AUC; 0.50 is guessing, dotted: all ({overall:.2f}), dashed: the bar")
        axes.tick_params(left=False)

    height = 0.9 + _ROW * len(rows)
    return svg_figure("kinds", "AUC without the note by kind of edit, with intervals", (9.6, height), draw)


def _ratios(histogram: Mapping[str, int]) -> Markup:
    def draw(figure: Figure) -> None:
        """A bar for each bin of the ratio."""
        axes = figure.subplots()
        width = RATIO_BINS[1] - RATIO_BINS[0]
        axes.axvspan(*RATIO, color=GOOD, alpha=0.1, linewidth=0)
        lows = [float(low) for low in histogram]
        axes.bar([low + width / 2 for low in lows], list(histogram.values()), width * 0.9, color=CHOSEN)
        axes.set_xlim(RATIO_BINS[0], RATIO_BINS[-1])
        axes.set_xlabel("rejected / chosen, in characters (0.7 and 1.3 hold all beyond)")
        _count_axis(axes)

    description = "Length of rejected over chosen summaries; the shaded part is within the bar"
    return svg_figure("ratios", description, _HALF, draw)


def _words(histogram: Mapping[str, int]) -> Markup:
    def draw(figure: Figure) -> None:
        """A bar for each number of words."""
        axes = figure.subplots()
        axes.bar([int(words) for words in histogram], list(histogram.values()), 0.85, color=REJECTED)
        axes.set_xlim(-0.7, MOST_WORDS + 0.7)
        axes.set_xlabel(f"words changed in a pair ({MOST_WORDS}: that many or more)")
        _count_axis(axes)

    return svg_figure("words", "How many words differ between chosen and rejected", _HALF, draw)


def _directions(directions: Sequence[Mapping[str, Any]]) -> Markup:
    def draw(figure: Figure) -> None:
        """A point with its interval for each direction, over the part within the bar."""
        axes = figure.subplots()
        limit = LIMITS["directions"].limit
        axes.axvspan(1 - limit, limit, color=GOOD, alpha=0.1, linewidth=0)
        axes.axvline(0.5, color=GRID)
        rows = directions[::-1]
        for row, one in enumerate(rows):
            axes.plot([one["low"], one["high"]], [row, row], color=CHOSEN, linewidth=2)
            axes.plot(one["share"], row, "o", color=CHOSEN, markersize=6)
        axes.set_yticks(range(len(rows)), [f"{one['name']}: {one['forward']} ({one['total']:,})" for one in rows])
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.set_xlabel("share in this direction; the rest goes the other way")
        axes.tick_params(left=False)

    size = (9.6, 0.9 + _ROW * len(directions))
    return svg_figure("directions", "How often facts were turned in each direction, with intervals", size, draw)


def _types(types: Mapping[str, Mapping[str, int]]) -> Markup:
    severities = sorted({severity for counts in types.values() for severity in counts}, key=_severity_rank)

    def draw(figure: Figure) -> None:
        """A stack of severities for each type."""
        axes = figure.subplots()
        names = list(types)[::-1]
        left = [0] * len(names)
        for index, severity in enumerate(severities):
            counts = [types[name].get(severity, 0) for name in names]
            fade = 0.35 + 0.65 * (index + 1) / len(severities)
            axes.barh(range(len(names)), counts, 0.7, left=left, color=REJECTED, alpha=fade, label=severity)
            left = [before + more for before, more in zip(left, counts, strict=True)]
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("pairs with an edit of this type (a pair may have several)")
        axes.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
        axes.tick_params(left=False)
        axes.legend(loc="lower right")

    return svg_figure("types", "Pairs by type of error and severity", (9.6, 1.0 + _ROW * max(2, len(types))), draw)


def _count_axis(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    axes.set_ylabel("pairs")
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def _severity_rank(severity: str) -> tuple[int, str]:
    known = ("minor", "moderate", "major")
    return (known.index(severity) if severity in known else len(known), severity)
