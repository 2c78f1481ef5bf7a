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
from assessment.words import BETTER_WORDS, COMMANDS, GUIDELINES, parse_details
from utils.hostile_text import visible

# All three questions after a y are answered in one line, so that one y is one line more.
_DETAIL_KEYS = (
    "1 fabricated",
    "2 incorrect_inference",
    "3 contradiction",
    "4 unsupported_details",
    "then minor or major and the numbers of the wrong sentences, as in: 1 major 2",
    "Enter passes over",
    "u takes the y back",
)


def run(sitting: Sitting, findings: Findings, stats: Callable[[], str], notices: str = "") -> None:
    """Until the annotator quits. Raises EOFError where the input ends, KeyboardInterrupt on Ctrl-C."""
    if hasattr(sys.stdin, "reconfigure"):  # a mis-hit that is not UTF-8 is an unknown word, not a crash
        sys.stdin.reconfigure(errors="replace")
    if notices:
        _say(notices)
    drawn: object = None
    while True:
        if drawn != (sitting.item, sitting.question):
            if sitting.question == "done":
                _say(f"\nNothing is left to do.\n{stats()}\n{_keys(sitting)}")
            elif sitting.question in DETAILS:
                _say(_keys(sitting))
            else:
                _say(_item_text(sitting, findings))
        drawn = (sitting.item, sitting.question)
        word, _, argument = _read("kind> " if sitting.question in DETAILS else "> ").partition(" ")
        if word.startswith("/"):
            word, argument = "/", f"{word[1:]} {argument}".strip()
        command = COMMANDS.get(word.lower())
        if command == "quit" or (sitting.question == "done" and not word):
            return
        if command == "stats":
            _say(stats())
        elif command == "guidelines":
            _say(GUIDELINES)
        elif command == "undo":
            _say(sitting.undo())
            drawn = None
        elif command == "back":
            _say(sitting.back())
        elif sitting.question == "done":
            _say("nothing is open: u takes back the last answer, Enter or q ends")
        elif sitting.question in DETAILS:
            _say(_answer_details(sitting, f"{word} {argument}"))
        elif not word:
            sitting.forward()
            drawn = None
        elif command == "search":
            _say(_found(sitting, argument))
        else:
            _say(_answer(sitting, word, command, argument))


def _answer(sitting: Sitting, word: str, command: str | None, argument: str) -> str:
    if command == "skip":
        return sitting.skip()
    if command == "flag":
        return sitting.toggle_flag()
    if command == "comment":
        return sitting.write_comment(argument)
    if sitting.question == "better" and word.lower() in BETTER_WORDS:
        return sitting.prefer(BETTER_WORDS[word.lower()])
    if sitting.question == "judge" and command in ("hallucinated", "clean"):
        return sitting.label(command == "hallucinated")
    return f"'{word}' is not a key\n{_keys(sitting)}"


def _answer_details(sitting: Sitting, line: str) -> str:
    try:
        details = parse_details(line, sitting.sentence_count())
    except ValueError as error:
        return f"{error}; Enter passes over, u takes the y back"
    return sitting.add_details(**details)


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
    cells: Sequence[str] = _DETAIL_KEYS if sitting.question in DETAILS else keys_now(sitting)
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
