"""Whether a model finds the chosen summary of a preference pair likelier than the rejected one, and by how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from utils.prompts import encode_completion, encode_prompt, text_of
from utils.statistics import Parts, paired_change, wilson

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from utils.models import Checkpoint


class Preference(NamedTuple):
    """The log-probs of both summaries of a pair, summed over their tokens, in nats; ``note`` is the pair's prompt."""

    note: str
    chosen: float
    rejected: float


def measure(model: PreTrainedModel, checkpoint: Checkpoint, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of a checkpoint's model over the pairs of ``rows``, and how many did not fit into its window.

    Raises RunError where memory runs out.
    """
    from utils.models import load_tokenizer, read_config
    from utils.out_of_memory import memory_must_suffice

    window = getattr(read_config(checkpoint).get_text_config(), "max_position_embeddings", None)
    with memory_must_suffice("to score both summaries of a pair of --pairs at once"):
        found = prefer(model, load_tokenizer(checkpoint), rows, window)
    return {**preference_figures(found), "left_out": len(rows) - len(found)}


def prefer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Mapping[str, Any]], window: int | None
) -> list[Preference]:
    """The log-probs of each pair's two summaries given its prompt, in order; pairs longer than ``window`` are left out.

    What Stage B trains on: the same prompts, the same end of turn, the sum over the summary's tokens (Rafailov et al.
    2023, eq. 7, without the reference). Between two models, the difference of their margins times beta is DPO's reward
    margin.
    """
    from tqdm import tqdm

    found = []
    for row in tqdm(rows, desc="Preferences", unit="pair"):
        prompt = encode_prompt(tokenizer, row["prompt"])
        answers = [encode_completion(tokenizer, row[side]) for side in ("chosen", "rejected")]
        if window is None or len(prompt) + max(map(len, answers)) <= window:
            found.append(Preference(text_of(row["prompt"]), *log_probs(model, prompt, answers)))
    return found


def log_probs(model: PreTrainedModel, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
    """The log-prob of each answer given the prompt, one batch padded on the right, where nothing looks at it."""
    import torch
    from trl.trainer.utils import selective_log_softmax

    longest = max(map(len, answers))
    rows = [[*prompt, *answer, *[answer[-1]] * (longest - len(answer))] for answer in answers]
    ids = torch.tensor(rows, device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, logits_to_keep=longest + 1, use_cache=False).logits[:, :-1]
        scores = selective_log_softmax(logits.float(), ids[:, -longest:])
    return [float(row[: len(answer)].sum()) for row, answer in zip(scores, answers, strict=True)]


def preference_figures(preferences: Sequence[Preference]) -> dict[str, Any]:
    """Accuracy, the share of pairs whose chosen summary is likelier, and the mean margin in nats.

    The margin's interval draws whole notes; the accuracy's, Wilson's, takes pairs as independent.
    """
    by_note: dict[str, list[Preference]] = defaultdict(list)
    for preference in preferences:
        by_note[preference.note].append(preference)
    totals = [float(len(held)) for held in by_note.values()]
    rejected, chosen = (
        Parts([sum(getattr(one, side) for one in held) for held in by_note.values()], totals)
        for side in ("rejected", "chosen")
    )
    return {
        "pairs": len(preferences),
        "notes": len(by_note),
        "accuracy": wilson(sum(one.chosen > one.rejected for one in preferences), len(preferences)),
        "margin": paired_change(rejected, chosen),
    }


def in_words(figures: Mapping[str, Any]) -> str:
    """The figures as a line."""
    margin = figures["margin"]
    if margin is None:
        return "no pair fits into the model's context window"
    known = f" [{margin.low:+.2f} to {margin.high:+.2f}]" if margin.low is not None else ""
    return f"chosen likelier in {figures['accuracy']}; margin {margin.difference:+.2f}{known} nats"
