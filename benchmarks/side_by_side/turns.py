"""Processes that work in turns: each alone until its next report, so that what else the machine does hits all alike.

A process of its own gives each worker its own peak memory. It reports after every phase, then waits, off the clock.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

from utils.cli import RunError
from utils.files import make_output_dir

Report: TypeAlias = dict[str, Any]  # phase, seconds, peak_bytes, and the phase's own figures
LAST = "end"  # the phase after which there is no turn
_SCREEN = "screen.txt"
_LEAVE = 5  # seconds to end by itself


class Turns:
    """The worker's side: report what was done since the turn began, then wait for the next one.

    Waits for the first as it is made. Where no more turns are wanted, the worker ends.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._wait()

    def done(self, phase: str, **figures: Any) -> None:
        """One phase is over; ``figures`` are what JSON can hold."""
        seconds = time.perf_counter() - self.began
        report = {"phase": phase, "seconds": seconds, "peak_bytes": peak_memory(), **figures}
        self.connection.send_bytes(json.dumps(report).encode())
        if phase != LAST:
            self._wait()

    def _wait(self) -> None:
        try:
            self.connection.recv_bytes()
        except EOFError:
            sys.exit()
        self.began = time.perf_counter()


class Worker:
    """The parent's side: a process that runs ``work(connection, folder)``, ended with the block that it is used in.

    ``work`` must be importable, and makes its :class:`Turns` when it is ready; what it prints goes to a file in
    ``folder``.
    """

    def __init__(self, work: Callable[[Connection, Path], None], folder: Path) -> None:
        self.folder = make_output_dir(folder)
        context = multiprocessing.get_context("spawn")  # a fresh process, with none of the parent's memory
        self.connection, self._its_end = context.Pipe()
        self.process = context.Process(target=_run, args=(work, folder, self._its_end), daemon=True)

    def __enter__(self) -> Worker:
        self.process.start()
        self._its_end.close()  # held by the worker alone: when it dies, reading ends
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()  # ends a worker that waits
        self.process.join(_LEAVE)
        self.process.kill()  # one that works
        self.process.join()

    def turns(self, patience: float | None = None) -> Iterator[Report]:
        """Each ``next`` has it work until its next report. Raises RunError with what it printed where it fails, or
        where a report takes more than ``patience`` seconds.
        """
        phase = ""
        while phase != LAST:
            try:
                self.connection.send_bytes(b"go")
                if not self.connection.poll(patience):
                    raise RunError(f"the worker {self.folder.name} has not reported for {patience:.0f} s")
                report: Report = json.loads(self.connection.recv_bytes())
            except (EOFError, OSError) as error:
                self.process.join()
                printed = (self.folder / _SCREEN).read_text("utf-8", errors="replace")
                raise RunError(
                    f"the worker {self.folder.name} ended with code {self.process.exitcode} (-9 is mostly a lack of "
                    f"memory: try a smaller batch), after {phase or 'its start'}:\n{printed[-4000:]}"
                ) from error
            phase = report["phase"]
            yield report


def peak_memory() -> int:
    """Bytes of this process's largest resident memory so far.

    Not getrusage's figure on Linux: that one begins with the parent's.
    """
    if sys.platform.startswith("linux"):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
        return int(found.group(1)) * 1024 if found else 0
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _run(work: Callable[[Connection, Path], None], folder: Path, connection: Connection) -> None:
    """In the worker: what is printed goes to a file, and the parent alone answers Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    screen = os.open(folder / _SCREEN, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(screen, stream)
    work(connection, folder)
