"""TRL's DPOTrainer, each note run once, reference log-probs from disk, checkpoints whole or absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from trl import DPOTrainer

from preference.pairs import packed_lengths
from preference.shared_prefix import SharedPrefixModel, largest_difference, reason_not_to_share
from utils.resumable_training import LengthGroupedOrder, WholeCheckpoints

if TYPE_CHECKING:
    from datasets import Dataset

    from preference.reference import LogProbs, ReferenceLogProbs

# How far the log-prob of one token may be from the stock path's: packed rows go through other kernels, so the last
# bits differ; a model that looks past the fork is off by whole units.
SELF_CHECK = {"fp32": 1e-3, "half": 0.3}
REFERENCE_ADAPTER = "ref"  # TRL's name for its frozen copy of an SFT adapter


class PairsTrainer(WholeCheckpoints, DPOTrainer):
    """TRL's DPOTrainer on pairs that are token ids already: each note is run once, each reference read from disk.

    Its losses, metrics and reference pass are called as they are, with a model that packs pairs in place of the model;
    ``unshared`` says why where that model cannot be used, None where it can.
    """

    # As they are here, not as wide as the libraries declare them.
    model: Any
    train_dataset: Any
    eval_dataset: Any

    def __init__(self, *args: Any, max_length: int, checkpoints: Path, **options: Any) -> None:
        super().__init__(*args, **options)
        self.checkpoints = checkpoints
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
