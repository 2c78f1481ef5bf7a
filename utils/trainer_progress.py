"""What the trainers log: one progress line on screen instead of dumped dicts, and a journal of every figure on disk."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from transformers import TrainerCallback, TrainerState
from transformers.trainer_callback import ProgressCallback

from utils.files import append_journal, open_journal, read_journal
from utils.records import write_jsonl

if TYPE_CHECKING:
    import torch

Logs: TypeAlias = dict[str, Any]  # what a trainer logs at a step

# What a figure is called in the trainer's log, and here.
SHOWN: Mapping[str, str] = {
    "loss": "loss",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "eval_loss": "val loss",
    "eval_rewards/margins": "val margin",
}
TIMED_STEPS = 20  # speed is the mean over so many: one step's depends on how long its rows are


class ProgressLine(ProgressCallback):
    """The stock bar, which has the time left, with the last logged figures, speed and memory behind it; a loss that is
    no number is said at once. ``unit`` is what the rows of a batch are called.
    """

    def __init__(self, unit: str = "rows") -> None:
        super().__init__()
        self.unit = unit
        self.began = 0.0
        self.seconds: deque[float] = deque(maxlen=TIMED_STEPS)

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **options: Any) -> None:
        """Move the bar and keep the step's seconds."""
        super().on_step_end(args, state, control, **options)
        self.seconds.append(time.monotonic() - self.began)

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """Put the figures behind the bar; say it where one is no number."""
        if not state.is_world_process_zero or self.training_bar is None or not logs:
            return
        figures = {name: float(logs[key]) for key, name in SHOWN.items() if key in logs}
        if not all(math.isfinite(value) for value in figures.values()):
            self.training_bar.write(f"warning: step {state.global_step}: a figure is not finite: {figures}")
        if not figures:
            return
        shown = {name: f"{value:.4g}" for name, value in figures.items()}
        if "loss" in figures and self.seconds:
            rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            shown[f"{self.unit}/s"] = f"{rows * len(self.seconds) / sum(self.seconds):.3g}"
            shown["memory"] = f"{memory_in_use(args.device) / 1e9:.1f} GB"
        self.training_bar.set_postfix(shown)


class MetricsJournal(TrainerCallback):
    """Put every logged step on disk at once: a run cut off leaves its curve, and going on repeats no step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Begin a new journal, or drop the steps that this run will do again."""
        if not state.is_world_process_zero:
            return
        if state.global_step == 0:
            self.path.unlink(missing_ok=True)
        else:
            write_jsonl(self.path, [entry for entry in read_journal(self.path) if entry["step"] <= state.global_step])

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """Append the step's figures."""
        if state.is_world_process_zero and logs:
            with open_journal(self.path) as file:
                append_journal(file, {"step": state.global_step, "epoch": state.epoch, **logs})


def use_progress_line(trainer: Any, unit: str = "rows") -> None:
    """Replace a trainer's own progress callbacks. ``unit`` is what the rows of a batch are called."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLine(unit))


def memory_in_use(device: torch.device) -> int:
    """Bytes: on a CUDA card the most that tensors have taken so far, elsewhere what the process has in RAM now."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    import psutil

    return int(psutil.Process().memory_info().rss)


def in_words(seconds: float) -> str:
    """A duration as people say it: 40 seconds, 12 minutes, 3.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
