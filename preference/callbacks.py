"""What watches a run: its start, its losses, its likelihoods, and its best state so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from utils.cli import RunError
from utils.trainer_progress import Logs

REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins")
# Nats by which the mean log-prob of a chosen summary may fall below the reference's before it is said: a margin that
# grows because both sides become unlikely teaches the model to write neither (displacement, arXiv 2410.08847).
DISPLACED = 1.0
# GradScaler begins at 2**16: after so many halvings it scales no more.
OVERFLOWS = 16


class ReferenceCheck(TrainerCallback):
    """Stop when a reward before the first update is not 0: then the reference is not what training began from.

    Both rewards count, not their margin alone: a wrong reference shifts the two alike on pairs that differ in a word.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """Look at the rewards of the first step. Raises RunError."""
        if state.global_step != 1 or not logs or "loss" not in logs:
            return
        rewards = {name: float(logs[name]) for name in REWARDS}
        if not all(abs(reward) <= self.tolerance for reward in rewards.values()):
            shown = ", ".join(f"{name} {reward:g}" for name, reward in rewards.items())
            raise RunError(f"policy and reference differ before the first update ({shown}); they must be the same")


class StopOnDivergence(TrainerCallback):
    """Stop at the first loss or gradient that is no number; the last checkpoint is from before it.

    ``scaled`` tells that losses are scaled for fp16: a gradient that overflows then is no news, because the scaler
    leaves that update out and halves its scale. Only so many of them in a row that no scale is left stop the run.
    """

    def __init__(self, *, scaled: bool = False) -> None:
        self.allowed = OVERFLOWS if scaled else 0
        self.overflows = 0  # in a row

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Logs | None = None, **_: Any) -> None:
        """Look at losses and gradient norm. Raises RunError."""
        seen = {name: float(logs[name]) for name in ("loss", "grad_norm", "eval_loss") if logs and name in logs}
        if "grad_norm" in seen:
            self.overflows = 0 if math.isfinite(seen["grad_norm"]) else self.overflows + 1
        losses = (value for name, value in seen.items() if name != "grad_norm")
        if self.overflows > self.allowed or not all(map(math.isfinite, losses)):
            raise RunError(
                f"training diverged at step {state.global_step} ({seen}); no model was saved, the last checkpoint is "
                "from before. Try a lower --learning_rate"
            )


class WarnOfDisplacement(TrainerCallback):
    """Say after an evaluation when the chosen summaries have become less likely together with the rejected ones."""

    def __init__(self, beta: float, say: Callable[[str], object]) -> None:
        self.beta, self.say = beta, say

    def on_evaluate(
        self, args: Any, state: TrainerState, control: Any, metrics: Mapping[str, float] | None = None, **_: Any
    ) -> None:
        """Look at the rewards of the validation pairs."""
        warning = displacement(metrics or {}, self.beta)
        if warning:
            self.say(f"warning: step {state.global_step}: {warning}")


def displacement(metrics: Mapping[str, float], beta: float) -> str | None:
    """What to say of validation figures in which both sides have become unlikely; None where chosen ones have not."""
    chosen, rejected = (metrics.get(f"eval_rewards/{side}", 0.0) / beta for side in ("chosen", "rejected"))
    if chosen > -DISPLACED or rejected > -DISPLACED:
        return None
    return (
        f"the chosen summaries have become less likely (log-prob {chosen:+.1f}) together with the rejected ones "
        f"({rejected:+.1f}). Hold on to them with --loss_type sigmoid sft, or take a higher --beta or a lower "
        "--learning_rate"
    )


class KeepBest(TrainerCallback):
    """Save the model after each evaluation that has the lowest loss so far; stop after ``patience`` without one.

    What the best is, is read from the trainer's log, which a checkpoint holds: a run that goes on decides as one that
    was not cut off. ``patience`` 0 never stops.
    """

    def __init__(self, patience: int, save: Callable[[Any], object]) -> None:
        self.patience, self.save = patience, save

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, model: Any = None, **_: Any) -> None:
        """Save the model or, after too many evaluations without a better one, stop."""
        late = evaluations_since_best(state.log_history)
        if late == 0 and state.is_world_process_zero:
            self.save(model)
        elif self.patience and late >= self.patience:
            control.should_training_stop = True


def had_stopped(trainer: Any, state: Path, patience: int) -> bool:
    """Whether :class:`KeepBest` had ended training at this checkpoint, which the trainer itself would not know.

    If so, the trainer gets the checkpoint's log.
    """
    kept = TrainerState.load_from_json(str(state / TRAINER_STATE_NAME))
    stopped = bool(patience) and evaluations_since_best(kept.log_history) >= patience
    if stopped:
        trainer.state = kept
    return stopped


def evaluations_since_best(log: Sequence[Mapping[str, float]]) -> int:
    """How many evaluations came after the one with the lowest loss; 0 where the last one is the best."""
    losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
