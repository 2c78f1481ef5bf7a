"""Stage B against stock TRL, side by side on the same pairs: time, peak memory, losses and gradients.

    python benchmarks/dpo_speed.py --pairs 32 --num_epochs 2

Stock is TRL's DPOTrainer as its user runs it, ours is stage_b_dpo_training.py; the two take turns step by step, on the
CPU in fp32. Then ours again with another beta, whose reference is known. Writes dpo_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_on import PACKAGES, measured_on
from benchmarks.side_by_side import dpo_figures as figures
from benchmarks.side_by_side.turns import Report, Turns, Worker
from utils.cli import (
    EXIT_OK,
    PROJECT_ROOT,
    RunError,
    from_here_or_project,
    new_parser,
    positive_float,
    positive_int,
    run_script,
)
from utils.cpu_speed import LARGE_PAGES
from utils.files import make_output_dir, write_json
from utils.records import write_jsonl

PAIRS = "phase2_data/dpo/train_dpo.jsonl"
# What has to be reached: so many times as fast, with the plain loss and with a mixed one; at most so much of stock's
# memory, so far from what the preflight predicts, and from stock's losses and gradients; at most so many seconds from
# the model loaded to the end of a rerun's first step.
TIME_BAR, TIME_BAR_MIXED = 3.5, 3.0
MEMORY_BAR, PREDICTION_BAR, LOSS_BAR, GRADIENT_BAR, RERUN_BAR = 0.5, 0.2, 1e-3, 1e-4, 15.0
RERUN_BETA, PROFILED_STEPS = 0.2, 2


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    sft_default = "models/sft_specialist_fast_fp16/final_model"
    parser.add_argument("--sft_model_path", default=sft_default, help="Stage A: full model or adapter")
    parser.add_argument("--train_data_path", default=PAIRS, help="pairs of step 1; the default ones are made if absent")
    parser.add_argument("--pairs", type=positive_int, default=32, help="a seeded sample by note")
    parser.add_argument("--num_epochs", type=positive_int, default=2, help="passes over the pairs")
    parser.add_argument("--batch_size", type=positive_int, default=4, help="pairs in memory at once")
    parser.add_argument(
        "--learning_rate",
        type=positive_float,
        default=5e-5,
        help="ten times step 2's: in so few steps the losses must move for a difference to show",
    )
    parser.add_argument(
        "--losses", nargs="+", default=["sigmoid", "sigmoid sft"], help="a run each; several names in one are added up"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the sample, the order and the intervals")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/dpo_speed.json"), help="the figures as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the pairs, run all arms for each loss, write and show; returns the exit code."""
    args = build_parser().parse_args(argv)
    make_output_dir(args.output.parent)
    results = {}
    with tempfile.TemporaryDirectory(prefix="dpo-speed-") as folder:
        pairs = draw_pairs(args.train_data_path, args.pairs, args.seed, Path(folder))
        for number, loss in enumerate(args.losses):
            results[loss] = compare(loss, pairs, args, Path(folder) / f"loss-{number}")
            show(loss, results[loss])
    record = {
        **measured_on("dpo_speed.py", argv, packages=PACKAGES),
        "settings": {name: value for name, value in vars(args).items() if name not in ("losses", "output")},
        "interval": f"95 %, bootstrap over steps, {figures.RESAMPLES} resamples",
        "losses": figures.as_json(results),
    }
    write_json(args.output, record)
    print(f"✓ {args.output}")
    return EXIT_OK


