"""How well a bag of words, or length alone, tells rejected from chosen summaries: cross-validated by note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from adversarial.audit.pairs import AuditedPair, words_of

Scores = NDArray[np.float64]

FOLDS = 5
MIN_PAIRS = 50  # below, an AUC's interval is about as wide as its range
_TOKEN = r"\w+|[^\w\s]"  # punctuation too: it may give a template away
_Z95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """A share or an AUC with its 95 % interval, robust to pairs of one note being alike."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Separation:
    """What a scorer makes of some pairs.

    ``auc``: the chance that a random rejected summary scores above a random chosen one, of any note.
    ``side_by_side``: the share of pairs in which the rejected one scores above its own chosen one.
    """

    pairs: int
    notes: int
    auc: Interval
    side_by_side: Interval


@dataclass(frozen=True)
class PairScores:
    """One score for each side of each pair (a higher one means "rejected"), and the note of each pair."""

    chosen: Scores
    rejected: Scores
    notes: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> PairScores:
        """The scores of some of the pairs."""
        return PairScores(self.chosen[mask], self.rejected[mask], self.notes[mask])


def separation(scores: PairScores) -> Separation:
    """AUC and within-pair share of these scores, with intervals by note."""
    n = len(scores.chosen)
    below = _share_below(scores.rejected, scores.chosen)  # of the chosen, for each rejected
    above = 1 - _share_below(scores.chosen, scores.rejected)  # of the rejected, for each chosen
    wins = (scores.rejected > scores.chosen) + 0.5 * (scores.rejected == scores.chosen)
    return Separation(
        pairs=n,
        notes=len(np.unique(scores.notes)),
        auc=_interval(float(below.mean()), (below + above) / 2, scores.notes, per_pair=2),
        side_by_side=_interval(float(wins.mean()), wins, scores.notes),
    )


def _share_below(values: Scores, others: Scores) -> Scores:
    ordered = np.sort(others)
    left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (left + right) / (2 * len(others))


def _interval(value: float, parts: Scores, notes: NDArray[np.int64], per_pair: int = 1) -> Interval:
    """Obuchowski (Biometrics 1997) for a clustered AUC; with one part a pair, the usual cluster-robust interval."""
    _, cluster = np.unique(notes, return_inverse=True)
    sums = np.bincount(cluster, weights=per_pair * (parts - value))
    clusters = len(sums)
    if clusters < 2:
        return Interval(value, 0.0, 1.0)
    error = float(np.sqrt(clusters / (clusters - 1) * (sums**2).sum())) / len(parts)
    return Interval(value, max(0.0, value - _Z95 * error), min(1.0, value + _Z95 * error))


