"""The tool in a real pseudo-terminal; what is asserted is what stands on the screen that an emulator makes of it."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
import time

import pytest

from utils.cli import EXIT_INTERRUPTED, EXIT_OK, PROJECT_ROOT

if os.name == "nt":
    pytest.skip("needs a POSIX pseudo-terminal", allow_module_level=True)

import resource

import pexpect
import pyte

SCRIPT = PROJECT_ROOT / "manual_assessment_tool.py"
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m[/90][b]bold[/b]\u202etfel\x1b[?1049l"
SHOWN = r"\x1b[2J\x1b]0;owned\x07\x9b31m[/90][b]bold[/b]\u202etfel\x1b[?1049l"


class Terminal:
    """The tool in a terminal of ``columns`` by ``rows``."""

    def __init__(self, path, columns=80, rows=24, options=(), **variables):
        inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")}
        self.child = pexpect.spawn(
            sys.executable,
            [str(SCRIPT), "--results_csv", str(path), *options],
            env={**inherited, "TERM": "xterm-256color", **variables},
            dimensions=(rows, columns),
            encoding="utf-8",
            timeout=60,
        )
        self.child.delaybeforesend = None
        self.screen = pyte.Screen(columns, rows)
        self.stream, self.raw = pyte.Stream(self.screen), ""

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, *words, gone=None):
        """Read until the screen shows all ``words`` (and no longer ``gone``).

        A screen may arrive in parts: what is asserted of it is waited for.
        """
        deadline = time.monotonic() + 60
        while not all(each in self.text() for each in words) or (gone and gone in self.text()):
            assert time.monotonic() < deadline, f"no {words!r} on\n{self.text()}"
            self.feed(1)
        return self.text()

    def feed(self, timeout):
        try:
            data = self.child.read_nonblocking(65536, timeout=timeout)
        except pexpect.TIMEOUT:
            return
        self.raw += data
        self.stream.feed(data)

    def press(self, keys):
        self.child.send(keys)

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def end(self):
        """What stands after the end, and the exit code."""
        while True:
            try:
                self.feed(60)
            except pexpect.EOF:
                break
        self.child.close()
        return self.text(), self.child.exitstatus


@pytest.fixture
def results(tmp_path):
    return write(
        tmp_path / "out" / "evaluation_results.csv", [(f"id{n}", f"note {n}", f"summary {n}") for n in range(4)]
    )


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("example_id", "clinical_note", "generated_summary"), *rows])
    return path


def labels(results):
    document = json.loads((results.parent / "manual_assessment.json").read_text("utf-8"))
    return [(entry["has_hallucination"], entry["hallucination_type"]) for entry in document["assessments"]]


def test_a_session_with_undo_after_a_restart_a_resize_and_the_end(results):
    terminal = Terminal(results)
    shown = terminal.until("item 1 of 4", "y hallucinated  n clean  s skip")
    assert shown.index("NOTE") < shown.index("SUMMARY")
    assert "id0" not in shown
    terminal.press("n")
    terminal.until("item 2 of 4 | labelled 1")
    terminal.press("y1")
    terminal.until("how grave is it?")
    terminal.resize(150, 40)
    wide = terminal.until("1 minor  2 major (could change care)  Enter pass over  u undo", gone="\nSUMMARY")
    assert any("NOTE" in line and "SUMMARY" in line for line in wide.splitlines())
    terminal.press("2")
    terminal.until("item 3 of 4 | labelled 2")
    terminal.press("q")
    text, code = terminal.end()
    assert code == EXIT_OK
    assert "Hallucinated  1 of 2 = 50.0 %" in text
    assert labels(results) == [(False, None), (True, "fabricated")]

    terminal = Terminal(results)
    terminal.until("item 3 of 4 | labelled 2")
    terminal.press("u")
    terminal.until("item 2 of 4 | labelled 1")
    terminal.press("n")
    terminal.until("item 3 of 4 | labelled 2")
    terminal.press("c")
    terminal.until("comment:")
    terminal.press("dose\x7fe?\r")
    terminal.until("saved: comment")
    for place in (4, None):
        terminal.press("n")
        terminal.until(f"item {place} of 4" if place else "Nothing is left to do.")
    terminal.press("\r")
    assert terminal.end()[1] == EXIT_OK
    assert labels(results) == [(False, None)] * 4


def test_killed_at_any_moment_nothing_is_lost_that_was_shown_as_saved(results):
    terminal = Terminal(results)
    terminal.until("item 1 of 4")
    terminal.press("n")
    terminal.until("saved: clean")
    terminal.press("y")
    terminal.until("of what kind?")
    terminal.child.kill(signal.SIGKILL)
    terminal.end()
    with (results.parent / "manual_assessment.journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"event": "label", "exam')  # as a kill in the middle of a write leaves it
    terminal = Terminal(results)
    terminal.until("item 2 of 4 | labelled 2", "of what kind?")
    terminal.press("q")
    terminal.end()
    assert labels(results) == [(False, None), (True, None)]


@pytest.mark.parametrize(
    "ending",
    [
        lambda child: child.send("\x03"),
        lambda child: child.kill(signal.SIGINT),
        lambda child: child.send("\x04"),
        lambda child: child.kill(signal.SIGTERM),
        lambda child: child.kill(signal.SIGHUP),
    ],
    ids=["Ctrl-C", "SIGINT", "Ctrl-D", "SIGTERM", "SIGHUP"],
)
def test_however_it_ends_the_terminal_is_restored_and_the_way_on_is_told(results, ending):
    terminal = Terminal(results, columns=200)
    terminal.until("item 1 of 4")
    terminal.press("n")
    terminal.until("item 2 of 4")
    ending(terminal.child)
    text, code = terminal.end()
    assert code == EXIT_INTERRUPTED
    assert f"Go on with: python {SCRIPT.name} --results_csv {results}" in text.replace("\n", "")
    assert terminal.raw.count("\x1b[?1049h") == terminal.raw.count("\x1b[?1049l") == 1  # the other screen, and back
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")  # the cursor shows
    assert labels(results) == [(False, None)]


def test_a_terminal_that_is_closed_leaves_the_labels_and_the_report(results):
    terminal = Terminal(results)
    terminal.until("item 1 of 4")
    terminal.press("n")
    terminal.until("item 2 of 4")
    os.close(terminal.child.child_fd)
    _, status = os.waitpid(terminal.child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == EXIT_INTERRUPTED
    assert labels(results) == [(False, None)]


def test_keys_hit_before_an_item_was_seen_are_not_for_it(results):
    terminal = Terminal(results)
    terminal.until("item 1 of 4")
    terminal.press("nnnnnn")
    terminal.until("item 2 of 4 | labelled 1")
    time.sleep(0.2)
    terminal.press("q")
    terminal.end()
    assert labels(results) == [(False, None)]


def test_text_cannot_touch_the_terminal(tmp_path):
    results = write(tmp_path / "evil.csv", [(EVIL, f"患者 {EVIL} e\u0301", EVIL), ("id1", "second note", "second")])
    terminal = Terminal(results, columns=120, options=["--seed", "3"])
    terminal.until("item 1 of 2")
    terminal.press("n")
    terminal.until("item 2 of 2")
    terminal.press("b")
    terminal.until("item 1 of 2")
    both = terminal.raw
    terminal.press("q")
    text, _ = terminal.end()
    assert SHOWN in both
    assert not {"\x07", "\x9b", "\u202e"} & set(terminal.raw)
    assert "\x1b]0;" not in terminal.raw
    assert terminal.raw.count("\x1b[?1049l") == 1
    assert "Written:" in text


def test_without_colour_there_is_none(results):
    terminal = Terminal(results, NO_COLOR="1")
    terminal.until("item 1 of 4")
    terminal.press("/")
    terminal.until("search:")
    terminal.press("note\r")
    terminal.until("1 of 1 in the note")
    terminal.press("q")
    terminal.end()
    styles = {part for found in re.findall(r"\x1b\[([\d;]*)m", terminal.raw) for part in found.split(";")}
    assert styles <= {"", "0", "1", "4", "7"}  # bold, underlined, reversed


def test_a_dumb_terminal_gets_lines_without_escapes(results):
    terminal = Terminal(results, TERM="dumb")
    terminal.until("q save and quit")
    terminal.press("n\r")
    terminal.until("saved: clean")
    terminal.resize(150, 40)
    terminal.press("y\r")
    terminal.until("kind>")
    terminal.press("2 minor\r")
    terminal.until("saved: incorrect_inference, minor")
    terminal.press("\x03")
    _, code = terminal.end()
    assert code == EXIT_INTERRUPTED
    assert "\x1b" not in terminal.raw
    assert labels(results) == [(False, None), (True, "incorrect_inference")]


def test_two_thousand_items_open_soon_and_the_next_one_comes_at_once(tmp_path):
    """By processor time, so that a machine that does other things too says the same."""
    note = "The patient reports chest pain. " * 60
    results = write(tmp_path / "many.csv", [(f"id{n}", f"{n} {note}", f"{n} {note[:400]}") for n in range(2000)])

    def seconds_of_a_session(items):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        terminal = Terminal(results, columns=160, rows=50)
        place = int(re.search(r"item (\d+) of 2000", terminal.until(" of 2000"))[1])
        for number in range(place + 1, place + items + 1):
            terminal.press("n")
            terminal.until(f"item {number} of 2000")
        terminal.press("q")
        terminal.end()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    opened_and_closed, with_forty = seconds_of_a_session(1), seconds_of_a_session(41)
    assert len(labels(results)) == 42
    assert opened_and_closed < 2
    assert (with_forty - opened_and_closed) / 40 < 0.05
