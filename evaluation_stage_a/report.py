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

ORACLE_NOTE = (
    "Known facts (oracle): the facts of these notes are known, so each claim is judged exactly, by what follows from "
    "them; a text that is no summary counts as an error. The upper bound also counts claims that could not be judged."
)

_ORACLE_ROWS = (
    ("hallucination_rate", "known facts (oracle): with an error"),
    ("upper_bound_rate", "known facts (oracle): upper bound"),
    ("failed", "known facts (oracle): no summary at all"),
    ("claims_per_summary", "known facts (oracle): claims"),
    ("unknown_claims", "known facts (oracle): unjudged claims"),
    ("coverage", "known facts (oracle): coverage"),
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
    lines = [Text(f"flagged claims by type: {_types(figures)}")]
    if oracle := figures.get("oracle"):
        table.add_section()
        for key, name in _ORACLE_ROWS:
            table.add_row(name, _cell(oracle[key]))
        lines += [Text(f"errors by type (oracle): {_oracle_types(oracle)}"), Text(ORACLE_NOTE)]
    return Group(table, *lines, Text(SCREEN_NOTE))


def before_and_after(comparison: dict[str, Any]) -> RenderableType:
    """A table of two models on the same notes, and what changed summary by summary."""
    before, after = comparison["before"], comparison["after"]
    title = f"Before and after, on the same {comparison['notes_in_common']} notes"
    table = Table("", "before", "after", title=title, title_justify="left")
    for key, name in _ROWS:
        table.add_row(name, _cell(before[key]), _cell(after[key]))
    changed = Text(
        f"flagged claims by type, before: {_types(before)}\nafter: {_types(after)}\n{_changed(comparison, 'flagged')}"
    )
    lines = [changed]
    if oracle := comparison.get("oracle"):
        was, now = before["oracle"], after["oracle"]
        table.add_section()
        for key, name in _ORACLE_ROWS:
            table.add_row(name, _cell(was[key]), _cell(now[key]))
        lines += [
            Text(
                f"errors by type (oracle), before: {_oracle_types(was)}\nafter: {_oracle_types(now)}\n"
                f"by the oracle: {_changed(oracle, 'in error')}"
            ),
            Text(ORACLE_NOTE),
        ]
    return Group(table, *lines, Text(SCREEN_NOTE))


def _changed(changes: dict[str, Any], flagged: str) -> str:
    return (
        f"fixed {changes['fixed']}, broken {changes['broken']}, {flagged} both times {changes['both']}, "
        f"clean both times {changes['neither']}; exact McNemar p = {changes['mcnemar_p']:.3g}"
    )


def _oracle_types(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in figures["errors_by_type"].items()) or "none"


def _types(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in figures["flagged_claims_by_type"].items()) or "none"


def _cell(value: Any) -> str:
    if value is None:
        return "no ground truth"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
