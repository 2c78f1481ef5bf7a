"""Work spread over processes: results in the order of the work, few items under way at once, a clean end on Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from utils.cli import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 4  # items under way for each process: none waits for work, and memory stays the same however many there are


def available_processors() -> int:
    """How many processors this process may use: those it is bound to, where the system tells; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    processes: int,
    prepare: Callable[..., None],
    shared: tuple[Any, ...],
) -> Generator[Result, None, None]:
    """``function`` of each item, in order; ``prepare(*shared)`` runs once in each process, before the first.

    With one process all is done in this one. Works where processes are forked and where they are spawned: the
    functions must be importable, and what is passed must pickle. Whatever ends it early (Ctrl-C, an error, a caller
    that closes it), the processes end with it. Raises RunError where a process is killed, as for lack of memory.
    """
    if processes == 1:
        prepare(*shared)
        yield from map(function, items)
        return
    executor = ProcessPoolExecutor(processes, initializer=_start, initargs=(prepare, shared))
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(executor.submit(function, item))
            if len(under_way) >= _AHEAD * processes:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process was ended from outside, perhaps for lack of memory; try --num_proc 1"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _start(prepare: Callable[..., None], shared: tuple[Any, ...]) -> None:
    """Ctrl-C reaches every process of a terminal; the parent alone answers it, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*shared)


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would wait for items for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
