"""Step 1: factual summaries in, preference pairs (prompt, chosen, rejected) out.

Every rejected summary is the chosen one with one to three facts made wrong; a pair is kept only when the note does not
support the new claim. Runs as it stands, on the notes in phase1_data_medhal:

    python generate_phase2_data.py --phase1_dir "phase1_data_medhal/sft" --phase2_dir "phase2_data/dpo" \\
        --adversarial_ratio 1.0

With --on_policy, the SFT model also summarises the notes: what it gets wrong itself becomes rejected, and the edited
pairs, too, are mostly of the kinds that it gets wrong. This takes hours on a CPU, goes on where it was cut off, and
teaches more than edited pairs alone.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adversarial.operators.table import FAMILIES
from adversarial.what_was_made import TITLES, report
from utils.cli import (
    EXIT_FAILED,
    EXIT_OK,
    PROJECT_ROOT,
    RunError,
    UserError,
    from_here_or_project,
    new_parser,
    positive_float,
    positive_int,
    run_script,
    share,
)

if TYPE_CHECKING:
    from adversarial.audit import Audit
    from adversarial.on_policy.own_pairs import OnPolicy
    from adversarial.rows import Made, Split
    from utils.run_record import RunRecord

SPLITS = {"train": "train_set_processed.csv", "val": "validation_set_processed.csv"}
STAGE_A = "models/sft_specialist_fast_fp16/final_model"


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
    pairs.add_argument(
        "--fail_on_audit", action="store_true", help="exit with code 1 when the audit of the pairs finds a breach"
    )
    own = parser.add_argument_group("on-policy pairs, of the SFT model's own summaries")
    own.add_argument("--on_policy", action="store_true", help="sample the SFT model and mix its errors in")
    own.add_argument("--sft_model_path", default=STAGE_A, help="full model, adapter, or hub:owner/name")
    own.add_argument("--on_policy_share", type=share, default=1.0, help="of the written pairs, where there are enough")
    own.add_argument("--samples_per_note", type=positive_int, default=4, help="the greedy one first; each gives a pair")
    own.add_argument("--temperature", type=positive_float, default=0.7, help="of the samples that are not greedy")
    pairs.add_argument("--seed", type=int, default=42, help="same seed, same files to the byte")
    pairs.add_argument(
        "--num_proc", type=positive_int, default=None, help="processes; by default one for each processor it may use"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read both splits, make the pairs, write both files, say what came of it."""
    parser = build_parser()
    args = parser.parse_args(argv)

    from adversarial.audit import REPORT_JSON, audit_files, write_report
    from adversarial.operators.kinds import kind_table, kind_weights
    from adversarial.rows import read_split
    from utils.files import make_output_dir
    from utils.models import find_checkpoint
    from utils.run_record import RunRecord

    phase1_dir = from_here_or_project(args.phase1_dir)
    inputs = {name: phase1_dir / file for name, file in SPLITS.items()}
    check_inputs(phase1_dir, inputs)
    inputs |= {room: PROJECT_ROOT / room for room in ("adversarial", "clinical")}  # a newer version makes other pairs
    if args.on_policy:
        inputs |= find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py").folders
    output_dir = Path(args.phase2_dir)
    outputs = {name: output_dir / f"{name}_dpo.jsonl" for name in SPLITS}
    if args.rejects:
        outputs["rejects"] = Path(args.rejects)
    deciding = {name: value for name, value in vars(args).items() if name not in ("num_proc", "fail_on_audit")}
    record = RunRecord(output_dir, __file__, argparse.Namespace(**deciding), parser, inputs)
    if all(path.is_file() for path in outputs.values()) and record.is_finished():
        print(f"✓ Pairs: {output_dir} holds them already, from the same arguments and notes; nothing to do.")
        print_next(args, outputs)
        verdict = json.loads((output_dir / REPORT_JSON).read_text("utf-8"))["verdict"]
        return EXIT_FAILED if args.fail_on_audit and verdict == "fail" else EXIT_OK
    for path in outputs.values():
        make_output_dir(path.parent)

    train = read_split(inputs["train"], ratio=args.adversarial_ratio, seed=args.seed)
    val = read_split(inputs["val"], ratio=args.adversarial_ratio, seed=args.seed, not_in=train.note_ids)
    splits = {"train": train, "val": val}
    families = [family for family in FAMILIES if family in args.strategies or "all" in args.strategies]
    own, errors = pairs_of_the_model(splits, families, args, output_dir) if args.on_policy else ({}, Counter[str]())
    with full_disk_said(output_dir):
        made = write_pairs(splits, own, kind_weights(errors), families, outputs, args, record)
    audit = audit_files({name: outputs[name] for name in SPLITS}, seed=args.seed)
    kinds = kind_table(errors, sum((counts.kinds for counts in made.values()), Counter[str]()))
    report_html, _ = write_report(audit, output_dir, kinds)
    figures: dict[str, Any] = {name: counts.figures() for name, counts in made.items()}
    figures |= {f"on-policy {name}": found.figures() for name, found in own.items()}
    record.finish(figures | ({"kinds of errors": kinds} if kinds else {}))
    report(made, own, kinds, args)
    report_audit(audit, report_html)
    print("\nPairs are in:", *(outputs[name] for name in SPLITS), sep="\n  ")
    if args.rejects:
        print(f"Refused negatives are in:\n  {args.rejects}")
    print_next(args, outputs)
    return EXIT_FAILED if audit.breaches and args.fail_on_audit else EXIT_OK


