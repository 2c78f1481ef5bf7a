"""The one prompt format: what Stage A, the pairs, Stage B and the evaluation all put before a summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message: TypeAlias = dict[str, str]
Prompt: TypeAlias = "str | Sequence[Message]"  # plain text or TRL's conversational form

INSTRUCTION = (
    "Summarize the clinical note in a few sentences. State only facts that the note supports; "
    "add nothing that it does not say."
)


def prompt_messages(note: str) -> list[Message]:
    """A note as the conversational prompt; a single user turn, because some templates know no system role."""
    return [{"role": "user", "content": f"{INSTRUCTION}\n\nClinical note:\n{note.strip()}"}]


def completion_messages(summary: str) -> list[Message]:
    """A summary as the conversational completion."""
    return [{"role": "assistant", "content": summary.strip()}]


def text_of(prompt: Prompt) -> str:
    """The words of a plain or conversational prompt or completion, without roles."""
    return prompt if isinstance(prompt, str) else "\n\n".join(message["content"] for message in prompt)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Token ids up to where the summary begins.

    A conversation goes through the tokenizer's chat template, or, for a base model without one, becomes its text and
    a closing ``Summary:`` line. A plain string is taken as it stands, as TRL does: it may be rendered already.
    """
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    if tokenizer.chat_template:
        messages = [{**message, "content": without_control(tokenizer, message["content"])} for message in prompt]
        encoded: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        return list(encoded["input_ids"])
    return list(tokenizer(f"{without_control(tokenizer, text_of(prompt))}\n\nSummary:\n")["input_ids"])


def encode_completion(tokenizer: PreTrainedTokenizerBase, completion: Prompt) -> list[int]:
    """Token ids of a summary with the end of turn, always ending in EOS, so that the model learns to stop.

    Encoded apart from the prompt: the model meets the same boundary here as when it generates.
    """
    text = text_of(completion)
    if isinstance(completion, str):
        ending = "" if text.endswith(str(tokenizer.eos_token)) else str(tokenizer.eos_token)
    else:
        text, ending = without_control(tokenizer, text), end_of_turn(tokenizer)
    return list(tokenizer(text + ending, add_special_tokens=False)["input_ids"])


def without_control(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """``text`` with the tokenizer's control tokens broken by a space, so that a note cannot end its own turn."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the chat template puts after a summary (white space aside), closed with EOS unless it holds EOS already."""
    eos = str(tokenizer.eos_token)
    if not tokenizer.chat_template:
        return eos
    probe = "summary-goes-here"
    messages = [*prompt_messages("note"), *completion_messages(probe)]
    rendered = str(tokenizer.apply_chat_template(messages, tokenize=False))
    ending = rendered.rpartition(probe)[2].strip()
    return ending if ending.endswith(eos) else ending + eos
