"""Step 3: summarise test notes with a checkpoint, Stage A's or Stage B's, and measure what came out.

    python evaluation_stage_a/evaluate_stage_a.py --model_path "models/dpo_hallucination_resistant/final_model" \\
        --test_data "phase1_data_medhal/sft/test_set_processed.csv" --output_dir "evaluation_results_stage_b" \\
        --max_examples 50 --device cuda

Leave --device out where there is no CUDA card. Writes evaluation_results.csv, evaluation_statistics.json and
evaluation_report.txt; --compare_with sets the result beside an earlier one on the same notes.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import EXIT_OK, from_here_or_project, new_parser, positive_int, run_script, temperature
from utils.models import DEVICES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from utils.models import Checkpoint
    from utils.statistics import Rate


def build_parser() -> argparse.ArgumentParser:
    """The options, with the defaults that README shows."""
    parser = new_parser(__doc__ or "")
    model_default = "models/dpo_hallucination_resistant/final_model"
    test_default = "phase1_data_medhal/sft/test_set_processed.csv"
    parser.add_argument("--model_path", default=model_default, help="full model, adapter, or hub:owner/name")
    parser.add_argument("--test_data", default=test_default, help="CSV with clinical_note; model_summary is optional")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("evaluation_results_stage_b"), help="gets results and report"
    )
    parser.add_argument("--max_examples", type=positive_int, default=50, help="a seeded sample of so many notes")
    parser.add_argument("--compare_with", type=Path, help="folder of an earlier evaluation, e.g. of Stage A")
    parser.add_argument("--batch_size", type=positive_int, default=16, help="summaries generated at once")
    parser.add_argument("--max_new_tokens", type=positive_int, default=160, help="longest summary, in tokens")
    parser.add_argument("--temperature", type=temperature, default=0.0, help="0 is greedy: the same text every time")
    parser.add_argument("--seed", type=int, default=42, help="of the sample of notes, and of sampled texts")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    parser.add_argument("--load_in_4bit", action="store_true", help="quantize the weights to NF4 (12 GB cards)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Summarise, score, compare, report; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from evaluation_stage_a.examples import read_examples
    from utils.files import make_output_dir, write_json
    from utils.models import choose_device, find_checkpoint
    from utils.rates import EVALUATED_RUN, add_rate, run_behind
    from utils.run_record import RunRecord

    test_path = from_here_or_project(args.test_data)
    examples = read_examples(test_path, args.max_examples, args.seed)
    checkpoint = find_checkpoint(args.model_path, "--model_path", "python stage_b_dpo_training.py")
    device = choose_device(args.device)
    from evaluation_stage_a.comparison import RESULTS_CSV, compare, read_earlier, score_earlier
    from evaluation_stage_a.figures import as_json, summarise

    notes = [example.clinical_note for example in examples]
    earlier = read_earlier(args.compare_with, notes) if args.compare_with else None
    record = RunRecord(args.output_dir, __file__, args, parser, {"test_data": test_path, **checkpoint.folders})
    run = run_behind(args.model_path)
    make_output_dir(args.output_dir)

    # ------------------------------------------------------------------ generate and score
    from evaluation_stage_a.report import before_and_after, one_model
    from evaluation_stage_a.screening import score_all
    from evaluation_stage_a.set_aside import REPORT, STATISTICS, keep_apart
    from utils.records import write_csv

    print(f"Summaries    {len(examples)} notes of {test_path}, by {args.model_path} on {device}", flush=True)
    start = time.monotonic()
    weights = [record.inputs[name]["sha256"] for name in checkpoint.folders]
    summaries, reused = generate_summaries(checkpoint, weights, device, notes, args)
    print(f"             {len(summaries) - reused} generated in {time.monotonic() - start:.0f} s, {reused} reused")
    results = score_all(examples, summaries)
    figures: dict[str, Any] = summarise(results)
    table = one_model(figures)
    before = score_earlier(examples, earlier) if earlier else None
    if before is not None:
        figures["comparison"] = compare(before, results)
        table = before_and_after(figures["comparison"])

    # ------------------------------------------------------------------ write, show, say what comes next
    results_csv, statistics, report = (args.output_dir / name for name in (RESULTS_CSV, STATISTICS, REPORT))
    for line in keep_apart(args.output_dir, {"arguments": record.arguments, "inputs": record.inputs}):
        print(line)
    record.open()
    cells = results.astype(object).where(results.notna(), None)  # an empty cell, not "nan"
    write_csv(results_csv, list(results.columns), cells.to_dict("records"))
    write_json(statistics, as_json(figures))
    write_report(report, table)
    record.finish({"summaries": len(results), "reused": reused, EVALUATED_RUN: run})
    for kind, rate in automatic_rates(figures).items():
        add_rate(args.output_dir, step=3, kind=kind, rate=rate)
    show(table)
    print(f"✓ Results      {results_csv}")
    print(f"  Statistics   {statistics}")
    print(f"  Report       {report}")
    print(f'Next: python manual_assessment_tool.py --results_csv "{results_csv}"')
    return EXIT_OK


def generate_summaries(
    checkpoint: Checkpoint, weights: Sequence[str], device: Any, notes: Sequence[str], args: argparse.Namespace
) -> tuple[list[Any], int]:
    """Greedy summaries of the notes, in order, and how many an earlier run had finished already.

    ``weights`` are the hashes that tell this checkpoint from another.
    """
    from utils.cpu_speed import reuse_freed_memory
    from utils.generation import GenerationSettings, generate_all
    from utils.models import choose_dtype, load_to_generate, load_tokenizer
    from utils.prompts import encode_prompt, prompt_messages

    def load() -> Any:
        reuse_freed_memory()
        return load_to_generate(checkpoint, device, "4bit" if args.load_in_4bit else None)

    tokenizer = load_tokenizer(checkpoint)
    prompts = [encode_prompt(tokenizer, prompt_messages(note)) for note in notes]
    seed = args.seed if args.temperature > 0 else 0  # greedy texts do not depend on it
    settings = GenerationSettings(args.max_new_tokens, args.temperature, seed)
    # What decides the low bits of a text beside prompt and settings: the weights, their precision, the padding.
    precision = f"{choose_dtype(device)} on {device.type}, 4-bit {args.load_in_4bit}, batch {args.batch_size}"
    model_id = f"{weights or checkpoint.base}: {precision}"
    journal = args.output_dir / "generated.journal.jsonl"
    return generate_all(load, tokenizer, prompts, settings, args.batch_size, journal, model_id)


def automatic_rates(figures: Mapping[str, Any]) -> dict[str, Rate]:
    """The rates of summaries with an error that need no person, by who found them."""
    rates = {"screen": figures["screened_hallucination_rate"]}
    return {**rates, "oracle": figures["oracle"]["hallucination_rate"]} if "oracle" in figures else rates


def show(table: RenderableType) -> None:
    """Print the figures; without colour or escapes where the output is no terminal."""
    from rich.console import Console

    Console(highlight=False).print(table)


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
