"""The full screen in a terminal: prompt_toolkit reads the keys and draws the rows of the view."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import TextArea
from rich.text import Text

from assessment.layout import WIDEST
from assessment.sitting import NotSaved
from assessment.view import View

STYLE = Style.from_dict(
    {
        "bar": "reverse",
        "title": "bold",
        "key": "bold ansicyan",
        "faint": "ansibrightblack",
        "match": "underline bold",
        "current": "reverse bold",
        "flag": "underline ansiyellow",
        "question": "bold",
    }
)
_KEY_ROWS = 2  # what the keys take at 80 columns; always, so that the texts stay in place when the question changes

_SCROLLS = {"pagedown": (0, 1), "pageup": (0, -1), "down": (1, 0), "up": (-1, 0)}  # lines and pages


class FullScreen:
    """The view's terminal."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._entry = TextArea(multiline=False, height=1, prompt=self._prompt, accept_handler=self._accept)
        self._body = Window(FormattedTextControl(self._draw, focusable=True, show_cursor=False))
        self._app: Application[None] = Application(
            layout=self._layout(),
            key_bindings=self._bindings(),
            style=STYLE,
            full_screen=True,
        )
        self._app.ttimeoutlen = 0.05  # seconds until an Escape alone is taken for one
        self._move_focus()

    def run(self) -> None:
        """Until the annotator quits. The terminal is then as it was before, however it ends.

        Raises KeyboardInterrupt on Ctrl-C, hang-up and a polite kill, EOFError where the input ends, OSError where the
        terminal is gone, NotSaved where the disk refuses an answer.
        """
        self._app.run(pre_run=self._catch_hang_up, set_exception_handler=False)

    def _layout(self) -> Layout:
        entering = Condition(lambda: bool(self._view.entering))
        message = FormattedTextControl(lambda: fragments([self._view.message_row()]))
        keys = FormattedTextControl(lambda: fragments(self._view.key_rows(self._columns())))
        rows = [
            self._body,
            ConditionalContainer(Window(message, height=1), ~entering),
            ConditionalContainer(self._entry, entering),
            Window(keys, height=_KEY_ROWS),
        ]
        return Layout(HSplit(rows), focused_element=self._body)

    def _columns(self) -> int:
        return min(self._app.output.get_size().columns, WIDEST)

    def _draw(self) -> StyleAndTextTuples:
        if self._view.fresh:
            discard_pending_input()
            self._view.fresh = False
        rows = self._app.output.get_size().rows - 2 - _KEY_ROWS  # without the bar and the message
        return fragments(self._view.body(self._columns(), max(rows, 1)))

    def _prompt(self) -> str:
        return f"{self._view.entering}: "

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        reading = Condition(lambda: not self._view.entering)
        for key in ("c-c", "<sigint>"):
            keys.add(key)(lambda event: self._interrupt())
        keys.add("c-z")(lambda event: self._app.suspend_to_background())
        keys.add("c-d", filter=reading)(lambda event: self._app.exit(exception=EOFError))
        keys.add("escape", filter=~reading, eager=True)(lambda event: self._act(self._view.leave_entry))
        keys.add("enter", filter=reading)(lambda event: self._act(self._view.enter))
        keys.add("tab", filter=reading)(lambda event: self._view.next_pane())
        for key, (lines, pages) in _SCROLLS.items():
            keys.add(key)(lambda event, lines=lines, pages=pages: self._view.scroll(lines, pages))
        keys.add(" ", filter=reading)(lambda event: self._view.scroll(pages=1))

        @keys.add(Keys.Any, filter=reading)
        def _(event: KeyPressEvent) -> None:
            key = event.key_sequence[-1].key
            if not isinstance(key, Keys):
                self._act(lambda: self._view.press(key))

        return keys

    def _accept(self, buffer: Buffer) -> bool:
        self._act(lambda: self._view.typed(buffer.text.strip()))
        return True  # keep the text: the next entry sets its own

    def _act(self, answer: Callable[[], None]) -> None:
        if self._view.fresh:  # hit before anyone could see the item: not for it
            return
        try:
            answer()
        except NotSaved as error:
            self._app.exit(exception=error)
            return
        if self._view.finished:
            self._app.exit()
        self._move_focus()

    def _move_focus(self) -> None:
        if not self._view.entering:
            self._app.layout.focus(self._body)
        elif not self._app.layout.has_focus(self._entry):
            self._entry.text = self._view.prefilled
            self._entry.buffer.cursor_position = len(self._view.prefilled)
            self._app.layout.focus(self._entry)

    def _catch_hang_up(self) -> None:
        """A terminal that is closed, or a polite kill, ends the loop as Ctrl-C does. Windows has no such handlers."""
        loop = asyncio.get_running_loop()
        for name in ("SIGHUP", "SIGTERM"):
            with contextlib.suppress(AttributeError, NotImplementedError):
                loop.add_signal_handler(getattr(signal, name), self._interrupt)

    def _interrupt(self) -> None:
        if not self._app.is_done:
            self._app.exit(exception=KeyboardInterrupt)


def fragments(rows: Sequence[Text]) -> StyleAndTextTuples:
    """Rows as prompt_toolkit takes them; the name of a style becomes its class there."""
    pieces: StyleAndTextTuples = []
    for row in rows:
        cuts = sorted({0, len(row), *(edge for span in row.spans for edge in (span.start, span.end))})
        for start, end in pairwise(cuts):
            names = [row.style, *(span.style for span in row.spans if span.start <= start and end <= span.end)]
            pieces.append((" ".join(f"class:{name}" for name in names if name), row.plain[start:end]))
        pieces.append(("", "\n"))
    return pieces[:-1]


def discard_pending_input() -> None:
    """Drop what was typed and not read yet."""
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        with contextlib.suppress(termios.error, ValueError):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
