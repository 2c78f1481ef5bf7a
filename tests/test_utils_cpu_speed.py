"""The CPU settings change no result; TRL's seams are where the pinned version has them."""

from __future__ import annotations

import types

import pytest
import torch
import trl.trainer.utils
from transformers import AutoModelForCausalLM
from trl.kernels import chunked_logprob

from utils import cpu_speed
from utils.cpu_speed import reuse_freed_memory, score_in_small_tiles, score_labelled_tokens_only


def scores_and_gradients(tiny_model):
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    ids = torch.arange(3, 43).reshape(2, 20)
    labels = ids.masked_fill(torch.arange(20) < 12, -100)
    out = model(input_ids=ids, labels=labels, fused_lm_head=True)
    out.log_probs.sum().backward()
    return out, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("setting", [score_labelled_tokens_only, lambda: score_in_small_tiles(100)])
def test_scoring_in_less_memory_equals_stock_trl(tiny_model, setting):
    stock, stock_gradients = scores_and_gradients(tiny_model)
    setting()
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
    score_labelled_tokens_only()
    scores_and_gradients(tiny_model)
    assert seen == [2 * 8]


def test_the_lm_head_scores_in_tiles_of_the_given_width(tiny_model, monkeypatch):
    widths = []
    stock = chunked_logprob._forward_tile

    def watched(tile, *args, **options):
        widths.append(tile.shape[1])
        return stock(tile, *args, **options)

    monkeypatch.setattr(chunked_logprob, "_forward_tile", watched)
    score_in_small_tiles(100)
    scores_and_gradients(tiny_model)
    vocabulary = AutoModelForCausalLM.from_pretrained(tiny_model).config.vocab_size
    assert vocabulary > 100 and widths == [100] * (vocabulary // 100) + [vocabulary % 100]


def test_freed_memory_is_kept_where_the_c_library_can_and_nothing_is_called_elsewhere(monkeypatch):
    called = []
    library = types.SimpleNamespace(mallopt=lambda *args: called.append(args))
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    monkeypatch.setattr("sys.platform", "win32")
    reuse_freed_memory()
    assert called == []
    monkeypatch.setattr("sys.platform", "linux")
    reuse_freed_memory()
    assert called == [(-3, 1 << 30), (-1, (1 << 31) - 1)]
    monkeypatch.setattr("ctypes.CDLL", lambda name: types.SimpleNamespace())  # musl has no mallopt
    reuse_freed_memory()


def test_large_pages_are_asked_for_unless_the_user_said_otherwise(monkeypatch, tmp_path):
    given = tmp_path / "enabled"
    monkeypatch.setattr(cpu_speed, "_GIVEN", given)
    monkeypatch.delenv(cpu_speed.LARGE_PAGES, raising=False)
    assert not cpu_speed.has_large_pages()
    cpu_speed.use_large_pages()
    assert not cpu_speed.has_large_pages()  # no such file: not Linux
    for said, has in (("always [madvise] never\n", True), ("always madvise [never]\n", False)):
        given.write_text(said)
        assert cpu_speed.has_large_pages() == has
    given.write_text("[always] madvise never\n")
    monkeypatch.setenv(cpu_speed.LARGE_PAGES, "0")
    cpu_speed.use_large_pages()
    assert not cpu_speed.has_large_pages()
