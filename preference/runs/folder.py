"""The runs of one output folder: each in a folder of its own, the last complete one shown at the top.

OUTPUT_DIR/runs/<name>/ holds all of a run: its record, metrics, curves, checkpoints and model. A run is named by what
decides its figures, all but the number of epochs: the same command with more epochs goes on with the same run; one with
fewer than it has is a run of its own. What steps 3 and 4 find of its model comes in by ``utils.rates.add_rate``.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from utils.cli import UserError
from utils.files import copy_folder, read_journal, write_json
from utils.rates import MODELS, RATES, RUN
from utils.run_record import RUN_RECORD, RunRecord, read_record

FINAL_MODEL, MERGED_MODEL = MODELS
METRICS, CURVES = "metrics.jsonl", "training_curves.png"
STARTED = "started.json"  # arguments and inputs of a run that has begun, complete or not
ADAPTER = "adapter_config.json"  # in a model's folder: it is an adapter, and names its base
# Arguments that decide nothing about a run's figures, only where they are kept and how they are shown.
ASIDE = ("output_dir", "reference_dir", "force", "dry_run", "list_runs", "merge", "report_to")
# Those that do not decide them up to a step: the same command with other values goes on with the run.
NOT_DECIDING = ("num_epochs", *ASIDE)


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
    def merged_model(self) -> Path:
        """The same, an adapter merged into its base; there once somebody has asked for it."""
        return self.path / MERGED_MODEL

    @property
    def best_model(self) -> Path:
        """The model with the lowest validation loss so far."""
        return self.path / "best_model"

    @property
    def epoch(self) -> float:
        """The last epoch that it has logged, with what is done of it; 0 before the first step."""
        return float(self._last_line()["epoch"])

    def is_past(self, epochs: float) -> bool:
        """Whether it has taken more steps than so many epochs have, the last one rounded up."""
        last = self._last_line()
        return bool(last["step"]) and last["step"] > math.ceil(epochs * round(last["step"] / last["epoch"]))

    def _last_line(self) -> Mapping[str, float]:
        return max(read_journal(self.path / METRICS), key=lambda line: line["step"], default={"step": 0, "epoch": 0.0})

    def check_device(self, computes: str) -> None:
        """Raise UserError where it was begun on another kind of device or in another precision than ``computes``."""
        begun = _read_started(self.path).get("computes", computes)
        if begun != computes:
            raise UserError(
                f"{self.path} was begun on {begun}, and this would go on with {computes}: other figures under the same "
                "name. Take the --device that it was begun on, or another --output_dir"
            )

    def begin(self, record: RunRecord, computes: str) -> None:
        """Note what the run is made of, and take away what was made from the model that it is about to replace.

        ``computes`` names the device and the precision.
        """
        started = datetime.now(UTC).isoformat(timespec="seconds")
        of_it = {"arguments": record.arguments, "inputs": record.inputs, "computes": computes}
        write_json(self.path / STARTED, {"started": started, **of_it})
        shutil.rmtree(self.merged_model, ignore_errors=True)
        record.open()

    def is_shown(self, merged: bool) -> bool:
        """Whether the model at the top of the output folder has the form asked for, if it is this run's."""
        shown = self.output_dir / FINAL_MODEL
        as_adapter = (self.final_model / ADAPTER).is_file() and not merged
        return shown.is_dir() and (shown / ADAPTER).is_file() == as_adapter

    def show(self, model: Path) -> None:
        """Show this run's model and figures at the top of the output folder; the model of another run stays in its own.

        The record goes first and comes last: it is there exactly when all that it stands beside belongs to it.
        """
        (self.output_dir / RUN_RECORD).unlink(missing_ok=True)
        copy_folder(model, self.output_dir / FINAL_MODEL)
        for name in (METRICS, CURVES, RUN_RECORD):
            if (self.path / name).is_file():
                fresh = self.output_dir / f".{name}.new"
                shutil.copyfile(self.path / name, fresh)
                fresh.replace(self.output_dir / name)


def all_runs(output_dir: Path) -> list[dict[str, Any]]:
    """Every run, the oldest first: its record, or what is known of one that is not ``complete``.

    Each with its ``name``, the ``rates`` found of its model in its present state, the last ``epoch`` it has logged, and
    whether it is ``shown`` at the top of the output folder.
    """
    shown = read_record(output_dir).get("results", {}).get(RUN)
    found = []
    for folder in output_dir.glob("runs/*"):
        record = read_record(folder)
        run = {"results": {}, **_read_started(folder), **record, "name": folder.name, "complete": bool(record)}
        if "arguments" not in run:
            continue
        epochs = run["arguments"]["num_epochs"]["value"]
        run["rates"] = [line for line in read_journal(folder / RATES) if line["num_epochs"] == epochs]
        run["epoch"] = RunFolder(output_dir, folder.name).epoch
        run["shown"] = folder.name == shown
        found.append(run)
    return sorted(found, key=lambda run: str(run.get("finished") or run["started"]))


def differing_arguments(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the arguments in which these runs differ, so that a table need not show the others."""
    names = sorted({name for run in runs for name in run["arguments"]})
    return [name for name in names if _differs([run["arguments"].get(name) for run in runs])]


def _differs(arguments: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether an argument has several values; a run from before there was such an option took its default."""
    known = [argument for argument in arguments if argument is not None]
    given = any(argument["from"] != "default" for argument in known)
    return len({json.dumps(argument["value"]) for argument in known}) > 1 or (len(known) < len(arguments) and given)


def differing_inputs(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the inputs whose content differs: the same path may have held other pairs."""
    names = sorted({name for run in runs for name in run["inputs"]})
    return [name for name in names if len({run["inputs"].get(name, {}).get("sha256") for run in runs}) > 1]


def _read_started(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / STARTED).read_text("utf-8")))
    except (OSError, ValueError):
        return {}
