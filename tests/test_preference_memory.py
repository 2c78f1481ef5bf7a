"""The memory that a run will take: what autograd keeps is asked of it, the rest is computed by hand."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from bitsandbytes.autograd._functions import MatMul8bitLt, MatmulLtState
from bitsandbytes.functional import int8_vectorwise_quant
from peft import LoraConfig, get_peft_model
from torch.utils.checkpoint import checkpoint
from transformers import LlamaConfig, LlamaForCausalLM

from preference.data.batches import (
    Batch,
    batch_of,
    batches_by_length,
    batches_from_anywhere,
    by_length,
    unshared_batch_of,
)
from preference.data.pairs import PairIds
from preference.memory.model_shape import AdapterShape, adapter_of, new_adapter, shape_of
from preference.memory.prediction import Plan, heaviest, predict, saved_by_layer, trained_parameters
from preference.memory.preflight import (
    Choice,
    Preflight,
    _left_in_container,
    command_with,
    fitting_options,
    free_memory,
)
from preference.packing.shared_prefix import IGNORED, by_note, pack
from stage_b_dpo_training import build_parser
from tests.tiny import find
from utils.cli import UserError
from utils.models import all_linear_lora

CPU = torch.device("cpu")
LLAMA_8B = LlamaConfig(
    vocab_size=128256,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    tie_word_embeddings=False,
)


def small(layers):
    return LlamaConfig(
        vocab_size=64,
        hidden_size=48,
        intermediate_size=112,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
    )


def kept_by_autograd(model, batch, half):
    """Bytes of all that a forward pass keeps for its backward pass, weights aside, each storage once."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    causal = torch.ones(batch.width, batch.width, dtype=torch.bool).tril().expand(batch.rows, 1, -1, -1)
    autocast = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    with autocast, torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(torch.ones(batch.rows, batch.width, dtype=torch.long), attention_mask=causal, use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("rank, half", [(8, False), (8, True), (0, False)], ids=["LoRA", "LoRA in bf16", "all weights"])
def test_a_layer_keeps_what_autograd_says(rank, half):
    batch, kept = Batch(rows=2, width=40, scored=0), []
    for layers in (2, 3):
        model = LlamaForCausalLM(small(layers)).to(torch.bfloat16 if half else torch.float32)
        if rank:
            model = get_peft_model(model, LoraConfig(**all_linear_lora(rank)))
        model.train()
        kept.append(kept_by_autograd(model.base_model.model.model if rank else model.model, batch, half))
    shape = shape_of(small(2))
    plan = Plan("cpu", half, new_adapter(shape, rank))
    halved_adapter = plan.adapter.parameters / 2 * 2 if half else 0  # autocast's copies: they count as adapter
    assert kept[1] - kept[0] - halved_adapter == pytest.approx(saved_by_layer(shape, batch, plan), rel=0.01)


def test_an_8b_model_in_4_bit_trains_on_a_card_of_12_gb():
    shape = shape_of(LLAMA_8B)
    plan = Plan("cuda", True, new_adapter(shape, 16), "4bit", checkpointing=True, triton=True)
    batch = batch_of([PairIds([1] * 512, [2] * 64, [3] * 64)])
    assert batch == Batch(rows=1, width=641, scored=128)
    memory = predict(shape, batch, plan)
    a_layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    other = 2 * 128256 * 4096 + (2 * 32 + 1) * 4096
    assert memory.weights.size == pytest.approx(32 * a_layer * 4.127 / 8 + other * 2)
    lora = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))
    assert (memory.gradients.size, memory.optimizer.size) == (lora * 4, lora * 12)
    assert memory.activations.size > 32 * 641 * 4096 * 2  # the input of each layer, in bf16
    assert sum(part.size for part in memory.parts.values()) == memory.total < 9e9
    shown = memory.arithmetic()
    assert "6.98e9 weights of linear layers x 0.516 bytes" in shown and f"{memory.total / 1e9:.2f} GB" in shown


def test_an_int8_product_keeps_its_input_through_checkpointing():
    shape, batch = shape_of(LLAMA_8B), Batch(rows=1, width=512, scored=100)
    adapter = new_adapter(shape, 16)
    whole, int8 = (
        predict(shape, batch, Plan("cuda", True, adapter, kind, checkpointing=True)) for kind in (None, "8bit")
    )
    # 32 layers x 512 tokens x 2 bytes of what goes into query/key/value, output, gate/up and down projection.
    kept = 32 * 512 * 2 * (4096 + 4096 + 4096 + 14336)
    assert int8.activations.size - whole.activations.size == kept
    # As the library has it: the product's own node holds the input, past checkpoint's hooks.
    state, weight = MatmulLtState(), torch.randn(8, 16, dtype=torch.float16)
    state.has_fp16_weights, state.threshold = False, 6.0
    state.CB, state.SCB, _ = int8_vectorwise_quant(weight)
    inputs = torch.randn(3, 16, requires_grad=True)
    product = checkpoint(
        lambda rows: MatMul8bitLt.apply(rows.sin(), weight, None, None, state), inputs, use_reentrant=False
    )
    torch.testing.assert_close(product.grad_fn.tensors[2], inputs.sin())


