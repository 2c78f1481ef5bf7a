"""A part of a document that figures are put into, between two marks that name where they come from."""

from __future__ import annotations

from pathlib import Path

from utils.cli import UserError
from utils.files import atomic_writer


def marked(source: str, text: str) -> str:
    """The text between its two marks."""
    begin, end = _marks(source)
    return f"{begin}\n{text}\n{end}"


def renew(path: Path, source: str, text: str) -> None:
    """Put the text between the document's two marks. Raises UserError where they are gone."""
    begin, end = _marks(source)
    head, found, rest = path.read_text("utf-8").partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise UserError(f"{path} has no place for what is measured; give it these two lines: {begin} and {end}")
    with atomic_writer(path) as file:
        file.write(head + marked(source, text) + tail)


def _marks(source: str) -> tuple[str, str]:
    return f"<!-- from {source} -->", f"<!-- end of {source} -->"
