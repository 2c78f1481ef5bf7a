"""Step 2: the reference is the SFT model, the figures are DPO's, the result loads, and bad input is refused."""

from __future__ import annotations

import json
import math
import shutil

import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from safetensors import SafetensorError
from safetensors.torch import load_file

import preference.training
import stage_b_dpo_training
from preference.callbacks import OVERFLOWS, ReferenceCheck, StopOnDivergence
from preference.data.batches import batch_of, batches_by_length, by_length
from preference.data.pairs import encode_pairs, fault_of, pair_ids, read_pairs
from preference.data.reference import ReferenceLogProbs
from preference.expected_time import expected_seconds
from preference.policy import build_policy
from preference.remembered import Remembered
from preference.runs.folder import RunFolder
from preference.training import build_trainer
from tests.tiny import find, write_pairs
from utils.cli import RunError, UserError
from utils.models import load_model, load_tokenizer
from utils.prompts import encode_completion, encode_prompt
from utils.trainer_progress import in_words

CPU = torch.device("cpu")


@pytest.fixture
def pairs(tmp_path):
    return {
        "train_data_path": write_pairs(tmp_path / "train.jsonl", 8),
        "val_data_path": write_pairs(tmp_path / "val.jsonl", 4, start=8),
    }


def train(sft, pairs, output_dir, *more):
    reference_dir = output_dir.parent / "reference"
    options = {"sft_model_path": sft, **pairs, "output_dir": output_dir, "reference_dir": reference_dir}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    code = stage_b_dpo_training.main([*argv, "--device", "cpu", "--force", *more])
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

    checkpoint = find(tmp_path / "out" / "final_model")
    tokenizer = load_tokenizer(checkpoint)
    policy, reference = load_model(checkpoint, CPU), load_model(find(sft), CPU)
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


def test_without_a_reference_the_loss_is_of_the_policys_own_margins_and_rewards_stay_dpos(
    tiny_adapter, pairs, tmp_path
):
    """CPO, arXiv 2401.08417: -log sigmoid of beta times the margin, and the mean cross entropy of the chosen tokens."""
    loss = ("--reference_free", "--loss_type", "sigmoid", "sft", "--loss_weights", "1", "0.5")
    _, results = train(tiny_adapter, pairs, tmp_path / "out", "--learning_rate", "1e-3", "--beta", "0.3", *loss)
    checkpoint = find(tmp_path / "out" / "final_model")
    tokenizer = load_tokenizer(checkpoint)
    policy, reference = load_model(checkpoint, CPU), load_model(find(tiny_adapter), CPU)
    rows = read_pairs(pairs["val_data_path"], None, seed=0)

    def log_probs(model, side):
        return torch.tensor([log_prob(model, tokenizer, row["prompt"], row[side]) for row in rows])

    own = log_probs(policy, "chosen") - log_probs(policy, "rejected")
    known = log_probs(reference, "chosen") - log_probs(reference, "rejected")
    assert known.abs().max() > 0.1  # it differs from DPO
    tokens = sum(len(encode_completion(tokenizer, row["chosen"])) for row in rows)
    sft = -log_probs(policy, "chosen").sum() / tokens
    assert results["val_loss"] == pytest.approx((-F.logsigmoid(0.3 * own).mean() + 0.5 * sft).item(), abs=1e-3)
    assert results["val_margin"] == pytest.approx(0.3 * (own - known).mean().item(), abs=1e-3)
    assert results["val_accuracy"] == pytest.approx((own > 0).float().mean().item())


def test_a_loss_that_weighs_each_side_by_itself_needs_the_reference(tiny_adapter, pairs, tmp_path):
    with pytest.raises(UserError, match="--reference_free goes with"):
        train(tiny_adapter, pairs, tmp_path / "out", "--reference_free", "--loss_type", "apo_zero", "sft")


def test_a_reference_that_is_not_the_start_stops_the_run():
    def logged(step, chosen, rejected):
        figures = {"loss": 0.7, "rewards/chosen": chosen, "rewards/rejected": rejected}
        figures["rewards/margins"] = chosen - rejected
        ReferenceCheck(tolerance=1e-4).on_log(None, type("State", (), {"global_step": step})(), None, logs=figures)

    logged(1, 5e-5, 0.0)
    logged(2, 0.5, 0.1)
    for chosen, rejected in ((2e-4, 0.0), (0.5, 0.5), (float("nan"), 0.0)):  # both alike is as wrong
        with pytest.raises(RunError, match="policy and reference differ"):
            logged(1, chosen, rejected)


