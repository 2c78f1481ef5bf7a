"""The labelling session as pure functions: journalled events in, state out. No files, no terminal, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from utils.files import sha256_text

TYPES = ("fabricated", "incorrect_inference", "contradiction", "unsupported_details")
SEVERITIES = ("minor", "major")
DETAILS = ("hallucination_type", "severity", "sentences")  # what is asked after a y, in this order

LABEL, SKIP, PREFER, FLAG, COMMENT = "label", "skip", "prefer", "flag", "comment"
DECISIONS = (LABEL, SKIP, PREFER)  # the others leave the item open
_FACT: Mapping[str, tuple[str, tuple[type, ...]]] = {  # what an event says, under which name, in which types
    LABEL: ("has_hallucination", (bool,)),
    PREFER: ("better_sha256", (str, type(None))),
    FLAG: ("flagged", (bool,)),
    COMMENT: ("comment", (str,)),
}

# A row is its id and the hash of what was judged: a label never passes to a text the annotator has not seen.
Key = tuple[str, str]
Event = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One question about one note. Holds nothing that would unblind: no reference summary, model name or flag.

    ``summaries`` is the one to judge, or two in an order that tells nothing of their origin. ``asked`` is the place of
    the one that is judged now; None asks which of the two is better.
    """

    example_id: str
    note: str
    summaries: tuple[str, ...]
    asked: int | None = 0

    @cached_property
    def key(self) -> Key:
        """Identity of the row: its id and the SHA-256 of the note and what is judged, wherever that is shown."""
        if self.asked is None:
            return self.example_id, sha256_text(json.dumps([self.note, *sorted(self.summaries)]))
        return row_key(self.example_id, self.note, self.summaries[self.asked])


def row_key(example_id: str, note: str, summary: str) -> Key:
    """The key under which the label of a summary is kept."""
    return example_id, sha256_text(json.dumps([note, summary]))


@dataclass(frozen=True)
class Answer:
    """One thing that the annotator did and can take back.

    ``value`` is a label's verdict (True: hallucinated), the hash of the summary preferred (None: neither), whether a
    flag was set or taken off, or the comment. ``details`` are the questions after a y answered so far, None for
    those passed over. ``run`` counts the sittings.
    """

    key: Key
    kind: str
    value: Any
    seconds: float
    timestamp: str
    run: int
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open_details(self) -> list[str]:
        """The questions after a y that were not put yet."""
        hallucinated = self.kind == LABEL and self.value
        return [name for name in DETAILS if name not in self.details] if hallucinated else []


@dataclass(frozen=True)
class State:
    """Everything the journal says so far: a stack of answers, from which undo takes the last one off.

    ``revisit`` is the row whose decision was undone last: it is shown next. ``flags_shown`` says whether any sitting
    showed what the automatic screen flags.
    """

    answers: tuple[Answer, ...] = ()
    starts: int = 0
    revisit: Key | None = None
    flags_shown: bool = False

    @cached_property
    def in_question(self) -> Answer | None:
        """The label whose details are still asked: only the last decision can be one."""
        last = next((answer for answer in reversed(self.answers) if answer.kind in DECISIONS), None)
        return last if last and last.open_details else None


def new_event(kind: str, timestamp: str, key: Key | None = None, **facts: Any) -> Event:
    """A journal entry: ``start``, ``detail``, ``undo`` or an answer; all but ``start`` are about a row."""
    row = {} if key is None else {"example_id": key[0], "text_sha256": key[1]}
    return {"event": kind, "timestamp": timestamp, **row, **facts}


def apply(state: State, event: Mapping[str, Any]) -> State:
    """The state after one more event. Raises KeyError, TypeError or ValueError for what is not an event."""
    kind = event["event"]
    if kind == "start":
        flags_shown = state.flags_shown or bool(event.get("show_flags"))
        return replace(state, starts=state.starts + 1, flags_shown=flags_shown)
    key = (event["example_id"], event["text_sha256"])
    if kind == "undo":
        place = _last_place(state, key)
        revisit = key if state.answers[place].kind in DECISIONS else state.revisit
        return replace(state, answers=state.answers[:place] + state.answers[place + 1 :], revisit=revisit)
    if kind == "detail":
        place = _last_place(state, key, LABEL)
        answer = state.answers[place]
        amended = replace(answer, details={**answer.details, **_details(event)})
        return replace(state, answers=(*state.answers[:place], amended, *state.answers[place + 1 :]))
    answer = Answer(
        key, kind, _value(kind, event), float(event.get("seconds", 0)), str(event["timestamp"]), state.starts
    )
    revisit = None if kind in DECISIONS else state.revisit
    return replace(state, answers=(*state.answers, answer), revisit=revisit)


