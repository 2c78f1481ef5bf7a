"""What --dry_run prints: the guide's checklist, item by item, then the plan and a rough time. Nothing is written."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preference.data.pairs import MAKE_PAIRS, EncodedPairs, encode_pairs, pair_ids, read_pairs
from preference.guards import check_options
from utils.cli import EXIT_BAD_INPUT, EXIT_OK, PROJECT_ROOT, UserError, from_here_or_project
from utils.distributed import process_count
from utils.files import sha256_path
from utils.models import Checkpoint, choose_device, choose_dtype, find_checkpoint, load_tokenizer
from utils.prompts import text_of
from utils.run_record import RUN_RECORD
from utils.statistics import THRESHOLD, Rate, wilson
from utils.trainer_progress import in_words

if TYPE_CHECKING:
    import torch

YES, NO, UNKNOWN = "✓", "✗", "?"
AUDIT = "pairs_report.json"  # written by step 1 beside its pairs


class Checklist:
    """Prints a line for each item as it is found, and remembers whether one failed."""

    def __init__(self) -> None:
        self.failed = False

    def line(self, mark: str, item: str, said: str) -> None:
        """Print one item."""
        self.failed = self.failed or mark == NO
        print(f"{mark} {item:10} {said}", flush=True)

    @contextlib.contextmanager
    def item(self, name: str) -> Iterator[None]:
        """Turn the UserError of a check, whose message says what to do, into a failed item."""
        try:
            yield
        except UserError as error:
            self.line(NO, name, str(error))


def dry_run(args: argparse.Namespace, words: Sequence[str]) -> int:
    """Go through the checklist of the step with these options, ``words`` of its command; returns the exit code."""
    checklist = Checklist()
    checkpoint: Checkpoint | None = None
    device: torch.device | None = None
    pairs: dict[str, EncodedPairs] = {}
    with checklist.item("Stage A"):
        checkpoint = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
        checklist.line(YES, "Stage A", check_checkpoint(checkpoint))
    if checkpoint:
        checklist.line(*labels(checkpoint))
    with checklist.item("Pairs"):
        pairs = check_pairs(args, checkpoint, checklist)
    checklist.line(*audit(from_here_or_project(args.train_data_path).parent))
    with checklist.item("Options"):
        warnings = check_options(args)
        usual = f"learning rate {args.learning_rate:g}, beta {args.beta:g}"
        checklist.line(UNKNOWN if warnings else YES, "Options", "; ".join(warnings) or usual)
    with checklist.item("Device"):
        device = choose_device(args.device, several_processes=True)
        checklist.line(*describe_device(device))
    if checkpoint and device and pairs:
        with checklist.item("Memory"):
            plan_and_time(args, words, checkpoint, device, pairs, checklist)
    print("Nothing was written." + (" See the lines with ✗ first." if checklist.failed else ""))
    return EXIT_BAD_INPUT if checklist.failed else EXIT_OK


def check_checkpoint(checkpoint: Checkpoint) -> str:
    """What the checkpoint is. Raises UserError where its config, tokenizer or a file of weights cannot be read."""
    from safetensors import safe_open

    from utils.models import loading, read_config

    kind = f"SFT adapter on {checkpoint.base}" if checkpoint.adapter else "full SFT model"
    config = read_config(checkpoint)
    load_tokenizer(checkpoint)
    with loading(checkpoint):
        for folder in checkpoint.folders.values():
            for file in folder.glob("*.safetensors"):
                with safe_open(file, framework="np"):  # reads the header, and compares it with the file's length
                    pass
    return f"{checkpoint.path}: {kind}, {config.model_type}"


def labels(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """What people have labelled of this checkpoint's summaries: is the rate above the guide's threshold?"""
    name = "Labels"
    rates = {path: rate_of(path) for path in assessments_of(checkpoint)}
    path, rate = max(rates.items(), key=lambda found: found[1].total, default=(None, wilson(0, 0)))
    if path is None or rate.share is None or rate.low is None or rate.high is None:
        folder = "evaluation_results_stage_a"
        return (
            UNKNOWN,
            name,
            f"none of this model; to know its rate: python evaluation_stage_a/evaluate_stage_a.py --model_path "
            f'"{checkpoint.path}" --output_dir "{folder}", then python manual_assessment_tool.py --results_csv '
            f'"{folder}/evaluation_results.csv"',
        )
    said = f"{rate} of the labelled summaries hallucinate ({path})"
    if rate.share > THRESHOLD:
        return YES, name, said
    if rate.high > THRESHOLD:
        return UNKNOWN, name, f"{said}: not above {THRESHOLD:.0%}, but too few to tell; label more of them"
    return NO, name, f"{said}: not above {THRESHOLD:.0%}, so this model needs no Stage B"


def assessments_of(checkpoint: Checkpoint) -> list[Path]:
    """Files of labels beside evaluations of this checkpoint, here and in the project."""
    found = {
        path.resolve()
        for root in (Path(), PROJECT_ROOT)
        for path in root.glob("evaluation_results*/manual_assessment*.json")
    }
    return sorted(path for path in found if is_of(path.with_name(RUN_RECORD), checkpoint))


def is_of(record: Path, checkpoint: Checkpoint) -> bool:
    """Whether a run record is of this checkpoint: the same adapter by its hash, or the same full model by its folder.

    A full model is too large to be hashed here.
    """
    try:
        inputs = json.loads(record.read_text("utf-8"))["inputs"]
        if checkpoint.adapter is not None:
            return bool(inputs["adapter"]["sha256"] == sha256_path(checkpoint.adapter))
        return "adapter" not in inputs and Path(inputs["model"]["path"]).resolve() == Path(checkpoint.base).resolve()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def rate_of(assessment: Path) -> Rate:
    """The hallucination rate in a file of labels; of nothing where it cannot be read."""
    try:
        judged = [entry["has_hallucination"] for entry in json.loads(assessment.read_text("utf-8"))["assessments"]]
    except (OSError, ValueError, KeyError, TypeError):
        return wilson(0, 0)
    return wilson(sum(map(bool, judged)), len(judged))


def check_pairs(
    args: argparse.Namespace, checkpoint: Checkpoint | None, checklist: Checklist
) -> dict[str, EncodedPairs]:
    """Both files of pairs as token ids, with a line on what they hold. Raises UserError where they are not sound."""
    paths = {"train": args.train_data_path, "validation": args.val_data_path}
    limits = {"train": args.max_train_pairs, "validation": args.max_val_pairs}
    rows = {name: read_pairs(from_here_or_project(path), limits[name], args.seed) for name, path in paths.items()}
    notes = [{text_of(row["prompt"]) for row in rows[name]} for name in paths]
    if common := notes[0] & notes[1]:
        raise UserError(
            f"{len(common)} notes are in {paths['train']} and in {paths['validation']}, so validation would only "
            f"show what was learned by heart; make the pairs anew: {MAKE_PAIRS}"
        )
    if checkpoint is None:
        checklist.line(UNKNOWN, "Pairs", f"{shown(rows)}; not counted in tokens, because there is no Stage A model")
        return {}
    tokenizer = load_tokenizer(checkpoint)
    pairs = {name: encode_pairs(tokenizer, found, args.max_length) for name, found in rows.items()}
    reasons = [f"{count} {reason}" for encoded in pairs.values() for reason, count in encoded.left_out.items()]
    checklist.line(YES, "Pairs", f"{shown(pairs)}" + "".join(f"; left out: {reason}" for reason in reasons))
    return pairs


def shown(pairs: Mapping[str, Any]) -> str:
    """How many pairs there are of each kind."""
    return ", ".join(f"{len(found):,} {name}" for name, found in pairs.items())


def audit(folder: Path) -> tuple[str, str, str]:
    """What step 1's audit of the pairs in a folder found."""
    name = "Audit"
    try:
        verdict = json.loads((folder / AUDIT).read_text("utf-8"))["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN, name, f"none beside these pairs; step 1 audits the pairs that it makes: {MAKE_PAIRS}"
    report = (folder / AUDIT).with_suffix(".html")
    if verdict == "pass":
        return YES, name, f"passed: the rejected summaries cannot be told without the note ({report})"
    return (NO if verdict == "fail" else UNKNOWN), name, f"{verdict}: see what and why in {report}"


def describe_device(device: torch.device) -> tuple[str, str, str]:
    """The device and its precision; without an accelerator, what helps."""
    import torch

    precision = str(choose_dtype(device)).removeprefix("torch.")
    if device.type == "cuda":
        return YES, "Device", f"{torch.cuda.get_device_name(device)}, {precision}"
    if device.type == "mps":
        return YES, "Device", f"Apple's GPU, {precision}"
    part = "--max_train_pairs 500 --learning_rate 5e-5 --num_epochs 1"  # few updates at 5e-6 do nothing (SWEEP.md)
    return UNKNOWN, "Device", f"CPU, {precision}: a GPU is recommended; without one take a part: {part}"


def plan_and_time(
    args: argparse.Namespace,
    words: Sequence[str],
    checkpoint: Checkpoint,
    device: torch.device,
    pairs: Mapping[str, EncodedPairs],
    checklist: Checklist,
) -> None:
    """The items that need the model's sizes and the pairs': memory, disk; then the plan, and how long it will take."""
    from preference.data.batches import batches_by_length
    from preference.expected_time import product_speed, rough_seconds
    from preference.memory.prediction import trained_parameters
    from preference.memory.preflight import Preflight, free_memory

    train, val = (pair_ids(encoded.dataset) for encoded in pairs.values())
    preflight = Preflight.of(args, checkpoint, device, [*train, *val])
    verdict = preflight.verdict(words, free_memory(device))
    checklist.line(NO if verdict.way_out else YES, "Memory", str(verdict))
    merged = preflight.shape.parameters if args.merge else 0
    trained = trained_parameters(preflight.shape, preflight.plan)
    needed, free = disk_needed(trained, len(train) + len(val), merged), disk_free(args.output_dir)
    checklist.line(
        YES if needed <= free else NO,
        "Disk",
        f"{needed / 1e9:.2f} of {free / 1e9:.1f} GB that are free at {args.output_dir}"
        + ("" if needed <= free else "; make room, or name another --output_dir"),
    )
    print(f"  {'Plan':10} {training_line(args, choose_dtype(device), device)}")
    speed = product_speed(device, choose_dtype(device))
    train_batches, val_batches = (batches_by_length(part, args.batch_size, preflight.shared) for part in (train, val))
    seconds = rough_seconds(
        preflight.shape, preflight.plan, train_batches, val_batches, args.num_epochs, speed, args.keep_hardest
    )
    print(
        f"  {'Expected':10} very roughly {in_words(seconds)}, from token counts and one matrix product timed here; "
        "the run itself times a batch first"
    )


def training_line(args: argparse.Namespace, dtype: torch.dtype, device: torch.device) -> str:
    """The figures of a run in a line."""
    processes = f" x {process_count()} processes" if process_count() > 1 else ""
    hardest = f"the hardest {args.keep_hardest:.0%} of the pairs, " if args.keep_hardest < 1 else ""
    weights = args.loss_weights or [1.0] * len(args.loss_type)
    losses = (
        name if weight == 1 else f"{weight:g} {name}" for name, weight in zip(args.loss_type, weights, strict=True)
    )
    free = " without reference" if args.reference_free else ""
    return (
        f"{hardest}{' + '.join(losses)}{free}, beta {args.beta:g}, learning rate {args.learning_rate:g}, "
        f"{args.num_epochs:g} epochs, batch {args.batch_size} x {args.gradient_accumulation_steps}{processes}, "
        f"{str(dtype).removeprefix('torch.')} on {device.type}"
    )


def disk_needed(trained: int, pairs: int, merged: int = 0) -> float:
    """Bytes that a run writes, at most at a time, for so many trained parameters and, with --merge, all parameters.

    All are in fp32. A checkpoint holds the trained ones, AdamW's two moments and their mean, and a new one is written
    beside the old; the best, the final and the merged model too are each written beside the one that they replace: for
    a trained parameter 2 x 16 + 2 x 4 + 2 x 4 bytes. Tokenizers, logs and the reference's log-probs (about 100 bytes a
    pair) come on top.
    """
    return 48 * trained + 8 * merged + 100 * pairs + 50e6


def disk_free(folder: Path) -> float:
    """Bytes free where a folder is, or would be."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free
