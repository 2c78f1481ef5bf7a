"""What steps 3 and 4 find of a model of Stage B, kept in the folder of the run that made it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from utils.cli import from_here_or_project
from utils.files import read_journal
from utils.records import write_jsonl
from utils.run_record import read_record
from utils.statistics import Rate

RATES = "rates.jsonl"
RUN = "run"  # in the results of Stage B's record: the run's name
EVALUATED_RUN = "stage_b_run"  # in the results of step 3's record: see run_behind
MODELS = ("final_model", "merged_model")  # what a run calls its model, as an adapter and merged into its base


def run_behind(model_path: str) -> dict[str, Any] | None:
    """The run of Stage B that made the model at a path: its folder, and after how many epochs. None for another model.

    Step 3 keeps this in its record, because the model of another run may stand under the same path when the labels
    of step 4 come in.
    """
    model = from_here_or_project(model_path).resolve()
    record = read_record(model.parent)
    name = record.get("results", {}).get(RUN)
    if model.name not in MODELS or not isinstance(name, str):
        return None
    folder = model.parent if model.parent.name == name else model.parent / "runs" / name
    epochs = record["arguments"]["num_epochs"]["value"]
    return {"folder": str(folder), "num_epochs": epochs} if folder.is_dir() else None


def add_rate(evaluation: Path, step: int, kind: str, rate: Rate, annotator: str | None = None) -> Path | None:
    """Keep a rate that step 3 or 4 found in an evaluation's folder; returns the folder of the run it is kept with.

    ``kind`` is ``screen``, ``oracle`` or ``labelled``. The same figure of the same evaluation is replaced. None, and
    nothing is written, where the model evaluated is not one of Stage B's, its run is gone, or nothing was counted.
    """
    run = read_record(evaluation).get("results", {}).get(EVALUATED_RUN)
    if not run or not Path(run["folder"]).is_dir() or not rate.total:
        return None
    entry = {
        "step": step,
        "kind": kind,
        "results": str(evaluation.resolve()),
        "num_epochs": run["num_epochs"],
        "annotator": annotator,
    }
    path = Path(run["folder"]) / RATES
    others = [line for line in read_journal(path) if not entry.items() <= line.items()]
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_jsonl(path, [*others, {**entry, "rate": rate._asdict(), "finished": finished}])
    return path.parent