def _last_place(state: State, key: Key, kind: str | None = None) -> int:
    for place in reversed(range(len(state.answers))):
        if state.answers[place].key == key and kind in (None, state.answers[place].kind):
            return place
    raise ValueError("about a row without such an answer")


def _value(kind: str, event: Mapping[str, Any]) -> Any:
    if kind == SKIP:
        return None
    if kind not in _FACT:
        raise ValueError(f"unknown event {kind!r}")
    name, types = _FACT[kind]
    if not isinstance(event[name], types):
        raise ValueError(f"{name} is {event[name]!r}, expected {' or '.join(t.__name__ for t in types)}")
    return event[name]


def _details(event: Mapping[str, Any]) -> dict[str, Any]:
    details = {name: event[name] for name in DETAILS if name in event}
    for name, known in (("hallucination_type", TYPES), ("severity", SEVERITIES)):
        if details.get(name) not in (None, *known):
            raise ValueError(f"{name} is {details[name]!r}, expected one of {', '.join(known)}")
    numbers = details.get("sentences") or []
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise ValueError(f"sentences is {numbers!r}, expected numbers from 1")
    return details


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The order of judging. An item's place comes from (seed, id), so the same notes meet in the same order.

    Items of one note stay together, in their order.
    """
    return sorted(items, key=lambda item: sha256_text(f"{seed}\0{item.example_id}"))


def decided(state: State, items: Sequence[Item]) -> dict[Key, Answer]:
    """The decision that counts for each item that has one, the most recent decision last."""
    known = {item.key for item in items}
    found: dict[Key, Answer] = {}
    for answer in state.answers:
        if answer.kind in DECISIONS and answer.key in known:
            found.pop(answer.key, None)
            found[answer.key] = answer
    return found


def labels(state: State, items: Sequence[Item]) -> list[Answer]:
    """The decisions that count and are labels, in the order in which they were given."""
    return [answer for answer in decided(state, items).values() if answer.kind == LABEL]


def remarks(state: State, items: Sequence[Item], kind: str) -> dict[Key, Any]:
    """What was last said of each item by ``kind``: the flags that are set, or the comments that are not empty."""
    known = {item.key for item in items}
    said = {answer.key: answer.value for answer in state.answers if answer.kind == kind and answer.key in known}
    return {key: value for key, value in said.items() if value}


def next_item(state: State, items: Sequence[Item]) -> Item | None:
    """The item to show: one with a question open, else the one just undone, else the first unseen, else a skipped one.

    Skipped items come up again only after a restart; None means that nothing is left for this run.
    """
    answers = decided(state, items)

    def skipped_earlier(item: Item) -> bool:
        answer = answers[item.key]
        return answer.kind == SKIP and answer.run < state.starts

    in_question = state.in_question.key if state.in_question else None
    for wanted in (in_question, state.revisit):
        for item in items:
            if item.key == wanted:
                return item
    unseen = (item for item in items if item.key not in answers)
    again = (item for item in items if item.key in answers and skipped_earlier(item))
    return next(unseen, None) or next(again, None)


def undo_target(state: State, items: Sequence[Item]) -> Answer | None:
    """The answer that an undo takes back: the most recent one about any of ``items``."""
    known = {item.key for item in items}
    return next((answer for answer in reversed(state.answers) if answer.key in known), None)


def stale_ids(state: State, items: Sequence[Item]) -> tuple[list[str], list[str]]:
    """Ids of labels that do not count: (the row's text changed and has no label yet, the row is gone)."""
    present = {item.example_id for item in items}
    current = {answer.key[0] for answer in labels(state, items)}
    old = dict.fromkeys(answer.key[0] for answer in state.answers if answer.kind == LABEL)
    return [i for i in old if i in present - current], [i for i in old if i not in present]
