"""The rows of a table as text, streamed: of a CSV, JSONL or parquet file, a folder of them, or a data set on a hub."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from utils.cli import UserError, from_here_or_project
from utils.models import HUB_PREFIX, allow_hub
from utils.records import cell_text, encoding_of, stream_csv, stream_jsonl

SUFFIXES = (".csv", ".jsonl", ".parquet")
DELIMITERS = (",", ";", "\t")  # spreadsheets write a semicolon where the comma is the decimal point
DAMAGED = "\ufffd"  # stands for bytes that are no character, here as in files that others have damaged before


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; ``label`` and ``dataset`` are None where the table does not tell."""

    note: str
    summary: str
    label: str | None = None
    dataset: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        return tuple(dict.fromkeys(name for name in (self.note, self.summary, self.label, self.dataset) if name))


class Table(NamedTuple):
    """One file: its path, the name that it goes by in ids, and its encoding where it is text."""

    path: Path
    name: str
    encoding: str | None


class SourceRow(NamedTuple):
    """One row as text, with the table and the number, from 1, by which it is found there."""

    table: str
    number: int
    note: str
    summary: str
    label: str
    dataset: str


def find_tables(place: str, option: str) -> list[Table]:
    """The tables at a file, a folder, or ``hub:owner/name``, which alone is downloaded; in the order of their names.

    Encodings are looked for here, once. Raises UserError where there is nothing that can be read.
    """
    on_hub = place.startswith(HUB_PREFIX)
    found = _download(place.removeprefix(HUB_PREFIX)) if on_hub else from_here_or_project(place)
    if found.is_dir():
        files = sorted(file for file in found.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        named = {file: file.relative_to(found).as_posix() for file in files}
    else:
        named = {found: found.name}
        if not found.is_file():
            hub = f"; for a data set on the hub, write {HUB_PREFIX}{place}" if place.count("/") == 1 else ""
            raise UserError(f"{option}: no such file or folder: {place}{hub}")
        if found.suffix.lower() not in SUFFIXES:
            raise UserError(f"{option}: {place} is none of {', '.join(SUFFIXES)}; save the table as one of these")
    if not named:
        raise UserError(f"{option}: no {', '.join(SUFFIXES)} file in {place}")
    return [Table(file, name, _encoding(file)) for file, name in named.items()]


def _encoding(file: Path) -> str | None:
    return None if file.suffix.lower() == ".parquet" else encoding_of(file, strict=False)


def _download(dataset: str) -> Path:
    """The newest snapshot of a data set on the hub: its tables alone; none of its code is fetched or run."""
    allow_hub()
    from huggingface_hub import snapshot_download

    print(f"Downloading  {dataset} from the Hugging Face hub, or taking it from its cache", flush=True)
    try:
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=[f"*{s}" for s in SUFFIXES]))
    except (OSError, ValueError) as error:  # what the hub's library raises: offline, unknown, gated, not a name
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{HUB_PREFIX}{dataset} cannot be downloaded: {reason}; on a machine without the hub, fetch its files "
            "elsewhere and name their folder instead"
        ) from error


def read_rows(tables: Iterable[Table], columns: Columns) -> Iterator[SourceRow]:
    """Every row of all tables. Bytes that cannot be read are ``DAMAGED``; line ends are ``\\n``.

    Raises UserError for a column that a table lacks and a cell that holds no single value.
    """
    for table in tables:
        rows = READERS[table.path.suffix.lower()](table, columns.names)
        for number, cells in enumerate(rows, start=1):
            where = f"{table.path}, row {number}"
            note, summary, label, dataset = (
                as_text(cells.get(name), where) if name else ""
                for name in (columns.note, columns.summary, columns.label, columns.dataset)
            )
            yield SourceRow(table.name, number, note, summary, label, dataset)


def as_text(cell: Any, where: str) -> str:
    """A cell of any table as text; empty where there is none. Raises UserError for a list or an object."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, (list, dict)):
        raise UserError(f"{where}: expected text, found {'a list' if isinstance(cell, list) else 'an object'}")
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    if not text.isascii():  # JSON can hold half a surrogate pair, which no file can
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cell_text(text.replace("\r\n", "\n").replace("\r", "\n"))


def _csv_rows(table: Table, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    delimiter = _delimiter(table, names)
    return stream_csv(table.path, names, encoding=table.encoding, errors="replace", delimiter=delimiter)


def _delimiter(table: Table, names: Sequence[str]) -> str:
    """The one of ``DELIMITERS`` that gives the columns; the comma where none does."""
    with table.path.open(encoding=table.encoding, errors="replace", newline="") as file:
        head = file.readline()
    for delimiter in DELIMITERS:
        found = next(csv.reader([head], delimiter=delimiter), [])
        if set(names) <= {name.strip() for name in found}:
            return delimiter
    return DELIMITERS[0]


def _jsonl_rows(table: Table, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """A key may be missing where there is nothing to say, but not in every object."""
    found: dict[str, None] = {}
    for _, row in stream_jsonl(table.path, encoding=table.encoding, errors="replace"):
        found |= dict.fromkeys(row)
        yield row
    _check_columns(table, names, list(found))


def _parquet_rows(table: Table, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(table.path) as file:
            _check_columns(table, names, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=1024, columns=list(names)):
                cells = [_undecoded(column).to_pylist() for column in batch.columns]
                for values in zip(*cells, strict=True):
                    yield dict(zip(batch.schema.names, values, strict=True))
    except pyarrow.ArrowException as error:
        raise UserError(f"{table.path} cannot be read as parquet: {error}") from error


def _undecoded(column: Any) -> Any:
    """Text as its bytes, which pyarrow does not check when it reads a file; other columns as they are."""
    from pyarrow import types

    if types.is_string(column.type):
        return column.cast("binary")
    return column.cast("large_binary") if types.is_large_string(column.type) else column


READERS = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}


def _check_columns(table: Table, names: Sequence[str], found: Sequence[str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"{table.path}: no column '{missing[0]}'; found: {', '.join(found) or 'none'}")
