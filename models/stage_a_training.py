"""Stage A's trainer: validates at even distances, keeps an adapter of each such point, and goes on after a kill."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerState, set_seed
from trl import SFTConfig, SFTTrainer

from utils.cli import RunError
from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only
from utils.files import atomic_folder, write_json
from utils.models import all_linear_lora, autocast_flags, save_adapter
from utils.resumable_training import LengthGroupedOrder, SaveByTheClock, WholeCheckpoints
from utils.trainer_progress import MetricsJournal, use_progress_line

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EVALUATIONS = 6  # in a run; each leaves an adapter
LOGGING_STEPS = 5
FLAT = 0.01  # a validation loss that falls by less than this share from one evaluation to the next is flat
SNAPSHOT = "step-"  # folders with an adapter in fp16


class StageATrainer(WholeCheckpoints, SFTTrainer):
    """SFTTrainer whose checkpoints hold the adapter alone and can be gone on from exactly."""

    def __init__(self, *args: Any, checkpoints: Path, **options: Any) -> None:
        super().__init__(*args, **options)
        self.checkpoints = checkpoints

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(ids) for ids in rows["input_ids"]]
        return LengthGroupedOrder(lengths, self.args.per_device_train_batch_size, self.args.seed)

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """In fp32 on a CPU, as the adapter will be used there.

        Under bf16 autocast what a young adapter adds is rounded away beside the base's own output. Its gradients do
        not suffer (8 steps of SmolLM2-135M: 1.9689 after bf16, 1.9688 after fp32, both measured in fp32), but the loss
        reads 3 % too high.
        """
        model: Any = self.model
        in_training = model.forward
        if self.args.use_cpu:
            model.forward = getattr(model, "_original_forward", in_training)  # where accelerate put its autocast around
        try:
            return super().evaluate(*args, **options)
        finally:
            model.forward = in_training

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        adapter: Any = self.model
        adapter.save_pretrained(output_dir, state_dict=state_dict, save_embedding_layers=False)


class Milestones(TrainerCallback):
    """Evaluate ``EVALUATIONS`` times at even distances, with a checkpoint, and keep the adapter of each."""

    def __init__(self, checkpoints: Path, base: str) -> None:
        self.checkpoints, self.base = checkpoints, base

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Ask for an evaluation, a log line and a checkpoint where one is due."""
        due = state.global_step in evaluation_steps(state.max_steps)
        control.should_evaluate = due
        control.should_log = control.should_log or due
        control.should_save = due

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, model: Any = None, **_: Any) -> None:
        """Keep the adapter with its validation loss."""
        loss = next(entry["eval_loss"] for entry in reversed(state.log_history) if "eval_loss" in entry)
        folder = self.checkpoints / f"{SNAPSHOT}{state.global_step:06d}"
        save_fp16(model, self.base, folder, {"step": state.global_step, "steps": state.max_steps, "val_loss": loss})


def evaluation_steps(total: int) -> list[int]:
    """The steps of a run after which the validation loss is taken; the last step is always one of them."""
    return sorted({max(1, round(total * part / EVALUATIONS)) for part in range(1, EVALUATIONS + 1)})


def build_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    val: Dataset,
    args: argparse.Namespace,
    base: str,
    checkpoints: Path,
) -> StageATrainer:
    """TRL's SFTTrainer with LoRA on all linear layers, in the precision that the device has."""
    from peft import LoraConfig

    reuse_freed_memory()
    score_labelled_tokens_only()
    set_seed(args.seed)  # LoRA's random half is drawn while the trainer is built, before it sets its own seed
    config = SFTConfig(
        output_dir=str(args.output_dir),
        num_train_epochs=args.num_epochs,
        learning_rate=args.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=args.batch_size,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are token ids and labels already
        gradient_checkpointing=model.device.type != "cpu",
        logging_steps=LOGGING_STEPS,
        eval_strategy="no",  # Milestones says when
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        seed=args.seed,
        **autocast_flags(model.device, cpu_bf16=True),
    )
    config._n_gpu = min(config.n_gpu, 1)  # several cards in sight of one process: use the first, as --device says
    trainer = StageATrainer(
        model=model,
        args=config,
        train_dataset=train,
        eval_dataset=val,
        processing_class=tokenizer,
        # Rank-stabilised scaling, alpha / sqrt(r) (arXiv 2312.03732): the small default base hardly moves without it
        # (24 steps of 8 rows at 1e-3: validation loss 2.01 with alpha / r, 1.78 with this).
        peft_config=LoraConfig(**all_linear_lora(args.lora_r), use_rslora=True),
        checkpoints=checkpoints,
    )
    trainer.add_callback(Milestones(checkpoints, base))
    trainer.add_callback(SaveByTheClock())
    trainer.add_callback(MetricsJournal(args.output_dir / "metrics.jsonl"))
    use_progress_line(trainer)
    return trainer


