"""The SFT model's own summaries of the notes: the greedy one, which evaluation reads, and others at a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.prompts import prompt_messages

if TYPE_CHECKING:
    from utils.generation import Generated


@dataclass(frozen=True)
class Sampling:
    """How the SFT model is sampled: of ``samples_per_note`` summaries the first is greedy.

    ``batch_size`` bounds the memory; it is part of what decides the texts.
    """

    samples_per_note: int = 4
    temperature: float = 0.7
    seed: int = 42
    max_new_tokens: int = 256
    batch_size: int = 16


def sample_summaries(
    notes: Sequence[str], sft_model_path: str, sampling: Sampling, journal: Path
) -> list[list[Generated]]:
    """The model's own summaries of each note, the greedy one first, in the order of the notes.

    Every finished batch is in ``journal``; after a kill the same call goes on from there, and ends with the same texts.
    The model is loaded only where one is missing. Another seed or temperature draws no greedy summary anew. Raises
    UserError for a path that is not a model.
    """
    from utils.cpu_speed import reuse_freed_memory
    from utils.files import sha256_path
    from utils.generation import GenerationSettings, sample_all
    from utils.models import choose_device, choose_dtype, find_checkpoint, load_to_generate, load_tokenizer
    from utils.prompts import encode_prompt

    checkpoint = find_checkpoint(sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    device = choose_device("auto")

    @cache
    def load() -> Any:
        reuse_freed_memory()
        return load_to_generate(checkpoint, device)

    tokenizer = load_tokenizer(checkpoint)
    prompts = [encode_prompt(tokenizer, prompt_messages(note)) for note in notes]
    # What decides the low bits of a text beside prompt and settings: the weights, their precision, the padding.
    weights = [sha256_path(folder) for folder in checkpoint.folders.values()] or checkpoint.base
    model_id = f"{weights}: {choose_dtype(device)} on {device.type}, batch {sampling.batch_size}"

    def draw(settings: GenerationSettings, samples: int) -> list[list[Generated]]:
        return sample_all(load, tokenizer, prompts, settings, sampling.batch_size, journal, model_id, samples=samples)[
            0
        ]

    greedy = draw(GenerationSettings(sampling.max_new_tokens), 1)
    if sampling.samples_per_note == 1:
        return greedy
    drawn = GenerationSettings(sampling.max_new_tokens, sampling.temperature, sampling.seed)
    others = draw(drawn, sampling.samples_per_note - 1)
    return [[*first, *rest] for first, rest in zip(greedy, others, strict=True)]
