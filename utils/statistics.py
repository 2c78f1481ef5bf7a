"""Intervals and tests for rates; needs neither torch nor a model."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

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


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided exact McNemar p-value for paired yes/no outcomes (McNemar, Psychometrika 1947).

    ``fixed`` and ``broken`` count the discordant pairs; 1.0 where there are none.
    """
    from scipy.stats import binomtest

    if fixed + broken == 0:
        return 1.0
    return float(binomtest(fixed, fixed + broken, 0.5).pvalue)
