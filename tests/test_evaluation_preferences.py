"""Step 3's preference accuracy and margins: each summary scored as if it stood alone, counted by hand."""

from __future__ import annotations

import json

import pytest
import torch

from evaluation_stage_a.preferences import Preference, in_words, log_probs, measure, prefer, preference_figures
from tests.test_evaluation import evaluate
from tests.tiny import find, write_pairs, write_phase1
from utils.cli import RunError, UserError
from utils.models import load_to_generate, load_tokenizer
from utils.pairs import read_pairs
from utils.prompts import encode_completion, encode_prompt


@pytest.fixture(scope="module")
def loaded(tiny_adapter):
    checkpoint = find(tiny_adapter)
    return load_to_generate(checkpoint, torch.device("cpu")), load_tokenizer(checkpoint)


@pytest.mark.parametrize("conversational", [True, False])
def test_log_probs_are_those_of_the_stock_model_one_text_at_a_time(loaded, tmp_path, conversational):
    model, tokenizer = loaded
    rows = read_pairs(write_pairs(tmp_path / "pairs.jsonl", 3, conversational=conversational), None, seed=0)
    for row, found in zip(rows, prefer(model, tokenizer, rows, window=None), strict=True):
        prompt = encode_prompt(tokenizer, row["prompt"])
        for side in ("chosen", "rejected"):
            answer = encode_completion(tokenizer, row[side])
            ids = torch.tensor([prompt + answer])
            with torch.no_grad():
                scores = model(ids).logits[0, :-1].log_softmax(-1)
            expected = scores[torch.arange(ids.shape[1] - 1), ids[0, 1:]][len(prompt) - 1 :].sum()
            assert getattr(found, side) == pytest.approx(float(expected), abs=1e-3)


def test_padding_changes_nothing(loaded):
    model, _ = loaded
    alone = log_probs(model, [1, 2, 3], [[4, 5]])
    assert log_probs(model, [1, 2, 3], [[4, 5], [6, 7, 8, 9, 4]])[0] == pytest.approx(alone[0], abs=1e-4)


def test_where_memory_runs_out_it_is_said_of_what(tiny_adapter, loaded, tmp_path, monkeypatch):
    def fail(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("evaluation_stage_a.preferences.log_probs", fail)
    rows = read_pairs(write_pairs(tmp_path / "pairs.jsonl", 1), None, seed=0)
    with pytest.raises(RunError, match="not enough memory to score both summaries of a pair"):
        measure(loaded[0], find(tiny_adapter), rows)


def test_what_does_not_fit_is_left_out(loaded, tmp_path):
    model, tokenizer = loaded
    rows = read_pairs(write_pairs(tmp_path / "pairs.jsonl", 2), None, seed=0)
    assert prefer(model, tokenizer, rows, window=10) == []
    assert in_words(preference_figures([])) == "no pair fits into the model's context window"


def test_accuracy_and_margin_by_hand():
    preferences = [Preference("a", -5, -7), Preference("a", -6, -5), Preference("b", -2, -2.5)]
    figures = preference_figures(preferences)
    assert (figures["pairs"], figures["notes"]) == (3, 2)
    assert figures["accuracy"][:2] == (2, 3)
    assert figures["margin"].difference == pytest.approx((2 - 1 + 0.5) / 3)
    # two notes: a alone (mean 0.5), b alone (0.5) and both give 0.5 each, so the interval has no width
    assert (figures["margin"].low, figures["margin"].high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert in_words(figures).startswith("chosen likelier in 2/3 = 67%")


def test_step_3_measures_preferences_on_request(tiny_adapter, tmp_path, capsys):
    notes = write_phase1(tmp_path / "phase1", test=2) / "test_set_processed.csv"
    pairs = write_pairs(tmp_path / "pairs.jsonl", 3)
    evaluate(tiny_adapter, notes, tmp_path / "a", "--pairs", str(pairs))
    assert "chosen likelier in " in capsys.readouterr().out
    figures = json.loads((tmp_path / "a" / "evaluation_statistics.json").read_text())["preferences"]
    assert figures["pairs"] == figures["accuracy"]["total"] == 3
    assert "chosen likelier in " in (tmp_path / "a" / "evaluation_report.html").read_text("utf-8")
    with pytest.raises(UserError, match="--pairs needs the model"):
        evaluate(tiny_adapter, notes, tmp_path / "a", "--pairs", str(pairs), "--score_only")
