"""Step 2: train Stage B, Direct Preference Optimization of the Stage A (SFT) checkpoint on the pairs of step 1.

    python stage_b_dpo_training.py --sft_model_path "models/sft_specialist_fast_fp16/final_model" \\
        --train_data_path "phase2_data/dpo/train_dpo.jsonl" --val_data_path "phase2_data/dpo/val_dpo.jsonl" \\
        --num_epochs 2 --learning_rate 5e-6 --beta 0.1 --batch_size 4 --output_dir "models/dpo_hallucination_resistant"

The SFT checkpoint may be a full model or an adapter. The result, OUTPUT_DIR/final_model, is what step 3 takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import (
    EXIT_OK,
    UserError,
    from_here_or_project,
    new_parser,
    positive_float,
    positive_int,
    run_script,
    share,
    zero_or_more,
)
from utils.models import DEVICES

if TYPE_CHECKING:
    from preference.data.pairs import EncodedPairs
    from preference.policy import Policy
    from preference.runs.folder import RunFolder
    from preference.trainer import PairsTrainer
    from utils.models import Checkpoint
    from utils.run_record import RunRecord

# TRL's, by its names; "sft" is the anchor that is mixed with another. Those of noisy labels, "robust" and "exo_pair",
# are left out: they need to be told how many labels are wrong.
LOSSES = (
    *("sigmoid", "sft", "apo_zero", "apo_down", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard"),
    *("aot", "aot_unpaired", "discopop", "sigmoid_norm"),
)


def build_parser() -> argparse.ArgumentParser:
    """The options, with the defaults that README shows."""
    parser = new_parser(__doc__ or "")
    paths = parser.add_argument_group("what goes in and out")
    sft_default = "models/sft_specialist_fast_fp16/final_model"
    paths.add_argument("--sft_model_path", default=sft_default, help="Stage A: full model, adapter, or hub:owner/name")
    paths.add_argument("--train_data_path", default="phase2_data/dpo/train_dpo.jsonl", help="pairs of step 1")
    paths.add_argument("--val_data_path", default="phase2_data/dpo/val_dpo.jsonl", help="pairs of step 1")
    paths.add_argument(
        "--output_dir",
        type=Path,
        default=Path("models/dpo_hallucination_resistant"),
        help="gets final_model/ and runs/",
    )
    paths.add_argument(
        "--reference_dir",
        type=Path,
        default=Path("models/reference_log_probs"),
        help="keeps the reference's log-probs, which every run on the same SFT checkpoint and pairs shares",
    )
    paths.add_argument("--max_train_pairs", type=positive_int, help="train on a seeded sample of so many, by note")
    paths.add_argument("--max_val_pairs", type=positive_int, help="validate on a seeded sample of so many, by note")
    paths.add_argument(
        "--keep_hardest",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="train on this share of the pairs, those that the reference tells apart least",
    )

    training = parser.add_argument_group("training")
    training.add_argument("--num_epochs", type=positive_float, default=2.0, help="passes over the pairs")
    training.add_argument("--learning_rate", type=positive_float, default=5e-6, help="a 40th of SFT's usual 2e-4")
    training.add_argument("--beta", type=positive_float, default=0.1, help="how strongly to hold to the reference")
    training.add_argument(
        "--loss_type", nargs="+", choices=LOSSES, default=["sigmoid"], help="one of TRL's losses, or several, added up"
    )
    training.add_argument("--loss_weights", nargs="+", type=positive_float, help="one for each --loss_type; 1 each")
    training.add_argument(
        "--reference_free",
        action="store_true",
        help="what the reference tells apart counts as learned; with --loss_type sigmoid sft this is CPO",
    )
    training.add_argument("--batch_size", type=positive_int, default=4, help="pairs in memory at once")
    training.add_argument("--gradient_accumulation_steps", type=positive_int, default=1, help="batches for one update")
    training.add_argument("--max_length", type=positive_int, default=1024, help="tokens; longer pairs are left out")
    training.add_argument(
        "--lora_r", type=zero_or_more, default=16, help="LoRA rank on a full model; 0 trains all of its weights"
    )
    training.add_argument(
        "--early_stopping_patience",
        type=zero_or_more,
        default=0,
        help="stop after so many epochs without a lower validation loss, and keep the best model; 0 never stops",
    )
    training.add_argument(
        "--average_steps",
        type=positive_int,
        default=50,
        help="the model is the mean of the weights over the last quarter of the steps, at most about so many; 1 takes "
        "those after the last step",
    )
    training.add_argument("--seed", type=int, default=42, help="of the sample and of the order")
    training.add_argument("--force", action="store_true", help="train although learning rate or memory forbid it")

    hardware = parser.add_argument_group("hardware")
    hardware.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    quantized = hardware.add_mutually_exclusive_group()
    quantized.add_argument("--load_in_4bit", action="store_true", help="quantize the frozen weights to NF4")
    quantized.add_argument("--load_in_8bit", action="store_true", help="quantize the frozen weights to int8")
    outcome = parser.add_argument_group("what is shown and left behind")
    outcome.add_argument("--merge", action="store_true", help="final_model is one plain model, not adapter and base")
    outcome.add_argument(
        "--report_to", default="none", choices=("none", "tensorboard"), help="log to the run's folder for TensorBoard"
    )
    outcome.add_argument("--list_runs", action="store_true", help="print the runs in --output_dir, and stop")
    outcome.add_argument("--dry_run", action="store_true", help="print checklist, plan and a rough time, and stop")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train Stage B and save it, go on with it, or find it trained already; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    if args.list_runs:
        from preference.runs.table import print_runs

        print_runs(from_here_or_project(args.output_dir))
        return EXIT_OK
    if args.dry_run:
        from preference.checklist import dry_run

        return dry_run(args, words)

    # ------------------------------------------------------------------ check the input before anything heavy
    from preference.data.pairs import encode_pairs, read_pairs
    from preference.guards import check_options
    from preference.runs.final_model import save_final_model, show_final_model
    from preference.runs.folder import ASIDE, CURVES, FINAL_MODEL, METRICS, NOT_DECIDING, RunFolder
    from utils.distributed import is_main_process
    from utils.files import copy_folder, locked, make_output_dir
    from utils.models import choose_device, choose_dtype, find_checkpoint, load_tokenizer
    from utils.run_record import RunRecord

    warnings = check_options(args)
    train_path, val_path = from_here_or_project(args.train_data_path), from_here_or_project(args.val_data_path)
    train_rows = read_pairs(train_path, args.max_train_pairs, args.seed)
    val_rows = read_pairs(val_path, args.max_val_pairs, args.seed)
    checkpoint = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    device = choose_device(args.device, several_processes=True)
    final_model = args.output_dir / FINAL_MODEL
    if args.output_dir.resolve() in (parent for f in checkpoint.folders.values() for parent in f.resolve().parents):
        raise UserError(f"--output_dir would replace its own input {args.sft_model_path}; name another folder")
    inputs = {"train_data": train_path, "val_data": val_path, **checkpoint.folders}
    shown = RunRecord(args.output_dir, __file__, args, parser, inputs)
    run = RunFolder(args.output_dir, run_name(args, shown.identity(*NOT_DECIDING)))
    if run.is_past(args.num_epochs):  # it has gone further, and cannot go back
        run = RunFolder(args.output_dir, f"{run.name}_{args.num_epochs:g}epochs")
    record = shown.at(run.path)
    if run.final_model.is_dir() and record.is_finished(*ASIDE):
        if not is_main_process():
            return EXIT_OK
        if shown.is_finished(*ASIDE) and run.is_shown(args.merge):
            print(f"✓ Stage B: {final_model} is there already, from the same arguments and inputs; nothing to do.")
        else:
            show_final_model(run, args.merge)
            print(f"✓ Stage B: {run.path} holds this run; its model is now {final_model}.")
        print_next(final_model)
        return EXIT_OK
    make_output_dir(args.output_dir)
    make_output_dir(run.checkpoints)
    busy = f"another process is training {run.path}; wait for it, or stop it first"
    with locked(run.path / "lock", busy):
        # -------------------------------------------------------------- policy, reference, pairs
        from preference.averaging import averaged_weights
        from preference.callbacks import had_stopped
        from preference.data.hardest import keep_hardest
        from preference.data.reference import ReferenceLogProbs, reference_id
        from preference.expected_time import expected_seconds
        from preference.memory.preflight import check_memory
        from preference.policy import build_policy
        from preference.remembered import Remembered
        from preference.runs.curves import draw_curves
        from preference.training import build_trainer, final_figures
        from utils.interrupts import saved_before_stopping
        from utils.resumable_training import find_state, step_of
        from utils.trainer_progress import in_words

        tokenizer = load_tokenizer(checkpoint)
        train, val = (encode_pairs(tokenizer, rows, args.max_length) for rows in (train_rows, val_rows))
        memory = check_memory(args, words, checkpoint, device, train, val)
        quantization = "4bit" if args.load_in_4bit else "8bit" if args.load_in_8bit else None
        policy = build_policy(checkpoint, device, args.lora_r, quantization)
        reference = ReferenceLogProbs(
            args.reference_dir / reference_id(shown.inputs, checkpoint, policy.model), writer=shown.identity()
        )
        measured = Remembered(reference.folder, device)
        trainer = build_trainer(
            policy,
            tokenizer,
            train,
            val,
            args,
            run,
            measured,
            save_best=lambda model: save_final_model(model, tokenizer, checkpoint, run.best_model),
        )
        state = find_state(run.checkpoints)
        computes = f"{device.type} in {str(choose_dtype(device)).removeprefix('torch.')}"
        if state:
            run.check_device(computes)

        # -------------------------------------------------------------- the plan
        print_plan(args, checkpoint, policy, trainer, {"train": train, "validation": val}, warnings)
        print(f"Memory       {memory}")
        if state:
            print(f"Going on     after step {step_of(state)}, from {state}")
        expected = expected_seconds(trainer, reference, measured, step_of(state) if state else 0, args.keep_hardest)
        said = f"about {in_words(expected)}, from one batch timed on this machine" if expected is not None else None
        print(f"Expected     {said or 'too large to time'}", flush=True)

        # -------------------------------------------------------------- train and save
        start = time.monotonic()
        trainer.add_reference(reference)
        known = len(train) + len(val) - reference.computed
        print(f"Reference    {known} pairs read from {reference.folder}, {reference.computed} computed", flush=True)
        if args.keep_hardest < 1:
            train = keep_hardest(trainer, train, args.keep_hardest)
        if is_main_process():
            run.begin(record, computes)
        with saved_before_stopping(trainer, after_evaluation=True):
            if not (state and had_stopped(trainer, state, args.early_stopping_patience)):
                trainer.train(resume_from_checkpoint=str(state) if state else None)
        trainer.end()  # the rest needs the main process alone
        if not is_main_process():
            return EXIT_OK
        seconds = time.monotonic() - start
        figures = final_figures(trainer.state.log_history)
        if args.early_stopping_patience:
            copy_folder(run.best_model, run.final_model)
        else:
            with averaged_weights(trainer.optimizer):
                save_final_model(trainer.model, tokenizer, checkpoint, run.final_model)
        draw_curves(trainer.state.log_history, run.path / CURVES)
        complete_record(record, run, figures, {"train": train, "val": val}, seconds)
        del trainer, policy  # --merge needs their memory
        show_final_model(run, args.merge)

    # ------------------------------------------------------------------ what happened, where it is, what comes next
    print(f"✓ Stage B: {len(train)} pairs, {args.num_epochs:g} epochs in {in_words(seconds)}")
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):16} {value:.4f}")
    print(f"Model        {final_model}")
    print(f"Curves       {args.output_dir / CURVES}")
    print(f"Metrics      {args.output_dir / METRICS}")
    print(f"Run          {run.path}")
    print_next(final_model)
    return EXIT_OK


def print_plan(
    args: argparse.Namespace,
    checkpoint: Checkpoint,
    policy: Policy,
    trainer: PairsTrainer,
    pairs: Mapping[str, EncodedPairs],
    warnings: Sequence[str],
) -> None:
    """What will be trained on what, before it begins."""
    from preference.checklist import training_line

    print(f"Stage A      {checkpoint.path}: {policy.description}")
    print(f"Pairs        {len(pairs['train'])} train, {len(pairs['validation'])} validation")
    for name, encoded in pairs.items():
        for reason, count in encoded.left_out.items():
            print(f"             left out of {name}: {count} {reason}")
    print(f"Training     {training_line(args, policy.model.dtype, policy.model.device)}")
    for warning in warnings:
        print(f"Warning      {warning}")
    if trainer.unshared:
        print(f"             each note is run twice, as stock TRL does, because {trainer.unshared}")


def complete_record(
    record: RunRecord, run: RunFolder, figures: Mapping[str, float], pairs: Mapping[str, EncodedPairs], seconds: float
) -> None:
    """Writes down that the run is over, and what came of it."""
    counts = {f"{name}_pairs": len(encoded) for name, encoded in pairs.items()}
    left_out = {name: encoded.left_out for name, encoded in pairs.items()}
    record.finish({**figures, **counts, "seconds": round(seconds, 1), "left_out": left_out, "run": run.name})


def run_name(args: argparse.Namespace, identity: str) -> str:
    """The name of a run's folder: what people change, readable, and a hash of all that decides its figures."""
    return f"beta{args.beta:g}_lr{args.learning_rate:g}_{identity[:8]}"


def print_next(final_model: Path) -> None:
    """The command of step 3, on this model."""
    print(f'Next: python evaluation_stage_a/evaluate_stage_a.py --model_path "{final_model}"')


if __name__ == "__main__":
    run_script(main)
