"""run.json: what made an output, so that it can be repeated, and so that work that is done is not done again."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from utils.cli import PROJECT_ROOT
from utils.files import sha256_path, write_json

RUN_RECORD = "run.json"
PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes", "pandas")


def resolved_arguments(args: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, dict[str, Any]]:
    """Every argument with its value and where it came from: the command line or the default."""
    return {
        name: {"value": _plain(value), "from": "default" if value == parser.get_default(name) else "command line"}
        for name, value in sorted(vars(args).items())
    }


def write_run_record(
    output_dir: Path,
    *,
    script: str,
    args: argparse.Namespace,
    parser: argparse.ArgumentParser,
    inputs: Mapping[str, Path],
    results: Mapping[str, Any],
) -> None:
    """Write ``run.json`` beside an output, atomically, as the last file: its presence says that the output is whole.

    ``inputs`` maps a name to a file or folder, which is hashed; ``results`` are figures for a later reader.
    """
    record = {
        "script": script,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": resolved_arguments(args, parser),
        "inputs": {name: {"path": str(path), "sha256": sha256_path(path)} for name, path in inputs.items()},
        "results": {name: _plain(value) for name, value in results.items()},
        "versions": {"python": platform.python_version(), **_versions()},
        "git_commit": _git_commit(),
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    write_json(output_dir / RUN_RECORD, record)


def finished_before(
    output_dir: Path, args: argparse.Namespace, parser: argparse.ArgumentParser, inputs: Mapping[str, Path]
) -> dict[str, Any] | None:
    """The record of an earlier run into ``output_dir`` with the same arguments and the same inputs, else None."""
    try:
        record = json.loads((output_dir / RUN_RECORD).read_text("utf-8"))
        earlier = {name: argument["value"] for name, argument in record["arguments"].items()}
        hashes = {name: entry["sha256"] for name, entry in record["inputs"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    now = {name: argument["value"] for name, argument in resolved_arguments(args, parser).items()}
    same = earlier == now and hashes == {name: sha256_path(path) for name, path in inputs.items()}
    return record if same else None


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
            ["git", "-C", str(PROJECT_ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return found.stdout.strip() or None
