"""run.json: what made an output, so that it can be repeated, and so that work that is done is not done again."""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from utils.cli import PROJECT_ROOT
from utils.distributed import process_count
from utils.files import sha256_path, sha256_text, write_json

RUN_RECORD = "run.json"
PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes", "pandas")


class RunRecord:
    """The record of one run of ``script`` into ``output_dir``.

    ``inputs`` maps a name to a file or folder; they are hashed here, before the run. Ask :meth:`is_finished`; call
    :meth:`open` right before the first output is replaced and :meth:`finish` after the last: ``run.json`` is there
    exactly when all that lies beside it belongs together.
    """

    def __init__(
        self,
        output_dir: Path,
        script: str,
        args: argparse.Namespace,
        parser: argparse.ArgumentParser,
        inputs: Mapping[str, Path],
    ) -> None:
        self.path = output_dir / RUN_RECORD
        self.script = Path(script).name
        self.arguments = {
            name: {"value": _plain(value), "from": "default" if value == parser.get_default(name) else "command line"}
            for name, value in sorted(vars(args).items())
        }
        if process_count() > 1:  # they share a batch out, so another number of them is another run
            self.arguments["processes"] = {"value": process_count(), "from": "launcher"}
        self.inputs = {name: {"path": str(path), "sha256": sha256_path(path)} for name, path in inputs.items()}

    def at(self, output_dir: Path) -> RunRecord:
        """The same record for another folder, without hashing the inputs again."""
        other = copy.copy(self)
        other.path = output_dir / RUN_RECORD
        return other

    def identity(self, *aside: str) -> str:
        """A short name for the arguments and inputs: equal for the same command on the same data, only then.

        ``aside`` are arguments that may differ.
        """
        same = {"script": self.script, "arguments": _values(self.arguments, aside), "inputs": _hashes(self.inputs)}
        return sha256_text(json.dumps(same, sort_keys=True))[:12]

    def is_finished(self, *aside: str) -> bool:
        """Whether an earlier run with the same arguments, but for those ``aside``, and the same inputs is complete."""
        record = read_record(self.path.parent)
        try:
            same_arguments = _values(record["arguments"], aside) == _values(self.arguments, aside)
            return same_arguments and _hashes(record["inputs"]) == _hashes(self.inputs)
        except (KeyError, TypeError, AttributeError):
            return False

    def open(self) -> None:
        """Take back the record of an earlier run, because its output is about to be replaced."""
        self.path.unlink(missing_ok=True)

    def finish(self, results: Mapping[str, Any]) -> None:
        """Write ``run.json``, atomically; ``results`` are figures for a later reader."""
        record = {
            "script": self.script,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "arguments": self.arguments,
            "inputs": self.inputs,
            "results": {name: _plain(value) for name, value in results.items()},
            "versions": {"python": platform.python_version(), **_versions()},
            "git_commit": _git_commit(),
            "platform": platform.platform(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        }
        write_json(self.path, record)


def read_record(folder: Path) -> dict[str, Any]:
    """The record in a folder; empty where there is none that can be read."""
    try:
        record = json.loads((folder / RUN_RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _values(arguments: Mapping[str, Any], aside: Sequence[str]) -> dict[str, Any]:
    return {name: argument["value"] for name, argument in arguments.items() if name not in aside}


def _hashes(inputs: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in inputs.items()}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it and give it back equal."""
    return json.loads(json.dumps(value, default=str))


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _git_commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(PROJECT_ROOT), "rev-parse", "HEAD"], capture_output=True, encoding="utf-8", check=False
        )
    except OSError:
        return None
    return found.stdout.strip() or None