def test_the_base_as_reference_of_an_sft_adapter_is_caught(tiny_adapter, pairs, tmp_path, monkeypatch):
    """What happens to an adapter when the reference is made by switching adapters off."""
    build = preference.training.build_trainer

    def with_the_base_as_reference(*args, **options):
        trainer = build(*args, **options)
        for name, parameter in trainer.model.named_parameters():
            if ".ref." in name:
                parameter.data.zero_()
        return trainer

    monkeypatch.setattr("preference.training.build_trainer", with_the_base_as_reference)
    with pytest.raises(RunError, match="policy and reference differ"):
        train(tiny_adapter, pairs, tmp_path / "out")
    assert not (tmp_path / "out" / "final_model").exists()


def test_with_scaled_losses_a_gradient_may_overflow_but_not_for_ever_and_no_loss_may():
    state = type("State", (), {"global_step": 3})()

    def log(watch, loss=0.7, gradient=1.0):
        watch.on_log(None, state, None, logs={"loss": loss, "grad_norm": gradient})

    with pytest.raises(RunError, match=r"diverged at step 3 .*'grad_norm': inf"):
        log(StopOnDivergence(), gradient=math.inf)
    watch = StopOnDivergence(scaled=True)
    for _ in range(2):
        for _ in range(OVERFLOWS):
            log(watch, gradient=math.inf)
        log(watch)  # a scale that fits was found
    for _ in range(OVERFLOWS):
        log(watch, gradient=math.nan)
    with pytest.raises(RunError, match="diverged"):
        log(watch, gradient=math.nan)
    with pytest.raises(RunError, match="'loss': nan"):
        log(StopOnDivergence(scaled=True), loss=math.nan)


def test_a_run_that_diverges_saves_nothing(tiny_adapter, pairs, tmp_path):
    train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    kept = (tmp_path / "out" / "final_model" / "adapter_model.safetensors").read_bytes()
    with pytest.raises(RunError, match="diverged"):
        train(tiny_adapter, pairs, tmp_path / "out", "--learning_rate", "1e30", "--num_epochs", "3")
    assert (tmp_path / "out" / "final_model" / "adapter_model.safetensors").read_bytes() == kept


def test_a_model_is_never_replaced_by_its_own_descendant(tiny_adapter, pairs, tmp_path):
    train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    with pytest.raises(UserError, match="would replace its own input"):
        train(tmp_path / "out" / "final_model", pairs, tmp_path / "out")


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


def test_8bit_trains_too(tiny_adapter, pairs, tmp_path):
    code, results = train(tiny_adapter, pairs, tmp_path / "out", "--load_in_8bit", "--num_epochs", "1")
    assert code == 0
    assert results["first_loss"] == pytest.approx(0.693147, abs=1e-3)


def test_pairs_that_cannot_teach_are_left_out_and_counted(tiny_model):
    tokenizer = load_tokenizer(find(tiny_model))
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


