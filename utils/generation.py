"""Batch generation that survives a kill: each finished group of texts is on disk before the next one starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import append_journal, open_journal, read_journal, sha256_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Batches' worth of texts that are generated, and journalled, together: more leave fewer slots idle at a group's end,
# fewer lose less to a kill.
BATCHES_A_GROUP = 4


@dataclass(frozen=True)
class GenerationSettings:
    """What decides a text beside the model and the prompt. ``temperature`` 0 is greedy."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """One generated text. ``finish_reason`` is ``eos``, ``length`` (cut at ``max_new_tokens``) or ``nan``."""

    text: str
    finish_reason: str
    prompt_tokens: int
    new_tokens: int


@dataclass(frozen=True)
class Job:
    """A text to generate: its prompt's token ids, and its number among the samples of that prompt."""

    prompt: Sequence[int]
    draw: int = 0


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
    weights from another), settings and its number among the samples are the same. Groups are formed by length, longest
    first, before what is known is left out, and journalled whole: a run that was killed makes the same groups as one
    that was not, so its texts are the same to the last bit. Raises ValueError for several greedy texts, which would be
    equal.
    """
    from tqdm import tqdm

    if samples > 1 and settings.temperature == 0:
        raise ValueError("several samples of one prompt need a temperature above 0")
    jobs = {_key(model_id, settings, prompt, draw): Job(prompt, draw) for prompt in prompts for draw in range(samples)}
    done = {entry["key"]: Generated(**entry["generated"]) for entry in read_journal(journal) if entry["key"] in jobs}
    keys = [[_key(model_id, settings, prompt, draw) for draw in range(samples)] for prompt in prompts]
    found = sum(key in done for row in keys for key in row)
    ordered = sorted(jobs, key=lambda key: (-len(jobs[key].prompt), list(jobs[key].prompt), jobs[key].draw))
    size = BATCHES_A_GROUP * batch_size
    groups = [[key for key in ordered[at : at + size] if key not in done] for at in range(0, len(ordered), size)]
    missing = sum(map(len, groups))
    if missing:
        generate = _generator(load_model(), tokenizer, prompts, settings, batch_size)
        with open_journal(journal) as file, tqdm(total=missing, unit="summary", smoothing=0) as bar:
            for group in filter(None, groups):
                texts = generate([jobs[key] for key in group], bar.update)
                made = dict(zip(group, texts, strict=True))
                append_journal(file, *({"key": key, "generated": vars(text)} for key, text in made.items()))
                done.update(made)
    return [[done[key] for key in row] for row in keys], found


def _key(model_id: str, settings: GenerationSettings, prompt: Sequence[int], draw: int) -> str:
    """What a text is found by in the journal. The first of several samples has the key of an only one."""
    numbered = f"\0{draw}" if draw else ""
    return sha256_text(f"{model_id}\0{settings}\0{list(prompt)}{numbered}")


def _generator(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    batch_size: int,
) -> Callable[[Sequence[Job], Callable[[int], object]], list[Generated]]:
    """What generates a group of texts with this model: in slots where it can, else in padded batches, saying so."""
    from tqdm import tqdm

    from utils.decoding import reason_not_to_decode

    unsupported = reason_not_to_decode(model, prompts, settings.max_new_tokens)
    if unsupported is None:
        return lambda jobs, on_finished: generate_in_slots(model, tokenizer, jobs, settings, batch_size, on_finished)
    tqdm.write(f"             padded batches, because {unsupported}")

    def in_batches(jobs: Sequence[Job], on_finished: Callable[[int], object]) -> list[Generated]:
        texts: list[Generated] = []
        for at in range(0, len(jobs), batch_size):
            texts += generate_batch(model, tokenizer, jobs[at : at + batch_size], settings)
            on_finished(len(jobs[at : at + batch_size]))
        return texts

    return in_batches


def generate_in_slots(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    jobs: Sequence[Job],
    settings: GenerationSettings,
    slots: int,
    on_finished: Callable[[int], object] = lambda count: None,
) -> list[Generated]:
    """Generate a group of texts, at most ``slots`` at once (see utils.decoding).

    ``on_finished`` is told while it runs how many more have ended.
    """
    from utils.decoding import decode

    texts = decode(
        model,
        [job.prompt for job in jobs],
        stop_tokens(model, tokenizer),
        slots=slots,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seeds=[_seed(settings, [job]) for job in jobs],
        on_finished=on_finished,
    )
    return [_generated(tokenizer, text.tokens, text.reason, text.prompt) for text in texts]


def generate_batch(
    model: Any, tokenizer: PreTrainedTokenizerBase, jobs: Sequence[Job], settings: GenerationSettings
) -> list[Generated]:
    """Generate one left-padded batch by the model's own ``generate``, for models that slots do not suit."""
    import torch
    from transformers import GenerationConfig, set_seed

    width = max(len(job.prompt) for job in jobs)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(job.prompt)) + list(job.prompt) for job in jobs], device=model.device)
    mask = torch.tensor([[0] * (width - len(job.prompt)) + [1] * len(job.prompt) for job in jobs], device=model.device)
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
    if settings.temperature:
        set_seed(_seed(settings, jobs))
    model.eval()
    with torch.inference_mode():
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    texts = []
    for row, job in zip(output[:, width:].tolist(), jobs, strict=True):
        end = next((index for index, token in enumerate(row) if token in stop), None)  # what follows is padding
        texts.append(_generated(tokenizer, row[:end], "length" if end is None else "eos", job.prompt))
    return texts


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a text: the tokenizer's EOS and those of the model's own generation settings."""
    own = model.generation_config.eos_token_id
    own_list = own if isinstance(own, list) else [own]
    return sorted({int(token) for token in (tokenizer.eos_token_id, *own_list) if token is not None})


def _seed(settings: GenerationSettings, jobs: Sequence[Job]) -> int:
    """Of what is drawn together: by prompts and numbers, so that another order or batch size changes nothing."""
    drawn = [(list(job.prompt), job.draw) for job in jobs]
    return int(sha256_text(f"{settings.seed}\0{drawn}")[:8], 16)


def _generated(
    tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], reason: str, prompt: Sequence[int]
) -> Generated:
    text = str(tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()
    return Generated(text, reason, len(prompt), len(tokens))
