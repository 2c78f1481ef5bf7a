"""The runs of one output folder: each in a folder of its own, the last complete one shown at the top.

OUTPUT_DIR/runs/<name>/ holds all of a run: its record, metrics, curves, checkpoints and model. A run is named by what
decides its figures, all but the number of epochs: the same command with more epochs goes on with the same run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.files import copy_folder
from utils.run_record import RUN_RECORD

FINAL_MODEL = "final_model"
METRICS, CURVES = "metrics.jsonl", "training_curves.png"
RATES = "rates.jsonl"  # what step 3 and step 4 found of a run's model, a line for each evaluation


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps what it makes."""

    output_dir: Path
    name: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.output_dir / "runs" / self.name

    @property
    def checkpoints(self) -> Path:
        """What training goes on from."""
        return self.path / "checkpoints"

    @property
    def final_model(self) -> Path:
        """The model of this run, where it is complete."""
        return self.path / FINAL_MODEL

    @property
    def best_model(self) -> Path:
        """The model with the lowest validation loss so far."""
        return self.path / "best_model"

    def publish(self) -> None:
        """Show this run's model and figures at the top of the output folder; the model of another run stays in its own.

        The record goes first and comes last: it is there exactly when all that it stands beside belongs to it.
        """
        (self.output_dir / RUN_RECORD).unlink(missing_ok=True)
        copy_folder(self.final_model, self.output_dir / FINAL_MODEL)
        for name in (METRICS, CURVES, RUN_RECORD):
            if (self.path / name).is_file():
                fresh = self.output_dir / f".{name}.new"
                shutil.copyfile(self.path / name, fresh)
                fresh.replace(self.output_dir / name)


def all_runs(output_dir: Path) -> list[dict[str, Any]]:
    """The records of the complete runs, the oldest first, each with its name and the rates found later."""
    found = []
    for record in output_dir.glob(f"runs/*/{RUN_RECORD}"):
        try:
            run = json.loads(record.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        rates = [json.loads(line) for line in _lines(record.with_name(RATES))]
        found.append({**run, "name": record.parent.name, "rates": rates})
    return sorted(found, key=lambda run: str(run["finished"]))


def differing_arguments(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the arguments in which these runs differ, so that a table need not show the others."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, argument in run["arguments"].items():
            values.setdefault(name, set()).add(json.dumps(argument["value"]))
    return sorted(name for name, seen in values.items() if len(seen) > 1)


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.is_file() else []