def test_the_expected_time_is_in_proportion_and_leaves_no_trace(tiny_adapter, pairs, tmp_path, monkeypatch):
    args = stage_b_dpo_training.build_parser().parse_args(["--output_dir", str(tmp_path)])
    checkpoint = find(tiny_adapter)
    tokenizer = load_tokenizer(checkpoint)
    encoded = encode_pairs(tokenizer, read_pairs(pairs["train_data_path"], None, seed=0), max_length=1024)
    policy = build_policy(checkpoint, CPU, lora_r=4, quantization=None)
    reference = ReferenceLogProbs(tmp_path / "reference", "one")
    measured = Remembered(reference.folder, CPU)
    run = RunFolder(tmp_path, "run")
    trainer = build_trainer(policy, tokenizer, encoded, encoded, args, run, measured, save_best=print)
    model = trainer.model
    before = {name: p.clone() for name, p in model.named_parameters()}
    random_state = torch.get_rng_state()
    monkeypatch.setattr("preference.expected_time._seconds", lambda run, device: run() or 3.0)
    # Four pairs of middling length take 3 s as the policy and 3 s as the reference; the same pairs validate.
    ids = pair_ids(encoded.dataset)
    middling = batch_of([ids[index] for index in by_length(ids)[2:6]])
    batches = sum(batch.tokens for batch in batches_by_length(ids, 4)) / middling.tokens
    assert expected_seconds(trainer, reference, measured) == pytest.approx(batches * (2 * (3 + 3) + 2 * 3))
    reference.compute(encoded.dataset, [range(len(encoded))], lambda batch: [(-1.0, -2.0)] * len(batch))
    assert expected_seconds(trainer, reference, measured) == pytest.approx(batches * 2 * (3 + 3))
    assert all(p.grad is None and torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_what_was_measured_is_remembered_for_the_same_circumstances_only(tmp_path):
    taken = []

    def measure():
        taken.append(len(taken))
        return None if len(taken) == 1 else taken[-1]

    def get(name="speed", **circumstances):
        return Remembered(tmp_path, CPU).get(name, measure, **circumstances)

    assert get(batch_size=4) is get(batch_size=4) is None  # nothing is an answer, too
    assert (get(batch_size=8), get("check", batch_size=4), get(batch_size=8)) == (1, 2, 1)
    (tmp_path / "measured.json").write_text("{torn")
    assert get(batch_size=8) == 3


def test_another_beta_measures_nothing_again(tiny_adapter, pairs, tmp_path, monkeypatch):
    train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    for measure in ("preference.trainer.largest_difference", "preference.expected_time.seconds_per_token"):
        monkeypatch.setattr(measure, lambda *args: pytest.fail("measured again"))
    assert train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1", "--beta", "0.2")[0] == 0


def test_what_two_summaries_share_is_counted_once():
    rows = [
        {"prompt_ids": [1] * 10, "chosen_ids": [2, 3, 4], "rejected_ids": [2, 3, 5, 4]},
        {"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3]},
        {"prompt_ids": [1, 1], "chosen_ids": [2, 3], "rejected_ids": [2, 3, 4]},
    ]
    widths = [batch_of([pair]).width for pair in pair_ids(Dataset.from_list(rows))]
    assert widths == [10 + 3 + 4 - 2 + 1, 1 + 1 + 1 + 1, 2 + 2 + 3 - 2 + 1]


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 seconds"), (125, "2 minutes"), (9000, "2.5 hours")])
def test_durations_read_as_people_say_them(seconds, said):
    assert in_words(seconds) == said


def test_missing_input_is_refused_before_anything_is_written(tiny_model, pairs, tmp_path):
    with pytest.raises(UserError, match=r"make them with: python generate_phase2_data\.py"):
        train(tiny_model, {**pairs, "train_data_path": "gone.jsonl"}, tmp_path / "out")
    with pytest.raises(UserError, match="--sft_model_path: no such folder: gone"):
        train("gone", pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pair_of_the_wrong_form_is_named_by_line(tiny_model, pairs, tmp_path):
    pairs["train_data_path"].write_text('{"prompt": "p", "chosen": ["no message"], "rejected": "r"}\n')
    with pytest.raises(UserError, match="line 1: 'prompt' is not a list of messages"):
        train(tiny_model, pairs, tmp_path / "out")


def test_a_prompt_repeated_in_the_completion_is_refused():
    message = {"role": "user", "content": "note"}, {"role": "assistant", "content": "summary"}
    good = {"prompt": [message[0]], "chosen": [message[1]], "rejected": [message[1]]}
    assert fault_of(good) is None
    assert fault_of({"prompt": "p", "chosen": "c", "rejected": "r"}) is None
    assert "'chosen' is not one single assistant message" in fault_of({**good, "chosen": [*message]})
    assert "the three are not all text" in fault_of({**good, "prompt": "note"})


def test_a_failed_run_leaves_the_earlier_model_as_it_was(tiny_adapter, pairs, tmp_path, monkeypatch):
    train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1")
    final = tmp_path / "out" / "final_model"
    kept = shutil.copytree(final, tmp_path / "kept")

    def full_disk(*args, **kwargs):
        raise SafetensorError("I/O error: No space left on device")  # what safetensors raises; no OSError

    monkeypatch.setattr("peft.PeftModel.save_pretrained", full_disk)
    with pytest.raises(RunError, match="No space left on device; make room"):
        train(tiny_adapter, pairs, tmp_path / "out", "--num_epochs", "1", "--beta", "0.2")
    assert (final / "adapter_model.safetensors").read_bytes() == (kept / "adapter_model.safetensors").read_bytes()
