"""The notes to summarise: from a test CSV to a seeded sample that is the same for every model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.cli import UserError
from utils.records import read_csv, sample_by_note


@dataclass(frozen=True)
class Example:
    """One note to summarise; ``ground_truth`` is empty where the file has none, ``evidence_stats`` likewise."""

    example_id: str
    clinical_note: str
    ground_truth: str
    evidence_stats: str = ""


def read_examples(path: Path, max_examples: int | None, seed: int) -> list[Example]:
    """One example for each note of a test CSV, at most ``max_examples``: a seeded sample by note, in file order.

    Rows labelled ``hallucinated`` are no ground truth and are left out, as are rows without a note; where a note
    comes twice, its first row counts. Raises UserError where nothing is left.
    """
    rows = read_csv(path, required=("clinical_note",), optional=("id", "model_summary", "label", "evidence_stats"))
    examples: dict[str, Example] = {}
    for number, row in enumerate(rows, start=1):
        note = row["clinical_note"]
        if note.strip() and row["label"] != "hallucinated" and note not in examples:
            name = row["id"] or f"row-{number}"
            examples[note] = Example(name, note, row["model_summary"], row["evidence_stats"])
    if not examples:
        raise UserError(f"{path}: no row has a clinical_note and a label other than 'hallucinated'")
    kept = list(examples.values())
    return [kept[index] for index in sample_by_note([e.clinical_note for e in kept], max_examples, seed)]
