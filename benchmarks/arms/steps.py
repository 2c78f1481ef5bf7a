"""Steps of a long benchmark: each a command with a folder of its own, done once, gone on with where it was cut off.

A folder is named by the command that fills it and by what the command reads, so two runs that share a step do it once.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli import EXIT_INTERRUPTED, PROJECT_ROOT, RunError
from utils.files import append_journal, make_output_dir, open_journal, read_journal, sha256_text

JOURNAL = "steps.jsonl"  # when each sitting of each step began and ended
TAIL = 2000  # characters of a log that are shown where its step fails


@dataclass(frozen=True)
class Step:
    """One command: what it makes, its words without ``python``, where that goes, and the seconds it should take."""

    name: str
    makes: str
    words: tuple[str, ...]
    folder: Path
    expected: float

    @property
    def command(self) -> str:
        """The command as a person types it."""
        return shlex.join(("python", *self.words))

    @property
    def log(self) -> Path:
        """What the command printed, in all its sittings."""
        return self.folder.with_name(f"{self.folder.name}.log")


def make_step(
    work: Path,
    name: str,
    makes: str,
    script: str,
    options: Mapping[str, Any],
    *,
    into: Sequence[str] = ("--output_dir", "{folder}"),
    reads: str,
    expected: float,
) -> Step:
    """A step of ``script`` with ``options``; ``into`` are the words that tell it its folder.

    ``reads`` tells one content of the files that are read from another: with other content, it is another step.
    """
    words = (script, *as_words(options))
    folder = work / f"{name}-{sha256_text(repr((words, reads)))[:8]}"
    return Step(name, makes, (*words, *(word.format(folder=folder) for word in into)), folder, expected)


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Options as the command line has them: a list is several words, True a flag alone, None and False nothing."""
    words = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        values = [] if value is True else value if isinstance(value, (list, tuple)) else [value]
        words += [f"--{name}", *(f"{item:g}" if isinstance(item, float) else str(item) for item in values)]
    return words


def run_id(steps: Iterable[Step]) -> str:
    """A short name for all that was run: equal for the same steps, only then."""
    return sha256_text(" ".join(step.folder.name for step in steps))[:8]


def run_steps(steps: Sequence[Step]) -> dict[str, float]:
    """Do all steps, see :func:`each_step`; the seconds that each took, all sittings together."""
    return {step.name: seconds for step, seconds in each_step(steps)}


def each_step(steps: Sequence[Step]) -> Iterator[tuple[Step, float]]:
    """Do all steps in their order, those that are done excepted; each with its seconds, all sittings together.

    Prints a line when a step begins and one when it ends. Raises RunError where one fails, KeyboardInterrupt where one
    was interrupted; the same call goes on.
    """
    for number, step in enumerate(steps, start=1):
        where = f"{number}/{len(steps)} {step.name}"
        seconds = seconds_if_done(step)
        if seconds is None:
            print(f"  {where}: {step.makes}, about {minutes(step.expected)}; log: {step.log}", flush=True)
            seconds = run_step(step)
        left = sum(later.expected for later in steps[number:] if seconds_if_done(later) is None)
        print(f"✓ {where}: {minutes(seconds)}; " + (f"about {minutes(left)} left" if left else "none left"), flush=True)
        yield step, seconds


def minutes(seconds: float) -> str:
    """A duration, as all lines of a run give it."""
    return f"{seconds / 60:.1f} minutes"


def seconds_if_done(step: Step) -> float | None:
    """The seconds that a step took, where it is done; else None."""
    sittings = _sittings(step)
    return sum(s["seconds"] for s in sittings) if sittings and sittings[-1].get("done") else None


def run_step(step: Step) -> float:
    """Do a step, or what is left of it; the seconds of all its sittings. Raises RunError where it fails."""
    make_output_dir(step.folder)
    _close_a_killed_sitting(step)
    _note(step, {"began": time.time(), "command": step.command})
    start = time.monotonic()
    code, stopped = None, False
    try:
        code, stopped = call(step)
    finally:
        _note(step, {"seconds": round(time.monotonic() - start, 1), "done": code == 0})
    if stopped or code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        tail = step.log.read_text("utf-8", errors="replace")[-TAIL:]
        raise RunError(f"{step.name} failed with exit code {code}; the end of {step.log}:\n{tail}")
    return sum(s["seconds"] for s in _sittings(step))


def call(step: Step) -> tuple[int, bool]:
    """Run a step's command, its output into its log; its exit code, and whether it was told to stop meanwhile.

    It answers a signal to stop itself: it saves. A terminal sends Ctrl-C to both of them; a scheduler's SIGTERM comes
    here alone and is handed on.
    """
    script, *options = step.words
    with step.log.open("a", encoding="utf-8", newline="") as log:
        log.write(f"$ {step.command}\n")
        log.flush()
        words = [sys.executable, str(PROJECT_ROOT / script), *options]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        terminated = threading.Event()

        def hand_on(*_: Any) -> None:
            terminated.set()
            process.terminate()

        before = signal.signal(signal.SIGTERM, hand_on)
        try:
            return process.wait(), terminated.is_set()
        except KeyboardInterrupt:
            return process.wait(), True
        finally:
            signal.signal(signal.SIGTERM, before)


def _sittings(step: Step) -> list[dict[str, Any]]:
    """The sittings of a step that have ended."""
    return [line for line in _lines(step) if "seconds" in line]


def _lines(step: Step) -> list[dict[str, Any]]:
    return [line for line in read_journal(step.folder.with_name(JOURNAL)) if line["step"] == step.folder.name]


def _note(step: Step, what: Mapping[str, Any]) -> None:
    with open_journal(step.folder.with_name(JOURNAL)) as file:
        append_journal(file, {"step": step.folder.name, **what})


def _close_a_killed_sitting(step: Step) -> None:
    """A sitting that could not note its end, as after a power cut, lasted until the log was last written to."""
    lines = _lines(step)
    if lines and "began" in lines[-1] and step.log.is_file():
        seconds = max(0.0, step.log.stat().st_mtime - lines[-1]["began"])
        _note(step, {"seconds": round(seconds, 1), "done": False})
