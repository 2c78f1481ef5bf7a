"""The screens: literal text, no byte that acts on the terminal, nothing lost and nothing too wide."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from assessment.layout import Mark, arrange, fair_heights, marked
from assessment.screen import NO_NOTE, NO_SUMMARY, Finding, key_rows, panes, places_of
from assessment.session import Item
from assessment.words import ENTRY_KEYS, GUIDELINES, KEYS, PAGE_KEYS, SCROLL_KEYS
from utils.hostile_text import visible

WORDS = " ".join(f"word{number}" for number in range(120))
WIDE = "患者は発熱と咳を訴えて来院した。" * 12


def item(note="the note", *summaries, asked=0):
    return Item("1", note, summaries or ("the summary",), asked)


def rows(shown, width, height=None, **options):
    """The texts of an item as lines of plain text."""
    drawn, _ = arrange(panes(shown, lambda _: (), **options), width, height)
    return [row.plain for row in drawn]


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
    screen = "\n".join(rows(item(f"note {text}", f"summary {text}"), width))
    assert f"note {text}" in screen
    assert f"summary {text}" in screen


@pytest.mark.parametrize("width", [80, 109, 110, 160, 200])
@pytest.mark.parametrize("text", [WORDS, WIDE, "x" * 700, "cafe\u0301 " * 60, "\x1b[2J" * 60])
def test_every_character_is_shown_within_the_width(text, width):
    note = rows(item(text, ""), width)
    summary = rows(item("", text), width)
    assert max(cell_len(line) for line in note + summary) <= width
    wanted = "".join(visible(text).split())
    for lines, chrome in ((note, NO_SUMMARY), (summary, NO_NOTE)):
        shown = "".join("".join(lines).replace(chrome, "").split())
        for word in ("NOTE", "SUMMARY", "-"):
            shown = shown.replace(word, "")
        assert shown.removeprefix("1") in (wanted, f"1{wanted}")


@pytest.mark.parametrize(("width", "beside"), [(80, False), (109, False), (110, True), (200, True)])
def test_side_by_side_where_it_is_wide_enough(width, beside):
    lines = rows(item(), width)
    assert any("NOTE" in line and "SUMMARY" in line for line in lines) is beside
    note = next(line for line in lines if "the note" in line)
    assert ("the summary" in note) is beside
    assert note.index("the note") == 0


def test_each_sentence_of_a_summary_is_numbered_and_whole():
    lines = rows(item("n", "Has a fever. Takes\naspirin 3.5 mg.  \n\x0bIs well"), 80)
    shown = lines[lines.index(next(line for line in lines if line.startswith("SUMMARY"))) + 1 :]
    assert shown == [" 1  Has a fever.", " 2  Takes", "    aspirin 3.5 mg.  ", r"    \x0b", " 3  Is well"]


def test_two_summaries_say_which_one_is_judged_and_nothing_of_their_origin():
    lines = rows(item("n", "first", "second", asked=1), 80)
    titles = [line.partition(" -")[0] for line in lines if "SUMMARY" in line]
    assert titles == ["SUMMARY 1", "SUMMARY 2 << judge this one"]
    assert not any("judge this one" in line for line in rows(item("n", "first", "second", asked=None), 80))


@pytest.mark.parametrize(
    ("wanted", "given", "heights"),
    [
        ([5, 5], 20, [5, 5]),
        ([60, 8], 18, [10, 8]),
        ([3, 60], 18, [3, 15]),
        ([60, 60], 11, [6, 5]),
        ([9, 9, 2], 8, [3, 3, 2]),
    ],
)
def test_rows_are_shared_so_that_no_text_is_crowded_out(wanted, given, heights):
    assert fair_heights(wanted, given) == heights


def test_a_cut_text_says_which_lines_are_shown_and_scrolls_no_further_than_its_end():
    shown = item("\n".join(f"line {n}" for n in range(50)), "short")
    drawn, parts = arrange(panes(shown, lambda _: ()), 80, 20, offsets=[99, 99], focus=0)
    assert len(drawn) == 20
    assert "> NOTE" in drawn[0].plain
    assert drawn[0].plain.endswith("lines 34-50 of 50")
    assert "line 49" in [row.plain for row in drawn]
    assert [tuple(part) for part in parts] == [(33, 17, 50), (0, 1, 1)]


def test_what_is_searched_for_is_found_in_any_case_and_over_a_line_break():
    assert places_of("Chest pain", "CHEST\n pain, no chest pain.") == [(0, 11), (16, 26)]
    assert places_of("(a+", "x (A+ y") == [(2, 5)]
    assert places_of(" ", "x y") == []


def test_marks_keep_to_their_characters_where_text_before_them_is_spelt_out():
    text = marked("\x1bdose of 5 mg", [Mark(9, 13, "flag")])
    (span,) = text.spans
    assert (text.plain[span.start : span.end], span.style) == ("5 mg", "flag")


def test_findings_are_marked_and_told_in_words_on_the_summary_that_is_judged():
    found = Finding(6, 13, "aspirin", "medication", "unsupported")
    _, pane = panes(item("n", "Takes aspirin."), lambda _: [found])
    lines = pane.lines(60)
    assert [line.plain for line in lines] == [" 1  Takes aspirin.", "screen: unsupported medication: aspirin"]
    assert ("aspirin", "flag") in [(lines[0].plain[s.start : s.end], s.style) for s in lines[0].spans]
    _, first, second = panes(item("n", "Takes aspirin.", "Takes aspirin.", asked=1), lambda _: [found])
    assert len(first.lines(60)) == 1
    assert len(second.lines(60)) == 2


@pytest.mark.parametrize("empty", ["", "  \r\n"])
def test_empty_texts_are_said_to_be_empty(empty):
    lines = rows(item(empty, empty), 80)
    assert NO_NOTE in lines
    assert NO_SUMMARY in lines


def test_a_text_of_control_bytes_is_not_called_empty():
    assert any(r"\x1f" in line for line in rows(item("note", "\x1f"), 80))


def test_fixed_texts_and_keys_fit_two_rows_of_80_columns():
    assert max(map(len, GUIDELINES.split("\n"))) <= 80
    for cells in (*((*keys, *SCROLL_KEYS) for keys in KEYS.values()), ENTRY_KEYS, PAGE_KEYS):
        drawn = key_rows(cells, 80)
        assert len(drawn) <= 2
        assert max(len(row) for row in drawn) <= 80
