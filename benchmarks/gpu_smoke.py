"""Does everything run on this machine's card? One table, and a text to paste into an issue.

    python benchmarks/gpu_smoke.py

Each check works in a process of its own on the embedded model and a few pairs, so that one that fails, crashes or hangs
stops no other. On a CPU it runs what it can and says what it left out. Writes gpu_smoke.md, which names no person and
no folder, and gpu_smoke.log, with the tracebacks, which stays with you. Exit code 1 where a check fails. On 2 CPU cores
the eight checks that it can run there took 11 minutes; a card has not been tried.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dpo_speed import PAIRS, draw_pairs
from benchmarks.side_by_side.turns import LAST, Turns, Worker
from utils.cli import EXIT_FAILED, EXIT_OK, PROJECT_ROOT, RunError, new_parser, run_script
from utils.files import atomic_writer, make_output_dir
from utils.models import DEVICES, choose_device, find_checkpoint

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from benchmarks.smoke.setting import Setting

# The names of smoke_checks.CHECKS, which takes seconds to import.
CHECKS = (
    *("fp32", "bf16", "fp16", "4-bit", "8-bit", "checkpointing", "sharing", "reference", "out-of-memory", "preflight"),
    "generation",
)
PASS, FAIL, SKIPPED = "pass", "FAIL", "skipped"
PAIR_COUNT, SEED = 16, 42
PATIENCE = 600.0  # seconds for one check, libraries included
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "triton")
FOLDERS = r"""[A-Za-z]:\\[^:*?"'<>|]*\\|(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'",;]+)+[\\/]"""
LONGEST = 300  # characters of an error in the text to paste


class Outcome(NamedTuple):
    """What a check came to. ``log`` is what it printed, or its traceback, where it failed."""

    name: str
    result: str
    seconds: float
    figures: str
    log: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks one after the other, show and write what they came to; returns the exit code."""
    parser = new_parser(__doc__ or "")
    sft_default = "models/sft_specialist_fast_fp16/final_model"
    parser.add_argument("--model", default=sft_default, help="Stage A: full model or adapter")
    parser.add_argument("--train_data_path", default=PAIRS, help="pairs of step 1; the default ones are made if absent")
    parser.add_argument("--checks", nargs="+", choices=CHECKS, default=list(CHECKS), help="run these only")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("outputs/gpu_smoke"), help="gets gpu_smoke.md and gpu_smoke.log"
    )
    args = parser.parse_args(argv)
    find_checkpoint(args.model, "--model", "python models/train_stage_a.py")
    device = choose_device(args.device)
    make_output_dir(args.output_dir)

    # ------------------------------------------------------------------ one check after the other
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="gpu-smoke-") as folder:
        pairs = draw_pairs(args.train_data_path, PAIR_COUNT, SEED, Path(folder))
        for name in args.checks:
            outcomes.append(outcome_of(name, args.model, pairs, device, Path(folder) / name))
            print(f"{name:14} {outcomes[-1].result:8} {outcomes[-1].seconds:6.1f} s", flush=True)

    # ------------------------------------------------------------------ show and write
    from rich.console import Console

    Console(highlight=False, markup=False).print(as_table(outcomes))
    for name, text in (("gpu_smoke.md", as_markdown(outcomes, machine(device))), ("gpu_smoke.log", as_log(outcomes))):
        with atomic_writer(args.output_dir / name) as file:
            file.write(text)
    failed = any(outcome.result == FAIL for outcome in outcomes)
    print(f"{'✗' if failed else '✓'} {counted(outcomes)}")
    print(f"To paste     {args.output_dir / 'gpu_smoke.md'} (no notes, names or folders in it)")
    if failed:
        print(f"Tracebacks   {args.output_dir / 'gpu_smoke.log'} (read it before you pass it on)")
    return EXIT_FAILED if failed else EXIT_OK


def outcome_of(name: str, model: str, pairs: Path, device: torch.device, folder: Path) -> Outcome:
    """What a check comes to in a process of its own, whatever becomes of that."""
    start = time.perf_counter()
    try:
        with Worker(partial(run_check, name, model, pairs, device), folder) as worker:
            report = next(worker.turns(PATIENCE))
    except RunError as error:
        return Outcome(name, FAIL, time.perf_counter() - start, without_places(error), str(error))
    return Outcome(name, report["result"], report["seconds"], report["figures"], report["log"])


