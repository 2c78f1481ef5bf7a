"""The full screen without a terminal: keys in, rows out."""

from __future__ import annotations

import json

import pytest

from assessment.session import Item, State
from assessment.sitting import Sitting
from assessment.view import View

NOTE = "\n".join(f"line {number} of the note" for number in range(1, 41))
SUMMARY = "Has a fever. Takes aspirin. Goes home."


@pytest.fixture
def make(tmp_path):
    """A view of a new sitting, its sitting, and the events journalled so far."""

    def made(*items, notice="", findings=lambda item: (), clock=lambda: 0.0):
        journal = (tmp_path / "journal").open("w+", encoding="utf-8")
        sitting = Sitting(items, State(), journal, clock)
        sitting.start()
        view = View(sitting, findings, lambda: "THE STATISTICS", notice)

        def events():
            lines = (tmp_path / "journal").read_text("utf-8").splitlines()
            return [
                {k: v for k, v in json.loads(line).items() if k not in ("timestamp", "text_sha256")} for line in lines
            ]

        return view, sitting, events

    return made


def items(count=3, note=NOTE, summary=SUMMARY):
    return [Item(f"id{n}", f"note {n}\n{note}", (f"summary {n}. {summary}",)) for n in range(count)]


def screen(view, width=80, height=20):
    rows = [*view.body(width, height), view.message_row(), *view.key_rows(width)]
    return "\n".join(row.plain.rstrip() for row in rows)


def keys(view, *pressed):
    """Press keys; Enter by its name, typed text as a tuple."""
    for key in pressed:
        screen(view)  # as the terminal does between two keys
        if isinstance(key, tuple):
            view.typed(key[0])
        elif key == "Enter":
            view.enter()
        else:
            view.press(key)


def test_a_clean_summary_takes_one_key(make):
    view, _, events = make(*items())
    assert "item 1 of 3 | labelled 0 | skipped 0" in screen(view)
    keys(view, "n")
    assert "item 2 of 3 | labelled 1 | skipped 0" in screen(view)
    assert "saved: clean" in screen(view)
    assert events()[1:] == [{"event": "label", "example_id": "id0", "has_hallucination": False, "seconds": 0.0}]


def test_a_hallucination_asks_for_kind_severity_and_sentences(make):
    view, _, events = make(*items())
    keys(view, "y")
    assert "of what kind?" in screen(view)
    assert "item 1 of 3" in screen(view)
    keys(view, "3")
    assert "how grave is it?" in screen(view)
    keys(view, "2")
    assert view.entering == "saved: major; wrong sentences, 1 to 4"
    keys(view, ("2, 4",))
    assert view.entering == ""
    assert "item 2 of 3 | labelled 1" in screen(view)
    details = {k: v for event in events()[2:] for k, v in event.items()}
    assert (details["hallucination_type"], details["severity"], details["sentences"]) == (
        "contradiction",
        "major",
        [2, 4],
    )


def test_enter_passes_over_each_question(make):
    view, _, events = make(*items())
    keys(view, "y", "Enter", "Enter", ("",))
    assert "item 2 of 3" in screen(view)
    assert [event.get("sentences", event.get("severity")) for event in events()[2:]] == [None, None, None]


def test_of_a_single_sentence_it_is_not_asked_which(make):
    view, _, events = make(*items(summary=""))
    keys(view, "y", "1", "1")
    assert events()[-1]["sentences"] == [1]
    assert "item 2 of 3" in screen(view)


def test_a_wrong_number_is_asked_for_again(make):
    view, _, events = make(*items())
    keys(view, "y", "1", "1", ("5",))
    assert view.entering.startswith("'5' is not the number of a sentence (1 to 4)")
    keys(view, ("undo",))
    assert view.entering == ""
    assert "taken back: hallucinated" in screen(view)
    assert events()[-1]["event"] == "undo"


@pytest.mark.parametrize("key", ["n", "s", "f", "c", "b", "3", "x", "é"])
def test_a_mis_hit_among_the_questions_answers_nothing(make, key):
    view, _, events = make(*items())
    keys(view, "y", "1")
    before = len(events())
    keys(view, key)
    assert f"'{key}' is not a key here" in screen(view)
    assert len(events()) == before


def test_undo_goes_back_step_by_step_to_the_beginning(make):
    view, _, _ = make(*items())
    keys(view, "n", "f", "s", "u")
    assert "taken back: skipped" in screen(view)
    assert "item 2 of 3 | labelled 1 | skipped 0 | FLAGGED" in screen(view)
    keys(view, "u")
    assert "item 2 of 3 | labelled 1 | skipped 0\n" in screen(view)
    keys(view, "u")
    assert "item 1 of 3 | labelled 0" in screen(view)
    keys(view, "u")
    assert "there is nothing to undo" in screen(view)


