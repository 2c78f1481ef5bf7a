"""How much memory a training run will take at its peak: arithmetic that can be shown, over shapes and lengths alone.

The peak is the first moment of a step's backward pass on the heaviest batch: everything that autograd keeps is there,
and the LM head, whose gradient comes first, takes its scratch. (An SFT adapter's frozen copy, the reference, is gone by
then, and was smaller than the optimizer's moments.) What autograd keeps of a layer was read from PyTorch
2.13, peft 0.21 and transformers 5.23 with ``torch.autograd.graph.saved_tensors_hooks``; a test asks it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from preference.data.batches import Batch
from preference.data.pairs import PairIds
from preference.memory.model_shape import AdapterShape, ModelShape
from utils.cpu_speed import labels_at_once

GB = 1e9
# Bytes of a weight. NF4 with double quantization: 4 bits, and 0.127 for its scales (QLoRA, arXiv 2305.14314).
NF4, INT8 = (4 + 0.127) / 8, 1.0
FP32 = 4
# TRL 1.16's fused LM head scores so many tokens at once (trl/kernels/chunked_logprob.py), and so many entries of the
# vocabulary ...
HEAD_TOKENS, HEAD_VOCABULARY = 4096, 32768
# ... and without Triton its backward holds seven fp32 copies of that tile, and a mask.
HEAD_COPIES = 7 * FP32 + 1
# Python with torch, transformers, trl, peft and what they import: 0.59 GB measured on Linux. On a card, CUDA's context
# and libraries; not measured.
FRAMEWORK = {"cpu": 0.6e9, "mps": 0.6e9, "cuda": 0.6e9}
# The heap is larger than what lives in it: PyTorch asks glibc for aligned blocks, for which it looks for a little more
# than the block, so a freed one between two living ones does not do for the next of its size. Measured on models of 17,
# 113 and 135 million parameters: 1.70 to 1.74 times what a step needs; in large pages (utils.cpu_speed) 1.04 to 1.21.
FRAGMENTATION, IN_LARGE_PAGES = {"cpu": 0.7, "mps": 0.0, "cuda": 0.0}, 0.13


@dataclass(frozen=True)
class Plan:
    """How the model is held and trained.

    ``half``: computes in bf16 or fp16, else in fp32. ``quantization``: of the frozen linear layers, ``4bit``, ``8bit``
    or None. ``checkpointing``: layers are computed again in the backward pass. ``triton``: its kernels are there.
    ``averaged``: the mean of the trained weights is kept. ``accumulates``: an update is of several batches.
    ``large_pages``: a CPU's blocks are in them.
    """

    device: str
    half: bool
    adapter: AdapterShape
    quantization: str | None = None
    checkpointing: bool = False
    triton: bool = False
    averaged: bool = True
    accumulates: bool = False
    large_pages: bool = False

    @property
    def size(self) -> int:
        """Bytes of a number that is computed."""
        return 2 if self.half else FP32

    @property
    def full(self) -> bool:
        """Whether all weights are trained."""
        return self.adapter.rank == 0


class Part(NamedTuple):
    """Bytes, and the arithmetic behind them."""

    size: float
    because: str


@dataclass(frozen=True)
class Memory:
    """The parts of the peak, in the order in which they come to be there."""

    framework: Part
    weights: Part
    adapter: Part
    gradients: Part
    optimizer: Part
    activations: Part
    scratch: Part
    fragmentation: Part

    @property
    def parts(self) -> dict[str, Part]:
        """All parts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def total(self) -> float:
        """Bytes in all."""
        return sum(part.size for part in self.parts.values())

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {part.size / GB:.1f}" for name, part in self.parts.items() if part.size >= 0.05 * GB)
        return f"{shown} = {self.total / GB:.1f} GB"

    def arithmetic(self) -> str:
        """A line for each part with the figures it comes from, and the sum."""
        lines = [f"{name:13} {part.size / GB:6.2f} GB  {part.because}" for name, part in self.parts.items()]
        return "\n".join([*lines, f"{'in all':13} {self.total / GB:6.2f} GB"])


def heaviest(batches: Iterable[Batch]) -> Batch:
    """The batch that takes the most memory: nearly all of it goes with the tokens."""
    return max(batches, key=lambda batch: (batch.tokens, batch.scored))


