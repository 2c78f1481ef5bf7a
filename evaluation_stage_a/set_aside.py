"""One checkpoint's results in a folder at a time: another's are set aside with their labels, and come back with it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from evaluation_stage_a.comparison import RESULTS_CSV
from evaluation_stage_a.samples import SAMPLES_CSV
from utils.files import locked, sha256_text
from utils.run_record import RUN_RECORD, read_record

SCRIPT = "evaluate_stage_a.py"  # whose records count here
SET_ASIDE = "set_aside"
STATISTICS, REPORT, PAGE = "evaluation_statistics.json", "evaluation_report.txt", "evaluation_report.html"
# What belongs to one checkpoint; the journal of generated texts knows for itself which checkpoint each is from.
OF_ONE_CHECKPOINT = (
    *(RESULTS_CSV, SAMPLES_CSV, STATISTICS, REPORT, PAGE),
    *("manual_assessment*", "assessment_report*", "manual_comparison*", "comparison_report*"),
)
LOCKS = ".manual_*.lock"  # held by labelling sessions
UNKNOWN = "unknown"


def keep_apart(output_dir: Path, record: Mapping[str, Any]) -> list[str]:
    """Make the folder ready for results of the checkpoint that ``record`` (arguments and inputs) is of; what to say.

    Results of another checkpoint move to ``set_aside/<its id>`` together with their labels; those of this one, set
    aside earlier, come back. Cut off at any moment, the next evaluation goes on with it: the former record leaves last
    and returns first, so that it is never missing where its files are. Raises UserError where they are being labelled.
    """
    own, earlier = checkpoint_id(record), read_record(output_dir)
    if earlier.get("script") != SCRIPT:
        earlier = {}
    former = checkpoint_id(earlier) if earlier else UNKNOWN
    files = [path for pattern in OF_ONE_CHECKPOINT for path in sorted(output_dir.glob(pattern))]
    said = []
    if former != own and (files or earlier):
        record_too = [output_dir / RUN_RECORD] if earlier else []
        folder = _move_out([*files, *record_too], output_dir / SET_ASIDE / former)
        whose = _name(earlier) if earlier else "an unknown checkpoint"
        said.append(f"Set aside    the results of {whose}, another checkpoint, with their labels: {folder}")
    if _bring_back(output_dir / SET_ASIDE / own, output_dir):
        said.append("Back again   what was set aside of this checkpoint, with its labels")
    return said


def checkpoint_id(record: Mapping[str, Any]) -> str:
    """A name for the checkpoint that a record of step 3 is of: from its weights, wherever they lie, or its hub id.

    Of summaries made elsewhere, whose checkpoint is not known, from their file.
    """
    decisive = ("adapter", "model", "predictions")
    weights = [record["inputs"][name]["sha256"] for name in decisive if name in record["inputs"]]
    return sha256_text(json.dumps(weights or record["arguments"]["model_path"]["value"]))[:12]


def _move_out(files: list[Path], place: Path) -> Path:
    """Move files into a folder, in order, and never over others: then into ``place_2``, and so on."""
    places = (place if number == 1 else place.with_name(f"{place.name}_{number}") for number in count(1))
    folder = next(p for p in places if not any((p / file.name).exists() for file in files))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as stack:
        for lock in files[0].parent.glob(LOCKS):
            stack.enter_context(locked(lock, f"{files[0].parent} is being labelled; end that session (q) first"))
        for file in files:
            file.rename(folder / file.name)
    return folder


def _bring_back(folder: Path, output_dir: Path) -> bool:
    """Move the files of a folder back, the record first, none over another; whether there were any."""
    files = sorted(folder.glob("*"), key=lambda file: file.name != RUN_RECORD)
    for file in files:
        if not (output_dir / file.name).exists():
            file.rename(output_dir / file.name)
    with contextlib.suppress(OSError):  # not there, or something stays
        folder.rmdir()
    return bool(files)


def _name(record: Mapping[str, Any]) -> str:
    """What the user called the checkpoint that a record is of, or its summaries."""
    given = {name: argument["value"] for name, argument in record["arguments"].items()}
    return str(given.get("predictions") or given["model_path"])
