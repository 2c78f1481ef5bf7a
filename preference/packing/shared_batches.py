"""Several processes, one batch: each runs its share of the pairs, and all have the figures of the whole batch.

TRL computes its losses and metrics from each token's log-prob. So only the model's work is shared out: every process
reads the whole batch, runs a block of its pairs, and takes what the others found as given. A mean over tokens, a sort
over the batch or a last batch that does not divide is then what it is in one process, and there is nothing to weigh.
The gradient of the whole is the sum of the shares' gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.data_loader import BatchSamplerShard

from preference.packing.shared_prefix import IGNORED, PER_TOKEN_FIELDS
from utils.resumable_training import LengthGroupedOrder


class WholeBatches:
    """Mixed into TRL's DPOTrainer: every process reads the same batches, of so many pairs as all hold together."""

    accelerator: Accelerator

    def _get_dataloader(self, dataset: Any, description: str, batch_size: int, *args: Any, **options: Any) -> Any:
        together = batch_size * self.accelerator.num_processes
        loader = super()._get_dataloader(dataset, description, together, *args, **options)  # type: ignore[misc]
        dealing = loader.batch_sampler
        if isinstance(dealing, BatchSamplerShard):  # accelerate's, which gives each process batches of its own in turn
            dealing.num_processes, dealing.process_index = 1, 0
            dealing.even_batches = False  # or it would fill the last one up with pairs of the first
            order = dealing.batch_sampler.sampler
            if isinstance(order, LengthGroupedOrder):  # which epoch it is does not reach it in a run that goes on
                dealing.set_epoch = order.set_epoch  # type: ignore[attr-defined]
        return loader


@dataclass(frozen=True)
class SharedOut:
    """Called as DPOTrainer calls its model with the fused LM head, on all processes with the same batch.

    Runs the pairs of this process, and returns what the model would have returned of all.
    """

    model: Callable[..., Any]
    accelerator: Accelerator

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **options: Any
    ) -> Any:
        """Run this process's pairs, gather what the others computed of theirs."""
        own = self._share(attention_mask)
        width = int(own.sum(dim=1).max())
        outputs = self.model(
            input_ids=self._share(input_ids)[:, :width],
            attention_mask=own[:, :width],
            labels=self._share(labels)[:, :width],
            **options,
        )
        given = {name: getattr(outputs, name) for name in PER_TOKEN_FIELDS}
        pairs, length = len(labels) // 2, labels.size(1) - 1
        fields = {name: self._joined(field, pairs, length) for name, field in given.items() if field is not None}
        return replace(outputs, loss=None, label_mask=labels[:, 1:] != IGNORED, **fields)

    def _share(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of a block of pairs, so that those of a note stay together. The first pair's where none is left: no
        process may miss a backward pass.
        """
        pairs = rows.unflatten(0, (2, -1))
        block = self._block(pairs.size(1))
        own = pairs[:, block * self.accelerator.process_index :][:, :block]
        return (own if own.size(1) else pairs[:, :1]).flatten(0, 1)

    def _joined(self, own: torch.Tensor, pairs: int, length: int) -> torch.Tensor:
        """A figure per token of this process's rows, (2b, l), as one of all rows, (2 pairs, length)."""
        processes = self.accelerator.num_processes
        by_pair = own.unflatten(0, (2, -1)).transpose(0, 1)
        missing = self._block(pairs) - len(by_pair)
        block = F.pad(by_pair, (0, length - own.size(1), 0, 0, 0, missing))
        blocks = list(self.accelerator.gather(block.detach()[None]))
        if block.requires_grad:  # the processes' gradients are averaged, and here they are parts of a sum
            block.register_hook(lambda gradient: gradient * processes)
        blocks[self.accelerator.process_index] = block
        in_order = torch.cat(blocks)[:pairs]
        return in_order.transpose(0, 1).flatten(0, 1)

    def _block(self, pairs: int) -> int:
        """How many of so many pairs a process runs, at most."""
        return -(-pairs // self.accelerator.num_processes)
