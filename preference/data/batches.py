"""Which pairs run together: those of one note as one row of tokens, and rows of similar length as a batch.

Several pairs of a note share the note, and often the factual summary too, so the next such pair costs a fraction of the
first. An order in which they stand side by side makes use of that in the reference pass, in training and in validation
alike. (What a row is: ``preference.packing.shared_prefix``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from preference.data.pairs import PairIds, packed_length, pair_ids, pair_key

if TYPE_CHECKING:
    from datasets import Dataset

    from utils.resumable_training import LengthGroupedOrder

# Pairs of one note that stay side by side. Step 1 makes about three of a note; with many in one row, attention among
# them would cost more than running the note again.
PAIRS_OF_A_NOTE = 4


class Note(NamedTuple):
    """Pairs of one note, as indices, and the tokens of the row that they make."""

    pairs: list[int]
    tokens: int


class Batch(NamedTuple):
    """A batch as the model meets it: rows of one width, and the tokens in them that the LM head scores."""

    rows: int
    width: int
    scored: int

    @property
    def tokens(self) -> int:
        """All places, padding included."""
        return self.rows * self.width


def notes_of(pairs: Sequence[PairIds]) -> list[Note]:
    """The pairs by note, at most ``PAIRS_OF_A_NOTE`` together, those with the most tokens first.

    The order of the pairs makes no difference.
    """
    keys = [pair_key(pair) for pair in pairs]
    of_note: dict[tuple[int, ...], list[int]] = {}
    for index in sorted(range(len(pairs)), key=keys.__getitem__):
        of_note.setdefault(tuple(pairs[index].prompt), []).append(index)
    notes = [
        Note(some, _row_length([pairs[index] for index in some]))
        for all_of_it in of_note.values()
        for some in (all_of_it[start : start + PAIRS_OF_A_NOTE] for start in range(0, len(all_of_it), PAIRS_OF_A_NOTE))
    ]
    return sorted(notes, key=lambda note: (-note.tokens, keys[note.pairs[0]]))


def by_length(pairs: Sequence[PairIds]) -> list[int]:
    """The indices of the pairs, note by note, the longest first."""
    return [index for note in notes_of(pairs) for index in note.pairs]


def training_order(pairs: Dataset, batch_size: int, seed: int) -> LengthGroupedOrder:
    """The order in which training takes its pairs: notes of similar length together, else at random."""
    from utils.resumable_training import LengthGroupedOrder  # takes seconds to import

    notes = notes_of(pair_ids(pairs))
    return LengthGroupedOrder([note.tokens for note in notes], batch_size, seed, [note.pairs for note in notes])


def batches_by_length(pairs: Sequence[PairIds], batch_size: int, shared: bool = True) -> list[Batch]:
    """All batches where the pairs are taken by length: about those that training will meet, the longest first.

    ``shared``: pairs of a note are one row.
    """
    return _batches(pairs, batch_size, batch_size, shared)


def batches_from_anywhere(pairs: Sequence[PairIds], batch_size: int, shared: bool = True) -> list[Batch]:
    """All batches of pairs that follow each other by length: one of them is about the heaviest that training meets.

    Which pairs share a batch, and so how many notes it has, depends on where the batches of an epoch begin.
    """
    return _batches(pairs, batch_size, 1, shared)


def _batches(pairs: Sequence[PairIds], batch_size: int, step: int, shared: bool) -> list[Batch]:
    order = by_length(pairs)
    size_of = batch_of if shared else unshared_batch_of
    starts = range(0, max(len(order) - batch_size, 0) + step, step) if order else ()
    return [size_of([pairs[index] for index in order[start : start + batch_size]]) for start in starts]


def batch_of(pairs: Iterable[PairIds]) -> Batch:
    """These pairs as one batch, a row for each note."""
    notes: dict[tuple[int, ...], list[PairIds]] = {}
    for pair in pairs:
        notes.setdefault(tuple(pair.prompt), []).append(pair)
    lengths = [_row_length(of_note) for of_note in notes.values()]
    # Every token but the note's predicts a label; the first label is predicted by the note's last token.
    scored = sum(length - 1 - len(prompt) for length, prompt in zip(lengths, notes, strict=True))
    return Batch(len(notes), max(lengths), scored)


def unshared_batch_of(pairs: Sequence[PairIds]) -> Batch:
    """These pairs as stock TRL runs them: a row for each summary."""
    scored = sum(len(pair.chosen) + len(pair.rejected) for pair in pairs)
    return Batch(2 * len(pairs), max(pair.longer for pair in pairs), scored)


def _row_length(of_note: Sequence[PairIds]) -> int:
    return packed_length(of_note[0].prompt, [summary for pair in of_note for summary in (pair.chosen, pair.rejected)])
