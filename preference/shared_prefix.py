"""Runs each pair's note, and whatever else chosen and rejected begin with, through the model once instead of twice.

TRL lays a batch of B pairs out as 2B rows, chosen above rejected, so every prompt is computed twice. Here the two rows
of a pair become one, a trie with one fork: all of chosen (the trunk), then the rejected from the last shared token on
(the branch). The branch sees the trunk up to the fork and itself; its positions count on from the fork. That one token
is repeated because it predicts two different next tokens. A pair of prompt P and completions C of which s tokens are
shared costs P + 2C - s + 1 tokens instead of 2 (P + C): the trie's own size, the least there is, plus one.
(Prefix sharing for DPO: Wang et al., arXiv 2410.20305.)

:class:`SharedPrefixModel` stands where DPOTrainer expects its model: it packs the batch, calls the model once and puts
each token's figures back where the stock layout has them, so that all losses and metrics stay TRL's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from utils.models import looks_back
from utils.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What TRL's fused head returns for each token; those that a trainer did not ask for are None.
PER_TOKEN_FIELDS = ("log_probs", "entropy", "mean_logits", "is_top1", "log_sum_sq_probs")
IGNORED = -100


@dataclass(frozen=True)
class PackedPairs:
    """B pairs as B rows of width W.

    ``input_ids``, ``position_ids`` and ``shift_labels`` are (B, W); ``visible`` is (B, W, W), true where a query (row)
    sees a key (column). ``source`` is (2B, L - 1): for each place of the stock layout the column of its pair's row.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    shift_labels: torch.Tensor
    visible: torch.Tensor
    source: torch.Tensor


def pack_pairs(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> PackedPairs:
    """Pack the stock layout: (2B, L) right-padded rows, the B chosen above the B rejected, labels -100 on prompts."""
    chosen, rejected = input_ids.chunk(2)
    chosen_labels, rejected_labels = labels.chunk(2)
    chosen_length, rejected_length = attention_mask.sum(dim=1, keepdim=True).chunk(2)
    column = torch.arange(input_ids.size(1), device=input_ids.device)
    both = column < torch.minimum(chosen_length, rejected_length)
    shared = ((chosen == rejected) & both).long().cumprod(dim=1).sum(dim=1, keepdim=True)
    fork = (shared - 1).clamp(min=0)  # where the branch begins: the last shared token

    width = int((chosen_length + rejected_length - fork).max())
    column = torch.arange(width, device=input_ids.device)
    trunk = column < chosen_length
    position = torch.where(trunk, column, column - chosen_length + fork)
    filled = column < chosen_length + rejected_length - fork

    def from_both(of_chosen: torch.Tensor, of_rejected: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        place = place.clamp(max=input_ids.size(1) - 1)
        return torch.where(trunk, of_chosen.gather(1, place), of_rejected.gather(1, place))

    last = position + 1 >= torch.where(trunk, chosen_length, rejected_length)
    shift_labels = from_both(chosen_labels, rejected_labels, position + 1).masked_fill(last | ~filled, IGNORED)
    query, key = column[:, None], column[None, :]
    before_fork = (trunk & (column < fork))[:, None, :]
    own_part = trunk[:, :, None] == trunk[:, None, :]
    visible = (key <= query) & (own_part | before_fork) & filled[:, None, :]
    place = torch.arange(input_ids.size(1) - 1, device=input_ids.device)
    return PackedPairs(
        input_ids=from_both(chosen, rejected, position).masked_fill(~filled, 0),
        position_ids=position.masked_fill(~filled, 0),
        shift_labels=shift_labels,
        visible=visible | (key == query),  # a row of nothing but padding must see something: softmax of nothing is NaN
        source=torch.cat(
            [place.expand_as(chosen[:, 1:]), torch.where(place < fork, place, place - fork + chosen_length)]
        ).clamp(max=width - 1),
    )


def unpack(field: torch.Tensor, packed: PackedPairs, labels: torch.Tensor) -> torch.Tensor:
    """A (B, W) figure per packed token as the stock layout's (2B, L - 1), zero where there is no label.

    Shared tokens are read by both rows of their pair, so their gradients add up as they do in the stock path.
    """
    rows = torch.cat([field, field]).gather(1, packed.source)
    return rows.masked_fill(labels[:, 1:] == IGNORED, 0)


class SharedPrefixModel:
    """Called as DPOTrainer calls its model with the fused LM head; returns what that would have returned."""

    def __init__(self, model: Callable[..., Any], config: PreTrainedConfig) -> None:
        self.model = model
        self.additive_mask = config._attn_implementation == "eager"

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **options: Any
    ) -> Any:
        packed = pack_pairs(input_ids, attention_mask, labels)
        outputs = self.model(
            input_ids=packed.input_ids,
            position_ids=packed.position_ids,
            attention_mask=self._mask(packed.visible),
            shift_labels=packed.shift_labels,
            **options,
        )
        given = {name: getattr(outputs, name) for name in PER_TOKEN_FIELDS}
        fields = {name: unpack(field, packed, labels) for name, field in given.items() if field is not None}
        # The loss over packed tokens counts shared ones once: no use to anyone here.
        return replace(outputs, loss=None, label_mask=labels[:, 1:] != IGNORED, **fields)

    def _mask(self, visible: torch.Tensor) -> torch.Tensor:
        """(B, 1, W, W); eager attention adds its mask, the others read a boolean one."""
        if not self.additive_mask:
            return visible[:, None]
        lowest = torch.finfo(torch.float32).min
        return torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, lowest)[:, None]


def reason_not_to_share(config: PreTrainedConfig, max_length: int) -> str | None:
    """Why this model cannot run packed pairs, as far as its config tells; None where it tells nothing against it.

    A 4-D mask reaches every layer as it is, so layers that mask for themselves would see too much or too little.
    """
    if config._attn_implementation not in ("sdpa", "eager"):
        return f"its attention ({config._attn_implementation}) takes no mask of our own"
    text = config.get_text_config()
    window = looks_back(config)
    if window is not None and window < max_length:
        return f"it looks back {window} tokens only, and pairs may have {max_length}"
    if getattr(text, "num_local_experts", None) or getattr(text, "num_experts", None):
        return "its experts are balanced over the tokens of a batch, which sharing would change"
    return None


@torch.no_grad()
def largest_difference(model: Callable[..., Any], config: PreTrainedConfig, batch: dict[str, torch.Tensor]) -> float:
    """How far the log-prob of any label is from the stock path's, on one batch as the collator makes it.

    Infinity where the model cannot take packed pairs at all.
    """
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    options: dict[str, Any] = {"labels": labels, "fused_lm_head": True, "use_cache": False}
    stock = model(**inputs, **options).log_probs
    try:
        shared = SharedPrefixModel(model, config)(**inputs, **options).log_probs
    except (RuntimeError, TypeError, ValueError) as error:  # a recurrent layer, say, that makes nothing of a 4-D mask
        if is_out_of_memory(error):
            raise
        return math.inf
    return float((stock.float() - shared.float()).abs().max())
