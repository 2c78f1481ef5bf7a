"""The checks of gpu_smoke.py: each a function that returns its figures, or says what is wrong or not to be had here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from accelerate.utils.memory import clear_device_cache
from safetensors.torch import load_file

from benchmarks.generation_speed import how_close
from benchmarks.smoke.setting import (
    BATCH,
    CheckFailed,
    Setting,
    Skipped,
    Step,
    computing_in,
    first_batch,
    move_on,
    one_step,
    require,
    run_stage_b,
)
from preference.data.pairs import pair_ids
from preference.data.reference import ReferenceLogProbs
from preference.memory.prediction import GB
from preference.memory.preflight import Preflight
from preference.packing.shared_prefix import largest_difference
from preference.runs.folder import FINAL_MODEL
from preference.trainer import SELF_CHECK, PairsTrainer
from preference.training import TOLERANCE
from utils.decoding import SELF_CHECK as LOGIT_TIE
from utils.decoding import reason_not_to_decode
from utils.generation import GenerationSettings, Job, generate_in_batches, generate_in_slots, stop_tokens
from utils.models import Checkpoint, load_to_generate, load_tokenizer

Check: TypeAlias = Callable[[Setting], str]

STEPS = 2  # of a run, where no scale has to be found
OFF_BY = 0.2  # how far the memory that is taken may be from what was predicted
NEW_TOKENS = 48  # of each text that is generated
SHARES = (0.9, 0.7, 0.5, 0.3)  # of what a step takes: so much is left to it, until it does not fit
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def training(setting: Setting, *, precision: str | None = None, quantization: str | None = None) -> str:
    """Step 2's command, a few steps long: it begins at the reference, ends, and its adapter has moved, in fp32."""
    need_precision(setting, precision)
    if quantization and setting.device.type == "mps":
        raise Skipped("bitsandbytes quantizes for CPU and CUDA only")
    precision, folder = precision or setting.own_precision, setting.new_folder()
    # In fp16 the first steps look for a scale at which no gradient overflows.
    more = ["--batch_size", "1"] if precision == "fp16" else ["--max_train_pairs", str(STEPS * BATCH)]
    if quantization:
        more.append(f"--load_in_{quantization}")
    with computing_in(precision):
        steps = run_stage_b(setting, folder, *more)
    overflows = sum(not math.isfinite(step["grad_norm"]) for step in steps)
    moved = adapter_moved(setting.checkpoint, folder / "model" / FINAL_MODEL / ADAPTER_WEIGHTS)
    require(moved > 0, f"the adapter is what it was, after {len(steps)} steps")
    figures = f"{precision}, {len(steps)} steps, first loss {steps[0]['loss']:.4f}, adapter moved by {moved:.1e}"
    if precision == "fp16":
        require(overflows < len(steps), "every gradient overflowed")
        figures += f", {overflows} gradients overflowed"
    return figures + taken(setting.device)


def need_precision(setting: Setting, precision: str | None) -> None:
    """Raise Skipped where the device has not got it."""
    cuda = setting.device.type == "cuda"
    if precision == "bf16" and not (cuda and setting.own_precision == "bf16"):
        raise Skipped("this card has no bf16" if cuda else "bf16 is for cards that have it")
    if precision == "fp16" and not cuda:
        raise Skipped("losses are scaled on CUDA only")


def adapter_moved(checkpoint: Checkpoint, trained: Any) -> float:
    """The largest change of a weight; a new adapter began at 0. Raises CheckFailed where one is not fp32."""
    weights = load_file(trained)
    coarse = sorted({str(weight.dtype) for weight in weights.values() if weight.dtype != torch.float32})
    require(not coarse, f"trained weights are {', '.join(coarse)}")
    if checkpoint.adapter is None:
        return max(float(weight.abs().max()) for name, weight in weights.items() if "lora_B" in name)
    before = load_file(checkpoint.adapter / ADAPTER_WEIGHTS)
    return max(float((weights[name] - weight.float()).abs().max()) for name, weight in before.items())


def taken(device: torch.device) -> str:
    """The most memory that tensors, and the allocator for them, have taken on a card; nothing elsewhere."""
    if device.type != "cuda":
        return ""
    allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return f", {allocated / GB:.2f} GB taken, {reserved / GB:.2f} reserved"


