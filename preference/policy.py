"""The two roles of one checkpoint: the policy that learns, and the frozen reference that is what the policy was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import atomic_folder
from utils.models import Checkpoint, all_linear_lora, load_model, save_adapter

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Policy:
    """A model to train, the LoRA to add to it (None where it carries its own adapter), and words for a person."""

    model: Any
    lora: LoraConfig | None
    description: str


def build_policy(checkpoint: Checkpoint, device: torch.device, lora_r: int, load_in_4bit: bool) -> Policy:
    """Load the SFT checkpoint as the policy. The reference is the SFT model itself, never the base under it.

    A full model gets a new LoRA adapter: with the adapter switched off it is the reference. An SFT adapter is trained
    on at its own rank, and TRL keeps a frozen copy of it as the reference. No second model is held either way.
    """
    from peft import LoraConfig

    model: Any = load_model(checkpoint, device, load_in_4bit=load_in_4bit, trainable=True)
    if checkpoint.adapter is not None:
        rank = model.peft_config["default"].r
        return Policy(model, None, f"SFT adapter trained on at its own rank {rank}; reference: a frozen copy of it")
    lora = LoraConfig(**all_linear_lora(lora_r))
    return Policy(model, lora, f"full SFT model with a new LoRA of rank {lora_r}; reference: the model without it")


def adapter_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """A copy of the weights of the adapter that the policy came with; empty for a full model."""
    if policy.lora is not None:
        return {}
    return {name: p.detach().clone() for name, p in policy.model.named_parameters() if p.requires_grad}


def keep_trainable_fp32(model: Any, original: Mapping[str, torch.Tensor]) -> None:
    """Undo TRL's cast of QLoRA adapters to bf16, where an update of 5e-6 to a weight of 0.002 rounds to nothing.

    ``original`` gives back what the cast rounded away: the policy must begin as exactly the reference.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = original.get(name, parameter.data).float()


def save_final_model(model: Any, tokenizer: PreTrainedTokenizerBase, checkpoint: Checkpoint, final_model: Path) -> None:
    """Save the trained adapter and the tokenizer as a folder that loads by its path alone, replaced as a whole."""
    with atomic_folder(final_model) as folder:
        save_adapter(model, folder, checkpoint.base)
        tokenizer.save_pretrained(folder)
