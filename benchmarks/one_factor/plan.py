"""What a sweep changes, one option at a time around a setting, and the steps that this takes."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from benchmarks.arms.plan import OF_LOSS, OF_TRAINING, PAIR, REFERENCE, TRAIN, VAL_PAIRS, Plan
from benchmarks.arms.steps import Step
from preference.guards import FULL_RATES, LORA_RATES
from utils.files import copy_folder

Options: TypeAlias = Mapping[str, Any]  # of step 2, as it parses them

LEARNING_RATES = (1e-6, 5e-6, 1e-5, 5e-5)
STAGE_A_S_RATE = 2e-4  # the original pipeline's: what if Stage B kept it?
ALL_WEIGHTS = {"lora_r": 0}
PLAIN = {"loss_type": ["sigmoid"], "loss_weights": None}
ANCHORED = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]}
FIRMLY_ANCHORED = {**ANCHORED, "loss_weights": [1.0, 1.0]}
ANCHOR_ALONE = {"loss_type": ["sft"], "loss_weights": None}  # no preference: what is left of the effect?
# The values of each factor; the setting's own is one of them wherever it lies. What people ask first comes first: a
# sweep that is cut off has answered that.
FACTORS: Mapping[str, Sequence[Options]] = {
    "learning_rate": tuple({"learning_rate": rate} for rate in (*LEARNING_RATES, STAGE_A_S_RATE)),
    "num_epochs": ({"num_epochs": 1.0}, {"num_epochs": 2.0}, {"num_epochs": 3.0}),
    "loss": (PLAIN, ANCHORED, FIRMLY_ANCHORED, ANCHOR_ALONE),
    "beta": ({"beta": 0.05}, {"beta": 0.1}, {"beta": 0.2}, {"beta": 0.5}),
    "all_weights": tuple({**ALL_WEIGHTS, "learning_rate": rate} for rate in LEARNING_RATES),
}
SETTING = "setting"
# A step on all weights beside one of LoRA: six operations a weight for four (a gradient of the weights as well), and
# AdamW on all of them. Not measured.
ALL_WEIGHTS_TIMES = 1.6


class Arm(NamedTuple):
    """One training: its name, and the options in which it differs from the setting."""

    name: str
    changes: Options


STAGE_A = Arm("stage_a", {})  # judged beside the arms, and trained by none of these steps


def setting_of(args: Any) -> dict[str, Any]:
    """The options of step 2 around which is swept."""
    return {name: getattr(args, name) for name in (*OF_TRAINING, *OF_LOSS)}


def points(factor: str, setting: Options) -> dict[str, Arm]:
    """The arms of one factor by its values in words, in their order; the one that changes nothing is the setting."""
    values = [dict(value) for value in FACTORS[factor]]
    own = {name: setting.get(name, value) for name, value in values[0].items()}
    values += [own] if own not in values else []
    values.sort(key=_size)
    return {in_words(value): _arm(factor, value, setting) for value in values}


def _size(value: Options) -> float:
    """By which the values of a factor are put in order: a number, or by how much SFT outweighs the other losses."""
    if "loss_type" not in value:
        return max(one for one in value.values() if isinstance(one, float))
    weights = dict(zip(value["loss_type"], value["loss_weights"] or itertools.repeat(1.0), strict=False))
    anchor = weights.pop("sft", 0.0)
    return anchor / sum(weights.values()) if weights else math.inf


def in_words(value: Options) -> str:
    """One value of a factor: a number, or losses with their weights."""
    if "loss_type" not in value:
        return f"{next(one for name, one in value.items() if name not in ALL_WEIGHTS):g}"
    losses = value["loss_type"]
    weights = value["loss_weights"] or [1.0] * len(losses)
    return " + ".join(
        loss if weight == 1 else f"{weight:g} {loss}" for loss, weight in zip(losses, weights, strict=True)
    )


def _arm(factor: str, value: Options, setting: Options) -> Arm:
    changes = {name: one for name, one in value.items() if name not in setting or setting[name] != one}
    name = re.sub(r"[^\w.-]+", "_", f"{factor}_{in_words(value)}")
    return Arm(name if changes else SETTING, changes)


def all_arms(factors: Iterable[Mapping[str, Arm]]) -> tuple[Arm, ...]:
    """The setting, then the other arms of all factors, each once."""
    arms = {SETTING: Arm(SETTING, {})}
    for factor in factors:
        arms.update((arm.name, arm) for arm in factor.values())
    return tuple(arms.values())


@dataclass(frozen=True)
class SweepPlan(Plan):
    """The steps of a sweep; ``full_model`` is Stage A as one plain model, for arms that train all weights."""

    arms: tuple[Arm, ...]
    full_model: str

    def steps(self) -> list[Step]:
        """Pairs and Stage A's summaries, then the training and the summaries of each arm.

        An arm that goes on with another one's run comes after its training, which may come before that one's turn.
        """
        stage_a = self.args.sft_model_path
        made, before = self.pairs_from(stage_a, 1), self.evaluation(STAGE_A.name, stage_a)
        steps = {step.name: step for step in (made, before)}
        scored: set[str] = set()  # models whose log-probs of the pairs are known by then
        for arm in self.arms:
            for each in (*self.begun_by(arm), arm):
                if training(each) not in steps:
                    steps[training(each)] = self.training_of(each, made.folder, scored=self.model(each) in scored)
                    scored.add(self.model(each))
            trained = steps[training(arm)].folder / "final_model"
            judged = self.evaluation(arm.name, str(trained), before.folder)
            steps[judged.name] = judged
        return list(steps.values())

    def training_of(self, arm: Arm, pairs: Path, *, scored: bool) -> Step:
        """Step 2 with an arm's options, as far as no other arm has done it.

        Rates that step 2 refuses are trained with here, because a sweep shows what they do.
        """
        options = self.options(arm)
        refused = (LORA_RATES if options.get("lora_r", 1) else FULL_RATES)[1]
        force = options["force"] or options["learning_rate"] >= refused
        words = {**self.training_options(self.model(arm), pairs), **options, "force": force}
        begun = self.begun_by(arm)
        epochs = options["num_epochs"] - (self.options(begun[-1])["num_epochs"] if begun else 0)
        an_epoch = self.pairs * options["keep_hardest"] * PAIR + VAL_PAIRS * REFERENCE
        seconds = epochs * an_epoch * (1 if options.get("lora_r", 1) else ALL_WEIGHTS_TIMES)
        seconds += 0 if scored else (self.pairs + VAL_PAIRS) * REFERENCE
        makes = f"{epochs:g} epochs on {self.pairs} pairs" + (f", going on from {begun[-1].name}" if begun else "")
        return self._step(training(arm), makes, TRAIN, words, seconds)

    def options(self, arm: Arm) -> dict[str, Any]:
        """The options of step 2 that decide an arm's figures."""
        return {**setting_of(self.args), **arm.changes}

    def model(self, arm: Arm) -> str:
        """The model that an arm begins with."""
        return self.args.sft_model_path if self.options(arm).get("lora_r", 1) else self.full_model

    def begun_by(self, arm: Arm) -> list[Arm]:
        """The arms whose runs are the beginning of this one's, by their epochs: all else alike, fewer whole epochs.

        The same whatever is swept, so that a sweep of other factors shares the setting's run.
        """
        if arm.changes.keys() - {"num_epochs"}:
            return []
        epochs = self.options(arm)["num_epochs"]
        fewer = ((one, self.options(one)["num_epochs"]) for one in self.by_epochs())
        return [one for one, its in fewer if its < epochs and its.is_integer()]

    def by_epochs(self) -> list[Arm]:
        """The setting with more and more epochs, swept or not."""
        return list(points("num_epochs", setting_of(self.args)).values())

    def needed(self, arm: Arm) -> list[str]:
        """The names of the steps without which an arm has no figures."""
        return [*(training(each) for each in (*self.begun_by(arm), arm)), judging(arm)]

    def hand_on(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Give a run that is done to the arm that goes on with it, if that has not begun.

        Its files are linked where the file system can: step 2 replaces them, and writes into none.
        """
        for arm in self.by_epochs():
            begun = self.begun_by(arm)
            if not begun or training(arm) not in steps or step.name != training(begun[-1]):
                continue
            runs = steps[training(arm)].folder / "runs"
            if not runs.exists():
                copy_folder(step.folder / "runs", runs)


def training(arm: Arm) -> str:
    """The name of the step that trains an arm."""
    return f"train_{arm.name}"


def judging(arm: Arm) -> str:
    """The name of the step that summarises with an arm's model, and judges the summaries."""
    return f"evaluate_{arm.name}"