def save_fp16(model: Any, base: str, folder: Path, point: dict[str, Any] | None = None) -> None:
    """Save the adapter in fp16: half the size, and finer than the noise of its training.

    ``point`` says where in training it stood, as point.json.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    with atomic_folder(folder) as new:
        save_adapter(model, new, base)
        weights = new / "adapter_model.safetensors"
        half = {name: value.to(torch.float16).clone() for name, value in load_file(weights).items()}
        try:
            save_file(half, weights, metadata={"format": "pt"})
        except SafetensorError as error:
            raise RunError(f"the adapter could not be saved: {error}; make room, run the command again") from error
        if point is not None:
            write_json(new / "point.json", point)


def flatness(log: list[dict[str, Any]]) -> tuple[float, float | None]:
    """The last validation loss, and the share by which it fell since the one before, None where there is none."""
    losses = [float(entry["eval_loss"]) for entry in log if "eval_loss" in entry]
    return losses[-1], (losses[-2] - losses[-1]) / losses[-2] if len(losses) > 1 else None


def in_plain_words(fall: float | None) -> str:
    """Whether the validation loss has flattened."""
    if fall is None:
        return "one evaluation only: whether the validation loss has flattened is not known"
    verdict = "it has flattened" if fall < FLAT else "it has not flattened: more --num_epochs may help"
    return f"it fell by {fall:.1%} since the evaluation before: {verdict} (under {FLAT:.0%})"


def precision(trainer: StageATrainer) -> str:
    """What the run computes in; the adapter itself is fp32 while it trains."""
    half = next((name for name in ("bf16", "fp16") if getattr(trainer.args, name)), None)
    validation = ", validation in fp32" if trainer.args.use_cpu else ""
    return f"{half} autocast{validation}" if half else "fp32"


def expected_seconds(trainer: Any, steps_done: int) -> float:
    """Seconds that the rest of the run will take, from one batch timed on this machine.

    A batch around the median length goes forward and backward; the rest is proportion by tokens (rows of one batch
    have nearly one length). Validation goes forward only. Weights and random state stay as they were.
    """
    model, size = trainer.model, trainer.args.per_device_train_batch_size
    train, val = ([len(ids) for ids in rows["input_ids"]] for rows in (trainer.train_dataset, trainer.eval_dataset))
    by_length = sorted(range(len(train)), key=train.__getitem__)
    middle = max(0, (len(by_length) - size) // 2)
    rows = [trainer.train_dataset[index] for index in by_length[middle : middle + size]]

    def step(part: list[dict[str, Any]]) -> None:
        batch = trainer._prepare_inputs(trainer.data_collator(part))
        with trainer.accelerator.autocast():
            loss = -model(**batch, fused_lm_head=True).log_probs.sum()
        loss.backward()
        model.zero_grad(set_to_none=True)
        loss.item()  # an accelerator returns before it has finished

    model.train()
    step(rows[:1])  # the first call allocates and tunes
    start = time.perf_counter()
    step(rows)
    a_token = (time.perf_counter() - start) / sum(len(row["input_ids"]) for row in rows)
    forward = 0.8 if trainer.args.use_cpu and trainer.args.bf16 else 0.5  # fp32 beside a bf16 step, or like beside like
    tokens = trainer.args.num_train_epochs * sum(train) + EVALUATIONS * forward * sum(val)
    return a_token * tokens * max(0.0, 1 - steps_done / total_steps(trainer))


def total_steps(trainer: Any) -> int:
    """Updates in the whole run."""
    an_epoch = math.ceil(len(trainer.train_dataset) / trainer.args.per_device_train_batch_size)
    return math.ceil(trainer.args.num_train_epochs * an_epoch)


def disk_use(folder: Path) -> str:
    """What a folder's files take, as people say it."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{size / 1e6:.0f} MB"
