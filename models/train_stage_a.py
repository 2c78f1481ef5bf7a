"""Train Stage A: fine-tune a base model on the factual Phase 1 summaries (SFT, LoRA, learning rate 1e-3).

    python models/train_stage_a.py

Writes the adapter to models/sft_specialist_fast_fp16/final_model, which ships with the project: run this only to
rebuild it, or with --train_data on notes of your own. Cut off at any moment, the same command goes on where it was;
OUTPUT_DIR/checkpoints keeps an adapter for each of six evaluations.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import (
    EXIT_OK,
    RunError,
    UserError,
    from_here_or_project,
    new_parser,
    positive_float,
    positive_int,
    rows_or_all,
    run_script,
)
from utils.models import DEVICES

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

NEXT = "Next: python generate_phase2_data.py"


def build_parser() -> argparse.ArgumentParser:
    """The options, with Stage A's usual values."""
    parser = new_parser(__doc__ or "")
    data = "phase1_data_medhal/sft"
    parser.add_argument("--base_model", default="models/SmolLM2-135M-Instruct", help="full model to start from")
    parser.add_argument("--train_data", default=f"{data}/train_set_processed.csv", help="Phase 1 CSV; factual rows")
    parser.add_argument("--val_data", default=f"{data}/validation_set_processed.csv", help="Phase 1 CSV; factual rows")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("models/sft_specialist_fast_fp16"), help="gets final_model/"
    )
    limit = "a seeded sample of so many rows, or all"
    parser.add_argument("--max_train_rows", type=rows_or_all, default="all", help=f"train on {limit}")
    parser.add_argument("--max_val_rows", type=rows_or_all, default=100, help=f"validate on {limit}")
    parser.add_argument("--num_epochs", type=positive_float, default=1.25, help="passes over the rows")
    parser.add_argument("--learning_rate", type=positive_float, default=1e-3, help="200 times Stage B's")
    parser.add_argument("--batch_size", type=positive_int, default=4, help="rows in memory at once")
    parser.add_argument("--max_length", type=positive_int, default=1024, help="tokens; longer rows are left out")
    parser.add_argument("--lora_r", type=positive_int, default=16, help="rank; alpha is twice that")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    parser.add_argument("--seed", type=int, default=42, help="of the sample and of the order")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train Stage A and save its adapter, going on where an earlier run was cut off; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from utils.files import make_output_dir
    from utils.models import FETCH_BASE, choose_device, find_checkpoint, load_model, load_tokenizer
    from utils.run_record import RunRecord

    train_csv, val_csv = from_here_or_project(args.train_data), from_here_or_project(args.val_data)
    train_rows = factual_rows(train_csv, args.max_train_rows, args.seed)
    val_rows = factual_rows(val_csv, args.max_val_rows, args.seed)
    checkpoint = find_checkpoint(args.base_model, "--base_model", FETCH_BASE)
    device = choose_device(args.device)
    inputs = {"train_data": train_csv, "val_data": val_csv, **checkpoint.folders}
    record = RunRecord(args.output_dir, __file__, args, parser, inputs)
    final_model = args.output_dir / "final_model"
    if final_model.is_dir() and record.is_finished():
        print(f"✓ Stage A: {final_model} is there already, from the same arguments and inputs; nothing to do.")
        print(NEXT)
        return EXIT_OK
    make_output_dir(args.output_dir)
    checkpoints = make_output_dir(args.output_dir / "checkpoints" / f"run-{record.identity()}")

    # ------------------------------------------------------------------ model and data
    from models import stage_a_training as training
    from utils.interrupts import saved_before_stopping
    from utils.resumable_training import drop_state, find_state, step_of
    from utils.trainer_progress import in_words

    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint, device)
    train, val = (encode_rows(tokenizer, rows, args.max_length) for rows in (train_rows, val_rows))
    trainer = training.build_trainer(model, tokenizer, train, val, args, checkpoint.base, checkpoints)
    steps = training.total_steps(trainer)
    print(f"Stage A      {len(train)} train and {len(val)} validation rows, {args.num_epochs:g} epochs, {steps} steps")
    print(f"Precision    {training.precision(trainer)} on {device}")
    state = find_state(checkpoints)
    done = step_of(state) if state else 0
    if state:
        print(f"Going on     after step {done}, from {state}")
    elif others := sorted(p for p in checkpoints.parent.glob("run-*") if p != checkpoints):
        print(f"Starting     anew: {len(others)} other run(s) in {checkpoints.parent} had other options or data")
    expected = in_words(training.expected_seconds(trainer, done))
    print(f"Expected     about {expected}, from timing one batch on this machine", flush=True)

    # ------------------------------------------------------------------ train and save
    start = time.monotonic()
    record.open()
    with saved_before_stopping(trainer):
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    val_loss, fall = training.flatness(trainer.state.log_history)
    if not math.isfinite(val_loss):
        raise RunError(
            f"training diverged (validation loss {val_loss}); no model was saved. Try a lower --learning_rate"
        )
    training.save_fp16(trainer.model, checkpoint.base, final_model)
    results = {"train_rows": len(train), "val_rows": len(val), "steps": steps, "val_loss": val_loss}
    record.finish(
        {**results, "val_loss_fell": fall, "checkpoints": checkpoints.relative_to(args.output_dir).as_posix()}
    )
    drop_state(checkpoints)

    # ------------------------------------------------------------------ what happened, where it is, what comes next
    print(f"✓ Stage A: {steps - done} steps in {in_words(time.monotonic() - start)}, validation loss {val_loss:.3f}")
    print(f"             {training.in_plain_words(fall)}")
    print(f"Model        {final_model}")
    print(f"Metrics      {args.output_dir / 'metrics.jsonl'}")
    size = training.disk_use(checkpoints.parent)
    print(f"Checkpoints  {checkpoints.parent} ({size}): an adapter per evaluation; remove the folder when you like")
    print(NEXT)
    return EXIT_OK


def factual_rows(path: Path, limit: int | None, seed: int) -> list[dict[str, str]]:
    """The factual rows of a Phase 1 CSV that have a note and a summary; a seeded sample by note where limited."""
    from utils.records import read_csv, sample_by_note

    rows = read_csv(path, required=("clinical_note", "model_summary", "label"))
    kept = [r for r in rows if r["label"] == "factual" and r["clinical_note"].strip() and r["model_summary"].strip()]
    if not kept:
        raise UserError(f"{path}: no row is labelled 'factual'")
    return [kept[index] for index in sample_by_note([r["clinical_note"] for r in kept], limit, seed)]


def encode_rows(tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, str]], max_length: int) -> Dataset:
    """Token ids and labels; the prompt's labels are -100, so only the summary and its EOS are learned."""
    from datasets import Dataset

    from utils.prompts import completion_messages, encode_completion, encode_prompt, prompt_messages

    encoded: list[dict[str, Any]] = []
    for row in rows:
        prompt = encode_prompt(tokenizer, prompt_messages(row["clinical_note"]))
        completion = encode_completion(tokenizer, completion_messages(row["model_summary"]))
        if len(prompt) + len(completion) <= max_length:
            encoded.append({"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion})
    if len(encoded) < len(rows):
        print(f"Left out {len(rows) - len(encoded)} rows longer than --max_length {max_length} tokens.")
    if not encoded:
        raise UserError("no row is left to train on; raise --max_length")
    return Dataset.from_list(encoded)


if __name__ == "__main__":
    run_script(main)
