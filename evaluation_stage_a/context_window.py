"""A note that is longer than the model's context window: cut where a sentence ends, and never silently."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from clinical.sentences import sentence_spans
from utils.cli import UserError
from utils.prompts import encode_prompt, prompt_messages

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


class FittedPrompt(NamedTuple):
    """A prompt's token ids, and how many characters at the note's end it leaves out; 0 where the whole note fits."""

    ids: list[int]
    unread_characters: int


def prompt_limit(config: PreTrainedConfig, max_new_tokens: int) -> int | None:
    """The most tokens that a prompt may have, so that a summary still fits behind it; None where nothing limits it.

    Raises UserError where the summary alone fills the window.
    """
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    if window is not None and max_new_tokens >= window:
        raise UserError(
            f"--max_new_tokens {max_new_tokens} leaves no room for a note: the model's context window is {window} "
            "tokens, for note and summary together"
        )
    return None if window is None else window - max_new_tokens


def fit_prompt(tokenizer: PreTrainedTokenizerBase, note: str, limit: int | None) -> FittedPrompt:
    """The prompt of as much of a note as ``limit`` tokens hold. Raises UserError where they hold nothing of it."""

    def encode(text: str) -> list[int]:
        return encode_prompt(tokenizer, prompt_messages(text))

    whole = note.strip()
    ids = encode(whole)
    if limit is None or len(ids) <= limit:
        return FittedPrompt(ids, 0)
    kept = longest_beginning(whole, lambda text: len(encode(text)) <= limit)
    if not kept:
        raise UserError(
            f"no note fits into {limit} tokens, what the model's context window leaves beside the summary; "
            "take a smaller --max_new_tokens"
        )
    return FittedPrompt(encode(kept), len(whole) - len(kept))


def longest_beginning(text: str, fits: Callable[[str], bool]) -> str:
    """The text up to the last end of a sentence with which it ``fits``.

    Up to the last end of a word where not even the first sentence does; empty where not even the first word does.
    """
    sentences = [span.end for span in sentence_spans(text)]
    words = [match.end() for match in re.finditer(r"\S+", text)]
    return _longest(text, sentences, fits) or _longest(text, words, fits)


def _longest(text: str, ends: Sequence[int], fits: Callable[[str], bool]) -> str:
    too_long = bisect_left(ends, True, key=lambda end: not fits(text[:end]))
    return text[: ends[too_long - 1]] if too_long else ""
