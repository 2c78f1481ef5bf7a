"""Intervals and tests for rates, alone and of the same notes twice; needs neither torch nor a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

THRESHOLD = 0.15  # from the guide this project follows: "Hallucination Rate: > 15%" -> "Proceed to Stage B"
RESAMPLES = 2000  # of a bootstrap: its 2.5 % tails then hold 50 each
Z_95 = NormalDist().inv_cdf(0.975)  # standard errors on either side of a 95 % interval


class Rate(NamedTuple):
    """``events`` of ``total``, with a 95 % Wilson score interval; all three shares are None when ``total`` is 0."""

    events: int
    total: int
    share: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.share is None or self.low is None or self.high is None:
            return "no data"
        return f"{self.events}/{self.total} = {self.share:.0%} [{self.low:.0%} to {self.high:.0%}]"


def wilson(events: int, total: int) -> Rate:
    """A rate with its 95 % score interval (Wilson, JASA 1927)."""
    if total == 0:
        return Rate(0, 0, None, None, None)
    weight = total + Z_95**2
    centre = (events + Z_95**2 / 2) / weight
    half = Z_95 / weight * math.sqrt(events * (total - events) / total + Z_95**2 / 4)
    low = centre - half if events > 0 else 0.0  # exactly, where rounding would leave a trace
    high = centre + half if events < total else 1.0
    return Rate(events, total, events / total, low, high)


def above_rule(rate: Rate) -> bool:
    """The guide's point rule, for a rate of at least one summary."""
    return rate.events / rate.total > THRESHOLD


def interval_answer(rate: Rate) -> Literal["above", "below", "unclear"]:
    """Where the whole interval lies: above the threshold, at or below it, or on both sides."""
    if rate.low is None or rate.high is None:
        return "unclear"
    if rate.low > THRESHOLD:
        return "above"
    return "below" if rate.high <= THRESHOLD else "unclear"


def total_needed(rate: Rate) -> int | None:
    """With how many summaries in all the interval would lie on one side of the threshold, if the share stayed as it is.

    The Wilson interval leaves out p0 exactly when the score test rejects it, |p - p0| > z sqrt(p0 (1 - p0) / n); this
    is solved for n. None where the share is the threshold itself, or there is none: then no number is enough.
    """
    if rate.share is None or rate.share == THRESHOLD:
        return None
    return math.floor(Z_95**2 * THRESHOLD * (1 - THRESHOLD) / (rate.share - THRESHOLD) ** 2) + 1


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided exact McNemar p-value for paired yes/no outcomes (McNemar, Psychometrika 1947).

    ``fixed`` and ``broken`` count the discordant pairs; 1.0 where there are none.
    """
    from scipy.stats import binomtest

    if fixed + broken == 0:
        return 1.0
    return float(binomtest(fixed, fixed + broken, 0.5).pvalue)


class Parts(NamedTuple):
    """A figure of one model as a ratio of sums over notes: ``sum(counts) / sum(totals)``, one number a note in each.

    Wrong claims of all claims are such a ratio; so is a mean, whose totals are all 1.
    """

    counts: Sequence[float]
    totals: Sequence[float]


class Change(NamedTuple):
    """A figure ``before`` and ``after``, and the 95 % interval of the difference; None for a single note."""

    before: float
    after: float
    difference: float
    low: float | None
    high: float | None


def paired_change(before: Parts, after: Parts, seed: int = 0) -> Change | None:
    """How a figure changed on the same notes; the interval by a paired bootstrap that draws whole notes.

    What a note holds (its claims, its sentences) stays together, so that the interval allows for some notes being
    harder than others (percentile method, Efron & Tibshirani 1993). ``before`` and ``after`` name the notes in the same
    order. None where either total is 0.
    """
    import numpy as np
    from scipy.stats import bootstrap

    data = [np.asarray(part, dtype=float) for part in (*before, *after)]
    if data[1].sum() == 0 or data[3].sum() == 0:
        return None

    def difference(*parts: np.ndarray, axis: int) -> np.ndarray:
        counts, totals, later_counts, later_totals = (part.sum(axis=axis) for part in parts)
        # A resample may hold nothing to count: then it counts nothing.
        return later_counts / np.maximum(later_totals, 1) - counts / np.maximum(totals, 1)

    was, now = data[0].sum() / data[1].sum(), data[2].sum() / data[3].sum()
    if len(data[0]) == 1:
        return Change(float(was), float(now), float(now - was), None, None)
    drawn = bootstrap(
        data, difference, paired=True, vectorized=True, n_resamples=RESAMPLES, method="percentile", rng=seed
    )
    return Change(float(was), float(now), float(now - was), *map(float, drawn.confidence_interval))