def test_gradient_checkpointing_keeps_one_layer_and_the_input_of_each():
    shape, batch = shape_of(LLAMA_8B), Batch(1, 641, 128)
    plans = [Plan("cuda", True, new_adapter(shape, 16), "4bit", checkpointing=on) for on in (True, False)]
    on, off = (predict(shape, batch, plan).activations.size for plan in plans)
    assert off > 8 * on


def test_all_weights_need_five_times_their_fp32_size_before_any_batch():
    shape = shape_of(small(2))
    parameters = sum(parameter.numel() for parameter in LlamaForCausalLM(small(2)).parameters())
    memory = predict(shape, Batch(1, 1, 1), Plan("cpu", False, AdapterShape(0, 0)))
    assert memory.weights.size + memory.gradients.size + memory.optimizer.size == 20 * parameters


def test_an_adapter_is_sized_by_its_own_file(tiny_model, tiny_adapter):
    shape = shape_of(LlamaForCausalLM.from_pretrained(tiny_model).config)
    assert adapter_of(find(tiny_adapter), shape, lora_r=16) == new_adapter(shape, 4)  # whose rank is 4
    assert adapter_of(find(tiny_model), shape, lora_r=16) == new_adapter(shape, 16)


def test_the_batches_are_those_that_the_model_will_meet():
    note = [1] * 10
    pairs = [
        PairIds([1] * 2, [2], [3]),
        PairIds(note, [2, 3, 4], [2, 3, 5, 6]),
        PairIds([1] * 5, [2] * 6, [3] * 5),
        PairIds(note, [2, 3, 4], [2, 4]),
    ]
    in_order = [pairs[index] for index in by_length(pairs)]
    assert {len(pair.prompt) for pair in in_order[:2]} == {10}  # its row is the longest
    assert [len(pair.prompt) for pair in in_order[2:]] == [5, 2]
    stock = [(pair.prompt, side) for side_of in (1, 2) for pair in in_order[:3] for side in (pair[side_of],)]
    length = max(len(prompt) + len(side) for prompt, side in stock)
    input_ids, mask, labels = (torch.zeros(6, length, dtype=torch.long) for _ in range(3))
    for row, (prompt, side) in enumerate(stock):
        together = len(prompt) + len(side)
        input_ids[row, :together] = torch.tensor(prompt + side)
        mask[row, :together] = 1
        labels[row] = IGNORED
        labels[row, len(prompt) : together] = torch.tensor(side)
    packed = pack(input_ids, mask, labels, by_note(input_ids, labels))
    first, second = batches_by_length(pairs, 3)
    assert (first.rows, first.width) == packed.input_ids.shape == (2, 10 + 3 + (2 + 1) + (1 + 1))
    assert first.scored == (packed.shift_labels != IGNORED).sum() + 1  # one branch more than two, whose last predicts
    assert second == batch_of(pairs[:1]) == Batch(1, 2 + 1 + 1 + 1, 2)
    assert heaviest([second, first]) == first
    assert batches_by_length(pairs, 3, shared=False)[0] == unshared_batch_of(in_order[:3])
    assert unshared_batch_of(in_order[:3]) == Batch(6, length, (3 + 4) + (3 + 2) + (6 + 5))


def test_the_heaviest_batch_may_begin_anywhere():
    """Two pairs of one note are one row; where a batch begins in its middle, two notes are as many rows."""
    two_of_one, short = [PairIds([1] * 100, [2], [side]) for side in (3, 4)], PairIds([1] * 97, [2], [3])
    pairs = [*two_of_one, *(short._replace(prompt=[number] * 97) for number in (5, 6))]
    assert [batch.rows for batch in batches_by_length(pairs, 2)] == [1, 2]
    assert [batch.rows for batch in batches_from_anywhere(pairs, 2)] == [1, 2, 2]
    assert heaviest(batches_from_anywhere(pairs, 2)).tokens == 2 * 103 > heaviest(batches_by_length(pairs, 2)).tokens
    assert batches_from_anywhere(pairs, 9) == batches_by_length(pairs, 9) == [batch_of(pairs)]
    assert batches_from_anywhere([], 2) == batches_by_length([], 2) == []


