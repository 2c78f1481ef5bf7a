"""The two kinds of work: to label the summaries of one model, or to compare two; what is asked, kept and reported.

Both have the same attributes and methods: ``rows`` are all summaries, ``items`` the questions in the order in which
they are asked, ``files`` what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from assessment.comparison import compare, judged_apart, pair_rows, sources
from assessment.figures import Figures, figures
from assessment.output import as_text, results_document
from assessment.report import Report, assessment_report, comparison_report
from assessment.screen import Finding, Findings
from assessment.session import Item, State, decided, labels, shuffled, stale_ids
from assessment.store import Row, files_beside, labels_in, labels_of_others, load_rows
from utils.statistics import Rate


class Labelling:
    """The summaries of one model."""

    def __init__(self, csv_path: Path, annotator: str | None, seed: int) -> None:
        self._source = csv_path.name
        self.rows = load_rows(csv_path)
        self.items = shuffled([row.item for row in self.rows], seed)
        self.files = files_beside(csv_path, annotator)

    def notices(self, state: State) -> list[str]:
        """Rows without a summary, and labels that do not count."""
        return [*empty_notice(self.rows), *stale_notices(state, self.items, self.files.journal.name)]

    def stats(self, state: State) -> str:
        """The rate so far."""
        return as_text(assessment_report(self._figures(state), "this file", {}, {}))

    def rate(self, state: State) -> Rate:
        """The share of labelled summaries that hallucinate."""
        return self._figures(state).rate

    def report(self, state: State) -> Report:
        """Rate and verdict, and the automatic screen and other annotators set beside these labels."""
        own = {answer.key: bool(answer.value) for answer in labels(state, self.items)}
        return assessment_report(self._figures(state), self._source, own, labels_of_others(self.files))

    def document(self, state: State, timestamp: str) -> dict[str, Any]:
        """The content of ``manual_assessment.json``."""
        return results_document(state, self.items, timestamp)

    def _figures(self, state: State) -> Figures:
        screened = {row.key: bool(row.findings) for row in self.rows if row.findings is not None}
        return figures(state, self.items, screened)


class Comparing:
    """The summaries of two models, note by note. The labels are kept beside the second file."""

    def __init__(self, first_csv: Path, second_csv: Path, annotator: str | None, seed: int) -> None:
        self._names, self._seed = (str(first_csv), str(second_csv)), seed
        first, second = load_rows(first_csv), load_rows(second_csv)
        self.rows = [*first, *second]
        self._pairs, self._alone = pair_rows(first, second)
        self.items = shuffled([item for pair in self._pairs for item in pair.items(seed)], seed)
        self.files = files_beside(second_csv, annotator, "comparison")
        self._apart = [labels_in(files_beside(path, annotator).results) for path in (first_csv, second_csv)]

    def notices(self, state: State) -> list[str]:
        """Rows without a summary or a partner, and labels that do not count."""
        alone = f"Left out, because their note is not in both files: {', '.join(self._alone)}"
        stale = stale_notices(state, self.items, self.files.journal.name)
        return [*empty_notice(self.rows), *([alone] if self._alone else []), *stale]

    def stats(self, state: State) -> str:
        """How many questions are answered, and no more: a rate would tell who is who."""
        answers = decided(state, self.items)
        return f"{len(answers)} of {len(self.items)} questions answered. The report tells which model is which."

    def report(self, state: State) -> Report:
        """Both rates, the notes that changed, preferences; and the labels of earlier sittings of each model alone."""
        figures = compare(state, self._pairs, self._seed)
        return comparison_report(figures, self._names, judged_apart(self._pairs, *self._apart), len(self._alone))

    def document(self, state: State, timestamp: str) -> dict[str, Any]:
        """The content of ``manual_comparison.json``: who wrote what is told here."""
        return results_document(state, self.items, timestamp, sources(self._pairs))


def empty_notice(rows: Sequence[Row]) -> list[str]:
    """Which rows have no summary."""
    empty = [row.example_id for row in rows if not row.summary.strip()]
    return [f"Rows without a summary, shown as empty: {', '.join(empty)}"] if empty else []


def stale_notices(state: State, items: Sequence[Item], journal: str) -> list[str]:
    """Which labels do not count, because their row is not what was labelled."""
    changed, gone = stale_ids(state, items)
    told = []
    if changed:
        told.append(f"Not counted, the row's text changed since it was labelled: {', '.join(changed)}")
    if gone:
        told.append(f"Not counted, no such row in this file: {', '.join(gone)}")
    if told and not labels(state, items):
        told.append(
            "None of the labels kept here is of a text in this file: they may belong to another one. They stay in "
            f"{journal} and count again with the texts that were judged."
        )
    return told


def screen_findings(rows: Sequence[Row]) -> Findings:
    """What the automatic screen flags: as the file says, else asked of the screen when the item is shown."""
    told = {row.key: row.findings for row in rows}

    @cache
    def find(item: Item) -> Sequence[Finding]:
        findings = told.get(item.key)
        if findings is not None or item.asked is None:
            return findings or ()
        from clinical.screen.support import unsupported_claims

        claims = unsupported_claims(item.note, item.summaries[item.asked])
        return [Finding(claim.start, claim.end, claim.text, claim.type, claim.verdict) for claim in claims]

    return find
