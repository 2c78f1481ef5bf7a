"""How many pairs go into memory at once: halved where they do not fit, and remembered for the batches to come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from utils.cli import RunError
from utils.out_of_memory import half, run_with_less

T = TypeVar("T")

# Share of the length that did not fit below which as many pairs are tried again. Lengths fall in small steps, and each
# try that fails costs the time of a batch.
TRIED_AGAIN_BELOW = 0.8


class PairsAtOnce:
    """Learns from each batch that did not fit how many pairs of what length do. Each role, such as training, has
    needs of its own. ``say`` gets a line whenever a role goes on with fewer pairs than before.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say
        self.failed: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # role: pairs and their length

    def of(self, role: str, pairs: int, length: int) -> int:
        """The most that may fit of a batch of so many pairs, ``length`` tokens wide."""
        close = [failed for failed, width in self.failed[role] if length > TRIED_AGAIN_BELOW * width]
        return min([pairs, *map(half, close)])

    def run(self, role: str, pairs: int, length: int, attempt: Callable[[int], T]) -> T:
        """What ``attempt`` returns when it is told how many pairs to run at once. It is called again with fewer where
        memory runs out, and has to leave nothing behind then. Raises RunError where a single pair is too large.
        """
        return run_with_less(
            lambda: self.of(role, pairs, length), attempt, lambda failed: self._lower(role, failed, length)
        )

    def _lower(self, role: str, failed: int, length: int) -> None:
        if failed == 1:
            raise RunError(
                f"out of memory in {role} with a single pair of {length} tokens; leave out the longest pairs with "
                f"--max_length {int(TRIED_AGAIN_BELOW * length)}, or quantize the frozen weights with --load_in_4bit"
            )
        fewer = half(failed)
        if fewer < min((half(size) for size, _ in self.failed[role]), default=failed):
            self.say(f"out of memory in {role} with {failed} pairs at once; going on with {fewer}, in the same batches")
        self.failed[role].append((failed, length))