PAIRS = [PairIds([length] * (length - 10), [1] * 10, [2] * 10) for length in (100, 300, 500)]
ASKED = Choice(batch_size=4, gradient_accumulation_steps=1, max_length=1024)


@pytest.mark.parametrize(
    "free, fitting",
    [
        (4 * 500, Choice(4, 1, 1024)),
        (2 * 500, Choice(2, 2, 1024)),
        (500, Choice(1, 4, 1024)),
        (400, Choice(2, 2, 1024, load_in_4bit=True)),
        (200, Choice(1, 4, 1024, load_in_4bit=True)),
        (160, Choice(1, 4, 448, load_in_4bit=True)),
        (10, None),
    ],
)
def test_what_fits_keeps_the_update_then_the_pairs(free, fitting):
    def needed(choice):
        longest = max(pair.longer for pair in PAIRS if pair.longer <= choice.max_length)
        bits = 0.4 if choice.load_in_4bit else 1
        return choice.batch_size * bits * min(longest, choice.max_length)

    assert fitting_options(ASKED, needed, free, PAIRS, quantizable=True) == fitting


def test_three_at_once_do_not_make_an_update_of_four():
    tried = []
    fitting_options(ASKED, lambda choice: tried.append(choice) or 1e9, 0, PAIRS, quantizable=False)
    assert {choice.batch_size for choice in tried} == {4, 2, 1}
    assert all(choice.batch_size * choice.gradient_accumulation_steps == 4 for choice in tried)
    assert not any(choice.load_in_4bit for choice in tried)


def test_the_command_that_fits_is_the_given_one_with_other_numbers():
    given = [
        "--batch_size",
        "4",
        "--output_dir",
        "my models",
        "--loss_type",
        "sigmoid",
        "sft",
        "--load_in_8bit",
        "--beta=0.2",
    ]
    assert command_with(given, ASKED, Choice(2, 2, 1024, load_in_4bit=True)) == (
        "python stage_b_dpo_training.py --output_dir 'my models' --loss_type sigmoid sft --beta=0.2 "
        "--batch_size 2 --gradient_accumulation_steps 2 --load_in_4bit"
    )
    assert "--max_length" not in command_with(["--batch_size=4"], ASKED, Choice(1, 4, 1024))


def test_a_run_that_will_not_fit_is_refused_with_the_command_that_will(tiny_adapter):
    args = build_parser().parse_args([])
    preflight = Preflight.of(args, find(tiny_adapter), CPU, PAIRS)
    needed, less = preflight.memory().total, preflight.memory(Choice(2, 2, 1024)).total
    assert preflight.verdict([], free=needed).way_out is None
    verdict = preflight.verdict(["--beta", "0.2"], free=less)
    with pytest.raises(
        UserError, match=r"will fit: python .* --beta 0.2 --batch_size 2 --gradient_accumulation_steps 2\."
    ):
        verdict.refuse(force=False)
    verdict.refuse(force=True)
    shorter = preflight.verdict([], free=preflight.memory(Choice(1, 4, 320, load_in_4bit=True)).total)
    assert "leaves out 1 of 3 pairs" in str(shorter)
    assert "No choice of options fits" in str(preflight.verdict([], free=0))


def test_an_update_of_several_batches_keeps_its_gradients_twice(tiny_model):
    args = build_parser().parse_args(["--lora_r", "0"])
    preflight = Preflight.of(args, find(tiny_model), CPU, PAIRS)
    once, twice = (preflight.memory(Choice(1, updates, 1024)).gradients.size for updates in (1, 4))
    assert twice == 2 * once == 2 * 4 * trained_parameters(preflight.shape, preflight.plan)


@pytest.mark.parametrize(
    ("allowed", "left"), [("5000", [5000 - 3000 + 1200]), ("max", [])], ids=["a limit", "no limit"]
)
def test_a_container_s_files_in_memory_are_free(tmp_path, monkeypatch, allowed, left):
    for name, said in (("max", allowed), ("current", "3000"), ("stat", "anon 1800\ninactive_file 1200\n")):
        (tmp_path / f"memory.{name}").write_text(said)
    monkeypatch.setattr(
        "preference.memory.preflight.CGROUPS", ((tmp_path, "memory.max", "memory.current", "inactive_file"),)
    )
    assert _left_in_container() == left


def test_the_processes_of_one_machine_divide_its_memory(monkeypatch):
    monkeypatch.setattr("preference.memory.preflight._left_in_container", lambda: [8_000_000])
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=1_000_000))
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert free_memory(CPU) == 2_000_000 + 1_000_000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # the other two are on another machine
    assert free_memory(CPU) == 4_000_000 + 1_000_000
