"""Write the shipped Phase 1 notes: synthetic clinical notes, each with a summary that its note fully supports.

    python phase1_data_medhal/write_notes.py --output_dir phase1_data_medhal/sft --train 3600 --validation 520 --test 520 --seed 7

A patient is drawn first; note and summary are both written from it, by different authors. One note in twelve also gets
a row labelled ``hallucinated``, whose summary has one fact wrong. Some authors, drugs, conditions and whole problems
occur in the test split alone. The same seed writes the same bytes.
"""  # noqa: E501

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clinical.patient import to_json
from phase1_data_medhal.alter import alter_one_fact
from phase1_data_medhal.authors import draw_author
from phase1_data_medhal.drawing.draw import draw_patient
from phase1_data_medhal.notes.writer import WORDS as NOTE_WORDS
from phase1_data_medhal.notes.writer import write_note
from phase1_data_medhal.seeds import seeded
from phase1_data_medhal.summaries.writer import WORDS as SUMMARY_WORDS
from phase1_data_medhal.summaries.writer import choose_facts, write_summary
from utils.cli import EXIT_OK, RunError, new_parser, positive_int, run_script
from utils.files import make_output_dir
from utils.records import PHASE1_COLUMNS, write_csv

HALLUCINATED_EVERY = 12  # rows: 8 %
DEFAULT_SIZES = {"train": 3600, "validation": 520, "test": 520}


def build_parser() -> ArgumentParser:
    """The script's options."""
    parser = new_parser(__doc__ or "")
    here = Path(__file__).resolve().parent
    parser.add_argument("--output_dir", type=Path, default=here / "sft", help="folder for the three CSV files")
    for split, size in DEFAULT_SIZES.items():
        parser.add_argument(f"--{split}", type=positive_int, default=size, help=f"factual rows in the {split} split")
    parser.add_argument("--seed", type=int, default=7, help="every row follows from the seed, its split and its number")
    return parser


def rows_of_note(seed: int, split: str, number: int) -> list[dict[str, str]]:
    """The factual row of one note, and its hallucinated one where it has one."""
    held_out = split == "test"
    attempt = 0
    while True:  # a text outside the word limits is drawn anew
        rng = seeded(seed, split, number, attempt)
        patient = draw_patient(rng, held_out)
        facts = choose_facts(patient, rng)
        note = write_note(patient, draw_author(rng, held_out), rng)
        summary = write_summary(facts, draw_author(rng, held_out), rng)
        if len(note.split()) in NOTE_WORDS and len(summary.split()) in SUMMARY_WORDS:
            break
        attempt += 1
    name, stats = f"{split}-{number:05d}", to_json(patient)
    rows = [_row(name, note, summary, "factual", "", stats)]
    if number % HALLUCINATED_EVERY == HALLUCINATED_EVERY - 1:
        rng = seeded(seed, split, number, "hallucinated")
        altered, kind = alter_one_fact(facts, patient, rng)
        wrong = write_summary(altered, draw_author(rng, held_out), rng)
        rows.append(_row(f"{name}-h", note, wrong, "hallucinated", kind, stats))
    return rows


def _row(*values: str) -> dict[str, str]:
    return dict(zip(PHASE1_COLUMNS, values, strict=True))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the three files; returns the exit code."""
    args = build_parser().parse_args(argv)
    make_output_dir(args.output_dir)
    notes: dict[str, str] = {}
    for split in DEFAULT_SIZES:
        rows = [row for number in range(getattr(args, split)) for row in rows_of_note(args.seed, split, number)]
        refuse_repeated_notes(notes, rows)
        path = args.output_dir / f"{split}_set_processed.csv"
        write_csv(path, PHASE1_COLUMNS, rows)
        factual = sum(row["label"] == "factual" for row in rows)
        print(f"{path}: {factual} factual rows, {len(rows) - factual} hallucinated")
    return EXIT_OK


def refuse_repeated_notes(seen: dict[str, str], rows: Sequence[dict[str, str]]) -> None:
    """Enter the factual notes of ``rows`` into ``seen`` (text to row); no two rows of all splits may share one."""
    for row in rows:
        if row["label"] == "factual":
            first = seen.setdefault(row["clinical_note"], row["id"])
            if first != row["id"]:
                raise RunError(f"{row['id']} repeats the note of {first}; take another --seed")


if __name__ == "__main__":
    run_script(main)
