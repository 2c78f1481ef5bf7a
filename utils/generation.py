"""Batch generation that survives a kill: each finished batch is on disk before the next one starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import append_journal, open_journal, read_journal, sha256_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class GenerationSettings:
    """What decides a text beside the model and the prompt. ``temperature`` 0 is greedy."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """One generated text; ``finish_reason`` is ``eos`` or ``length`` (cut at ``max_new_tokens``)."""

    text: str
    finish_reason: str
    prompt_tokens: int
    new_tokens: int


def generate_all(
    load_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    batch_size: int,
    journal: Path,
    model_id: str,
) -> tuple[list[Generated], int]:
    """Generate one text for each prompt (token ids), in the order given; also how many came from ``journal``.

    See ``sample_all``, of which this is the case of one text a prompt.
    """
    texts, found = sample_all(load_model, tokenizer, prompts, settings, batch_size, journal, model_id, samples=1)
    return [drawn[0] for drawn in texts], found


def sample_all(
    load_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    batch_size: int,
    journal: Path,
    model_id: str,
    *,
    samples: int,
) -> tuple[list[list[Generated]], int]:
    """Generate ``samples`` texts for each prompt (token ids), in the order given; also how many came from ``journal``.

    The model is loaded only where a text is missing. A text is reused when prompt, ``model_id`` (what tells one set of
    weights from another), settings and its number among the samples are the same. Batches are formed by length,
    longest first, so that memory is at its highest at the start and padding is small. Sampling is seeded by batch, from
    the seed and the prompts in it; a batch cut off half-way is therefore drawn again as a whole, so that a run that was
    killed ends with the texts of one that was not. Raises ValueError for several greedy texts, which would be equal.
    """
    from tqdm import tqdm

    drawn_at_random = settings.temperature > 0
    if samples > 1 and not drawn_at_random:
        raise ValueError("several samples of one prompt need a temperature above 0")
    keys = [[_key(model_id, settings, prompt, draw) for draw in range(samples)] for prompt in prompts]
    jobs = {key: (prompt, draw) for prompt, row in zip(prompts, keys, strict=True) for draw, key in enumerate(row)}
    done = {entry["key"]: Generated(**entry["generated"]) for entry in read_journal(journal) if entry["key"] in jobs}
    found = sum(key in done for row in keys for key in row)
    # A greedy text does not depend on what it is batched with, so only the missing ones need a batch.
    ordered = sorted(
        (job for job in jobs.items() if drawn_at_random or job[0] not in done),
        key=lambda job: (-len(job[1][0]), _key(model_id, settings, job[1][0], 0), job[1][1]),
    )
    batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    waiting = [batch for batch in batches if any(key not in done for key, _ in batch)]
    if waiting:
        model = load_model()
        total = sum(map(len, waiting))
        with open_journal(journal) as file, tqdm(total=total, unit="summary", smoothing=0) as bar:
            finished = 0
            for batch in waiting:
                token_ids, draws = [prompt for _, (prompt, _) in batch], [draw for _, (_, draw) in batch]
                texts = generate_batch(model, tokenizer, token_ids, settings, bar.update, draws)
                for (key, _), generated in zip(batch, texts, strict=True):
                    if key not in done:
                        append_journal(file, {"key": key, "generated": vars(generated)})
                    done[key] = generated
                finished += len(batch)
                bar.update(finished - bar.n)
    return [[done[key] for key in row] for row in keys], found


def _key(model_id: str, settings: GenerationSettings, prompt: Sequence[int], draw: int) -> str:
    """What a text is found by in the journal. The first of several samples has the key of an only one."""
    numbered = f"\0{draw}" if draw else ""
    return sha256_text(f"{model_id}\0{settings}\0{list(prompt)}{numbered}")


def generate_batch(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    on_finished: Callable[[int], object] = lambda count: None,
    draws: Sequence[int] = (),
) -> list[Generated]:
    """Generate for one left-padded batch; every text ends at its own EOS or at ``max_new_tokens``.

    ``on_finished`` is told, while the batch runs, how many more of its texts have ended. ``draws`` numbers the samples
    of a prompt, so that two batches of the same prompts draw different ones.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteriaList, set_seed

    width = max(len(prompt) for prompt in prompts)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    stop = stop_tokens(model, tokenizer)
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.temperature > 0,
        temperature=settings.temperature or 1.0,
        # Said outright, because generate() fills what is left open from the model's own settings: a repetition
        # penalty, say, would punish a summary for keeping to its note.
        top_p=1.0,
        top_k=0 if settings.temperature > 0 else None,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=stop,
        pad_token_id=pad,
    )
    ended = 0

    def watch(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        nonlocal ended
        now = int(torch.isin(input_ids[:, width:], torch.tensor(stop, device=input_ids.device)).any(dim=1).sum())
        if now > ended:
            on_finished(now - ended)
            ended = now
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # stops nothing itself

    numbered = f"\0{list(draws)}" if any(draws) else ""
    set_seed(int(sha256_text(f"{settings.seed}\0{[list(p) for p in prompts]}{numbered}")[:8], 16))
    model.eval()
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([watch]),
        )
    return [
        _cut_at_stop(tokenizer, new.tolist(), stop, len(prompt))
        for new, prompt in zip(output[:, width:], prompts, strict=True)
    ]


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a text: the tokenizer's EOS and those of the model's own generation settings."""
    own = model.generation_config.eos_token_id
    own_list = own if isinstance(own, list) else [own]
    return sorted({int(token) for token in (tokenizer.eos_token_id, *own_list) if token is not None})


def _cut_at_stop(
    tokenizer: PreTrainedTokenizerBase, tokens: list[int], stop: Sequence[int], prompt_tokens: int
) -> Generated:
    """The text up to its first stop token; what follows in the batch is padding."""
    end = next((index for index, token in enumerate(tokens) if token in stop), None)
    kept = tokens if end is None else tokens[:end]
    text = str(tokenizer.decode(kept, skip_special_tokens=True)).strip()
    return Generated(text, "length" if end is None else "eos", prompt_tokens, len(kept))
