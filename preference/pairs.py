"""Preference pairs from JSONL to token ids, with everything that is left out counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import UserError
from utils.prompts import Prompt, encode_completion, encode_prompt, text_of
from utils.records import read_jsonl, sample_by_note

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

MAKE_PAIRS = "python generate_phase2_data.py"


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as TRL's trainer takes them, and what was left out, by reason."""

    dataset: Dataset
    left_out: Counter[str]

    def __len__(self) -> int:
        return len(self.dataset)


def read_pairs(path: Path, limit: int | None, seed: int) -> list[dict[str, Any]]:
    """Pairs of a JSONL file: prompt, chosen, rejected as plain strings or as TRL's conversational form.

    At most ``limit`` of them, a seeded sample by note. Raises UserError naming file and line.
    """
    if not path.is_file():
        raise UserError(f"no preference pairs at {path}; make them with: {MAKE_PAIRS}")
    rows = read_jsonl(path, required=("prompt", "chosen", "rejected"), fault=fault_of)
    notes = [str(row.get("note_id") or text_of(row["prompt"])) for row in rows]
    return [rows[index] for index in sample_by_note(notes, limit, seed)]


def encode_pairs(tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, Any]], max_length: int) -> EncodedPairs:
    """Token ids of prompt, chosen and rejected.

    Left out, and counted: pairs longer than ``max_length`` tokens (cutting them could cut away the very words that
    differ), pairs whose two summaries are the same, and pairs with an empty side.
    """
    from datasets import Dataset
    from tqdm import tqdm

    encoded: list[dict[str, list[int]]] = []
    left_out: Counter[str] = Counter()
    prompt_ids = _once(partial(encode_prompt, tokenizer))  # several pairs may share a note, and its factual summary
    completion_ids = _once(partial(encode_completion, tokenizer))
    for row in tqdm(rows, desc="Encoding pairs", unit="pair", delay=3):
        chosen, rejected = text_of(row["chosen"]).strip(), text_of(row["rejected"]).strip()
        ids = {
            "prompt_ids": prompt_ids(row["prompt"]),
            "chosen_ids": completion_ids(row["chosen"]),
            "rejected_ids": completion_ids(row["rejected"]),
        }
        if not chosen or not rejected:
            left_out["an empty summary"] += 1
        elif chosen == rejected:
            left_out["chosen and rejected are the same"] += 1
        elif len(ids["prompt_ids"]) + max(len(ids["chosen_ids"]), len(ids["rejected_ids"])) > max_length:
            left_out[f"longer than --max_length {max_length} tokens"] += 1
        else:
            encoded.append(ids)
    if not encoded:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise UserError(f"no pair is left to train on: {reasons}")
    return EncodedPairs(Dataset.from_list(encoded), left_out)


def _once(encode: Callable[[Prompt], list[int]]) -> Callable[[Prompt], list[int]]:
    """``encode``, remembering what it has encoded."""
    known: dict[str, list[int]] = {}

    def remembered(text: Prompt) -> list[int]:
        key = repr(text)
        if key not in known:
            known[key] = encode(text)
        return known[key]

    return remembered


def packed_lengths(pairs: Dataset) -> list[int]:
    """Tokens of each pair with its note, and what chosen and rejected begin with, counted once: a trie's size plus one.

    The one is the last shared token, which predicts two different next tokens.
    """
    columns = (list(pairs[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids"))
    return [
        len(prompt) + len(chosen) + len(rejected) - _common_beginning(chosen, rejected) + 1
        for prompt, chosen, rejected in zip(*columns, strict=True)
    ]


def _common_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def fault_of(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the form of a pair; None when all three are text, or all three are messages.

    Chosen and rejected are then one assistant message each: a repeated prompt in them would be learned as summary.
    """
    values = [row[key] for key in ("prompt", "chosen", "rejected")]
    if all(isinstance(value, str) for value in values):
        return None
    for key in ("prompt", "chosen", "rejected"):
        if not _are_messages(row[key]):
            return f"'{key}' is not a list of messages with role and content, and the three are not all text"
    for key in ("chosen", "rejected"):
        if [message["role"] for message in row[key]] != ["assistant"]:
            return f"'{key}' is not one single assistant message; what comes before it belongs to 'prompt'"
    return None


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(message, dict) for message in value)
        and all(isinstance(message.get(part), str) for message in value for part in ("role", "content"))
    )
