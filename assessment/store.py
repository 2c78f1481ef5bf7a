"""The session's files: the rows to judge, where their labels live, the journal read back, and one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from assessment.session import Item, State, apply
from utils.cli import UserError
from utils.files import read_journal
from utils.hostile_text import visible
from utils.records import read_csv


class Files(NamedTuple):
    """Everything that is written, beside the CSV it belongs to."""

    journal: Path
    results: Path
    report: Path
    lock: Path


def files_beside(csv_path: Path, annotator: str | None) -> Files:
    """The files of one annotator; without a name, the plain names of the guide."""
    tail = f"_{annotator}" if annotator else ""
    folder = csv_path.parent
    return Files(
        journal=folder / f"manual_assessment{tail}.journal.jsonl",
        results=folder / f"manual_assessment{tail}.json",
        report=folder / f"assessment_report{tail}.txt",
        lock=folder / f".manual_assessment{tail}.lock",
    )


def load_items(csv_path: Path) -> list[Item]:
    """The rows to judge, in file order. Raises UserError naming file and row."""
    if not csv_path.is_file():
        raise UserError(
            f"no such file: {csv_path}\nstep 3 makes it: python evaluation_stage_a/evaluate_stage_a.py "
            f'--output_dir "{csv_path.parent}"'
        )
    rows = read_csv(csv_path, ("example_id", "clinical_note", "generated_summary"))
    first_row: dict[str, int] = {}
    items = []
    for number, row in enumerate(rows, start=2):  # as a spreadsheet counts: the column names are row 1
        name = row["example_id"].strip()
        if not name:
            raise UserError(f"{csv_path}, row {number}: no example_id; every row needs one of its own")
        if name in first_row:
            raise UserError(
                f"{csv_path}, row {number}: example_id '{visible(name)}' is already in row {first_row[name]}; "
                "labels could not be told apart, make the ids unique"
            )
        first_row[name] = number
        items.append(Item(name, row["clinical_note"], row["generated_summary"]))
    return items


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


@contextlib.contextmanager
def only_process(files: Files) -> Iterator[None]:
    """Hold these files for this process. The operating system frees the lock however the process ends."""
    lock = FileLock(files.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(
            f"{files.journal} is open in another process: end that session (q) first, "
            "or label under a name of your own with --annotator NAME"
        ) from None
    try:
        yield
    finally:
        lock.release()
