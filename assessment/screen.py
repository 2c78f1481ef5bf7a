"""What the annotator sees, as pure functions: an item, the state and a width in, something rich can print out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from assessment.session import TYPES, Item, State, answers
from utils.hostile_text import visible

SIDE_BY_SIDE_FROM = 140  # columns: below, the two texts would get less than a readable line each

_LINE = "-"  # in ASCII, for output that is not UTF-8: rich 15 falls back for a rule with a title only
_BLANK = " \t\r\n"  # not str.strip()'s default, which would drop control bytes as well

KEYS = "y hallucinated | n clean | s skip | u undo | stats | ? help | q quit"
TYPE_KEYS = " | ".join(f"{number} {name}" for number, name in enumerate(TYPES, start=1))

GUIDELINES = """\
GUIDELINES
Judge the summary against the note alone, not against what is likely.
y  hallucinated: at least one statement that the note does not support
n  clean: everything in it is in the note. Leaving something out is not
   a hallucination, nor is another wording.
s  skip: you cannot tell. Skipped items come back after a restart.

The four kinds; where several fit, take the gravest statement:
1  fabricated            nothing in the note speaks of it
   note: "BP 120/80."                summary: "BP 120/80. Takes aspirin."
2  incorrect_inference   a conclusion that the note does not draw
   note: "Started on metformin."     summary: "Poorly controlled diabetes."
3  contradiction         the note says otherwise
   note: "Denies chest pain."        summary: "Presents with chest pain."
4  unsupported_details   the matter is in the note, the detail is not
   note: "Chest pain."               summary: "A 3-day history of chest pain."

u takes back the last decision, as often as you like, also after a restart.
stats shows the rate so far. Each answer is on disk before the next item shows.
Enter shows the item again."""


def literal(text: str, style: str = "") -> Text:
    """``text`` for printing: nothing in it is markup, nothing reaches the terminal, long words are folded."""
    return Text(visible(text), style=style, overflow="fold")


def progress(item: Item, state: State, items: Sequence[Item]) -> str:
    """Where the annotator stands; says nothing about the labels themselves, which would bias the next one."""
    decided = answers(state, items).values()
    skipped = sum(decision.has_hallucination is None for decision in decided)
    place = next(number for number, other in enumerate(items, start=1) if other.key == item.key)
    return f"item {place} of {len(items)} | labelled {len(decided) - skipped} | skipped {skipped}"


def item_screen(item: Item, state: State, items: Sequence[Item], width: int) -> RenderableType:
    """Note and summary, side by side where ``width`` allows, then progress and keys.

    Those stand last: however long the note is, they are what remains in sight.
    """
    note = _block("NOTE", item.note, "(the note is empty)")
    summary = _block("SUMMARY", item.summary, "(the summary is empty)")
    heading = Group(Text(), Rule(characters=_LINE))
    footer = Rule(literal(progress(item, state, items), "bold"), align="left", characters=_LINE)
    keys = key_line(state.awaiting_type == item.key)
    if width < SIDE_BY_SIDE_FROM:
        return Group(heading, note, Text(), summary, footer, keys)
    columns = Table.grid(padding=(0, 4, 0, 0), expand=True)
    columns.add_column(ratio=3, overflow="fold")
    columns.add_column(ratio=2, overflow="fold")
    columns.add_row(note, summary)
    return Group(heading, columns, footer, keys)


def key_line(awaiting_type: bool) -> Text:
    """The keys that work now."""
    if awaiting_type:
        return literal(f"{TYPE_KEYS}\nEnter without a kind | u undo | stats | ? help | q quit", "bold")
    return literal(KEYS, "bold")


def _block(title: str, text: str, if_empty: str) -> Text:
    shown = text.rstrip(_BLANK)
    body = literal(shown) if shown else literal(if_empty, "italic")
    return Text("\n", overflow="fold").join([literal(title, "bold"), body])
