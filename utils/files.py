"""Files that are either whole or absent: atomic writes, synced journals, hashes, private output folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from utils.cli import UserError
from utils.distributed import is_main_process

NOT_HASHED = ("run.json", "README.md")  # in a folder


def make_output_dir(path: Path) -> Path:
    """Create an output folder, readable by its owner only: it will hold clinical text.

    Raises UserError when it cannot be created or written to, before any work is spent on it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-"):
            pass
    except OSError as error:
        raise UserError(f"cannot write to the output folder {path}: {error.strerror or error}") from error
    return path


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that takes its final name only when the block ends without an error.

    Written under a temporary name in the same folder, synced, then renamed. Line ends are ``\\n`` everywhere.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``path`` only when the block ends without an error.

    A folder that stood there before is replaced as a whole. It stays as it was if the block fails; if only a rename
    fails (a file held open on Windows, say), the new one is kept beside it, as ``.new``, ``.new2`` and so on.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        new.mkdir()
        yield new
        try:
            if path.exists():
                path.rename(old)
            new.rename(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.rename(path)
            if new.exists():
                new.rename(_free_name(path))
            raise


def _free_name(path: Path) -> Path:
    """``path`` with ``.new`` behind it, and a number from the second on."""
    names = (path.with_name(f"{path.name}.new{'' if number == 1 else number}") for number in count(1))
    return next(name for name in names if not name.exists())


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder, replacing the target as a whole; files are linked where the file system can."""
    with atomic_folder(target) as folder:
        for file in source.rglob("*"):
            if not file.is_file():
                continue
            copy = folder / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, copy)
            except OSError:  # another file system, or one without links
                shutil.copyfile(file, copy)


@contextlib.contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file; raises UserError saying ``busy`` where another process holds it. A kill releases it.

    The main process holds it for all processes of a run; where it cannot, the launcher ends them with it.
    """
    from filelock import FileLock, Timeout

    if not is_main_process():
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(busy) from error
    try:
        yield
    finally:
        lock.release()


def sync_files(folder: Path) -> None:
    """Force a folder's files to disk, so that a rename which follows cannot outlive them."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    with atomic_writer(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def append_journal(file: TextIO, *entries: dict[str, Any]) -> None:
    """Append a JSON line for each entry, in one write forced to disk: once this returns, ``kill -9`` loses none."""
    file.write("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[TextIO]:
    """Open a journal, readable by its owner only, for appending; a last line torn by a kill is cut off first."""
    path.touch(mode=0o600)
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    if len(kept) < len(whole):
        with path.open("r+b") as torn:
            torn.truncate(len(kept))
    with path.open("a", encoding="utf-8", newline="") as file:
        yield file


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a JSONL journal, in order; none where the file is missing. A torn last line is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: not JSON ({error}); move the file away to start anew") from error
    return entries


def sha256_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_path(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files and their names.

    Hidden files, caches, run records and model cards are left out: what they say is about the others.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    files = (p.relative_to(path) for p in path.rglob("*") if p.is_file())
    for name in sorted(files, key=lambda name: name.parts):  # Windows would sort paths without regard to case
        if any(part.startswith((".", "__pycache__")) for part in name.parts) or name.name in NOT_HASHED:
            continue
        digest.update(f"{name.as_posix()}\0{sha256_path(path / name)}\n".encode())
    return digest.hexdigest()
