"""Import notes and summaries of your own, or MedHal, as Phase 1 files: train, validation and test.

    python phase1_data_medhal/import_notes.py --input export.csv --note_column note --summary_column summary
    python phase1_data_medhal/import_notes.py --medhal hub:GM07/medhal

A table is a CSV, JSONL or parquet file, a folder of them, or hub:owner/name, which alone is downloaded. The same note
(but for white space and capitals) falls to one side of the split, by its hash: rows that are added later move none.
What cannot be used goes to set_aside.csv, each row with its reason. The same command writes the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from phase1_data_medhal.importing.labels import (
    FACTUAL,
    FACTUAL_WORDS,
    HALLUCINATED,
    HALLUCINATED_WORDS,
    check_labels,
    label_table,
)
from phase1_data_medhal.importing.selection import SIDES, Shares, Survey, seed_for_all_sides, survey
from phase1_data_medhal.importing.sources import Columns, Table, find_tables, read_rows
from utils.cli import EXIT_OK, PROJECT_ROOT, UserError, new_parser, positive_int, run_script, share
from utils.files import atomic_folder, make_output_dir
from utils.hostile_text import visible
from utils.records import PHASE1_COLUMNS, csv_writer
from utils.run_record import RUN_RECORD, RunRecord, read_record

# MedHal as its makers describe it (github.com/LAMA-WeST-Lab/MedHal, README.md and src/data/med_hal/medhal.py, commit
# 081d774; arXiv 2504.08596): id, context, statement, label (a boolean), explanation, inner_id, source (acm, medmcqa,
# medqa, sumpubmed, mednli) and synthetic. Rows were shuffled, so a note's statements are spread over its own splits.
MEDHAL = Columns(note="context", summary="statement", label="label", dataset="source")
MEDNLI = "mednli"
WHY_NO_MEDNLI = (
    "MedNLI's rows are left out: each is one sentence of a note (MIMIC-III) beside one sentence about it, so there is "
    "nothing to summarise, and PhysioNet gives MedNLI only to people with credentials who sign its data use "
    "agreement. --include_mednli takes them in."
)  # source: the card of bigbio/mednli on the hub, whose licence is PHYSIONET_LICENSE_1p5
SHIPPED = PROJECT_ROOT / "phase1_data_medhal"
SET_ASIDE = "set_aside.csv"
ASIDE_COLUMNS = ("table", "row", "reason", "label", "clinical_note", "model_summary")
_SHOW_BAR_AFTER = 3  # seconds; shorter work needs no progress bar


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    table = parser.add_argument_group("the table")
    where = table.add_mutually_exclusive_group(required=True)
    where.add_argument("--input", help="file, folder or hub:owner/name with columns of your own")
    where.add_argument("--medhal", help="the same in MedHal's columns, such as hub:GM07/medhal or a folder with it")
    table.add_argument("--note_column", help="holds the note; with --input")
    table.add_argument("--summary_column", help="holds its summary; with --input")
    table.add_argument("--label_column", help="tells factual from hallucinated; without it every row is factual")
    for name, words in (("factual", FACTUAL_WORDS), ("hallucinated", HALLUCINATED_WORDS)):
        meaning = f"words of --label_column that mean {name} (default: {' '.join(words)})"
        table.add_argument(f"--{name}_labels", nargs="+", metavar="WORD", help=meaning)
    table.add_argument("--include_mednli", action="store_true", help="keep MedHal's rows that come from MedNLI")
    split = parser.add_argument_group("the split")
    split.add_argument("--validation_share", type=share, default=0.1, help="share of the notes for validation")
    split.add_argument("--test_share", type=share, default=0.1, help="share of the notes for the test")
    split.add_argument("--max_records", type=positive_int, help="keep at most so many rows, drawn note by note")
    split.add_argument("--seed", type=int, default=42, help="of the split and of --max_records")
    parser.add_argument("--output_dir", type=Path, default=Path("own_data"), help="gets the three files")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Look at every row, then write the three files, all or none; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    columns = choose_columns(args)
    words = (args.factual_labels or FACTUAL_WORDS, args.hallucinated_labels or HALLUCINATED_WORDS)
    meanings = label_table(*words) if columns.label else None
    if args.validation_share + args.test_share >= 1:
        raise UserError("--validation_share and --test_share leave nothing for training; together they must be below 1")
    check_output_dir(args.output_dir)
    tables = find_tables(args.medhal or args.input, "--medhal" if args.medhal else "--input")
    check_input_stays(tables, args.output_dir)
    make_output_dir(args.output_dir.parent)
    record = RunRecord(args.output_dir, __file__, args, parser, {table.name: table.path for table in tables})

    shares = Shares(args.validation_share, args.test_share)
    rows = tqdm(read_rows(tables, columns), desc="Looked at", unit="row", delay=_SHOW_BAR_AFTER, disable=None)
    found = survey(
        rows,
        meanings=meanings,
        left_out=(MEDNLI,) if args.medhal and not args.include_mednli else (),
        shares=shares,
        max_records=args.max_records,
        seed=args.seed,
    )
    if columns.label and meanings is not None:
        check_labels(found.labels, meanings, columns.label)
    check_sides(found, shares, args.max_records)
    written = write_files(tables, columns, found, meanings, record)
    report(found, written, meanings, args)
    return EXIT_OK


def choose_columns(args: argparse.Namespace) -> Columns:
    """The columns to read. Raises UserError for options that are missing or say nothing here."""
    own = {name: getattr(args, name) for name in ("note_column", "summary_column", "label_column")}
    if args.medhal:
        given = [name for name, value in own.items() if value]
        if given:
            raise UserError(f"--{given[0]} goes with --input; MedHal's columns are known")
        return MEDHAL
    if not args.note_column or not args.summary_column:
        raise UserError("--input needs --note_column and --summary_column, the names of two of its columns")
    if args.include_mednli:
        raise UserError("--include_mednli goes with --medhal")
    return Columns(args.note_column, args.summary_column, args.label_column)


def check_output_dir(folder: Path) -> None:
    """Raise UserError unless the folder, which is written as a whole, is new, empty, or holds an earlier import."""
    way_out = "choose another folder, such as: --output_dir own_data"
    if folder.resolve().is_relative_to(SHIPPED):
        raise UserError(f"--output_dir: {SHIPPED} holds the shipped notes, which every figure rests on; {way_out}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output_dir: {folder} is a file; {way_out}")
    ours = {RUN_RECORD, SET_ASIDE, *map(file_of, SIDES)}
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    other = sorted(present - ours)
    if other or (present and read_record(folder).get("script") != Path(__file__).name):
        found = other or sorted(present)
        raise UserError(f"--output_dir: {folder} holds {found[0]}, which was not imported into it; {way_out}")


def check_input_stays(tables: Sequence[Table], folder: Path) -> None:
    """Raise UserError for a table inside the folder that the import is about to replace."""
    for table in tables:
        if table.path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{table.path} lies in the output folder {folder}; choose another with --output_dir")


def check_sides(found: Survey, shares: Shares, max_records: int | None) -> None:
    """Raise UserError for a side without any row, with what gives it one."""
    used = Counter(fate.side for fate in found.fates if fate.side)
    if not used:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.reasons.most_common())
        raise UserError(f"none of {len(found.fates):,} rows can be used: {reasons}")
    missing = [side for side in SIDES if not used[side]]
    if not missing:
        return
    drawn = len({found.notes[row] for row, fate in enumerate(found.fates) if fate.side})
    if drawn < len(SIDES):
        problem = f"{', '.join(SIDES)} need a note each, and there are {drawn} different ones"
        enough = len(set(found.notes.values())) >= len(SIDES)
        way_out = "take a larger --max_records" if enough else "bring more notes, better 30 or more"
    else:
        problem = f"no note falls to the {missing[0]} side, of {drawn:,} notes"
        seed = seed_for_all_sides(found.notes, shares, max_records)
        fitting = "another --seed" if seed is None else f"--seed {seed}, with which each side gets one"
        way_out = f"bring more notes, or take {fitting}, or larger shares (--validation_share, --test_share)"
    raise UserError(f"{problem}; {way_out}")


def file_of(side: str) -> str:
    """The name of a side's file, as the steps look for it."""
    return f"{side}_set_processed.csv"


