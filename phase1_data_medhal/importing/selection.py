"""What becomes of each row of a table: the side of the split that its note falls to, or why it is set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from phase1_data_medhal.importing.labels import FACTUAL
from phase1_data_medhal.importing.sources import DAMAGED, SourceRow
from utils.records import MIN_SUMMARY_WORDS, sample_by_note

SIDES = ("train", "validation", "test")
CONTRADICTORY = "same note and summary with both labels"
_SEARCHED = 500_000  # hashes


class Fate(NamedTuple):
    """The side that a row goes to, or the reason to set it aside; neither where it was not drawn."""

    side: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Shares:
    """Of the notes; what is left is for training."""

    validation: float
    test: float


@dataclass
class Survey:
    """The fates of all rows, in their order, and what was counted on the way; labels in small letters.

    ``notes`` are those (their :func:`key_of`) of the rows that can be used, by the places of these.
    """

    fates: list[Fate] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    notes: dict[int, str] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        """How many rows are set aside, by reason."""
        return Counter(fate.reason for fate in self.fates if fate.reason)

    @property
    def not_drawn(self) -> int:
        """How many good rows ``--max_records`` leaves out."""
        return self.fates.count(Fate())


def survey(
    rows: Iterable[SourceRow],
    *,
    meanings: Mapping[str, str] | None,
    left_out: Collection[str],
    shares: Shares,
    max_records: int | None,
    seed: int,
) -> Survey:
    """Decide about every row, from hashes of the texts; no text is kept.

    ``meanings`` are the words of the labels, None where every row is factual; ``left_out`` are the data sets that are
    not wanted. A row with the note and the summary of an earlier one is a duplicate; where their labels differ,
    neither can be trusted. ``max_records`` draws from what is left, note by note.
    """
    found = Survey()
    notes = found.notes
    first: dict[tuple[str, str], tuple[int, str]] = {}  # the first row of each note and summary, with its label
    for index, row in enumerate(rows):
        label = row.label.lower()
        if meanings is not None and label:
            found.labels[label] += 1
        reason = reason_to_set_aside(row, meanings is not None, left_out)
        if reason is None:
            meaning = FACTUAL if meanings is None else meanings.get(label, label)
            note = key_of(row.note)
            earlier, said = first.setdefault((note, key_of(row.summary)), (index, meaning))
            if earlier == index:
                notes[index] = note
            elif said == meaning and earlier in notes:
                reason = "same note and summary as an earlier row"
            else:
                reason = CONTRADICTORY
                notes.pop(earlier, None)
                found.fates[earlier] = Fate(reason=reason)
        found.fates.append(Fate(reason=reason))
    for index, side in sides_of(notes, shares, max_records, seed).items():
        found.fates[index] = Fate(side=side)
    return found


def sides_of(notes: Mapping[int, str], shares: Shares, max_records: int | None, seed: int) -> dict[int, str]:
    """The sides of the rows that ``max_records`` draws from ``notes``, by their places there."""
    places = list(notes)
    drawn = [places[index] for index in sample_by_note(list(notes.values()), max_records, seed)]
    return {place: side_of(notes[place], shares, seed) for place in drawn}


def seed_for_all_sides(notes: Mapping[int, str], shares: Shares, max_records: int | None) -> int | None:
    """The first seed with which each side gets a note; None where a second or two of search find none."""
    seeds = range(_SEARCHED // len(notes))
    return next((s for s in seeds if {*sides_of(notes, shares, max_records, s).values()} == set(SIDES)), None)


def reason_to_set_aside(row: SourceRow, labelled: bool, left_out: Collection[str]) -> str | None:
    """Why a row, looked at alone, is no note with a summary; None for nothing."""
    note, summary = row.note.split(), row.summary.split()
    if row.dataset.lower() in left_out:
        return f"of the data set {row.dataset.lower()}"
    if DAMAGED in row.note or DAMAGED in row.summary:
        return "undecodable bytes"
    if not note or not summary:
        return "empty note" if not note else "empty summary"
    if labelled and not row.label:
        return "no label"
    if len(summary) < MIN_SUMMARY_WORDS:
        return f"summary of fewer than {MIN_SUMMARY_WORDS} words"
    if len(note) == len(summary) and key_of(row.note) == key_of(row.summary):
        return "note equals summary"
    return "summary longer than its note" if len(summary) > len(note) else None


def key_of(text: str) -> str:
    """The same for texts that differ in white space and capitals alone."""
    return sha256(" ".join(text.split()).casefold().encode()).hexdigest()


def side_of(note: str, shares: Shares, seed: int) -> str:
    """The side that a note (its :func:`key_of`) falls to, by a hash: no other note has a say in it.

    The hash is another than the one that :func:`utils.records.sample_by_note` ranks by, so that a sample has the
    same shares.
    """
    place = int(sha256(f"side\0{seed}\0{note}".encode()).hexdigest()[:16], 16) / 2**64
    if place < shares.test:
        return "test"
    return "validation" if place < shares.test + shares.validation else "train"
