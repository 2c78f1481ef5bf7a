"""Two models on the same notes, judged blind side by side: what is asked, and what the answers say of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from assessment.agreement import Paired
from assessment.session import PREFER, Item, Key, State, decided, labels
from assessment.store import Row
from utils.cli import UserError
from utils.files import sha256_text
from utils.statistics import mcnemar_exact


class Pair(NamedTuple):
    """One note with the summaries of both models."""

    first: Row
    second: Row

    @property
    def same(self) -> bool:
        """Whether both models wrote the same: one judgement is then one of both."""
        return self.first.summary == self.second.summary

    def items(self, seed: int) -> list[Item]:
        """The questions: each summary, then which is better. Which stands first is drawn from (seed, id)."""
        name, note = self.first.example_id, self.first.note
        if self.same:
            return [self.first.item]
        shown = (self.first.summary, self.second.summary)
        if int(sha256_text(f"{seed}\0side\0{name}"), 16) % 2:
            shown = shown[::-1]
        return [Item(name, note, shown, asked) for asked in (0, 1, None)]


def pair_rows(first: Sequence[Row], second: Sequence[Row]) -> tuple[list[Pair], list[str]]:
    """The rows of two files about the same note, and the ids of those without a partner.

    Raises UserError where the files have no note in common.
    """
    by_id = {row.example_id: row for row in second}
    pairs = [
        Pair(row, by_id[row.example_id])
        for row in first
        if row.example_id in by_id and by_id[row.example_id].note == row.note
    ]
    if not pairs:
        raise UserError(
            "the two files have no note in common (the same example_id and clinical_note); evaluate both models on the "
            "same test data with the same --seed and --max_examples"
        )
    matched = {pair.first.example_id for pair in pairs}
    alone = dict.fromkeys(row.example_id for row in (*first, *second) if row.example_id not in matched)
    return pairs, list(alone)


@dataclass(frozen=True)
class ComparisonFigures:
    """``judged`` counts hallucinations of both models on the notes of which both summaries are labelled.

    ``better`` counts the notes on which the first, the second or neither summary was better; summaries that are the
    same text are not asked about and are not in it (``same``).
    """

    pairs: int
    same: int
    judged: Paired
    better: tuple[int, int, int]

    @property
    def better_p(self) -> float:
        """Exact two-sided sign test of the preferences."""
        return mcnemar_exact(self.better[0], self.better[1])


def compare(state: State, pairs: Sequence[Pair], seed: int) -> ComparisonFigures:
    """What the answers of a blind comparison say, now that it is told who wrote what."""
    items = [item for pair in pairs for item in pair.items(seed)]
    verdicts = {answer.key: bool(answer.value) for answer in labels(state, items)}
    answers = decided(state, items)
    better = [0, 0, 0]
    for pair in pairs:
        chosen = answers.get(pair.items(seed)[-1].key)
        if chosen and chosen.kind == PREFER:
            keys = [pair.first.key[1], pair.second.key[1], None]
            better[keys.index(chosen.value)] += 1
    return ComparisonFigures(
        pairs=len(pairs),
        same=sum(pair.same for pair in pairs),
        judged=judged_apart(pairs, verdicts, verdicts),
        better=(better[0], better[1], better[2]),
    )


def judged_apart(pairs: Sequence[Pair], first: Mapping[Key, bool], second: Mapping[Key, bool]) -> Paired:
    """Labels of the first model's summaries against those of the second's, note by note."""
    return Paired.of(
        (first[pair.first.key], second[pair.second.key])
        for pair in pairs
        if pair.first.key in first and pair.second.key in second
    )


def sources(pairs: Sequence[Pair]) -> dict[str, str]:
    """Which model wrote a summary, by the hash of its key: first, second or both."""
    told: dict[str, str] = {}
    for pair in pairs:
        told |= {pair.first.key[1]: "first", pair.second.key[1]: "second"}
        if pair.same:
            told[pair.first.key[1]] = "both"
    return told
