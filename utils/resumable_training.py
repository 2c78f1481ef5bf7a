"""Training that a kill costs minutes only: checkpoints whole or absent, and an order that a restart repeats."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerState
from transformers.trainer_pt_utils import get_length_grouped_indices

from utils.cli import RunError
from utils.distributed import as_main_says, is_main_process
from utils.files import sync_files

CHECKPOINT_MINUTES = 5.0  # work that a kill may cost
STATE = "resume-"  # folders with all that training needs to go on


class LengthGroupedOrder(Sampler[int]):
    """Rows of similar length together, in an order that only seed and epoch decide; rows of a group side by side.

    The stock sampler draws from the global generator, which stands elsewhere in a process that goes on from a
    checkpoint: that one would skip the wrong rows.
    """

    def __init__(
        self, lengths: list[int], batch_size: int, seed: int, groups: Sequence[Sequence[int]] | None = None
    ) -> None:
        """``lengths`` are of the ``groups``, which are the rows themselves where none are given."""
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.groups = groups or [[row] for row in range(len(lengths))]
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Told by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        return (row for group in order for row in self.groups[group])


class WholeCheckpoints:
    """Mixed into a transformers Trainer: its checkpoints are written aside, synced, then renamed; the newest stays.

    Set ``checkpoints``, the folder that they go to, before training.
    """

    checkpoints: Path
    args: Any
    state: TrainerState
    accelerator: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        usual = self.args.output_dir
        kept = self.checkpoints / f"{STATE}{self.state.global_step:06d}"
        work = self.checkpoints / f".saving-{self.state.global_step:06d}"  # every process adds its random state
        try:
            work.mkdir(mode=0o700, exist_ok=True)
            self.args.output_dir = str(work)
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self.accelerator.wait_for_everyone()
            if is_main_process():
                written = work / f"checkpoint-{self.state.global_step}"
                sync_files(written)
                shutil.rmtree(kept, ignore_errors=True)
                written.rename(kept)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError where the disk is full
            raise RunError(f"no checkpoint could be saved: {error}; make room, run the same command again") from error
        finally:
            self.args.output_dir = usual
            if is_main_process():
                shutil.rmtree(work, ignore_errors=True)
        if is_main_process():
            drop_state(self.checkpoints, but=kept)

    def create_model_card(self, *args: Any, **options: Any) -> None:
        """None: it would name this machine's folders."""


class SaveByTheClock(TrainerCallback):
    """Ask for a checkpoint when the last one is ``CHECKPOINT_MINUTES`` old, and after ``each_epoch``'s evaluation.

    Between epochs at logged steps only: the mean loss since the last log is not part of a checkpoint. Never between an
    epoch's last step and its evaluation: a run that goes on from there would leave the evaluation out.
    """

    def __init__(self, *, each_epoch: bool = False) -> None:
        self.saved = time.monotonic()
        self.each_epoch = each_epoch

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Ask for a checkpoint where the last one is old."""
        late = time.monotonic() - self.saved >= CHECKPOINT_MINUTES * 60
        late = control.should_log and as_main_says(late, args.device)  # a checkpoint is the work of all processes
        evaluates = self.each_epoch and ends_epoch(state)
        control.should_save = (control.should_save or late) and state.global_step < state.max_steps and not evaluates

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Ask for a checkpoint after the epoch's evaluation, where these are wanted."""
        control.should_save = self.each_epoch

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Set the clock back."""
        self.saved = time.monotonic()


def ends_epoch(state: TrainerState) -> bool:
    """Whether the step that has just ended was its epoch's last."""
    return float(state.epoch or 0.0).is_integer()


def find_state(checkpoints: Path) -> Path | None:
    """The newest checkpoint that training can go on from; half-written ones, which a kill left, are removed."""
    for torn in checkpoints.glob(".*"):
        shutil.rmtree(torn, ignore_errors=True)
    return max(checkpoints.glob(f"{STATE}*"), default=None)


def drop_state(checkpoints: Path, but: Path | None = None) -> None:
    """Remove what only a run that goes on needs, ``but`` one; the adapters stay."""
    for folder in checkpoints.glob(f"{STATE}*"):
        if folder != but:
            shutil.rmtree(folder, ignore_errors=True)


def step_of(folder: Path) -> int:
    """The step that a checkpoint or an adapter was saved after."""
    return int(folder.name.rpartition("-")[2])
