"""TRL's DPOTrainer, each note run once, reference log-probs from disk, checkpoints whole or absent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm
from trl import DPOTrainer
from trl.trainer.utils import add_fused_lm_head

from preference.averaging import averaged_weights
from preference.data.batches import batch_of, by_length, training_order
from preference.data.pairs import pair_ids
from preference.memory.out_of_memory import PairsAtOnce
from preference.packing.micro_batches import MicroBatches
from preference.packing.shared_batches import SharedOut, WholeBatches
from preference.packing.shared_prefix import SharedPrefixModel, largest_difference, reason_not_to_share
from utils.cli import RunError
from utils.distributed import is_main_process, own_share
from utils.out_of_memory import is_out_of_memory
from utils.resumable_training import LengthGroupedOrder, WholeCheckpoints

if TYPE_CHECKING:
    from datasets import Dataset

    from preference.data.reference import LogProbs, ReferenceLogProbs
    from preference.remembered import Remembered

T = TypeVar("T")

# How far the log-prob of one token may be from the stock path's: packed rows go through other kernels, so the last
# bits differ; a model that looks past the fork is off by whole units.
SELF_CHECK = {"fp32": 1e-3, "half": 0.3}
REFERENCE_ADAPTER = "ref"  # TRL's name for its frozen copy of an SFT adapter


class PairsTrainer(WholeCheckpoints, WholeBatches, DPOTrainer):
    """TRL's DPOTrainer on pairs that are token ids already: each note is run once, each reference read from disk.

    Its losses, metrics and reference pass are called as they are, with a model that packs pairs in place of the model;
    ``unshared`` says why where that model cannot be used, None where it can. ``reference_free`` leaves the reference
    out of losses and accuracies; rewards are against it as ever. Where memory runs out, a step is undone and done again
    with fewer pairs in the model at once; the batch stays as it was.
    """

    # As they are here, not as wide as the libraries declare them.
    model: Any
    train_dataset: Any
    eval_dataset: Any

    def __init__(
        self,
        *args: Any,
        max_length: int,
        checkpoints: Path,
        measured: Remembered,
        reference_free: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.checkpoints = checkpoints
        self.reference_free = reference_free
        self._tp_size = self.args.world_size  # all processes have the same batch; TRL shall not add up its tokens
        # Set here and not in the config, which would have TRL hash all weights and score the pairs while it is built.
        self.precompute_ref_logps = True
        self.pairs_at_once = PairsAtOnce(tqdm.write)
        self.at_once: int | None = None  # what the step that is running may use
        self.unshared = reason_not_to_share(self.model.config, max_length) or measured.get(
            "self-check", self._differing_from_stock
        )

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        return dataset  # see add_reference

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedOrder:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        together = self.args.per_device_train_batch_size * self.args.world_size
        return training_order(rows, together, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Any:
        return by_length(pair_ids(eval_dataset))

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        packed = self.packing(model)
        shared_out = SharedOut(packed, self.accelerator) if self.args.world_size > 1 else packed
        chosen, rejected = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        if self.reference_free:
            inputs = {**inputs, "ref_rejected_logps": chosen}  # the same for both: it cancels from the margin
        loss = super()._compute_loss(shared_out, inputs, return_outputs)
        metrics = self._metrics["train" if self.model.training else "eval"]
        if self.reference_free:
            known = self.beta * self.accelerator.gather(chosen - rejected).mean().item()
            metrics["rewards/rejected"][-1] += known  # both as of DPO: against the summary's own reference
            metrics["rewards/margins"][-1] -= known
        if not self.model.training:
            # TRL averages over the entries of its list: with one for each pair, a short last batch counts for less.
            for values in metrics.values():
                values.extend(values[-1:] * (len(inputs["input_ids"]) // 2 - 1))
        return loss

    def training_step(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """The stock step, done with fewer pairs at once where memory runs out."""
        step = partial(super().training_step, model, inputs, *args, **options)
        return self._within_memory("training", inputs, step, shared_by=self.args.world_size)

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """The stock step, done with fewer pairs at once where memory runs out."""
        step = partial(super().prediction_step, model, inputs, *args, **options)
        return self._within_memory("validation", inputs, step, shared_by=self.args.world_size)

    def evaluate(self, *args: Any, **options: Any) -> Any:
        """The stock evaluation, of the weights that would be saved now; so are the callbacks that come after it."""
        with averaged_weights(self.optimizer):
            return super().evaluate(*args, **options)

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        """The stock reference pass, pairs of one note run together, fewer at once where memory runs out."""
        stock = super().compute_ref_log_probs

        with log_probs_only(self.accelerator.unwrap_model(model)):
            return self._within_memory("the reference pass", inputs, lambda: stock(self.packing(model), inputs))

    def packing(self, model: Any) -> Any:
        """The model as the losses call it: packed notes go in where it can take them, so many pairs as fit at once."""
        packed = model if self.unshared else SharedPrefixModel(model, self.model.config)
        return packed if self.at_once is None else MicroBatches(packed, self.at_once)

    def _within_memory(self, role: str, inputs: Mapping[str, Any], step: Callable[[], T], *, shared_by: int = 1) -> T:
        """Do a step on one batch, with as many pairs at once as fit; one that runs out of memory leaves no trace.

        ``shared_by`` is how many processes run the batch together.
        """
        rows, length = inputs["input_ids"].shape
        pairs = math.ceil(rows / 2 / shared_by)

        def attempt(at_once: int) -> T:
            undo = self._undo_point()
            self.at_once = at_once
            try:
                return step()
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    undo()
                    self._check_can_be_split(role, at_once)
                raise
            finally:
                self.at_once = None

        return self.pairs_at_once.run(role, pairs, length, attempt)

    def _undo_point(self) -> Callable[[], None]:
        """Take note of the gradients accumulated so far and of TRL's figures; returns what brings them back."""
        gradients = {p: p.grad.clone() for p in self.model.parameters() if p.grad is not None}
        tokens = self._total_train_tokens
        entries = {mode: {name: len(values) for name, values in of.items()} for mode, of in self._metrics.items()}

        def undo() -> None:
            for parameter in self.model.parameters():
                parameter.grad = gradients.get(parameter)
            self._total_train_tokens = tokens
            for mode, of in self._metrics.items():
                for name, values in of.items():
                    del values[entries[mode].get(name, 0) :]

        return undo

    def _check_can_be_split(self, role: str, pairs: int) -> None:
        """Raise RunError where fewer pairs at once would not make the same step."""
        reason = None
        if role == "training" and self.args.world_size > 1:
            reason = "the other processes are waiting for the gradients of this batch"
        elif self.aux_loss_enabled:
            reason = "the model's experts are balanced over the tokens of a batch"
        if reason and pairs > 1:
            raise RunError(
                f"out of memory in {role} with {pairs} pairs at once, and {reason}, so it cannot be split; take a "
                "smaller --batch_size with more --gradient_accumulation_steps"
            )

    def add_reference(self, reference: ReferenceLogProbs) -> None:
        """Read the reference's log-probs of all pairs, and compute those that are not there. The model must be as it
        was loaded; a frozen copy of its adapter, which TRL made to be the reference, is not needed afterwards.
        """
        notes_at_once = self.args.per_device_eval_batch_size
        self.model.eval()
        for name, rows in (("train", self.train_dataset), ("validation", self.eval_dataset)):
            batches = reference.missing(rows, notes_at_once)
            self.accelerator.wait_for_everyone()  # nothing is written before all processes know what is missing
            pairs = sum(map(len, own_share(batches)))
            silent = not (pairs and is_main_process())
            with tqdm(total=pairs, desc=f"Reference, {name}", unit="pair", disable=silent) as bar:

                def score(batch: Sequence[int], rows: Any = rows, bar: Any = bar) -> list[LogProbs]:
                    found = self._reference_of([rows[index] for index in batch])
                    bar.update(len(batch))
                    return found

                reference.compute(rows, batches, score)
            self.accelerator.wait_for_everyone()
            reference.read()
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

        def compare(at_once: int) -> float:
            parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
            batches = [self._prepare_inputs(self.data_collator(part)) for part in parts]
            return max(largest_difference(self.model, self.model.config, batch) for batch in batches)

        was_training = self.model.training
        self.model.eval()
        with self.accelerator.autocast():
            length = batch_of(pair_ids(self.train_dataset.select(range(len(rows))))).width
            difference = self.pairs_at_once.run("the self-check", len(rows), length, compare)
        self.model.train(was_training)
        allowed = SELF_CHECK["half" if self.args.bf16 or self.args.fp16 else "fp32"]
        return None if difference <= allowed else f"packed pairs give other log-probs (by up to {difference:.2g})"


@contextmanager
def log_probs_only(model: Any) -> Iterator[None]:
    """Have the fused LM head find nothing but log-probs, and not the entropies and mean logits that training logs."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    usual = base.forward
    add_fused_lm_head(base)
    try:
        yield
    finally:
        base.forward = usual
