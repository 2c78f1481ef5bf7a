"""Runs each note, and whatever else its summaries begin with, through the model once instead of once for each summary.

TRL lays a batch of B pairs out as 2B rows, chosen above rejected, so every prompt is computed twice. Here the rows of a
group become one, a trie: all of the first text, then of each other text what follows its last token shared with the
text before (a branch). Texts are in the order of their tokens, in which the one before shares the most. A branch sees
what its text shares with the ones before, and itself; its positions count on from where it leaves them. The last
shared token is repeated because it predicts another next token. A group is all that a batch holds of a note: one pair,
with prompt P and completions C of which s tokens are shared, costs P + 2C - s + 1 tokens instead of 2 (P + C), the
trie's own size, the least there is, plus one; a further one over the same chosen summary costs C - s + 1 instead of
2 (P + C). (Prefix sharing for DPO: Wang et al., arXiv 2410.20305.)

:class:`SharedPrefixModel` stands where DPOTrainer expects its model: it packs the batch, calls the model once and puts
each token's figures back where the stock layout has them, so that all losses and metrics stay TRL's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from preference.data.pairs import common_beginning
from utils.models import looks_back
from utils.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What TRL's fused head returns for each token; those that a trainer did not ask for are None.
PER_TOKEN_FIELDS = ("log_probs", "entropy", "mean_logits", "is_top1", "log_sum_sq_probs")
IGNORED = -100


class Trie:
    """Texts with a common beginning as one row of tokens; ``place`` has the column of each token of each text."""

    def __init__(self, texts: Sequence[list[int]], labels: Sequence[list[int]]) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.labels: list[int] = []  # what each token predicts
        self.branch: list[int] = []  # the branch that each token is in
        self.starts: list[int] = []  # the position at which each branch begins
        self.place: list[list[int]] = [[] for _ in texts]
        before: list[int] = []
        path: list[int] = []
        for index in sorted(range(len(texts)), key=texts.__getitem__):
            text = texts[index]
            shared = common_beginning(before, text)
            start = shared if shared == len(text) else max(shared - 1, 0)  # the same text again adds nothing
            path = path[:start] + [len(self.tokens) + offset for offset in range(len(text) - start)]
            self.place[index] = path
            self.tokens += text[start:]
            self.positions += range(start, len(text))
            self.labels += [*labels[index][start + 1 :], IGNORED][: len(text) - start]
            self.branch += [len(self.starts)] * (len(text) - start)
            self.starts.append(start)
            before = text

    def reach(self, query: int, key: int) -> int:
        """The position below which a token of branch ``query`` sees those of branch ``key``, its own or one before."""
        return 0 if key > query else min(self.starts[key + 1 : query + 1], default=len(self.tokens))


@dataclass(frozen=True)
class PackedRows:
    """N rows of the stock layout as R tries, a row of width W each.

    ``input_ids``, ``position_ids`` and ``shift_labels`` are (R, W); ``visible`` is (R, W, W), true where a query (row)
    sees a key (column). ``source`` is (N, L - 1): for each place of the stock layout its token among the R * W.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    shift_labels: torch.Tensor
    visible: torch.Tensor
    source: torch.Tensor


def pack(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, groups: Sequence[Sequence[int]]
) -> PackedRows:
    """Pack rows of the stock layout, (N, L), right-padded, labels -100 on prompts: a trie for each group of rows.

    ``groups`` has every row once; the rows of a group begin with the same prompt.
    """
    lengths = attention_mask.sum(dim=1).tolist()
    texts = [row[:length] for row, length in zip(input_ids.tolist(), lengths, strict=True)]
    wanted = labels.tolist()
    tries = [Trie([texts[row] for row in group], [wanted[row] for row in group]) for group in groups]
    width, branches = max(len(trie.tokens) for trie in tries), max(len(trie.starts) for trie in tries)

    def rows(field: str, fill: int) -> torch.Tensor:
        filled = [getattr(trie, field) + [fill] * (width - len(trie.tokens)) for trie in tries]
        return torch.tensor(filled, device=input_ids.device)

    # One branch more, which sees nothing and which nothing sees: padding.
    every = range(branches + 1)
    reach = torch.tensor(
        [[[t.reach(q, k) if max(q, k) < len(t.starts) else 0 for k in every] for q in every] for t in tries],
        device=input_ids.device,
    )
    position, branch = rows("positions", 0), rows("branch", branches)
    of_trie = torch.arange(len(tries), device=input_ids.device)[:, None, None]
    in_reach = reach[of_trie, branch[:, :, None], branch[:, None, :]]
    column = torch.arange(width, device=input_ids.device)
    query, key = column[:, None], column[None, :]
    source = torch.zeros_like(labels)
    for number, (group, trie) in enumerate(zip(groups, tries, strict=True)):
        for row, place in zip(group, trie.place, strict=True):
            source[row, : len(place)] = torch.tensor(place) + number * width
    return PackedRows(
        input_ids=rows("tokens", 0),
        position_ids=position,
        shift_labels=rows("labels", IGNORED),
        # A row of nothing but padding must see something: softmax of nothing is NaN.
        visible=(position[:, None, :] < in_reach) & (key <= query) | (key == query),
        source=source[:, :-1],
    )


def by_note(input_ids: torch.Tensor, labels: torch.Tensor) -> list[list[int]]:
    """Groups of (N, L) rows with the same prompt, by what they hold and what of it is a label."""
    groups: dict[tuple[int, ...], list[int]] = {}
    prompt_lengths = (labels != IGNORED).long().argmax(dim=1).tolist()
    for row, (ids, length) in enumerate(zip(input_ids.tolist(), prompt_lengths, strict=True)):
        groups.setdefault(tuple(ids[:length]), []).append(row)
    return list(groups.values())


def unpack(field: torch.Tensor, packed: PackedRows, labels: torch.Tensor) -> torch.Tensor:
    """An (R, W) figure per packed token as the stock layout's (N, L - 1), zero where there is no label.

    Shared tokens are read by all rows that share them, so their gradients add up as they do in the stock path.
    """
    rows = field.flatten().gather(0, packed.source.flatten()).view_as(packed.source)
    return rows.masked_fill(labels[:, 1:] == IGNORED, 0)


class SharedPrefixModel:
    """Called as DPOTrainer calls its model with the fused LM head; returns what that would have returned."""

    def __init__(self, model: Callable[..., Any], config: PreTrainedConfig) -> None:
        self.model = model
        self.additive_mask = config._attn_implementation == "eager"

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **options: Any
    ) -> Any:
        """Pack the rows, run the model once, take its outputs apart again."""
        packed = pack(input_ids, attention_mask, labels, by_note(input_ids, labels))
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