def run_check(name: str, model: str, pairs: Path, device: torch.device, connection: Connection, folder: Path) -> None:
    """In a worker: one check, and what it came to."""
    import benchmarks.smoke.checks  # noqa: F401  # before the clock starts
    from benchmarks.smoke.setting import Setting

    turns = Turns(connection)
    result, figures, log = judged(name, Setting(model, pairs, device, folder))
    turns.done(LAST, result=result, figures=figures, log=log)


def judged(name: str, setting: Setting) -> tuple[str, str, str]:
    """Result, figures and log of a check; whatever it raises is its failure, or that it has to be left out."""
    from benchmarks.smoke.checks import CHECKS as RUN
    from benchmarks.smoke.setting import CheckFailed, Skipped

    try:
        return PASS, RUN[name](setting), ""
    except Skipped as reason:
        return SKIPPED, str(reason), ""
    except CheckFailed as error:
        return FAIL, str(error), traceback.format_exc()
    except Exception as error:
        return FAIL, f"{without_places(error)}, in {last_place(error)}", traceback.format_exc()


def last_place(error: BaseException) -> str:
    """The file and line that an error comes from, without the folders above its package."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    return f"{path.parent.name}/{path.name}:{frame.lineno}"


def without_places(error: BaseException) -> str:
    """Kind and first line of an error, without the folders in it, which tell who runs this."""
    line = (str(error).strip().splitlines() or [""])[0]
    for folder in (PROJECT_ROOT, tempfile.gettempdir(), Path.home()):
        line = line.replace(str(folder), "…")
    line = re.sub(FOLDERS, "…/", line)
    return f"{type(error).__name__}: {line}"[:LONGEST]


# ---------------------------------------------------------------------- what is shown


def as_table(outcomes: Sequence[Outcome]) -> Table:
    """For the terminal."""
    from rich.table import Table

    table = Table("check", "result", "s", "figures", title="Stage B on this machine")
    for outcome in outcomes:
        table.add_row(outcome.name, outcome.result, f"{outcome.seconds:.1f}", outcome.figures)
    return table


def as_markdown(outcomes: Sequence[Outcome], machine: Sequence[str]) -> str:
    """For an issue."""
    rows = [
        f"| {outcome.name} | {outcome.result} | {outcome.seconds:.1f} | {outcome.figures.replace('|', '/')} |"
        for outcome in outcomes
    ]
    head = ["| check | result | s | figures |", "|---|---|---|---|"]
    lines = [f"- {line}" for line in machine]
    return "\n".join([f"**gpu_smoke.py: {counted(outcomes)}**", "", *lines, "", *head, *rows, ""])


def as_log(outcomes: Sequence[Outcome]) -> str:
    """All that the failed checks left."""
    return "\n".join(f"==== {outcome.name}\n{outcome.log}" for outcome in outcomes if outcome.log)


def counted(outcomes: Sequence[Outcome]) -> str:
    """How many came to what."""
    counts = Counter(outcome.result for outcome in outcomes)
    return ", ".join(f"{counts[result]} {result}" for result in (PASS, FAIL, SKIPPED) if counts[result])


def machine(device: torch.device) -> list[str]:
    """Card, driver, system and versions, a line each."""
    import torch

    system = f"{platform.system()} {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    versions = ", ".join(f"{package} {version_of(package)}" for package in PACKAGES)
    if device.type != "cuda":
        return [f"no card, {device.type}", system, versions]
    card, seen = torch.cuda.get_device_properties(device), torch.cuda.device_count()
    memory, capability = f"{card.total_memory / 1e9:.1f} GB", f"compute capability {card.major}.{card.minor}"
    libraries = f"driver {driver()}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return [f"{card.name}, {memory}, {capability}, {seen} in sight", libraries, system, versions]


def version_of(package: str) -> str:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def driver() -> str:
    """The version of NVIDIA's driver, as its own tool tells it."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, encoding="utf-8", timeout=20, check=True).stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):  # none, or one that speaks otherwise
        told = []
    return told[0] if told else "unknown"


if __name__ == "__main__":
    run_script(main)
