"""What step 1 says at its end: what was made, of what, and why not more."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adversarial.on_policy.own_pairs import OnPolicy
    from adversarial.rows import Made

TITLES = {"train": "Training", "val": "Validation"}
EXPECTED = {"train": 8000, "val": 1000}  # what the guide to this pipeline says a full Phase 1 gives


def report(
    made: Mapping[str, Made],
    own: Mapping[str, OnPolicy],
    kinds: Sequence[Mapping[str, Any]],
    args: argparse.Namespace,
) -> None:
    """What was made, and why not more."""
    for name, counts in made.items():
        print(f"✓ {TITLES[name]} triplets: {counts.pairs}")
    both = list(made.values())
    for title, tables in {
        "Pairs by strategy": [counts.strategies for counts in both],
        "Pairs by type": [counts.types for counts in both],
        "Pairs by severity": [counts.severities for counts in both],
        "Refused, by reason": [counts.reasons for counts in both],
        "Rows set aside": [counts.set_aside for counts in both],
    }.items():
        print(f"\n{title}:\n{_listed(sum(tables, Counter[str]()))}")
    for name, found in own.items():
        print(
            f"\nThe model's own, {TITLES[name].lower()}: {found.samples:,} samples; of those that are whole and "
            f"differ, {found.flagged:,} with an error that the screen sees, {found.clean:,} without"
        )
        print(f"Refused, by reason:\n{_listed(Counter(refusal['reason'] for refusal in found.refusals))}")
        print(f"In pairs, by what is chosen:\n{_listed(made[name].chosen_from)}")
    if kinds:
        print("\nWhat the model gets wrong, and the pairs after it (errors, share aimed at, pairs):")
        for row in kinds:
            print(f"  {row['errors']:>7,}  {row['share_aimed_at']:>4.0%}  {row['pairs']:>7,}  {row['kind']}")
    repeated = sum(counts.repeated_ids for counts in both)
    if repeated:
        print(f"\n{repeated:,} rows share their id with another row; they are used, since pairs have ids of their own.")
    for name, counts in made.items():
        for remark in counts.remarks:
            print(f"\n{TITLES[name]}: {remark}")
        if counts.pairs < EXPECTED[name]:
            print(f"\n{_shortfall(name, counts, args)}")


def _shortfall(name: str, counts: Made, args: argparse.Namespace) -> str:
    most = counts.factual_rows * args.negatives_per_note
    return (
        f"{TITLES[name]}: fewer than {EXPECTED[name]:,} triplets, because {counts.factual_rows:,} factual summaries x "
        f"{args.negatives_per_note} negatives give at most {most:,}; {counts.refused_rows:,} of the summaries were "
        f"refused, and {counts.missing:,} negatives could not be proven wrong. Nothing was repeated to fill up: more "
        f"notes in {args.phase1_dir} or a higher --negatives_per_note give more."
    )


def _listed(counts: Mapping[str, Any]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(f"  {count:>7,}  {name}" for name, count in ordered) or "        none"
