"""How long a run will take, from one pair timed on this machine."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from preference.pairs import EncodedPairs


def expected_seconds(model: PreTrainedModel, train: EncodedPairs, val: EncodedPairs, num_epochs: float) -> float:
    """Seconds for ``num_epochs`` of stock DPO with a validation pass after each epoch.

    A pair of median length is run forward and backward as the policy and forward as the reference; the rest is
    proportion by tokens. Leaves weights, gradients and the random state as they were.
    """
    import torch

    lengths = [len(row["prompt_ids"]) + len(row["chosen_ids"]) for row in train.dataset]
    row = train.dataset[lengths.index(statistics.median_low(lengths))]
    ids = torch.tensor([row["prompt_ids"] + row["chosen_ids"]] * 2, device=model.device)

    def forward_backward() -> None:
        with torch.autocast(model.device.type, dtype=model.dtype, enabled=model.device.type == "cuda"):
            model(input_ids=ids, labels=ids).loss.backward()
        model.zero_grad(set_to_none=True)

    def forward() -> None:
        with torch.no_grad():
            model(input_ids=ids)

    model.train()
    forward_backward()  # the first call allocates and tunes
    policy, reference = _seconds(forward_backward, model), _seconds(forward, model)
    train_tokens, val_tokens = train.tokens * num_epochs, val.tokens * num_epochs
    return (train_tokens * (policy + reference) + val_tokens * 2 * reference) / ids.numel()


def _seconds(run: object, model: PreTrainedModel) -> float:
    import torch

    start = time.perf_counter()
    run()  # type: ignore[operator]
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_words(seconds: float) -> str:
    """A duration as people say it: 40 seconds, 12 minutes, 3.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
