"""One sitting: what the annotator does becomes a journalled event and the next question, whatever the screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from assessment.session import (
    COMMENT,
    DECISIONS,
    DETAILS,
    FLAG,
    LABEL,
    PREFER,
    SKIP,
    Answer,
    Item,
    Key,
    State,
    apply,
    decided,
    new_event,
    next_item,
    remarks,
    row_key,
    undo_target,
)
from assessment.words import BETTER_WORDS, COMMANDS, SEVERITY_WORDS, TYPE_WORDS
from clinical.sentences import sentence_spans
from utils.files import append_journal

Clock = Callable[[], float]


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class NotSaved(Exception):
    """An answer could not be written to disk; the message says why."""


class Sitting:
    """The open session. ``state`` always equals the replayed journal: an answer is on disk, then it counts.

    Every method that answers returns what to tell the annotator, and raises NotSaved where the disk refuses.
    """

    def __init__(self, items: Sequence[Item], state: State, journal: TextIO, clock: Clock = time.monotonic) -> None:
        self.items, self.state = items, state
        self._journal, self._clock = journal, clock
        self._looking_at: int | None = None  # the place of an item looked at again; None: the open one is shown
        self._places = {item.key: place for place, item in enumerate(items)}
        self._shown_at = clock()
        self.item: Item | None = None
        self.decided: dict[Key, Answer] = {}
        self._refresh()

    def start(self, **facts: Any) -> None:
        """Note that a sitting begins; skipped items of earlier ones come up again."""
        self._record("start", None, **facts)

    @property
    def place(self) -> int | None:
        """The place of the item shown in the order of judging, from 0; None where nothing is left to show."""
        return None if self.item is None else self._places[self.item.key]

    @property
    def question(self) -> str:
        """What is asked: judge, better, one of the details after a y, or done."""
        if self.item is None:
            return "done"
        if self.state.in_question and self.state.in_question.key == self.item.key:
            return self.state.in_question.open_details[0]
        return "better" if self.item.asked is None else "judge"

    @property
    def said(self) -> Answer | None:
        """The decision that the item shown already has."""
        return self.decided.get(self.item.key) if self.item else None

    @property
    def flagged(self) -> bool:
        """Whether the item shown is flagged."""
        return self.item is not None and self.item.key in remarks(self.state, [self.item], FLAG)

    @property
    def comment(self) -> str:
        """The comment on the item shown."""
        return remarks(self.state, [self.item], COMMENT).get(self.item.key, "") if self.item else ""

    def progress(self) -> str:
        """Where the annotator stands; nothing about the labels themselves, which would bias the next one."""
        skipped = sum(answer.kind == SKIP for answer in self.decided.values())
        place = "no item open" if self.place is None else f"item {self.place + 1} of {len(self.items)}"
        return f"{place} | labelled {len(self.decided) - skipped} | skipped {skipped}"

    def respond(self, word: str) -> str | None:
        """Answer with a key or word that says all; None where it says nothing to the question that is open."""
        command, question = COMMANDS.get(word), self.question
        if command == "undo":
            return self.undo()
        if command == "back" and question not in DETAILS:
            return self.back()
        if question in ("judge", "better") and command == "skip":
            return self.skip()
        if question in ("judge", "better") and command == "flag":
            return self.toggle_flag()
        if question == "judge" and command in ("hallucinated", "clean"):
            return self.label(command == "hallucinated")
        if question == "better" and word in BETTER_WORDS:
            return self.prefer(BETTER_WORDS[word])
        choices = {"hallucination_type": TYPE_WORDS, "severity": SEVERITY_WORDS}.get(question, {})
        return self.add_details(**{question: choices[word]}) if word in choices else None

    def label(self, hallucinated: bool) -> str:
        """Judge the summary that is asked for."""
        assert self.item is not None
        self._decide(LABEL, has_hallucination=hallucinated)
        return f"saved: {'hallucinated' if hallucinated else 'clean'}"

    def skip(self) -> str:
        """Leave the item for a later sitting."""
        self._decide(SKIP)
        return "saved: skipped"

    def prefer(self, place: int | None) -> str:
        """Say which of two summaries is better, by its place on the screen; None for neither."""
        assert self.item is not None
        better = None if place is None else row_key(self.item.example_id, self.item.note, self.item.summaries[place])[1]
        self._decide(PREFER, better_sha256=better)
        return "saved: equal" if place is None else f"saved: summary {place + 1} is better"

    def add_details(self, **details: Any) -> str:
        """Answer questions after a y, None to pass over. Of a single sentence it is not asked which."""
        assert self.item is not None
        if self.sentence_count() <= 1 and details.keys() & {"severity", "sentences"}:
            details["sentences"] = [1] * self.sentence_count() or None
        self._record("detail", self.item.key, **details)
        given = [_in_words(value) for value in details.values() if value is not None]
        return f"saved: {', '.join(given)}" if given else "passed over"

    def sentence_count(self) -> int:
        """How many sentences the summary that is asked for has."""
        if self.item is None or self.item.asked is None:
            return 0
        return len(sentence_spans(self.item.summaries[self.item.asked]))

    def toggle_flag(self) -> str:
        """Mark the item to come back to, or take the mark off."""
        assert self.item is not None
        flagged = not self.flagged
        self._record(FLAG, self.item.key, flagged=flagged)
        return "saved: flagged" if flagged else "saved: flag taken off"

    def write_comment(self, text: str) -> str:
        """Keep a comment on the item; an empty one takes it away."""
        assert self.item is not None
        self._record(COMMENT, self.item.key, comment=text)
        return "saved: comment" if text else "saved: no comment"

    def undo(self) -> str:
        """Take back the last answer, with its details, and show its item."""
        target = undo_target(self.state, self.items)
        if target is None:
            return "there is nothing to undo"
        self._looking_at = None if target.kind in DECISIONS else self._places[target.key]
        self._record("undo", target.key)
        return f"taken back: {_taken_back(target)}"

    def back(self) -> str:
        """Look at the item before the one shown; its answer stands until another is given."""
        place = len(self.items) if self.place is None else self.place
        if place == 0:
            return "this is the first item"
        self._looking_at = place - 1
        self._refresh()
        return "looking back: answer anew, or Enter to go on"

    def forward(self) -> None:
        """Leave the look back: show the open item."""
        self._looking_at = None
        self._refresh()

    def _decide(self, kind: str, **facts: Any) -> None:
        assert self.item is not None
        seconds = round(self._clock() - self._shown_at, 2)
        self._looking_at = None
        self._record(kind, self.item.key, **facts, seconds=seconds)

    def _record(self, kind: str, key: Key | None, **facts: Any) -> None:
        event = new_event(kind, now(), key, **facts)
        try:
            append_journal(self._journal, event)
        except OSError as error:
            raise NotSaved(error.strerror or str(error)) from error
        self.state = apply(self.state, event)
        self._refresh()

    def _refresh(self) -> None:
        before = self.item
        self.decided = decided(self.state, self.items)
        looked_at = self._looking_at
        self.item = next_item(self.state, self.items) if looked_at is None else self.items[looked_at]
        if self.item is not before:
            self._shown_at = self._clock()


def _in_words(value: Any) -> str:
    return f"sentence {', '.join(map(str, value))}" if isinstance(value, list) else str(value)


def _taken_back(answer: Answer) -> str:
    if answer.kind == LABEL:
        return "hallucinated" if answer.value else "clean"
    return {SKIP: "skipped", PREFER: "which is better", FLAG: "the flag", COMMENT: "the comment"}[answer.kind]
