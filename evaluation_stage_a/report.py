"""The figures as tables for people: one model, or before and after."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

SCREEN_NOTE = (
    "The rate is a screen's: it reads names, numbers, sides, denials, sex and age against the note. "
    "It is not the truth; step 4, a person's labels, decides."
)

_ROWS = (
    ("screened_hallucination_rate", "summaries with a flagged claim"),
    ("flagged_claims_per_summary", "flagged claims per summary"),
    ("claims_per_summary", "claims read per summary"),
    ("mean_rouge_l", "ROUGE-L, mean"),
    ("mean_words", "words, mean"),
    ("stopped_at_eos", "stopped by itself (EOS)"),
    ("empty_summaries", "empty summaries"),
)


def one_model(figures: dict[str, Any]) -> RenderableType:
    """A table of one model's figures."""
    table = Table("", f"{figures['summaries']} summaries", title="Evaluation", title_justify="left")
    for key, name in _ROWS:
        table.add_row(name, _cell(figures[key]))
    return Group(table, Text(f"flagged claims by type: {_types(figures)}"), Text(SCREEN_NOTE))


def before_and_after(comparison: dict[str, Any]) -> RenderableType:
    """A table of two models on the same notes, and what changed summary by summary."""
    before, after = comparison["before"], comparison["after"]
    title = f"Before and after, on the same {comparison['notes_in_common']} notes"
    table = Table("", "before", "after", title=title, title_justify="left")
    for key, name in _ROWS:
        table.add_row(name, _cell(before[key]), _cell(after[key]))
    changed = Text(
        f"flagged claims by type, before: {_types(before)}\nafter: {_types(after)}\n"
        f"fixed {comparison['fixed']}, broken {comparison['broken']}, flagged both times {comparison['both']}, "
        f"clean both times {comparison['neither']}; exact McNemar p = {comparison['mcnemar_p']:.3g}"
    )
    return Group(table, changed, Text(SCREEN_NOTE))


def _types(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in figures["flagged_claims_by_type"].items()) or "none"


def _cell(value: Any) -> str:
    if value is None:
        return "no ground truth"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
