"""Step 2: the reference is the SFT model, the figures are DPO's, the result loads, and bad input is refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import stage_b_dpo_training
from preference.expected_time import expected_seconds, in_words
from preference.pairs import encode_pairs, read_pairs
from preference.policy import build_policy
from preference.training import ReferenceCheck
from tests.tiny import write_pairs
from utils.cli import UserError
from utils.models import find_checkpoint, load_model, load_tokenizer
from utils.prompts import encode_completion, encode_prompt

CPU = torch.device("cpu")


@pytest.fixture
def pairs(tmp_path):
    return {
        "train_data_path": write_pairs(tmp_path / "train.jsonl", 8),
        "val_data_path": write_pairs(tmp_path / "val.jsonl", 4, start=8),
    }


def train(sft, pairs, output_dir, *more):
    options = {"sft_model_path": sft, **pairs, "output_dir": output_dir}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    code = stage_b_dpo_training.main([*argv, "--device", "cpu", *more])
    record = json.loads((output_dir / "run.json").read_text())
    return code, record["results"]


def log_prob(model, tokenizer, prompt, completion):
    """Sum of the log-probabilities of a completion's tokens, from the plain logits."""
    head, tail = encode_prompt(tokenizer, prompt), encode_completion(tokenizer, completion)
    with torch.no_grad():
        logits = model(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
    return F.log_softmax(logits, dim=-1)[range(len(tail)), tail].sum().item()


@pytest.mark.parametrize("kind", ["adapter", "full model"])
def test_figures_are_those_of_dpo_against_the_sft_model(kind, tiny_model, tiny_adapter, pairs, tmp_path):
    sft = tiny_adapter if kind == "adapter" else tiny_model
    code, results = train(sft, pairs, tmp_path / "out", "--learning_rate", "1e-3", "--beta", "0.3")
    assert code == 0
    assert results["first_loss"] == pytest.approx(0.693147, abs=1e-5)  # -log sigmoid(0): the margin is 0 at step 0

    checkpoint = find_checkpoint(str(tmp_path / "out" / "final_model"))
    tokenizer = load_tokenizer(checkpoint)
    policy, reference = load_model(checkpoint, CPU), load_model(find_checkpoint(str(sft)), CPU)
    margins = []
    for row in read_pairs(pairs["val_data_path"], None, seed=0):
        chosen, rejected = (
            log_prob(policy, tokenizer, row["prompt"], row[side])
            - log_prob(reference, tokenizer, row["prompt"], row[side])
            for side in ("chosen", "rejected")
        )
        margins.append(0.3 * (chosen - rejected))
    assert abs(sum(margins)) > 0.01  # it has learned something
    assert results["val_margin"] == pytest.approx(sum(margins) / len(margins), abs=1e-3)
    losses = [-F.logsigmoid(torch.tensor(margin)).item() for margin in margins]
    assert results["val_loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-3)


def test_a_reference_that_is_not_the_start_stops_the_run():
    check = ReferenceCheck(tolerance=1e-4)
    first = type("State", (), {"global_step": 1})()
    check.on_log(None, first, None, logs={"rewards/margins": 5e-5})
    for margin in (2e-4, float("nan")):
        with pytest.raises(RuntimeError, match="policy and reference differ"):
            check.on_log(None, first, None, logs={"rewards/margins": margin})
    later = type("State", (), {"global_step": 2})()
    check.on_log(None, later, None, logs={"rewards/margins": 0.5})


def test_an_adapter_is_trained_on_at_its_own_rank_and_saved_alone(tiny_adapter, pairs, tmp_path):
    train(tiny_adapter, pairs, tmp_path / "out", "--lora_r", "8", "--num_epochs", "1")
    final = tmp_path / "out" / "final_model"
    assert json.loads((final / "adapter_config.json").read_text())["r"] == 4
    assert not (final / "ref").exists()
    before, after = (
        load_file(tiny_adapter / "adapter_model.safetensors"),
        load_file(final / "adapter_model.safetensors"),
    )
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_plain_strings_and_nothing_but_the_three_keys(tiny_model, tmp_path):
    pairs = {
        "train_data_path": write_pairs(tmp_path / "train.jsonl", 4, conversational=False),
        "val_data_path": write_pairs(tmp_path / "val.jsonl", 2, start=4, conversational=False),
    }
    code, results = train(tiny_model, pairs, tmp_path / "out", "--num_epochs", "1")
    assert (code, results["train_pairs"], results["val_pairs"]) == (0, 4, 2)
    assert results["first_loss"] == pytest.approx(0.693147, abs=1e-5)


def test_same_seed_same_weights_to_the_bit_and_a_rerun_does_nothing(tiny_adapter, pairs, tmp_path, capsys):
    for name in ("one", "two"):
        train(tiny_adapter, pairs, tmp_path / name)
    weights = [load_file(tmp_path / name / "final_model" / "adapter_model.safetensors") for name in ("one", "two")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    capsys.readouterr()
    train(tiny_adapter, pairs, tmp_path / "one")
    assert "nothing to do" in capsys.readouterr().out
    train(tiny_adapter, pairs, tmp_path / "one", "--beta", "0.2")
    assert "nothing to do" not in capsys.readouterr().out


def test_a_subset_is_drawn_by_note_and_the_plan_is_printed_first(tiny_model, pairs, tmp_path, capsys):
    _, results = train(tiny_model, pairs, tmp_path / "out", "--max_train_pairs", "3", "--max_val_pairs", "2",
                       "--num_epochs", "1")  # fmt: skip
    assert (results["train_pairs"], results["val_pairs"]) == (3, 2)
    printed = capsys.readouterr().out
    assert printed.index("3 train, 2 validation") < printed.index("Expected     about ") < printed.index("✓ Stage B")
    assert "learning rate 5e-06" in printed
    assert "evaluate_stage_a.py --model_path" in printed


def test_4bit_trains_an_fp32_adapter_that_moves_at_the_default_learning_rate(tiny_adapter, pairs, tmp_path):
    train(tiny_adapter, pairs, tmp_path / "out", "--load_in_4bit", "--num_epochs", "1")
    before = load_file(tiny_adapter / "adapter_model.safetensors")
    after = load_file(tmp_path / "out" / "final_model" / "adapter_model.safetensors")
    assert {value.dtype for value in after.values()} == {torch.float32}
    moved = [(after[name] - before[name]).abs().max().item() for name in before]
    assert all(0 < step < 1e-3 for step in moved)


def test_pairs_that_cannot_teach_are_left_out_and_counted(tiny_model):
    tokenizer = load_tokenizer(find_checkpoint(str(tiny_model)))
    rows = [
        {"prompt": "note", "chosen": "right", "rejected": "wrong"},
        {"prompt": "note", "chosen": "same", "rejected": "same "},
        {"prompt": "note", "chosen": "right", "rejected": " "},
        {"prompt": "note " * 100, "chosen": "right", "rejected": "wrong"},
    ]
    encoded = encode_pairs(tokenizer, rows, max_length=50)
    assert len(encoded) == 1
    assert encoded.left_out == {
        "chosen and rejected are the same": 1,
        "an empty summary": 1,
        "longer than --max_length 50 tokens": 1,
    }
    with pytest.raises(UserError, match="no pair is left to train on: 1 an empty summary"):
        encode_pairs(tokenizer, rows[2:3], max_length=50)


def test_the_expected_time_grows_with_the_work_and_leaves_no_trace(tiny_adapter, pairs):
    checkpoint = find_checkpoint(str(tiny_adapter))
    policy = build_policy(checkpoint, CPU, lora_r=4, load_in_4bit=False)
    tokenizer = load_tokenizer(checkpoint)
    encoded = encode_pairs(tokenizer, read_pairs(pairs["train_data_path"], None, seed=0), max_length=1024)
    before = {name: p.clone() for name, p in policy.model.named_parameters()}
    random_state = torch.get_rng_state()
    assert expected_seconds(policy.model, encoded, encoded, num_epochs=1) > 0
    assert all(p.grad is None and torch.equal(p, before[name]) for name, p in policy.model.named_parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 seconds"), (125, "2 minutes"), (9000, "2.5 hours")])
def test_durations_read_as_people_say_them(seconds, said):
    assert in_words(seconds) == said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("train_data_path", "gone.jsonl", "make them with: python generate_phase2_data.py"),
        ("sft_model_path", "gone", "no such folder: gone"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(option, value, said, tiny_model, pairs, tmp_path):
    with pytest.raises(UserError, match=said):
        train(value if option == "sft_model_path" else tiny_model, {**pairs, **({option: value} if option in pairs else {})},
              tmp_path / "out")  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_pair_of_the_wrong_form_is_named_by_line(tiny_model, pairs, tmp_path):
    pairs["train_data_path"].write_text('{"prompt": "p", "chosen": ["no message"], "rejected": "r"}\n')
    with pytest.raises(UserError, match="pair 1: 'chosen' is neither text nor a list of messages"):
        train(tiny_model, pairs, tmp_path / "out")


def test_a_failed_run_leaves_the_earlier_model_as_it_was(tiny_adapter, pairs, tmp_path, monkeypatch):
    train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    final = tmp_path / "out" / "final_model"
    kept = shutil.copytree(final, tmp_path / "kept")

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("peft.PeftModel.save_pretrained", full_disk)
    with pytest.raises(OSError, match="No space"):
        train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1", "--beta", "0.2")
    assert (final / "adapter_model.safetensors").read_bytes() == (kept / "adapter_model.safetensors").read_bytes()
