"""Does Stage B help on real text? Three arms on MTS-Dialog, judged blind by readers.

    python benchmarks/real_text.py --mts_dir MTS_DIR

MTS_DIR holds train_set_processed.csv and validation_set_processed.csv in Phase 1 columns. Trains a Stage A on the
former, Stage B and the control arm on pairs of its own summaries, summarises the latter with all three, and writes a
sheet for manual_assessment_tool.py in which nothing tells who wrote what, with references and references made wrong
mixed in. Cut off, the same command goes on; it says how to label. After that

    python benchmarks/real_text.py --key KEY

opens the key and writes REAL_TEXT.md, real_text.json and real_text.png, figures alone, no text of a note.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arms.options import add_setting, unusual
from benchmarks.arms.plan import (
    SEED,
    TRAIN_NOTES,
    check_options,
    pairs_that_fit,
    print_plan,
)
from benchmarks.arms.steps import Step, run_id, run_steps
from benchmarks.blind_labels.plan import STAGE_A_EPOCHS, RealTextPlan, content, import_step, with_inputs
from benchmarks.measured_on import PACKAGES, measured_on
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_float, positive_int, run_script

MTS_DIR = "MTS_DIR"  # stands for the folder of the notes in what is written


def build_parser() -> argparse.ArgumentParser:
    """The options; those of pairs and training are taken over from their own scripts, with defaults and help."""
    parser = new_parser(__doc__ or "")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--mts_dir", help="folder of the notes: train, summarise, make the sheet")
    what.add_argument("--key", type=Path, help="of a sheet that is labelled: measure")
    arms = parser.add_argument_group("the arms")
    arms.add_argument("--base_model", default="models/SmolLM2-135M-Instruct", help="what Stage A starts from")
    arms.add_argument("--stage_a_rows", type=positive_int, help="train Stage A on a seeded sample; else on all")
    arms.add_argument(
        "--stage_a_epochs", type=positive_float, default=STAGE_A_EPOCHS, help="passes of Stage A over its rows"
    )
    arms.add_argument("--train_pairs", type=positive_int, help="in each round; else as many as fit into --hours")
    arms.add_argument("--hours", type=positive_float, default=1.5, help="what all steps may take on 2 CPU cores")
    arms.add_argument("--rounds", type=positive_int, default=1, help="of pairs and training")
    sheet = parser.add_argument_group("the sheet")
    sheet.add_argument("--notes", type=positive_int, default=100, help="a seeded sample, the same for all arms")
    sheet.add_argument("--gold", type=positive_int, default=25, help="references among the summaries, at most")
    sheet.add_argument("--planted", type=positive_int, default=25, help="references with a wrong fact, at most")
    paths = parser.add_argument_group("what goes in and out")
    paths.add_argument(
        "--labels", type=Path, nargs="+", metavar="JSON", help="one file a reader; else all that lie beside the sheet"
    )
    paths.add_argument("--readers", metavar="WHO", help="who they are, for the report: clinicians, language models")
    paths.add_argument("--work_dir", type=Path, default=Path("outputs/real_text"), help="gets what the steps make")
    paths.add_argument("--output_dir", type=Path, default=Path("benchmarks"), help="gets the report")
    add_setting(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make the sheet, or find it made; where it is labelled, measure. Returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    key_file = from_here_or_project(args.key) if args.key else make_sheet(args, parser, argv)
    key = read_key(key_file)
    sheet = key_file.parent / key["sheet"]
    labels = args.labels or sorted(sheet.parent.glob("manual_assessment*.json"))
    if labels:
        return write_report(key, labels, args.readers, args.output_dir)
    print(f"✓ Sheet      {sheet}: {len(key['items'])} summaries of {key['record']['notes']} notes")
    print(f"  Key        {key_file}: who wrote what; not for the eyes of a reader")
    print(f'Label it:    python manual_assessment_tool.py --results_csv "{sheet}" --annotator NAME')
    print(f'Then:        python benchmarks/real_text.py --key "{key_file}"')
    return EXIT_OK


# ---------------------------------------------------------------------- from notes to the sheet


def make_sheet(args: argparse.Namespace, parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> Path:
    """Run all steps, write the sheet and then its key, unless that is there; returns the key's file."""
    from utils.files import locked, make_output_dir, sha256_text, write_json

    reads = content(args)
    make_output_dir(args.work_dir)
    with locked(args.work_dir / ".lock", f"another run is at work in {args.work_dir}; wait for it, or stop it first"):
        run_steps([import_step(args, reads)])  # what the others take depends on how many notes it keeps
        planned = with_inputs(args, reads)
        pairs = args.train_pairs or pairs_that_fit(planned, reads, RealTextPlan)
        steps = RealTextPlan(planned, pairs, reads).steps()
        check_options(steps)
        print_plan(planned, pairs, steps)
        seconds = run_steps(steps)
        run = sha256_text(f"{run_id(steps)} {args.gold} {args.planted}")[:8]
        key_file = args.work_dir / f"key-{run}.json"
        if key_file.is_file():
            return key_file
        record = {
            **measured_on("real_text.py", argv, packages=PACKAGES),
            "run": run,
            "train_pairs": pairs,
            "unusual": unusual(planned, parser) | of_stage_a(args),
            "steps": [{"name": s.name, "command": s.command, "seconds": seconds[s.name]} for s in steps],
        }
        write_json(key_file, collate_sheet(steps, planned, without_place(record, args.mts_dir)))
    return key_file


