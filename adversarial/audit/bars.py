"""The bars that the pairs have to clear, and what to do about each that they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PASS: Final = "pass"
WARN: Final = "warn"
FAIL: Final = "fail"
Status = Literal["pass", "warn", "fail"]
Unit = Literal["auc", "share", "count"]


@dataclass(frozen=True)
class Limit:
    """What a figure is held to. One that is not ``binding`` warns and never fails.

    The AUC bars are stricter than the usual warning at 0.60 and failure at 0.70: edits are under our control, so the
    best that they can be is what they should be.
    """

    key: str
    title: str
    unit: Unit
    limit: float
    meaning: str
    remedy: str
    at_most: bool = True
    binding: bool = True


LIMITS: dict[str, Limit] = {
    limit.key: limit
    for limit in (
        Limit(
            "response_auc",
            "Told apart by their words alone",
            "auc",
            0.60,
            "A bag-of-words classifier that never sees the note ranks a random rejected summary above a random chosen "
            "one this often; 0.50 is guessing.",
            "See which kind of edit stands out in the chart by kind, and which phrases negatives gain; draw its "
            "replacements as often as real summaries use them, and as often in one direction as in the other.",
        ),
        Limit(
            "length_auc",
            "Told apart by their length",
            "auc",
            0.55,
            "The same with nothing but the number of characters or words, whichever tells more, in either direction.",
            "Replace instead of inserting, and replace by text of the same length.",
        ),
        Limit(
            "side_by_side",
            "Told apart side by side",
            "share",
            0.60,
            "Shown both summaries of a pair and no note, a classifier fitted to their difference picks the rejected "
            "one this often. Stricter than the first bar, because everything that the two share cancels.",
            "As for the first bar; the phrases that negatives gain and lose are what it uses.",
            binding=False,
        ),
        Limit(
            "length_ratio",
            "Rejected within 0.9 to 1.1 of the chosen length",
            "share",
            0.90,
            "Share of pairs, in characters.",
            "Narrow the length check on the negatives, or replace by text of the same length.",
            at_most=False,
        ),
        Limit(
            "insertions",
            "Negatives that only add text",
            "share",
            0.10,
            "Pairs in which every word of the chosen summary is kept and others are put in.",
            "Cap the operators that insert; put something true out of the summary where a false thing comes in.",
        ),
        Limit(
            "template",
            "The same string put in again and again",
            "share",
            0.01,
            "The share of pairs that the most frequent inserted string of three or more words is in. Shorter ones are "
            "vocabulary (left for right has to recur) and are held to the next bar.",
            "Draw that string from more sources, or less often: it is a template.",
        ),
        Limit(
            "one_sided",
            "A string put in more often than taken out",
            "share",
            0.01,
            "Inserted less removed, in shares of all pairs, for the string of any length where that is largest: "
            "what comes in as often as it goes out tells nothing.",
            "Draw the replacement less often, or make the edit in the other direction too.",
        ),
        Limit(
            "directions",
            "One direction more often than the other",
            "share",
            0.60,
            "The larger share of left to right or right to left, up or down, and so on, where it is largest among "
            "those that the interval proves to be uneven.",
            "Make that edit as often in the other direction.",
            binding=False,
        ),
        Limit(
            "duplicates",
            "Pairs that are there twice or say nothing",
            "count",
            0,
            "The same note, chosen and rejected again; or chosen and rejected alike.",
            "Remove them: they weigh a pair double, or teach nothing.",
        ),
        Limit(
            "contradictions",
            "Rejected here, chosen there",
            "count",
            0,
            "Texts that are rejected in one pair and chosen in another of the same note.",
            "Remove one of the two: they cancel in training.",
        ),
        Limit(
            "leakage",
            "Notes on both sides of a split",
            "count",
            0,
            "Notes of the training pairs that are also among validation or test notes.",
            "Set those notes aside in one of the files: validation and test have to be unseen.",
        ),
    )
}


@dataclass(frozen=True)
class Bar:
    """A figure beside its limit. ``value`` is None where there was too little to measure."""

    key: str
    title: str
    unit: Unit
    value: float | None
    low: float | None
    high: float | None
    limit: float
    at_most: bool
    binding: bool
    status: Status
    detail: str
    meaning: str
    remedy: str

    def __str__(self) -> str:
        """The bar in one line: what it is, its figure, its limit."""
        sign = {PASS: "✓", WARN: "!", FAIL: "✗"}[self.status]
        reached = "too little to measure" if self.value is None else _written(self.value, self.unit)
        limit = f"{'at most' if self.at_most else 'at least'} {_written(self.limit, self.unit)}"
        return f"{sign} {self.title}: {reached} ({limit})"


def _written(value: float, unit: Unit) -> str:
    return {"auc": f"{value:.2f}", "share": f"{value:.1%}", "count": f"{value:,.0f}"}[unit]


def hold(
    key: str, value: float | None, *, interval: tuple[float, float] | None = None, detail: str = "", because: str = ""
) -> Bar:
    """Hold a figure to its limit.

    Fails where the figure itself is beyond the limit; warns where only its interval reaches beyond, where the limit
    is advice, and where there was nothing to measure (``because`` says why).
    """
    limit = LIMITS[key]
    low, high = interval or (None, None)
    return Bar(
        key=key,
        title=limit.title,
        unit=limit.unit,
        value=value,
        low=low,
        high=high,
        limit=limit.limit,
        at_most=limit.at_most,
        binding=limit.binding,
        status=_status(limit, value, interval),
        detail=detail or because,
        meaning=limit.meaning,
        remedy=limit.remedy,
    )


def _status(limit: Limit, value: float | None, interval: tuple[float, float] | None) -> Status:
    if value is None:
        return WARN
    if _beyond(limit, value):
        return FAIL if limit.binding else WARN
    reach = None if interval is None else interval[1 if limit.at_most else 0]
    return WARN if limit.binding and reach is not None and _beyond(limit, reach) else PASS


def _beyond(limit: Limit, value: float) -> bool:
    return value > limit.limit if limit.at_most else value < limit.limit
