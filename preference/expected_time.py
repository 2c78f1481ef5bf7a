"""How long a run will take, from one pair timed on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from utils.models import choose_dtype

if TYPE_CHECKING:
    import torch

    from preference.pairs import EncodedPairs


def expected_seconds(trainer: Any, train: EncodedPairs, val: EncodedPairs) -> float | None:
    """Seconds that ``trainer.train()`` will take: its epochs of DPO, each with a validation pass.

    A pair of median length goes forward and backward as the policy and forward as the reference; the rest is
    proportion by tokens. Weights, gradients and random state stay as they were. None where not even one pair fits into
    memory here: training will say so itself.
    """
    import torch

    model, num_epochs = trainer.model, trainer.args.num_train_epochs
    batch_size = trainer.args.per_device_train_batch_size
    lengths = [len(row["prompt_ids"]) + len(row["chosen_ids"]) for row in train.dataset]
    row = train.dataset[lengths.index(statistics.median_low(lengths))]
    ids = torch.tensor([row["prompt_ids"] + row["chosen_ids"]] * 2, device=model.device)
    labels = ids.clone()
    labels[:, : len(row["prompt_ids"])] = -100
    dtype = choose_dtype(model.device)

    def log_prob() -> torch.Tensor:
        with torch.autocast(model.device.type, dtype=dtype, enabled=dtype != torch.float32):
            return model(input_ids=ids, labels=labels, fused_lm_head=True).log_probs.sum()

    def as_policy() -> None:
        log_prob().backward()
        model.zero_grad(set_to_none=True)

    def as_reference() -> None:
        with torch.no_grad():
            log_prob()

    if trainer.args.gradient_checkpointing:  # as train() will; its recomputing takes time too
        model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    model.train()
    try:
        as_policy()  # the first call allocates and tunes
        policy, reference = _seconds(as_policy, model.device), _seconds(as_reference, model.device)
    except torch.OutOfMemoryError:
        model.zero_grad(set_to_none=True)
        return None
    an_epoch = train.padded_tokens(batch_size) * (policy + reference) + val.padded_tokens(batch_size) * 2 * reference
    return num_epochs * an_epoch / ids.numel()


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    import torch

    def wait() -> None:  # an accelerator returns before it has finished
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).synchronize()

    wait()
    start = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - start
