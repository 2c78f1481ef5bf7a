"""Decoding of many prompts at once: a finished text leaves the batch and a waiting prompt takes its place.

A padded batch runs until its longest text ends, most of its rows idle by then. Here each row is a slot with a length
of its own (continuous batching: Yu et al., Orca, OSDI 2022): nothing is padded, and every row of every step makes a
token that is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from utils.models import looks_back

# Largest difference of a logit between a row of the slots and the model's own forward pass, in which other kernels run:
# fp32 differs in the last bits, half precision in the second digit; a wrong mask or position, by whole units.
SELF_CHECK = {torch.float32: 1e-2}
SELF_CHECK_HALF = 1.0


@dataclass
class Decoding:
    """One text in the making. ``reason`` says why it ended: ``eos``, ``length`` or ``nan``; empty before."""

    prompt: Sequence[int]
    generator: torch.Generator | None  # None is greedy
    tokens: list[int] = field(default_factory=list)
    reason: str = ""


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer: (slots, heads, capacity, head size), each slot filled up to its own length."""

    keys: Any
    values: Any

    def __init__(self, slots: SlotCache) -> None:
        super().__init__()
        self.slots = slots

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Room for all slots, of the shape and type that these states have."""

        def room(states: torch.Tensor) -> torch.Tensor:
            return states.new_zeros(self.slots.count, states.size(1), self.slots.capacity, states.size(3))

        self.keys, self.values = room(key_states), room(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token into each used slot, at its length; returns all that the used slots may look at."""
        lengths = self.slots.lengths[: self.slots.used]
        rows = torch.arange(self.slots.used, device=lengths.device)  # or each layer of each step would fetch it
        self.keys[rows, :, lengths] = key_states[:, :, 0]
        self.values[rows, :, lengths] = value_states[:, :, 0]
        filled = slice(int(lengths.max()) + 1)
        return self.keys[: self.slots.used, :, filled], self.values[: self.slots.used, :, filled]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many tokens a query may look at, and the offset of the first."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens in the longest used slot."""
        return int(self.slots.lengths[: self.slots.used].max())

    def get_max_length(self) -> int:
        """Tokens that a slot has room for."""
        return self.slots.capacity


class SlotCache(Cache):
    """A cache of ``count`` slots, the first ``used`` of them taken, each with a text of its own length."""

    def __init__(self, count: int, capacity: int, layers: int, device: torch.device) -> None:
        self.count, self.capacity, self.used = count, capacity, 0
        self.lengths = torch.zeros(count, dtype=torch.long, device=device)
        self.slots = [SlotLayer(self) for _ in range(layers)]
        super().__init__(layers=list(self.slots))

    def add(self, filled: DynamicCache, lengths: Sequence[int], rows: Sequence[int]) -> None:
        """Take in texts that were read as one right-padded batch, into the slots after the used ones.

        ``rows`` are the rows of that batch to take, one for each slot; ``lengths`` has an entry for each row.
        """
        for layer, source in zip(self.slots, filled.layers, strict=True):
            read: Any = source
            if not layer.is_initialized:
                layer.lazy_initialization(read.keys, read.values)
            for slot, row in enumerate(rows, start=self.used):
                layer.keys[slot, :, : lengths[row]] = read.keys[row, :, : lengths[row]]
                layer.values[slot, :, : lengths[row]] = read.values[row, :, : lengths[row]]
        self.lengths[self.used : self.used + len(rows)] = torch.tensor([lengths[row] for row in rows])
        self.used += len(rows)

    def remove(self, slot: int) -> None:
        """Free a slot: the last used one moves there."""
        self.used -= 1
        length = int(self.lengths[self.used])
        for layer in self.slots:
            for states in (layer.keys, layer.values):
                states[slot, :, :length] = states[self.used, :, :length]
        self.lengths[slot] = length


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    *,
    slots: int,
    max_new_tokens: int,
    temperature: float = 0.0,
    seeds: Sequence[int] = (),
    on_finished: Callable[[int], object] = lambda count: None,
) -> list[Decoding]:
    """Continue each prompt (token ids) until a ``stop`` token or ``max_new_tokens``; results in the order given.

    At most ``slots`` prompts are in memory at once; the longest begin, so that memory is at its highest at the start.
    ``temperature`` 0 is greedy; above, each text is drawn with its own one of ``seeds``, whatever it is batched with.
    A model with layers that mask for themselves (see ``reason_not_to_decode``) would see what it should not.
    """
    generators = [torch.Generator(model.device).manual_seed(seed) for seed in seeds] if temperature else None
    texts = [Decoding(prompt, generators[index] if generators else None) for index, prompt in enumerate(prompts)]
    waiting = deque(sorted(texts, key=lambda text: -len(text.prompt)))
    capacity = max(len(prompt) for prompt in prompts) + max_new_tokens
    cache = SlotCache(
        min(slots, len(prompts)), capacity, model.config.get_text_config().num_hidden_layers, model.device
    )
    running: list[Decoding] = []
    model.eval()
    while waiting or running:
        entering = [waiting.popleft() for _ in range(min(cache.count - cache.used, len(waiting)))]
        if entering:
            logits = read_prompts(model, cache, [text.prompt for text in entering])
            running += entering
        else:
            entering = running
            logits = next_logits(model, cache, [text.tokens[-1] for text in running])
        for text, token in zip(entering, choose(logits, entering, temperature), strict=True):
            take(text, token, stop, max_new_tokens)
        for slot in reversed(range(len(running))):  # the last moves into the freed slot, so from the end
            if running[slot].reason:
                cache.remove(slot)
                running[slot] = running[-1]
                running.pop()
                on_finished(1)
    return texts


