"""Decoding by the model's own ``generate``, in one left-padded batch: for models that slots do not suit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, set_seed

from utils.decoding import Decoding


class EndWhereNoNumbers(LogitsProcessor):
    """Ends a row whose logits are no numbers: ``generate`` would go on with some token, or fail the whole batch.

    ``lengths`` tells at which length, prompt and padding included, that befell a row for the first time.
    """

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self.lengths: dict[int, int] = {}

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Force the end on the rows that are broken, and remember their lengths."""
        broken = ~scores.isfinite().all(dim=-1)
        for row in broken.nonzero()[:, 0].tolist():
            self.lengths.setdefault(row, input_ids.size(1))
            scores[row] = torch.finfo(scores.dtype).min
            scores[row, self.stop] = 0.0
        return scores


def decode_padded(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    *,
    pad: int,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Decoding]:
    """Continue each prompt (token ids) until a ``stop`` token or ``max_new_tokens``; results in the order given.

    ``temperature`` 0 is greedy; above, ``seed`` is that of the whole batch.
    """
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        # Said outright, because generate() fills what is left open from the model's own settings: a repetition
        # penalty, say, would punish a summary for keeping to its note.
        top_p=1.0,
        top_k=0 if temperature > 0 else None,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=list(stop),
        pad_token_id=pad,
    )
    if temperature:
        set_seed(seed)
    ends = EndWhereNoNumbers(stop[0])
    model.eval()
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids, attention_mask=mask, generation_config=config, logits_processor=LogitsProcessorList([ends])
        )
    texts = []
    for row, prompt in enumerate(prompts):
        written = output[row, width:].tolist()
        end = next((index for index, token in enumerate(written) if token in stop), None)  # what follows is padding
        reason = "length" if end is None else "nan" if ends.lengths.get(row) == width + end else "eos"
        texts.append(Decoding(prompt, None, written[:end], reason))
    return texts
