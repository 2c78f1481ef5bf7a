"""Find, check and load what a ``--model_path`` names: a full model, or an adapter on its base."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import PROJECT_ROOT, RunError, UserError, from_here_or_project
from utils.distributed import is_left_alone, process_count, shards_weights
from utils.files import write_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

HUB_PREFIX = "hub:"
FETCH_BASE = "python models/fetch_base_model.py"
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Checkpoint:
    """A checked model path. ``adapter`` is None for a full model; ``base`` holds the full weights either way.

    Both are folders, or, where the user wrote ``hub:owner/name``, that hub id.
    """

    base: str
    adapter: Path | None
    path: str

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that decide what the model says, to be hashed for a run record; none for the hub's part."""
        named = {"adapter": self.adapter, "model": Path(self.base)}
        return {name: folder for name, folder in named.items() if folder is not None and folder.is_dir()}


def find_checkpoint(model_path: str, option: str, made_by: str) -> Checkpoint:
    """Check a model path without loading anything. ``made_by`` is the command that makes the default one.

    A relative path is looked for from the working directory, then from the project's root. Only ``hub:owner/name``
    is ever looked up on the Hugging Face hub, and only that lifts the offline setting.

    Raises UserError when the folder is missing, is not a model, or is an adapter whose base is not there.
    """
    if model_path.startswith(HUB_PREFIX):
        allow_hub()
        return Checkpoint(base=model_path.removeprefix(HUB_PREFIX), adapter=None, path=model_path)
    folder = from_here_or_project(model_path)
    if not folder.is_dir():
        hub = f"; for a model on the hub, write {HUB_PREFIX}owner/name" if model_path.count("/") == 1 else ""
        raise UserError(f"{option}: no such folder: {model_path}; the default one is made by: {made_by}{hub}")
    if (folder / "adapter_config.json").is_file():
        if not _has_weights(folder, "adapter_model"):
            raise UserError(f"{option}: {folder} has adapter_config.json but no adapter_model.safetensors")
        return Checkpoint(base=_find_base(folder, option), adapter=folder, path=model_path)
    _check_full_model(folder, option)
    return Checkpoint(base=str(folder), adapter=None, path=model_path)


def _find_base(adapter: Path, option: str) -> str:
    """The base that an adapter names: relative to the working directory, the project's root, or the adapter."""
    try:
        named = json.loads((adapter / "adapter_config.json").read_text("utf-8")).get("base_model_name_or_path")
    except (ValueError, AttributeError):
        named = None
    if not isinstance(named, str) or not named:
        raise UserError(f"{option}: {adapter / 'adapter_config.json'} does not name its base model")
    if named.startswith(HUB_PREFIX):
        allow_hub()
        return named.removeprefix(HUB_PREFIX)
    for candidate in (Path(named), PROJECT_ROOT / named, adapter / named):
        if candidate.is_dir():
            _check_full_model(candidate, option)
            return str(candidate)
    way_out = (
        f"fetch it with: {FETCH_BASE}"
        if "SmolLM2" in named
        else "put it there, or set base_model_name_or_path in its adapter_config.json to a folder or, for a model "
        f"on the hub, to {HUB_PREFIX}owner/name"
    )
    raise UserError(f"{option}: the adapter {adapter} needs its base model {named}, which is not there; {way_out}")


