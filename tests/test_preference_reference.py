"""Reference log-probs are computed once, survive a kill batch by batch, and give stock TRL's losses step by step."""

from __future__ import annotations

import json

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from trl import DPOConfig, DPOTrainer

import stage_b_dpo_training
from preference import training
from preference.data.batches import PAIRS_OF_A_NOTE, notes_of, training_order
from preference.data.pairs import encode_pairs, pair_ids, read_pairs
from preference.data.reference import ReferenceLogProbs
from preference.policy import build_policy
from tests.tiny import find, write_pairs
from utils.files import read_journal
from utils.models import load_tokenizer
from utils.records import write_jsonl

CPU = torch.device("cpu")
LOGGED = ("loss", "rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected", "entropy", "grad_norm")


@pytest.fixture
def pairs(tmp_path):
    return {
        "train_data_path": write_pairs(tmp_path / "train.jsonl", 8),
        "val_data_path": write_pairs(tmp_path / "val.jsonl", 4, start=8),
    }


def run(sft, pairs, output_dir, *more):
    options = {"sft_model_path": sft, **pairs, "output_dir": output_dir, "reference_dir": output_dir.parent / "known"}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    assert stage_b_dpo_training.main([*argv, "--device", "cpu", "--force", "--num_epochs", "1", *more]) == 0


class StockTrainer(DPOTrainer):
    """Nothing but the same order of the same rows."""

    def _prepare_dataset(self, dataset, *args, **options):
        return dataset

    def _get_train_sampler(self, train_dataset=None):
        return training_order(self.train_dataset, self.args.per_device_train_batch_size, self.args.seed)


