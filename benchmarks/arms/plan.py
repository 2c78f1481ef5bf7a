"""The steps of an outcome: README's own scripts, what each makes, how long it should take, how many pairs fit."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.arms.steps import Step, make_step, minutes, seconds_if_done
from utils.cli import PROJECT_ROOT, UserError, from_here_or_project
from utils.files import sha256_path, sha256_text

PAIRS, TRAIN = "generate_phase2_data.py", "stage_b_dpo_training.py"
EVALUATE, COUNTERFACTUAL = "evaluation_stage_a/evaluate_stage_a.py", "benchmarks/counterfactual.py"
TRAIN_NOTES = "train_set_processed.csv"
NOTES = {"val": "validation_set_processed.csv", "test": "test_set_processed.csv"}
# Options of steps 1 and 2 that decide the outcome.
OF_PAIRS = ("on_policy_share", "samples_per_note", "temperature", "negatives_per_note", "strategies")
OF_LOSS = ("loss_type", "loss_weights", "reference_free")
OF_TRAINING = (
    *("learning_rate", "num_epochs", "beta", "batch_size", "gradient_accumulation_steps", "keep_hardest"),
    *("average_steps", "force"),
)
# The control arm's loss, one of TRL's: the mean cross entropy of the chosen summaries' tokens, as SFT has it.
SFT = "sft"

# Code whose change makes a script's output another one.
CODE = {
    PAIRS: ("adversarial", "clinical"),
    TRAIN: ("preference/averaging.py", "preference/trainer.py", "preference/training.py"),
    EVALUATE: ("evaluation_stage_a", "clinical", "utils/decoding.py", "utils/padded_decoding.py"),
    COUNTERFACTUAL: ("clinical",),
}
# Seconds on 2 CPU cores, a fifth above those of make outcome on 2026-11-23: of one sampled summary, of a pair in an
# epoch and in the reference pass, of a summary in step 3, and of what a step does before and after.
SAMPLE, PAIR, REFERENCE, SUMMARY, AROUND = 1.1, 1.4, 0.5, 1.3, 30.0
# Journals of generated texts: a step takes from them what has the same model, note and settings.
TEXTS = {PAIRS: ("train_samples.jsonl", "val_samples.jsonl"), EVALUATE: ("generated.journal.jsonl",)}
VAL_PAIRS = 40  # for the validation loss, which decides nothing here
LEAST_PAIRS = 100  # fewer would show nothing
CHANGES_A_NOTE = 2  # facts changed, each alone; more of one note tell less
SEED = 42


@dataclass(frozen=True)
class Plan:
    """The steps for given options and a number of training pairs in each round.

    ``reads`` tells this Stage A and these notes from others.
    """

    args: argparse.Namespace
    pairs: int
    reads: str

    def steps(self) -> list[Step]:
        """All steps in their order. Stage B trains before the control arm, which reads its reference from disk."""
        stage_a = self.args.sft_model_path
        trained = [arm for arm in ("stage_b", "control") if arm not in self.args.leave_out]
        models = dict.fromkeys(("stage_a", *trained), stage_a)
        steps = []
        for number in range(1, self.args.rounds + 1):
            made = self.pairs_from(models["stage_b"], number)
            arms = {arm: self.training(arm, models[arm], made.folder, number) for arm in trained}
            models |= {arm: str(step.folder / "final_model") for arm, step in arms.items()}
            steps += [made, *arms.values()]
        before = self.evaluation("stage_a", stage_a)
        steps += [before, *(self.evaluation(arm, models[arm], before.folder) for arm in reversed(trained))]
        if "counterfactual" not in self.args.leave_out:
            steps.append(self.counterfactual(stage_a, models["stage_b"]))
        return steps

    def pairs_from(self, model: str, number: int) -> Step:
        """Step 1 with a model's own summaries, of other notes in each round."""
        args, notes = self.args, self.notes_used()
        train, val = self._count(TRAIN_NOTES), self._count(NOTES["val"])
        options = {
            "phase1_dir": args.phase1_dir,
            "on_policy": True,
            "sft_model_path": model,
            "adversarial_ratio": max(notes, 1) / train,
            **self._given(OF_PAIRS),
            "seed": SEED + number - 1,
        }
        makes = f"pairs from {notes:.0f} of the training notes"
        seconds = notes * (1 + val / train) * args.samples_per_note * SAMPLE
        return self._step(_name("pairs", number), makes, PAIRS, options, seconds, into=("--phase2_dir", "{folder}"))

    def training(self, arm: str, model: str, pairs: Path, number: int) -> Step:
        """Step 2, with the losses that were asked for or, for the control arm, with SFT's."""
        args = self.args
        loss = {"loss_type": SFT} if arm == "control" else self._given(OF_LOSS)
        options = {**self.training_options(model, pairs), **loss}
        known = arm == "control" and number == 1  # the reference is Stage A for both
        makes = f"{'SFT' if arm == 'control' else 'Stage B'} on {self.pairs} pairs, {args.num_epochs:g} epochs"
        seconds = self.pairs * (args.keep_hardest * args.num_epochs * PAIR + (0 if known else REFERENCE))
        return self._step(_name(arm, number), makes, TRAIN, options, seconds)

    def training_options(self, model: str, pairs: Path) -> dict[str, Any]:
        """Step 2's options, but for the losses."""
        return {
            "sft_model_path": model,
            "train_data_path": pairs / "train_dpo.jsonl",
            "val_data_path": pairs / "val_dpo.jsonl",
            "max_train_pairs": max(self.pairs, 1),
            "max_val_pairs": VAL_PAIRS,
            "reference_dir": self.args.work_dir / "reference_log_probs",
            **self._given(OF_TRAINING),
        }

    def evaluation(self, arm: str, model: str, before: Path | None = None) -> Step:
        """Step 3, beside Stage A's where there is one."""
        args = self.args
        options = {
            "model_path": model,
            "test_data": self.test_data(),
            "max_examples": args.notes,
            "compare_with": before,
        }
        makes = f"{args.notes} {args.split} notes summarised and judged"
        return self._step(f"evaluate_{arm}", makes, EVALUATE, options, args.notes * SUMMARY)

    def counterfactual(self, stage_a: str, stage_b: str) -> Step:
        """Whether summaries follow a note in which one fact was changed, of Stage A and of Stage B."""
        args = self.args
        notes = -(-args.changes // CHANGES_A_NOTE)
        options = {
            "model_paths": [stage_a, stage_b],
            "phase1_dir": args.phase1_dir,
            "split": args.split,
            "notes": notes,
            "changes": args.changes,
            "work_dir": args.work_dir / "counterfactual",
        }
        makes, seconds = f"{args.changes} facts of {notes} notes changed", 2 * (notes + args.changes) * SUMMARY
        into = ("--output", "{folder}/counterfactual.json")
        return self._step("counterfactual", makes, COUNTERFACTUAL, options, seconds, into=into)

    def test_data(self) -> str:
        """The file of the notes that all arms summarise."""
        return f"{self.args.phase1_dir}/{NOTES[self.args.split]}"

    def notes_used(self) -> float:
        """How many training notes give the pairs, all at most."""
        return min(self.pairs / self.pairs_a_note(), self._count(TRAIN_NOTES))

    def pairs_a_note(self) -> float:
        """As many as are asked for: edited pairs make up for what samples do not give."""
        return self.args.negatives_per_note

    def _count(self, name: str) -> int:
        return _notes_in(from_here_or_project(self.args.phase1_dir) / name)

    def _given(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(self.args, name) for name in names}

    def _step(
        self, name: str, makes: str, script: str, options: dict[str, Any], seconds: float, **more: tuple[str, ...]
    ) -> Step:
        build = partial(make_step, self.args.work_dir, name, makes, script, options, **more)  # type: ignore[arg-type]
        return build(reads=self.reads + _hash_of(CODE[script]), expected=AROUND + seconds)


@cache
def _notes_in(path: Path) -> int:
    from evaluation_stage_a.examples import read_notes

    return len(read_notes(path).examples)


@cache
def _hash_of(rooms: tuple[str, ...]) -> str:
    return sha256_text(" ".join(sha256_path(PROJECT_ROOT / room) for room in rooms))


def _name(step: str, number: int) -> str:
    return step if number == 1 else f"{step}_{number}"


def pairs_that_fit(args: argparse.Namespace, reads: str, plan: type[Plan] = Plan) -> int:
    """With how many pairs in a round the whole takes ``--hours``, by what steps should take, linear in their number.

    Raises UserError where too few fit.
    """
    none, some = (sum(step.expected for step in plan(args, pairs, reads).steps()) for pairs in (0, LEAST_PAIRS))
    fit = int(LEAST_PAIRS * (args.hours * 3600 - none) / (some - none))
    if fit < LEAST_PAIRS:
        raise UserError(
            f"--hours {args.hours:g}: {max(fit, 0)} pairs fit beside {none / 60:.0f} minutes of other work, at least "
            f"{LEAST_PAIRS} are needed; give more hours, fewer --notes, or name --train_pairs"
        )
    return fit


def check_options(steps: Iterable[Step]) -> None:
    """Have each script read its options, and Stage B refuse what it would refuse, before the first one runs."""
    from preference.guards import check_options as check_training

    for step in steps:
        script = importlib.import_module(step.words[0].removesuffix(".py").replace("/", "."))
        options = script.build_parser().parse_args(step.words[1:])
        if step.words[0] == TRAIN:
            check_training(options)


def content(args: argparse.Namespace) -> str:
    """What tells this Stage A and these notes from others. Raises UserError where one is not there."""
    from utils.models import find_checkpoint

    checkpoint = find_checkpoint(args.sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    folder = from_here_or_project(args.phase1_dir)
    notes = [folder / name for name in (TRAIN_NOTES, *NOTES.values())]
    return sha256_text(" ".join(sha256_path(path) for path in (*checkpoint.folders.values(), *notes)))


def print_plan(args: argparse.Namespace, pairs: int, steps: Sequence[Step]) -> None:
    """What will be done, and how long it should take."""
    expected = [step.expected for step in steps]
    left = [step.expected for step in steps if seconds_if_done(step) is None]
    print(f"Outcome      {args.notes} {args.split} notes, {pairs} pairs a round, {args.num_epochs:g} epochs")
    print(f"Steps        {len(steps)}, {len(steps) - len(left)} of them done; about {minutes(sum(left))} left")
    if sum(expected) > args.hours * 3600:
        print(f"Warning      all of them take about {minutes(sum(expected))} on 2 CPU cores, not {args.hours:g} hours")
    sys.stdout.flush()


def share_texts(step: Step) -> None:
    """Begin a pilot's step with the texts that the same steps of other pilots have generated."""
    from utils.files import make_output_dir, read_journal
    from utils.records import write_jsonl

    for name in TEXTS.get(step.words[0], ()):
        journals = sorted(step.folder.parent.glob(f"*/{name}"))
        found = {json.dumps(entry, sort_keys=True): entry for path in journals for entry in read_journal(path)}
        if found and not (step.folder / name).exists():
            write_jsonl(make_output_dir(step.folder) / name, found.values())
