"""What a model path may be, and what is said when it is not."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.tiny import find
from utils.cli import PROJECT_ROOT, RunError, UserError
from utils.models import (
    autocast_flags,
    choose_device,
    choose_dtype,
    load_model,
    load_to_generate,
    load_tokenizer,
    portable_path,
)


def test_a_full_model_is_its_own_base(tiny_model):
    found = find(tiny_model)
    assert (found.base, found.adapter, found.folders) == (str(tiny_model), None, {"model": tiny_model})


def test_an_adapter_brings_its_base_and_its_weights_count(tiny_adapter, tiny_model):
    found = find(tiny_adapter)
    assert (found.base, found.adapter) == (str(tiny_model), tiny_adapter)
    assert found.folders == {"adapter": tiny_adapter, "model": tiny_model}
    ids = torch.tensor([load_tokenizer(found)("BP 120/80")["input_ids"]])
    cpu = torch.device("cpu")
    with torch.no_grad():
        adapted = load_model(found, cpu)(ids).logits
        plain = load_model(find(tiny_model), cpu)(ids).logits
        merged = load_to_generate(found, cpu)
    assert not torch.allclose(adapted, plain)
    assert not hasattr(merged, "peft_config")
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, adapted, atol=1e-5)
    assert hasattr(load_to_generate(found, cpu, "4bit"), "peft_config")


def test_only_an_adapter_loaded_to_train_is_trainable_and_it_is_fp32(tiny_adapter, tmp_path):
    half = shutil.copytree(tiny_adapter, tmp_path / "half")
    from safetensors.torch import load_file, save_file

    weights = {name: value.half() for name, value in load_file(half / "adapter_model.safetensors").items()}
    save_file(weights, half / "adapter_model.safetensors")
    found, cpu = find(half), torch.device("cpu")
    trainable = [p for p in load_model(found, cpu, trainable=True).parameters() if p.requires_grad]
    assert {p.dtype for p in trainable} == {torch.float32}
    assert not [p for p in load_model(found, cpu).parameters() if p.requires_grad]


def test_a_base_named_relative_to_the_project_is_found_from_anywhere(tiny_adapter, tmp_path, monkeypatch):
    adapter = shutil.copytree(tiny_adapter, tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "models/a-base"
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    monkeypatch.setattr("utils.models.PROJECT_ROOT", tmp_path)
    shutil.copytree(find(tiny_adapter).base, tmp_path / "models" / "a-base")
    elsewhere = tmp_path / "else where ä"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert find(adapter).base == str(tmp_path / "models" / "a-base")


def test_a_base_inside_the_project_is_named_relative_to_it(tiny_model):
    assert portable_path(str(PROJECT_ROOT / "models")) == "models"
    assert portable_path(str(tiny_model)) == str(tiny_model.resolve())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "is not a model: expected config.json"),
        ({"config.json": "{}"}, "is not a model"),
        ({"config.json": "{}", "model.safetensors": ""}, "no tokenizer"),
        ({"adapter_config.json": "{}"}, "no adapter_model.safetensors"),
        ({"adapter_config.json": "{}", "adapter_model.safetensors": ""}, "does not name its base model"),
        (
            {"adapter_config.json": '{"base_model_name_or_path": null}', "adapter_model.safetensors": ""},
            "does not name its base model",
        ),
        (
            {"adapter_config.json": '{"base_model_name_or_path": "gone"}', "adapter_model.safetensors": ""},
            "needs its base model gone, which is not there",
        ),
        (
            {
                "adapter_config.json": '{"base_model_name_or_path": "no/SmolLM2-135M-Instruct"}',
                "adapter_model.safetensors": "",
            },
            "fetch it with: python models/fetch_base_model.py",
        ),
    ],
)
def test_what_is_not_a_model_is_refused_with_what_was_found(tmp_path, files, said):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said) as refusal:
        find(tmp_path, "--sft_model_path")
    assert str(refusal.value).startswith("--sft_model_path: ")


def test_a_missing_folder_never_becomes_a_hub_lookup(monkeypatch):
    with pytest.raises(UserError, match=r"made by: python the_step_before\.py; .* write hub:owner/name"):
        find("models/mistyped")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # restored after the test
    assert find("hub:owner/name").base == "owner/name"
    assert "HF_HUB_OFFLINE" not in os.environ


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_names_the_way_out():
    with pytest.raises(UserError, match="leave --device out"):
        choose_device("cuda")
    assert choose_device("auto").type in ("cpu", "mps")


def test_a_damaged_model_is_one_message(tiny_model, tmp_path):
    cut = shutil.copytree(tiny_model, tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match="cut cannot be loaded as a causal language model"):
        load_model(find(cut), torch.device("cpu"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
    ],
    ids=["a card", "a CPU", "the system", "Python"],
)
def test_a_model_that_does_not_fit_is_not_called_damaged(error, tiny_model, monkeypatch):
    def refuse(*args, **options):
        raise error

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refuse)
    with pytest.raises(RunError, match=r"not enough memory to load .*; close what else uses it.*--load_in_4bit"):
        load_model(find(tiny_model), torch.device("cpu"))


def test_an_adapter_of_another_base_is_one_message(tiny_adapter, tmp_path):
    other = shutil.copytree(find(tiny_adapter).base, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    LlamaForCausalLM(LlamaConfig.from_pretrained(other)).save_pretrained(other)
    adapter = shutil.copytree(tiny_adapter, tmp_path / "adapter")
    named = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**named, "base_model_name_or_path": str(other)}))
    with pytest.raises(UserError, match="adapter cannot be loaded"):
        load_model(find(adapter), torch.device("cpu"))


def test_several_processes_are_refused_before_they_overwrite_each_other(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="several processes"):
        choose_device("cpu")


def test_a_cpu_computes_in_fp32():
    assert choose_dtype(torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(("avx512", "amx"), [(True, False), (False, True), (False, False), (None, None)])
def test_a_cpu_trains_in_bf16_only_where_it_has_the_instructions_and_is_asked_to(avx512, amx, monkeypatch):
    for name, there in (("_is_avx512_bf16_supported", avx512), ("_is_amx_tile_supported", amx)):
        if there is None:
            monkeypatch.delattr(f"torch.cpu.{name}")
        else:
            monkeypatch.setattr(f"torch.cpu.{name}", lambda there=there: there)
    cpu = torch.device("cpu")
    assert autocast_flags(cpu, cpu_bf16=True) == {"bf16": bool(avx512 or amx), "fp16": False, "use_cpu": True}
    assert autocast_flags(cpu) == {"bf16": False, "fp16": False, "use_cpu": True}


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_quantized_weights_pass_gradients_on_also_after_they_were_evaluated(quantization, tiny_adapter):
    model = load_model(find(tiny_adapter), torch.device("cpu"), quantization=quantization, trainable=True)
    ids = torch.arange(3, 43).reshape(2, 20)

    def gradients():
        model.train()
        model.zero_grad(set_to_none=True)
        model(input_ids=ids).logits[..., 7].sum().backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    before = gradients()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
    torch.testing.assert_close(gradients(), before)
