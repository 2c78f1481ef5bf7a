"""How often Stage A hallucinates, by the oracle, as it trains: the adapter of each evaluation on the same notes.

    python benchmarks/stage_a_rate.py --curve_notes 60 --test_notes 150

Summarises a seeded sample of validation notes with each adapter that models/train_stage_a.py kept, and of test notes
with the last one; writes stage_a_rate.json and stage_a_rate.png. Cut off, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_on import PACKAGES, measured_on
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_int, run_script
from utils.models import DEVICES, FETCH_BASE

if TYPE_CHECKING:
    from evaluation_stage_a.examples import Example
    from utils.models import Checkpoint

STAGE_A = "models/sft_specialist_fast_fp16"


@dataclass(frozen=True)
class Point:
    """One set of weights of the run: after ``step`` updates, 0 for the untrained base."""

    step: int
    checkpoint: Checkpoint
    val_loss: float | None


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    data = "phase1_data_medhal/sft"
    parser.add_argument("--stage_a", default=STAGE_A, help="output folder of a finished models/train_stage_a.py")
    parser.add_argument("--val_data", default=f"{data}/validation_set_processed.csv", help="notes of the curve")
    parser.add_argument("--test_data", default=f"{data}/test_set_processed.csv", help="notes of the final rate")
    parser.add_argument("--curve_notes", type=positive_int, default=60, help="a seeded sample for each adapter")
    parser.add_argument("--test_notes", type=positive_int, default=150, help="a seeded sample for the last adapter")
    parser.add_argument("--with_base", action="store_true", help="add the untrained base as step 0")
    parser.add_argument("--output_dir", type=Path, default=Path("benchmarks"), help="gets the .json and the .png")
    work = Path("outputs/stage_a_rate")
    parser.add_argument("--work_dir", type=Path, default=work, help="gets the generated texts, to go on from")
    parser.add_argument("--batch_size", type=positive_int, default=16, help="summaries generated at once")
    parser.add_argument("--max_new_tokens", type=positive_int, default=160, help="longest summary, in tokens")
    parser.add_argument("--seed", type=int, default=42, help="of the samples of notes")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Generate, judge, write, draw; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from utils.files import make_output_dir, write_json
    from utils.models import choose_device

    stage_a = from_here_or_project(args.stage_a)
    points = find_points(stage_a, args.with_base)
    validation = known_examples(from_here_or_project(args.val_data), args.curve_notes, args.seed)
    test = known_examples(from_here_or_project(args.test_data), args.test_notes, args.seed)
    device = choose_device(args.device)
    for folder in (args.output_dir, args.work_dir):
        make_output_dir(folder)

    # ------------------------------------------------------------------ generate and judge
    from evaluation_stage_a.figures import as_json

    curve = []
    for point in points:
        print(f"Step {point.step:<8} {len(validation)} validation notes", flush=True)
        figures = measure(point, validation, device, args)
        curve.append({"step": point.step, "val_loss": point.val_loss, **as_json(figures)})
    print(f"Step {points[-1].step:<8} {len(test)} test notes", flush=True)
    final = {"step": points[-1].step, **as_json(measure(points[-1], test, device, args))}

    # ------------------------------------------------------------------ write, draw, show
    record = {
        **measured_on("stage_a_rate.py", argv, packages=PACKAGES),
        "device": str(device),
        "training": training_record(stage_a),
        "interval": "95 % Wilson",
        "curve_on_validation_notes": curve,
        "last_adapter_on_test_notes": final,
    }
    write_json(args.output_dir / "stage_a_rate.json", record)
    draw(curve, args.output_dir / "stage_a_rate.png")
    show(curve, final)
    print(f"✓ {args.output_dir / 'stage_a_rate.json'}, {args.output_dir / 'stage_a_rate.png'}")
    return EXIT_OK


def find_points(stage_a: Path, with_base: bool) -> list[Point]:
    """The adapters of a finished Stage A run, in the order of their steps. Raises UserError where there are none."""
    from utils.models import find_checkpoint

    rebuild = "python models/train_stage_a.py"
    try:
        kept = stage_a / json.loads((stage_a / "run.json").read_text("utf-8"))["results"]["checkpoints"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{stage_a} has no finished run with kept adapters; make one with: {rebuild}") from error
    points = []
    for folder in sorted(kept.glob("step-*")):
        where = json.loads((folder / "point.json").read_text("utf-8"))
        points.append(Point(where["step"], find_checkpoint(str(folder), "--stage_a", rebuild), where["val_loss"]))
    if not points:
        raise UserError(f"{kept} has no step-* folder; its adapters were removed: run {rebuild} into another folder")
    base = Point(0, find_checkpoint(points[0].checkpoint.base, "--stage_a", FETCH_BASE), None)
    return [base, *points] if with_base else points


def known_examples(path: Path, count: int, seed: int) -> list[Example]:
    """A seeded sample of notes whose facts are known. Raises UserError where a note's are not."""
    from evaluation_stage_a.examples import read_examples
    from evaluation_stage_a.known_facts import facts_of

    examples = read_examples(path, count, seed)
    unknown = next((e.example_id for e in examples if facts_of(e.evidence_stats) is None), None)
    if unknown is not None:
        raise UserError(
            f"{path}: row {unknown} has no facts in evidence_stats; only shipped notes can be judged exactly"
        )
    return examples