def stock_log(sft, pairs, output_dir, options):
    """The steps that TRL logs by itself: two rows a pair, the reference run beside the policy."""
    checkpoint = find(sft)
    tokenizer = load_tokenizer(checkpoint)
    rows = encode_pairs(tokenizer, read_pairs(pairs["train_data_path"], None, seed=42), max_length=1024)
    torch.manual_seed(42)
    policy = build_policy(checkpoint, CPU, lora_r=16, quantization=None)
    config = DPOConfig(
        output_dir=str(output_dir),
        learning_rate=1e-3,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=training.WARMUP_STEPS,
        num_train_epochs=1,
        per_device_train_batch_size=4,
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=42,
        **options,
    )
    trainer = StockTrainer(
        policy.model, args=config, train_dataset=rows.dataset, processing_class=tokenizer, peft_config=policy.lora
    )
    trainer.train()
    return [entry for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("pairs_a_note", [1, 3])
def test_losses_and_metrics_are_stock_trls_at_every_step(tiny_adapter, pairs, tmp_path, pairs_a_note):
    rows = [json.loads(line) for line in pairs["train_data_path"].read_text("utf-8").splitlines()]
    for number, row in enumerate(rows):
        row |= {name: rows[number - number % pairs_a_note][name] for name in ("prompt", "chosen")}
    write_jsonl(pairs["train_data_path"], rows)
    run(tiny_adapter, pairs, tmp_path / "ours", "--learning_rate", "1e-3")
    ours = [entry for entry in read_journal(tmp_path / "ours" / "metrics.jsonl") if "loss" in entry]
    stock = stock_log(tiny_adapter, pairs, tmp_path / "stock", {})
    assert len(ours) == len(stock) == 2
    assert ours[-1]["rewards/margins"] != 0
    for step, expected in zip(ours, stock, strict=True):
        for name in LOGGED:
            assert step[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-4), name


def test_another_beta_rate_seed_folder_or_rank_computes_nothing(tiny_model, pairs, tmp_path, capsys):
    run(tiny_model, pairs, tmp_path / "first")
    assert "0 pairs read" in capsys.readouterr().out
    others = ["--beta", "0.2", "--learning_rate", "1e-5", "--seed", "7", "--lora_r", "4"]
    run(tiny_model, pairs, tmp_path / "second", *others)
    assert "12 pairs read" in capsys.readouterr().out
    more = {**pairs, "train_data_path": write_pairs(tmp_path / "more.jsonl", 10, start=20)}
    run(tiny_model, more, tmp_path / "third")
    out = capsys.readouterr().out
    assert "4 pairs read" in out
    assert "10 computed" in out


def test_other_weights_are_another_reference(tiny_model, tiny_adapter, pairs, tmp_path, capsys):
    run(tiny_model, pairs, tmp_path / "first")
    run(tiny_adapter, pairs, tmp_path / "second")
    assert capsys.readouterr().out.count(" 0 pairs read") == 2
    assert len(list((tmp_path / "known").iterdir())) == 2


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    batch_size=st.integers(1, 6),
    epoch=st.integers(0, 3),
)
def test_training_meets_every_pair_once_and_a_notes_pairs_side_by_side(sizes, batch_size, epoch):
    rows = [
        {"prompt_ids": [note] * (note + 1), "chosen_ids": [1, 2], "rejected_ids": [3] * (number + 1)}
        for note, size in enumerate(sizes)
        for number in range(size)
    ]
    order = training_order(Dataset.from_list(rows), batch_size, seed=7)
    order.set_epoch(epoch)
    met = list(order)
    assert sorted(met) == list(range(len(rows))) and len(order) == len(rows)
    assert met == list(order)
    notes = [rows[index]["prompt_ids"][0] for index in met]
    runs = sum(1 for index, note in enumerate(notes) if index == 0 or notes[index - 1] != note)
    assert runs <= sum(-(-size // PAIRS_OF_A_NOTE) for size in sizes)


@pytest.fixture
def rows():
    lengths = (3, 9, 5, 7, 4)
    return Dataset.from_list(
        [{"prompt_ids": [1] * n, "chosen_ids": [n, 2], "rejected_ids": [n, n, 2]} for n in lengths]
    )


def score(batch):
    return [(-float(index), -10.0 - index) for index in batch]


def test_pairs_of_a_note_are_scored_together_whatever_the_order_of_the_rows(tmp_path):
    ids = [("note", "first"), ("other note", "second"), *[("note", f"wrong {n}") for n in range(PAIRS_OF_A_NOTE)]]
    rows = [{"prompt_ids": [*p.encode()], "chosen_ids": [1, 2], "rejected_ids": [*r.encode()]} for p, r in ids]
    pairs = Dataset.from_list(rows)
    notes = notes_of(pair_ids(pairs))
    assert sorted(len(note.pairs) for note in notes) == [1, 1, PAIRS_OF_A_NOTE]
    assert all(len({rows[index]["prompt_ids"][0] for index in note.pairs}) == 1 for note in notes)
    assert [note.tokens for note in notes] == sorted((note.tokens for note in notes), reverse=True)
    backwards = notes_of(pair_ids(Dataset.from_list(rows[::-1])))
    assert [[len(rows) - 1 - index for index in note.pairs] for note in backwards] == [note.pairs for note in notes]
    known = ReferenceLogProbs(tmp_path, "one")
    assert known.missing(pairs, 2) == [notes[0].pairs + notes[1].pairs, notes[2].pairs]
    assert known.missing_tokens(pairs, 2) == 2 * notes[0].tokens + notes[2].tokens


def test_batches_are_whole_or_absent_and_formed_as_if_nothing_were_known(rows, tmp_path):
    first = ReferenceLogProbs(tmp_path, "first")
    batches = first.missing(rows, notes_at_once=2)
    assert batches == [[1, 3], [2, 4], [0]]  # longest first
    first.compute(rows, batches[:2], score)
    with first.journal.open("a") as file:
        file.write('{"pairs": {"torn')  # the kill
    again = ReferenceLogProbs(tmp_path, "first")
    assert again.missing(rows, notes_at_once=2) == [[0]]
    again.compute(rows, [[0]], score)
    filled = again.add_to(rows)
    assert filled["ref_chosen_logps"][:] == [-0.0, -1.0, -2.0, -3.0, -4.0]
    assert filled["ref_rejected_logps"][:] == [-10.0, -11.0, -12.0, -13.0, -14.0]
    assert [set(json.loads(line)) for line in again.journal.read_text().splitlines()] == [{"pairs"}] * 3


def test_several_writers_share_a_reference(rows, tmp_path):
    one, other = ReferenceLogProbs(tmp_path, "one"), ReferenceLogProbs(tmp_path, "other")
    one.compute(rows, [[0, 1]], score)
    other.compute(rows, [[2, 3, 4]], score)
    assert one.missing(rows, notes_at_once=5)
    one.read()
    assert one.missing(rows, notes_at_once=5) == []
    assert one.add_to(rows)["ref_chosen_logps"][:] == [-0.0, -1.0, -2.0, -3.0, -4.0]
