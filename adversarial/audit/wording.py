"""What the negatives say more often than the summaries they were made from: strings, n-grams, directions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from adversarial.audit.pairs import AuditedPair, Change, words_of
from clinical.numbers import WORDS
from utils.statistics import Rate, wilson

# A string of fewer words is vocabulary, not a template: "left" for "right" must recur. It counts by its balance.
TEMPLATE_WORDS = 3
# Words of prior in the log-odds: a phrase has to be seen some ten times before it can stand out.
_PRIOR_WORDS = 1000.0
_LONGEST_NGRAM = 3
_BEYOND_CHANCE = 1.96  # |z|, two-sided 5 % for one phrase looked at alone
_SHORT_CHANGE = 6  # words on either side; in a longer one, a direction word may be there by chance
_EXAMPLE_CONTEXT = 32  # characters before and after


@dataclass(frozen=True)
class Axis:
    """A direction in which a fact may be turned: more words of ``gains`` or fewer of ``losses`` is forward."""

    name: str
    forward: str
    backward: str
    gains: frozenset[str]
    losses: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AXES: tuple[Axis, ...] = (
    Axis("side", "left to right", "right to left", _words("right right-sided"), _words("left left-sided")),
    Axis(
        "denial",
        "reported to denied",
        "denied to reported",
        _words("no not denied denies denying without negative absent never nor neither none"),
    ),
    Axis(
        "certainty",
        "stated to suspected",
        "suspected to stated",
        _words("possible possibly probable probably likely suspected presumed presumptive may might perhaps potential"),
        _words("confirmed proven definite established"),
    ),
    Axis(
        "start or stop",
        "started to stopped",
        "stopped to started",
        _words("stopped discontinued held withheld ceased paused suspended stop stops stopping"),
        _words("started initiated added begun began commenced new newly starts begins"),
    ),
    Axis(
        "raise or lower",
        "raised to lowered",
        "lowered to raised",
        _words("lowered reduced decreased lower reduces decreases tapered fell fallen dropped down"),
        _words("raised increased escalated higher increases rose risen climbed up"),
    ),
    Axis(
        "course",
        "better to worse",
        "worse to better",
        _words("worse worsened worsening deteriorated deteriorating"),
        _words("better improved improving resolved resolving"),
    ),
)


@dataclass(frozen=True)
class Direction:
    """How often facts were turned one way and the other; ``rate`` is the forward share with its interval."""

    name: str
    forward: str
    backward: str
    rate: Rate


@dataclass(frozen=True)
class Example:
    """Where a pair was changed: the words around, what stood there and what stands there now."""

    id: str
    before: str
    removed: str
    inserted: str
    after: str


@dataclass(frozen=True)
class InsertedString:
    """A whole string that pairs put in: how many of them, and how many take the same string out."""

    text: str
    inserted: int
    removed: int


@dataclass(frozen=True)
class Phrase:
    """An n-gram with its standardised log-odds: above 0, negatives gain it; below 0, they lose it."""

    text: str
    z: float
    inserted: int
    removed: int
    example: Example


def inserted_strings(pairs: Iterable[AuditedPair]) -> list[InsertedString]:
    """Every string that an edit puts in, most frequent first; each counts once a pair."""
    inserted, removed = _count_per_pair(pairs, lambda words: iter((" ".join(words),)) if words else iter(()))
    return [
        InsertedString(text, count, removed[text])
        for text, count in sorted(inserted.items(), key=lambda item: (-item[1], item[0]))
    ]


def most_repeated_template(strings: Iterable[InsertedString]) -> InsertedString | None:
    """The most frequent inserted string that is long enough to be a template."""
    long = [string for string in strings if len(string.text.split()) >= TEMPLATE_WORDS]
    return min(long, key=lambda string: (-string.inserted, string.text), default=None)


def most_one_sided(strings: Iterable[InsertedString]) -> InsertedString | None:
    """The inserted string, of any length, that is put in most often beyond what is taken out."""
    return min(strings, key=lambda string: (string.removed - string.inserted, string.text), default=None)


def log_odds(pairs: Sequence[AuditedPair], most: int) -> tuple[list[Phrase], list[Phrase]]:
    """The ``most`` phrases that negatives gain, and lose, most surely (|z| above ``_BEYOND_CHANCE``).

    Log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, Political Analysis 2008, eq. 16,
    22): n-grams of the words put in against those of the words taken out; the prior is their share of all
    chosen summaries. An n-gram counts once a pair.
    """
    inserted, removed = _count_per_pair(pairs, _ngrams)
    prior: Counter[str] = Counter()
    for text in dict.fromkeys(pair.chosen for pair in pairs):
        prior.update(_ngrams(words_of(text)))
    scores = _standardised(inserted, removed, prior)
    ranked = sorted(scores, key=lambda phrase: (-scores[phrase], phrase))
    gained = _without_parts((phrase for phrase in ranked if scores[phrase] > _BEYOND_CHANCE), most)
    lost = _without_parts((phrase for phrase in reversed(ranked) if scores[phrase] < -_BEYOND_CHANCE), most)
    examples = _examples(pairs, {*gained}, {*lost})

    def phrases(texts: Iterable[str]) -> list[Phrase]:
        return [Phrase(text, scores[text], inserted[text], removed[text], examples[text]) for text in texts]

    return phrases(gained), phrases(lost)


def _standardised(inserted: Counter[str], removed: Counter[str], prior: Counter[str]) -> dict[str, float]:
    texts = inserted.keys() | removed.keys()
    background = sum(prior.values()) + len(texts)
    totals = inserted.total(), removed.total()
    scores = {}
    for text in texts:
        alpha = _PRIOR_WORDS * (prior[text] + 1) / background
        logits = []
        for count, total in zip((inserted[text], removed[text]), totals, strict=True):
            logits.append(math.log((count + alpha) / (total + _PRIOR_WORDS - count - alpha)))
        variance = 1 / (inserted[text] + alpha) + 1 / (removed[text] + alpha)
        scores[text] = (logits[0] - logits[1]) / math.sqrt(variance)
    return scores


def _without_parts(ranked: Iterable[str], most: int) -> list[str]:
    """The first ``most`` phrases, leaving out those that overlap one already taken."""
    taken: list[str] = []
    for phrase in ranked:
        padded = f" {phrase} "
        if len(taken) == most:
            break
        if not any(padded in f" {other} " or f" {other} " in padded for other in taken):
            taken.append(phrase)
    return taken


def _ngrams(words: Sequence[str]) -> Iterator[str]:
    for size in range(1, _LONGEST_NGRAM + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])


def _count_per_pair(
    pairs: Iterable[AuditedPair], texts_of: Callable[[Sequence[str]], Iterator[str]]
) -> tuple[Counter[str], Counter[str]]:
    inserted: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for pair in pairs:
        inserted.update({text for change in pair.changes for text in texts_of(change.inserted)})
        removed.update({text for change in pair.changes for text in texts_of(change.removed)})
    return inserted, removed


def _examples(pairs: Iterable[AuditedPair], gained: set[str], lost: set[str]) -> dict[str, Example]:
    """For each phrase the pair that gains, or loses, it by the smallest change: that shows it best."""
    best: dict[str, tuple[int, str, AuditedPair, Change]] = {}
    for pair in pairs:
        for change in pair.changes:
            size = len(change.removed) + len(change.inserted)
            for phrases, words in ((gained, change.inserted), (lost, change.removed)):
                for text in phrases.intersection(_ngrams(words)):
                    if text not in best or (size, pair.id) < best[text][:2]:
                        best[text] = (size, pair.id, pair, change)
    return {text: example_of(pair, change) for text, (_, _, pair, change) in best.items()}


def example_of(pair: AuditedPair, change: Change) -> Example:
    """One change of a pair, with a few words around it."""
    before, after = pair.chosen[: change.start], pair.chosen[change.end :]
    if len(before) > _EXAMPLE_CONTEXT:
        before = "…" + before[-_EXAMPLE_CONTEXT:].partition(" ")[2]
    if len(after) > _EXAMPLE_CONTEXT:
        after = after[:_EXAMPLE_CONTEXT].rpartition(" ")[0] + "…"
    return Example(pair.id, before, change.old, change.new, after)


class Directions:
    """Counts, over any number of pairs, how often facts were turned each way."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, bool]] = Counter()

    def add(self, pair: AuditedPair) -> None:
        """Count every short change of a pair."""
        for change in pair.changes:
            if max(len(change.removed), len(change.inserted)) > _SHORT_CHANGE:
                continue
            if not _TURNING_WORDS.isdisjoint(change.inserted + change.removed):  # few changes have any
                for axis in AXES:
                    self._count(axis.name, _turn(axis, change))
            self._count(f"{change.type}, number", _rise(change))

    def result(self) -> list[Direction]:
        """All directions that were seen, those of words first."""
        named = {axis.name: (axis.forward, axis.backward) for axis in AXES}
        seen = sorted({name for name, _ in self._counts}, key=lambda name: (name not in named, name))
        return [self._direction(name, *named.get(name, ("up", "down"))) for name in seen]

    def _count(self, name: str, turn: float) -> None:
        if turn:
            self._counts[name, turn > 0] += 1

    def _direction(self, name: str, forward: str, backward: str) -> Direction:
        one, other = self._counts[name, True], self._counts[name, False]
        return Direction(name, forward, backward, wilson(one, one + other))


def _turn(axis: Axis, change: Change) -> int:
    def weight(words: Iterable[str]) -> int:
        return sum((word in axis.gains) - (word in axis.losses) for word in words)

    return weight(change.inserted) - weight(change.removed)


_TURNING_WORDS = frozenset[str]().union(*(axis.gains | axis.losses for axis in AXES))


def _rise(change: Change) -> float:
    """The difference of the two numbers, where one number takes the place of one; 0 otherwise."""
    removed, inserted = _numbers(change.removed), _numbers(change.inserted)
    return inserted[0] - removed[0] if len(removed) == len(inserted) == 1 else 0.0


def _numbers(words: Iterable[str]) -> list[float]:
    return [number for word in words if (number := _number(word)) is not None]


def _number(word: str) -> float | None:
    try:
        return float(WORDS.get(word) or word.replace(",", "")) if word[0].isdigit() or word in WORDS else None
    except ValueError:
        return None
