"""What the labels say: the JSON document, the rate with its interval, the guide's rule and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from assessment.session import TYPES, Item, State, answers, labels, stale_ids
from utils.hostile_text import visible
from utils.statistics import Rate, wilson

THRESHOLD = 0.15  # from the guide this project follows: "Hallucination Rate: > 15%" -> "Proceed to Stage B"


def above_rule(rate: Rate) -> bool:
    """The guide's point rule, for a rate of at least one label."""
    return rate.events / rate.total > THRESHOLD


def interval_answer(rate: Rate) -> Literal["above", "below", "unclear"]:
    """Where the whole interval lies: above the threshold, at or below it, or on both sides."""
    if rate.low is None or rate.high is None:
        return "unclear"
    if rate.low > THRESHOLD:
        return "above"
    return "below" if rate.high <= THRESHOLD else "unclear"


def results_document(state: State, items: Sequence[Item], timestamp: str) -> dict[str, Any]:
    """The content of ``manual_assessment.json``: the labels that count, in the order in which they were given."""
    assessments = [
        {
            "example_id": decision.key[0],
            "has_hallucination": decision.has_hallucination,
            "hallucination_type": decision.hallucination_type,
            "timestamp": decision.timestamp,
            "seconds": decision.seconds,
            "text_sha256": decision.key[1],
        }
        for decision in labels(state, items)
    ]
    return {"total_assessed": len(assessments), "timestamp": timestamp, "assessments": assessments}


def summary_text(state: State, items: Sequence[Item]) -> str:
    """Counts, rate, rule and how sure it is, as lines of at most 80 characters (ids apart)."""
    counted = labels(state, items)
    skipped = len(answers(state, items)) - len(counted)
    unseen = len(items) - len(counted) - skipped
    lines = [f"Labelled      {len(counted)} of {len(items)} ({skipped} skipped, {unseen} not seen)"]
    lines += stale_lines(state, items)
    if not counted:
        return "\n".join([*lines, "", "Nothing is labelled yet: no rate, no verdict."])
    hallucinated = [decision for decision in counted if decision.has_hallucination]
    rate = wilson(len(hallucinated), len(counted))
    lines.append(
        f"Hallucinated  {rate.events} of {rate.total} = {_percent(rate.share)} "
        f"(95 % Wilson interval {_percent(rate.low)} to {_percent(rate.high)})"
    )
    kinds = Counter(decision.hallucination_type for decision in hallucinated)
    lines += [f"  {name or 'no kind given':<20}{kinds[name]:>4}" for name in (*TYPES, None)]
    return "\n".join([*lines, "", *_verdict_lines(rate), "", *_certainty_lines(rate, len(items) - rate.total)])


def stale_lines(state: State, items: Sequence[Item]) -> list[str]:
    """Which labels do not count, because their row is not what was labelled."""
    changed, gone = stale_ids(state, items)
    lines = []
    if changed:
        lines.append(f"Not counted   {len(changed)}: the row's text changed since it was labelled: {_ids(changed)}")
    if gone:
        lines.append(f"Not counted   {len(gone)}: no such row in this file: {_ids(gone)}")
    return lines


def report_text(state: State, items: Sequence[Item], source: str, annotator: str | None, timestamp: str) -> str:
    """The content of ``assessment_report.txt``."""
    heading = [f"MANUAL ASSESSMENT OF {visible(source)}", f"Written       {timestamp}"]
    if annotator:
        heading.append(f"Annotator     {annotator}")
    return "\n".join([*heading, summary_text(state, items)]) + "\n"


def _verdict_lines(rate: Rate) -> list[str]:
    if not above_rule(rate):
        return [f"Rule          {_percent(rate.share)} is not above {_percent(THRESHOLD)}: READY"]
    return [
        f"Rule          {_percent(rate.share)} is above {_percent(THRESHOLD)}: PROCEED TO STAGE B (again)",
        "  python generate_phase2_data.py",
        "  python stage_b_dpo_training.py",
        "If Stage B wrote these summaries, train it for one epoch more (--num_epochs 3)",
        "or with a stronger preference (--beta 0.2).",
    ]


def _certainty_lines(rate: Rate, unlabelled: int) -> list[str]:
    answer = interval_answer(rate)
    if answer == "above":
        return [f"How sure      CLEARLY ABOVE: the whole interval is above {_percent(THRESHOLD)}."]
    if answer == "below":
        return [f"How sure      CLEARLY BELOW: the whole interval is at or below {_percent(THRESHOLD)}."]
    more = (
        f"Label what is left ({unlabelled}), then look again."
        if unlabelled
        else "Evaluate more notes (--max_examples) and label those."
    )
    return [
        f"How sure      NOT ENOUGH LABELS TO TELL: {_percent(THRESHOLD)} lies inside the interval, so",
        "the rule's answer may be chance.",
        more,
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _ids(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(visible(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
