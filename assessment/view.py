"""The full screen without a terminal: key presses in, rows out. Holds what is not of the sitting, such as scrolling."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from assessment.layout import Shown, arrange, first_width, literal, wrapped
from assessment.screen import QUESTIONS, Findings, bar, key_rows, keys_now, panes, places_of
from assessment.session import DETAILS
from assessment.sitting import Sitting
from assessment.words import COMMANDS, ENTRY_KEYS, GUIDELINES, PAGE_KEYS, SCROLL_KEYS, parse_details


@dataclass
class Look:
    """Where one looks on one item: how far each text is scrolled, which one the keys scroll, what is searched for."""

    offsets: list[int] = field(default_factory=lambda: [0, 0, 0])
    focus: int = 0
    search: str = ""
    match: int = 0  # which place of it is the current one
    seek: bool = False  # scroll to that place with the next drawing
    shown: Sequence[Shown] = ()


class View:
    """What is on the screen of one sitting.

    ``entering`` names what is being typed and is empty while keys are commands; ``finished`` is set when the annotator
    quits; ``fresh`` is set when an item comes up, for the drawer to take back once it stands. What answers may raise
    NotSaved.
    """

    def __init__(self, sitting: Sitting, findings: Findings, stats: Callable[[], str], notice: str = "") -> None:
        self._sitting, self._findings, self._stats = sitting, findings, stats
        self._page, self._page_offset = notice, 0  # a text over the item, such as the guidelines
        self._message = ""
        self.entering, self.prefilled = "", ""
        self.finished, self.fresh = False, True
        self._look = Look()
        self._settle()

    # Rows out.

    def body(self, width: int, height: int) -> list[Text]:
        """The bar on top and ``height`` rows below: the texts to judge, or the page over them."""
        item = self._sitting.item
        if self._page or item is None:
            text = self._page or f"Nothing is left to do.\n\n{self._stats()}"
            lines = wrapped(literal(text), width)
            self._page_offset = max(0, min(self._page_offset, len(lines) - height))
            rows = lines[self._page_offset : self._page_offset + height]
            self._look.shown = [Shown(self._page_offset, height, len(lines))]
        else:
            look = self._look
            what = panes(item, self._findings, look.search, look.match)
            if look.seek:
                look.offsets[0], look.seek = _row_of_match(what[0].lines(first_width(width))) - 2, False
            rows, look.shown = arrange(what, width, height, look.offsets, look.focus)
            look.offsets = [part.offset for part in look.shown]
        top = literal(f" {bar(self._sitting)} ".replace("\n", " "))
        top.truncate(width, overflow="ellipsis", pad=True)
        top.stylize("bar")
        return [top, *rows]

    def message_row(self) -> Text:
        """What the last key did, and the question that is open."""
        question = "" if self._page else QUESTIONS.get(self._sitting.question, "")
        return Text.assemble(literal(self._message), "  " if self._message else "", (question, "question"))

    def key_rows(self, width: int) -> list[Text]:
        """The keys that work now."""
        if self._page:
            return key_rows(PAGE_KEYS, width)
        if self.entering:
            return key_rows(keys_now(self._sitting) if self._sitting.question in DETAILS else ENTRY_KEYS, width)
        cut = any(part.cut for part in self._look.shown)
        scrolling = SCROLL_KEYS[: len(self._look.shown) + 1] if cut else ()  # Tab only where there are two texts
        return key_rows((*keys_now(self._sitting), *scrolling), width)

    # Keys in.

    def press(self, key: str) -> None:
        """A key that stands for a character."""
        with self._settled():
            if self._page:
                self._page = ""
            else:
                self._message = ""
                self._command(key)

    def enter(self) -> None:
        """Enter while keys are commands: pass over, go on, end."""
        with self._settled():
            if self._page:
                self._page = ""
            elif self._sitting.question in DETAILS:
                self._message = self._sitting.add_details(**{self._sitting.question: None})
            elif self._sitting.question == "done":
                self.finished = True
            else:
                self._message = ""
                self._sitting.forward()

    def typed(self, text: str) -> None:
        """What was typed where ``entering`` asked for it."""
        what, self.entering = self.entering, ""
        with self._settled():
            if what == "search":
                self._find(text)
            elif what == "comment":
                self._message = self._sitting.write_comment(text)
            elif COMMANDS.get(text) in ("undo", "quit"):
                self._command(text)
            else:
                self._mark_sentences(text)

    def leave_entry(self) -> None:
        """Escape while typing: nothing is written; a question after a y is passed over."""
        if self._sitting.question == "sentences":
            self.typed("")
        self.entering = ""

    def scroll(self, lines: int = 0, pages: int = 0) -> None:
        """Move the text in focus, or the page."""
        look = self._look
        if self._page or self._sitting.item is None:
            self._page_offset += lines + pages * sum(part.height for part in look.shown)
        elif look.shown:
            look.offsets[look.focus] += lines + pages * max(1, look.shown[look.focus].height - 1)

    def next_pane(self) -> None:
        """Let the keys scroll the next text."""
        self._look.focus = (self._look.focus + 1) % max(1, len(self._look.shown))

    def _command(self, key: str) -> None:
        sitting, command = self._sitting, COMMANDS.get(key)
        if command == "quit":
            self.finished = True
        elif command in ("guidelines", "stats"):
            self._page, self._page_offset = (GUIDELINES if command == "guidelines" else self._stats()), 0
        elif command in ("comment", "search") and sitting.question in ("judge", "better"):
            self.entering, self.prefilled = command, sitting.comment if command == "comment" else ""
        else:
            self._message = sitting.respond(key) or f"'{key}' is not a key here"

    def _mark_sentences(self, text: str) -> None:
        try:
            details = parse_details(text, ["sentences"], self._sitting.sentence_count())
        except ValueError as error:
            self._message = str(error)
        else:
            self._message = self._sitting.add_details(**details)

    def _find(self, words: str) -> None:
        """Search the note; without words, go to the next place of what was searched before."""
        assert self._sitting.item is not None
        look = self._look
        look.search, look.match = (words, 0) if words else (look.search, look.match + 1)
        places = len(places_of(look.search, self._sitting.item.note))
        if places:
            look.match %= places
            look.focus, look.seek = 0, True
            self._message = f"{look.match + 1} of {places} in the note: {look.search} (/ and Enter: the next)"
        else:
            self._message = f"not in the note: {look.search}" if look.search else ""

    @contextlib.contextmanager
    def _settled(self) -> Iterator[None]:
        item = self._sitting.item
        yield
        if self._sitting.item is not item:
            self._new_item()
        self._settle()

    def _settle(self) -> None:
        """Sentences are asked for by typing; every other question takes a key."""
        if self._sitting.question == "sentences" and not self._page and not self.finished:
            said = f"{self._message}; " if self._message else ""  # the entry takes the place of the message
            self.entering, self.prefilled = f"{said}wrong sentences, 1 to {self._sitting.sentence_count()}", ""

    def _new_item(self) -> None:
        self._look, self._page_offset, self.fresh = Look(), 0, True


def _row_of_match(lines: Sequence[Text]) -> int:
    marked = (row for row, line in enumerate(lines) if any(span.style == "current" for span in line.spans))
    return next(marked, 0)
