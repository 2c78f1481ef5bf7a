"""How well a score tells wrong summaries from right ones, with intervals from a bootstrap that draws whole notes.

Every figure is computed for all resamples at once, the first of which is the data itself: so figures of one bootstrap
may be subtracted, and the interval is that of the difference on the same notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.statistics import RESAMPLES


class Estimate(NamedTuple):
    """A figure with its 95 % bootstrap interval; None where there is nothing to compute it from."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None:
            return "no data"
        between = "no interval" if self.low is None else f"{self.low:.2f} to {self.high:.2f}"
        return f"{self.value:.2f} [{between}]"


def resample(notes: Sequence[str], seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each row is drawn, shape (1 + resamples, rows); ``notes[i]`` identifies the note of row i.

    The first line is ones. In the others as many notes as there are were drawn with replacement, each with all its
    rows: summaries of one note are not independent.
    """
    _, note_of = np.unique(np.asarray(notes), return_inverse=True)
    count = int(note_of.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.vstack([np.ones(len(note_of)), drawn[:, note_of]])


def share(weights: np.ndarray, events: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Of the rows ``among``, the share with ``events`` (both boolean), for each resample; NaN where there are none."""
    return _ratio(weights @ (events & among), weights @ among)


def auroc(
    weights: np.ndarray, scores: np.ndarray, wrong: np.ndarray, comparable: np.ndarray | None = None
) -> np.ndarray:
    """How often a wrong summary scores above a right one, ties counted half, for each resample.

    That is the area under the ROC curve (Hanley & McNeil 1982). ``comparable``, shape (rows, rows), restricts it to
    some pairs of a wrong row and a right one, such as those of equal length. NaN where there is no pair.
    """
    higher, lower = scores[wrong][:, None], scores[~wrong][None, :]
    won = (higher > lower) + 0.5 * (higher == lower)
    counted = np.ones_like(won) if comparable is None else comparable[np.ix_(wrong, ~wrong)].astype(float)
    of_wrong, of_right = weights[:, wrong], weights[:, ~wrong]
    return _ratio(
        np.sum(of_wrong @ (won * counted) * of_right, axis=1),
        np.sum(of_wrong @ counted * of_right, axis=1),
    )


def estimate(values: np.ndarray) -> Estimate:
    """A figure of all resamples as one estimate: the data's own value, the interval by percentiles of the others.

    Resamples that hold nothing to compute it from are left out.
    """
    value, drawn = values[0], values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value):
        return Estimate(None, None, None)
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (None, None)
    return Estimate(float(value), low if low is None else float(low), high if high is None else float(high))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(whole, np.nan, dtype=float), where=whole > 0)
