"""Preference pairs from JSONL to token ids, with everything that is left out counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from utils.cli import UserError
from utils.files import sha256_text
from utils.pairs import MAKE_PAIRS, fault_of, read_pairs
from utils.prompts import Prompt, encode_completion, encode_prompt, text_of

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

__all__ = ["MAKE_PAIRS", "EncodedPairs", "PairIds", "encode_pairs", "fault_of", "pair_ids", "read_pairs"]


class PairIds(NamedTuple):
    """The token ids of a pair: the note's prompt, and both summaries."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def longer(self) -> int:
        """The note with its longer summary: what ``--max_length`` limits."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as TRL's trainer takes them, and what was left out, by reason."""

    dataset: Dataset
    left_out: Counter[str]

    def __len__(self) -> int:
        return len(self.dataset)


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
        ids = PairIds(prompt_ids(row["prompt"]), completion_ids(row["chosen"]), completion_ids(row["rejected"]))
        if not chosen or not rejected:
            left_out["an empty summary"] += 1
        elif chosen == rejected:
            left_out["chosen and rejected are the same"] += 1
        elif ids.longer > max_length:
            left_out[f"longer than --max_length {max_length} tokens"] += 1
        else:
            encoded.append({f"{name}_ids": part for name, part in ids._asdict().items()})
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


def pair_ids(pairs: Dataset) -> list[PairIds]:
    """The token ids of all pairs, in their order."""
    return [PairIds(*ids) for ids in zip(*(list(pairs[f"{name}_ids"]) for name in PairIds._fields), strict=True)]


def pair_key(pair: PairIds) -> str:
    """What tells a pair from another: its token ids, and so its text and the prompt format."""
    return sha256_text(repr(tuple(pair)))[:32]


def packed_length(prompt: Sequence[int], completions: Sequence[list[int]]) -> int:
    """Tokens of a note with its summaries, and what these begin with, counted once: a trie's size, and one a branch.

    The one is the last shared token, which predicts another next token.
    """
    first, *others = in_order = sorted(completions)
    branches = (
        len(text) - common_beginning(before, text) + 1
        for before, text in zip(in_order, others, strict=False)
        if text != before
    )
    return len(prompt) + len(first) + sum(branches)


def common_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
