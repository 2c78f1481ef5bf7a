"""Stage B itself: TRL's DPOTrainer on pairs that are token ids already, checked at its first step."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerState
from trl import DPOConfig, DPOTrainer

from preference.pairs import packed_lengths
from preference.policy import Policy, adapter_weights, keep_trainable_fp32
from preference.shared_prefix import SharedPrefixModel, largest_difference, reason_not_to_share
from utils.cli import RunError
from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only
from utils.models import autocast_flags
from utils.resumable_training import LengthGroupedOrder
from utils.trainer_progress import Logs, MetricsJournal, use_progress_line

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from preference.pairs import EncodedPairs
    from preference.reference import LogProbs, ReferenceLogProbs

# Steps over which the learning rate rises; fixed, so that a longer run begins exactly as a shorter one.
WARMUP_STEPS = 10

# |reward| before the first update. It is 0 in exact arithmetic, and was 0 to the last bit on a CPU in fp32; half
# precision may run the two roles through different kernels.
TOLERANCE = {"fp32": 1e-4, "half": 5e-2}
# How far the log-prob of one token may be from the stock path's: packed rows go through other kernels, so the last
# bits differ; a model that looks past the fork is off by whole units.
SELF_CHECK = {"fp32": 1e-3, "half": 0.3}
REFERENCE_ADAPTER = "ref"  # TRL's name for its frozen copy of an SFT adapter
REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins")


class PairsTrainer(DPOTrainer):
    """TRL's DPOTrainer on pairs that are token ids already: each note is run once, each reference read from disk.

    Its losses, metrics and reference pass are called as they are, with a model that packs pairs in place of the model;
    ``unshared`` says why where that model cannot be used, None where it can.
    """

    def __init__(self, *args: Any, max_length: int, **options: Any) -> None:
        super().__init__(*args, **options)
        # Set here and not in the config, which would have TRL hash all weights and score the pairs while it is built.
        self.precompute_ref_logps = True
        self.unshared = reason_not_to_share(self.model.config, max_length) or self._differing_from_stock()

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        return dataset  # see add_reference

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedOrder:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return LengthGroupedOrder(packed_lengths(rows), self.args.per_device_train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Any:
        lengths = packed_lengths(eval_dataset)
        return sorted(range(len(lengths)), key=lambda index: -lengths[index])

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        return super()._compute_loss(self.packing(model), inputs, return_outputs)

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        return super().compute_ref_log_probs(self.packing(model), inputs)

    def packing(self, model: Any) -> Any:
        """The model as the losses call it: packed pairs go in where it can take them."""
        return model if self.unshared else SharedPrefixModel(model, self.model.config)

    def add_reference(self, reference: ReferenceLogProbs) -> None:
        """Read the reference's log-probs of all pairs, and compute those that are not there. The model must be as it
        was loaded; a frozen copy of its adapter, which TRL made to be the reference, is not needed afterwards.
        """
        size = self.args.per_device_eval_batch_size
        self.model.eval()
        for name, rows in (("train", self.train_dataset), ("validation", self.eval_dataset)):
            batches = reference.missing(rows, size)
            pairs = sum(map(len, batches))
            with tqdm(total=pairs, desc=f"Reference, {name}", unit="pair", disable=not pairs) as bar:

                def score(batch: Sequence[int], rows: Any = rows, bar: Any = bar) -> list[LogProbs]:
                    found = self._reference_of([rows[index] for index in batch])
                    bar.update(len(batch))
                    return found

                reference.compute(rows, batches, score)
        self.train_dataset, self.eval_dataset = map(reference.add_to, (self.train_dataset, self.eval_dataset))
        if REFERENCE_ADAPTER in getattr(self.model, "peft_config", {}):
            self.model.delete_adapter(REFERENCE_ADAPTER)

    def _reference_of(self, rows: list[dict[str, Any]]) -> list[LogProbs]:
        batch = self._prepare_inputs(self.data_collator(rows))
        chosen, rejected = self.compute_ref_log_probs(self.model, batch)
        return list(zip(chosen.tolist(), rejected.tolist(), strict=True))

    def _differing_from_stock(self) -> str | None:
        """Compare both paths on the first pairs, before anything depends on it."""
        rows = [self.train_dataset[index] for index in range(min(2, len(self.train_dataset)))]
        batch = self._prepare_inputs(self.data_collator(rows))
        was_training = self.model.training
        self.model.eval()
        with self.accelerator.autocast():
            difference = largest_difference(self.model, self.model.config, batch)
        self.model.train(was_training)
        allowed = SELF_CHECK["half" if self.args.bf16 or self.args.fp16 else "fp32"]
        return None if difference <= allowed else f"packed pairs give other log-probs (by up to {difference:.2g})"


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
        max_length=args.max_length,
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
