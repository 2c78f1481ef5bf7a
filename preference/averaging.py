"""The mean of the weights over the last steps: it is validated and saved in place of the weights after the last one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import TrainerState

AVERAGE = "average"  # in the optimizer's state, beside AdamW's moments: so every checkpoint holds it


class AverageWeights(TrainerCallback):
    """Keep an exponential mean of the trained weights: over about the last quarter of the steps, at most ``steps``.

    The window grows with the run, so that a short run, too, forgets where it began. Under a constant learning rate the
    weights move around what they should be, with every batch's noise; their mean does not (Polyak and Juditsky 1992,
    SIAM J. Control Optim. 30(4); in preference training, WARP, arXiv 2406.16768). Training does not see it, so it goes
    as it would without. (torch.optim.swa_utils.AveragedModel would copy the frozen weights as well, and the trainer's
    checkpoints would not hold it.)
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    @torch.no_grad()
    def on_step_end(self, args: Any, state: TrainerState, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Take the weights after this step into the mean."""
        for weight, kept in _states(optimizer):
            if AVERAGE in kept:
                kept[AVERAGE].lerp_(weight, 1 / min(state.global_step // 4 + 1, self.steps))
            else:
                kept[AVERAGE] = weight.detach().clone()


@contextmanager
def averaged_weights(optimizer: Any) -> Iterator[None]:
    """Exchange the weights for their mean, as far as one is kept, and give them back."""
    _exchange(optimizer)
    try:
        yield
    finally:
        _exchange(optimizer)


@torch.no_grad()
def _exchange(optimizer: Any) -> None:
    for weight, kept in _states(optimizer):
        if AVERAGE in kept:
            present = weight.detach().clone()
            weight.copy_(kept[AVERAGE])
            kept[AVERAGE].copy_(present)


def _states(optimizer: Any) -> Iterator[tuple[Tensor, dict[str, Any]]]:
    """Each weight that has been updated, with the optimizer's state of it."""
    if optimizer is not None:
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if optimizer.state.get(weight):
                    yield weight, optimizer.state[weight]
