"""Packed pairs give what stock TRL gives: the same figures for every token, the same gradients, half the tokens."""

from __future__ import annotations

import pytest
import torch
import trl.trainer.utils
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
    Qwen3Config,
)

from preference.data.pairs import packed_length
from preference.packing.shared_prefix import (
    PER_TOKEN_FIELDS,
    SharedPrefixModel,
    by_note,
    largest_difference,
    pack,
    reason_not_to_share,
)

SIZE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FULL_ATTENTION = {
    "llama": LlamaConfig(**SIZE),
    "mistral": MistralConfig(**SIZE, sliding_window=None),
    "qwen2": Qwen2Config(**{name: value for name, value in SIZE.items() if name != "head_dim"}),
    "qwen3": Qwen3Config(**SIZE),
    "gemma": GemmaConfig(**SIZE),
    "gemma2, window longer than the pairs": Gemma2Config(**SIZE, sliding_window=64, query_pre_attn_scalar=8),
    "gemma3, window longer than the pairs": Gemma3TextConfig(**SIZE, sliding_window=64, query_pre_attn_scalar=8),
}
#        prompt       chosen                     rejected
PAIRS = [
    ([1, 5, 6, 7], [10, 11, 12, 13, 2], [10, 11, 20, 13, 14, 2]),  # fork inside
    ([1, 5], [30, 2], [31, 32, 33, 2]),  # fork at once
    ([1, 8, 9, 8, 9, 4], [40, 41, 42, 43, 44, 2], [40, 41, 42, 43, 2]),  # the longest shared beginning
    ([1], [50, 51], [50, 51, 52]),  # one a beginning of the other, no EOS
]
# Several pairs of a note: the same chosen text again, branches that leave one another, another note between them.
NOTES = [
    ([1, 5, 6, 7], [10, 11, 12, 13, 2], [10, 11, 20, 13, 14, 2]),
    ([1, 8, 9], [10, 11, 2], [10, 12, 2]),
    ([1, 5, 6, 7], [10, 11, 12, 13, 2], [10, 11, 20, 13, 15, 16, 2]),
    ([1, 5, 6, 7], [10, 11, 12, 2], [30, 2]),
]


def collate(pairs):
    """The stock layout, as DataCollatorForPreference makes it."""
    rows = [prompt + chosen for prompt, chosen, _ in pairs] + [prompt + rejected for prompt, _, rejected in pairs]
    prompts = [len(prompt) for prompt, _, _ in pairs] * 2
    width = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (width - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        "completion_mask": torch.tensor(
            [[0] * p + [1] * (len(row) - p) + [0] * (width - len(row)) for row, p in zip(rows, prompts, strict=True)]
        ),
    }


def labels_of(batch):
    return batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)


def build(config, attention="sdpa"):
    torch.manual_seed(0)
    attention = "eager" if config.model_type in ("gemma2", "mamba") else attention  # all that they have
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    trl.trainer.utils.add_fused_lm_head(model, outputs=PER_TOKEN_FIELDS)
    return model


def figures_and_gradients(call, model, batch):
    """Every per-token figure, and the gradients of a sum in which each label has a weight of its own."""
    model.zero_grad(set_to_none=True)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    outputs = call(**inputs, labels=labels_of(batch), fused_lm_head=True, use_cache=False)
    weights = torch.arange(1, outputs.log_probs.numel() + 1).reshape(outputs.log_probs.shape) / 100
    (outputs.log_probs * weights).sum().backward()
    fields = {name: getattr(outputs, name).detach().float() for name in PER_TOKEN_FIELDS}
    return fields, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(model, batch, relative=1e-4):
    stock_fields, stock_gradients = figures_and_gradients(model, model, batch)
    shared = SharedPrefixModel(model, model.config)
    fields, gradients = figures_and_gradients(shared, model, batch)
    for name, field in fields.items():
        torch.testing.assert_close(field, stock_fields[name], atol=2e-5, rtol=1e-4)
    assert gradients.keys() == stock_gradients.keys()
    assert gradients
    for name, gradient in gradients.items():
        difference = (gradient - stock_gradients[name]).norm() / stock_gradients[name].norm().clamp(min=1e-6)
        assert difference <= relative, name


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FULL_ATTENTION)
def test_figures_and_gradients_equal_stock_trl(family, attention):
    model = build(FULL_ATTENTION[family], attention)
    assert reason_not_to_share(model.config, max_length=24) is None
    assert_same(model, collate(PAIRS))
    assert_same(model, collate(PAIRS[:1]))
    assert_same(model, collate(NOTES))


