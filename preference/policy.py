"""The two roles of one checkpoint: the policy that learns, and the frozen reference that is what the policy was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.cli import UserError
from utils.models import Checkpoint, all_linear_lora, load_model

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig


@dataclass(frozen=True)
class Policy:
    """A model to train, the LoRA to add to it (None where it carries an adapter or is trained in full), and words."""

    model: Any
    lora: LoraConfig | None
    description: str
    full_fine_tuning: bool = False


def build_policy(checkpoint: Checkpoint, device: torch.device, lora_r: int, quantization: str | None) -> Policy:
    """Load the SFT checkpoint as the policy. The reference is the SFT model itself, never the base under it.

    A full model gets a new LoRA adapter (with the adapter switched off it is the reference), or, for ``lora_r`` 0, is
    trained in full. An SFT adapter is trained on at its own rank. No second model is held: what the reference says of
    the pairs is scored before the first step. Raises UserError for full training of quantized or adapted weights.
    """
    from peft import LoraConfig

    if lora_r == 0 and (quantization or checkpoint.adapter):
        what = f"weights in {quantization}" if quantization else "an SFT adapter"
        raise UserError(f"--lora_r 0 trains all weights, which {what} cannot; leave it out")
    model: Any = load_model(checkpoint, device, quantization=quantization, trainable=True)
    if checkpoint.adapter is not None:
        rank = model.peft_config["default"].r
        return Policy(
            model, None, f"SFT adapter trained on at its own rank {rank}; reference: the adapter as it is now"
        )
    if lora_r == 0:
        return Policy(model.float(), None, "full SFT model, all weights trained; reference: as it is now", True)
    lora = LoraConfig(**all_linear_lora(lora_r))
    return Policy(model, lora, f"full SFT model with a new LoRA of rank {lora_r}; reference: the model without it")


def adapter_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """A copy of the weights of the adapter that the policy came with; empty for a full model."""
    if policy.lora is not None or policy.full_fine_tuning:
        return {}
    return {name: p.detach().clone() for name, p in policy.model.named_parameters() if p.requires_grad}


def keep_trainable_fp32(model: Any, original: Mapping[str, torch.Tensor]) -> None:
    """Undo TRL's cast of QLoRA adapters to bf16, where an update of 5e-6 to a weight of 0.002 rounds to nothing.

    ``original`` gives back what the cast rounded away: the policy must begin as exactly the reference.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = original.get(name, parameter.data).float()
