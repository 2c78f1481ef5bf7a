"""Whether negatives are wrong and chosen summaries are not: pairs judged by the facts behind the shipped notes.

    python benchmarks/pairs_proof.py --pairs_dir phase2_data/dpo --pairs 400

The judge is the oracle, which reads the facts in evidence_stats; the generator has its own checker, which reads the
note. The sample takes turns among the kinds of error, so that rare ones are seen; it is therefore harder than the
pairs as they come, whose share is estimated beside it. Writes pairs_proof.json with the failures to read.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adversarial.pairs import LABELLED, note_id
from benchmarks.measured_on import measured_on
from clinical.oracle import Verdict, judge
from clinical.patient import Patient, from_json
from utils.cli import EXIT_OK, UserError, from_here_or_project, new_parser, positive_int, run_script
from utils.files import write_json
from utils.prompts import text_of
from utils.records import read_csv
from utils.statistics import Rate, wilson

PAIR_FILES = ("train_dpo.jsonl", "val_dpo.jsonl")
PHASE1_FILES = ("train_set_processed.csv", "validation_set_processed.csv")
MAKE_PAIRS = "python generate_phase2_data.py"
NEGATIVES_BAR, CHOSEN_BAR = 0.98, 0.99  # at least so many wrong, and so many without error


@dataclass(frozen=True)
class JudgedPair:
    """A pair, and what the oracle says of both of its sides."""

    pair: Mapping[str, Any]
    chosen: Verdict
    rejected: Verdict

    @property
    def kind(self) -> str:
        """The kind of error that the negative was given."""
        return kind_of(self.pair)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--pairs_dir", default="phase2_data/dpo", help="output folder of generate_phase2_data.py")
    parser.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="the notes of the pairs, with facts")
    parser.add_argument("--pairs", type=positive_int, default=400, help="a seeded sample, taking turns among kinds")
    parser.add_argument("--examples", type=positive_int, default=20, help="at most so many failures of a sort are kept")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/pairs_proof.json"), help="the figures as JSON")
    parser.add_argument("--seed", type=int, default=42, help="of the sample")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, judge, write, show; returns the exit code."""
    args = build_parser().parse_args(argv)
    pairs = read_pairs(from_here_or_project(args.pairs_dir))
    patients = read_patients(from_here_or_project(args.phase1_dir))
    judged = judge_pairs(draw(pairs, args.pairs, args.seed), patients)
    figures = proof(judged, Counter(map(kind_of, pairs)))
    record = {
        **measured_on("pairs_proof.py", argv),
        "interval": "95 % Wilson",
        "pairs_in_all": len(pairs),
        **{name: as_json(figure) for name, figure in figures.items()},
        **failures(judged, args.examples),
    }
    write_json(args.output, record)
    show(figures)
    print(f"✓ {args.output}")
    return EXIT_OK


def read_pairs(folder: Path) -> list[dict[str, Any]]:
    """The pairs of both splits. Raises UserError where there are none with a note's id and the record of edits."""
    pairs: list[dict[str, Any]] = []
    for path in (folder / name for name in PAIR_FILES):
        try:
            pairs += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: no pairs, one JSON object a line ({error}); make them: {MAKE_PAIRS}") from error
    for number, pair in enumerate(pairs, 1):
        missing = {"chosen", "rejected", "id", "note_id", "strategy", "edits", "severity"} - set(pair)
        if missing:
            raise UserError(f"{folder}: pair {number} has no {', '.join(sorted(missing))}; make pairs: {MAKE_PAIRS}")
    if not pairs:
        raise UserError(f"{folder} holds no pairs; make them: {MAKE_PAIRS}")
    return pairs


def read_patients(folder: Path) -> dict[str, Patient]:
    """The facts of every shipped training and validation note, by the note's id. Raises UserError without them."""
    patients: dict[str, Patient] = {}
    for path in (folder / name for name in PHASE1_FILES):
        for row in read_csv(path, ("id", "clinical_note", "evidence_stats")):
            try:
                patients[note_id(row["clinical_note"])] = from_json(row["evidence_stats"])
            except ValueError as error:
                raise UserError(f"{path}, row {row['id']}: {error}; only shipped notes can be proven") from error
    return patients


def kind_of(pair: Mapping[str, Any]) -> str:
    """The type of the one wrong fact; one kind for all pairs with several, and one for those that Phase 1 labelled."""
    if pair["strategy"] == LABELLED:
        return LABELLED
    types = {edit["type"] for edit in pair["edits"]}
    return min(types) if pair["severity"] == "minor" and len(types) == 1 else "several"


