"""The rows that travel between the steps: Phase 1 CSV, pairs JSONL and results CSV, read with clear refusals."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.cli import UserError
from utils.files import atomic_writer, sha256_text

PHASE1_COLUMNS = ("id", "clinical_note", "model_summary", "label", "hallucination_type", "evidence_stats")
RESULT_COLUMNS = ("example_id", "clinical_note", "ground_truth", "generated_summary")

# Other spellings that upstream tools write for the same column.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "model_summary": ("summary",),
    "example_id": ("id",),
    "generated_summary": ("predicted_summary",),
}

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses cells above 131,072 characters


def read_text(path: Path) -> str:
    """A text file as UTF-8, or as UTF-16 where a byte order mark says so. Raises UserError naming the bad line."""
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not {encoding.removesuffix('-sig').upper()}; "
            f"save the file as UTF-8 (from Windows: iconv -f CP1252 -t UTF-8)"
        ) from error


def read_csv(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV as dicts of strings, known other spellings renamed (see ``ALIASES``).

    Columns in ``optional`` that the file lacks come back as empty strings; further columns are kept.
    Raises UserError for a missing file, a missing column (naming those found) and a file without rows.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restkey="", restval="")
    found = [name.strip() for name in reader.fieldnames or []]
    renamed = {}
    for name in (*required, *optional):
        spelling = next((s for s in (name, *ALIASES.get(name, ())) if s in found), None)
        if spelling:
            renamed[spelling] = name
        elif name in required:
            raise UserError(f"{path}: no column '{name}'; found: {', '.join(found) or 'an empty file'}")
    rows = []
    for row in reader:
        clean = {renamed.get(key.strip(), key.strip()): value for key, value in row.items() if key}
        rows.append({**dict.fromkeys(optional, ""), **clean})
    if not rows:
        raise UserError(f"{path}: no rows, only the column names")
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as UTF-8 CSV, atomically. Keys that are not in ``columns`` are an error."""
    with atomic_writer(path) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    with atomic_writer(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_jsonl(
    path: Path, required: Sequence[str], fault: Callable[[dict[str, Any]], str | None] = lambda row: None
) -> list[dict[str, Any]]:
    """Rows of a JSONL file, each an object with the ``required`` keys and without a ``fault``.

    ``fault`` says what is wrong with a row, None for nothing. Raises UserError naming file and line.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}, line {number}: not JSON ({error})") from error
        missing = [key for key in required if not isinstance(row, dict) or key not in row]
        if missing:
            raise UserError(f"{path}, line {number}: no '{missing[0]}'; each line needs {', '.join(required)}")
        wrong = fault(row)
        if wrong:
            raise UserError(f"{path}, line {number}: {wrong}")
        rows.append(row)
    if not rows:
        raise UserError(f"{path}: no rows")
    return rows


def sample_by_note(notes: Sequence[str], limit: int | None, seed: int) -> list[int]:
    """Indices of a seeded sample of at most ``limit`` rows, drawn note by note and returned in file order.

    ``notes[i]`` identifies the note of row ``i``. Notes are ranked by a hash of (seed, note), so which notes are
    taken does not depend on the order or the number of the rows: the same notes come up for every model and file.
    A note's rows are taken together; where the last one does not fit whole, its first rows fill up to ``limit``.
    """
    if limit is None or limit >= len(notes):
        return list(range(len(notes)))
    members: dict[str, list[int]] = {}
    for index, note in enumerate(notes):
        members.setdefault(note, []).append(index)
    ranked = sorted(members, key=lambda note: sha256_text(f"{seed}\0{note}"))
    chosen = [index for note in ranked for index in members[note]][:limit]
    return sorted(chosen)
