"""The screens: literal text, no byte that acts on the terminal, nothing lost and nothing too wide."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from assessment.screen import GUIDELINES, item_screen, key_line
from assessment.session import Item, State, apply, new_event
from utils.hostile_text import visible

WORDS = " ".join(f"word{number}" for number in range(120))
WIDE = "患者は発熱と咳を訴えて来院した。" * 12


def draw(item, width, state=None, items=None, encoding="utf-8"):
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=buffer, width=width, color_system=None, markup=True, emoji=True, highlight=True)
    console.print(item_screen(item, state or State(), items or [item], width))
    buffer.flush()
    return buffer.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),  # the one-byte form of ESC [
        ("a\rb\x08\x00\x7f", r"a\rb\x08\x00\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # right-to-left override: changes the reading order
        ("in\u200bvisible\u2028", r"in\u200bvisible\u2028"),
        ("\ud800", r"\ud800"),
        ("one\r\ntwo\nthree", "one\ntwo\nthree"),
        ("a\tb", "a   b"),
        ("[b]BP[/b] ≥ 140, café, 患者", "[b]BP[/b] ≥ 140, café, 患者"),
    ],
)
def test_what_would_act_on_a_terminal_is_spelt_out(raw, shown):
    assert visible(raw) == shown


@pytest.mark.parametrize("text", ["[b]dose[/b]", "[/90] mmHg", "[NAME], [link=x]y[/link]", ":smile: \\[x]"])
@pytest.mark.parametrize("width", [80, 160])
def test_square_brackets_are_printed_literally(text, width):
    screen = draw(Item("1", f"note {text}", f"summary {text}"), width)
    assert f"note {text}" in screen
    assert f"summary {text}" in screen


@pytest.mark.parametrize("width", [80, 100, 139, 140, 160, 200])
@pytest.mark.parametrize("text", [WORDS, WIDE, "x" * 700, "cafe\u0301 " * 60, "\x1b[2J" * 60])
def test_every_character_is_shown_within_the_width(text, width):
    screen = draw(Item("1", text, "short"), width)
    assert max(cell_len(line) for line in screen.split("\n")) <= width
    without_summary = screen.replace("SUMMARY", "").replace("short", "")
    assert "".join(visible(text).split()) in "".join(without_summary.split())


@pytest.mark.parametrize(("width", "beside"), [(80, False), (139, False), (140, True), (200, True)])
def test_side_by_side_from_140_columns(width, beside):
    lines = draw(Item("1", "the note", "the summary"), width).split("\n")
    assert any("NOTE" in line and "SUMMARY" in line for line in lines) is beside
    note = next(line for line in lines if "the note" in line)
    assert ("the summary" in note) is beside
    assert note.index("the note") == 0


def test_progress_and_keys_are_the_last_two_lines_where_a_long_note_cannot_push_them_away():
    items = [Item(name, "n", "s") for name in "ABC"]
    state = State()
    state = apply(state, new_event("label", "t", items[0].key, has_hallucination=False, seconds=1))
    state = apply(state, new_event("skip", "t", items[1].key, seconds=1))
    screen = draw(items[2], 80, state, items)
    progress, keys = screen.rstrip().split("\n")[-2:]
    assert progress.startswith("item 3 of 3 | labelled 1 | skipped 1 ")
    assert keys == "y hallucinated | n clean | s skip | u undo | stats | ? help | q quit"


def test_while_the_kind_is_open_its_keys_are_shown():
    item = Item("A", "n", "s")
    state = apply(State(), new_event("label", "t", item.key, has_hallucination=True, seconds=1))
    screen = draw(item, 80, state)
    assert "1 fabricated | 2 incorrect_inference | 3 contradiction | 4 unsupported_details" in screen
    assert "y hallucinated" not in screen


@pytest.mark.parametrize("empty", ["", "  \r\n"])
def test_empty_texts_are_said_to_be_empty(empty):
    screen = draw(Item("1", empty, empty), 80)
    assert "(the note is empty)" in screen
    assert "(the summary is empty)" in screen


def test_a_text_of_control_bytes_is_not_called_empty():
    assert r"\x1f" in draw(Item("1", "note", "\x1f"), 80)


def test_an_encoding_without_line_characters_gets_plain_ones():
    assert draw(Item("1", "note", "summary"), 80, encoding="cp1252").isascii()


def test_fixed_texts_fit_80_columns():
    for line in f"{GUIDELINES}\n{key_line(True)}\n{key_line(False)}".split("\n"):
        assert len(line) <= 80, line
