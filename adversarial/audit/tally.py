"""What is counted over every pair, one at a time, in memory that hardly grows with their number."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from adversarial.audit.pairs import EDITED, AuditedPair
from adversarial.audit.wording import Directions

RATIO = (0.9, 1.1)
RATIO_BINS = tuple(round(0.70 + 0.02 * step, 2) for step in range(31))  # 0.70 to 1.30; what is beyond goes to the ends
MOST_WORDS = 30  # the last bin of the words changed holds that many and more


@dataclass
class Tally:
    """Counts over all pairs. Ratios, insertions, words changed and directions are of the edited ones."""

    by_split: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    by_strategy: Counter[str] = field(default_factory=Counter)
    by_type_and_severity: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_severity: Counter[str] = field(default_factory=Counter)
    ratios: Counter[float] = field(default_factory=Counter)
    words_changed: Counter[int] = field(default_factory=Counter)
    within_ratio: int = 0
    only_insert: int = 0
    repeated: int = 0
    unchanged: int = 0
    directions: Directions = field(default_factory=Directions)
    _notes: dict[str, set[int]] = field(default_factory=dict)
    _pairs: set[int] = field(default_factory=set)
    _chosen: set[int] = field(default_factory=set)
    _rejected: set[int] = field(default_factory=set)

    def add(self, pair: AuditedPair) -> None:
        """Count one pair."""
        self.by_split[pair.split] += 1
        self.by_source[pair.source] += 1
        self.by_strategy[pair.strategy] += 1
        self.by_severity[pair.severity] += 1
        for type_ in sorted({change.type for change in pair.changes}):
            self.by_type_and_severity[type_, pair.severity] += 1
        self._notes.setdefault(pair.split, set()).add(_key(pair.note_id))
        identity = _key(pair.note_id, pair.chosen, pair.rejected)
        self.repeated += identity in self._pairs
        self.unchanged += pair.chosen.split() == pair.rejected.split()
        self._pairs.add(identity)
        self._chosen.add(_key(pair.note_id, pair.chosen))
        self._rejected.add(_key(pair.note_id, pair.rejected))
        if pair.source == EDITED:
            self._add_edited(pair)

    @property
    def total(self) -> int:
        """All pairs."""
        return self.by_split.total()

    @property
    def edited(self) -> int:
        """Pairs whose negative was made by operators."""
        return self.by_source[EDITED]

    @property
    def notes(self) -> dict[str, int]:
        """Different notes by file."""
        return {split: len(notes) for split, notes in self._notes.items()}

    @property
    def contradictions(self) -> int:
        """Texts that are rejected in one pair and chosen in another of the same note."""
        return len(self._chosen & self._rejected)

    def shared_notes(self, unseen: Mapping[str, Collection[str]]) -> dict[str, int]:
        """Notes that two files share, or that a file shares with notes that must stay unseen."""
        sets = self._notes | {name: {_key(note) for note in notes} for name, notes in unseen.items()}
        names = list(sets)
        return {
            f"{one} and {two}": len(sets[one] & sets[two])
            for index, one in enumerate(names)
            for two in names[index + 1 :]
            if one in self._notes
        }

    def _add_edited(self, pair: AuditedPair) -> None:
        ratio = pair.length_ratio
        self.within_ratio += RATIO[0] <= ratio <= RATIO[1]
        self.ratios[_bin(ratio)] += 1
        self.only_insert += pair.only_inserts
        self.words_changed[min(MOST_WORDS, pair.words_changed)] += 1
        self.directions.add(pair)


def _bin(ratio: float) -> float:
    """The lower end of the bin that a ratio falls into."""
    return RATIO_BINS[:-1][max(0, bisect_right(RATIO_BINS[:-1], ratio) - 1)]


def _key(*parts: str) -> int:
    """64 bits of a hash: two of a million texts collide with a chance of 1 in 37 million."""
    return int.from_bytes(blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
