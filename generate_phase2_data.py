"""Step 1: factual summaries in, preference pairs (prompt, chosen, rejected) out.

Every rejected summary is the chosen one with one to three facts made wrong; a pair is kept only when the note does not
support the new claim. Runs as it stands, on the notes in phase1_data_medhal:

    python generate_phase2_data.py --phase1_dir "phase1_data_medhal/sft" --phase2_dir "phase2_data/dpo" \\
        --adversarial_ratio 1.0
"""

from __future__ import annotations

import argparse
import contextlib
import errno
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adversarial.operators import FAMILIES
from utils.cli import (
    EXIT_OK,
    PROJECT_ROOT,
    RunError,
    UserError,
    from_here_or_project,
    new_parser,
    positive_int,
    run_script,
    share,
)

if TYPE_CHECKING:
    from adversarial.rows import Made

SPLITS = {"train": "train_set_processed.csv", "val": "validation_set_processed.csv"}
TITLES = {"train": "Training", "val": "Validation"}
EXPECTED = {"train": 8000, "val": 1000}  # what the guide to this pipeline says a full Phase 1 gives


def build_parser() -> argparse.ArgumentParser:
    """The options, with the defaults that README shows."""
    parser = new_parser(__doc__ or "")
    files = parser.add_argument_group("files")
    files.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="folder with the Phase 1 CSV files")
    files.add_argument("--phase2_dir", default="phase2_data/dpo", help="where the pairs go")
    files.add_argument(
        "--rejects", default=None, help="also write every refused negative, with its reason, to this file"
    )
    pairs = parser.add_argument_group("pairs")
    pairs.add_argument(
        "--adversarial_ratio", type=share, default=1.0, help="share of the notes to use, drawn at random by --seed"
    )
    pairs.add_argument("--negatives_per_note", type=positive_int, default=3, help="at most so many for one summary")
    pairs.add_argument(
        "--strategies",
        nargs="+",
        choices=("all", *FAMILIES),
        default=["all"],
        help="families of errors to make; summaries that Phase 1 labelled as hallucinated are always used",
    )
    pairs.add_argument("--seed", type=int, default=42, help="same seed, same files to the byte")
    pairs.add_argument(
        "--num_proc", type=positive_int, default=None, help="processes; by default one for each processor it may use"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read both splits, make the pairs, write both files, say what came of it."""
    parser = build_parser()
    args = parser.parse_args(argv)

    from adversarial.rows import make_pairs, read_split
    from utils.files import atomic_writer, make_output_dir
    from utils.processes import available_processors
    from utils.run_record import RunRecord

    phase1_dir = from_here_or_project(args.phase1_dir)
    inputs = {name: phase1_dir / file for name, file in SPLITS.items()}
    check_inputs(phase1_dir, inputs)
    code = {room: PROJECT_ROOT / room for room in ("adversarial", "clinical")}  # a newer version makes other pairs
    families = [family for family in FAMILIES if family in args.strategies or "all" in args.strategies]
    output_dir = Path(args.phase2_dir)
    outputs = {name: output_dir / f"{name}_dpo.jsonl" for name in SPLITS}
    if args.rejects:
        outputs["rejects"] = Path(args.rejects)
    content = argparse.Namespace(**{name: value for name, value in vars(args).items() if name != "num_proc"})
    record = RunRecord(output_dir, __file__, content, parser, inputs | code)
    if all(path.is_file() for path in outputs.values()) and record.is_finished():
        print(f"✓ Pairs: {output_dir} holds them already, from the same arguments and notes; nothing to do.")
        print_next(outputs)
        return EXIT_OK
    for path in outputs.values():
        make_output_dir(path.parent)

    train = read_split(inputs["train"], ratio=args.adversarial_ratio, seed=args.seed)
    val = read_split(inputs["val"], ratio=args.adversarial_ratio, seed=args.seed, not_in=train.note_ids)
    made = {}
    with full_disk_said(output_dir), contextlib.ExitStack() as all_or_none:
        files = {name: all_or_none.enter_context(atomic_writer(path)) for name, path in outputs.items()}
        for name, split in (("train", train), ("val", val)):
            made[name] = make_pairs(
                split,
                files[name],
                files.get("rejects"),
                seed=args.seed,
                wanted=args.negatives_per_note,
                families=families,
                processes=args.num_proc or available_processors(),
                title=f"{TITLES[name]} notes",
            )
        record.open()
    record.finish({name: counts.figures() for name, counts in made.items()})
    report(made, args, outputs)
    return EXIT_OK


def check_inputs(phase1_dir: Path, inputs: Mapping[str, Path]) -> None:
    """Refuse, before any work, a folder without the files that are read."""
    way_out = "write the shipped notes with: python phase1_data_medhal/write_notes.py"
    if not phase1_dir.is_dir():
        raise UserError(f"no such folder: {phase1_dir} (--phase1_dir); {way_out}")
    for path in inputs.values():
        if not path.is_file():
            raise UserError(f"no such file: {path}; {way_out}")


@contextlib.contextmanager
def full_disk_said(output_dir: Path) -> Iterator[None]:
    """Turn the system's error on a full disk or quota, which names no file, into a message that does."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise RunError(
            f"cannot write the pairs to {output_dir}: {error.strerror}; nothing there was changed. Make room, or "
            f"choose another folder with --phase2_dir"
        ) from error


def report(made: Mapping[str, Made], args: argparse.Namespace, outputs: Mapping[str, Path]) -> None:
    """What was made and why not more, where it is, and the next command."""
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
    repeated = sum(counts.repeated_ids for counts in both)
    if repeated:
        print(f"\n{repeated:,} rows share their id with another row; they are used, since pairs have ids of their own.")
    for name, counts in made.items():
        if counts.pairs < EXPECTED[name]:
            print(f"\n{_shortfall(name, counts, args)}")
    print("\nPairs are in:", *(outputs[name] for name in SPLITS), sep="\n  ")
    if "rejects" in outputs:
        print(f"Refused negatives are in:\n  {outputs['rejects']}")
    print_next(outputs)


def print_next(outputs: Mapping[str, Path]) -> None:
    """The command of step 2, on these pairs."""
    paths = f'--train_data_path "{outputs["train"]}" --val_data_path "{outputs["val"]}"'
    print(f"\nNext:\n  python stage_b_dpo_training.py {paths}")


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


if __name__ == "__main__":
    run_script(main)
