"""Phase 1 rows in, pairs out, streamed: which rows of a split are used, and what became of each."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from adversarial.operators.donors import Donors, collect_donors
from adversarial.operators.fabrication import FAMILY as FABRICATION
from adversarial.operators.kinds import INVENTION
from adversarial.pairs import LABELLED, Factual, Outcome, as_record, make_negatives, note_id
from utils.cli import UserError
from utils.processes import ordered_map
from utils.prompts import completion_messages, prompt_messages
from utils.records import MIN_SUMMARY_WORDS, cell_text, stream_csv

REQUIRED = ("id", "clinical_note", "model_summary", "label")
FACTUAL, HALLUCINATED = "factual", "hallucinated"
# How many summaries lend sentences and values, however many there are: those of the notes whose hashes come first.
# Their values and wordings are counted thousands of times, and memory stays the same for a corpus of any size.
LENDING = 2000
# A longer note is several records in one cell: far more than any model here reads, and slow without sentence ends.
MAX_CHARACTERS = 20_000
_SHOW_BAR_AFTER = 3  # seconds; shorter work needs no progress bar
_BATCH = 16  # rows handed to a process at once: a third of a second's work, so that all end together


@dataclass
class Split:
    """What the first reading of one file tells: which rows to use, and what must be known before any pair is made.

    Holds hashes of the rows, and the texts of labelled and lending summaries alone. ``taken`` are the notes that were
    drawn, ``several`` the summaries of notes with more than one, as (note, summary) hashes.
    """

    path: Path
    note_ids: frozenset[str]
    taken: frozenset[str]
    several: frozenset[tuple[str, str]]
    labelled: Mapping[str, Sequence[tuple[str, str]]]
    lending: Sequence[tuple[str, str]]
    factual_rows: int
    set_aside: Counter[str]
    repeated_ids: int
    not_in: Collection[str]


@dataclass
class Made:
    """The counts of what was made of one split."""

    factual_rows: int
    set_aside: Counter[str]
    repeated_ids: int
    pairs: int = 0
    refused_rows: int = 0
    missing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    strategies: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    chosen_from: Counter[str] = field(default_factory=Counter)  # of the model's own alone
    remarks: list[str] = field(default_factory=list)

    def count(self, pair: Mapping[str, Any]) -> None:
        """Count a pair that was written."""
        self.pairs += 1
        self.strategies.update(pair["strategy"].split("+"))
        self.severities[pair["severity"]] += 1
        self.types.update({edit["type"] for edit in pair["edits"]})
        self.chosen_from.update([pair["chosen_from"]] if "chosen_from" in pair else [])

    def recount(self, pairs: Iterable[Mapping[str, Any]]) -> None:
        """Count anew: other pairs were written in the end."""
        self.pairs = 0
        for counts in (self.strategies, self.severities, self.types, self.chosen_from):
            counts.clear()
        for pair in pairs:
            self.count(pair)

    @property
    def kinds(self) -> Counter[str]:
        """Pairs with an error of each kind (see operators.kinds)."""
        return self.types + Counter({INVENTION: self.strategies[FABRICATION]})

    def figures(self) -> dict[str, Any]:
        """The counts for the run record."""
        return {
            "pairs": self.pairs,
            "factual summaries": self.factual_rows,
            "refused as chosen": self.refused_rows,
            "by strategy": dict(self.strategies.most_common()),
            "by type": dict(self.types.most_common()),
            "by severity": dict(self.severities.most_common()),
            "the model's own, by what is chosen": dict(self.chosen_from.most_common()),
            "refused": dict(self.reasons.most_common()),
            "set aside": dict(self.set_aside.most_common()),
        }


def read_split(path: Path, *, ratio: float, seed: int, not_in: Collection[str] = ()) -> Split:
    """Read one Phase 1 file for the first time and draw a random share of its notes, with all that belongs to them.

    Notes that are in ``not_in`` (the training notes) are set aside: a validation note must be unseen. Raises UserError
    for what cannot be used at all: columns, no rows, no factual row.
    """
    set_aside: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    ids: Counter[bytes] = Counter()
    summaries: dict[str, list[str]] = {}  # hashes, by note
    labelled: dict[str, list[tuple[str, str]]] = {}
    lending: list[tuple[int, str, str]] = []  # a heap, the last of the chosen order on top
    for row, label, reason in _usable(path, not_in):
        labels[label] += 1
        if row.row_id:
            ids[sha256(row.row_id.encode("utf-8", "surrogatepass")).digest()[:8]] += 1
        if reason:
            set_aside[reason] += 1
        elif label == FACTUAL:
            summaries.setdefault(row.note_id, []).append(note_id(row.summary))
            entry = (-_rank(row.note_id, seed), row.note, row.summary)
            (heapq.heappush if len(lending) < LENDING else heapq.heappushpop)(lending, entry)
        else:
            labelled.setdefault(row.note_id, []).append((row.summary, row.hallucination_type))
    if not summaries:
        found = ", ".join(f"{count} {label or '(empty)'}" for label, count in sorted(labels.items()))
        raise UserError(
            f"{path}: no row that can be used has label 'factual' (labels found: {found}"
            f"{'; set aside: ' + ', '.join(sorted(set_aside)) if set_aside else ''}); only factual summaries can be "
            f"chosen. The shipped notes come from: python phase1_data_medhal/write_notes.py"
        )
    taken = _share_of(summaries, ratio, seed)
    used = sum(len(found) for note, found in summaries.items() if note in taken)
    set_aside["hallucinated, but the note has no factual summary"] = sum(
        len(texts) for note, texts in labelled.items() if note not in summaries
    )
    set_aside["not in the drawn share of notes"] = sum(map(len, summaries.values())) - used
    return Split(
        path=path,
        note_ids=frozenset(summaries),
        taken=taken,
        several=frozenset((note, text) for note, found in summaries.items() if len(found) > 1 for text in found),
        labelled={note: texts for note, texts in labelled.items() if note in taken},
        lending=sorted((note, summary) for _, note, summary in lending if note_id(note) in taken),
        factual_rows=used,
        set_aside=+set_aside,
        repeated_ids=sum(count for count in ids.values() if count > 1),
        not_in=not_in,
    )


def make_pairs(
    split: Split,
    pairs: IO[str],
    rejects: IO[str] | None,
    *,
    seed: int,
    wanted: int,
    families: Sequence[str],
    kinds: Mapping[str, float] | None = None,
    processes: int,
    title: str,
) -> Made:
    """Read the file again, make the pairs of each row, and write them as JSON lines in the order of the rows.

    No (prompt, rejected) comes twice, and no negative is another chosen summary of its note. What is written does not
    depend on the number of processes. Refused negatives go to ``rejects``, where there is one.
    """
    made = Made(split.factual_rows, split.set_aside, split.repeated_ids)
    seen: set[tuple[str, str]] = set(split.several)
    outcomes = ordered_map(
        _make_batch,
        _batches(split),
        processes=min(processes, -(-split.factual_rows // _BATCH)),  # never more processes than batches
        prepare=_prepare,
        shared=(collect_donors(split.lending), seed, wanted, tuple(families), kinds),
    )
    bar = tqdm(total=split.factual_rows, desc=title, unit="note", delay=_SHOW_BAR_AFTER, disable=None)
    with bar, closing(outcomes):
        for outcome in (outcome for batch in outcomes for outcome in batch):
            bar.update()
            _write_row(outcome, made, seen, pairs, wanted)
            for refusal in outcome.refusals:
                made.reasons[refusal["reason"]] += 1
                if rejects is not None:
                    rejects.write(json.dumps(refusal, ensure_ascii=False) + "\n")
    return made


def _write_row(outcome: Outcome, made: Made, seen: set[tuple[str, str]], pairs: IO[str], wanted: int) -> None:
    """Write the pairs of one row and count them; those that another row of the same note made are refused."""
    row = outcome.row
    shared_note = (row.note_id, note_id(row.summary)) in seen
    refused = any(refusal["operator"] == "chosen" for refusal in outcome.refusals)
    new = 0
    for negative in outcome.negatives:
        key = (row.note_id, note_id(negative.text))
        if key in seen:
            outcome.refuse(negative.strategy, "the same pair twice", negative.text)
            continue
        if shared_note:
            seen.add(key)
        prompt, chosen = prompt_messages(row.note), completion_messages(row.summary)
        record = as_record(row, negative, prompt, chosen, completion_messages(negative.text))
        pairs.write(json.dumps(record, ensure_ascii=False) + "\n")
        new += negative.strategy != LABELLED
        made.count(record)
    made.refused_rows += refused
    made.missing += 0 if refused else wanted - new


@dataclass(frozen=True)
class _Row(Factual):
    """A row of the file, factual or labelled as hallucinated."""

    hallucination_type: str


def _usable(path: Path, not_in: Collection[str]) -> Iterator[tuple[_Row, str, str | None]]:
    """Every row with its label, and the reason why it must be set aside, if there is one."""
    for cells in stream_csv(path, REQUIRED, optional=("hallucination_type",)):
        identity, note, summary, label, type_ = (cell_text(cells[name]) for name in (*REQUIRED, "hallucination_type"))
        row = _Row(identity, note_id(note), note, summary, type_)
        yield row, label.lower(), _reason_to_set_aside(row, label.lower(), not_in)


def _reason_to_set_aside(row: _Row, label: str, not_in: Collection[str]) -> str | None:
    if label not in (FACTUAL, HALLUCINATED):
        return f"label neither {FACTUAL} nor {HALLUCINATED}"
    if not row.note or not row.summary:
        return "empty note" if not row.note else "empty summary"
    if len(row.summary.split()) < MIN_SUMMARY_WORDS:
        return f"summary of fewer than {MIN_SUMMARY_WORDS} words"
    if max(len(row.note), len(row.summary)) > MAX_CHARACTERS:
        return f"note or summary of more than {MAX_CHARACTERS:,} characters"
    return "note also among the training notes" if row.note_id in not_in else None


def used_rows(split: Split) -> Iterator[Factual]:
    """The factual rows of the drawn notes, in the order of the file, read anew."""
    for row, label, reason in _usable(split.path, split.not_in):
        if reason is None and label == FACTUAL and row.note_id in split.taken:
            yield Factual(row.row_id, row.note_id, row.note, row.summary)


def texts_of(path: Path) -> Iterator[str]:
    """The notes and factual summaries of a file, whether drawn or not, read anew."""
    for row, label, reason in _usable(path, ()):
        if reason is None and label == FACTUAL:
            yield row.note
            yield row.summary


def _batches(split: Split) -> Iterator[list[tuple[Factual, Sequence[tuple[str, str]]]]]:
    """The rows to use, each with the labelled summaries of its note."""
    rows = ((row, split.labelled.get(row.note_id, ())) for row in used_rows(split))
    while batch := list(islice(rows, _BATCH)):
        yield batch


# What every batch of a process shares, set once by _prepare: it is the same for all rows of a split.
_shared: tuple[Donors, int, int, Sequence[str], Mapping[str, float] | None]


def _prepare(
    donors: Donors, seed: int, wanted: int, families: Sequence[str], kinds: Mapping[str, float] | None
) -> None:
    global _shared  # noqa: PLW0603  # a process pool has no other place for what its tasks share
    _shared = (donors, seed, wanted, families, kinds)


def _make_batch(batch: Iterable[tuple[Factual, Sequence[tuple[str, str]]]]) -> list[Outcome]:
    donors, seed, wanted, families, kinds = _shared
    return [
        make_negatives(row, donors, seed=seed, wanted=wanted, families=families, kinds=kinds, labelled=labelled)
        for row, labelled in batch
    ]


def _rank(identity: str, seed: int) -> int:
    """A note's place in the random order of its seed."""
    return int.from_bytes(sha256(f"{seed}\0{identity}".encode()).digest()[:8], "big")


def _share_of(note_ids: Collection[str], ratio: float, seed: int) -> frozenset[str]:
    """A random share of the notes, at least one: those that come first in the order of the seed."""
    ranked = sorted(note_ids, key=lambda identity: _rank(identity, seed))
    return frozenset(ranked[: max(1, round(ratio * len(ranked)))])
