"""The two CPU settings change no result; TRL's seam is where the pinned version has it."""

from __future__ import annotations

import pytest
import torch
import trl.trainer.utils
from transformers import AutoModelForCausalLM

from utils.cpu_speed import reuse_freed_memory, score_labelled_tokens_only


def scores_and_gradients(tiny_model):
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    ids = torch.arange(3, 43).reshape(2, 20)
    labels = ids.masked_fill(torch.arange(20) < 12, -100)
    out = model(input_ids=ids, labels=labels, fused_lm_head=True)
    out.log_probs.sum().backward()
    return out, {name: p.grad for name, p in model.named_parameters()}


def test_scoring_labelled_tokens_only_equals_stock_trl(tiny_model, monkeypatch):
    stock, stock_gradients = scores_and_gradients(tiny_model)
    monkeypatch.setattr(trl.trainer.utils, "_use_triton", trl.trainer.utils._use_triton)  # restored after the test
    score_labelled_tokens_only()
    ours, gradients = scores_and_gradients(tiny_model)
    for field in ("log_probs", "entropy", "mean_logits", "is_top1"):
        torch.testing.assert_close(getattr(ours, field).float(), getattr(stock, field).float())
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, stock_gradients[name])


def test_the_lm_head_sees_the_labelled_tokens_only(tiny_model, monkeypatch):
    seen = []
    stock = trl.trainer.utils._ChunkedLogProbFunction

    class Watched(stock):
        @classmethod
        def apply(cls, hidden, *args):
            seen.append(hidden.shape[0])
            return stock.apply(hidden, *args)

    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", Watched)
    if not torch.cuda.is_available():
        scores_and_gradients(tiny_model)
        assert seen == [2 * 19]
    seen.clear()
    monkeypatch.setattr(trl.trainer.utils, "_use_triton", trl.trainer.utils._use_triton)
    score_labelled_tokens_only()
    scores_and_gradients(tiny_model)
    assert seen == [2 * 8]


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_keeping_freed_memory_is_harmless_everywhere(monkeypatch, platform):
    monkeypatch.setattr("sys.platform", platform)
    assert reuse_freed_memory() is None