def _check_full_model(folder: Path, option: str) -> None:
    if not (folder / "config.json").is_file() or not _has_weights(folder, "model"):
        raise UserError(
            f"{option}: {folder} is not a model: expected config.json with model*.safetensors, "
            "or adapter_config.json with adapter_model.safetensors (Stage B writes its model to final_model/)"
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
        raise UserError(f"{option}: {folder} has a model but no tokenizer; save the tokenizer into the same folder")


def _has_weights(folder: Path, stem: str) -> bool:
    return any(folder.glob(f"{stem}*.safetensors"))


def portable_path(base: str) -> str:
    """How an adapter names its base: relative to the project's root where it lies inside, so that both can be moved."""
    folder = Path(base)
    if not folder.is_dir():
        return f"{HUB_PREFIX}{base}"
    folder = folder.resolve()
    return folder.relative_to(PROJECT_ROOT).as_posix() if folder.is_relative_to(PROJECT_ROOT) else str(folder)


def allow_hub() -> None:
    """Lift the offline setting, because the user named a hub id. Call before transformers is imported."""
    os.environ.pop("HF_HUB_OFFLINE", None)


def read_config(checkpoint: Checkpoint) -> PreTrainedConfig:
    """The config of the full model under a checkpoint. Raises UserError where it is none of a language model."""
    from transformers import AutoConfig

    with loading(checkpoint):
        return AutoConfig.from_pretrained(checkpoint.base, trust_remote_code=False)


def choose_device(name: str, *, several_processes: bool = False) -> torch.device:
    """The device for ``--device``: auto takes CUDA, then Apple's MPS, then the CPU. UserError where it is not there.

    ``several_processes`` says that a launcher may have started several: on CUDA each takes a card of its own.
    """
    import torch

    if several_processes and is_left_alone():
        raise UserError(
            "accelerate has started one process where several were asked for, as it does without cards; start them "
            "with: accelerate launch --multi_gpu --num_processes (how many), on a CPU too"
        )
    if shards_weights():
        raise UserError(
            "every process needs the whole model here, so FSDP, DeepSpeed and Megatron are not for it; start with: "
            "accelerate launch --multi_gpu --num_processes (how many)"
        )
    several = process_count() > 1
    if several and not several_processes:
        raise UserError("several processes cannot share one run here; start it without a launcher, on one device")
    mps = torch.backends.mps.is_available() and not several
    available = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise UserError(
            f"--device {name}: this machine has none that PyTorch {torch.__version__} can use; "
            "leave --device out (it takes the best there is) or say --device cpu"
        )
    return own_card() if name == "cuda" and several else torch.device(name)


def own_card() -> torch.device:
    """The card of this process, where a launcher started one for each. Raises UserError where there are fewer."""
    import torch

    place, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if place >= cards:
        raise UserError(f"each process takes a card, and this machine has {cards}; start with --num_processes {cards}")
    return torch.device("cuda", place)


def choose_dtype(device: torch.device) -> torch.dtype:
    """The precision to compute in: bf16 where the card has it, else fp16 on CUDA, else fp32.

    A CPU without AVX512-BF16 or AMX runs bf16 several times slower than fp32, so every CPU gets fp32.
    """
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32


def looks_back(config: PreTrainedConfig) -> int | None:
    """Tokens before its own that a token of this model sees in its narrowest layers; None where that is all of them."""
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    windowed = getattr(text, "use_sliding_window", True) and any(
        "sliding" in kind or "chunked" in kind for kind in getattr(text, "layer_types", None) or ["sliding"]
    )
    return int(window) if window and windowed else None


@contextlib.contextmanager
def loading(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn what the libraries raise for a damaged or foreign model into one message that names the model.

    A model that does not fit into memory is a RunError, any other a UserError.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, MemoryError, SafetensorError) as error:
        from utils.out_of_memory import is_out_of_memory, too_little_memory

        if is_out_of_memory(error):
            raise too_little_memory(f"to load {checkpoint.path}") from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{checkpoint.path} cannot be loaded as a causal language model: {reason}; "
            "where it was cut off while it was written or copied, make or copy it again"
        ) from error


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    """The tokenizer saved with the adapter, else the base's, with a pad token and an EOS token. Raises UserError."""
    from transformers import AutoTokenizer

    own = checkpoint.adapter is not None and (checkpoint.adapter / "tokenizer_config.json").is_file()
    source = str(checkpoint.adapter) if own else checkpoint.base
    with loading(checkpoint):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if tokenizer.eos_token is None:
        raise UserError(f"{source}: the tokenizer has no EOS token, so a model could not learn to stop")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    checkpoint: Checkpoint,
    device: torch.device,
    *,
    quantization: str | None = None,
    trainable: bool = False,
    dtype: torch.dtype | str | None = None,
) -> PreTrainedModel:
    """Load a checkpoint onto ``device``: the full model, or a PeftModel of base and adapter.

    Raises UserError where it is none, RunError where memory runs out. ``trainable`` leaves the adapter's weights
    trainable (in fp32, whatever they were stored in). ``quantization``, of the base, is ``4bit`` (NF4 with double
    quantization, Dettmers et al., arXiv 2305.14314) or ``8bit`` (LLM.int8(), arXiv 2208.07339). ``dtype`` is
    :func:`choose_dtype`'s where it is not given; ``auto`` is that of the files.

    Weights are read from safetensors only, and a model's own code is never run.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # "Loading weights" is over before it can be read
    options: dict[str, Any] = {"dtype": dtype or choose_dtype(device), "device_map": {"": device}}
    if quantization:
        options["quantization_config"] = quantization_config(quantization, device)
    with loading(checkpoint):
        model: Any = AutoModelForCausalLM.from_pretrained(
            checkpoint.base, trust_remote_code=False, use_safetensors=True, **options
        )
        if checkpoint.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(checkpoint.adapter), is_trainable=trainable)
    if trainable:
        keep_differentiable(model)
    return model


def keep_differentiable(model: Any) -> None:
    """Have bitsandbytes leave 4-bit weights as they are on a CPU with bf16 instructions.

    Its version 0.50 repacks them there at the first forward pass in evaluation mode, for a kernel without a gradient:
    from then on none flowed through the frozen weights, and half of the adapter's own was missing.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def load_to_generate(checkpoint: Checkpoint, device: torch.device, quantization: str | None = None) -> PreTrainedModel:
    """Load a checkpoint that will not be trained: an adapter is merged into its base, one product in place of three.

    In fp32 only; half or fewer bits would round most of the adapter away.
    """
    import torch

    model: Any = load_model(checkpoint, device, quantization=quantization)
    mergeable = checkpoint.adapter is not None and quantization is None and model.dtype == torch.float32
    with loading(checkpoint):
        return model.merge_and_unload() if mergeable else model


