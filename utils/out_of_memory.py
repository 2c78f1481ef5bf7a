"""Where memory runs out: told from other errors, and the same work begun again with less of it at once."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from utils.cli import RunError

T = TypeVar("T")

# What CUDA and cuBLAS say where it is not PyTorch's allocator that asks in vain; accelerate does not know these words.
_OF_CUDA = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
# What the system says where a file of weights cannot be mapped into memory: Linux and macOS, then Windows, whose paging
# file is too small. safetensors hands it on as an error of its own, torch as a RuntimeError.
_OF_SYSTEM = ("Cannot allocate memory", "os error 1455")
_WINDOWS_PAGING_FILE = 1455


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the system had no memory left.

    A CPU says it by a RuntimeError, and only where the system refuses memory; Linux rather stops the process.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_PAGING_FILE
    if isinstance(error, Exception) and any(words in str(error) for words in (*_OF_CUDA, *_OF_SYSTEM)):
        return True
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, Exception) and should_reduce_batch_size(error)
    )


def too_little_memory(task: str) -> RunError:
    """The error that says so of a task, such as "to load model X", with what helps."""
    return RunError(
        f"not enough memory {task}; close what else uses it, take a smaller model or a larger machine, or, in steps 2 "
        "and 3, quantize the weights with --load_in_4bit"
    )


@contextlib.contextmanager
def memory_must_suffice(task: str) -> Iterator[None]:
    """Turn what is raised where memory runs out into :func:`too_little_memory` of this task."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise too_little_memory(task) from error


def half(count: int) -> int:
    """Half of so many, the larger one where they are odd."""
    return (count + 1) // 2


def run_with_less(at_once: Callable[[], int], attempt: Callable[[int], T], lower: Callable[[int], object]) -> T:
    """What ``attempt`` returns when told how many to run at once.

    Where memory runs out, ``lower`` is told with how many, and ``attempt``, which has to leave nothing behind then, is
    called again with what ``at_once`` says now.
    """
    while True:
        count = at_once()
        try:
            return attempt(count)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Only here, where the error is gone, and with it the traceback that held the tensors of the attempt.
        clear_device_cache(garbage_collection=True)
        lower(count)


class AtOnce:
    """How many texts to run at once: at most ``most``, and half as many, from then on, where memory runs out.

    ``say`` gets a line for each halving.
    """

    def __init__(self, most: int, say: Callable[[str], object]) -> None:
        self.most, self.say = most, say

    def run(self, count: int, attempt: Callable[[int], T]) -> T:
        """What ``attempt``, which has ``count`` texts to run, returns when told how many to run at once.

        It is called again where memory runs out. Raises RunError where a single text is too large.
        """
        return run_with_less(lambda: min(count, self.most), attempt, self._lower)

    def _lower(self, failed: int) -> None:
        if failed == 1:
            raise RunError("out of memory with a single text; quantize the weights with --load_in_4bit")
        self.most = half(failed)
        self.say(f"out of memory with {failed} texts at once; going on with {self.most}")