def read_prompts(model: Any, cache: SlotCache, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Read prompts into free slots, equal ones once; returns the logits after each, (prompts, vocabulary)."""
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    rows = [distinct.index(tuple(prompt)) for prompt in prompts]
    lengths = [len(prompt) for prompt in distinct]
    ids = torch.zeros(len(distinct), max(lengths), dtype=torch.long)
    for row, prompt in zip(ids, distinct, strict=True):
        row[: len(prompt)] = torch.tensor(prompt)
    # Padded on the right and causal: no token sees the padding, and no mask is needed. Only the ends are scored.
    ends = sorted({length - 1 for length in lengths})
    filled = DynamicCache(config=model.config)
    logits = model(
        input_ids=ids.to(model.device),
        past_key_values=filled,
        use_cache=True,
        logits_to_keep=torch.tensor(ends, device=model.device),
    ).logits
    cache.add(filled, lengths, rows)
    return logits[rows, [ends.index(lengths[row] - 1) for row in rows]]


def next_logits(model: Any, cache: SlotCache, tokens: Sequence[int]) -> torch.Tensor:
    """One step of all used slots, each fed its last token; returns (used, vocabulary)."""
    lengths = cache.lengths[: cache.used]
    visible = torch.arange(int(lengths.max()) + 1, device=lengths.device) <= lengths[:, None]
    logits = model(
        input_ids=torch.tensor(tokens, device=lengths.device)[:, None],
        position_ids=lengths[:, None],
        attention_mask=visible[:, None, None],
        past_key_values=cache,
        use_cache=True,
    ).logits[:, -1]
    cache.lengths[: cache.used] += 1
    return logits


def choose(logits: torch.Tensor, texts: Sequence[Decoding], temperature: float) -> list[int]:
    """The next token of each text; -1 where the logits are no numbers."""
    if temperature:
        shares = torch.softmax(logits.float() / temperature, dim=-1).nan_to_num(0.0).clamp(min=0.0)
        shares[shares.sum(dim=-1) == 0] = 1.0
        drawn = [torch.multinomial(row, 1, generator=text.generator) for row, text in zip(shares, texts, strict=True)]
        tokens = torch.cat(drawn)
    else:
        tokens = logits.argmax(dim=-1)
    return tokens.masked_fill(~logits.isfinite().all(dim=-1), -1).tolist()


def take(text: Decoding, token: int, stop: Sequence[int], max_new_tokens: int) -> None:
    """Add a token to a text, or end it."""
    if token == -1:
        text.reason = "nan"
    elif token in stop:
        text.reason = "eos"
    else:
        text.tokens.append(token)
        if len(text.tokens) == max_new_tokens:
            text.reason = "length"


@torch.inference_mode()
def reason_not_to_decode(model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> str | None:
    """Why this model cannot be decoded here; None where it can.

    What its config does not tell, a step of two short rows of different lengths does, beside the model's own figures.
    """
    if model.config._attn_implementation != "sdpa":
        return f"its attention ({model.config._attn_implementation}) takes no mask of our own"
    longest = max(map(len, prompts)) + max_new_tokens
    window = looks_back(model.config)
    if window is not None and window < longest:
        return f"it looks back {window} tokens only, and texts may have {longest}"
    rows = [[*prompt[:length]] for prompt, length in zip(sorted(prompts, key=len)[:2], (24, 16), strict=False)]
    cache = SlotCache(2, 24, model.config.get_text_config().num_hidden_layers, model.device)
    try:
        read_prompts(model, cache, [row[:-1] for row in rows])
        ours = next_logits(model, cache, [row[-1] for row in rows])
        stock = torch.stack([model(input_ids=torch.tensor([row], device=model.device)).logits[0, -1] for row in rows])
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
        return f"its layers take no cache of our own ({type(error).__name__})"
    difference = float((ours.float() - stock.float()).abs().max())
    allowed = SELF_CHECK.get(stock.dtype, SELF_CHECK_HALF)
    return None if difference <= allowed else f"slots give other logits (by up to {difference:.2g})"
