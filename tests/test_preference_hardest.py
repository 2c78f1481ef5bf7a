"""Training on the hardest pairs only: which they are, that nothing else changes, that a run cut off agrees."""

from __future__ import annotations

import json
import signal

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import stage_b_dpo_training
from preference.data.hardest import hardest, kept_count, reference_margins
from preference.data.pairs import encode_pairs
from preference.trainer import PairsTrainer
from tests.tiny import find, stage_b_command, write_pairs
from utils import resumable_training
from utils.files import read_journal
from utils.models import load_tokenizer
from utils.pairs import read_pairs

EASIER = "easier than those of --keep_hardest 0.5"


# ---------------------------------------------------------------------------------------------------- which they are
def test_every_notes_hardest_pair_comes_before_any_notes_second():
    #          0    1    2     3    4     5
    margins = [5.0, 0.5, -2.0, 0.1, -3.0, 9.0]
    notes = ["a", "a", "b", "b", "b", "c"]
    assert hardest(margins, notes, 6) == [4, 1, 5, 2, 0, 3]
    assert hardest(margins, notes, 2) == [4, 1]


def test_one_pair_of_a_note_is_judged_by_its_margin_alone():
    assert hardest([3.0, -1.0, 2.0, 2.0], ["a", "b", "c", "d"], 3) == [1, 2, 3]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=12), st.data())
def test_nothing_that_was_left_out_is_harder_than_what_was_kept_in_its_note(pairs, data):
    margins, notes = [float(margin) for margin, _ in pairs], [note for _, note in pairs]
    count = data.draw(st.integers(1, len(pairs)))
    kept = hardest(margins, notes, count)
    assert len(set(kept)) == len(kept) == count
    for index in set(range(len(pairs))) - set(kept):
        assert all(margins[other] <= margins[index] for other in kept if notes[other] == notes[index])
    of_note = [sum(notes[index] == note for index in kept) for note in set(notes)]
    if count >= len(set(notes)):
        assert min(of_note) >= 1


@pytest.mark.parametrize(
    ("pairs", "share", "kept"), [(8, 0.5, 4), (7, 0.5, 3), (3, 0.1, 1), (10, 0.99, 9), (100, 0.29, 29)]
)
def test_a_share_is_rounded_down_but_never_to_nothing(pairs, share, kept):
    assert kept_count(pairs, share) == kept


def test_a_margin_is_how_much_likelier_chosen_is():
    pairs = Dataset.from_dict({"ref_chosen_logps": [-5.0, -2.0], "ref_rejected_logps": [-7.5, -1.0]})
    assert reference_margins(pairs) == [2.5, -1.0]


# ------------------------------------------------------------------------------------------------------- in a run
@pytest.fixture
def files(tmp_path):
    return write_pairs(tmp_path / "train.jsonl", 8), write_pairs(tmp_path / "val.jsonl", 4, start=20)


def train(sft, files, output_dir, *more):
    options = ("--num_epochs", "1", "--batch_size", "2", "--force", *more)
    assert stage_b_dpo_training.main(stage_b_command(sft, *files, output_dir, *options)) == 0
    return json.loads((output_dir / "run.json").read_text("utf-8"))["results"]


def test_the_pairs_with_the_smallest_reference_margins_are_trained_on(
    tiny_adapter, files, tmp_path, monkeypatch, capsys
):
    seen = {}
    original = PairsTrainer.train

    def noted(trainer, **options):
        seen["train"], seen["validation"] = trainer.train_dataset, trainer.eval_dataset
        return original(trainer, **options)

    monkeypatch.setattr(PairsTrainer, "train", noted)
    results = train(tiny_adapter, files, tmp_path / "all")
    margins = reference_margins(seen["train"])
    assert results["left_out"]["train"] == {}
    half = train(tiny_adapter, files, tmp_path / "half", "--keep_hardest", "0.5")
    assert sorted(reference_margins(seen["train"])) == sorted(margins)[:4]
    assert len(seen["validation"]) == 4
    assert (half["train_pairs"], half["val_pairs"]) == (4, 4)
    assert half["left_out"] == {"train": {EASIER: 4}, "val": {}}
    said = capsys.readouterr().out
    assert "the hardest 50% of the pairs, sigmoid" in said
    assert "Hardest      4 of 8 pairs kept" in said
    assert EASIER in (tmp_path / "half" / "final_model" / "README.md").read_text("utf-8")
    steps = [line for line in read_journal(tmp_path / "half" / "metrics.jsonl") if "loss" in line]
    assert len(steps) == 2  # four pairs in batches of two


def test_training_on_the_hardest_is_training_on_a_file_of_them(tiny_adapter, files, tmp_path):
    """All else is as it was: the same weights to the bit as from a file that holds no other pair."""
    train(tiny_adapter, files, tmp_path / "half", "--keep_hardest", "0.5")
    checkpoint = find(tiny_adapter)
    rows = read_pairs(files[0], None, seed=42)
    keys = {}
    for journal in (tmp_path / "reference").glob("*/*.jsonl"):
        for entry in read_journal(journal):
            keys |= entry["pairs"]
    from preference.data.reference import pair_keys

    encoded = encode_pairs(load_tokenizer(checkpoint), rows, 1024)
    margins = [keys[key][0] - keys[key][1] for key in pair_keys(encoded.dataset)]
    kept = sorted(sorted(range(8), key=margins.__getitem__)[:4])
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(rows[index]) + "\n" for index in kept), encoding="utf-8")
    train(tiny_adapter, (few, files[1]), tmp_path / "few")
    one, other = (load_file(tmp_path / name / "final_model" / "adapter_model.safetensors") for name in ("half", "few"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_cut_off_it_goes_on_with_the_same_pairs(tiny_adapter, files, tmp_path, monkeypatch):
    train(tiny_adapter, files, tmp_path / "whole", "--keep_hardest", "0.75")
    monkeypatch.setattr(resumable_training, "CHECKPOINT_MINUTES", 0.0)
    step, calls = PairsTrainer.training_step, []

    def with_ctrl_c(*args, **options):
        calls.append(step)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return step(*args, **options)

    monkeypatch.setattr(PairsTrainer, "training_step", with_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_adapter, files, tmp_path / "cut", "--keep_hardest", "0.75")
    train(tiny_adapter, files, tmp_path / "cut", "--keep_hardest", "0.75")
    whole, cut = (load_file(tmp_path / name / "final_model" / "adapter_model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert len(calls) == 3  # six pairs in batches of two; no step is done twice
