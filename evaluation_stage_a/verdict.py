"""What the figures mean, in plain language: above or below the threshold, better or not, and at what price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.html_page import percent
from utils.statistics import THRESHOLD, Change, Rate, interval_answer, total_needed

ORACLE, SCREEN = "oracle", "screen"
SIGNIFICANT = 0.05  # the usual level of a test
_BY = {ORACLE: "By the known facts", SCREEN: "By the screen"}
_WRONG = {ORACLE: "hold an error", SCREEN: "hold a flagged claim"}
_AS_MUCH = {"coverage": "important facts given", "rouge_l": "ROUGE-L", "median_length_ratio": "length"}


def decide(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Where the rate lies against the threshold: by the oracle where it judged every summary, else by the screen.

    ``answer`` is ``above``, ``below`` or ``unclear``; ``summaries_needed`` is how many would tell, if the share stayed.
    """
    exact = "oracle" in figures and figures["oracle"]["summaries"] == figures["summaries"]
    rate = figures["oracle"]["hallucination_rate"] if exact else figures["screened_hallucination_rate"]
    return {
        "judge": ORACLE if exact else SCREEN,
        "threshold": THRESHOLD,
        "rate": rate,
        "answer": interval_answer(rate),
        "summaries_needed": total_needed(rate),
    }


def headline(verdict: Mapping[str, Any]) -> str:
    """The answer in a few words, and whose it is."""
    by = _BY[verdict["judge"]]
    if verdict["answer"] == "unclear":
        return f"{by}, not enough notes to tell whether the rate is above {percent(THRESHOLD)}"
    return f"{by}, the rate is {verdict['answer']} {percent(THRESHOLD)}"


def explained(verdict: Mapping[str, Any]) -> str:
    """The rate behind the answer, and what would make it sure."""
    rate: Rate = verdict["rate"]
    judge = verdict["judge"]
    if rate.share is None or rate.low is None or rate.high is None:
        return "There is no summary to judge."
    said = (
        f"{rate.events} of {rate.total} summaries {_WRONG[judge]}: {percent(rate.share)}, "
        f"95 % interval {percent(rate.low)} to {percent(rate.high)}."
    )
    if verdict["answer"] == "unclear":
        needed = verdict["summaries_needed"]
        enough = f"About {needed:,} notes would tell" if needed else "No number of notes would tell"
        said += f" {percent(THRESHOLD)} lies inside. {enough}, if the share stayed as it is."
    if judge == SCREEN:
        said += " A screen is not the truth: it misses errors and flags some sound claims. Labels (step 4) decide."
    return said


def change_in_words(comparison: Mapping[str, Any]) -> list[str]:
    """What changed between two models, and whether the later one only says less; one sentence each."""
    turned = comparison.get("oracle", comparison)
    by = _BY[ORACLE if "oracle" in comparison else SCREEN]
    fixed, broken, p = turned["fixed"], turned["broken"], turned["mcnemar_p"]
    if p < SIGNIFICANT:
        meaning = "fewer summaries are wrong" if fixed > broken else "MORE summaries are wrong"
    else:
        meaning = "the difference may be chance"
    said = [f"{by}, {fixed} summaries were fixed and {broken} broken: {meaning} (exact McNemar, p = {p:.2g})."]
    answers = {name: found["answer"] for name, found in comparison["says_as_much"].items()}
    for answer, text in (
        ("lost", "It says less than before ({}): fewer errors may only be fewer words."),
        ("unclear", "Too few notes to tell whether it says as much ({})."),
        ("longer", "It says more than before ({}): look at the errors by claim too."),
    ):
        names = [_AS_MUCH[name] for name, given in answers.items() if given == answer]
        if names:
            said.append(text.format(", ".join(names)))
    if set(answers.values()) == {"held"}:
        said.append("It says as much as before: important facts, ROUGE-L and length hold.")
    return said


def signed(change: Change | None, scale: float = 1, digits: int = 2) -> str:
    """A change with its interval: -0.12 [-0.20 to -0.04]."""
    if change is None:
        return "no data"
    said = f"{scale * change.difference:+z.{digits}f}"
    if change.low is None or change.high is None:
        return said
    return f"{said} [{scale * change.low:+z.{digits}f} to {scale * change.high:+z.{digits}f}]"