def write_files(
    tables: Sequence[Table],
    columns: Columns,
    found: Survey,
    meanings: Mapping[str, str] | None,
    record: RunRecord,
) -> Counter[tuple[str, str]]:
    """Read the tables again and write what :func:`survey` decided; returns the rows of each side and label.

    The folder, which only its owner can read, takes its name when all is in it.
    """
    output_dir = record.path.parent
    written: Counter[tuple[str, str]] = Counter()
    rows = tqdm(
        zip(read_rows(tables, columns), found.fates, strict=True),
        desc="Written",
        unit="row",
        total=len(found.fates),
        delay=_SHOW_BAR_AFTER,
        disable=None,
    )
    with atomic_folder(output_dir) as folder:
        folder.chmod(0o700)
        with contextlib.ExitStack() as files:
            sides = {side: files.enter_context(csv_writer(folder / file_of(side), PHASE1_COLUMNS)) for side in SIDES}
            set_aside = files.enter_context(csv_writer(folder / SET_ASIDE, ASIDE_COLUMNS))
            for row, fate in rows:
                if fate.side:
                    label = FACTUAL if meanings is None else meanings[row.label.lower()]
                    written[fate.side, label] += 1
                    cells = (f"{row.table}:{row.number}", row.note, row.summary, label, "", "")
                    sides[fate.side].writerow(dict(zip(PHASE1_COLUMNS, cells, strict=True)))
                elif fate.reason:
                    values = (row.table, row.number, fate.reason, row.label, row.note, row.summary)
                    set_aside.writerow(dict(zip(ASIDE_COLUMNS, values, strict=True)))
        rows_of = {f"{side}, {label}": count for (side, label), count in sorted(written.items())}
        counts = {"rows": len(found.fates), **rows_of, "not drawn": found.not_drawn}
        record.at(folder).finish({**counts, "set aside": dict(found.reasons.most_common())})
    return written