class WordProbes:
    """Out-of-fold scores of bag-of-words classifiers for the pairs of one source.

    The unit is the pair: a chosen summary is fitted once, with the number of its pairs as weight, and all that share
    a note or a summary stay in one fold. Vocabulary and document frequencies come from all folds; they know no labels.
    """

    def __init__(self, pairs: Sequence[AuditedPair]) -> None:
        self.pairs = pairs
        chosen, rejected = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
        self._texts = list(dict.fromkeys(chosen + rejected))
        place = {text: index for index, text in enumerate(self._texts)}
        self._chosen = np.array([place[text] for text in chosen])
        self._rejected = np.array([place[text] for text in rejected])
        self.groups = summary_groups(pairs)
        counter = CountVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=_TOKEN, dtype=np.float64)
        self._counts: csr_matrix = counter.fit_transform(self._texts)

    def of_response(self) -> PairScores:
        """Scores of a TF-IDF (1-2-grams) logistic regression on the summary alone."""
        return self._scored(TfidfTransformer(sublinear_tf=True).fit_transform(self._counts))

    def of_prompt_and_response(self, prompts: Mapping[str, str]) -> PairScores:
        """The same with the words of the prompt beside them; linear, so it cannot compare the two."""
        notes = list(dict.fromkeys(pair.note_id for pair in self.pairs))
        place = {note: index for index, note in enumerate(notes)}
        of_notes = TfidfVectorizer(min_df=2, token_pattern=_TOKEN).fit_transform(prompts[note] for note in notes)
        note_of_text = np.zeros(len(self._texts), dtype=np.int64)
        rows = np.array([place[pair.note_id] for pair in self.pairs])
        note_of_text[self._chosen] = rows
        note_of_text[self._rejected] = rows
        responses = TfidfTransformer(sublinear_tf=True).fit_transform(self._counts)
        return self._scored(hstack([responses, of_notes[note_of_text]], format="csr"))

    def side_by_side(self) -> PairScores:
        """Scores of a classifier that is fitted to the difference of the two sides: the shortcut that DPO could take.

        A Bradley-Terry model on the words and word pairs that only one side has, blind to the note.
        """
        present = (self._counts > 0).astype(np.float64)
        difference = present[self._rejected] - present[self._chosen]
        scores = np.zeros(len(self.pairs))
        for train, held_out in self._folds(self.groups):
            both_ways = vstack([difference[train], -difference[train]], format="csr")
            labels = np.repeat([1, 0], len(train))
            model = _regression(fit_intercept=False).fit(both_ways, labels)
            scores[held_out] = model.decision_function(difference[held_out])
        return PairScores(np.zeros(len(scores)), scores, self.groups)

    def _scored(self, features: csr_matrix) -> PairScores:
        """Fit on four fifths of the groups, score the fifth; distinct (text, label) rows weighted by their pairs."""
        texts = np.concatenate([self._chosen, self._rejected])
        labels = np.repeat([0, 1], len(self.pairs))
        rows, first, weights = np.unique(
            2 * texts + labels, return_index=True, return_counts=True
        )  # a text may stand on both sides
        groups = np.concatenate([self.groups, self.groups])[first]
        of_row = np.zeros(len(rows))
        for train, held_out in self._folds(groups):
            model = _regression().fit(features[rows[train] // 2], rows[train] % 2, sample_weight=weights[train])
            of_row[held_out] = model.decision_function(features[rows[held_out] // 2])
        place = np.searchsorted(rows, 2 * texts + labels)
        scores = of_row[place]
        return PairScores(scores[: len(self.pairs)], scores[len(self.pairs) :], self.groups)

    @staticmethod
    def _folds(groups: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        return list(GroupKFold(FOLDS).split(groups, groups=groups))


def _regression(fit_intercept: bool = True) -> LogisticRegression:
    return LogisticRegression(solver="liblinear", fit_intercept=fit_intercept, random_state=0)


def can_be_probed(pairs: Sequence[AuditedPair]) -> bool:
    """Whether there are enough pairs, and enough independent notes to cross-validate over."""
    return len(pairs) >= MIN_PAIRS and len(np.unique(summary_groups(pairs))) >= 2 * FOLDS


def length_scores(pairs: Sequence[AuditedPair]) -> dict[str, PairScores]:
    """Length as the score, in characters and in words; nothing is fitted."""
    notes = summary_groups(pairs)
    units = {"characters": len, "words": lambda text: len(words_of(text))}
    return {
        unit: PairScores(
            np.array([float(size(pair.chosen)) for pair in pairs]),
            np.array([float(size(pair.rejected)) for pair in pairs]),
            notes,
        )
        for unit, size in units.items()
    }


def absent_word_scores(pairs: Sequence[AuditedPair], prompts: Mapping[str, str]) -> PairScores:
    """Words of the summary that the note lacks, as the score: what a reader who only looks up words would see."""
    known = {note: frozenset(words_of(prompt)) for note, prompt in prompts.items()}

    def absent(text: str, note: str) -> float:
        return float(len(set(words_of(text)) - known[note]))

    return PairScores(
        np.array([absent(pair.chosen, pair.note_id) for pair in pairs]),
        np.array([absent(pair.rejected, pair.note_id) for pair in pairs]),
        summary_groups(pairs),
    )


def summary_groups(pairs: Sequence[AuditedPair]) -> NDArray[np.int64]:
    """A number for each pair: the same for pairs that share a note or a summary, however indirectly."""
    parent = list(range(len(pairs)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, pair in enumerate(pairs):
        for key in (("note", pair.note_id), ("text", pair.chosen), ("text", pair.rejected)):
            one, two = root(first.setdefault(key, index)), root(index)
            parent[max(one, two)] = min(one, two)
    return np.array([root(index) for index in range(len(pairs))], dtype=np.int64)
