"""Where the summaries come from: generated, found in the journal of an earlier run, or made elsewhere."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation_stage_a.context_window import fit_prompt, prompt_limit
from evaluation_stage_a.examples import Example, draw, read_notes, read_predictions
from utils.cli import UserError, from_here_or_project
from utils.generation import Generated, GenerationSettings, find_texts, sample_all
from utils.models import Checkpoint, choose_device, find_checkpoint
from utils.rates import run_behind

if TYPE_CHECKING:
    import torch

JOURNAL = "generated.journal.jsonl"


@dataclass(frozen=True)
class Summaries:
    """Notes and what was written of them.

    ``drawn`` holds the samples of each note, one or more; ``unread_characters`` how much at each note's end did not fit
    into the model's context window; ``reused`` counts the texts that no model had to write now.
    """

    examples: list[Example]
    drawn: list[list[Generated]]
    unread_characters: list[int]
    reused: int


class MadeElsewhere:
    """The summaries of a results CSV, whatever wrote it; what that does not say of a note, the test data may.

    ``inputs`` are the files that decide the results, ``run`` the run of Stage B behind them. Raises UserError.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        path, test_data = from_here_or_project(args.predictions), from_here_or_project(args.test_data)
        print(f"Summaries    those of {path}", flush=True)
        known = read_notes(test_data).examples if test_data.is_file() else []
        self.found = read_predictions(path, {example.clinical_note: example for example in known})
        say_left_out(self.found.left_out)
        self.examples = self.found.examples
        self.inputs, self.run = {"predictions": path}, None

    def summarise(self, hashes: Mapping[str, Mapping[str, str]]) -> Summaries:
        """The summaries, one of each note."""
        texts = [[text] for text in self.found.summaries]
        return Summaries(self.examples, texts, [0] * len(texts), len(texts))


class OfCheckpoint:
    """Summaries of a seeded sample of test notes by a checkpoint.

    ``inputs`` are the files that decide the results, ``run`` the run of Stage B behind them. Raises UserError.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        test_data = from_here_or_project(args.test_data)
        notes = read_notes(test_data)
        self.checkpoint = find_checkpoint(args.model_path, "--model_path", "python stage_b_dpo_training.py")
        print(f"Summaries    of notes of {test_data}, by {args.model_path}", flush=True)
        say_left_out(notes.left_out)
        self.examples = draw(notes.examples, args.max_examples, args.seed)
        self.inputs, self.run = {"test_data": test_data, **self.checkpoint.folders}, run_behind(args.model_path)
        self.device = choose_device(args.device, several_processes=True)
        self.quantization = "4bit" if args.load_in_4bit else "8bit" if args.load_in_8bit else None

    def summarise(self, hashes: Mapping[str, Mapping[str, str]]) -> Summaries:
        """What the journal holds, and, unless ``--score_only``, what it lacks: all of it, in all processes of a run.

        ``hashes`` are those of ``inputs`` in a run record; the weights' tell one checkpoint from another. Raises
        UserError where the model cannot be loaded, or ``--score_only`` finds nothing.
        """
        from utils.models import choose_dtype, load_tokenizer, read_config

        args = self.args
        tokenizer = load_tokenizer(self.checkpoint)
        limit = prompt_limit(read_config(self.checkpoint), args.max_new_tokens)
        prompts = [fit_prompt(tokenizer, example.clinical_note, limit) for example in self.examples]
        unread = [prompt.unread_characters for prompt in prompts]
        ids = [prompt.ids for prompt in prompts]
        seed = args.seed if args.temperature > 0 else 0  # greedy texts do not depend on it
        settings = GenerationSettings(args.max_new_tokens, args.temperature, seed)
        # What decides the low bits of a text beside prompt and settings: the weights, their precision, the padding.
        precision = f"{choose_dtype(self.device)} on {self.device.type}, {self.quantization or 'all bits'}"
        weights = [hashes[name]["sha256"] for name in self.checkpoint.folders] or self.checkpoint.base
        model_id = f"{weights}: {precision}, batch {args.batch_size}"
        journal = args.output_dir / JOURNAL
        if args.score_only:
            found = find_texts(ids, settings, journal, model_id, samples=args.num_samples)
            return found_summaries(self.examples, found, unread, journal)
        print(f"             {len(ids)} notes on {self.device}", flush=True)
        start = time.monotonic()
        drawn, reused = sample_all(
            self.load,
            tokenizer,
            ids,
            settings,
            args.batch_size,
            journal,
            model_id,
            samples=args.num_samples,
        )
        made = len(ids) * args.num_samples - reused
        print(f"             {made} generated in {time.monotonic() - start:.0f} s, {reused} reused", flush=True)
        return Summaries(self.examples, drawn, unread, reused)

    def load(self) -> Any:
        """The model, ready to generate or to score. Raises as ``load`` does."""
        return load(self.checkpoint, self.device, self.quantization)


def say_left_out(left_out: Mapping[str, int]) -> None:
    """Print how many rows of a file do not count, and why; nothing where all do."""
    if left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        print(f"             rows left out: {reasons}", flush=True)


def found_summaries(
    examples: Sequence[Example], found: Sequence[list[Generated] | None], unread: Sequence[int], journal: Path
) -> Summaries:
    """The notes whose summaries a journal holds; says how many it lacks. Raises UserError where it lacks all."""
    rows = [row for row in zip(examples, found, unread, strict=True) if row[1]]
    if not rows:
        raise UserError(
            f"--score_only: {journal} has no summary of these notes by this checkpoint with these options; repeat the "
            "options that they were generated with, or leave --score_only out"
        )
    missing = "; the others are left out" if len(rows) < len(found) else ""
    print(f"             {len(rows)} of {len(found)} notes summarised earlier{missing}", flush=True)
    drawn = [texts for _, texts, _ in rows if texts]
    return Summaries([e for e, _, _ in rows], drawn, [count for _, _, count in rows], sum(map(len, drawn)))


def load(checkpoint: Checkpoint, device: torch.device, quantization: str | None) -> Any:
    """The model, ready to generate. Raises UserError where it is damaged, RunError where it does not fit."""
    from utils.cpu_speed import reuse_freed_memory
    from utils.models import load_to_generate

    reuse_freed_memory()
    return load_to_generate(checkpoint, device, quantization)


def warnings(summaries: Summaries, max_new_tokens: int) -> list[str]:
    """What a reader of the figures has to know: texts cut off, broken off or empty, and notes not read to their end."""
    texts = [text for drawn in summaries.drawn for text in drawn]
    found = {
        f"cut off at --max_new_tokens {max_new_tokens}": sum(text.finish_reason == "length" for text in texts),
        "broken off, because the model computed no numbers (NaN)": sum(t.finish_reason == "nan" for t in texts),
        "empty": sum(not text.text for text in texts),
    }
    said = [f"{count} of {len(texts)} summaries: {what}" for what, count in found.items() if count]
    unread = sum(characters > 0 for characters in summaries.unread_characters)
    if unread:
        said.append(
            f"{unread} of {len(summaries.examples)} notes: longer than the model's context window, cut at the end of a "
            "sentence (column unread_characters)"
        )
    return said
