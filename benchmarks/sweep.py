"""What does each setting of Stage B do? One option changed at a time, around a setting that you give.

    python benchmarks/sweep.py --train_pairs 200 --notes 100

Makes pairs once, trains an arm for each value (README's step 2), summarises validation notes with each (step 3) and
judges the summaries by the notes' known facts. Cut off, the same command goes on; what is there is written after every
arm. Writes SWEEP.md, sweep.json, sweep.png, and the training curves of four arms into sweep_curves.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arms.options import add_setting
from benchmarks.arms.plan import (
    NOTES,
    OF_PAIRS,
    SEED,
    check_options,
    content,
    share_texts,
)
from benchmarks.arms.steps import Step, each_step, minutes, seconds_if_done
from benchmarks.measured_on import PACKAGES, measured_on
from benchmarks.one_factor.plan import (
    FACTORS,
    SETTING,
    STAGE_A,
    Arm,
    SweepPlan,
    all_arms,
    judging,
    points,
    setting_of,
    training,
)
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_int, run_script

if TYPE_CHECKING:
    import pandas as pd

    from utils.models import Checkpoint

CURVES = "sweep_curves"


def build_parser() -> argparse.ArgumentParser:
    """The options; those of pairs and training, the setting, are taken over from their own scripts."""
    parser = new_parser(__doc__ or "")
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--factors",
        nargs="+",
        choices=tuple(FACTORS),
        default=list(FACTORS),
        help="what is changed, one after the other; each run of all_weights takes 2.2 GB in --work_dir",
    )
    what.add_argument("--train_pairs", type=positive_int, default=200, help="the same for all arms")
    what.add_argument("--notes", type=positive_int, default=100, help="a seeded sample of validation notes")
    parser.set_defaults(split="val")  # settings are chosen on these; test notes are for what was chosen
    paths = parser.add_argument_group("what goes in and out")
    paths.add_argument("--sft_model_path", default="models/sft_specialist_fast_fp16/final_model", help="Stage A")
    paths.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="notes whose facts are known")
    paths.add_argument("--work_dir", type=Path, default=Path("outputs/sweep"), help="gets what the steps make")
    paths.add_argument("--output_dir", type=Path, default=Path("benchmarks"), help="gets the report")
    paths.add_argument("--guide", type=Path, help="a document whose table of the sweep is renewed")
    add_setting(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Plan, then train and judge arm by arm, writing what is there after each; returns the exit code."""
    args = build_parser().parse_args(argv)

    # ------------------------------------------------------------------ check the input before hours of work
    from benchmarks.stage_a_rate import known_examples
    from utils.files import locked, make_output_dir
    from utils.models import find_checkpoint

    if args.guide and not args.guide.is_file():
        raise UserError(f"no such file: {args.guide}; name one that is there with --guide")
    known_examples(from_here_or_project(args.phase1_dir) / NOTES["val"], args.notes, SEED)
    reads = content(args)
    stage_a = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    full_model = args.work_dir / f"stage_a_merged-{reads[:8]}" if stage_a.adapter else Path(args.sft_model_path)
    factors = {factor: points(factor, setting_of(args)) for factor in FACTORS if factor in args.factors}
    plan = SweepPlan(args, args.train_pairs, reads, all_arms(factors.values()), str(full_model))
    steps = {step.name: step for step in plan.steps()}
    check_options(steps.values())
    print_plan(plan, factors, steps)
    for folder in (args.work_dir, args.output_dir):
        make_output_dir(folder)

    # ------------------------------------------------------------------ train, judge and write, arm by arm
    from benchmarks.arms.marked_text import renew
    from benchmarks.one_factor.report import SOURCE, for_guide

    of_plan = {
        "notes": args.notes,
        "train_pairs": args.train_pairs,
        "setting": setting_of(args),
        "pairs": {name: getattr(args, name) for name in OF_PAIRS},
        "factors": {factor: {value: arm.name for value, arm in arms.items()} for factor, arms in factors.items()},
    }
    with locked(args.work_dir / ".lock", f"another run is at work in {args.work_dir}; wait for it, or stop it first"):
        for step in steps.values():
            share_texts(step)
        if "all_weights" in factors:
            merge_stage_a(stage_a, full_model)
        for measured in judged_arms(plan, steps):
            record = {**measured_on("sweep.py", argv, packages=PACKAGES), **of_plan, **measured}
            write(record, args.output_dir, steps)
            if args.guide:
                renew(args.guide, SOURCE, for_guide(record))
    print(f"✓ {args.output_dir / 'SWEEP.md'}, sweep.json, sweep.png and {CURVES} beside it")
    return EXIT_OK


