"""Step 4: a person reads each note and its generated summary and says whether the summary hallucinates.

    python manual_assessment_tool.py --results_csv "evaluation_results_stage_b/evaluation_results.csv"

Keys are words, one a line: y hallucinated (then 1 to 4 for the kind), n clean, s skip, u undo, stats, ? help, q quit.
Every answer is on disk before the next item shows; the same command goes on where you stopped. Beside the CSV it
writes manual_assessment.json, assessment_report.txt (hallucination rate, verdict) and the journal of every answer.
Items come shuffled and blind: no reference summary, no model name, no automatic flags.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from assessment.loop import Loop, now
from assessment.report import report_text, results_document, stale_lines
from assessment.screen import literal
from assessment.session import Item, State, shuffled
from assessment.store import Files, files_beside, load_items, load_state, only_process
from assessment.terminal import Terminal
from utils.cli import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    PROJECT_ROOT,
    from_here_or_project,
    new_parser,
    run_script,
)
from utils.files import atomic_writer, make_output_dir, open_journal, write_json

DEFAULT_CSV, DEFAULT_SEED = "evaluation_results_stage_b/evaluation_results.csv", 42


def build_parser() -> argparse.ArgumentParser:
    """The options, with the guide's defaults."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--results_csv", default=DEFAULT_CSV, help="results of evaluate_stage_a.py")
    parser.add_argument(
        "--annotator", type=annotator_name, metavar="NAME", help="keep own files: manual_assessment_NAME.json"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="order in which the items come")
    return parser


def annotator_name(text: str) -> str:
    """Argparse type: a name that is safe inside a file name."""
    if not re.fullmatch(r"[\w-]+", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits, - and _ only, got {text!r}")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sitting and write its results; returns 0, or 130 after Ctrl-C."""
    args = build_parser().parse_args(argv)
    csv_path = from_here_or_project(args.results_csv)
    items = shuffled(load_items(csv_path), args.seed)
    files = files_beside(csv_path, args.annotator)
    make_output_dir(csv_path.parent)
    with only_process(files):
        state = load_state(files.journal)
        terminal = Terminal()
        save = partial(write_results, files, items, csv_path.name, args.annotator)
        for line in stale_lines(state, items):
            terminal.say(line)
        code = EXIT_OK
        with open_journal(files.journal) as journal:
            try:
                Loop(items, state, journal, terminal, save).run(results_csv=csv_path.name, seed=args.seed)
            except KeyboardInterrupt:
                code = EXIT_INTERRUPTED
        report = save(load_state(files.journal))  # from the disk: what is reported is what was kept
        terminal.say("\n")
        terminal.show(literal(report))
        terminal.say(f"Written: {files.results} and {files.report.name}")
        terminal.say(f"Go on with: {resume_command(args)}")
    return code


def write_results(files: Files, items: Sequence[Item], source: str, annotator: str | None, state: State) -> str:
    """Write the JSON and the report, each atomically; returns the report."""
    written = now()
    report = report_text(state, items, source, annotator, written)
    write_json(files.results, results_document(state, items, written))
    with atomic_writer(files.report) as file:
        file.write(report)
    return report


def resume_command(args: argparse.Namespace) -> str:
    """The command that goes on with this session, as it has to be typed in the current folder."""
    script = Path(__file__).resolve()
    words = ["python", script.name if Path.cwd() == PROJECT_ROOT else str(script), "--results_csv", args.results_csv]
    words += ["--annotator", args.annotator] if args.annotator else []
    words += ["--seed", str(args.seed)] if args.seed != DEFAULT_SEED else []
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


if __name__ == "__main__":
    run_script(main)
