"""A model that says too little is noticed by what it writes itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from preference import summary_lengths
from preference.summary_lengths import NOTES, WarnOfShortSummaries, share_written, spread
from tests.tiny import find
from utils.generation import Generated
from utils.models import load_model, load_tokenizer

STATE = SimpleNamespace(global_step=6, is_world_process_zero=True)
PAIRS = [
    {"prompt_ids": [1, 5, 6], "chosen_ids": [7] * 10 + [2]},
    {"prompt_ids": [1, 8], "chosen_ids": [9] * 20 + [2]},
    {"prompt_ids": [1, 8], "chosen_ids": [9] * 20 + [2]},  # a second pair of the same note
]


def writes(monkeypatch, *lengths):
    """Have the model write so many tokens for each note."""
    left = list(lengths)

    def generate(model, tokenizer, jobs, settings):
        return [Generated("", "eos", len(job.prompt), left.pop(0)) for job in jobs]

    monkeypatch.setattr(summary_lengths, "generate_batch", generate)


@pytest.mark.parametrize(("lengths", "share"), [((5, 40), 25 / 30), ((10, 20), 1.0), ((0, 0), 0.0)])
def test_a_long_summary_does_not_make_up_for_a_short_one(lengths, share, monkeypatch):
    writes(monkeypatch, *lengths)
    assert share_written(None, None, {(1, 5, 6): 10, (1, 8): 20}, batch_size=1) == pytest.approx(share)


@pytest.mark.parametrize(("lengths", "said"), [((4, 14), ["60%"]), ((10, 13), [])])
def test_it_is_said_below_three_quarters(lengths, said, monkeypatch):
    writes(monkeypatch, *lengths)
    heard = []
    WarnOfShortSummaries(None, PAIRS, 4, heard.append).on_evaluate(None, STATE, None)
    assert [part for line in heard for part in line.split() if part.endswith("%")] == said
    assert all("2 validation notes" in line for line in heard)


def test_notes_are_taken_from_all_over():
    notes = {(number,): number for number in range(20)}
    assert list(spread(notes, NOTES).values()) == [0, 3, 6, 9, 12, 15, 18]
    assert spread(dict(list(notes.items())[:NOTES]), NOTES) == dict(list(notes.items())[:NOTES])


def test_a_model_that_stops_at_once_and_one_that_never_stops(tiny_adapter):
    checkpoint = find(tiny_adapter)
    tokenizer, model = load_tokenizer(checkpoint), load_model(checkpoint, torch.device("cpu"))
    favoured = {tokenizer.eos_token_id: -1e4}

    def favour(module, args, logits):
        for token, value in favoured.items():
            logits[..., token] = value

    model.get_output_embeddings().register_forward_hook(favour)
    notes = {(1, 5, 6): 4, (1, 8): 7}
    assert share_written(model, tokenizer, notes, batch_size=2) == 1.0
    favoured[tokenizer.eos_token_id] = 1e4
    assert share_written(model, tokenizer, notes, batch_size=2) == 0.0
