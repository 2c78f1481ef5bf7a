"""Several processes, one run: which of them this one is, what only the main one does, and what they agree on.

``accelerate launch`` and ``torchrun`` start the same script several times and tell each process its place in the
environment. Without a launcher there is one process, the main one, and nothing here changes anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")

NO_LIMIT = timedelta(days=365)  # a process that is done early waits as long as the slowest one takes


def process_count() -> int:
    """How many processes share this run, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def processes_on_this_machine() -> int:
    """How many of them run on this machine, and divide its memory."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", process_count()))


def process_index() -> int:
    """This process's place among them; the main one is 0."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this is the process that speaks, and that writes what the run leaves behind."""
    return process_index() == 0


def is_left_alone() -> bool:
    """Whether ``accelerate launch`` was asked for several processes and started one, as it does without ``--multi_gpu``
    where there are no cards. It still hands on the address at which they would have met.
    """
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in os.environ and os.environ.get("MASTER_ADDR") == "127.0.0.1"
    return by_accelerate and "WORLD_SIZE" not in os.environ


def shards_weights() -> bool:
    """Whether ``accelerate launch`` was told, by a flag or its saved configuration, to spread one model over cards."""
    return any(os.environ.get(f"ACCELERATE_USE_{way}") == "true" for way in ("FSDP", "DEEPSPEED", "MEGATRON_LM"))


def own_share(work: Sequence[Item]) -> Sequence[Item]:
    """What of the work is this process's: every n-th item, so that work in order of size is shared out evenly."""
    return work[process_index() :: process_count()]


def silence_unless_main() -> None:
    """Leave what a run says, and its progress bars, to the main process. Call before tqdm is imported."""
    if not is_main_process():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.environ["TQDM_DISABLE"] = "1"


def as_main_says(answer: bool, device: torch.device) -> bool:
    """The main process's answer, on all processes; all of them must ask.

    Clocks and signals reach them at different steps, and processes that part ways wait for each other for ever.
    """
    import torch
    from accelerate.utils import broadcast

    if process_count() == 1:
        return answer
    return bool(broadcast(torch.tensor([answer], dtype=torch.uint8, device=device)).item())


def wait_for_all() -> None:
    """Go on only when all processes are here; all of them must call it. Works without cards, and between them."""
    if process_count() == 1:
        return
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=NO_LIMIT)
    distributed.barrier()
