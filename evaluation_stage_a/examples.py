"""The notes to summarise, the same seeded sample for every model; or notes with summaries that were made elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from utils.cli import UserError
from utils.generation import Generated
from utils.records import read_csv, sample_by_note

UNKNOWN = "unknown"  # why a text ended that was not generated here


@dataclass(frozen=True)
class Example:
    """One note to summarise; ``ground_truth`` is empty where the file has none, ``evidence_stats`` likewise."""

    example_id: str
    clinical_note: str
    ground_truth: str
    evidence_stats: str = ""


class Notes(NamedTuple):
    """The notes of a test CSV, and how many of its rows are none of them, by reason."""

    examples: list[Example]
    left_out: Mapping[str, int]


class Predictions(NamedTuple):
    """Notes with a summary each, and how many rows of the file are left out, by reason."""

    examples: list[Example]
    summaries: list[Generated]
    left_out: Mapping[str, int]


def read_notes(path: Path) -> Notes:
    """One example for each note of a test CSV, in file order.

    Rows labelled ``hallucinated`` are no ground truth and are left out, as are rows without a note; where a note
    comes twice, its first row counts. Raises UserError where nothing is left.
    """
    rows = read_csv(path, required=("clinical_note",), optional=("id", "model_summary", "label", "evidence_stats"))
    left_out: Counter[str] = Counter()
    examples = [
        Example(row["id"] or f"row-{number}", row["clinical_note"], row["model_summary"], row["evidence_stats"])
        for number, row in _one_for_each_note(rows, left_out)
    ]
    if not examples:
        raise UserError(f"{path}: no row has a clinical_note and a label other than 'hallucinated'")
    return Notes(examples, left_out)


def draw(examples: list[Example], count: int | None, seed: int) -> list[Example]:
    """At most ``count`` of the examples: a seeded sample by note, in file order."""
    return [examples[index] for index in sample_by_note([e.clinical_note for e in examples], count, seed)]


def read_examples(path: Path, max_examples: int | None, seed: int) -> list[Example]:
    """A seeded sample of at most ``max_examples`` notes of a test CSV; see ``read_notes``."""
    return draw(read_notes(path).examples, max_examples, seed)


def read_predictions(path: Path, known: Mapping[str, Example]) -> Predictions:
    """Every note of a results CSV with its summary: clinical_note and generated_summary, or predicted_summary.

    What the file does not say of a note is taken from the example that ``known`` has of the same note. Where a note
    comes twice, its first row counts. Raises UserError where no row has a note.
    """
    given = ("example_id", "ground_truth", "evidence_stats", "label", "finish_reason", "prompt_tokens", "new_tokens")
    rows = read_csv(path, required=("clinical_note", "generated_summary"), optional=given)
    left_out: Counter[str] = Counter()
    examples, summaries = [], []
    for number, row in _one_for_each_note(rows, left_out):
        note = row["clinical_note"]
        same = known.get(note, Example(f"row-{number}", note, ""))
        examples.append(
            Example(
                row["example_id"] or same.example_id,
                note,
                row["ground_truth"] or same.ground_truth,
                row["evidence_stats"] or same.evidence_stats,
            )
        )
        tokens = [int(row[name]) if row[name].isdecimal() else 0 for name in ("prompt_tokens", "new_tokens")]
        summaries.append(Generated(row["generated_summary"].strip(), row["finish_reason"] or UNKNOWN, *tokens))
    if not examples:
        raise UserError(f"{path}: no row has a clinical_note")
    return Predictions(examples, summaries, left_out)


def _one_for_each_note(rows: list[dict[str, str]], left_out: Counter[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows that count, with their numbers from 1; ``left_out`` gets the reasons of the others."""
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not row["clinical_note"].strip():
            left_out["without a note"] += 1
        elif row["label"] == "hallucinated":
            left_out["labelled hallucinated"] += 1
        elif row["clinical_note"] in seen:
            left_out["of a note that came before"] += 1
        else:
            seen.add(row["clinical_note"])
            yield number, row
