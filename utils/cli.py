"""How every script of this project fails, ends and reads its options: one clear message, one exit code."""

from __future__ import annotations

import argparse
import logging
import math
import os
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.cpu_speed import use_large_pages
from utils.distributed import is_main_process, process_count, process_index, silence_unless_main
from utils.hostile_text import visible

PROJECT_ROOT = Path(__file__).resolve().parent.parent

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

SECONDS_FOR_MAIN = 15.0  # in which the main process of several has failed too, if the problem is not one process's own


class UserError(Exception):
    """Wrong arguments or input. The message names what was found, where, and the command that helps."""


class RunError(Exception):
    """The run itself failed. The message says what happened and what to try."""


def run_script(main: Callable[[Sequence[str] | None], int]) -> None:
    """Run a script's ``main`` and exit: 0 done, 1 failed, 2 wrong arguments or input, 130 interrupted.

    A traceback is left to errors that are ours; the user's own are one message on standard error.
    """
    stay_private()
    quiet_libraries()
    use_large_pages()
    silence_unless_main()
    for stream in (sys.stdout, sys.stderr):  # a Windows console or a pipe may not speak UTF-8
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = main(None)
    except UserError as error:
        _report(str(error))
        code = EXIT_BAD_INPUT
    except RunError as error:
        _report(str(error))
        code = EXIT_FAILED
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _report(f"{error.strerror or error}{place}")
        code = EXIT_FAILED
    except KeyboardInterrupt:
        if is_main_process():
            print(f"\ninterrupted; nothing is half-written. Go on with: {this_command()}", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Exception:
        _let_main_speak()
        raise
    sys.stdout.flush()
    sys.exit(code)


def this_command(of: Sequence[str] | None = None) -> str:
    """The command that started this process, or ``of`` another script and options, as this system's shell takes it."""
    launcher = ["python"]
    if process_count() > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", process_count()))
        machines = process_count() // here
        launcher = ["torchrun", *(("--nnodes", str(machines)) if machines > 1 else ()), "--nproc_per_node", str(here)]
    words = [*launcher, *(sys.argv if of is None else of)]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _report(problem: str) -> None:
    """One message on standard error, also where all processes of a run meet the same problem: the main one speaks."""
    _let_main_speak()
    speaker = "error" if is_main_process() else f"error in process {process_index()}"
    print(f"{speaker}: {visible(problem)}", file=sys.stderr, flush=True)


def _let_main_speak() -> None:
    """Wait, in a process that is not the main one: where that has failed, the launcher ends this one meanwhile."""
    if not is_main_process():
        time.sleep(SECONDS_FOR_MAIN)


def stay_private() -> None:
    """Switch off telemetry and all hub access, before transformers is imported.

    Clinical text must not leave the machine. :func:`utils.models.allow_hub` lifts the hub part
    when, and only when, the user names a hub id.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # else transformers asks a service of the hub's


def quiet_libraries() -> None:
    """Keep notices that libraries write for their own developers off the user's screen."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the description's line breaks and show each default, where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def new_parser(description: str) -> argparse.ArgumentParser:
    """Argument parser in the project's style. ``description`` is the script's docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=_HelpFormatter, allow_abbrev=False)


def positive_int(text: str) -> int:
    """Argparse type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return value


def zero_or_more(text: str) -> int:
    """argparse type: a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def rows_or_all(text: str) -> int | None:
    """Argparse type: how many rows to take, a whole number of at least 1, or ``all`` (None)."""
    if text == "all":
        return None
    try:
        return positive_int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, or all, got {text}") from error


def positive_float(text: str) -> float:
    """Argparse type: a finite number above 0."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def temperature(text: str) -> float:
    """Argparse type: a sampling temperature, a finite number of at least 0."""
    return 0.0 if float(text) == 0 else positive_float(text)


def share(text: str) -> float:
    """Argparse type: a share, above 0 and at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and at most 1, got {text}")
    return value


def from_here_or_project(path: str | Path) -> Path:
    """Resolve an input path against the working directory, then against the project's root.

    README's paths are written from the project's root; this makes the same command work from any folder.
    Returns the first that exists, else the path as it was given.
    """
    path = Path(path).expanduser()
    if path.is_absolute() or path.exists():
        return path
    inside = PROJECT_ROOT / path
    return inside if inside.exists() else path