def test_looking_back_changes_nothing_until_an_answer_is_given_anew(make):
    view, _, events = make(*items())
    keys(view, "n", "n", "b", "b")
    assert "item 1 of 3 | labelled 2 | skipped 0 | you said: clean" in screen(view)
    keys(view, "b")
    assert "this is the first item" in screen(view)
    keys(view, "Enter")
    assert "item 3 of 3" in screen(view)
    assert len(events()) == 3
    keys(view, "b", "s")
    assert "item 3 of 3 | labelled 1 | skipped 1" in screen(view)


def test_comments_and_flags_stay_with_the_item(make):
    view, _, _ = make(*items())
    keys(view, "c")
    assert view.entering == "comment"
    keys(view, ("dose [b]?",))
    assert "comment: dose [b]?" in screen(view)
    keys(view, "c")
    assert view.prefilled == "dose [b]?"
    view.leave_entry()
    keys(view, "f", "n", "b")
    assert "FLAGGED | you said: clean | comment: dose [b]?" in screen(view, 120)


def test_a_long_note_pages_and_the_summary_stays_in_sight(make):
    view, _, _ = make(*items())
    assert "lines 1-14 of 41" in screen(view)
    view.scroll(pages=1)
    assert "lines 14-27 of 41" in screen(view)  # one line of the page before, to go on from
    assert SUMMARY.split(". ")[0] in screen(view)
    for _ in range(9):
        view.scroll(pages=1)
        screen(view)
    assert "lines 28-41 of 41" in screen(view)
    view.scroll(lines=-1)
    assert "lines 27-40 of 41" in screen(view)
    keys(view, "n")
    assert "lines 1-14 of 41" in screen(view)  # the next item from its beginning


def test_the_other_text_can_be_scrolled(make):
    view, _, _ = make(*items(summary="So it was. " * 40))
    screen(view)
    view.next_pane()
    view.scroll(lines=5)
    shown = screen(view)
    assert "> SUMMARY" in shown
    assert "lines 6-14 of 41" in shown
    assert "NOTE" in shown and "lines 1-9 of 41" in shown


def test_search_goes_to_each_place_and_around(make):
    view, _, _ = make(*items())
    keys(view, "/", ("LINE 3",))
    assert "1 of 11 in the note: LINE 3" in screen(view)  # 3 and 30 to 39
    assert "line 3 of the note" in screen(view)
    keys(view, "/", ("",))
    assert "2 of 11" in screen(view)
    assert "line 30 of the note" in screen(view)
    for _ in range(10):
        keys(view, "/", ("",))
    assert "1 of 11" in screen(view)
    keys(view, "/", ("nowhere",))
    assert "not in the note: nowhere" in screen(view)


@pytest.mark.parametrize(("key", "text"), [("?", "GUIDELINES"), ("t", "THE STATISTICS")])
def test_a_page_opens_over_the_item_and_any_key_closes_it_without_deciding(make, key, text):
    view, _, events = make(*items())
    keys(view, key)
    assert text in screen(view)
    assert "any other key: back" in screen(view)
    keys(view, "y")
    assert text not in screen(view)
    assert len(events()) == 1


def test_what_is_to_be_known_first_is_a_page(make):
    view, _, _ = make(*items(), notice="Rows without a summary: id7")
    assert "Rows without a summary: id7" in screen(view)
    keys(view, "Enter")
    assert "item 1 of 3" in screen(view)
    assert "note 0" in screen(view)


def test_two_summaries_are_judged_then_compared(make):
    pair = [Item("id0", NOTE, ("the one.", "the other."), asked) for asked in (0, 1, None)]
    view, _, events = make(*pair)
    keys(view, "n")
    assert "SUMMARY 2 << judge this one" in screen(view)
    keys(view, "y", "Enter", "Enter")
    assert "which summary is better?" in screen(view)
    keys(view, "y", "1")
    assert [event["event"] for event in events()] == ["start", "label", "label", "detail", "detail", "prefer"]
    assert events()[-1]["better_sha256"] == pair[0].key[1]
    assert "Nothing is left to do." in screen(view)


def test_at_the_end_the_statistics_stand_and_everything_can_be_taken_back(make):
    view, _, _ = make(*items(1))
    keys(view, "n")
    assert "THE STATISTICS" in screen(view)
    keys(view, "u")
    assert "item 1 of 1" in screen(view)
    keys(view, "n", "Enter")
    assert view.finished


def test_time_runs_from_when_the_item_came_up(make):
    ticks = iter(range(0, 1000, 10))
    view, _, events = make(*items(), clock=lambda: next(ticks))
    keys(view, "n", "n")
    assert [event["seconds"] for event in events()[1:]] == [10, 10]


@pytest.mark.parametrize(("width", "height"), [(80, 20), (40, 5), (20, 1), (1, 1), (120, 30), (200, 46)])
def test_the_rows_fill_the_screen_whatever_its_size(make, width, height):
    view, _, _ = make(*items())
    rows = view.body(width, height)
    assert len(rows) == height + 1
    assert max(row.cell_len for row in rows[:1]) <= width
    if width >= 20:
        assert max(row.cell_len for row in rows) <= max(width, 30)
