"""Text into rows that any terminal can print: literal, marked, wrapped to a width, stacked or side by side."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from clinical.sentences import sentence_spans
from utils.hostile_text import visible

BESIDE_FROM = 110  # columns: below, the two texts would get less than a readable line each
WIDEST = 200  # columns; longer lines are hard to read
_GAP = "   "
_BLANK = " \t\r\n"  # not str.strip()'s default, which would drop control bytes as well
_CONSOLE = Console(file=io.StringIO(), color_system=None, force_terminal=False)  # rich wraps by it; nothing is printed


class Mark(NamedTuple):
    """A stretch of a text, in characters of the text as it stands, and the name of its style."""

    start: int
    end: int
    style: str


class Pane(NamedTuple):
    """A titled text; ``lines`` gives its rows for a width."""

    title: str
    lines: Callable[[int], Sequence[Text]]


class Shown(NamedTuple):
    """Which rows of a pane are on the screen: ``height`` of ``total``, from ``offset``."""

    offset: int
    height: int
    total: int

    @property
    def cut(self) -> bool:
        """Whether there is more than is shown."""
        return self.height < self.total


def literal(text: str, style: str = "") -> Text:
    """``text`` for printing: nothing in it is markup, nothing reaches the terminal."""
    return Text(visible(text), style=style)


def marked(text: str, marks: Sequence[Mark], start: int = 0, end: int | None = None) -> Text:
    """``text[start:end]``, literally, with the marks that reach into it; of several at one place the last one shows."""
    end = len(text) if end is None else end
    inside = [Mark(max(m.start, start), min(m.end, end), m.style) for m in marks if m.start < end and m.end > start]
    cuts = sorted({start, end, *(m.start for m in inside), *(m.end for m in inside)})
    shown = Text()
    for left, right in pairwise(cuts):
        style = next((m.style for m in reversed(inside) if m.start <= left and right <= m.end), "")
        shown.append(visible(text[left:right]), style)
    return shown


def wrapped(text: Text, width: int) -> list[Text]:
    """The rows of a text, none wider than ``width`` cells; words longer than that are folded."""
    return list(text.wrap(_CONSOLE, max(width, 1), overflow="fold"))


@lru_cache(maxsize=64)  # each key press draws the same texts again
def text_lines(text: str, marks: tuple[Mark, ...], if_empty: str, width: int) -> tuple[Text, ...]:
    """A text as it stands."""
    shown = text.rstrip(_BLANK)
    return tuple(wrapped(marked(shown, marks) if shown else literal(if_empty, "faint"), width))


@lru_cache(maxsize=64)
def sentence_lines(text: str, marks: tuple[Mark, ...], if_empty: str, width: int) -> tuple[Text, ...]:
    """A text with each sentence on rows of its own, numbered."""
    starts = [0, *(span.start for span in sentence_spans(text)[1:])]
    gutter = max(2, len(str(len(starts)))) + 2
    rows: list[Text] = []
    for number, (first, past) in enumerate(pairwise([*starts, len(text)]), start=1):
        piece = text[first:past]
        start = first + len(piece) - len(piece.lstrip(_BLANK))
        end = start + len(piece.strip(_BLANK))
        if piece.strip(_BLANK):
            body = wrapped(marked(text, marks, start, end), width - gutter)
            rows += [
                Text.assemble((f"{number:>{gutter - 2}}  ", "faint"), body[0]),
                *(Text(" " * gutter) + row for row in body[1:]),
            ]
    return tuple(rows) or tuple(wrapped(literal(if_empty, "faint"), width))


def fair_heights(wanted: Sequence[int], rows: int) -> list[int]:
    """Share ``rows`` among panes: none gets more than it wants, and what one leaves goes to the others."""
    heights = [0] * len(wanted)
    hungry = list(range(len(wanted)))
    while hungry and rows > 0:
        part, extra = divmod(rows, len(hungry))
        for order, pane in enumerate(hungry):
            taken = min(wanted[pane] - heights[pane], part + (order < extra))
            heights[pane] += taken
            rows -= taken
        hungry = [pane for pane in hungry if heights[pane] < wanted[pane]]
    return heights


def first_width(width: int) -> int:
    """Cells for the rows of the first pane, of ``width`` for all."""
    return (width - len(_GAP)) * 3 // 5 if width >= BESIDE_FROM else width


def arrange(
    panes: Sequence[Pane], width: int, height: int | None = None, offsets: Sequence[int] = (), focus: int | None = None
) -> tuple[list[Text], list[Shown]]:
    """The panes as rows of at most ``width`` cells: the first on the left of the others where they fit, else on top.

    ``height`` is the number of rows there are (exactly so many come back), None for as many as it takes. ``offsets``
    is how far each pane is scrolled, ``focus`` the one that the keys scroll. Also returns what is shown of each.
    """
    offsets = [*offsets, *([0] * len(panes))][: len(panes)]
    left = first_width(width)
    if left == width:
        return _stacked(panes, width, height, offsets, focus)
    right = width - len(_GAP) - left
    first, shown = _stacked(panes[:1], left, height, offsets[:1], focus)
    rest, shown_too = _stacked(panes[1:], right, height, offsets[1:], None if focus is None else focus - 1)
    depth = max(len(first), len(rest))
    first, rest = (rows + [Text()] * (depth - len(rows)) for rows in (first, rest))
    joined = [_padded(one, left) + _GAP + other for one, other in zip(first, rest, strict=True)]
    return joined, shown + shown_too


def _stacked(
    panes: Sequence[Pane], width: int, height: int | None, offsets: Sequence[int], focus: int | None
) -> tuple[list[Text], list[Shown]]:
    texts = [pane.lines(width) for pane in panes]
    wanted = [len(lines) for lines in texts]
    heights = wanted if height is None else fair_heights(wanted, height - len(panes))
    rows: list[Text] = []
    shown = []
    for number, (pane, lines, tall) in enumerate(zip(panes, texts, heights, strict=True)):
        offset = max(0, min(offsets[number], len(lines) - tall))
        part = Shown(offset, tall, len(lines))
        rows += [title_row(pane.title, part, width, number == focus), *lines[offset : offset + tall]]
        shown.append(part)
    if height is not None:
        rows = (rows + [Text()] * height)[: max(height, 0)]
    return rows, shown


def title_row(title: str, shown: Shown, width: int, in_focus: bool) -> Text:
    """A title, and which lines are shown where there are more."""
    more = f" lines {shown.offset + 1}-{shown.offset + shown.height} of {shown.total}" if shown.cut else ""
    name = f"{'> ' if in_focus and shown.cut else ''}{title} "
    return Text.assemble((name, "title"), ("-" * max(0, width - len(name) - len(more)), "faint"), (more, "title"))


def in_rows(cells: Sequence[Text], width: int) -> list[Text]:
    """Short texts one after the other, two spaces apart, none broken."""
    rows: list[Text] = []
    for cell in cells:
        if rows and rows[-1].cell_len + 2 + cell.cell_len <= width:
            rows[-1] = rows[-1] + "  " + cell
        else:
            rows.append(cell)
    return rows


def _padded(row: Text, width: int) -> Text:
    return row + " " * max(0, width - row.cell_len)
