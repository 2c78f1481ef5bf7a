"""The two arms of dpo_speed.py, stock TRL and ours: the same pairs in the same order, each step reported.

Both take the options of stage_b_dpo_training.py, and report the same phases.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerState, set_seed
from trl import DPOConfig, DPOTrainer

from benchmarks.side_by_side.dpo_figures import GRADIENTS, PROFILE_FILE, PairSize, Parameters, RowSize, profile_shares
from benchmarks.side_by_side.turns import LAST, Turns
from preference.data.batches import batch_of, notes_of, training_order, unshared_batch_of
from preference.data.pairs import EncodedPairs, encode_pairs, pair_ids, read_pairs
from preference.data.reference import ReferenceLogProbs
from preference.expected_time import expected_seconds
from preference.memory.preflight import Preflight
from preference.policy import Policy, build_policy
from preference.remembered import Remembered
from preference.runs.folder import RunFolder
from preference.training import WARMUP_STEPS, build_trainer
from utils.files import make_output_dir, write_json
from utils.models import Checkpoint, autocast_flags, choose_device, find_checkpoint, load_tokenizer
from utils.resumable_training import LengthGroupedOrder
from utils.trainer_progress import Logs


class StockTrainer(DPOTrainer):
    """TRL's own, given the token ids and the order of the rows."""

    def _prepare_dataset(self, dataset: Any, *_args: Any, **_options: Any) -> Any:
        return dataset

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedOrder:
        return training_order(self.train_dataset, self.args.per_device_train_batch_size, self.args.seed)


def run_stock(args: argparse.Namespace, turns: Turns) -> None:
    """TRL as its user runs it: LoRA on all linear layers of the SFT model, both rows of each pair, no precomputing."""
    _, tokenizer, pairs, policy = load(args)
    turns.done("load")
    set_seed(args.seed)
    config = DPOConfig(
        output_dir=str(args.output_dir),
        beta=args.beta,
        loss_type=args.loss_type,
        learning_rate=args.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=WARMUP_STEPS,
        num_train_epochs=args.num_epochs,
        per_device_train_batch_size=args.batch_size,
        gradient_checkpointing=False,  # as ours on a CPU; TRL's default would take more time and less memory
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=args.seed,
        **autocast_flags(policy.model.device),
    )
    trainer = StockTrainer(
        policy.model, args=config, train_dataset=pairs.dataset, processing_class=tokenizer, peft_config=policy.lora
    )
    turns.done("build")
    turns.done("estimate")  # it gives none
    turns.done("reference")  # runs beside the policy in each step
    train(trainer, turns, args.output_dir)


def run_ours(args: argparse.Namespace, turns: Turns, profiled_steps: int = 0) -> None:
    """Step 2 as stage_b_dpo_training.py runs it, checkpoints included, without the validation after each epoch."""
    checkpoint, tokenizer, pairs, policy = load(args)
    ids = pair_ids(pairs.dataset)
    predicted = Preflight.of(args, checkpoint, policy.model.device, ids).memory()
    turns.done(
        "load",
        pairs=[PairSize(*map(len, pair)) for pair in ids],
        rows=[RowSize(len(ids[note.pairs[0]].prompt), note.tokens) for note in notes_of(ids)],
        parameters=count_parameters(policy.model),
        predicted_bytes=predicted.total,
        prediction=str(predicted),
    )
    run = RunFolder(args.output_dir, "run")
    make_output_dir(run.checkpoints)
    reference = ReferenceLogProbs(args.reference_dir, writer=args.output_dir.name)
    measured = Remembered(reference.folder, policy.model.device)
    trainer = build_trainer(policy, tokenizer, pairs, pairs, args, run, measured, save_best=lambda model: None)
    trainer.args.eval_strategy = "no"
    order = training_order(pairs.dataset, args.batch_size, args.seed)
    met = [[ids[index] for index in batch] for batch in batches(order, args.batch_size, round(args.num_epochs))]
    padded = {"stock": unshared_batch_of, "ours": unshared_batch_of if trainer.unshared else batch_of}
    turns.done(
        "build",
        unshared=trainer.unshared,
        tokens_with_padding={arm: sum(size_of(batch).tokens for batch in met) for arm, size_of in padded.items()},
    )
    turns.done("estimate", expected_seconds=expected_seconds(trainer, reference, measured))
    trainer.add_reference(reference)
    turns.done("reference", computed=reference.computed)
    if profiled_steps:
        trainer.add_callback(ProfileSteps(profiled_steps, args.output_dir / PROFILE_FILE))
    train(trainer, turns, args.output_dir)


