"""The loop: show the open item, read a word, journal the answer, go on. It decides nothing; the session does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from assessment.report import summary_text
from assessment.screen import GUIDELINES, item_screen, key_line, literal
from assessment.session import TYPES, Item, Key, State, apply, labels, new_event, next_item, undo_target
from assessment.terminal import Terminal
from utils.files import append_journal

LABELS = {"y": True, "yes": True, "n": False, "no": False}
KINDS: dict[str, str | None] = {"": None, **{name: name for name in TYPES}}
KINDS |= {str(number): name for number, name in enumerate(TYPES, start=1)}


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Loop:
    """One sitting. ``state`` always equals the replayed journal."""

    def __init__(
        self, items: Sequence[Item], state: State, journal: TextIO, terminal: Terminal, save: Callable[[State], object]
    ) -> None:
        self.items, self.state, self.terminal = items, state, terminal
        self._journal, self._save = journal, save
        self._redraw, self._shown_at = True, 0.0

    def run(self, **start_facts: Any) -> None:
        """Until the annotator quits or the input ends. Raises KeyboardInterrupt on Ctrl-C; the journal is whole."""
        self._record("start", None, **start_facts)
        while True:
            item = next_item(self.state, self.items)
            awaiting_type = item is not None and item.key == self.state.awaiting_type
            if self._redraw:
                self._draw(item)
            try:
                word = self.terminal.read("kind> " if awaiting_type else "> ")
            except EOFError:
                return
            if word in ("q", "quit") or (item is None and not word):
                return
            if word in ("u", "undo"):
                self._undo()
            elif word == "stats":
                self.terminal.show(literal(summary_text(self.state, self.items)))
            elif word in ("?", "help"):
                self.terminal.show(literal(GUIDELINES))
            elif item is None:
                self.terminal.say("nothing is open: u takes back the last decision, Enter or q ends")
            elif awaiting_type:
                self._answer_kind(item, word)
            else:
                self._answer(item, word)

    def _draw(self, item: Item | None) -> None:
        if item is None:
            self._save(self.state)
            self.terminal.say(
                f"\nNothing is left to do: {len(labels(self.state, self.items))} of {len(self.items)} labelled. "
                "u takes back the last decision, Enter or q ends."
            )
        else:
            self.terminal.show(item_screen(item, self.state, self.items, self.terminal.width()))
        self._redraw, self._shown_at = False, time.monotonic()

    def _record(self, kind: str, key: Key | None, **facts: Any) -> None:
        event = new_event(kind, now(), key, **facts)
        append_journal(self._journal, event)
        self.state = apply(self.state, event)

    def _answer(self, item: Item, word: str) -> None:
        seconds = round(time.monotonic() - self._shown_at, 2)
        if word in LABELS:
            self._record("label", item.key, has_hallucination=LABELS[word], seconds=seconds)
            self._redraw = not LABELS[word]
            self.terminal.say(f"saved: {'hallucinated' if LABELS[word] else 'clean'}")
            if LABELS[word]:
                self.terminal.show(key_line(awaiting_type=True))
        elif word in ("s", "skip"):
            self._record("skip", item.key, seconds=seconds)
            self._redraw = True
            self.terminal.say("saved: skipped")
        elif not word:
            self.terminal.show(item_screen(item, self.state, self.items, self.terminal.width()))
        else:
            self.terminal.say(f"'{word}' is not a key")
            self.terminal.show(key_line(awaiting_type=False))

    def _answer_kind(self, item: Item, word: str) -> None:
        if word not in KINDS:
            self.terminal.say(f"'{word}' is not a kind: 1 to 4, or Enter for none; u takes the y back")
            return
        self._record("detail", item.key, hallucination_type=KINDS[word])
        self._redraw = True
        self.terminal.say(f"saved: {KINDS[word] or 'no kind given'}")

    def _undo(self) -> None:
        key = undo_target(self.state, self.items)
        if key is None:
            self.terminal.say("there is nothing to undo")
            return
        self._record("undo", key)
        self._redraw = True
        self.terminal.say("taken back")
