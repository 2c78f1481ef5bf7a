"""Does a summary follow its note? One fact of a shipped note is changed, and the note is summarised again.

    python benchmarks/counterfactual.py \\
        --model_paths models/sft_specialist_fast_fp16/final_model models/dpo_hallucination_resistant/final_model \\
        --changes 240 --split test --output benchmarks/outcome/counterfactual.json

The changed note is written by the same author from the same seed, and differs in that one value alone; what goes with
the value in medicine stays as it was. Only facts that every model's summary of the unchanged note states are changed.
A summary then follows (the new value), stays (the old one, which its note does not have), drops the fact, or says
another. Cut off, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.changed_facts.reading import FOLLOWS, OUTCOMES, STAYS, outcome
from benchmarks.measured_on import PACKAGES, measured_on
from utils.cli import EXIT_OK, from_here_or_project, new_parser, positive_int, run_script
from utils.models import DEVICES
from utils.statistics import Parts, Rate, mcnemar_exact, paired_change, wilson

if TYPE_CHECKING:
    from benchmarks.changed_facts.notes import Change
    from evaluation_stage_a.examples import Example
    from utils.models import Checkpoint

CORPUS_SEED = 7  # of the shipped notes, phase1_data_medhal/write_notes.py's default
NOTES = {"val": "validation_set_processed.csv", "test": "test_set_processed.csv"}
KEPT = ("example_id", "kind", "about", "old", "new")  # of a change, in the output


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    models = [f"models/{name}/final_model" for name in ("sft_specialist_fast_fp16", "dpo_hallucination_resistant")]
    parser.add_argument("--model_paths", nargs="+", default=models, help="the others are compared with the first")
    parser.add_argument("--split", choices=tuple(NOTES), default="test", help="where the notes are from")
    parser.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="the shipped notes, with their facts")
    parser.add_argument("--notes", type=positive_int, default=120, help="a seeded sample to look for facts in")
    parser.add_argument("--changes", type=positive_int, default=240, help="at most so many, taking turns among kinds")
    output = Path("benchmarks/outcome/counterfactual.json")
    parser.add_argument("--output", type=Path, default=output, help="the figures as JSON")
    work = Path("outputs/counterfactual")
    parser.add_argument("--work_dir", type=Path, default=work, help="gets the generated texts, to go on from")
    parser.add_argument("--batch_size", type=positive_int, default=16, help="summaries generated at once")
    parser.add_argument("--max_new_tokens", type=positive_int, default=160, help="longest summary, in tokens")
    parser.add_argument("--seed", type=int, default=42, help="of the sample of notes and of changes")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Change, summarise, count, write, show; returns the exit code."""
    args = build_parser().parse_args(argv)

    # ------------------------------------------------------------------ check the input before anything heavy
    from evaluation_stage_a.examples import read_examples
    from utils.files import make_output_dir, write_json
    from utils.models import choose_device, find_checkpoint

    data = from_here_or_project(args.phase1_dir) / NOTES[args.split]
    examples = read_examples(data, args.notes, args.seed)
    checkpoints = [
        find_checkpoint(path, "--model_paths", "python stage_b_dpo_training.py") for path in args.model_paths
    ]
    device = choose_device(args.device)
    for folder in (args.output.parent, args.work_dir):
        make_output_dir(folder)

    # ------------------------------------------------------------------ change
    changes, discarded = all_changes(examples)
    print(f"Changes      {len(changes)} facts of {len(examples)} notes can be changed alone", flush=True)

    # ------------------------------------------------------------------ summarise
    notes = [example.clinical_note for example in examples]
    before = []
    for checkpoint in checkpoints:
        print(f"Unchanged    {len(notes)} notes, by {checkpoint.path}", flush=True)
        before.append(dict(zip(notes, summaries(checkpoint, notes, device, args), strict=True)))
    stated = [[states(change, texts[change.note]) for change in changes] for texts in before]
    common = [change for change, by_model in zip(changes, zip(*stated, strict=True), strict=True) if all(by_model)]
    tracked = choose(common, args.changes, args.seed)
    outcomes = []
    for checkpoint in checkpoints:
        print(f"Changed      {len(tracked)} notes, by {checkpoint.path}", flush=True)
        texts = summaries(checkpoint, [change.changed for change in tracked], device, args)
        outcomes.append([result(change, text) for change, text in zip(tracked, texts, strict=True)])

    # ------------------------------------------------------------------ write, show
    record = {
        **measured_on("counterfactual.py", argv, packages=PACKAGES),
        "device": str(device),
        "split": args.split,
        "notes": len(examples),
        "interval": "95 % Wilson, as if all changes were independent; of the difference 95 % bootstrap by note",
        "facts_that_can_be_changed_alone": count_by_kind(changes),
        "facts_discarded_as_more_would_change": dict(sorted(discarded.items())),
        "changes": len(tracked),
        "models": [
            {"model_path": path, "states_the_unchanged_fact": wilson(sum(found), len(found)), **figures(tracked, ends)}
            for path, found, ends in zip(args.model_paths, stated, outcomes, strict=True)
        ],
        "comparisons": [
            {"before": args.model_paths[0], "after": path, **compare(tracked, outcomes[0], ends)}
            for path, ends in zip(args.model_paths[1:], outcomes[1:], strict=True)
        ],
        "tracked": [
            {**{name: getattr(change, name) for name in KEPT}, "outcomes": list(ends)}
            for change, ends in zip(tracked, zip(*outcomes, strict=True), strict=True)
        ],
    }
    write_json(args.output, as_json(record))
    show(record)
    if len(tracked) < args.changes:
        print(f"Warning      {len(tracked)} facts instead of {args.changes} are stated by all; take more --notes")
    print(f"✓ {args.output}")
    return EXIT_OK


