"""Phase 1 rows in, pairs out: which rows of a split are used, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tqdm import tqdm

from adversarial.checks import MIN_WORDS
from adversarial.donors import collect_donors
from adversarial.pairs import LABELLED, Factual, as_record, make_negatives, note_id
from utils.cli import UserError
from utils.prompts import completion_messages, prompt_messages
from utils.records import read_csv

REQUIRED = ("id", "clinical_note", "model_summary", "label")
FACTUAL, HALLUCINATED = "factual", "hallucinated"
_SHOW_BAR_AFTER = 3  # seconds; shorter work needs no progress bar


@dataclass
class Split:
    """One split on its way: the rows to use, then the pairs, the refusals and the counts."""

    rows: list[Factual]
    labelled: dict[str, list[tuple[str, str]]]
    note_ids: frozenset[str]
    set_aside: Counter[str]
    pairs: list[Mapping[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    refused_rows: int = 0
    missing: int = 0

    @property
    def reasons(self) -> Counter[str]:
        """Refusals by reason."""
        return Counter(refusal["reason"] for refusal in self.refusals)

    def figures(self) -> dict[str, Any]:
        """The counts for the run record."""
        return {
            "pairs": len(self.pairs),
            "factual summaries": len(self.rows),
            "refused as chosen": self.refused_rows,
            "by strategy": dict(Counter(pair["strategy"] for pair in self.pairs).most_common()),
            "refused": dict(self.reasons.most_common()),
            "set aside": dict(self.set_aside.most_common()),
        }


def read_split(path: Path, *, ratio: float, seed: int, not_in: Collection[str] = ()) -> Split:
    """Read one Phase 1 file and keep a random share of its notes, together with all that belongs to them.

    Notes that are in ``not_in`` (the training notes) are set aside: a validation note must be unseen. Raises UserError
    for what cannot be used at all: columns, no rows, no factual row.
    """
    set_aside: Counter[str] = Counter()
    rows: list[Factual] = []
    labelled: dict[str, list[tuple[str, str]]] = {}
    labels: Counter[str] = Counter()
    for row in read_csv(path, REQUIRED, optional=("hallucination_type",)):
        note, summary, label = (row[name].strip() for name in ("clinical_note", "model_summary", "label"))
        labels[label.lower()] += 1
        reason = _reason_to_set_aside(note, summary, label.lower(), not_in)
        if reason:
            set_aside[reason] += 1
        elif label.lower() == FACTUAL:
            rows.append(Factual(row["id"].strip(), note_id(note), note, summary))
        else:
            labelled.setdefault(note_id(note), []).append((summary, row["hallucination_type"].strip()))
    if not rows:
        found = ", ".join(f"{count} {label or '(empty)'}" for label, count in sorted(labels.items()))
        raise UserError(
            f"{path}: no row that can be used has label 'factual' (labels found: {found}"
            f"{'; set aside: ' + ', '.join(sorted(set_aside)) if set_aside else ''}); only factual summaries can be "
            f"chosen. The shipped notes come from: python phase1_data_medhal/write_notes.py"
        )
    everyone = {row.note_id for row in rows}
    taken = _share_of(everyone, ratio, seed)
    set_aside["hallucinated, but the note has no factual summary"] = sum(
        len(texts) for note, texts in labelled.items() if note not in everyone
    )
    kept = [row for row in rows if row.note_id in taken]
    if len(kept) < len(rows):
        set_aside["not in the drawn share of notes"] = len(rows) - len(kept)
    return Split(kept, {n: t for n, t in labelled.items() if n in taken}, frozenset(everyone), +set_aside)


def make_split(split: Split, *, seed: int, wanted: int, families: Sequence[str], title: str) -> None:
    """Make the pairs of one split. No (prompt, rejected) comes twice, and no negative is another row's chosen."""
    donors = collect_donors((row.note, row.summary) for row in split.rows)
    chosen = {(row.note_id, row.summary) for row in split.rows}
    seen: set[tuple[str, str]] = set()
    bar = tqdm(split.rows, desc=title, unit="note", delay=_SHOW_BAR_AFTER, disable=None)
    for row in bar:
        labelled = split.labelled.get(row.note_id, ())
        outcome = make_negatives(row, donors, seed=seed, wanted=wanted, families=families, labelled=labelled)
        refused = any(refusal["operator"] == "chosen" for refusal in outcome.refusals)
        split.refused_rows += refused
        made = 0
        for negative in outcome.negatives:
            key = (row.note_id, negative.text)
            if key in seen or key in chosen:
                outcome.refuse(negative.strategy, "the same pair twice", negative.text)
                continue
            seen.add(key)
            made += negative.strategy != LABELLED
            split.pairs.append(
                as_record(
                    row,
                    negative,
                    prompt_messages(row.note),
                    completion_messages(row.summary),
                    completion_messages(negative.text),
                )
            )
        split.missing += 0 if refused else wanted - made
        split.refusals += outcome.refusals


def _reason_to_set_aside(note: str, summary: str, label: str, not_in: Collection[str]) -> str | None:
    if label not in (FACTUAL, HALLUCINATED):
        return f"label neither {FACTUAL} nor {HALLUCINATED}"
    if not note or not summary:
        return "empty note" if not note else "empty summary"
    if len(summary.split()) < MIN_WORDS:
        return f"summary of fewer than {MIN_WORDS} words"
    return "note also among the training notes" if note_id(note) in not_in else None


def _share_of(note_ids: Collection[str], ratio: float, seed: int) -> frozenset[str]:
    """A random share of the notes, at least one: those whose hash with the seed comes first."""
    ranked = sorted(note_ids, key=lambda identity: sha256(f"{seed}\0{identity}".encode()).digest())
    return frozenset(ranked[: max(1, round(ratio * len(ranked)))])
