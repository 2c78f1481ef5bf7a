"""The figures as tables for people: one model, or before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluation_stage_a.verdict import change_in_words, explained, headline

SCREEN_NOTE = (
    "The rate is a screen's: it reads names, numbers, sides, denials, sex and age against the note. "
    "It is not the truth; step 4, a person's labels, decides."
)

ORACLE_NOTE = (
    "Known facts (oracle): the facts of these notes are known, so each claim is judged exactly, by what follows from "
    "them; a text that is no summary counts as an error. The upper bound also counts claims that could not be judged."
)

ORACLE_ROWS = (
    ("hallucination_rate", "known facts (oracle): with an error"),
    ("upper_bound_rate", "known facts (oracle): upper bound"),
    ("failed", "known facts (oracle): no summary at all"),
    ("claims_per_summary", "known facts (oracle): claims"),
    ("unknown_claims", "known facts (oracle): unjudged claims"),
    ("coverage", "known facts (oracle): coverage"),
)
ROWS = (
    ("screened_hallucination_rate", "summaries with a flagged claim"),
    ("screened_sentence_rate", "sentences with a flagged claim"),
    ("screened_claim_rate", "claims that are flagged"),
    ("flagged_claims_per_summary", "flagged claims per summary"),
    ("claims_per_summary", "claims read per summary"),
    ("omission_rate", "left out of what the reference names"),
    ("mean_rouge1", "ROUGE-1, mean"),
    ("mean_rouge2", "ROUGE-2, mean"),
    ("mean_rouge_l", "ROUGE-L, mean"),
    ("mean_copy_rate", "copied from the note (4-grams), mean"),
    ("mean_repetition", "said before (4-grams), mean"),
    ("mean_words", "words, mean"),
    ("stopped_at_eos", "stopped by itself (EOS)"),
    ("empty_summaries", "empty summaries"),
)


def one_model(figures: Mapping[str, Any]) -> RenderableType:
    """A table of one model's figures, and what they mean."""
    table = Table("", f"{figures['summaries']} summaries", title="Evaluation", title_justify="left")
    return Group(_filled(table, figures), *_meaning(figures), *_types("", figures), *_notes(figures))


def before_and_after(comparison: Mapping[str, Any]) -> RenderableType:
    """A table of two models on the same notes, what changed summary by summary, and what that means."""
    before, after = comparison["before"], comparison["after"]
    title = f"Before and after, on the same {comparison['notes_in_common']} notes"
    table = Table("", "before", "after", title=title, title_justify="left")
    changed = [Text(_changed(comparison, "flagged"))]
    if "oracle" in comparison:
        changed.append(Text(f"by the oracle: {_changed(comparison['oracle'], 'in error')}"))
    return Group(
        _filled(table, before, after),
        *_meaning(after),
        *(Text(sentence) for sentence in change_in_words(comparison)),
        *_types("before, ", before),
        *_types("after, ", after),
        *changed,
        *_notes(after),
    )


def _filled(table: Table, *models: Mapping[str, Any]) -> Table:
    """The table with a row for each figure and a column for each model."""
    for key, name in ROWS:
        table.add_row(name, *(cell(figures[key]) for figures in models))
    if all("oracle" in figures for figures in models):
        table.add_section()
        for key, name in ORACLE_ROWS:
            table.add_row(name, *(cell(figures["oracle"][key]) for figures in models))
    return table


def _meaning(figures: Mapping[str, Any]) -> list[Text]:
    return [Text(headline(figures["verdict"]) + ".", style="bold"), Text(explained(figures["verdict"]))]


def _types(when: str, figures: Mapping[str, Any]) -> list[Text]:
    """What is wrong, by type, in one line for each judge."""
    lines = [Text(f"{when}flagged claims by type: {_listed(figures['flagged_claims_by_type'])}")]
    if oracle := figures.get("oracle"):
        lines.append(Text(f"{when}errors by type (oracle): {_listed(oracle['errors_by_type'])}"))
    return lines


def _notes(figures: Mapping[str, Any]) -> list[Text]:
    return [*([Text(ORACLE_NOTE)] if "oracle" in figures else []), Text(SCREEN_NOTE)]


def _changed(changes: Mapping[str, Any], flagged: str) -> str:
    return (
        f"fixed {changes['fixed']}, broken {changes['broken']}, {flagged} both times {changes['both']}, "
        f"clean both times {changes['neither']}; exact McNemar p = {changes['mcnemar_p']:.3g}"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def cell(value: Any) -> str:
    """A figure as text."""
    if value is None:
        return "no data"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
