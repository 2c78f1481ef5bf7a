"""What a run leaves behind: a model that loads without this project, merged or not, its card, TensorBoard's events."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import stage_b_dpo_training
from preference.runs.final_model import save_merged_model
from preference.runs.folder import RunFolder
from tests.tiny import find, write_pairs
from utils.cli import UserError
from utils.files import read_journal, sha256_path
from utils.models import Checkpoint, load_model

TOKENS = list(range(5, 25))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    train = write_pairs(folder / "train.jsonl", 6)
    first = json.loads(train.read_text().splitlines()[0])
    with train.open("a") as file:  # a seventh that teaches nothing
        file.write(json.dumps({**first, "rejected": first["chosen"]}) + "\n")
    return {"train_data_path": train, "val_data_path": write_pairs(folder / "val.jsonl", 3, start=20)}


def run(sft, pairs, output_dir, *more):
    options = {"sft_model_path": sft, **pairs, "output_dir": output_dir, "reference_dir": output_dir.parent / "known"}
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    fixed = ["--device", "cpu", "--batch_size", "2", "--num_epochs", "1", "--learning_rate", "5e-3", "--force"]
    assert stage_b_dpo_training.main([*argv, *fixed, *more]) == 0
    return output_dir / "final_model"


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([TOKENS])).logits[0]


@pytest.fixture(scope="module")
def adapter_run(tiny_adapter, pairs, tmp_path_factory):
    """A run whose model is an adapter, with TensorBoard's events; its final_model."""
    out = tmp_path_factory.mktemp("run") / "out"
    return run(tiny_adapter, pairs, out, "--beta", "0.2", "--report_to", "tensorboard")


def run_folder(final_model):
    [folder] = (final_model.parent / "runs").iterdir()
    return folder


def test_an_adapter_loads_with_peft_alone(adapter_run, tiny_model):
    model = AutoPeftModelForCausalLM.from_pretrained(adapter_run)
    assert json.loads((adapter_run / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_model)
    changed = logits(model)
    with model.disable_adapter():
        assert not torch.allclose(changed, logits(model), atol=1e-3)


def test_the_same_command_with_merge_merges_and_trains_nothing(adapter_run, tiny_adapter, pairs, monkeypatch, capsys):
    out = adapter_run.parent
    adapter = (adapter_run / "adapter_model.safetensors").read_bytes()
    expected = logits(AutoPeftModelForCausalLM.from_pretrained(adapter_run))

    def train(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("preference.training.build_trainer", train)
    run(tiny_adapter, pairs, out, "--beta", "0.2", "--merge")
    assert not (adapter_run / "adapter_config.json").exists()
    found = loaded_as_the_card_says(adapter_run)
    assert torch.allclose(found, expected, atol=1e-4)
    assert "library_name: transformers" in (adapter_run / "README.md").read_text()

    capsys.readouterr()
    run(tiny_adapter, pairs, out, "--beta", "0.2", "--merge")
    assert "nothing to do" in capsys.readouterr().out
    run(tiny_adapter, pairs, out, "--beta", "0.2")  # the adapter again
    assert (adapter_run / "adapter_model.safetensors").read_bytes() == adapter
    assert not (adapter_run / "model.safetensors").exists()


def loaded_as_the_card_says(final_model):
    """The logits of the model that the card's own lines load, in a process that has neither this project nor peft."""
    [block] = re.findall(r"```python\n(.*?)```", (final_model / "README.md").read_text(), flags=re.S)
    code = (
        "import sys\nsys.modules['peft'] = None\n"
        f"{block}\nimport json, torch\n"
        f"print(json.dumps(model(torch.tensor([{TOKENS}])).logits[0].tolist()))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=final_model.parent, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return torch.tensor(json.loads(found.stdout))


def test_a_run_in_4_bit_is_merged_into_the_unquantized_base(tiny_adapter, tiny_model, pairs, tmp_path):
    final = run(tiny_adapter, pairs, tmp_path / "out", "--load_in_4bit", "--merge")
    assert "quantization_config" not in json.loads((final / "config.json").read_text())
    merged, base = load_file(final / "model.safetensors"), load_file(tiny_model / "model.safetensors")
    folder = run_folder(final) / "final_model"
    adapter = load_file(folder / "adapter_model.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text())
    name = "model.layers.1.mlp.up_proj"
    a, b = (adapter[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    by_hand = base[f"{name}.weight"] + config["lora_alpha"] / config["r"] * b @ a
    assert merged.keys() == base.keys()
    assert torch.allclose(merged[f"{name}.weight"], by_hand, atol=1e-6)
    assert torch.equal(merged["model.embed_tokens.weight"], base["model.embed_tokens.weight"])


def test_a_base_that_is_quantized_itself_is_not_merged_into(tiny_model, tiny_adapter, tmp_path):
    model = load_model(find(tiny_model), torch.device("cpu"), quantization="4bit")
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(UserError, match=r"is quantized itself.*without --merge shows it"):
        save_merged_model(Checkpoint(str(tmp_path / "base"), tiny_adapter, "adapter"), tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_run_that_goes_on_leaves_no_model_merged_from_an_earlier_state(tmp_path):
    folder = RunFolder(tmp_path, "run")
    folder.merged_model.mkdir(parents=True)
    (folder.path / "run.json").write_text("{}")
    folder.begin(SimpleNamespace(arguments={}, inputs={}, open=(folder.path / "run.json").unlink), "cpu in float32")
    assert [path.name for path in folder.path.iterdir()] == ["started.json"]


def test_the_card_says_what_the_model_is_and_names_no_folder_of_this_machine(adapter_run, tiny_model, pairs):
    text = (adapter_run / "README.md").read_text()
    card = ModelCard(text)
    assert card.data.base_model == tiny_model.name
    assert card.data.library_name == "peft"
    assert {"dpo", "trl", "clinical", "lora"} <= set(card.data.tags)
    assert card.data.license is None
    for path in pairs.values():
        assert f"| `{path.name}` |" in text
        assert sha256_path(path) in text
    assert "| 6 |" in text
    assert "left out of train: 1 chosen and rejected are the same" in text
    assert "| beta | `0.2` |" in text
    assert re.search(r"Other than the defaults: .*beta, .*learning_rate", text)
    results = json.loads((adapter_run.parent / "run.json").read_text())["results"]
    assert f"| val loss | {results['val_loss']:.4f} |" in text
    places = [str(folder) for path in (adapter_run, tiny_model, pairs["train_data_path"]) for folder in path.parents]
    assert not [place for place in places if len(place) > 1 and place in text]


def test_tensorboard_gets_every_step(adapter_run):
    folder = run_folder(adapter_run)
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    logged = {entry["step"]: entry["loss"] for entry in read_journal(folder / "metrics.jsonl") if "loss" in entry}
    assert {event.step: event.value for event in events.Scalars("train/loss")} == pytest.approx(logged)
    assert events.Scalars("eval/rewards/margins")


def test_tensorboard_that_is_not_installed_is_said_before_anything_runs(tiny_adapter, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("preference.guards.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        run(tiny_adapter, pairs, tmp_path / "out", "--report_to", "tensorboard")
    assert not (tmp_path / "out").exists()
