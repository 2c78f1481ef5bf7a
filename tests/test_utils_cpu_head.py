"""The LM head that keeps its probabilities gives TRL's figures and gradients, whether or not they fit."""

from __future__ import annotations

import pytest
import torch
import trl.trainer.utils
from trl.kernels.chunked_logprob import ChunkedLogProbFunction

from utils import cpu_head, cpu_speed

OUTPUTS = ("log_probs", *cpu_head.OTHER_FIGURES)
LABELS, VOCABULARY, HIDDEN = 11, 37, 8


def figures_and_gradients(apply, softcap=None, temperature=1.0, with_bias=False, outputs=OUTPUTS):
    draw = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(size, generator=draw).mul_(3).requires_grad_()
        for size in ((LABELS, HIDDEN), (VOCABULARY, HIDDEN), (VOCABULARY,))
    )
    targets = torch.randint(VOCABULARY, (LABELS,), generator=draw)
    given = bias if with_bias else None
    found = apply(hidden, weight, given, targets, temperature, 16, softcap, 1.0, outputs)
    (found[0] * torch.arange(1, LABELS + 1)).sum().backward()
    return found, [hidden.grad, weight.grad, bias.grad]


@pytest.mark.parametrize("at_once", [LABELS, 4])
@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.7}, {"with_bias": True}, {"softcap": 5.0}, {"outputs": ("log_probs",)}],
    ids=str,
)
def test_figures_and_gradients_are_trls(monkeypatch, at_once, options):
    stock, stock_gradients = figures_and_gradients(ChunkedLogProbFunction.apply, **options)
    monkeypatch.setattr(cpu_speed, "HEAD_SCORES", 4 * VOCABULARY * at_once)
    cpu_head.keep_probabilities()
    ours, gradients = figures_and_gradients(trl.trainer.utils._ChunkedLogProbFunction.apply, **options)
    for figure, expected in zip(ours, stock, strict=True):
        assert (figure is None) == (expected is None)
        if figure is not None:
            torch.testing.assert_close(figure, expected, atol=2e-5, rtol=1e-5)
    for gradient, expected in zip(gradients, stock_gradients, strict=True):
        assert (gradient is None) == (expected is None)
        if gradient is not None:
            torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-4)


def test_an_unlikely_label_keeps_its_log_prob():
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[0.0], [300.0]])
    log_probs, *_ = cpu_head.LabelScores.apply(hidden, weight, None, torch.tensor([0]), 1.0, ("log_probs",))
    assert log_probs.item() == -300.0


def test_what_fits_is_not_scored_again(monkeypatch):
    scored = []
    stock = cpu_head.logits_of
    monkeypatch.setattr(cpu_head, "logits_of", lambda hidden, *args: scored.append(len(hidden)) or stock(hidden, *args))
    cpu_head.keep_probabilities()
    for at_once, expected in ((LABELS, [LABELS]), (6, [6, 5, 6, 5])):
        scored.clear()
        monkeypatch.setattr(cpu_speed, "HEAD_SCORES", 4 * VOCABULARY * at_once)
        figures_and_gradients(trl.trainer.utils._ChunkedLogProbFunction.apply)
        assert scored == expected


def test_no_label_at_all_is_a_batch_like_any_other():
    hidden = torch.zeros(0, HIDDEN, requires_grad=True)
    found = cpu_head.LabelScores.apply(
        hidden, torch.ones(VOCABULARY, HIDDEN), None, torch.zeros(0, dtype=torch.long), 1.0, OUTPUTS
    )
    found[0].sum().backward()
    assert all(len(figure) == 0 for figure in found) and hidden.grad.shape == hidden.shape