def draw_pairs(train_data_path: str, count: int, seed: int, folder: Path) -> Path:
    """A file with a sample of the pairs. The default ones are made where they are not there."""
    from preference.data.pairs import read_pairs

    path = from_here_or_project(train_data_path)
    if train_data_path == PAIRS and not path.is_file():
        print(f"Pairs        no {PAIRS}: making them anew, which takes a minute", flush=True)
        script = [sys.executable, str(PROJECT_ROOT / "generate_phase2_data.py"), "--phase2_dir", str(folder / "made")]
        made = subprocess.run(script, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if made.returncode:
            raise RunError(f"generate_phase2_data.py failed:\n{made.stdout}{made.stderr}")
        path = folder / "made" / path.name
    sample = folder / "pairs.jsonl"
    write_jsonl(sample, read_pairs(path, count, seed))
    return sample


def compare(loss: str, pairs: Path, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures for one loss."""
    argv = ["--device", "cpu", "--train_data_path", str(pairs), "--reference_dir", str(folder / "reference")]
    for name in ("sft_model_path", "num_epochs", "batch_size", "learning_rate", "seed"):
        argv += [f"--{name}", str(getattr(args, name))]
    argv += ["--loss_type", *loss.split()]
    stock_worker = Worker(partial(run_arm, "stock", argv), folder / "stock")
    our_worker = Worker(partial(run_arm, "ours", argv), folder / "ours")
    turns: list[tuple[Report, Report]] = []
    with stock_worker, our_worker:
        for stock, ours in zip(stock_worker.turns(), our_worker.turns(), strict=True):
            turns.append((stock, ours))
            what = f"{stock['phase']} {stock.get('step', '')}"
            print(f"{what:10} stock {stock['seconds']:8.1f} s   ours {ours['seconds']:8.1f} s", flush=True)
    return {
        **figures.side_by_side(turns, args.num_epochs, args.seed),
        "gradient_difference": gradients_apart(stock_worker.folder, our_worker.folder),
        "rerun": rerun([*argv, "--beta", str(RERUN_BETA)], folder / "rerun"),
    }


def run_arm(name: str, argv: Sequence[str], connection: Connection, folder: Path) -> None:
    """In a worker: one arm, with the options of step 2. Its first turn begins when the libraries are there."""
    if name == "stock":
        os.environ.pop(LARGE_PAGES, None)  # our script asks for them, and this benchmark is one of ours
    from benchmarks.side_by_side import dpo_arms
    from stage_b_dpo_training import build_parser as stage_b_parser

    args = stage_b_parser().parse_args([*argv, "--output_dir", str(folder)])
    if name == "stock":
        dpo_arms.run_stock(args, Turns(connection))
    else:
        dpo_arms.run_ours(args, Turns(connection), PROFILED_STEPS if name == "rerun" else 0)


def gradients_apart(stock: Path, ours: Path) -> dict[str, Any]:
    """How far the gradients of the first step are apart, and in which parameter."""
    from safetensors.numpy import load_file

    largest, parameter = figures.gradient_difference(
        load_file(stock / figures.GRADIENTS), load_file(ours / figures.GRADIENTS)
    )
    return {"largest": largest, "parameter": parameter}


def rerun(argv: Sequence[str], folder: Path) -> dict[str, Any]:
    """Ours again while the reference is known: how soon the first step is done, and where the next ones' time goes."""
    seconds: dict[str, float] = {}
    computed = None
    with Worker(partial(run_arm, "rerun", argv), folder) as worker:
        for report in worker.turns():
            seconds.setdefault(report["phase"], report["seconds"])
            computed = report.get("computed", computed)
            if report.get("step") == 1 + PROFILED_STEPS:
                break
    profile = folder / figures.PROFILE_FILE
    return {
        "beta": RERUN_BETA,
        "pairs_computed": computed,
        "seconds": {phase: seconds[phase] for phase in ("build", "estimate", "reference", "step")},
        "first_step_done": sum(seconds[phase] for phase in ("build", "estimate", "reference", "step")),
        "profile": json.loads(profile.read_text("utf-8")) if profile.is_file() else None,
    }


class Bar(NamedTuple):
    """A figure that has to be reached."""

    name: str
    measured: str
    bar: float
    reached: bool


def bars(loss: str, found: Mapping[str, Any]) -> list[Bar]:
    """One loss's figures beside their bars."""

    def at_most(name: str, value: float, bar: float, form: str) -> Bar:
        return Bar(name, format(value, form), bar, value <= bar)

    ratio, fast = found["time_ratio"], TIME_BAR if loss == "sigmoid" else TIME_BAR_MIXED
    return [
        Bar("times as fast, reference included", str(ratio), fast, ratio.ratio >= fast),
        at_most("peak memory, part of stock's", found["peak_gb"]["ratio"], MEMORY_BAR, ".2f"),
        at_most("memory as predicted, off by", found["peak_gb"]["prediction_off_by"], PREDICTION_BAR, ".0%"),
        at_most("largest difference of a loss", found["loss_difference"], LOSS_BAR, ".1e"),
        at_most("of a gradient, relative", found["gradient_difference"]["largest"], GRADIENT_BAR, ".1e"),
        at_most("rerun: s to the end of its first step", found["rerun"]["first_step_done"], RERUN_BAR, ".1f"),
    ]


def show(loss: str, found: Mapping[str, Any]) -> None:
    """Print one loss's figures, and where the time goes."""
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "measured", "bar", "", title=f"Stage B and stock TRL, {loss} (95 % interval)")
    for name, measured, bar, reached in bars(loss, found):
        table.add_row(name, measured, f"{bar:g}", "✓" if reached else "✗")
    Console(highlight=False, markup=False).print(table)
    low, middle, high = found["step_ratio"]
    peak, limit, profile = found["peak_gb"], found["limit"], found["rerun"]["profile"]
    whole = found["time_ratio_from_the_loaded_model"].ratio
    print(f"Whole run    {whole:.2f} times as fast with the self-check and the timing that ours does before it starts")
    print(f"Each step    {middle:.2f} times as fast, in four of five {low:.2f} to {high:.2f}")
    stock, ours, predicted = (peak[name] for name in ("stock", "ours", "ours_predicted"))
    print(f"Memory       stock {stock:.2f} GB, ours {ours:.2f} GB, predicted {predicted:.2f} GB")
    print(
        f"Limit        {limit['ratio']:.2f} times as fast, counting operations; measured: {limit['reached']:.0%} of it"
    )
    if found["not_shared_because"]:
        print(f"Warning      ours ran each note twice, because {found['not_shared_because']}")
    if profile:
        print("Our time     " + ", ".join(f"{name} {share:.0%}" for name, share in profile.items()))


if __name__ == "__main__":
    run_script(main)