def pairs_of_the_model(
    splits: Mapping[str, Split], families: Sequence[str], args: argparse.Namespace, output_dir: Path
) -> tuple[dict[str, OnPolicy], Counter[str]]:
    """Pairs of the SFT model's own summaries of each split's notes, and its errors by kind.

    Those that the screen finds in its summaries of the training notes, which decide the mix of kinds in both splits.
    """
    from adversarial.on_policy.own_pairs import count_kinds, first_rows, pair_samples, screen_samples
    from adversarial.on_policy.samples import stems_of
    from adversarial.on_policy.sampling import Sampling, sample_summaries
    from adversarial.operators.kinds import kind_weights
    from adversarial.rows import texts_of, used_rows

    sampling = Sampling(samples_per_note=args.samples_per_note, temperature=args.temperature, seed=args.seed)
    vocabulary = stems_of(texts_of(splits["train"].path))
    screened = {}
    for name, split in splits.items():
        print(f"Sampling     {args.samples_per_note} summaries of each of the {TITLES[name].lower()} notes", flush=True)
        rows = first_rows(used_rows(split))
        journal = output_dir / f"{name}_samples.jsonl"
        texts = sample_summaries([row.note for row in rows], args.sft_model_path, sampling, journal)
        screened[name] = screen_samples(rows, texts, vocabulary)
    errors = count_kinds(screened["train"])
    make = partial(pair_samples, seed=args.seed, kinds=kind_weights(errors), families=families)
    return {name: make(found) for name, found in screened.items()}, errors


def write_pairs(
    splits: Mapping[str, Split],
    own: Mapping[str, OnPolicy],
    kinds: Mapping[str, float] | None,
    families: Sequence[str],
    outputs: Mapping[str, Path],
    args: argparse.Namespace,
    record: RunRecord,
) -> dict[str, Made]:
    """Make the edited pairs, mix the model's own in, and write all files or none."""
    from adversarial.on_policy.mix import choose_mix
    from adversarial.rows import make_pairs
    from utils.files import atomic_writer
    from utils.processes import available_processors

    aside = partial(tempfile.TemporaryFile, "w+", encoding="utf-8", newline="", dir=outputs["train"].parent)
    made = {}
    with contextlib.ExitStack() as all_or_none:
        files = {name: all_or_none.enter_context(atomic_writer(path)) for name, path in outputs.items()}
        for name, split in splits.items():
            edited = all_or_none.enter_context(aside()) if own else files[name]
            made[name] = make_pairs(
                split,
                edited,
                files.get("rejects"),
                seed=args.seed,
                wanted=args.negatives_per_note,
                families=families,
                kinds=kinds,
                processes=args.num_proc or available_processors(),
                title=f"{TITLES[name]} notes",
            )
            if own:
                edited.seek(0)
                mix = choose_mix(
                    [json.loads(line) for line in edited], own[name].pairs, args.on_policy_share, args.seed
                )
                files[name].writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in mix.pairs)
                made[name].recount(mix.pairs)
                made[name].remarks += mix.remarks
                if args.rejects:
                    lines = (json.dumps(refusal, ensure_ascii=False) + "\n" for refusal in own[name].refusals)
                    files["rejects"].writelines(lines)
        record.open()
    return made


def check_inputs(phase1_dir: Path, inputs: Mapping[str, Path]) -> None:
    """Refuse, before any work, a folder without the files that are read."""
    way_out = (
        "write the shipped notes with: python phase1_data_medhal/write_notes.py, or import your own with: "
        "python phase1_data_medhal/import_notes.py"
    )
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


def report_audit(audit: Audit, html: Path) -> None:
    """The bars of the audit, one to a line, and where the report is."""
    print("\nAudit: can the negatives be told without reading the note?")
    for bar in audit.bars:
        print(f"  {bar}")
    for bar in audit.breaches:
        print(f"\n{bar.title}: {bar.remedy}")
    print(f"Report: {html}")


def print_next(args: argparse.Namespace, outputs: Mapping[str, Path]) -> None:
    """The command of step 2, on these pairs; without the model's own summaries, what those would add."""
    if not args.on_policy:
        print(
            "\nThese pairs are edited summaries. What the model itself gets wrong teaches it more: --on_policy mixes "
            "that in."
        )
    paths = f'--train_data_path "{outputs["train"]}" --val_data_path "{outputs["val"]}"'
    print(f"\nNext:\n  python stage_b_dpo_training.py {paths}")


if __name__ == "__main__":
    run_script(main)