def report(
    found: Survey, written: Mapping[tuple[str, str], int], meanings: Mapping[str, str] | None, args: argparse.Namespace
) -> None:
    """What was read, what was kept, what was not and why, and the commands that go on from here."""
    print(f"Read         {len(found.fates):,} rows of {args.medhal or args.input}")
    if meanings is None:
        print("Labels       none; every summary counts as factual (--label_column names a column that tells)")
    else:
        told = (f"{visible(word)} ({count:,}) as {meanings[word]}" for word, count in found.labels.most_common())
        print(f"Labels       {', '.join(told)}")
    print(f"\nKept:        {FACTUAL:>12} {HALLUCINATED:>14}")
    for side in SIDES:
        print(f"  {side:<10} {written.get((side, FACTUAL), 0):>12,} {written.get((side, HALLUCINATED), 0):>14,}")
    if found.not_drawn:
        print(f"{found.not_drawn:,} more rows were not drawn (--max_records {args.max_records}).")
    reasons = found.reasons
    print(f"\nSet aside, by reason, each to be read in {args.output_dir / SET_ASIDE}:")
    listed = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    print("\n".join(f"  {count:>7,}  {reason}" for reason, count in listed) or "        none")
    if any(reason.endswith(MEDNLI) for reason in reasons):
        print(WHY_NO_MEDNLI)
    print(f"\n✓ Notes      {args.output_dir}: {', '.join(map(file_of, SIDES))}")
    print_next(args.output_dir)


def print_next(folder: Path) -> None:
    """The commands that take the imported notes: a Stage A of one's own, and the pairs."""
    train, validation, test = (folder / file_of(side) for side in SIDES)
    print(
        f"\nNext, a Stage A model of these notes, unless you have one:\n  python models/train_stage_a.py --train_data "
        f'"{train}" --val_data "{validation}" --output_dir "models/own_stage_a"\n'
        f'and the pairs:\n  python generate_phase2_data.py --phase1_dir "{folder}"\n'
        f'Steps 0 and 3 take --test_data "{test}"'
    )


if __name__ == "__main__":
    run_script(main)