def checkpointing(setting: Setting) -> str:
    """Layers that are computed again in the backward pass: the same loss and gradients, also on 4-bit weights."""
    figures = []
    for name, quantization in (("whole weights", None), ("4-bit", "4bit")):
        with computing_in("fp32"):
            trainer = setting.trainer(setting.new_folder(), quantization=quantization)
        batch = first_batch(trainer)
        move_on(trainer)
        trainer.model.activation_checkpointing_disable()
        plain = one_step(trainer, batch)
        trainer.model.activation_checkpointing_enable()
        require(trainer.model.is_activation_checkpointing, "the model cannot be told to compute layers again")
        figures.append(f"{name}: {plain.compare(one_step(trainer, batch), 'fp32')}")
        del trainer
        clear_device_cache(garbage_collection=True)
    return "; ".join(figures)


def sharing(setting: Setting) -> str:
    """Each note run once against stock TRL: log-probs of every token, loss and gradients of one batch."""
    figures = []
    for precision in dict.fromkeys(("fp32", setting.own_precision)):
        with computing_in(precision):
            trainer = setting.trainer(setting.new_folder())
        require(trainer.unshared is None, f"{precision}: {trainer.unshared}")
        batch = first_batch(trainer)
        move_on(trainer)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "completion_mask")}
        apart = largest_difference(trainer.model.eval(), trainer.model.config, inputs)
        allowed = SELF_CHECK["fp32" if precision == "fp32" else "half"]
        require(apart <= allowed, f"{precision}: log-probs differ by up to {apart:.2g}")
        shared = one_step(trainer, batch)
        trainer.unshared = "stock TRL is what it is compared with"
        figures.append(
            f"{precision}: log-probs differ by {apart:.1e}, {shared.compare(one_step(trainer, batch), precision)}"
        )
        del trainer
        clear_device_cache(garbage_collection=True)
    return "; ".join(figures)


def splitting(setting: Setting) -> str:
    """A step that does not fit into memory is done with fewer pairs at once, and is the same step."""
    with computing_in("fp32"):
        trainer = setting.trainer(setting.new_folder())
    batch = first_batch(trainer)
    require(len(batch["input_ids"]) == 2 * BATCH, f"expected {BATCH} pairs")
    move_on(trainer)
    short = short_of_memory if setting.device.type == "cuda" else refused_memory
    whole, attempts = short(trainer, partial(one_step, trainer, batch))
    for how, step in attempts:
        if trainer.pairs_at_once.failed["training"]:
            pairs = trainer.pairs_at_once.of("training", BATCH, batch["input_ids"].size(1))
            return f"{how}: {pairs} of {BATCH} pairs at once, {whole.compare(step, 'fp32')}"
    raise CheckFailed("memory did not run out, whatever was left of it")


Attempts: TypeAlias = Iterator[tuple[str, Step]]


def short_of_memory(trainer: PairsTrainer, step: Callable[[], Step]) -> tuple[Step, Attempts]:
    """The step with all of a card's memory, and with less and less of it."""
    device = trainer.model.device
    total = torch.cuda.get_device_properties(device).total_memory
    clear_device_cache(garbage_collection=True)
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_reserved(device)
    whole = step()
    needed = torch.cuda.max_memory_reserved(device)

    def with_less() -> Attempts:
        for share in SHARES:
            trainer.model.zero_grad(set_to_none=True)
            clear_device_cache(garbage_collection=True)
            left = held + share * (needed - held)
            torch.cuda.set_per_process_memory_fraction(left / total, device)
            yield f"{left / GB:.2f} instead of {needed / GB:.2f} GB", step()

    return whole, with_less()


