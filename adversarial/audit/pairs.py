"""Pairs as the audit sees them: streamed from the pairs files, with what was taken out and put in as words."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import Any

from utils.cli import UserError
from utils.prompts import text_of

# Who wrote a negative, by the strategy that the pairs file gives; all others are edits made by operators.
ON_POLICY, LABELLED = "on_policy", "phase1_hallucinated"
EDITED = "edited"
SOURCES = (EDITED, ON_POLICY, LABELLED)
SEVERAL = "several"  # the type or family of a pair whose edits are of more than one
UNKNOWN = "unknown"

_WORD = re.compile(r"\w+(?:[.,/'’-]\w+)*|%")


@dataclass(frozen=True, slots=True)
class Change:
    """``chosen[start:end]``, which reads ``old``, became ``new``; and the words that this took out and put in."""

    start: int
    end: int
    old: str
    new: str
    type: str
    removed: tuple[str, ...]
    inserted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditedPair:
    """One line of a pairs file, without its prompt; ``source`` says who wrote the negative."""

    id: str
    split: str
    note_id: str
    source: str
    strategy: str
    severity: str
    chosen: str
    rejected: str
    changes: tuple[Change, ...]
    chosen_from: str = ""  # of a pair of the model's own, what its chosen summary is

    @property
    def type(self) -> str:
        """What became wrong, where all edits agree on it."""
        types = {change.type for change in self.changes}
        return next(iter(types)) if len(types) == 1 else SEVERAL

    @property
    def family(self) -> str:
        """The family of operators that made it, where it was one."""
        return SEVERAL if "+" in self.strategy else self.strategy

    @property
    def stratum(self) -> str:
        """Family and type: as near as the files come to the operator."""
        return SEVERAL if SEVERAL in (self.family, self.type) else f"{self.family}: {self.type}"

    @property
    def words_changed(self) -> int:
        """Words replaced, inserted or deleted: an upper bound of the edit distance in words."""
        return sum(max(len(change.removed), len(change.inserted)) for change in self.changes)

    @property
    def only_inserts(self) -> bool:
        """Whether the negative is the chosen summary with words added and none taken away."""
        return any(c.inserted for c in self.changes) and not any(c.removed for c in self.changes)

    @property
    def length_ratio(self) -> float:
        """Characters of rejected over characters of chosen."""
        return len(self.rejected) / max(1, len(self.chosen))


def words_of(text: str) -> list[str]:
    """Words, numbers and percent signs in small letters; other punctuation is left out."""
    return [word.lower() for word in _WORD.findall(text)]


def read_pairs(path: Path, split: str) -> Iterator[tuple[AuditedPair, str]]:
    """Each pair with the text of its prompt, one line in memory at a time.

    Raises UserError naming file and line for a line that is no pair.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield pair_of(json.loads(line), split, f"{split}-{number}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(f"{path}, line {number}: not a preference pair ({error!r})") from error


def pair_of(record: Mapping[str, Any], split: str, default_id: str) -> tuple[AuditedPair, str]:
    """A record of the pairs file; prompt, chosen and rejected are enough, so that other tools' pairs are read too."""
    prompt, chosen, rejected = (text_of(record[key]) for key in ("prompt", "chosen", "rejected"))
    strategy = str(record.get("strategy") or UNKNOWN)
    edits = record.get("edits") or [_whole_difference(chosen, rejected)]
    changes = tuple(
        change_of(edit["start"], edit["end"], edit["old"], edit["new"], edit.get("type") or UNKNOWN) for edit in edits
    )
    pair = AuditedPair(
        id=str(record.get("id") or default_id),
        split=split,
        note_id=str(record.get("note_id") or blake2b(prompt.encode(), digest_size=8).hexdigest()),
        source=strategy if strategy in (ON_POLICY, LABELLED) else EDITED,
        strategy=strategy,
        severity=str(record.get("severity") or UNKNOWN),
        chosen=chosen,
        rejected=rejected,
        changes=changes,
        chosen_from=str(record.get("chosen_from") or ""),
    )
    return pair, prompt


def change_of(start: int, end: int, old: str, new: str, type_: str) -> Change:
    """An edit as words, without those that stand at its beginning or end on both sides."""
    removed, inserted = words_of(old), words_of(new)
    same = _shared_start(removed, inserted)
    removed, inserted = removed[same:], inserted[same:]
    same = _shared_start(removed[::-1], inserted[::-1])
    removed, inserted = removed[: len(removed) - same], inserted[: len(inserted) - same]
    return Change(start, end, old, new, type_, tuple(removed), tuple(inserted))


def _whole_difference(chosen: str, rejected: str) -> dict[str, Any]:
    return {"start": 0, "end": len(chosen), "old": chosen, "new": rejected}


def _shared_start(one: Sequence[str], two: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, two, strict=False)))


class NoteSample:
    """A seeded sample of pairs, whole notes at a time, that never holds many more than ``limit`` of them.

    Keeps the notes whose hash with the seed is smallest (bottom-k sampling): one pass, and the same notes whatever
    the order of the lines. ``prompts`` holds each kept note's prompt once.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.seed = limit, seed
        self.seen = 0
        self.prompts: dict[str, str] = {}
        self._members: dict[str, list[AuditedPair]] = {}
        self._largest_first: list[tuple[int, str]] = []
        self._held = 0
        self._bar: int | None = None  # the smallest hash that was turned away

    def add(self, pair: AuditedPair, prompt: str) -> None:
        """Offer one pair."""
        self.seen += 1
        members = self._members.get(pair.note_id)
        if members is None:
            rank = self._rank(pair.note_id)
            if self._bar is not None and rank >= self._bar:
                return
            members = self._members[pair.note_id] = []
            self.prompts[pair.note_id] = prompt
            heapq.heappush(self._largest_first, (-rank, pair.note_id))
        members.append(pair)
        self._held += 1
        while self._held > self.limit and len(self._members) > 1:
            self._drop_largest()

    @property
    def pairs(self) -> list[AuditedPair]:
        """The kept pairs, by note and id: the order of the files leaves no trace."""
        return sorted(
            (pair for members in self._members.values() for pair in members),
            key=lambda pair: (pair.note_id, pair.id, pair.rejected),
        )

    @property
    def is_everything(self) -> bool:
        """Whether no pair was turned away."""
        return self._held == self.seen

    def _drop_largest(self) -> None:
        rank, note = heapq.heappop(self._largest_first)
        self._bar = -rank
        self._held -= len(self._members.pop(note))
        del self.prompts[note]

    def _rank(self, note: str) -> int:
        digest = blake2b(note.encode(), key=str(self.seed).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")
