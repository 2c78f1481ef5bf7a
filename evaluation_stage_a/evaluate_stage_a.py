"""Step 3: summarise test notes with a checkpoint, Stage A's or Stage B's, and measure what came out.

    python evaluation_stage_a/evaluate_stage_a.py --model_path "models/dpo_hallucination_resistant/final_model" \\
        --test_data "phase1_data_medhal/sft/test_set_processed.csv" --output_dir "evaluation_results_stage_b" \\
        --max_examples 50 --device cuda

Leave --device out where there is no CUDA card. Writes evaluation_results.csv, evaluation_statistics.json and
evaluation_report.html (.txt for the terminal); --compare_with sets the result beside an earlier one on the same notes.
Cut off, the same command goes on. accelerate launch shares the notes out over processes, which write the texts of one.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_int, run_script, temperature
from utils.models import DEVICES

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from utils.statistics import Rate


def build_parser() -> argparse.ArgumentParser:
    """The options, with the defaults that README shows."""
    parser = new_parser(__doc__ or "")
    model_default = "models/dpo_hallucination_resistant/final_model"
    test_default = "phase1_data_medhal/sft/test_set_processed.csv"
    paths = parser.add_argument_group("what goes in and out")
    paths.add_argument("--model_path", default=model_default, help="full model, adapter, or hub:owner/name")
    paths.add_argument("--test_data", default=test_default, help="CSV with clinical_note; model_summary is optional")
    paths.add_argument(
        "--output_dir", type=Path, default=Path("evaluation_results_stage_b"), help="gets results and report"
    )
    paths.add_argument("--max_examples", type=positive_int, default=50, help="a seeded sample of so many notes")
    paths.add_argument("--compare_with", type=Path, help="folder of an earlier evaluation, e.g. of Stage A")
    paths.add_argument(
        "--pairs", type=Path, help="pairs JSONL: how often is chosen likelier than rejected? of --max_examples"
    )
    without_model = paths.add_mutually_exclusive_group()
    without_model.add_argument(
        "--score_only", action="store_true", help="score what an earlier run has generated; loads no model"
    )
    without_model.add_argument(
        "--predictions", help="score these summaries instead: CSV with clinical_note, generated_summary; all its rows"
    )

    generation = parser.add_argument_group("generation")
    generation.add_argument(
        "--batch_size",
        type=positive_int,
        default=16,
        help="summaries generated at once; 1 is the strict mode: no "
        "text depends, in the last bits of its logits, on what it is generated with",
    )
    generation.add_argument("--max_new_tokens", type=positive_int, default=160, help="longest summary, in tokens")
    generation.add_argument(
        "--temperature", type=temperature, default=0.0, help="0 is greedy: the same text every time"
    )
    generation.add_argument(
        "--num_samples", type=positive_int, default=1, help="summaries of each note, where --temperature is above 0"
    )
    generation.add_argument("--seed", type=int, default=42, help="of the sample of notes, and of sampled texts")

    hardware = parser.add_argument_group("hardware")
    hardware.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    quantized = hardware.add_mutually_exclusive_group()
    quantized.add_argument("--load_in_4bit", action="store_true", help="quantize the weights to NF4 (12 GB cards)")
    quantized.add_argument("--load_in_8bit", action="store_true", help="quantize the weights to int8")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Summarise, score, compare, report; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from evaluation_stage_a.summaries import MadeElsewhere, OfCheckpoint, warnings
    from utils.distributed import is_main_process
    from utils.files import make_output_dir, write_json
    from utils.pairs import read_pairs
    from utils.rates import EVALUATED_RUN, add_rate
    from utils.run_record import RunRecord

    if args.num_samples > 1 and not args.temperature:
        raise UserError("--num_samples needs a --temperature above 0, such as 0.8: greedy samples are all the same")
    if args.pairs and (args.predictions or args.score_only):
        raise UserError("--pairs needs the model, which --predictions and --score_only do not load; leave it out")
    source = MadeElsewhere(args) if args.predictions else OfCheckpoint(args)
    from evaluation_stage_a.comparison import RESULTS_CSV, compare, read_earlier, score_earlier
    from evaluation_stage_a.figures import as_json, summarise

    notes = [example.clinical_note for example in source.examples]
    earlier = read_earlier(args.compare_with, notes) if args.compare_with else None
    pairs_path = from_here_or_project(args.pairs) if args.pairs else None
    pairs = read_pairs(pairs_path, args.max_examples, args.seed) if pairs_path else []
    inputs = {**source.inputs, "pairs": pairs_path} if pairs_path else source.inputs
    record = RunRecord(args.output_dir, __file__, args, parser, inputs)
    make_output_dir(args.output_dir)

    # ------------------------------------------------------------------ generate
    summaries = source.summarise(record.inputs)
    if not is_main_process():
        return EXIT_OK

    # ------------------------------------------------------------------ score
    from evaluation_stage_a import preferences
    from evaluation_stage_a.page import write_html
    from evaluation_stage_a.report import before_and_after, one_model
    from evaluation_stage_a.samples import SAMPLES_CSV, first_samples, in_words, sample_figures, score_samples
    from evaluation_stage_a.set_aside import PAGE, REPORT, STATISTICS, keep_apart

    scored = score_samples(summaries)
    results = first_samples(scored)
    figures: dict[str, Any] = summarise(results)
    table = one_model(figures)
    before = score_earlier(summaries.examples, earlier) if earlier else None
    if before is not None:
        figures["comparison"] = compare(before, results)
        table = before_and_after(figures["comparison"])
    if args.num_samples > 1:
        figures["samples"] = sample_figures(scored)
    if isinstance(source, OfCheckpoint) and pairs:
        figures["preferences"] = preferences.measure(source.load(), source.checkpoint, pairs)

    # ------------------------------------------------------------------ write, show, say what comes next
    results_csv, samples_csv = args.output_dir / RESULTS_CSV, args.output_dir / SAMPLES_CSV
    statistics, report, page = (args.output_dir / name for name in (STATISTICS, REPORT, PAGE))
    for line in keep_apart(args.output_dir, {"arguments": record.arguments, "inputs": record.inputs}):
        print(line)
    record.open()
    write_frame(results_csv, results)
    samples_csv.unlink(missing_ok=True)
    if args.num_samples > 1:
        write_frame(samples_csv, scored)
    write_json(statistics, as_json(figures))
    write_report(report, table)
    write_html(page, about(args, figures), figures, results, before)
    record.finish({"summaries": len(scored), "reused": summaries.reused, EVALUATED_RUN: source.run})
    for kind, rate in automatic_rates(figures).items():
        add_rate(args.output_dir, step=3, kind=kind, rate=rate)
    show(table)
    for warning in warnings(summaries, args.max_new_tokens):
        print(f"Warning      {warning}")
    print(f"✓ Results      {results_csv}")
    if args.num_samples > 1:
        print(f"  Samples      {samples_csv}: {in_words(figures['samples'])}")
    if pairs:
        print(f"  Preferences  {preferences.in_words(figures['preferences'])}")
    print(f"  Statistics   {statistics}")
    print(f"  Report       {page}, and as text {report}")
    print(f'Next: python manual_assessment_tool.py --results_csv "{results_csv}"')
    return EXIT_OK


def about(args: argparse.Namespace, figures: Mapping[str, Any]) -> dict[str, str]:
    """What was evaluated, for the head of the report."""
    from evaluation_stage_a.preferences import in_words

    lines = {"Summaries of": str(args.predictions or args.model_path), "Notes": str(args.test_data)}
    if args.compare_with:
        lines["Before"] = str(args.compare_with)
    if args.pairs:
        lines["Pairs"] = f"{args.pairs}: {in_words(figures['preferences'])}"
    return lines


def automatic_rates(figures: Mapping[str, Any]) -> dict[str, Rate]:
    """The rates of summaries with an error that need no person, by who found them."""
    rates = {"screen": figures["screened_hallucination_rate"]}
    return {**rates, "oracle": figures["oracle"]["hallucination_rate"]} if "oracle" in figures else rates


def show(table: RenderableType) -> None:
    """Print the figures; without colour or escapes where the output is no terminal."""
    from rich.console import Console

    Console(highlight=False).print(table)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """A CSV of results; what is missing is an empty cell, not "nan"."""
    from utils.records import write_csv

    cells = frame.astype(object).where(frame.notna(), None)
    write_csv(path, list(frame.columns), cells.to_dict("records"))


def write_report(path: Path, table: RenderableType) -> None:
    """The same figures as plain text, whatever terminal there is."""
    from rich.console import Console

    from utils.files import atomic_writer

    text = io.StringIO()
    Console(file=text, width=110, highlight=False, no_color=True).print(table)
    with atomic_writer(path) as file:
        file.write(text.getvalue())


if __name__ == "__main__":
    run_script(main)