def print_plan(plan: SweepPlan, factors: Mapping[str, Mapping[str, Arm]], steps: Mapping[str, Step]) -> None:
    """What will be done, and about how long each part of it takes on 2 CPU cores."""
    left = [step.expected for step in steps.values() if seconds_if_done(step) is None]
    print(f"{'Sweep':14} {len(plan.arms)} arms, {plan.pairs} pairs, {plan.args.notes} validation notes")
    print(f"{'Steps':14} {len(steps)}, {len(steps) - len(left)} of them done; about {minutes(sum(left))} left")
    setting = plan.arms[0]
    said = {"pairs", judging(STAGE_A), *plan.needed(setting)}
    print(f"{SETTING:14} and pairs and Stage A: about {minutes(sum(steps[name].expected for name in said))}")
    for factor, arms in factors.items():
        needed = {name for arm in arms.values() for name in plan.needed(arm)} - said
        said |= needed
        seconds = sum(steps[name].expected for name in needed)
        print(f"{factor:14} {', '.join(arms)}: about {minutes(seconds)}", flush=True)


def merge_stage_a(stage_a: Checkpoint, full_model: Path) -> None:
    """Make one plain model of Stage A's adapter and its base, unless there is one."""
    from preference.runs.final_model import save_merged_model

    if stage_a.adapter and not full_model.is_dir():
        save_merged_model(stage_a, full_model)


def judged_arms(plan: SweepPlan, steps: Mapping[str, Step]) -> Iterator[dict[str, Any]]:
    """Do all steps; after each new arm, and the last, what is known by then.

    Stage A's figures, each arm's, and whose training curves show what.
    """
    from benchmarks.arms.figures import read_results
    from benchmarks.one_factor.figures import of_arm, of_summaries, shown_curves
    from utils.run_record import read_record

    taken: dict[str, float] = {}
    results: dict[str, pd.DataFrame] = {}
    measured: dict[str, Any] = {}
    arms = {judging(arm): arm for arm in (STAGE_A, *plan.arms)}
    new = {name for name, step in steps.items() if seconds_if_done(step) is None} | {judging(plan.arms[-1])}
    for step, seconds in each_step(list(steps.values())):
        taken[step.name] = seconds
        plan.hand_on(step, steps)
        if step.name not in arms:
            continue
        arm = arms[step.name]
        results[arm.name] = read_results(step.folder)
        if arm is STAGE_A:
            measured |= {"stage_a": of_summaries(results[arm.name]), "arms": {}}
            continue
        trained = read_record(steps[training(arm)].folder)["results"]
        compared = (results[name] for name in (arm.name, STAGE_A.name, SETTING))
        measured["arms"][arm.name] = {
            **of_arm(plan.options(arm), trained, *compared),
            "minutes": sum(taken[name] for name in plan.needed(arm) if name != step.name) / 60,
        }
        if step.name in new:
            yield {**measured, "curves": shown_curves(measured["arms"])}


def write(record: Mapping[str, Any], output_dir: Path, steps: Mapping[str, Step]) -> None:
    """Write report, figures, picture and curves."""
    from benchmarks.one_factor import plot, report
    from preference.runs.folder import CURVES as OF_RUN
    from utils.files import atomic_folder, atomic_writer, write_json

    with atomic_folder(output_dir / CURVES) as folder:
        for title, arm in record["curves"].items():
            shutil.copyfile(steps[training(Arm(arm, {}))].folder / OF_RUN, folder / f"{title}.png")
    write_json(output_dir / "sweep.json", record)
    plot.draw(record, output_dir / "sweep.png")
    with atomic_writer(output_dir / "SWEEP.md") as file:
        file.write(report.markdown(record))


if __name__ == "__main__":
    run_script(main)
