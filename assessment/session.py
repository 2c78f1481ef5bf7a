"""The labelling session as pure functions: journalled events in, state out. No files, no terminal, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from utils.files import sha256_text

TYPES = ("fabricated", "incorrect_inference", "contradiction", "unsupported_details")

# A row is its id and the hash of what was judged: a label never passes to a text the annotator has not seen.
Key = tuple[str, str]
Event = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One row to judge. Holds nothing that would unblind: no reference summary, model name or automatic flag."""

    example_id: str
    note: str
    summary: str

    @cached_property
    def key(self) -> Key:
        """Identity of the row: its id and the SHA-256 of note and summary."""
        return self.example_id, sha256_text(json.dumps([self.note, self.summary]))


@dataclass(frozen=True)
class Decision:
    """What was decided about one row; ``has_hallucination`` is None for a skip."""

    key: Key
    has_hallucination: bool | None
    hallucination_type: str | None
    seconds: float
    timestamp: str
    run: int


@dataclass(frozen=True)
class State:
    """Everything the journal says so far.

    ``decisions`` is a stack: the last one about a row counts, undo takes it off. ``awaiting_type`` is a row labelled
    hallucinated whose type was not asked to the end, ``revisit`` the row whose decision was undone last.
    """

    decisions: tuple[Decision, ...] = ()
    starts: int = 0
    awaiting_type: Key | None = None
    revisit: Key | None = None


def new_event(kind: str, timestamp: str, key: Key | None = None, **facts: Any) -> Event:
    """A journal entry: ``start``, ``label``, ``skip``, ``detail`` or ``undo``; all but ``start`` are about a row."""
    row = {} if key is None else {"example_id": key[0], "text_sha256": key[1]}
    return {"event": kind, "timestamp": timestamp, **row, **facts}


def apply(state: State, event: Mapping[str, Any]) -> State:
    """The state after one more event. Raises KeyError, TypeError or ValueError for what is not an event."""
    kind = event["event"]
    if kind == "start":
        return replace(state, starts=state.starts + 1)
    key = (event["example_id"], event["text_sha256"])
    if kind in ("label", "skip"):
        verdict = event["has_hallucination"] if kind == "label" else None
        if kind == "label" and not isinstance(verdict, bool):
            raise ValueError(f"has_hallucination is {verdict!r}, expected true or false")
        decision = Decision(key, verdict, None, float(event["seconds"]), event["timestamp"], state.starts)
        return replace(
            state,
            decisions=(*state.decisions, decision),
            awaiting_type=key if verdict else None,
            revisit=None,
        )
    place = next((i for i in reversed(range(len(state.decisions))) if state.decisions[i].key == key), None)
    if place is None:
        raise ValueError(f"{kind!r} about a row without a decision")
    before, after = state.decisions[:place], state.decisions[place + 1 :]
    if kind == "detail":
        chosen = event["hallucination_type"]
        if chosen is not None and chosen not in TYPES:
            raise ValueError(f"hallucination_type is {chosen!r}, expected one of {', '.join(TYPES)}")
        amended = replace(state.decisions[place], hallucination_type=chosen)
        return replace(state, decisions=(*before, amended, *after), awaiting_type=None)
    if kind == "undo":
        return replace(state, decisions=before + after, awaiting_type=None, revisit=key)
    raise ValueError(f"unknown event {kind!r}")


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The order of judging. An item's place comes from (seed, id), so the same notes meet in the same order."""
    return sorted(items, key=lambda item: sha256_text(f"{seed}\0{item.example_id}"))


def answers(state: State, items: Sequence[Item]) -> dict[Key, Decision]:
    """The decision that counts for each row of ``items`` that has one, the most recent decision last."""
    known = {item.key for item in items}
    found: dict[Key, Decision] = {}
    for decision in state.decisions:
        if decision.key in known:
            found.pop(decision.key, None)
            found[decision.key] = decision
    return found


def labels(state: State, items: Sequence[Item]) -> list[Decision]:
    """The decisions that count and are labels: skipped rows and rows whose text changed are left out."""
    return [decision for decision in answers(state, items).values() if decision.has_hallucination is not None]


def next_item(state: State, items: Sequence[Item]) -> Item | None:
    """The item to show: an unfinished one, else the one just undone, else the first unseen, else a skipped one.

    Skipped items come up again only after a restart; None means that nothing is left for this run.
    """
    decided = answers(state, items)

    def skipped_earlier(item: Item) -> bool:
        decision = decided[item.key]
        return decision.has_hallucination is None and decision.run < state.starts

    for wanted in (state.awaiting_type, state.revisit):
        for item in items:
            if item.key == wanted:
                return item
    unseen = (item for item in items if item.key not in decided)
    again = (item for item in items if item.key in decided and skipped_earlier(item))
    return next(unseen, None) or next(again, None)


def undo_target(state: State, items: Sequence[Item]) -> Key | None:
    """The row whose decision an undo takes back: the most recent one among ``items``."""
    return next(reversed(answers(state, items)), None)


def stale_ids(state: State, items: Sequence[Item]) -> tuple[list[str], list[str]]:
    """Ids of labels that do not count: (the row's text changed and has no label yet, the row is gone)."""
    present = {item.example_id for item in items}
    current = {decision.key[0] for decision in labels(state, items)}
    old = dict.fromkeys(d.key[0] for d in state.decisions if d.has_hallucination is not None)
    return [i for i in old if i in present - current], [i for i in old if i not in present]