def test_equal_with_lora_and_gradient_checkpointing_and_the_head_on_labels_only():
    model = build(FULL_ATTENTION["llama"])
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(model, lora)
    trl.trainer.utils._use_triton = lambda device: True
    assert_same(model, collate(NOTES))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    model.train()
    assert_same(model, collate(NOTES))


def test_equal_on_4bit_weights(tiny_model):
    quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, quantization_config=quantized, device_map="cpu")
    trl.trainer.utils.add_fused_lm_head(model, outputs=PER_TOKEN_FIELDS)
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    assert_same(get_peft_model(model, lora), collate(NOTES), relative=1e-3)


def packed(pairs):
    batch = collate(pairs)
    labels = labels_of(batch)
    return pack(batch["input_ids"], batch["attention_mask"], labels, by_note(batch["input_ids"], labels))


def test_each_pair_costs_the_size_of_its_trie_and_one_token():
    rows = packed(PAIRS)
    # prompt + chosen + rejected - shared completion tokens + 1, of the longest pair
    assert rows.input_ids.shape == (4, 6 + 6 + 5 - 4 + 1)
    assert rows.input_ids[0].tolist() == [1, 5, 6, 7, 10, 11, 12, 13, 2, 11, 20, 13, 14, 2]
    assert rows.position_ids[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 9]
    assert rows.shift_labels[0].tolist() == [-100, -100, -100, 10, 11, 12, 13, 2, -100, 20, 13, 14, 2, -100]


def test_a_note_is_run_once_for_all_its_pairs_and_the_same_text_once():
    rows = packed(NOTES)
    prompt, first = [1, 5, 6, 7], [10, 11, 12, 2]
    together = [*prompt, *first, *[12, 13, 2], *[11, 20, 13, 14, 2], *[13, 15, 16, 2], *[7, 30, 2]]
    assert rows.input_ids.tolist() == [together, [1, 8, 9, 10, 11, 2, 10, 12, 2] + [0] * (len(together) - 9)]
    assert rows.position_ids[0].tolist() == [*range(8), *range(6, 9), *range(5, 10), *range(7, 11), *range(3, 6)]
    assert (rows.shift_labels != -100).sum() == (4 + 2 + 4 + 3 + 2) + (3 + 2)
    summaries = [summary for note, *both in NOTES for summary in both if note == prompt]
    assert packed_length(prompt, summaries) == len(together)


TOKENS = st.lists(st.integers(3, 6), max_size=7)
PROMPTS = st.just([1]) | TOKENS.map(lambda t: [1, *t])
RANDOM_PAIRS = st.lists(st.tuples(PROMPTS, TOKENS, TOKENS), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(pairs=RANDOM_PAIRS.map(lambda rows: [(p, [*c, 2], [*r, 2]) for p, c, r in rows]))
def test_every_label_is_predicted_from_exactly_its_own_row(pairs):
    """Each place of the stock layout reads a packed token that sees its row's beginning, nothing more or less."""
    batch = collate(pairs)
    labels = labels_of(batch)
    rows = packed(pairs)
    for row, place in (labels[:, 1:] != -100).nonzero().tolist():
        trie, column = divmod(int(rows.source[row, place]), rows.input_ids.size(1))
        assert rows.shift_labels[trie, column] == labels[row, place + 1]
        seen = rows.visible[trie, column].nonzero().flatten()
        by_position = sorted(
            zip(rows.position_ids[trie, seen].tolist(), rows.input_ids[trie, seen].tolist(), strict=True)
        )
        assert by_position == list(enumerate(batch["input_ids"][row, : place + 1].tolist()))


def test_models_that_cannot_share_are_named():
    window = Gemma2Config(**SIZE, sliding_window=8)
    assert "8 tokens" in str(reason_not_to_share(build(window).config, max_length=24))
    assert reason_not_to_share(build(window).config, max_length=8) is None
    mistral = build(MistralConfig(**SIZE, sliding_window=8)).config
    assert "8 tokens" in str(reason_not_to_share(mistral, max_length=24))
    unused = Qwen2Config(**{n: v for n, v in SIZE.items() if n != "head_dim"}, sliding_window=8)  # not switched on
    assert reason_not_to_share(build(unused).config, max_length=24) is None
    assert "experts" in str(reason_not_to_share(build(MixtralConfig(**SIZE, num_local_experts=2)).config, 24))


def test_the_self_check_tells_a_model_that_looks_past_the_fork():
    batch = collate(PAIRS)
    llama = build(FULL_ATTENTION["llama"])
    assert largest_difference(llama, llama.config, batch) < 1e-4
    window = build(Gemma2Config(**SIZE, sliding_window=3))  # a 4-D mask overrules its window
    assert largest_difference(window, window.config, batch) > 1e-3
    recurrent = build(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4))
    assert largest_difference(recurrent, recurrent.config, batch) > 1e-3