def load(args: argparse.Namespace) -> tuple[Checkpoint, PreTrainedTokenizerBase, EncodedPairs, Policy]:
    """The SFT checkpoint, its tokenizer, token ids of the pairs, and the model to train."""
    checkpoint = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    tokenizer = load_tokenizer(checkpoint)
    pairs = encode_pairs(tokenizer, read_pairs(Path(args.train_data_path), None, args.seed), args.max_length)
    policy = build_policy(checkpoint, choose_device(args.device), args.lora_r, quantization=None)
    return checkpoint, tokenizer, pairs, policy


def train(trainer: Any, turns: Turns, folder: Path) -> None:
    """Train to the end, a turn for each step."""
    trainer.add_callback(TurnPerStep(turns, folder / GRADIENTS))
    trainer.train()
    turns.done(LAST)


class TurnPerStep(TrainerCallback):
    """End the turn when a step is logged, and keep the gradients of the first step (clipped, which keeps ratios)."""

    def __init__(self, turns: Turns, gradients: Path) -> None:
        self.turns, self.gradients = turns, gradients

    def on_pre_optimizer_step(self, args: Any, state: TrainerState, control: Any, model: Any = None, **_: Any) -> None:
        """Keep the gradients before the first update."""
        if state.global_step == 0:
            save_file({n: p.grad for n, p in model.named_parameters() if p.grad is not None}, self.gradients)

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """End the turn with the figures of the step."""
        if logs and "loss" in logs:
            self.turns.done("step", step=state.global_step, loss=logs["loss"], margin=logs["rewards/margins"])


class ProfileSteps(TrainerCallback):
    """Profile some steps after the first, in which memory is fetched and the optimizer set up."""

    def __init__(self, steps: int, path: Path) -> None:
        self.steps, self.path = steps, path
        self.profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
        self.began = 0.0

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Begin to profile with the second step."""
        if state.global_step == 1:  # not before: to start the profiler takes time, and the first step's is a figure
            self.profiler.start()
            self.began = time.perf_counter()

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """Write the shares of the operators after the last profiled step."""
        if state.global_step == 1 + self.steps:
            seconds = time.perf_counter() - self.began
            self.profiler.stop()
            write_json(self.path, profile_shares(operators(self.profiler.events() or []), seconds))


def operators(events: Sequence[Any]) -> Iterator[tuple[list[str], float]]:
    """Of each operator that a profiler saw: its name and those of its callers, and the seconds spent in itself."""
    for event in events:
        names, caller = [event.name], event.cpu_parent
        while caller is not None:
            names.append(caller.name)
            caller = caller.cpu_parent
        yield names, event.self_cpu_time_total / 1e6


def batches(order: LengthGroupedOrder, size: int, epochs: int) -> Iterator[list[int]]:
    """The rows of every batch, epoch by epoch."""
    for epoch in range(epochs):
        order.set_epoch(epoch)
        rows = list(order)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def count_parameters(model: Any) -> Parameters:
    """The weights that multiply every token, adapters aside. Embeddings are looked up; tied ones are the head, too."""
    embeddings = {id(layer.weight) for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    layers = (p for name, p in model.named_parameters() if "lora_" not in name and id(p) not in embeddings)
    return Parameters(sum(p.numel() for p in layers), model.get_output_embeddings().weight.numel())
