"""Will the run fit into memory? Asked before a weight is loaded, and answered with the command that will fit."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from preference.data.batches import batches_from_anywhere
from preference.data.pairs import PairIds, pair_ids
from preference.memory.model_shape import ModelShape, adapter_of, shape_of
from preference.memory.prediction import GB, Memory, Plan, heaviest, left_out, predict
from preference.packing.shared_prefix import reason_not_to_share
from utils.cli import UserError, this_command
from utils.cpu_speed import has_large_pages
from utils.distributed import processes_on_this_machine
from utils.models import Checkpoint, choose_dtype, loading, read_config

if TYPE_CHECKING:
    import torch

    from preference.data.pairs import EncodedPairs

# Where Linux says how much memory a container may have, has, and has only to cache files: cgroup v2, then v1.
CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
LENGTH_STEP = 64  # tokens by which --max_length is lowered


@dataclass(frozen=True)
class Choice:
    """The options that decide how much memory a run takes."""

    batch_size: int
    gradient_accumulation_steps: int
    max_length: int
    load_in_4bit: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the run will take and what is free, in bytes; where it does not fit, what the user can do."""

    memory: Memory
    free: float
    way_out: str | None

    def __str__(self) -> str:
        return f"{self.memory}, of {self.free / GB:.1f} GB free" + (f". {self.way_out}" if self.way_out else "")

    def refuse(self, force: bool) -> None:
        """Raise UserError where memory will not do; not with ``--force``."""
        if self.way_out and not force:
            raise UserError(f"this run will not fit into memory: {self}. --force tries all the same")


@dataclass(frozen=True)
class Preflight:
    """All that decides a run's memory: the model's shape, how it is trained, all pairs, the options.

    ``shared``: whether a pair's note is run once.
    """

    shape: ModelShape
    plan: Plan
    shared: bool
    pairs: Sequence[PairIds]
    asked: Choice

    @classmethod
    def of(
        cls, args: argparse.Namespace, checkpoint: Checkpoint, device: torch.device, pairs: Sequence[PairIds]
    ) -> Preflight:
        """That of a run with these options on a checked checkpoint, of which only config and headers are read."""
        import torch

        config = read_config(checkpoint)
        with loading(checkpoint):
            shape = shape_of(config)
        plan = Plan(
            device=device.type,
            half=choose_dtype(device) != torch.float32,
            adapter=adapter_of(checkpoint, shape, args.lora_r),
            quantization="4bit" if args.load_in_4bit else "8bit" if args.load_in_8bit else None,
            checkpointing=checkpoints_gradients(device),
            triton=device.type == "cuda" and _is_there("triton"),
            averaged=args.average_steps > 1,
            large_pages=device.type == "cpu" and has_large_pages(),
        )
        asked = Choice(args.batch_size, args.gradient_accumulation_steps, args.max_length, args.load_in_4bit)
        return cls(shape, plan, reason_not_to_share(config, args.max_length) is None, pairs, asked)

    def memory(self, choice: Choice | None = None) -> Memory:
        """What the run takes at its peak, with the options as asked, or with others."""
        choice = choice or self.asked
        plan = replace(self.plan, accumulates=choice.gradient_accumulation_steps > 1)
        plan = replace(plan, quantization="4bit") if choice.load_in_4bit else plan
        kept = [pair for pair in self.pairs if pair.longer <= choice.max_length]
        batches = batches_from_anywhere(kept, choice.batch_size, self.shared)
        return predict(self.shape, heaviest(batches), plan)

    def verdict(self, words: Sequence[str], free: float) -> Verdict:
        """Whether it fits into ``free`` bytes, and else the command, of which ``words`` were the options, that does."""
        memory = self.memory()
        if memory.total <= free:
            return Verdict(memory, free, None)
        quantizable = self.plan.device in ("cpu", "cuda") and _is_there("bitsandbytes") and not self.plan.full
        fitting = fitting_options(self.asked, lambda choice: self.memory(choice).total, free, self.pairs, quantizable)
        return Verdict(memory, free, way_out(words, self.asked, fitting, self.pairs))


