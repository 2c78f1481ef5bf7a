"""Does Stage B make the hallucination rate fall, and is it the preferences that do it? Three arms on the same notes.

    python benchmarks/outcome.py --split test --notes 300

Runs README's own steps: pairs, Stage B, a control arm (SFT continued from Stage A on the chosen summaries of the same
pairs: same order, steps and learning rate), then step 3 for all three, judged by the notes' known facts. Cut off, the
same command goes on. --split val does the same on validation notes, to choose settings with. Writes OUTCOME.md,
outcome.json and outcome.png, and a row in LOG.md; on the test notes also README's table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arms.options import add_setting, unusual
from benchmarks.arms.plan import (
    NOTES,
    SEED,
    Plan,
    check_options,
    content,
    pairs_that_fit,
    print_plan,
    share_texts,
)
from benchmarks.arms.steps import run_id, run_steps
from benchmarks.measured_on import PACKAGES, measured_on
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_float, positive_int, run_script

WORK = {"test": Path("outputs/outcome"), "val": Path("outputs/pilots")}


def build_parser() -> argparse.ArgumentParser:
    """The options; those of pairs and training are taken over from their own scripts, with defaults and help."""
    parser = new_parser(__doc__ or "")
    what = parser.add_argument_group("what is measured")
    what.add_argument("--split", choices=tuple(NOTES), default="val", help="test only with what val has chosen")
    what.add_argument("--notes", type=positive_int, default=100, help="a seeded sample, the same for all arms")
    what.add_argument("--changes", type=positive_int, default=240, help="of one fact each, for the counterfactuals")
    what.add_argument(
        "--leave_out", nargs="+", choices=("control", "counterfactual"), default=[], help="for a quick look"
    )
    what.add_argument("--train_pairs", type=positive_int, help="in each round; else as many as fit into --hours")
    what.add_argument("--hours", type=positive_float, default=2.0, help="what all steps may take on 2 CPU cores")
    what.add_argument(
        "--rounds", type=positive_int, default=1, help="of pairs and training; the second's are of Stage B's own errors"
    )
    paths = parser.add_argument_group("what goes in and out")
    paths.add_argument("--sft_model_path", default="models/sft_specialist_fast_fp16/final_model", help="Stage A")
    paths.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="notes whose facts are known")
    paths.add_argument(
        "--work_dir", type=Path, help="gets what the steps make: outputs/outcome, for val outputs/pilots"
    )
    paths.add_argument("--output_dir", type=Path, help="gets the report: benchmarks, or for val a folder in --work_dir")
    paths.add_argument("--log", default="benchmarks/LOG.md", help="gets a row for this run")
    paths.add_argument("--readme", default="README.md", help="whose results are renewed with --split test")
    add_setting(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Plan, run the steps, measure, write; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    args.work_dir = args.work_dir or WORK[args.split]

    # ------------------------------------------------------------------ check the input before hours of work
    from benchmarks.stage_a_rate import known_examples
    from utils.files import locked, make_output_dir

    log, readme = from_here_or_project(args.log), from_here_or_project(args.readme)
    for path in (log, *([readme] if args.split == "test" else [])):
        if not path.is_file():
            raise UserError(f"no such file: {path}; name one that is there with --log or --readme")
    known_examples(from_here_or_project(args.phase1_dir) / NOTES[args.split], args.notes, SEED)
    reads = content(args)
    pairs = args.train_pairs or pairs_that_fit(args, reads)
    steps = Plan(args, pairs, reads).steps()
    check_options(steps)
    print_plan(args, pairs, steps)
    make_output_dir(args.work_dir)

    # ------------------------------------------------------------------ run the steps
    with locked(args.work_dir / ".lock", f"another run is at work in {args.work_dir}; wait for it, or stop it first"):
        if args.split == "val":  # on the test notes all is done anew, so that the times are those of the whole
            for step in steps:
                share_texts(step)
        seconds = run_steps(steps)

    # ------------------------------------------------------------------ measure, write, log
    from benchmarks.arms import plot, report
    from benchmarks.arms.figures import bars, measure, results_of
    from benchmarks.arms.marked_text import renew
    from utils.files import atomic_writer, write_json

    run = run_id(steps)
    output_dir = args.output_dir or (Path("benchmarks") if args.split == "test" else args.work_dir / f"report-{run}")
    make_output_dir(output_dir)
    record: dict[str, Any] = {
        **measured_on("outcome.py", argv, packages=PACKAGES),
        "run": run,
        "split": args.split,
        "notes": args.notes,
        "train_pairs": pairs,
        "beta": args.beta,
        "unusual": unusual(args, parser),
        "steps": [{"name": s.name, "command": s.command, "seconds": seconds[s.name]} for s in steps],
        **measure(results_of(steps), SEED),
    }
    record["bars"] = [bar._asdict() for bar in bars(record)]
    write_json(output_dir / "outcome.json", record)
    with atomic_writer(output_dir / "OUTCOME.md") as file:
        file.write(report.markdown(record))
    plot.draw(record, output_dir / "outcome.png")
    report.add_to_log(log, record)
    if args.split == "test":
        renew(readme, report.SOURCE, report.for_readme(record))
    print(report.headline(record))
    for bar in record["bars"]:
        print(f"{'✓' if bar['met'] else '✗'} {bar['what']}: {bar['found']} ({bar['bar']})")
    print(f"✓ {output_dir / 'OUTCOME.md'}, outcome.json and outcome.png beside it; a row in {log}")
    return EXIT_OK


if __name__ == "__main__":
    run_script(main)
