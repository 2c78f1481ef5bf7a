"""Does the model say too little? After each evaluation it summarises a few validation notes, and is measured by how
much of the chosen summaries' length it fills: to say less is the easy way to be wrong less often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerState

from utils.generation import GenerationSettings, Job, generate_batch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NOTES = 8  # a few seconds on a CPU, enough to see a model fall silent; step 3 measures the rest
TOO_SHORT = 0.75  # share of the chosen summaries' tokens


class WarnOfShortSummaries(TrainerCallback):
    """Say after an evaluation when the model's own summaries are much shorter than the chosen ones of their notes."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        pairs: Sequence[Mapping[str, Sequence[int]]],
        batch_size: int,
        say: Callable[[str], object],
    ) -> None:
        self.tokenizer, self.batch_size, self.say = tokenizer, batch_size, say
        self.notes = spread({tuple(pair["prompt_ids"]): len(pair["chosen_ids"]) - 1 for pair in pairs}, NOTES)

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, model: Any = None, **_: Any) -> None:
        """Summarise the notes, in the main process, and compare the lengths."""
        if not state.is_world_process_zero:
            return
        share = share_written(model, self.tokenizer, self.notes, self.batch_size)
        if share < TOO_SHORT:
            self.say(
                f"warning: step {state.global_step}: the model's own summaries of {len(self.notes)} validation notes "
                f"fill {share:.0%} of the chosen ones' length: it may err less only by saying less. Hold on to what "
                "is said with --loss_type sigmoid sft, or take a higher --beta or a lower --learning_rate"
            )


def share_written(
    model: Any, tokenizer: PreTrainedTokenizerBase, notes: Mapping[tuple[int, ...], int], batch_size: int
) -> float:
    """Tokens that the model writes before it stops, greedily, as a share of those it is expected to write.

    ``notes`` gives for each prompt (token ids) the length of its chosen summary, where writing is cut off.
    """
    settings = GenerationSettings(max_new_tokens=max(notes.values()))
    jobs = [Job(prompt) for prompt in notes]
    written = 0
    for start in range(0, len(jobs), batch_size):
        batch = jobs[start : start + batch_size]
        texts = generate_batch(model, tokenizer, batch, settings)
        written += sum(min(text.new_tokens, notes[tuple(job.prompt)]) for text, job in zip(texts, batch, strict=True))
    return written / sum(notes.values())


def spread(notes: Mapping[tuple[int, ...], int], count: int) -> dict[tuple[int, ...], int]:
    """At most ``count`` of the notes, at even distances."""
    kept = list(notes.items())
    return dict(kept[:: -(-len(kept) // count)])
