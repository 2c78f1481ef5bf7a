"""How good is the screen? Measured against summaries that were labelled factual or hallucinated.

    python benchmarks/screen_accuracy.py
    python benchmarks/screen_accuracy.py --labels my_labels.csv

A CSV has clinical_note, summary (or model_summary) and human_label (or label): factual or hallucinated. With
hallucination_type the figures are also given by type; with pair_id, the wrong and the right summaries of one pair are
compared with each other. Without --labels: the shipped test rows, whose words the screen knows, and two files of edits,
in which values, sides and denials were exchanged inside short notes of other wording (SCREEN.md tells more).

Precision and recall are those of "at least one flagged claim". AUROC ranks by clinical.screen.risk, and stands beside
the two floors that a check must beat: the summary's length, and word overlap, the number of its words that the note
lacks.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.discrimination import auroc, estimate, resample, share
from benchmarks.measured_on import measured_on
from clinical.screen.risk import risk
from clinical.screen.support import FLAGGED, screen
from clinical.sentences import word_key, word_spans
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, run_script
from utils.files import write_json
from utils.records import read_csv

SHIPPED = (
    "phase1_data_medhal/sft/test_set_processed.csv",
    "benchmarks/screen_edits.csv",
    "benchmarks/screen_edits_fresh.csv",
)
FACTUAL, HALLUCINATED = "factual", "hallucinated"
SAME_LENGTH = (0.8, 1.25)  # words of one summary to words of another that it may be compared with
SCREEN, FLAGS, LENGTH, OVERLAP = "screen", "flagged claims", "length alone", "word overlap"


@dataclass(frozen=True)
class Labelled:
    """A summary that was labelled, beside its note; ``type`` and ``pair_id`` are empty where the file has none."""

    clinical_note: str
    summary: str
    wrong: bool
    type: str = ""
    pair_id: str = ""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--labels", nargs="+", default=SHIPPED, metavar="CSV", help="labelled summaries")
    output = Path("benchmarks/screen_accuracy.json")
    parser.add_argument("--output", type=Path, default=output, help="the figures as JSON, without any text")
    parser.add_argument("--seed", type=int, default=42, help="of the bootstrap")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read, screen, measure, write, show; returns the exit code."""
    args = build_parser().parse_args(argv)
    files = {str(name): read_labelled(from_here_or_project(name)) for name in args.labels}
    figures = {name: measure(rows, args.seed) for name, rows in files.items()}
    interval = "95 % bootstrap, drawing whole notes"
    record = {**measured_on("screen_accuracy.py", argv), "interval": interval, "files": as_json(figures)}
    write_json(args.output, record)
    for name, found in figures.items():
        show(name, found)
    print(f"✓ {args.output}")
    return EXIT_OK


def read_labelled(path: Path) -> list[Labelled]:
    """The labelled summaries of a CSV. Raises UserError for a label that is none, and where all labels are the same."""
    optional = ("human_label", "label", "hallucination_type", "pair_id")
    rows = []
    for number, row in enumerate(read_csv(path, ("clinical_note", "model_summary"), optional), start=1):
        label = (row["human_label"] or row["label"]).strip().lower()
        if label not in (FACTUAL, HALLUCINATED):
            raise UserError(f"{path}, row {number}: human_label is {label!r}; expected {FACTUAL} or {HALLUCINATED}")
        kind = row["hallucination_type"] if label == HALLUCINATED else ""
        rows.append(Labelled(row["clinical_note"], row["model_summary"], label == HALLUCINATED, kind, row["pair_id"]))
    if len({row.wrong for row in rows}) < 2:
        raise UserError(f"{path}: all {len(rows)} rows are labelled alike; the screen can only be measured with both")
    return rows


def lacking_words(note: str, summary: str) -> int:
    """How many words of a summary stand nowhere in its note, whatever their case and plural."""
    known = {word_key(note[span.start : span.end]) for span in word_spans(note)}
    return sum(word_key(summary[span.start : span.end]) not in known for span in word_spans(summary))


def scores_of(rows: Sequence[Labelled]) -> dict[str, np.ndarray]:
    """What ranks the summaries, a number a row: the screen's risk, its flagged claims alone, and the two floors."""
    scores: dict[str, list[float]] = {SCREEN: [], FLAGS: [], LENGTH: [], OVERLAP: []}
    for row in tqdm(rows, desc="screened", leave=False, disable=None):
        claims = screen(row.clinical_note, row.summary)
        scores[SCREEN].append(risk(row.clinical_note, row.summary, claims))
        scores[FLAGS].append(sum(claim.verdict in FLAGGED for claim in claims))
        scores[LENGTH].append(len(row.summary.split()))
        scores[OVERLAP].append(lacking_words(row.clinical_note, row.summary))
    return {name: np.array(values) for name, values in scores.items()}


