"""Stage B itself: TRL's DPOTrainer on pairs that are token ids already, checked at its first step."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerState
from trl import DPOConfig, DPOTrainer

from preference.policy import Policy, adapter_weights, keep_trainable_fp32
from utils.cli import RunError
from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only
from utils.models import autocast_flags
from utils.trainer_progress import Logs, MetricsJournal, use_progress_line

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from preference.pairs import EncodedPairs

# Steps over which the learning rate rises; fixed, so that a longer run begins exactly as a shorter one.
WARMUP_STEPS = 10

# |reward| before the first update. It is 0 in exact arithmetic, and was 0 to the last bit on a CPU in fp32; half
# precision may run the two roles through different kernels.
TOLERANCE = {"fp32": 1e-4, "half": 5e-2}
REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins")


class PairsTrainer(DPOTrainer):
    """Stock DPOTrainer for pairs that :mod:`utils.prompts` encoded: one prompt format from Stage A to evaluation."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


class ReferenceCheck(TrainerCallback):
    """Stop when a reward before the first update is not 0: then the reference is not what training began from.

    Both rewards count, not their margin alone: a wrong reference shifts the two alike on pairs that differ in a word.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        if state.global_step != 1 or not logs or "loss" not in logs:
            return
        rewards = {name: float(logs[name]) for name in REWARDS}
        if not all(abs(reward) <= self.tolerance for reward in rewards.values()):
            shown = ", ".join(f"{name} {reward:g}" for name, reward in rewards.items())
            raise RunError(f"policy and reference differ before the first update ({shown}); they must be the same")


def build_trainer(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    train: EncodedPairs,
    val: EncodedPairs,
    args: argparse.Namespace,
) -> PairsTrainer:
    """TRL's DPOTrainer for sigmoid DPO (Rafailov et al., arXiv 2305.18290, equation 7) with ``--beta``.

    The learning rate is constant after a short warm-up: a second or third epoch teaches as much as the first.
    """
    reuse_freed_memory()
    score_labelled_tokens_only()
    device = policy.model.device
    flags = autocast_flags(device)
    config = DPOConfig(
        output_dir=str(args.output_dir),
        beta=args.beta,
        learning_rate=args.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=WARMUP_STEPS,
        num_train_epochs=args.num_epochs,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=args.batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        gradient_checkpointing=device.type != "cpu",
        max_length=None,  # pairs that are too long were left out and counted; nothing is cut
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="no",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        report_to="none",
        seed=args.seed,
        **flags,
    )
    config._n_gpu = min(config.n_gpu, 1)  # several cards in sight of one process: use the first, as --device says
    original = adapter_weights(policy)
    trainer = PairsTrainer(
        model=policy.model,
        args=config,
        train_dataset=train.dataset,
        eval_dataset=val.dataset,
        processing_class=tokenizer,
        peft_config=policy.lora,
    )
    keep_trainable_fp32(trainer.model, original)
    trainer.add_callback(ReferenceCheck(TOLERANCE["half" if flags["bf16"] or flags["fp16"] else "fp32"]))
    trainer.add_callback(MetricsJournal(metrics_path(args.output_dir)))
    use_progress_line(trainer)
    return trainer


def final_figures(log: list[dict[str, float]]) -> dict[str, float]:
    """Loss and margin at the first and the last step, and on validation after the last epoch.

    Raises RunError where one is not finite: such a model is not worth saving over an earlier one.
    """
    steps = [entry for entry in log if "loss" in entry]
    validation = next(entry for entry in reversed(log) if "eval_loss" in entry)
    figures = {
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
        "last_margin": steps[-1]["rewards/margins"],
        "val_loss": validation["eval_loss"],
        "val_margin": validation["eval_rewards/margins"],
        "val_accuracy": validation["eval_rewards/accuracies"],
        "val_chosen_reward": validation["eval_rewards/chosen"],
    }
    if not all(math.isfinite(value) for value in figures.values()):
        raise RunError(f"training diverged ({figures}); nothing was saved. Try a lower --learning_rate")
    return figures


def metrics_path(output_dir: Path) -> Path:
    """Where every logged step of a run is kept, one JSON object a line."""
    return output_dir / "metrics.jsonl"