def measure(point: Point, examples: Sequence[Example], device: Any, args: argparse.Namespace) -> dict[str, Any]:
    """The oracle's figures for one set of weights on some notes."""
    from evaluation_stage_a.figures import summarise
    from evaluation_stage_a.screening import score_all
    from utils.files import sha256_path
    from utils.generation import GenerationSettings, generate_all
    from utils.models import choose_dtype, load_to_generate, load_tokenizer
    from utils.prompts import encode_prompt, prompt_messages

    tokenizer = load_tokenizer(point.checkpoint)
    prompts = [encode_prompt(tokenizer, prompt_messages(example.clinical_note)) for example in examples]
    hashes = [sha256_path(folder) for folder in point.checkpoint.folders.values()]
    model_id = f"{hashes}: {choose_dtype(device)} on {device.type}, batch {args.batch_size}"
    texts, _ = generate_all(
        loader(lambda: load_to_generate(point.checkpoint, device)),
        tokenizer,
        prompts,
        GenerationSettings(args.max_new_tokens),
        args.batch_size,
        args.work_dir / f"step-{point.step:06d}.journal.jsonl",
        model_id,
    )
    figures = summarise(score_all(examples, texts))
    shared = ("mean_words", "stopped_at_eos", "screened_hallucination_rate")
    return {**figures["oracle"], **{name: figures[name] for name in shared}}


def loader(load: Callable[[], Any]) -> Callable[[], Any]:
    """``load`` with the setting that makes generation on a CPU fast."""
    from utils.cpu_speed import reuse_freed_memory

    def loaded() -> Any:
        reuse_freed_memory()
        return load()

    return loaded


def training_record(stage_a: Path) -> dict[str, Any]:
    """How the adapters were made: arguments, hashes of the data, results, from the run's own record."""
    run = json.loads((stage_a / "run.json").read_text("utf-8"))
    return {
        "command": ["python", f"models/{run['script']}", *run["command"][1:]],
        "finished": run["finished"],
        "arguments": {name: argument["value"] for name, argument in run["arguments"].items()},
        "inputs": {name: entry["sha256"] for name, entry in run["inputs"].items()},
        "results": run["results"],
    }


def draw(curve: Sequence[dict[str, Any]], path: Path) -> None:
    """The oracle's rate with its interval, and the validation loss below it, against the training steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    steps = [point["step"] for point in curve]
    figure, (rate, loss) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), layout="constrained")
    for name, colour, label in (
        ("hallucination_rate", "C3", "with an error"),
        ("upper_bound_rate", "C1", "upper bound: unjudged claims counted"),
    ):
        shares = [point[name] for point in curve]
        rate.plot(steps, [100 * share["share"] for share in shares], "o-", color=colour, label=label)
        low, high = ([100 * share[end] for share in shares] for end in ("low", "high"))
        rate.fill_between(steps, low, high, color=colour, alpha=0.15)
    rate.set(ylabel="summaries, % (95 % Wilson)", ylim=(0, 100))
    rate.set_title(f"Stage A on {curve[0]['summaries']} validation notes, judged by known facts")
    rate.legend()
    known = [(point["step"], point["val_loss"]) for point in curve if point["val_loss"] is not None]
    loss.plot([step for step, _ in known], [value for _, value in known], "o-", color="C0")
    loss.set(xlabel="training steps", ylabel="validation loss")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def show(curve: Sequence[dict[str, Any]], final: dict[str, Any]) -> None:
    """Print the curve and the final rate."""
    from rich.console import Console
    from rich.table import Table

    from utils.statistics import Rate

    table = Table(
        "step", "val loss", "with an error", "upper bound", "claims", "coverage", title="Known facts (oracle)"
    )
    named = [(str(point["step"]), point) for point in curve] + [(f"{final['step']}, test", final)]
    for name, point in named:
        loss = "" if point.get("val_loss") is None else f"{point['val_loss']:.3f}"
        rates = (str(Rate(**point[key])) for key in ("hallucination_rate", "upper_bound_rate"))
        table.add_row(name, loss, *rates, f"{point['claims_per_summary']:.1f}", f"{point['coverage']:.0%}")
    console = Console(highlight=False)
    console.print(table)
    types = final["errors_by_type"]
    total = sum(types.values())
    console.print(
        "errors on test notes: " + (", ".join(f"{n} {c} ({c / total:.0%})" for n, c in types.items()) or "none")
    )


if __name__ == "__main__":
    run_script(main)