def measure(rows: Sequence[Labelled], seed: int) -> dict[str, Any]:
    """All figures of one file; those by type compare the wrong rows of a type with all right ones."""
    weights = resample([row.clinical_note for row in rows], seed)
    wrong = np.array([row.wrong for row in rows])
    types = np.array([row.type for row in rows])
    scores = scores_of(rows)
    flagged = scores[FLAGS] > 0
    areas = {name: auroc(weights, values, wrong) for name, values in scores.items()}
    by_type = {}
    for kind, count in Counter(types[wrong]).most_common():
        part = ~wrong | (types == kind)
        by_type[str(kind) or "not given"] = {
            "wrong": count,
            "recall": estimate(share(weights, flagged, wrong & part)),
            "auroc": estimate(auroc(weights[:, part], scores[SCREEN][part], wrong[part])),
        }
    return {
        "summaries": len(rows),
        "wrong": int(wrong.sum()),
        "notes": len({row.clinical_note for row in rows}),
        "precision": estimate(share(weights, wrong, flagged)),
        "recall": estimate(share(weights, flagged, wrong)),
        "right_summaries_flagged": estimate(share(weights, flagged, ~wrong)),
        "auroc": {name: estimate(values) for name, values in areas.items()},
        "auroc_above": {floor: estimate(areas[SCREEN] - areas[floor]) for floor in (LENGTH, OVERLAP)},
        "same_length": compared(weights, scores, wrong, same_length(scores[LENGTH])),
        "pairs": compared(weights, scores, wrong, same_pair([row.pair_id for row in rows])),
        "by_type": by_type,
    }


def same_length(words: np.ndarray) -> np.ndarray:
    """Which two rows, shape (rows, rows), are about as long as each other."""
    low, high = SAME_LENGTH
    longest = np.maximum(words, 1)  # an empty summary compares with those of one word
    ratio = longest[:, None] / longest[None, :]
    return (ratio >= low) & (ratio <= high)


def same_pair(pair_ids: Sequence[str]) -> np.ndarray:
    """Which two rows, shape (rows, rows), belong to one pair."""
    ids = np.array(pair_ids)
    return (ids[:, None] == ids[None, :]) & (ids != "")


def compared(
    weights: np.ndarray, scores: Mapping[str, np.ndarray], wrong: np.ndarray, comparable: np.ndarray
) -> dict[str, Any] | None:
    """How often the wrong one of two comparable summaries scores higher, by each score; None without such two."""
    count = int(comparable[np.ix_(wrong, ~wrong)].sum())
    if not count:
        return None
    return {
        "compared": count,
        **{name: estimate(auroc(weights, values, wrong, comparable)) for name, values in scores.items()},
    }


def as_json(figure: Any) -> Any:
    """Estimates as objects with their interval, wherever they stand."""
    if hasattr(figure, "_asdict"):
        return figure._asdict()
    return {name: as_json(part) for name, part in figure.items()} if isinstance(figure, dict) else figure


def show(name: str, figures: Mapping[str, Any]) -> None:
    """Print one file's figures as tables."""
    console = Console(highlight=False, markup=False)
    console.print(f"\n{name}")
    console.print(f"  {figures['summaries']} summaries of {figures['notes']} notes, {figures['wrong']} of them wrong")
    console.print(f"  flagged summaries that are wrong (precision)  {figures['precision']}")
    console.print(f"  wrong summaries that are flagged (recall)     {figures['recall']}")
    console.print(f"  right summaries that are flagged              {figures['right_summaries_flagged']}\n")
    columns = {"all (AUROC)": figures["auroc"], "same length": figures["same_length"], "pairs": figures["pairs"]}
    ranked = {title: found for title, found in columns.items() if found}
    title = "How often a wrong summary ranks above a right one"
    table = Table("", *ranked, title=title, title_justify="left", box=None, pad_edge=False)
    for score in (SCREEN, FLAGS, LENGTH, OVERLAP):
        table.add_row(score, *(str(found[score]) for found in ranked.values()))
    console.print(table)
    for floor, difference in figures["auroc_above"].items():
        console.print(f"screen above {floor}: {difference}")
    kinds = Table("type of error", "wrong", "recall", "AUROC", box=None, pad_edge=False)
    for kind, found in figures["by_type"].items():
        kinds.add_row(kind, str(found["wrong"]), str(found["recall"]), str(found["auroc"]))
    console.print("", kinds, sep="\n")


if __name__ == "__main__":
    run_script(main)