def save_full_model(model: Any, folder: Path) -> None:
    """Save all weights as safetensors. Raises RunError, e.g. on a full disk."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder)
    except SafetensorError as error:
        raise RunError(f"the model could not be saved: {error}; make room and run the same command again") from error


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Save the adapter named ``default``, its config naming ``base`` portably. Raises RunError, e.g. on a full disk."""
    from safetensors import SafetensorError

    try:
        # The embeddings are never trained; "auto" would look for the base under its portable name and warn.
        model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)
    except SafetensorError as error:
        raise RunError(f"the adapter could not be saved: {error}; make room and run the same command again") from error
    config_path = folder / "adapter_config.json"
    config = json.loads(config_path.read_text("utf-8"))
    write_json(config_path, {**config, "base_model_name_or_path": portable_path(base)})
    (folder / "README.md").unlink(missing_ok=True)  # peft's unfilled template


def quantization_config(kind: str, device: torch.device) -> Any:
    """bitsandbytes' settings for ``4bit`` or ``8bit``, computing in the device's own precision."""
    from transformers import BitsAndBytesConfig

    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=choose_dtype(device),
    )


def autocast_flags(device: torch.device, cpu_bf16: bool = False) -> dict[str, Any]:
    """The trainer's mixed-precision flags that go with :func:`choose_dtype`.

    ``cpu_bf16`` has a CPU with bf16 instructions multiply in bf16 too; weights and adapter stay fp32.
    """
    import torch

    dtype = torch.bfloat16 if cpu_bf16 and cpu_multiplies_bf16(device) else choose_dtype(device)
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16, "use_cpu": device.type == "cpu"}


def cpu_multiplies_bf16(device: torch.device) -> bool:
    """Whether the device is a CPU with instructions for bf16 (AVX512-BF16 or AMX); others would emulate, slowly."""
    import torch

    if device.type != "cpu":
        return False
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private in PyTorch, so perhaps not there
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)


def all_linear_lora(rank: int) -> dict[str, Any]:
    """Arguments of ``peft.LoraConfig`` for every linear layer but the LM head (QLoRA, arXiv 2305.14314, section 4)."""
    return {
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "target_modules": "all-linear",
        "task_type": "CAUSAL_LM",
    }
