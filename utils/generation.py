"""Batch generation that survives a kill: each finished group of texts is on disk before the next one starts.

Several processes of one run deal the groups out among them, each with a journal of its own beside the main one's.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from utils.cli import RunError
from utils.distributed import own_share, process_index, wait_for_all
from utils.files import append_journal, open_journal, read_journal, sha256_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from utils.decoding import Decoding

Name = TypeVar("Name")

# Batches' worth of texts that are generated, and journalled, together: more leave fewer slots idle at a group's end,
# fewer lose less to a kill, and give more processes something to do.
BATCHES_A_GROUP = 2


@dataclass(frozen=True)
class GenerationSettings:
    """What decides a text beside the model and the prompt. ``temperature`` 0 is greedy."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """One generated text.

    ``finish_reason`` is ``eos``, ``length`` (cut at ``max_new_tokens``) or ``nan`` (the logits were no numbers).
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    new_tokens: int


@dataclass(frozen=True)
class Job:
    """A text to generate: its prompt's token ids, and its number among the samples of that prompt."""

    prompt: Sequence[int]
    draw: int = 0


OnFinished: TypeAlias = Callable[[int], object]  # told while a group runs how many more of its texts have ended


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
    first, before what is known is left out and before processes share them, and are journalled whole: a run that was
    killed, or that several processes share, makes the same groups as one that was not, so its texts are the same to the
    last bit. All processes get all texts. Raises ValueError for several greedy texts, which would be equal, and
    RunError where not even one text at a time fits into memory.
    """
    if samples > 1 and settings.temperature == 0:
        raise ValueError("several samples of one prompt need a temperature above 0")
    keys = _keys(model_id, settings, prompts, samples)
    jobs = {key: Job(p, draw) for p, row in zip(prompts, keys, strict=True) for draw, key in enumerate(row)}
    done = read_texts(journal)
    found = sum(key in done for row in keys for key in row)
    wait_for_all()  # until then no process adds to what the others count
    own = own_share(form_groups(jobs, batch_size))
    groups = [{key: jobs[key] for key in group if key not in done} for group in own]
    missing = [group for group in groups if group]
    if missing:
        generate = _generator(load_model(), tokenizer, prompts, settings, batch_size)
        _generate_missing(generate, missing, journal)
    wait_for_all()
    done = read_texts(journal)
    if not done.keys() >= jobs.keys():
        raise RunError(f"not all processes write into {journal.parent}; machines need an output folder that they share")
    return [[done[key] for key in row] for row in keys], found


def find_texts(
    prompts: Sequence[Sequence[int]], settings: GenerationSettings, journal: Path, model_id: str, *, samples: int
) -> list[list[Generated] | None]:
    """What ``sample_all`` would reuse of a journal: the texts of each prompt, None where one is missing."""
    done = read_texts(journal)
    keys = _keys(model_id, settings, prompts, samples)
    return [[done[key] for key in row] if all(key in done for key in row) else None for row in keys]


def read_texts(journal: Path) -> dict[str, Generated]:
    """Every text that any process has journalled so far, by its key."""
    others = journal.parent.glob(f"{glob.escape(journal.stem)}.*{journal.suffix}")
    entries = [entry for path in (journal, *sorted(others)) for entry in read_journal(path)]
    return {key: Generated(**text) for entry in entries for key, text in entry.get("texts", {}).items()}


def _own_journal(journal: Path) -> Path:
    place = process_index()
    return journal.with_name(f"{journal.stem}.{place}{journal.suffix}") if place else journal


def _keys(
    model_id: str, settings: GenerationSettings, prompts: Sequence[Sequence[int]], samples: int
) -> list[list[str]]:
    """What each text of each prompt is found by in a journal. A first sample has the key of an only one."""
    decided = [f"{model_id}\0{settings}\0{list(prompt)}" for prompt in prompts]
    return [[sha256_text(f"{text}\0{draw}" if draw else text) for draw in range(samples)] for text in decided]


def form_groups(jobs: Mapping[Name, Job], batch_size: int) -> list[list[Name]]:
    """Which of the jobs are generated together: longest prompts first, in whatever order they are given."""
    ordered = sorted(jobs, key=lambda name: (-len(jobs[name].prompt), list(jobs[name].prompt), jobs[name].draw))
    size = BATCHES_A_GROUP * batch_size
    return [ordered[at : at + size] for at in range(0, len(ordered), size)]


def _generate_missing(
    generate: Callable[[Sequence[Job], OnFinished], list[Generated]], groups: Sequence[Mapping[str, Job]], journal: Path
) -> None:
    """Generate groups of texts one after the other, each a line of the journal: whole or absent."""
    from tqdm import tqdm

    total = sum(map(len, groups))
    with open_journal(_own_journal(journal)) as file, tqdm(total=total, unit="summary", smoothing=0) as bar:
        for group in groups:
            texts = generate(list(group.values()), bar.update)
            append_journal(file, {"texts": {key: vars(text) for key, text in zip(group, texts, strict=True)}})


def _generator(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    batch_size: int,
) -> Callable[[Sequence[Job], OnFinished], list[Generated]]:
    """What generates a group of texts with this model: in slots where it can, else in padded batches, saying so.

    Where memory runs out the group is begun again with half as many texts at once.
    """
    from tqdm import tqdm

    from utils.decoding import reason_not_to_decode
    from utils.out_of_memory import AtOnce, memory_must_suffice

    at_once = AtOnce(batch_size, tqdm.write)
    with memory_must_suffice("to run two short texts"):
        unsupported = reason_not_to_decode(model, prompts, settings.max_new_tokens)
    if unsupported is not None:
        tqdm.write(f"             padded batches, because {unsupported}")
    run = generate_in_slots if unsupported is None else generate_in_batches

    def generate(jobs: Sequence[Job], on_finished: OnFinished) -> list[Generated]:
        ended = 0

        def count(more: int) -> None:
            nonlocal ended
            ended += more
            on_finished(more)

        def attempt(size: int) -> list[Generated]:
            count(-ended)  # of an attempt that failed
            return run(model, tokenizer, jobs, settings, size, count)

        return at_once.run(len(jobs), attempt)

    return generate


def generate_in_slots(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    jobs: Sequence[Job],
    settings: GenerationSettings,
    slots: int,
    on_finished: OnFinished = lambda count: None,
) -> list[Generated]:
    """Generate a group of texts, at most ``slots`` at once (see utils.decoding)."""
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
    return [_generated(tokenizer, text) for text in texts]


def generate_in_batches(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    jobs: Sequence[Job],
    settings: GenerationSettings,
    batch_size: int,
    on_finished: OnFinished = lambda count: None,
) -> list[Generated]:
    """Generate a group of texts in padded batches, for models that slots do not suit."""
    texts: list[Generated] = []
    for at in range(0, len(jobs), batch_size):
        batch = jobs[at : at + batch_size]
        texts += generate_batch(model, tokenizer, batch, settings)
        on_finished(len(batch))
    return texts


def generate_batch(
    model: Any, tokenizer: PreTrainedTokenizerBase, jobs: Sequence[Job], settings: GenerationSettings
) -> list[Generated]:
    """Generate one padded batch by the model's own ``generate`` (see utils.padded_decoding)."""
    from utils.padded_decoding import decode_padded

    texts = decode_padded(
        model,
        [job.prompt for job in jobs],
        stop_tokens(model, tokenizer),
        pad=tokenizer.pad_token_id,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=_seed(settings, jobs),
    )
    return [_generated(tokenizer, text) for text in texts]


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a text: the tokenizer's EOS and those of the model's own generation settings."""
    own = model.generation_config.eos_token_id
    own_list = own if isinstance(own, list) else [own]
    return sorted({int(token) for token in (tokenizer.eos_token_id, *own_list) if token is not None})


def _seed(settings: GenerationSettings, jobs: Sequence[Job]) -> int:
    """Of what is drawn together: by prompts and numbers, so that another order or batch size changes nothing."""
    drawn = [(list(job.prompt), job.draw) for job in jobs]
    return int(sha256_text(f"{settings.seed}\0{drawn}")[:8], 16)


def _generated(tokenizer: PreTrainedTokenizerBase, text: Decoding) -> Generated:
    words = str(tokenizer.decode(text.tokens, skip_special_tokens=True)).strip()
    return Generated(words, text.reason, len(text.prompt), len(text.tokens))
