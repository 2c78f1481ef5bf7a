"""How long a run will take: from one batch timed on this machine, or roughly, before there is a model to time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from preference.data.batches import Batch, batch_of, batches_by_length, by_length, unshared_batch_of
from preference.data.hardest import kept_count
from preference.data.pairs import pair_ids
from utils.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import torch

    from preference.data.reference import ReferenceLogProbs
    from preference.memory.model_shape import ModelShape
    from preference.memory.prediction import Plan
    from preference.remembered import Remembered
    from preference.training import PairsTrainer

# The share of a matrix product's speed that training steps reached on a CPU: 0.43 to 0.74, measured on models of 17 to
# 135 million parameters.
EFFICIENCY = 0.6
PRODUCT = 1024  # rows and columns of the product that is timed


def expected_seconds(
    trainer: PairsTrainer,
    reference: ReferenceLogProbs,
    measured: Remembered,
    steps_done: int = 0,
    kept: float = 1.0,
) -> float | None:
    """Seconds for the reference's log-probs that are not on disk, all epochs, and a validation pass after each.

    From seconds per token, which are timed where no earlier run did: rows of one batch have nearly one length. None
    where not even the timed batch fits into memory here: training will say so itself. ``kept`` is the share of the
    training pairs on which it trains.
    """
    size = trainer.args.per_device_train_batch_size
    speed = measured.get(
        "seconds per token",
        lambda: seconds_per_token(trainer),
        batch_size=size,
        checkpointing=trainer.args.gradient_checkpointing,
        trained=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        unshared=trainer.unshared,
    )
    if speed is None:
        return None
    policy, forward = speed
    train, val = trainer.train_dataset, trainer.eval_dataset
    train_tokens, val_tokens = (
        sum(batch.tokens for batch in batches_by_length(pair_ids(pairs), size, not trainer.unshared))
        for pairs in (train, val)
    )
    unscored = sum(reference.missing_tokens(pairs, size) for pairs in (train, val))
    an_epoch = kept * train_tokens * policy + val_tokens * forward
    processes = trainer.args.world_size
    update = size * trainer.args.gradient_accumulation_steps * processes
    epochs = max(0.0, trainer.args.num_train_epochs - steps_done / math.ceil(kept_count(len(train), kept) / update))
    return (epochs * an_epoch + unscored * forward) / processes


def seconds_per_token(trainer: PairsTrainer) -> tuple[float, float] | None:
    """Of a batch of middling length as the policy, forward and backward, and as the reference, forward only.

    Weights, gradients and random state stay as they were. None where it does not fit into memory.
    """
    import torch

    train = trainer.train_dataset
    ids = pair_ids(train)
    size = min(trainer.args.per_device_train_batch_size, len(train))
    start = (len(train) - size) // 2
    rows = by_length(ids)[start : start + size]
    batch = trainer._prepare_inputs(trainer.data_collator([train[index] for index in rows]))
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    model: Any = trainer.model

    def log_prob() -> torch.Tensor:
        with trainer.accelerator.autocast():
            options = {"labels": labels, "fused_lm_head": True, "use_cache": False}
            return trainer.packing(model)(**inputs, **options).log_probs.sum()

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
        policy, forward = _seconds(as_policy, model.device), _seconds(as_reference, model.device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        model.zero_grad(set_to_none=True)
        return None
    timed = (unshared_batch_of if trainer.unshared else batch_of)([ids[index] for index in rows]).tokens
    return policy / timed, forward / timed


def rough_seconds(
    shape: ModelShape,
    plan: Plan,
    train: Sequence[Batch],
    val: Sequence[Batch],
    epochs: float,
    speed: float,
    kept: float = 1.0,
) -> float:
    """Seconds for the reference, all epochs and a validation pass after each, on these batches.

    Operations of matrix products alone, at ``EFFICIENCY`` of ``speed`` (operations a second, :func:`product_speed`).
    ``kept`` is the share of the training pairs on which it trains.
    """
    backward = (4 if plan.full else 2) + (2 if plan.checkpointing else 0)
    of_train, of_val = (forward_operations(shape, batches) for batches in (train, val))
    policy = kept * of_train * (1 + backward / 2) + of_val
    return (of_train + of_val + epochs * policy) / (speed * EFFICIENCY)


def forward_operations(shape: ModelShape, batches: Iterable[Batch]) -> float:
    """Multiplications and additions of one forward pass: linear layers, attention, and the LM head where it scores."""
    linear, attention = 2 * shape.in_linear, 4 * shape.layers * shape.query
    head = 2 * shape.hidden * shape.vocabulary
    return sum(batch.tokens * (linear + batch.width * attention) + batch.scored * head for batch in batches)


def product_speed(device: torch.device, dtype: torch.dtype, least: float = 0.3) -> float:
    """Multiplications and additions a second of a matrix product on this device, timed for ``least`` seconds."""
    import torch

    one = torch.ones(PRODUCT, PRODUCT, device=device, dtype=dtype)

    def product() -> None:
        torch.mm(one, one)

    product()  # the first call allocates and tunes
    times: list[float] = []
    while sum(times) < least:
        times.append(_seconds(product, device))
    return 2 * PRODUCT**3 * len(times) / sum(times)


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
