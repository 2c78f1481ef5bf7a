"""Measure the oracle against labels given by reading: how often it agrees with them, per summary and per claim.

    python benchmarks/oracle_accuracy.py

oracle_labels.jsonl holds real summaries of the Stage A model, shipped factual and shipped hallucinated ones. Each was
read beside its note, claim by claim, by language models and not by clinicians, before the oracle had judged it. The
"open" set served to improve the oracle; the "locked" and the "fresh" one were judged once before anyone looked at them
(ORACLE.md has those figures), then opened.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clinical.oracle import Verdict, judge
from clinical.patient import from_json
from utils.cli import EXIT_OK, UserError, new_parser, run_script
from utils.statistics import Rate, wilson

LABELS = Path(__file__).resolve().parent / "oracle_labels.jsonl"
WRONG = ("wrong", "invented")
SETS = ("open", "locked", "fresh")


@dataclass(frozen=True)
class Judged:
    """A labelled summary with the oracle's verdict."""

    label: dict[str, Any]
    verdict: Verdict

    @property
    def is_wrong(self) -> bool:
        """Whether the reader found a wrong or invented claim, or no summary at all."""
        return bool(self.label["garbled"]) or any(claim["verdict"] in WRONG for claim in self.label["claims"])

    def flags(self, claim: dict[str, Any]) -> bool:
        """Whether the oracle calls wrong or invented anything within a labelled claim's words."""
        start = self.label["summary"].find(claim["quote"])
        end = start + len(claim["quote"])
        return any(c.verdict in WRONG and c.start < end and start < c.end for c in self.verdict.claims)


def read_labels(path: Path = LABELS) -> list[dict[str, Any]]:
    """The labelled summaries, one JSON object a line."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no labelled summaries, one JSON object a line: {error}") from error


def judged(labels: Iterable[dict[str, Any]]) -> list[Judged]:
    """Every labelled summary with what the oracle says of it."""
    return [Judged(label, judge(from_json(label["evidence_stats"]), label["summary"])) for label in labels]


def specificity(rows: Sequence[Judged]) -> Rate:
    """Of the summaries without fault, those that the oracle calls clean."""
    sound = [row for row in rows if not row.is_wrong]
    return wilson(sum(not row.verdict.hallucinated for row in sound), len(sound))


def sensitivity(rows: Sequence[Judged]) -> Rate:
    """Of the summaries with a fault, those that the oracle calls hallucinated."""
    faulty = [row for row in rows if row.is_wrong]
    return wilson(sum(row.verdict.hallucinated for row in faulty), len(faulty))


def found_by_type(rows: Sequence[Judged]) -> dict[str, Rate]:
    """Of the wrong and invented claims of each type, those in whose words the oracle finds something wrong."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        for claim in row.label["claims"]:
            if claim["verdict"] in WRONG:
                found.setdefault(claim["type"], []).append(row.flags(claim))
    return {kind: wilson(sum(hits), len(hits)) for kind, hits in sorted(found.items())}


def right_claims_kept(rows: Sequence[Judged]) -> Rate:
    """Of the claims that the reader found right, those in whose words the oracle finds nothing wrong."""
    right = [not row.flags(claim) for row in rows for claim in row.label["claims"] if claim["verdict"] == "right"]
    return wilson(sum(right), len(right))


def unknown_claims(rows: Sequence[Judged]) -> Rate:
    """Of the oracle's claims, those that it can call neither right nor wrong."""
    claims = [claim for row in rows for claim in row.verdict.claims]
    return wilson(sum(claim.verdict == "unknown" for claim in claims), len(claims))


def report(rows: Sequence[Judged]) -> str:
    """All figures as lines to print."""
    parts = {
        "all": rows,
        "of the model": [row for row in rows if row.label["origin"] == "model"],
        **{f"{name} set": [row for row in rows if row.label["set"] == name] for name in SETS},
    }
    lines = []
    for name, part in parts.items():
        lines.append(f"{name}: {len(part)} summaries, {sum(row.is_wrong for row in part)} of them with a fault")
        lines.append(f"  specificity {specificity(part)}, sensitivity {sensitivity(part)}")
    lines.append(f"right claims that stay right: {right_claims_kept(rows)}")
    lines.append(f"claims of unknown verdict: {unknown_claims(rows)}")
    lines.append("wrong and invented claims that are found, by type:")
    lines += [f"  {kind:16} {rate}" for kind, rate in found_by_type(rows).items()]
    return "\n".join(lines)


def build_parser() -> ArgumentParser:
    """The script's options."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--labels", type=Path, default=LABELS, help="labelled summaries, JSONL")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; returns the exit code."""
    args = build_parser().parse_args(argv)
    print(report(judged(read_labels(args.labels))))
    return EXIT_OK


if __name__ == "__main__":
    run_script(main)
