"""The sizes of a model that decide what training it takes, from its config.json alone: no weight is read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.models import Checkpoint, all_linear_lora, loading

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class ModelShape:
    """A decoder's sizes: of its residual stream, its attention's heads together (``query``), its MLP.

    ``linear`` holds (inputs, outputs) of every linear layer but the LM head, in all decoder layers: they carry LoRA and
    are what is quantized. ``other`` counts all other parameters, tied ones once: embeddings, LM head, norms, biases.
    ``eager`` attention keeps every score; the fused kernels keep a figure for each row of scores.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    query: int
    vocabulary: int
    linear: tuple[tuple[int, int], ...]
    other: int
    eager: bool = False

    @property
    def in_linear(self) -> int:
        """Weights of the linear layers."""
        return sum(inputs * outputs for inputs, outputs in self.linear)

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.in_linear + self.other


@dataclass(frozen=True)
class AdapterShape:
    """A LoRA adapter's rank and how many parameters it has; of rank 0, all weights of the model are trained."""

    rank: int
    parameters: int


def shape_of(config: PreTrainedConfig) -> ModelShape:
    """The shape of the model that a config describes, which is built without memory, on PyTorch's meta device.

    Sets the attention that the model would choose in ``config``, where it was left open.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    config._attn_implementation = model.config._attn_implementation
    head = model.get_output_embeddings()
    linear = tuple(
        (layer.in_features, layer.out_features)
        for layer in model.modules()
        if isinstance(layer, torch.nn.Linear) and layer is not head
    )
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", 1)  # recurrent models have none
    head_size = getattr(text, "head_dim", None) or text.hidden_size // heads
    return ModelShape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        heads=heads,
        query=heads * head_size,
        vocabulary=text.vocab_size,
        linear=linear,
        other=sum(parameter.numel() for parameter in model.parameters()) - sum(i * o for i, o in linear),
        eager=config._attn_implementation == "eager",
    )


def new_adapter(shape: ModelShape, rank: int) -> AdapterShape:
    """The adapter that a full model gets: A of (rank, inputs) and B of (outputs, rank) on every linear layer."""
    return AdapterShape(rank, sum(rank * (inputs + outputs) for inputs, outputs in shape.linear))


def adapter_of(checkpoint: Checkpoint, shape: ModelShape, lora_r: int) -> AdapterShape:
    """What will be trained: the checkpoint's own adapter, sized by the header of its file, else a new one."""
    if checkpoint.adapter is None:
        return new_adapter(shape, all_linear_lora(lora_r)["r"])
    from safetensors import safe_open

    rank = json.loads((checkpoint.adapter / "adapter_config.json").read_text("utf-8"))["r"]
    with loading(checkpoint), safe_open(checkpoint.adapter / "adapter_model.safetensors", framework="np") as weights:
        sizes = [math.prod(weights.get_slice(name).get_shape()) for name in weights.keys()]  # noqa: SIM118
    return AdapterShape(rank, sum(sizes))