def check_memory(
    args: argparse.Namespace, words: Sequence[str], checkpoint: Checkpoint, device: torch.device, *pairs: EncodedPairs
) -> Verdict:
    """The verdict on a run on these pairs. Raises UserError where it will not fit, unless ``--force`` was given."""
    ids = [pair for encoded in pairs for pair in pair_ids(encoded.dataset)]
    verdict = Preflight.of(args, checkpoint, device, ids).verdict(words, free_memory(device))
    verdict.refuse(args.force)
    return verdict


def checkpoints_gradients(device: torch.device) -> bool:
    """Whether layers are computed again in the backward pass: where memory is scarcer than time, so not on a CPU."""
    return device.type != "cpu"


def fitting_options(
    asked: Choice,
    needed: Callable[[Choice], float],
    free: float,
    pairs: Sequence[PairIds],
    quantizable: bool,
) -> Choice | None:
    """The first choice that fits, by how little it changes; None where nothing does.

    Fewer pairs at once, for the same update; then the same with weights in 4 bit; then shorter pairs only.
    """
    return next((choice for choice in _choices(asked, pairs, quantizable) if needed(choice) <= free), None)


def _choices(asked: Choice, pairs: Sequence[PairIds], quantizable: bool) -> Iterator[Choice]:
    effective = asked.batch_size * asked.gradient_accumulation_steps
    choices = [
        replace(asked, batch_size=size, gradient_accumulation_steps=effective // size)
        for size in range(asked.batch_size, 0, -1)
        if effective % size == 0
    ]
    yield from choices
    if quantizable and not asked.load_in_4bit:
        choices = [replace(choice, load_in_4bit=True) for choice in choices]
        yield from choices
    shortest, longest = min(pair.longer for pair in pairs), max(pair.longer for pair in pairs)
    for max_length in range((longest - 1) // LENGTH_STEP * LENGTH_STEP, shortest - 1, -LENGTH_STEP):
        yield replace(choices[-1], max_length=max_length)


def way_out(words: Sequence[str], asked: Choice, fitting: Choice | None, pairs: Sequence[PairIds]) -> str:
    """What to do, in a sentence: the command that fits, or that there is none."""
    if fitting is None:
        return "No choice of options fits; take a smaller model or another machine"
    said = f"This will fit: {command_with(words, asked, fitting)}"
    if fitting.max_length < asked.max_length:
        said += f" (it leaves out {left_out(pairs, fitting.max_length)} of {len(pairs)} pairs)"
    return said


def command_with(words: Sequence[str], asked: Choice, fitting: Choice) -> str:
    """The command as it was given, with the options of ``fitting`` in place of those of ``asked``."""
    changed = {name: value for name, value in vars(fitting).items() if value != getattr(asked, name)}
    dropped = {f"--{name}" for name in changed} | ({"--load_in_8bit"} if fitting.load_in_4bit else set())
    kept: list[str] = []
    after_dropped = False
    for word in words:
        option, _, value = word.partition("=")
        if option.startswith("--"):
            after_dropped = option in dropped and not value
            if option in dropped:
                continue
        elif after_dropped:
            continue
        kept.append(word)
    added = [
        part for name, value in changed.items() for part in (f"--{name}", *([] if value is True else [str(value)]))
    ]
    return this_command(["stage_b_dpo_training.py", *kept, *added])


def free_memory(device: torch.device) -> float:
    """Bytes that this process may have on a device, with what it holds already; a container's limit counts."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    import psutil

    machine = psutil.virtual_memory().available
    share = min([machine, *_left_in_container()]) / processes_on_this_machine()  # each loads the model
    return float(share + psutil.Process().memory_info().rss)


def _left_in_container() -> list[int]:
    for folder, limit, used, cached in CGROUPS:
        try:
            allowed, taken = (int(Path(folder, name).read_text("ascii")) for name in (limit, used))
            lines = Path(folder, "memory.stat").read_text("ascii").splitlines()
            return [allowed - taken + int(dict(line.split() for line in lines)[cached])]
        except (OSError, ValueError, KeyError):  # none, or "max"
            continue
    return []


def _is_there(library: str) -> bool:
    return importlib.util.find_spec(library) is not None
