"""The loop in lines: for a pipe, a dumb terminal and a screen reader. Words in, plain text out, no escapes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence

from assessment.layout import WIDEST, arrange, literal, wrapped
from assessment.screen import QUESTIONS, Findings, bar, key_rows, keys_now, panes, places_of
from assessment.session import DETAILS
from assessment.sitting import Sitting
from assessment.words import COMMANDS, GUIDELINES, parse_details
from utils.hostile_text import visible

_DETAIL_PROMPTS = {"hallucination_type": "kind> ", "severity": "severity> ", "sentences": "sentences> "}
_DETAIL_KEYS = {
    "hallucination_type": (
        "1 fabricated",
        "2 incorrect_inference",
        "3 contradiction",
        "4 unsupported_details",
        "or all in one line, as in: 1 major 2",
    ),
    "severity": ("minor", "major (could change care)"),
    "sentences": ("the numbers of the wrong sentences",),
}


def run(sitting: Sitting, findings: Findings, stats: Callable[[], str], notices: str = "") -> None:
    """Until the annotator quits. Raises EOFError where the input ends, KeyboardInterrupt on Ctrl-C."""
    if hasattr(sys.stdin, "reconfigure"):  # a mis-hit that is not UTF-8 is an unknown word, not a crash
        sys.stdin.reconfigure(errors="replace")
    if notices:
        _say(notices)
    drawn: object = None
    held = ""  # what answers the next question already
    while True:
        question = sitting.question
        if drawn != (sitting.item, question):
            _say(_screen(sitting, findings, stats))
        drawn = (sitting.item, question)
        line, held = held or _read(_DETAIL_PROMPTS.get(question, "> ")), ""
        word, argument = _split(line)
        command = COMMANDS.get(word)
        if command == "quit" or (question == "done" and not word):
            return
        if command == "stats":
            _say(stats())
        elif command == "guidelines":
            _say(GUIDELINES)
        elif command == "undo":
            _say(sitting.undo())
            drawn = None
        elif question in DETAILS:
            told, held = _answer_details(sitting, line)
            _say(told)
        elif not word:
            sitting.forward()
            drawn = None
        elif command in ("comment", "search") and question in ("judge", "better"):
            _say(sitting.write_comment(argument) if command == "comment" else _found(sitting, argument))
        else:
            response = sitting.respond(word)
            _say(response or f"'{word}' is not a key here\n{_keys(sitting)}")
            held = argument if response and sitting.question in DETAILS else ""  # all in one line: y 1 major 2


def _split(line: str) -> tuple[str, str]:
    """A command's word and what follows it; the slash of a search needs no space."""
    if line.startswith("/"):
        return "/", line[1:].strip()
    word, _, argument = line.partition(" ")
    return word.lower(), argument.strip()


def _answer_details(sitting: Sitting, line: str) -> tuple[str, str]:
    """What to say, and the line again where it is none of an answer and so for the next item.

    Nobody types ahead at a terminal; but what comes through a pipe was written by someone who passes over details.
    """
    assert sitting.state.in_question is not None
    asked = sitting.state.in_question.open_details
    try:
        return sitting.add_details(**parse_details(line, asked, sitting.sentence_count())), ""
    except ValueError as error:
        decides = _split(line)[0] in COMMANDS
        if sys.stdin.isatty() or (asked[0] == "hallucination_type" and not decides):
            return f"{error}; Enter passes over, u takes the y back", ""
        return sitting.add_details(**dict.fromkeys(asked)), line


def _screen(sitting: Sitting, findings: Findings, stats: Callable[[], str]) -> str:
    if sitting.question == "done":
        return f"\nNothing is left to do.\n{stats()}\n{_keys(sitting)}"
    return _keys(sitting) if sitting.question in DETAILS else _item_text(sitting, findings)


def _item_text(sitting: Sitting, findings: Findings) -> str:
    assert sitting.item is not None
    rows, _ = arrange(panes(sitting.item, findings), _width())
    question = QUESTIONS.get(sitting.question)
    head = f"\n{'=' * _width()}"
    body = "\n".join(row.plain.rstrip(" ") for row in rows)
    foot = f"{'-' * _width()}\n{_wrap(bar(sitting))}\n{_keys(sitting)}"
    return "\n".join([head, body, foot, *([question] if question else [])])


def _found(sitting: Sitting, words: str, around: int = 60) -> str:
    assert sitting.item is not None
    note = sitting.item.note
    places = places_of(words, note)
    parts = [" ".join(note[max(0, a - around) : b + around].split()) for a, b in places]
    found = f"{len(places)} in the note: {words}"
    return "\n".join([found, *(_wrap(f"- ...{part}...") for part in parts)])


def _keys(sitting: Sitting) -> str:
    cells: Sequence[str] = keys_now(sitting)
    if sitting.question in DETAILS:
        cells = (*_DETAIL_KEYS[sitting.question], "Enter passes over the rest", "u takes the y back")
    return "\n".join(row.plain for row in key_rows(cells, _width()))


def _wrap(text: str) -> str:
    return "\n".join(row.plain for row in wrapped(literal(text), _width()))


def _say(text: str) -> None:
    """Print literally; nothing is wrapped here, so that a command can be copied."""
    print(visible(text), flush=True)


def _width() -> int:
    """Columns now, asked of the terminal itself: COLUMNS in the environment is not updated by a resize."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return min(columns or shutil.get_terminal_size().columns, WIDEST)


def _read(prompt: str) -> str:
    word = input(prompt)
    if not sys.stdin.isatty():
        print(visible(word))  # nobody typed it: without the echo a transcript would not show it
    return word.strip()
