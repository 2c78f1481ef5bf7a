"""Train Stage A: fine-tune a base model on the factual Phase 1 summaries (SFT, LoRA, learning rate 2e-4).

    python models/train_stage_a.py

Writes the adapter to models/sft_specialist_fast_fp16/final_model, which ships with the project: run this only to
rebuild it, or with --train_data on notes of your own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_float, positive_int, run_script
from utils.models import DEVICES

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    parser.add_argument("--max_train_rows", type=positive_int, help="train on a seeded sample of so many rows")
    parser.add_argument("--num_epochs", type=positive_float, default=2.0, help="passes over the rows")
    parser.add_argument("--learning_rate", type=positive_float, default=2e-4, help="40 times Stage B's")
    parser.add_argument("--batch_size", type=positive_int, default=8, help="rows in memory at once")
    parser.add_argument("--max_length", type=positive_int, default=1024, help="tokens; longer rows are left out")
    parser.add_argument("--lora_r", type=positive_int, default=16, help="rank; alpha is twice that")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    parser.add_argument("--seed", type=int, default=42, help="of the sample and of the order")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train Stage A and save its adapter; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from utils.files import make_output_dir
    from utils.models import FETCH_BASE, choose_device, find_checkpoint, load_model, load_tokenizer
    from utils.run_record import RunRecord

    train_csv, val_csv = from_here_or_project(args.train_data), from_here_or_project(args.val_data)
    train_rows = factual_rows(train_csv, args.max_train_rows, args.seed)
    val_rows = factual_rows(val_csv, None, args.seed)
    checkpoint = find_checkpoint(args.base_model, "--base_model", FETCH_BASE)
    device = choose_device(args.device)
    inputs = {"train_data": train_csv, "val_data": val_csv, **checkpoint.folders}
    record = RunRecord(args.output_dir, __file__, args, parser, inputs)
    make_output_dir(args.output_dir)

    # ------------------------------------------------------------------ model and data
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint, device)
    train, val = (encode_rows(tokenizer, rows, args.max_length) for rows in (train_rows, val_rows))
    print(f"Stage A: {len(train)} train and {len(val)} validation rows, {args.num_epochs:g} epochs on {device}")

    # ------------------------------------------------------------------ train and save
    trainer = build_trainer(model, tokenizer, train, val, args)
    trainer.train()
    val_loss = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry][-1]
    record.open()
    save_fp16(trainer.model, checkpoint.base, args.output_dir / "final_model")
    record.finish({"train_rows": len(train), "val_rows": len(val), "val_loss": val_loss})
    print(f"✓ Stage A: validation loss {val_loss:.3f}, adapter in {args.output_dir / 'final_model'}")
    print("Next: python generate_phase2_data.py")
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


def build_trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, train: Dataset, val: Dataset, args: argparse.Namespace
) -> Any:
    """TRL's SFTTrainer with LoRA on all linear layers, in the precision that the device has."""
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only
    from utils.models import all_linear_lora, autocast_flags
    from utils.trainer_progress import use_progress_line

    reuse_freed_memory()
    score_labelled_tokens_only()
    config = SFTConfig(
        output_dir=str(args.output_dir),
        num_train_epochs=args.num_epochs,
        learning_rate=args.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=args.batch_size,
        train_sampling_strategy="group_by_length",
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are token ids and labels already
        gradient_checkpointing=model.device.type != "cpu",
        logging_steps=5,
        eval_strategy="epoch",
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        seed=args.seed,
        **autocast_flags(model.device),
    )
    config._n_gpu = min(config.n_gpu, 1)  # several cards in sight of one process: use the first, as --device says
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=train,
        eval_dataset=val,
        processing_class=tokenizer,
        peft_config=LoraConfig(**all_linear_lora(args.lora_r)),
    )
    use_progress_line(trainer)
    return trainer


def save_fp16(model: Any, base: str, final_model: Path) -> None:
    """Save the adapter in fp16: half the size, and finer than the noise of its training."""
    import torch

    from utils.files import atomic_folder
    from utils.models import save_adapter

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float16)
    with atomic_folder(final_model) as folder:
        save_adapter(model, folder, base)


if __name__ == "__main__":
    run_script(main)
