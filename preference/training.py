"""Stage B itself: TRL's DPOTrainer on pairs that are token ids already, checked at its first step."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import DPOConfig, DPOTrainer

from preference.policy import Policy, adapter_weights, keep_trainable_fp32
from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only
from utils.models import autocast_flags
from utils.trainer_progress import use_progress_line

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from preference.pairs import EncodedPairs

# Steps over which the learning rate rises; fixed, so that a longer run begins exactly as a shorter one.
WARMUP_STEPS = 10

# |margin| before the first update. It is 0 in exact arithmetic, and was 0 to the last bit on a CPU in fp32; half
# precision may run the two roles through different kernels.
MARGIN_TOLERANCE = {"fp32": 1e-4, "half": 5e-2}


class PairsTrainer(DPOTrainer):
    """Stock DPOTrainer for pairs that :mod:`utils.prompts` encoded: one prompt format from Stage A to evaluation."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


class ReferenceCheck(TrainerCallback):
    """Stop when the margin before the first update is not 0: the reference is not what training began from."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.global_step != 1 or not logs or "rewards/margins" not in logs:
            return
        margin = float(logs["rewards/margins"])
        if not abs(margin) <= self.tolerance:
            raise RuntimeError(
                f"the margin before the first update is {margin:g}, not 0: policy and reference differ at the start"
            )


def build_trainer(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    train: EncodedPairs,
    val: EncodedPairs,
    args: argparse.Namespace,
) -> PairsTrainer:
    """TRL's DPOTrainer for sigmoid DPO (Rafailov et al., arXiv 2305.18290, equation 7) with ``--beta``.

    The learning rate is constant after a short warm-up, so that one more epoch goes on where the last one stopped.
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
        report_to="none",
        seed=args.seed,
        **flags,
    )
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
    trainer.add_callback(ReferenceCheck(MARGIN_TOLERANCE["half" if flags["bf16"] or flags["fp16"] else "fp32"]))
    use_progress_line(trainer)
    return trainer


def final_figures(log: list[dict[str, float]]) -> dict[str, float]:
    """Loss, margin and accuracy at the first and the last step, and on validation after the last epoch."""
    steps = [entry for entry in log if "loss" in entry]
    validations = [entry for entry in log if "eval_loss" in entry]
    figures = {"first_loss": steps[0]["loss"], "last_loss": steps[-1]["loss"]}
    figures["last_margin"] = steps[-1]["rewards/margins"]
    if validations:
        figures["val_loss"] = validations[-1]["eval_loss"]
        figures["val_margin"] = validations[-1]["eval_rewards/margins"]
        figures["val_accuracy"] = validations[-1]["eval_rewards/accuracies"]
        figures["val_chosen_logp"] = validations[-1]["eval_logps/chosen"]
    return figures


def metrics_path(output_dir: Path) -> Path:
    """Where every logged step of a run is kept, one JSON object a line."""
    return output_dir / "metrics.jsonl"
