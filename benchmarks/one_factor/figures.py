"""The figures of a sweep's arms, from what steps 2 and 3 left behind, and which arms' curves are worth showing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.arms.figures import arm_figures, changes
from benchmarks.one_factor.plan import SETTING
from evaluation_stage_a.comparison import COVERAGE_MARGIN
from evaluation_stage_a.figures import as_json
from preference.callbacks import DISPLACED

if TYPE_CHECKING:
    import pandas as pd

Figures: TypeAlias = Mapping[str, Any]

# Training curves that the Guide shows, by the names of their files.
HEALTHY, TOO_FAST, FALLING, NOTHING = "healthy", "learning_rate_too_high", "chosen_falling", "nothing_learned"


def of_arm(
    options: Figures, trained: Figures, results: pd.DataFrame, stage_a: pd.DataFrame, setting: pd.DataFrame
) -> dict[str, Any]:
    """An arm's figures: its options, the results in its run's record, the rows of step 3, and those it is set against.

    The setting itself is not set against the setting.
    """
    return {
        "options": options,
        "training": of_training(trained, options["beta"]),
        "summaries": of_summaries(results),
        "against_stage_a": of_change(stage_a, results),
        "against_setting": None if results is setting else of_change(setting, results),
    }


def of_summaries(results: pd.DataFrame) -> dict[str, Any]:
    """How much of what a model says is wrong, by the notes' facts, and how much it says."""
    figures = arm_figures(results)
    named = ("summaries", "hallucination_rate", "coverage", "failed", "errors_by_type")
    oracle = {name: figures["oracle"][name] for name in named}
    return dict(as_json({**oracle, **{name: figures[name] for name in ("errors_per_summary", "median_words")}}))


def of_change(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """What changed on the same notes: summaries put right and made wrong, and changes with their intervals."""
    found = changes(before, after)
    turned = {name: found["oracle"][name] for name in ("fixed", "broken", "mcnemar_p")}
    ratio = found["says_as_much"]["median_length_ratio"]["ratio"]
    return dict(as_json({**turned, **found["oracle"]["changes"], "median_length_ratio": ratio}))


def of_training(results: Figures, beta: float) -> dict[str, float]:
    """What a run of step 2 ended with on the validation pairs: accuracy, and log-probs against Stage A's in nats.

    DPO's rewards are these log-probs times beta, so that rewards of different betas cannot be compared.
    """
    return {
        "chosen": results["val_chosen_reward"] / beta,
        "margin": results["val_margin"] / beta,
        "accuracy": results["val_accuracy"],
    }


def shown_curves(arms: Mapping[str, Figures]) -> dict[str, str]:
    """Whose training curves show what, by the arms' figures; no arm shows two things.

    Healthy: the fewest errors, arms last that lost coverage or let the chosen summaries fall. Learning rate too high:
    of the arms with a rate above the setting's, the one that gives the least of what is important. Chosen falling:
    where they have fallen most. Nothing learned: the smallest margin. An arm without preferences shows none of them.
    """
    usual = arms[SETTING]["options"]["learning_rate"]

    def health(arm: Figures) -> tuple[bool, bool, float]:
        lost = arm["against_stage_a"]["coverage"]["difference"] < -COVERAGE_MARGIN
        return lost, arm["training"]["chosen"] < -DISPLACED, arm["summaries"]["errors_per_summary"]

    rules: dict[str, tuple[Callable[[Figures], bool], Callable[[Figures], Any]]] = {
        HEALTHY: (lambda arm: True, health),
        TOO_FAST: (lambda arm: arm["options"]["learning_rate"] > usual, lambda arm: arm["summaries"]["coverage"]),
        FALLING: (lambda arm: arm["training"]["chosen"] < 0, lambda arm: arm["training"]["chosen"]),
        NOTHING: (lambda arm: True, lambda arm: arm["training"]["margin"]),
    }
    left, shown = {name: arm for name, arm in arms.items() if arm["options"]["loss_type"] != ["sft"]}, {}
    for title, (fits, order) in rules.items():
        fitting = [name for name, arm in left.items() if fits(arm)]
        if fitting:
            shown[title] = min(fitting, key=lambda name: order(left[name]))
            del left[shown[title]]
    return shown
