"""Runs a batch through the model a few pairs at a time, and puts their figures together as if it had run at once.

TRL computes its losses and metrics from each token's log-prob. So only the model has to be run in parts: a mean over
tokens, an average over pairs or a sort still sees the whole batch, and there is nothing to weigh. In training, the
graph of a part is kept for the last one alone. The others are run again in the backward pass, when the graph of the
one before has been freed (checkpointing, Chen et al., arXiv 1604.06174, with a part for a segment), so the activations
of one part are in memory at a time, for the price of a second forward pass of all but the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from preference.packing.shared_prefix import IGNORED, PER_TOKEN_FIELDS


class MicroBatches:
    """Called as DPOTrainer calls its model with the fused LM head; runs ``at_once`` pairs at a time."""

    def __init__(self, model: Callable[..., Any], at_once: int) -> None:
        self.model, self.at_once = model, at_once

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **options: Any
    ) -> Any:
        """The model's outputs for all pairs, from as many runs as it takes."""

        def run(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **options)

        pairs = len(input_ids) // 2
        if pairs <= self.at_once:
            return run(input_ids, attention_mask, labels)
        outputs = []
        for start in range(0, pairs, self.at_once):
            stop = start + self.at_once
            width = int(pairs_of(attention_mask, start, stop).sum(dim=1).max())
            part = [pairs_of(rows, start, stop)[:, :width] for rows in (input_ids, attention_mask, labels)]
            outputs.append(run(*part) if stop >= pairs else checkpoint(run, *part, use_reentrant=False))
        fields = {
            name: joined([getattr(output, name) for output in outputs], labels.size(1) - 1)
            for name in PER_TOKEN_FIELDS
            if getattr(outputs[0], name) is not None
        }
        return replace(outputs[0], loss=None, label_mask=labels[:, 1:] != IGNORED, **fields)


def pairs_of(rows: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """The pairs from ``start`` to ``stop`` of the stock layout: (2B, L) rows, the B chosen above the B rejected."""
    return torch.cat([side[start:stop] for side in rows.chunk(2)])


def joined(parts: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """Figures per token of consecutive pairs as one field of the stock layout, each row filled with 0 to ``width``."""
    wide = [F.pad(part, (0, width - part.size(1))) for part in parts]
    chosen, rejected = zip(*(part.chunk(2) for part in wide), strict=True)
    return torch.cat([*chosen, *rejected])
