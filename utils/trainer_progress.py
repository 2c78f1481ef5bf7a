"""One progress line for the trainers: steps, time left and the figures worth watching, instead of dumped dicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from transformers import TrainerState
from transformers.trainer_callback import ProgressCallback

Logs: TypeAlias = dict[str, Any]  # what a trainer logs at a step

# What a figure is called in the trainer's log, and here.
SHOWN: Mapping[str, str] = {
    "loss": "loss",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "eval_loss": "val loss",
    "eval_rewards/margins": "val margin",
}


class ProgressLine(ProgressCallback):
    """The stock bar with the last logged figures behind it; a loss that is no number is said at once."""

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or self.training_bar is None or not logs:
            return
        figures = {name: float(logs[key]) for key, name in SHOWN.items() if key in logs}
        if not all(math.isfinite(value) for value in figures.values()):
            self.training_bar.write(f"warning: step {state.global_step}: a figure is not finite: {figures}")
        if figures:
            self.training_bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()})


def use_progress_line(trainer: Any) -> None:
    """Replace a trainer's own progress callbacks."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLine)