def all_changes(examples: Sequence[Example]) -> tuple[list[Change], Counter[str]]:
    """Every fact of the notes that can be changed alone; of how many, by kind, a change would move something else."""
    from benchmarks.changed_facts.notes import changes_of

    changes: list[Change] = []
    discarded: Counter[str] = Counter()
    for example in examples:
        found, others = changes_of(example.example_id, example.clinical_note, example.evidence_stats, CORPUS_SEED)
        changes += found
        discarded += others
    return changes, discarded


def summaries(checkpoint: Checkpoint, notes: Sequence[str], device: Any, args: argparse.Namespace) -> list[str]:
    """A checkpoint's greedy summary of each note, from the journal where it is there already."""
    from evaluation_stage_a.summaries import load
    from utils.files import sha256_path
    from utils.generation import GenerationSettings, generate_all
    from utils.models import choose_dtype, load_tokenizer
    from utils.prompts import encode_prompt, prompt_messages

    tokenizer = load_tokenizer(checkpoint)
    weights = [sha256_path(folder) for folder in checkpoint.folders.values()] or checkpoint.base
    texts, _ = generate_all(
        lambda: load(checkpoint, device, None),
        tokenizer,
        [encode_prompt(tokenizer, prompt_messages(note)) for note in notes],
        GenerationSettings(args.max_new_tokens),
        args.batch_size,
        args.work_dir / "generated.journal.jsonl",
        f"{weights}: {choose_dtype(device)} on {device.type}, batch {args.batch_size}",
    )
    return [text.text for text in texts]


def result(change: Change, summary: str) -> str:
    """What became of the changed fact in the summary of the changed note: one of OUTCOMES."""
    from benchmarks.changed_facts.facts import KINDS

    return outcome(KINDS[change.kind].read, change.changed, summary, change.old, change.new, change.about)


def states(change: Change, summary: str) -> bool:
    """Whether a summary of the unchanged note states the fact as that has it."""
    return result(change, summary) == STAYS


def choose(changes: Sequence[Change], count: int, seed: int) -> list[Change]:
    """A seeded sample that takes turns among the kinds, with at most one change of a kind in a note."""
    shuffled = random.Random(seed).sample(changes, len(changes))
    by_kind: dict[str, dict[str, Change]] = defaultdict(dict)
    for change in shuffled:
        by_kind[change.kind].setdefault(change.example_id, change)
    turns = chain.from_iterable(zip_longest(*(by_kind[kind].values() for kind in sorted(by_kind))))
    return list(islice((change for change in turns if change is not None), count))


def count_by_kind(changes: Sequence[Change]) -> dict[str, int]:
    """How many changes there are of each kind."""
    return dict(sorted(Counter(change.kind for change in changes).items()))


def figures(changes: Sequence[Change], outcomes: Sequence[str]) -> dict[str, Any]:
    """A model's shares of each outcome, over all changes and for each kind of fact."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for change, end in zip(changes, outcomes, strict=True):
        by_kind[change.kind].append(end)
    return {**rates(outcomes), "by_kind": {kind: rates(ends) for kind, ends in sorted(by_kind.items())}}


def rates(outcomes: Sequence[str]) -> dict[str, Rate]:
    """The share of each outcome."""
    return {name: wilson(outcomes.count(name), len(outcomes)) for name in OUTCOMES}


def compare(changes: Sequence[Change], before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """Two models on the same changes: which of them follow, and how the share of those that do changed."""
    pairs = Counter((was == FOLLOWS, now == FOLLOWS) for was, now in zip(before, after, strict=True))
    change = paired_change(by_note(changes, before), by_note(changes, after)) if changes else None
    return {
        "both_follow": pairs[True, True],
        "gained": pairs[False, True],
        "lost": pairs[True, False],
        "neither": pairs[False, False],
        "mcnemar_p": mcnemar_exact(pairs[False, True], pairs[True, False]),
        "follows": change and change._asdict(),
    }


def by_note(changes: Sequence[Change], outcomes: Sequence[str]) -> Parts:
    """How many of each note's changes are followed, and how many there are."""
    follows, totals = Counter[str](), Counter[str]()
    for change, end in zip(changes, outcomes, strict=True):
        follows[change.example_id] += end == FOLLOWS
        totals[change.example_id] += 1
    return Parts([follows[note] for note in totals], list(totals.values()))


def as_json(value: Any) -> Any:
    """Rates as objects with their interval, wherever they stand."""
    if isinstance(value, Rate):
        return value._asdict()
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list) else value


def show(record: Mapping[str, Any]) -> None:
    """Print what became of the facts, by model and kind, and the comparisons."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    for model in record["models"]:
        table = Table("kind of fact", "changes", *OUTCOMES, title=model["model_path"])
        for kind, ends in model["by_kind"].items():
            table.add_row(kind, str(ends[FOLLOWS].total), *(str(ends[name].events) for name in OUTCOMES))
        table.add_row("all", str(model[FOLLOWS].total), *(str(model[name].events) for name in OUTCOMES))
        console.print(table)
        for name in OUTCOMES:
            console.print(f"  {name:<8} {model[name]}")
        console.print(f"  unchanged facts stated: {model['states_the_unchanged_fact']}")
    for change in record["comparisons"]:
        console.print(
            f"{change['after']} against {change['before']}: {change['gained']} gained, {change['lost']} lost, "
            f"exact McNemar p = {change['mcnemar_p']:.2g}"
        )


if __name__ == "__main__":
    run_script(main)
