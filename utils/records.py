"""The rows that travel between the steps: Phase 1 CSV, pairs JSONL and results CSV, read with clear refusals."""

from __future__ import annotations

import codecs
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

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

MIN_SUMMARY_WORDS = 5  # fewer (None., Noncontributory.) say too little to be made wrong in one place
MISSING = frozenset(("", "nan", "none", "null", "n/a", "<na>"))  # how tables of other tools write an empty cell

_BLOCK = 2**20  # bytes of a file looked at at once

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses cells above 131,072 characters


def cell_text(cell: str) -> str:
    """A cell's text without the white space around it; empty where another tool wrote that there is none."""
    text = cell.strip()
    return "" if text.lower() in MISSING else text


def read_csv(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV as dicts of strings, all at once; see :func:`stream_csv`."""
    return list(stream_csv(path, required, optional))


def stream_csv(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    encoding: str | None = None,
    errors: str = "strict",
    delimiter: str = ",",
) -> Iterator[dict[str, str]]:
    """Rows of a CSV as dicts of strings, one after the other, known other spellings renamed (see ``ALIASES``).

    Columns in ``optional`` that the file lacks come back as empty strings; further columns are kept. ``encoding`` and
    ``errors`` are those of ``open``; an encoding that is not given is looked for (see :func:`encoding_of`).
    Raises UserError for a missing file, an unknown encoding, a missing column (naming those found), a row with more
    cells than columns and a file without rows.
    """
    with path.open(encoding=encoding or encoding_of(path), errors=errors, newline="") as file:
        reader = csv.DictReader(file, restval="", delimiter=delimiter)
        try:
            found = [name.strip() for name in reader.fieldnames or []]
            renamed = {}
            for name in (*required, *optional):
                spelling = next((s for s in (name, *ALIASES.get(name, ())) if s in found), None)
                if spelling:
                    renamed[spelling] = name
                elif name in required:
                    raise UserError(f"{path}: no column '{name}'; found: {', '.join(found) or 'an empty file'}")
            number = 0
            for number, row in enumerate(reader, start=1):
                if any(row.pop(None, ())):  # type: ignore[call-overload]  # the key of what is too much
                    raise UserError(
                        f"{path}, row {number} (up to line {reader.line_num}): more cells than the {len(found)} "
                        f"columns; a cell with a comma must stand in double quotes"
                    )
                clean = {renamed.get(key.strip(), key.strip()): value for key, value in row.items() if key}
                yield {**dict.fromkeys(optional, ""), **clean}
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num}: not CSV ({error})") from error
    if not number:
        raise UserError(f"{path}: no rows, only the column names")


def encoding_of(path: Path, *, strict: bool = True) -> str:
    """The encoding of a text file, for ``open``; the file is read once, in blocks.

    UTF-8, UTF-16 where a byte order mark or zero bytes tell, else Windows-1252, which spreadsheets on Windows write,
    where every byte above ASCII can be that: then this is said on standard error. Raises UserError, naming the line,
    for a file that is missing, mixed or neither; where not ``strict``, the likeliest encoding of such a file is told
    instead, and its first fault said.
    """
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in start[:2]:
        encoding = "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    fault = _first_fault(path, encoding)
    if fault is None:
        return encoding
    if encoding == "utf-8-sig" and not fault.certain and _first_fault(path, "cp1252") is None:
        print(f"note: {path} is not UTF-8 ({fault.where}); read as Windows-1252", file=sys.stderr)
        return "cp1252"
    found = f"{path}, {fault.where} is not {encoding.removesuffix('-sig').upper()}"
    if strict:
        raise UserError(f'{found}; save the file as UTF-8 (in Excel, the type "CSV UTF-8")')
    print(f"note: {found}; the rest is read", file=sys.stderr)
    return encoding if encoding != "utf-8-sig" or fault.certain else "cp1252"


class _Fault(NamedTuple):
    """The first byte that an encoding does not have, and whether the rest is in that encoding nevertheless."""

    where: str
    certain: bool


def _first_fault(path: Path, encoding: str) -> _Fault | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, others = 1, False
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            held = decoder.getstate()[0]
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                good = (held + block)[: error.start]
                line = lines + good.count(b"\n")
                where = f"line {line}: byte 0x{(held + block)[error.start]:02x}"
                return _Fault(where, others or not good.removeprefix(codecs.BOM_UTF8).isascii())
            lines += text.count("\n")
            others = others or not text.isascii()
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _Fault(f"line {lines}: the last character", True)  # a file that was cut off
    return None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as UTF-8 CSV, atomically. Keys that are not in ``columns`` are an error."""
    with csv_writer(path, columns) as writer:
        writer.writerows(rows)


@contextlib.contextmanager
def csv_writer(path: Path, columns: Sequence[str]) -> Iterator[csv.DictWriter[str]]:
    """A writer of rows for :func:`write_csv`'s file, which is there once the block ends without an error."""
    with atomic_writer(path) as file:
        writer = csv.DictWriter(_PlainLineEnds(file), columns, lineterminator="\r\n")
        writer.writeheader()
        yield writer


class _PlainLineEnds:
    r"""Takes a row from a CSV writer and ends it with ``\n``.

    The writer itself must be told ``\r\n``: before Python 3.13 it quotes those characters alone that end its lines, and
    a lone ``\r`` in a cell without quotes would be read as the end of the row.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


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
    for number, row in stream_jsonl(path):
        missing = [key for key in required if key not in row]
        if missing:
            raise UserError(f"{path}, line {number}: no '{missing[0]}'; each line needs {', '.join(required)}")
        wrong = fault(row)
        if wrong:
            raise UserError(f"{path}, line {number}: {wrong}")
        rows.append(row)
    return rows


def stream_jsonl(
    path: Path, *, encoding: str | None = None, errors: str = "strict"
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file, one after the other, each with its line; encodings as in :func:`stream_csv`.

    Raises UserError for a missing file, an unknown encoding, a line that is no JSON object and a file without any.
    """
    empty = True
    with path.open(encoding=encoding or encoding_of(path), errors=errors, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            empty = False
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: not a JSON object but a {type(row).__name__}")
            yield number, row
    if empty:
        raise UserError(f"{path}: no rows")


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
