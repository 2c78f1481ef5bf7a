"""What the checks of gpu_smoke.py share: a model, some pairs, step 2 as its script runs it, a precision set by hand."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch

import stage_b_dpo_training
from benchmarks.side_by_side.dpo_figures import gradient_difference
from preference.data.pairs import EncodedPairs, encode_pairs, read_pairs
from preference.data.reference import ReferenceLogProbs
from preference.policy import build_policy
from preference.remembered import Remembered
from preference.runs.folder import METRICS, RunFolder
from preference.trainer import PairsTrainer
from preference.training import build_trainer
from utils.files import make_output_dir, read_journal
from utils.models import Checkpoint, choose_dtype, find_checkpoint, load_tokenizer

if TYPE_CHECKING:
    import argparse

    from transformers import PreTrainedTokenizerBase

BATCH = 4  # pairs of the batch that is looked at, and of step 2's default batch
PRECISIONS: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# A step done another way: the difference of its loss, and of a gradient relative to its size. fp32 adds up in another
# order; half precision rounds to 2 to 3 digits, and whole models of it agree to one.
LOSS_APART = {"fp32": 1e-4, "half": 5e-2}
GRADIENT_APART = {"fp32": 1e-3, "half": 0.2}
# Of the losses of single steps in fp16. A run begins with 2**16 and halves it at each gradient that overflows.
SCALE = 2.0**8


class CheckFailed(Exception):
    """A figure is not what it has to be."""


class Skipped(Exception):
    """This machine has not got what the check is about; the message says what."""


@dataclass(frozen=True)
class Step:
    """A training step on one batch: its loss, and the gradient of each weight that is trained."""

    loss: float
    gradients: Mapping[str, np.ndarray]

    def compare(self, other: Step, precision: str) -> str:
        """How far another way of doing the same step is from this one. Raises CheckFailed where that is too far."""
        kind = "fp32" if precision == "fp32" else "half"
        loss = abs(self.loss - other.loss)
        gradient, where = gradient_difference(self.gradients, other.gradients)
        figures = f"loss differs by {loss:.1e}, gradients by {gradient:.1e}"
        require(loss <= LOSS_APART[kind] and gradient <= GRADIENT_APART[kind], f"{figures} ({where}), in {precision}")
        return figures


@dataclass(frozen=True)
class Setting:
    """A model path as step 2 takes it, a file of pairs, the device, and a folder of one's own."""

    model: str
    pairs: Path
    device: torch.device
    folder: Path

    @property
    def own_precision(self) -> str:
        """The precision that the project chooses for this device."""
        return next(name for name, dtype in PRECISIONS.items() if dtype == choose_dtype(self.device))

    @property
    def checkpoint(self) -> Checkpoint:
        """The model, checked."""
        return find_checkpoint(self.model, "--model", "python models/train_stage_a.py")

    def words(self, folder: Path, *more: str) -> list[str]:
        """Step 2's options for a run of one epoch into ``folder``; the pairs to validate on are some of the others."""
        options = {
            "sft_model_path": self.model,
            "train_data_path": self.pairs,
            "val_data_path": self.pairs,
            "max_val_pairs": 2,
            "output_dir": folder / "model",
            "reference_dir": folder / "reference",
            "num_epochs": 1,
            "batch_size": BATCH,
            "device": self.device.type,
        }
        return [word for name, value in options.items() for word in (f"--{name}", str(value))] + list(more)

    def new_folder(self) -> Path:
        """An empty folder inside this setting's own."""
        return Path(tempfile.mkdtemp(dir=make_output_dir(self.folder)))

    def options(self, folder: Path, *more: str) -> argparse.Namespace:
        """The same, parsed."""
        return stage_b_dpo_training.build_parser().parse_args(self.words(folder, *more))

    def encoded(
        self, tokenizer: PreTrainedTokenizerBase, args: argparse.Namespace, count: int | None = BATCH
    ) -> EncodedPairs:
        """Token ids of so many of the pairs; all for None."""
        return encode_pairs(tokenizer, read_pairs(self.pairs, count, args.seed), args.max_length)

    def trainer(self, folder: Path, *more: str, quantization: str | None = None) -> PairsTrainer:
        """Step 2's trainer with its reference, its model as it is while training, in the precision that holds now."""
        args, checkpoint = self.options(folder, *more), self.checkpoint
        tokenizer = load_tokenizer(checkpoint)
        pairs = self.encoded(tokenizer, args)
        policy = build_policy(checkpoint, self.device, args.lora_r, quantization)
        run = RunFolder(folder, "run")
        make_output_dir(run.checkpoints)
        reference = ReferenceLogProbs(args.reference_dir, writer="smoke")
        measured = Remembered(reference.folder, self.device)
        trainer = build_trainer(policy, tokenizer, pairs, pairs, args, run, measured, save_best=lambda model: None)
        trainer.add_reference(reference)
        trainer.model = trainer.accelerator.prepare_model(trainer.model)  # from here on it computes as in train()
        trainer.current_gradient_accumulation_steps = 1
        scaler = trainer.accelerator.scaler
        if scaler is not None:
            scaler.load_state_dict({**scaler.state_dict(), "scale": SCALE})
        return trainer


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Have the project compute in this precision, whatever it would choose for the device."""

    def chosen(device: torch.device) -> torch.dtype:
        return PRECISIONS[precision]

    with patch("utils.models.choose_dtype", chosen), patch("preference.memory.preflight.choose_dtype", chosen):
        yield


def run_stage_b(setting: Setting, folder: Path, *more: str) -> list[dict[str, Any]]:
    """Step 2's own command, from its options to its model; what it logged at each step."""
    code = stage_b_dpo_training.main(setting.words(folder, *more))
    require(code == 0, f"stage_b_dpo_training.py ended with code {code}")
    steps = [entry for entry in read_journal(folder / "model" / METRICS) if "loss" in entry]
    require(bool(steps) and all(math.isfinite(step["loss"]) for step in steps), f"losses: {steps}")
    return steps


def first_batch(trainer: PairsTrainer) -> dict[str, Any]:
    """All its pairs as one batch, on its device."""
    rows = [trainer.train_dataset[index] for index in range(len(trainer.train_dataset))]
    batch: dict[str, Any] = trainer._prepare_inputs(trainer.data_collator(rows))
    return batch


def move_on(trainer: PairsTrainer) -> None:
    """Change the trained weights a little, so that the policy is no longer the reference and no margin is 0."""
    for parameter in trained(trainer).values():
        parameter.data.mul_(1.1)


def one_step(trainer: PairsTrainer, batch: dict[str, Any]) -> Step:
    """Forward and backward. Raises CheckFailed where a trained weight gets no gradient, or one that is no number."""
    trainer.model.zero_grad(set_to_none=True)
    loss = float(trainer.training_step(trainer.model, dict(batch)))
    scale = trainer.accelerator.scaler.get_scale() if trainer.accelerator.scaler else 1.0
    gradients = {
        name: p.grad.float().cpu().numpy() / scale for name, p in trained(trainer).items() if p.grad is not None
    }
    without = trained(trainer).keys() - gradients.keys()
    require(not without, f"{len(without)} of {len(trained(trainer))} trained weights get no gradient")
    require(all(np.isfinite(gradient).all() for gradient in gradients.values()), "a gradient is no number")
    return Step(loss, gradients)


def trained(trainer: PairsTrainer) -> dict[str, torch.nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}


def require(truth: bool, otherwise: str) -> None:
    """Raise CheckFailed where something does not hold."""
    if not truth:
        raise CheckFailed(otherwise)
