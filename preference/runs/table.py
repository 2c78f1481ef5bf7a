"""The runs of one output folder as a table for the terminal: what differs, how they ended, what was found later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from preference.runs.folder import ASIDE, all_runs, differing_arguments, differing_inputs

COLUMNS = ("train\nloss", "val\nloss", "val\nmargin", "val\nchosen", "time", "step 3", "step 4")
LEGEND = (
    "chosen: log-prob of the chosen summaries against the reference's, in nats. time: of the last sitting, h:mm. "
    "Steps 3 and 4: rate of hallucinated summaries, with its 95 % interval."
)


def print_runs(output_dir: Path) -> None:
    """Print every run in ``output_dir``, or how to begin one."""
    runs = all_runs(output_dir)
    if not runs:
        print(f"No runs in {output_dir}; this begins one: python stage_b_dpo_training.py")
        return
    Console(highlight=False).print(runs_table(runs))


def runs_table(runs: Sequence[Mapping[str, Any]]) -> Group:
    """The table, a row for each run; readable on 80 columns."""
    arguments = [name for name in differing_arguments(runs) if name not in ASIDE]
    inputs = differing_inputs(runs)
    table = Table("run", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.columns[0].overflow = "fold"
    for name in COLUMNS:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for run in runs:
        table.add_row(*map(Text, (_description(run, arguments, inputs), *_figures(run))))
    return Group(table, Text(f"\n{LEGEND}"))


def _description(run: Mapping[str, Any], arguments: Sequence[str], inputs: Sequence[str]) -> str:
    """A run's name, and below it what it does not share with all others."""
    lines = [run["name"]]
    values = {name: _plain(run["arguments"][name]["value"]) for name in arguments if name in run["arguments"]}
    values |= {name: run["inputs"][name]["sha256"][:8] for name in inputs if name in run["inputs"]}
    lines += [f"{name} {value}" for name, value in values.items()]
    if not run["complete"]:
        lines.append(f"not complete: epoch {run['epoch']:.2f}")
    if run["shown"]:
        lines.append("shown as final_model")
    return "\n  ".join(lines)


def _figures(run: Mapping[str, Any]) -> tuple[str, ...]:
    results, beta = run["results"], run["arguments"]["beta"]["value"]
    if not run["complete"]:
        return ("", "", "", "", "", _rate(run["rates"], 3), _rate(run["rates"], 4))
    minutes = timedelta(seconds=results["seconds"]) // timedelta(minutes=1)
    return (
        f"{results['last_loss']:.3f}",
        f"{results['val_loss']:.3f}",
        f"{results['val_margin']:+.2f}",
        f"{results['val_chosen_reward'] / beta:+.2f}",
        f"{minutes // 60}:{minutes % 60:02d}",
        _rate(run["rates"], 3),
        _rate(run["rates"], 4),
    )


def _rate(lines: Sequence[Mapping[str, Any]], step: int) -> str:
    """The latest figure of a step, the oracle's before the screen's; with its interval."""
    found = [line for line in lines if line["step"] == step]
    if not found:
        return ""
    line = max(found, key=lambda line: (line["kind"] == "oracle", line["finished"]))
    rate = line["rate"]
    shown = f"{rate['share']:.0%} of {rate['total']}\n{rate['low']:.0%} to {rate['high']:.0%}"
    return f"{shown}\n{line['kind']}" if step == 3 else shown


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str("none" if value is None else value)