def predict(shape: ModelShape, batch: Batch, plan: Plan) -> Memory:
    """Memory at the peak of training on ``batch``, part by part."""
    in_linear, trained = shape.in_linear, trained_parameters(shape, plan)
    plain = FP32 if plan.full else plan.size  # weights are loaded in the precision of the device, trained in fp32
    each = {"4bit": NF4, "8bit": INT8}.get(plan.quantization or "", plain)
    weights = Part(
        in_linear * each + shape.other * plain,
        f"{_count(in_linear)} weights of linear layers x {each:.3g} bytes + {_count(shape.other)} others x {plain}",
    )
    if plan.full:
        copies = in_linear * 2 if plan.half else 0
        adapter = Part(copies, "none; in half precision autograd keeps a copy of the linear layers")
    else:
        copy = 2 if plan.half else 0  # made by autocast for each use
        adapter = Part(
            trained * (FP32 + copy), f"{_count(trained)} parameters of rank {plan.adapter.rank} x {FP32 + copy}"
        )
    copies, named = (3, "two moments and the weights' mean") if plan.averaged else (2, "two moments")
    kept, layer = saved_by_layer(shape, batch, plan), shape.layers
    stream = batch.tokens * shape.hidden
    if plan.checkpointing:
        stored = stream * (plain if plan.full else plan.size) + kept_by_int8(shape, batch, plan)
        activations = Part(
            layer * stored + kept + stream * FP32,
            f"{batch.rows} x {batch.width} tokens: {layer} layers x {_mega(stored)} of input, "
            f"{_mega(kept)} for the one computed again",
        )
    else:
        activations = Part(
            layer * kept + stream * FP32, f"{batch.rows} x {batch.width} tokens: {layer} layers x {_mega(kept)}"
        )
    head, backward = head_scratch(shape, batch, plan), backward_scratch(shape, batch, plan)
    scratch = Part(
        max(head, backward),
        f"the greater of the LM head's for {batch.scored} tokens, {_mega(head)}, and a layer's, {_mega(backward)}",
    )
    share = IN_LARGE_PAGES if plan.large_pages else FRAGMENTATION[plan.device]
    return Memory(
        framework=Part(FRAMEWORK[plan.device], "Python and its libraries" if plan.device != "cuda" else "CUDA"),
        weights=weights,
        adapter=adapter,
        gradients=Part(
            trained * FP32 * (2 if plan.accumulates else 1),
            f"{_count(trained)} x 4" + (" x 2: the update's own so far are kept aside" if plan.accumulates else ""),
        ),
        optimizer=Part(trained * copies * FP32, f"AdamW's {named}: {_count(trained)} x {copies * FP32}"),
        activations=activations,
        scratch=scratch,
        fragmentation=Part(
            share * (activations.size + scratch.size), f"in the heap, {share:.0%} of activations and scratch"
        ),
    )


def trained_parameters(shape: ModelShape, plan: Plan) -> int:
    """How many parameters get gradients: the adapter's, or all."""
    return shape.parameters if plan.full else plan.adapter.parameters


def saved_by_layer(shape: ModelShape, batch: Batch, plan: Plan) -> float:
    """Bytes that autograd keeps of one decoder layer (two norms, attention, gated MLP) until its backward pass.

    Kept are each norm's fp32 input and scale; query, key and value (the latter two repeated for all heads) and the
    attention's output, with a mask of numbers made from the boolean one; gate, activated gate and up projection; and
    what LoRA needs for its own gradients: the inputs of the linear layers and of B. In fp32 linear layers with the same
    input share it, and the attention's output is one; in half precision peft casts each anew.
    """
    size, layers = plan.size, shape.layers
    norms = 2 * FP32 * (shape.hidden + 1) + (2 * FP32 * shape.hidden if plan.full else 0)
    scores = shape.heads * (batch.width * (FP32 + (size if plan.half else 0)) if shape.eager else FP32)
    mask = 0 if shape.eager else batch.width * size
    attention = 4 * shape.query * size + scores + mask
    mlp = 3 * shape.intermediate * size
    if plan.half:
        inputs = sum(inputs for inputs, _ in shape.linear) / layers * size
    else:
        inputs = (2 * shape.hidden + shape.intermediate) * size
    of_b = len(shape.linear) / layers * plan.adapter.rank * size
    return batch.tokens * (norms + attention + mlp + inputs + of_b)


def kept_by_int8(shape: ModelShape, batch: Batch, plan: Plan) -> float:
    """Bytes of a layer's inputs to int8 products, which checkpointing does not spare: bitsandbytes 0.50 holds them
    itself (``MatMul8bitLt``, on a card), where autograd does not see them. Query, key and value have one input, as have
    gate and up projection.
    """
    inputs = 2 * shape.hidden + shape.query + shape.intermediate
    return batch.tokens * inputs * plan.size if plan.quantization == "8bit" else 0


def head_scratch(shape: ModelShape, batch: Batch, plan: Plan) -> float:
    """Bytes that the LM head takes: a tile of scores, and without Triton copies of it; on a CPU, scores of many labels
    and their probabilities (utils.cpu_head).
    """
    if plan.device == "cpu":
        return 2 * FP32 * min(batch.scored, labels_at_once(shape.vocabulary)) * shape.vocabulary
    tokens = min(batch.scored, HEAD_TOKENS)
    copies = 0 if plan.triton else HEAD_COPIES * min(shape.vocabulary, HEAD_VOCABULARY)
    return tokens * (HEAD_VOCABULARY * plan.size + copies)


def backward_scratch(shape: ModelShape, batch: Batch, plan: Plan) -> float:
    """Bytes that one layer's backward pass takes on top: gradients as wide as the MLP, a weight made plain again."""
    wide = batch.tokens * shape.intermediate * (4 * plan.size + (FP32 if plan.half else 0))
    largest = max((inputs * outputs for inputs, outputs in shape.linear), default=0)
    return wide + (largest * plan.size if plan.quantization else 0)


def left_out(pairs: Sequence[PairIds], max_length: int) -> int:
    """How many pairs ``--max_length`` would leave out."""
    return sum(pair.longer > max_length for pair in pairs)


def _count(number: float) -> str:
    return f"{number / 1e9:.2f}e9" if number >= 1e8 else f"{number / 1e6:.1f}e6"


def _mega(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