def draw(pairs: Sequence[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """A seeded sample that takes turns among the kinds, whatever the order of the pairs."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: str(pair["id"])):
        by_kind[kind_of(pair)].append(pair)
    for kind, group in by_kind.items():
        random.Random(f"{seed} {kind}").shuffle(group)
    turns = zip_longest(*(by_kind[kind] for kind in sorted(by_kind)))
    return list(islice((pair for turn in turns for pair in turn if pair is not None), count))


def judge_pairs(pairs: Iterable[Mapping[str, Any]], patients: Mapping[str, Patient]) -> list[JudgedPair]:
    """Both sides of every pair, judged by the facts of its note. Raises UserError for a note of unknown facts."""
    judged = []
    for pair in pairs:
        patient = patients.get(pair["note_id"])
        if patient is None:
            raise UserError(f"pair {pair['id']} is of a note that --phase1_dir does not hold")
        chosen, rejected = (judge(patient, text_of(pair[side])) for side in ("chosen", "rejected"))
        judged.append(JudgedPair(pair, chosen, rejected))
    return judged


def negatives_wrong(judged: Sequence[JudgedPair]) -> Rate:
    """Of the negatives, those that state something false or unsupported."""
    return wilson(sum(pair.rejected.hallucinated for pair in judged), len(judged))


def chosen_sound(judged: Sequence[JudgedPair]) -> Rate:
    """Of the chosen summaries, each counted once, those that state nothing false or unsupported."""
    sound = {(pair.pair["note_id"], text_of(pair.pair["chosen"])): not pair.chosen.hallucinated for pair in judged}
    return wilson(sum(sound.values()), len(sound))


def proof(judged: Sequence[JudgedPair], population: Mapping[str, int]) -> dict[str, Any]:
    """All figures: of the sample, by kind, and an estimate for the pairs as they come.

    ``population`` says how many pairs of each kind there are; the estimate weighs each kind's share by it.
    """
    kinds = {kind: [pair for pair in judged if pair.kind == kind] for kind in sorted({pair.kind for pair in judged})}
    by_kind = {kind: negatives_wrong(group) for kind, group in kinds.items()}
    seen = sum(population[kind] for kind in by_kind)
    return {
        "negatives_wrong": negatives_wrong(judged),
        "negatives_wrong_as_they_come": sum((by_kind[k].share or 0.0) * population[k] for k in by_kind) / seen,
        "chosen_without_error": chosen_sound(judged),
        "negatives_wrong_by_kind": by_kind,
    }


def failures(judged: Sequence[JudgedPair], most: int) -> dict[str, Any]:
    """Up to ``most`` pairs of each sort of failure, with what a reader needs to tell who is right."""
    clean = [pair for pair in judged if not pair.rejected.hallucinated]
    flagged = {text_of(pair.pair["chosen"]): pair for pair in judged if pair.chosen.hallucinated}
    return {
        "negatives_judged_clean": [
            {
                "id": pair.pair["id"],
                "kind": pair.kind,
                "edits": [{name: edit[name] for name in ("old", "new", "type")} for edit in pair.pair["edits"]],
                "rejected": text_of(pair.pair["rejected"]),
            }
            for pair in clean[:most]
        ],
        "chosen_judged_wrong": [
            {
                "id": pair.pair["id"],
                "errors": [{"text": e.text, "type": e.type, "reason": e.reason} for e in pair.chosen.errors],
                "chosen": text,
            }
            for text, pair in islice(flagged.items(), most)
        ],
    }


def as_json(figure: Any) -> Any:
    """Rates as objects with their interval, wherever they stand."""
    if isinstance(figure, Rate):
        return figure._asdict()
    return {name: as_json(part) for name, part in figure.items()} if isinstance(figure, dict) else figure


def show(figures: Mapping[str, Any]) -> None:
    """Print the table by kind, and the two figures that have a bar."""
    from rich.console import Console
    from rich.table import Table

    table = Table("kind of error", "negatives that are wrong", title="Pairs judged by known facts (95 % Wilson)")
    for kind, rate in figures["negatives_wrong_by_kind"].items():
        table.add_row(kind, str(rate))
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(f"Negatives wrong: {figures['negatives_wrong']} (bar {NEGATIVES_BAR:.0%})")
    console.print(f"  with the kinds as frequent as they come: {figures['negatives_wrong_as_they_come']:.1%}")
    console.print(f"Chosen without error: {figures['chosen_without_error']} (bar {CHOSEN_BAR:.0%})")


if __name__ == "__main__":
    run_script(main)