def refused_memory(trainer: PairsTrainer, step: Callable[[], Step]) -> tuple[Step, Attempts]:
    """The step, and again where the model says what a card says as long as the whole batch comes in."""
    came_in: list[int] = []  # tokens

    def note(module: Any, args: Any, inputs: Mapping[str, torch.Tensor]) -> None:
        came_in.append(inputs["input_ids"].numel())

    def refuse(module: Any, args: Any, inputs: Mapping[str, torch.Tensor]) -> None:
        if inputs["input_ids"].numel() >= came_in[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Said by gpu_smoke.py.")

    hook = trainer.model.register_forward_pre_hook(note, with_kwargs=True)
    whole = step()
    hook.remove()

    def when_refused() -> Attempts:
        hook = trainer.model.register_forward_pre_hook(refuse, with_kwargs=True)
        try:
            yield "said, not provoked", step()
        finally:
            hook.remove()

    return whole, when_refused()


def preflight(setting: Setting) -> str:
    """Step 2's prediction of its memory against what its tensors took, with whole weights and quantized ones."""
    if setting.device.type != "cuda":
        raise Skipped("no card; benchmarks/dpo_speed.py compares them on a CPU")
    figures, off_by = [], []
    for name, more in (("whole weights", ()), ("4-bit", ("--load_in_4bit",)), ("8-bit", ("--load_in_8bit",))):
        folder = setting.new_folder()
        args = setting.options(folder, *more)
        pairs = pair_ids(setting.encoded(load_tokenizer(setting.checkpoint), args, count=None).dataset)
        predicted = Preflight.of(args, setting.checkpoint, setting.device, pairs).memory()
        expected = predicted.total - predicted.framework.size  # CUDA's own is not among the tensors
        clear_device_cache(garbage_collection=True)
        torch.cuda.reset_peak_memory_stats()
        run_stage_b(setting, folder, *more)
        peak = torch.cuda.max_memory_allocated()
        off_by.append(abs(expected / peak - 1))
        figures.append(f"{name}: {expected / GB:.2f} GB predicted, {peak / GB:.2f} taken ({predicted})")
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    figures.append(f"{beside / GB:.2f} GB on the card beside tensors: CUDA, and other programs")
    require(max(off_by) <= OFF_BY, f"off by up to {max(off_by):.0%}: {'; '.join(figures)}")
    return "; ".join(figures)


def generation(setting: Setting) -> str:
    """Greedy texts, in slots and in padded batches, against the model's own ``generate``; half precision may differ."""
    checkpoint = setting.checkpoint
    tokenizer = load_tokenizer(checkpoint)
    prompts = setting.encoded(tokenizer, setting.options(setting.folder)).dataset["prompt_ids"]
    jobs = [Job(prompt) for prompt in dict.fromkeys(map(tuple, prompts))]
    settings, figures = GenerationSettings(NEW_TOKENS), []
    for precision in dict.fromkeys(("fp32", setting.own_precision)):
        with computing_in(precision):
            model = load_to_generate(checkpoint, setting.device)
        reason = reason_not_to_decode(model, [job.prompt for job in jobs], NEW_TOKENS)
        require(reason is None or precision != "fp32", f"no slots, because {reason}")
        stock = [stock_text(model, tokenizer, job) for job in jobs]
        for how, generate in (("slots", generate_in_slots), ("padded", generate_in_batches)):
            texts = [text.text for text in generate(model, tokenizer, jobs, settings, 2)]
            same = sum(text == other for text, other in zip(texts, stock, strict=True))
            figures.append(f"{precision} {how}: {same} of {len(jobs)} texts the same")
            for job, text, other in zip(jobs, texts, stock, strict=True):
                nats = 0.0 if text == other else how_close(model, tokenizer, job, other, text)
                tie = nats is not None and nats <= LOGIT_TIE[torch.float32]
                require(tie or precision != "fp32", f"{figures[-1]}; where two part, the tokens are {nats} nats apart")
    return "; ".join(figures)


def stock_text(model: Any, tokenizer: Any, job: Job) -> str:
    """What the model's own ``generate`` writes after one prompt."""
    ids = torch.tensor([list(job.prompt)], device=model.device)
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=stop_tokens(model, tokenizer),
            pad_token_id=tokenizer.pad_token_id,
        )
    return str(tokenizer.decode(written[0, ids.size(1) :], skip_special_tokens=True)).strip()


def reference(setting: Setting) -> str:
    """The reference's log-probs are on disk, are read by a run with another beta, and are those of the policy."""
    folder = setting.new_folder()
    trainer = setting.trainer(folder)
    found = ReferenceLogProbs(setting.options(folder).reference_dir, writer="again")
    missing = found.missing(trainer.train_dataset, BATCH)
    require(not missing and len(found.known) == len(trainer.train_dataset), f"{missing} are not on disk")
    one_step(trainer, first_batch(trainer))
    figures = trainer._metrics["train"]
    reward = max(abs(figures[f"rewards/{side}"][0]) for side in ("chosen", "rejected"))
    allowed = TOLERANCE["fp32" if setting.own_precision == "fp32" else "half"]
    require(reward <= allowed, f"policy and reference differ before the first update, by a reward of {reward:.2g}")
    return f"{setting.own_precision}: {len(found.known)} pairs on disk, first reward {reward:.1e}"


CHECKS: Mapping[str, Check] = {
    "fp32": partial(training, precision="fp32"),
    "bf16": partial(training, precision="bf16"),
    "fp16": partial(training, precision="fp16"),
    "4-bit": partial(training, quantization="4bit"),
    "8-bit": partial(training, quantization="8bit"),
    "checkpointing": checkpointing,
    "sharing": sharing,
    "reference": reference,
    "out-of-memory": splitting,
    "preflight": preflight,
    "generation": generation,
}
