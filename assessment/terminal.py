"""The terminal, as thin as it can be: how wide it is, print this, read one word. The key reader is swapped here."""

from __future__ import annotations

import os
import shutil
import sys

from rich.console import Console, RenderableType

from assessment.screen import literal
from utils.hostile_text import visible

WIDEST = 200  # columns; longer lines are hard to read


class Terminal:
    """Standard input and output. Without escapes in a pipe and under TERM=dumb (rich sees to it) or NO_COLOR."""

    def __init__(self) -> None:
        self._console = Console(
            color_system=None if os.environ.get("NO_COLOR") else "auto", markup=False, emoji=False, highlight=False
        )
        if hasattr(sys.stdin, "reconfigure"):  # a mis-hit that is not UTF-8 is an unknown word, not a crash
            sys.stdin.reconfigure(errors="replace")

    def width(self) -> int:
        """Columns now, asked of the terminal itself: COLUMNS in the environment is not updated by a resize."""
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        columns = columns or shutil.get_terminal_size().columns
        return min(columns - self._console.legacy_windows, WIDEST)

    def show(self, renderable: RenderableType) -> None:
        """Print a screen, wrapped to the terminal."""
        self._console.width = self.width()
        self._console.print(renderable)

    def say(self, line: str) -> None:
        """Print a line literally and unwrapped, so that a command in it can be copied."""
        self._console.print(literal(line), soft_wrap=True)

    def read(self, prompt: str) -> str:
        """The next word, in small letters. Raises EOFError at the end of input, KeyboardInterrupt on Ctrl-C."""
        word = input(prompt)
        if not sys.stdin.isatty():
            print(visible(word))  # nobody typed it: without the echo a transcript would not show it
        return word.strip().lower()
