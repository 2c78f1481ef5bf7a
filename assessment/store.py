"""The session's files: the rows to judge, where their labels live, the journal read back, the labels of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from assessment.screen import Finding
from assessment.session import Item, Key, State, apply, row_key
from utils.cli import UserError
from utils.files import read_journal
from utils.hostile_text import visible
from utils.records import read_csv


class Row(NamedTuple):
    """A row of a results CSV. ``findings`` is what the automatic screen flagged, None where the file does not say."""

    example_id: str
    note: str
    summary: str
    findings: tuple[Finding, ...] | None

    @property
    def key(self) -> Key:
        """The key of its label."""
        return row_key(self.example_id, self.note, self.summary)

    @property
    def item(self) -> Item:
        """The question whether this summary hallucinates."""
        return Item(self.example_id, self.note, (self.summary,))


class Files(NamedTuple):
    """Everything that is written, beside the CSV it belongs to."""

    journal: Path
    results: Path
    report: Path
    page: Path
    lock: Path


def files_beside(csv_path: Path, annotator: str | None, what: str = "assessment") -> Files:
    """The files of one annotator; without a name, the plain names of the guide. ``what``: assessment or comparison."""
    tail = f"_{annotator}" if annotator else ""
    folder = csv_path.parent
    return Files(
        journal=folder / f"manual_{what}{tail}.journal.jsonl",
        results=folder / f"manual_{what}{tail}.json",
        report=folder / f"{what}_report{tail}.txt",
        page=folder / f"{what}_report{tail}.html",
        lock=folder / f".manual_{what}{tail}.lock",
    )


def load_rows(csv_path: Path) -> list[Row]:
    """The rows of a results CSV, in file order. Raises UserError naming file and row.

    A summary that pandas wrote for a missing one (nan) is an empty one.
    """
    if not csv_path.is_file():
        raise UserError(
            f"no such file: {csv_path}\nstep 3 makes it: python evaluation_stage_a/evaluate_stage_a.py "
            f'--output_dir "{csv_path.parent}"'
        )
    cells = read_csv(csv_path, ("example_id", "clinical_note", "generated_summary"))
    first_row: dict[str, int] = {}
    rows = []
    for number, row in enumerate(cells, start=2):  # as a spreadsheet counts: the column names are row 1
        name = row["example_id"].strip()
        if not name:
            raise UserError(f"{csv_path}, row {number}: no example_id; every row needs one of its own")
        if name in first_row:
            raise UserError(
                f"{csv_path}, row {number}: example_id '{visible(name)}' is already in row {first_row[name]}; "
                "labels could not be told apart, make the ids unique"
            )
        first_row[name] = number
        summary = "" if row["generated_summary"].strip().lower() == "nan" else row["generated_summary"]
        rows.append(Row(name, row["clinical_note"], summary, _findings(row.get("flags"), summary)))
    return rows


def _findings(cell: str | None, summary: str) -> tuple[Finding, ...] | None:
    """The flags that step 3 writes; None for a cell that holds anything else."""
    try:
        flags = json.loads(cell or "")
        found = tuple(Finding(f["span"][0], f["span"][1], f["text"], f["type"], f["verdict"]) for f in flags)
        return found if all(0 <= f.start <= f.end <= len(summary) for f in found) else None
    except (ValueError, TypeError, LookupError):
        return None


def load_state(journal: Path) -> State:
    """Replay the journal. Raises UserError naming the line that is not an event."""
    state = State()
    for number, event in enumerate(read_journal(journal), start=1):
        try:
            state = apply(state, event)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{journal}, line {number}: not an event of this tool ({visible(str(error))}); "
                "move the file away to start anew"
            ) from error
    return state


def labels_of_others(files: Files) -> dict[str, dict[Key, bool]]:
    """The labels that other annotators keep beside the same CSV, by their name; files of another kind are left out."""
    others = {}
    for path in sorted(files.results.parent.glob("manual_assessment*.json")):
        if path != files.results:
            found = labels_in(path)
            if found:
                others[path.stem.removeprefix("manual_assessment").removeprefix("_") or "no name"] = found
    return others


def labels_in(results: Path) -> dict[Key, bool]:
    """The labels in a ``manual_assessment.json``; none where the file is missing or not one of ours."""
    try:
        entries = json.loads(results.read_text("utf-8"))["assessments"]
        return {(str(e["example_id"]), str(e["text_sha256"])): bool(e["has_hallucination"]) for e in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