def of_stage_a(args: argparse.Namespace) -> dict[str, Any]:
    """Of Stage A's settings those that are not the shipped one's."""
    rows = {"stage_a_rows": args.stage_a_rows} if args.stage_a_rows else {}
    return rows | ({"stage_a_epochs": args.stage_a_epochs} if args.stage_a_epochs != STAGE_A_EPOCHS else {})


def without_place(record: dict[str, Any], mts_dir: str) -> dict[str, Any]:
    """The record without the place where this machine keeps the notes."""
    steps = [{**step, "command": step["command"].replace(mts_dir, MTS_DIR)} for step in record["steps"]]
    return {**record, "command": [word.replace(mts_dir, MTS_DIR) for word in record["command"]], "steps": steps}


def collate_sheet(steps: Sequence[Step], planned: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    """Write the sheet of what the arms wrote; returns its key, with all figures that need no reader."""
    from adversarial.operators.donors import collect_donors
    from adversarial.rows import read_split
    from benchmarks.arms.figures import read_results, results_of
    from benchmarks.blind_labels import sheet as sheet
    from benchmarks.blind_labels.figures import screened
    from utils.run_record import read_record

    found = results_of(steps)
    frames = {arm: read_results(folder) for arm, folder in found.arms.items()}
    first = next(iter(frames.values()))
    donors = collect_donors(read_split(Path(planned.phase1_dir) / TRAIN_NOTES, ratio=1.0, seed=SEED).lending)
    rows = sheet.references(first)
    controls = sheet.draw_controls(rows, donors, gold=planned.gold, planted=planned.planted, seed=SEED)
    writers: dict[str, Mapping[str, str]] = {
        arm: dict(zip(f["example_id"], f["generated_summary"], strict=True)) for arm, f in frames.items()
    }
    writers |= {sheet.GOLD: controls.gold, sheet.PLANTED: controls.planted}
    notes = dict(zip(first["example_id"], first["clinical_note"], strict=True))
    folder = planned.work_dir / f"sheet-{record['run']}"
    items = sheet.write_sheet(folder, sheet.in_blind_order(sheet.collate(notes, writers), SEED))
    (trained,) = (step.folder for step in steps if step.name == "stage_a")
    known = {
        "notes": len(notes),
        "controls": sheet.counted(controls),
        "stage_a": read_record(trained)["results"],
        **screened(found),
    }
    return {"sheet": f"{folder.name}/{sheet.SHEET}", "items": items, "record": {**record, **known}}


# ---------------------------------------------------------------------- from labels to the report


def read_key(path: Path) -> dict[str, Any]:
    """The key of a sheet. Raises UserError where the file is none."""
    try:
        key: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if {"sheet", "items", "record"} <= key.keys():
            return key
    except (OSError, ValueError, AttributeError):
        pass
    raise UserError(f"--key: {path} is no key of a sheet; python benchmarks/real_text.py --mts_dir {MTS_DIR} makes one")


def write_report(key: dict[str, Any], labels: Sequence[Path], who: str | None, output_dir: Path) -> int:
    """Measure what the labels say, write figures, text and picture, and show the figures that count.

    ``who`` says in a few words who the readers are.
    """
    from benchmarks.blind_labels import report
    from benchmarks.blind_labels.figures import bars, items_of, measure, read_reader
    from utils.files import atomic_writer, make_output_dir, write_json

    items = items_of(key)
    readers = [read_reader(from_here_or_project(path), items) for path in labels]
    measured = measure(items, readers, tuple(key["record"]["arms"]))
    record = {**key["record"], "labels": {**measured, "readers": who}}
    record["bars"] = [bar._asdict() for bar in bars(record)]
    make_output_dir(output_dir)
    write_json(output_dir / "real_text.json", record)
    with atomic_writer(output_dir / "REAL_TEXT.md") as file:
        file.write(report.markdown(record))
    report.draw(record, output_dir / "real_text.png")
    print(report.headline(record))
    for bar in record["bars"]:
        print(f"{'✓' if bar['met'] else '✗'} {bar['what']}: {bar['found']} ({bar['bar']})")
    print(f"✓ {output_dir / 'REAL_TEXT.md'}, real_text.json and real_text.png beside it")
    return EXIT_OK


if __name__ == "__main__":
    run_script(main)
