"""The model that a run leaves: an adapter or all weights, merged if asked for, shown at the top with its card."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import UserError
from utils.files import atomic_folder
from utils.models import Checkpoint, find_checkpoint, load_model, load_tokenizer, save_adapter, save_full_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from preference.runs.folder import RunFolder


def save_final_model(model: Any, tokenizer: PreTrainedTokenizerBase, checkpoint: Checkpoint, final_model: Path) -> None:
    """Save the trained adapter, or all weights, and the tokenizer as a folder that loads by its path alone.

    It is replaced as a whole. Raises RunError where there is no room.
    """
    with atomic_folder(final_model) as folder:
        if hasattr(model, "peft_config"):
            save_adapter(model, folder, checkpoint.base)
        else:
            save_full_model(model, folder)
        tokenizer.save_pretrained(folder)


def save_merged_model(checkpoint: Checkpoint, merged_model: Path) -> None:
    """Save an adapter and its base as one plain model, in the precision of the base's files, on the CPU.

    The base is loaded anew, so that it is not the quantized one that was trained on: adding the adapter to that would
    round most of it away. Raises UserError where the base's own files are quantized, RunError where there is no room.
    """
    import torch

    gc.collect()  # the model just trained may still be there, held by cycles
    model: Any = load_model(checkpoint, torch.device("cpu"), dtype="auto", trainable=True)  # an adapter of its own
    if getattr(model.config, "quantization_config", None):
        raise UserError(
            f"--merge: {checkpoint.base} is quantized itself, so that merging would round the adapter away; the model "
            "is complete as an adapter: the same command without --merge shows it"
        )
    with atomic_folder(merged_model) as folder:
        save_full_model(model.merge_and_unload(), folder)
        load_tokenizer(checkpoint).save_pretrained(folder)


def show_final_model(run: RunFolder, merge: bool) -> None:
    """Show a complete run's model at the top of the output folder, with its card.

    ``merge`` shows an adapter merged into its base; the run keeps both, so that either can be shown again.
    """
    from preference.runs.folder import ADAPTER
    from preference.runs.model_card import write_model_card

    model = run.final_model
    if merge and (model / ADAPTER).is_file():
        model = run.merged_model
        if not model.is_dir():
            save_merged_model(find_checkpoint(str(run.final_model), "--merge", "python stage_b_dpo_training.py"), model)
    write_model_card(run, model)
    run.show(model)
