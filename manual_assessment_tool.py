"""Step 4: a person reads each note and its generated summary and says whether the summary hallucinates.

    python manual_assessment_tool.py --results_csv "evaluation_results_stage_b/evaluation_results.csv"

One key a decision: y hallucinated, n clean, s skip, u undo, ? guidelines and all other keys, q save and quit. Through a
pipe or on a dumb terminal the same as words, one a line. Every answer is on disk before the next item shows; the same
command goes on where you stopped. Items come shuffled and blind: no reference summary, no model name, no automatic
flags. Beside the CSV it writes manual_assessment.json, assessment_report.txt and .html (rate, verdict, agreement) and
the journal of every answer.

Two models on the same notes, each pair of summaries side by side in an order that tells nothing:

    python manual_assessment_tool.py --compare STAGE_A.csv STAGE_B.csv
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from assessment.jobs import Comparing, Labelling, screen_findings
from assessment.output import as_text, write_all
from assessment.screen import Findings
from assessment.sitting import NotSaved, Sitting, now
from assessment.store import load_state
from utils.cli import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    PROJECT_ROOT,
    RunError,
    UserError,
    from_here_or_project,
    new_parser,
    run_script,
)
from utils.files import locked, make_output_dir, open_journal
from utils.hostile_text import visible
from utils.rates import add_rate

DEFAULT_CSV, DEFAULT_SEED = "evaluation_results_stage_b/evaluation_results.csv", 42


def build_parser() -> argparse.ArgumentParser:
    """The options, with the guide's defaults."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--results_csv", default=DEFAULT_CSV, help="results of evaluate_stage_a.py")
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("STAGE_A.csv", "STAGE_B.csv"),
        help="judge two models side by side instead; labels are kept beside the second file",
    )
    parser.add_argument(
        "--annotator", type=annotator_name, metavar="NAME", help="keep own files: manual_assessment_NAME.json"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="order in which the items come")
    parser.add_argument(
        "--show_flags",
        action="store_true",
        help="mark what the automatic screen flags; the labels are then not independent of it",
    )
    return parser


def annotator_name(text: str) -> str:
    """Argparse type: a name that is safe inside a file name."""
    if not re.fullmatch(r"[\w-]+", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits, - and _ only, got {text!r}")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sitting and write its results; returns 0, or 130 after Ctrl-C, hang-up or input that ended too early."""
    args = build_parser().parse_args(argv)
    job = open_job(args)
    files = job.files
    try:
        make_output_dir(files.journal.parent)
    except UserError as error:
        raise UserError(
            f"{error}\nlabels are kept beside the CSV: copy it to a folder that you may write to"
        ) from error
    busy = (
        f"{files.journal} is open in another process: end that session (q) first, "
        "or label under a name of your own with --annotator NAME"
    )
    with locked(files.lock, busy):
        finished = sit(job, args)
        state = load_state(files.journal)  # from the disk: what is reported is what was kept
        written, report = now(), job.report(state)
        try:
            write_all(files, job.document(state, written), report, written, args.annotator)
        except OSError as error:
            raise RunError(
                f"the report could not be written ({error.strerror or error}); no answer is lost, all are in "
                f"{files.journal}\nmake room, then: {resume_command(args)}"
            ) from error
    if isinstance(job, Labelling):  # with the run of Stage B that made the model, if one did
        add_rate(files.results.parent, step=4, kind="labelled", rate=job.rate(state), annotator=args.annotator)
    written_to = f"Written: {files.results}, {files.report.name}, {files.page.name}"
    try:
        print(
            f"\n{as_text(report)}\n\n{visible(written_to)}\n{visible(f'Go on with: {resume_command(args)}')}",
            flush=True,
        )
    except OSError:  # nobody reads it any more: the terminal was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK if finished else EXIT_INTERRUPTED


def open_job(args: argparse.Namespace) -> Labelling | Comparing:
    """The rows that the arguments name. Raises UserError where they cannot be judged."""
    if args.compare:
        first, second = (from_here_or_project(path) for path in args.compare)
        return Comparing(first, second, args.annotator, args.seed)
    return Labelling(from_here_or_project(args.results_csv), args.annotator, args.seed)


def sit(job: Labelling | Comparing, args: argparse.Namespace) -> bool:
    """Put the questions. Returns whether the annotator ended the sitting, or every item has its answer."""
    findings: Findings = screen_findings(job.rows) if args.show_flags else lambda item: ()
    journal = job.files.journal
    try:
        with open_journal(journal) as file, hang_up_as_ctrl_c():
            sitting = Sitting(job.items, load_state(journal), file)
            notices = "\n\n".join(job.notices(sitting.state))
            sitting.start(seed=args.seed, show_flags=args.show_flags)
            try:
                ask(sitting, findings, lambda: job.stats(sitting.state), notices)
            except EOFError:
                return len(sitting.decided) == len(sitting.items)
            except (KeyboardInterrupt, OSError):  # OSError: the terminal is gone
                return False
    except (NotSaved, OSError) as error:
        raise RunError(
            f"the last answer could not be saved ({error}); all before it are in {journal}\n"
            f"make room or mend the disk, then: {resume_command(args)}"
        ) from error
    return True


def ask(sitting: Sitting, findings: Findings, stats: Callable[[], str], notices: str) -> None:
    """The loop, on the whole terminal where there is one, in lines elsewhere."""
    if sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        from assessment.fullscreen import FullScreen
        from assessment.view import View

        FullScreen(View(sitting, findings, stats, notices)).run()
    else:
        from assessment import linemode

        linemode.run(sitting, findings, stats, notices)


@contextlib.contextmanager
def hang_up_as_ctrl_c() -> Iterator[None]:
    """A terminal that is closed, and a polite kill, end the loop as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    caught = [getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def resume_command(args: argparse.Namespace) -> str:
    """The command that goes on with this session, as it has to be typed in the current folder."""
    script = Path(__file__).resolve()
    words = ["python", script.name if Path.cwd() == PROJECT_ROOT else str(script)]
    words += ["--compare", *args.compare] if args.compare else ["--results_csv", args.results_csv]
    words += ["--annotator", args.annotator] if args.annotator else []
    words += ["--seed", str(args.seed)] if args.seed != DEFAULT_SEED else []
    words += ["--show_flags"] if args.show_flags else []
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


if __name__ == "__main__":
    run_script(main)
