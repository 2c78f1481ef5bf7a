"""Step 2: train Stage B, Direct Preference Optimization of the Stage A (SFT) checkpoint on the pairs of step 1.

    python stage_b_dpo_training.py --sft_model_path "models/sft_specialist_fast_fp16/final_model" \\
        --train_data_path "phase2_data/dpo/train_dpo.jsonl" --val_data_path "phase2_data/dpo/val_dpo.jsonl" \\
        --num_epochs 2 --learning_rate 5e-6 --beta 0.1 --batch_size 4 --output_dir "models/dpo_hallucination_resistant"

The SFT checkpoint may be a full model or an adapter. The result, OUTPUT_DIR/final_model, is what step 3 takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_float, positive_int, run_script
from utils.models import DEVICES


def build_parser() -> argparse.ArgumentParser:
    """The options, with the defaults that README shows."""
    parser = new_parser(__doc__ or "")
    paths = parser.add_argument_group("what goes in and out")
    sft_default = "models/sft_specialist_fast_fp16/final_model"
    paths.add_argument("--sft_model_path", default=sft_default, help="Stage A: full model, adapter, or hub:owner/name")
    paths.add_argument("--train_data_path", default="phase2_data/dpo/train_dpo.jsonl", help="pairs of step 1")
    paths.add_argument("--val_data_path", default="phase2_data/dpo/val_dpo.jsonl", help="pairs of step 1")
    paths.add_argument(
        "--output_dir", type=Path, default=Path("models/dpo_hallucination_resistant"), help="gets final_model/"
    )
    paths.add_argument(
        "--reference_dir",
        type=Path,
        default=Path("models/reference_log_probs"),
        help="keeps the reference's log-probs, which every run on the same SFT checkpoint and pairs shares",
    )
    paths.add_argument("--max_train_pairs", type=positive_int, help="train on a seeded sample of so many, by note")
    paths.add_argument("--max_val_pairs", type=positive_int, help="validate on a seeded sample of so many, by note")

    training = parser.add_argument_group("training")
    training.add_argument("--num_epochs", type=positive_float, default=2.0, help="passes over the pairs")
    training.add_argument("--learning_rate", type=positive_float, default=5e-6, help="200 times below Stage A's")
    training.add_argument("--beta", type=positive_float, default=0.1, help="how strongly to hold to the reference")
    training.add_argument("--batch_size", type=positive_int, default=4, help="pairs in memory at once")
    training.add_argument("--gradient_accumulation_steps", type=positive_int, default=1, help="batches for one update")
    training.add_argument("--max_length", type=positive_int, default=1024, help="tokens; longer pairs are left out")
    training.add_argument("--lora_r", type=positive_int, default=16, help="LoRA rank on a full model")
    training.add_argument("--seed", type=int, default=42, help="of the sample and of the order")

    hardware = parser.add_argument_group("hardware")
    hardware.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    hardware.add_argument(
        "--load_in_4bit", action="store_true", help="quantize the frozen weights to NF4 (12 GB cards)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train Stage B and save it, or find it trained already; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from preference.pairs import encode_pairs, read_pairs
    from utils.files import make_output_dir
    from utils.models import choose_device, find_checkpoint, load_tokenizer
    from utils.run_record import RunRecord

    train_path, val_path = from_here_or_project(args.train_data_path), from_here_or_project(args.val_data_path)
    train_rows = read_pairs(train_path, args.max_train_pairs, args.seed)
    val_rows = read_pairs(val_path, args.max_val_pairs, args.seed)
    checkpoint = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    device = choose_device(args.device)
    final_model = args.output_dir / "final_model"
    if final_model.resolve() in (folder.resolve() for folder in checkpoint.folders.values()):
        raise UserError(f"--output_dir would replace its own input {final_model}; name another folder")
    inputs = {"train_data": train_path, "val_data": val_path, **checkpoint.folders}
    record = RunRecord(args.output_dir, __file__, args, parser, inputs)
    if final_model.is_dir() and record.is_finished():
        print(f"✓ Stage B: {final_model} is there already, from the same arguments and inputs; nothing to do.")
        print_next(final_model)
        return EXIT_OK
    make_output_dir(args.output_dir)

    # ------------------------------------------------------------------ policy, reference, pairs
    from preference.expected_time import expected_seconds
    from preference.policy import build_policy, save_final_model
    from preference.reference import ReferenceLogProbs, reference_id
    from preference.training import build_trainer, final_figures, metrics_path
    from utils.trainer_progress import in_words

    tokenizer = load_tokenizer(checkpoint)
    train, val = (encode_pairs(tokenizer, rows, args.max_length) for rows in (train_rows, val_rows))
    policy = build_policy(checkpoint, device, args.lora_r, args.load_in_4bit)
    print(f"Stage A      {checkpoint.path}: {policy.description}")
    print(f"Pairs        {len(train)} train, {len(val)} validation")
    for name, pairs in (("train", train), ("validation", val)):
        for reason, count in pairs.left_out.items():
            print(f"             left out of {name}: {count} {reason}")
    precision = str(policy.model.dtype).removeprefix("torch.")
    print(
        f"Training     beta {args.beta:g}, learning rate {args.learning_rate:g}, {args.num_epochs:g} epochs, batch "
        f"{args.batch_size} x {args.gradient_accumulation_steps}, {precision} on {device}"
    )
    trainer = build_trainer(policy, tokenizer, train, val, args)
    if trainer.unshared:
        print(f"             each note is run twice, as stock TRL does, because {trainer.unshared}")
    folder = args.reference_dir / reference_id(record.inputs, checkpoint, policy.model)
    reference = ReferenceLogProbs(folder, writer=record.identity)
    expected = expected_seconds(trainer, reference)
    said = f"about {in_words(expected)}, from timing one batch on this machine" if expected else "too large to time"
    print(f"Expected     {said}", flush=True)

    # ------------------------------------------------------------------ train and save
    start = time.monotonic()
    trainer.add_reference(reference)
    known = len(train) + len(val) - reference.computed
    print(f"Reference    {known} pairs read from {folder}, {reference.computed} computed", flush=True)
    record.open()
    trainer.train()
    seconds = time.monotonic() - start
    figures = final_figures(trainer.state.log_history)
    save_final_model(trainer.model, tokenizer, checkpoint, final_model)
    record.finish({**figures, "train_pairs": len(train), "val_pairs": len(val), "seconds": round(seconds, 1)})

    # ------------------------------------------------------------------ what happened, where it is, what comes next
    print(f"✓ Stage B: {len(train)} pairs, {args.num_epochs:g} epochs in {in_words(seconds)}")
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):16} {value:.4f}")
    print(f"Model        {final_model}")
    print(f"Metrics      {metrics_path(args.output_dir)}")
    print_next(final_model)
    return EXIT_OK


def print_next(final_model: Path) -> None:
    print(f'Next: python evaluation_stage_a/evaluate_stage_a.py --model_path "{final_model}"')


if __name__ == "__main__":
    run_script(main)
