"""What the labels of one model say, as figures: rate, kinds, sentences, time, and what follows for Stage B."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from assessment.agreement import Paired, paired
from assessment.session import FLAG, SKIP, Answer, Item, Key, State, decided, labels, remarks, stale_ids
from clinical.sentences import sentence_spans
from utils.statistics import Rate, wilson

LONGEST_SECONDS = 300.0  # more on one item is counted as this: the annotator was away


@dataclass(frozen=True)
class Figures:
    """All figures over one file's items.

    ``sentence_rate`` is over the clean summaries and those whose wrong sentences were marked; ``unmarked`` counts the
    hallucinated ones left out of it. ``seconds`` are of the labels, each at most LONGEST_SECONDS. ``screen`` sets the
    labels (first) beside the automatic screen's flags (second), None where the file has none; ``flags_shown`` says
    whether the annotator saw them.
    """

    items: int
    skipped: int
    flagged: list[str]
    rate: Rate
    types: Mapping[str | None, int]
    severities: Mapping[str | None, int]
    sentence_rate: Rate
    unmarked: int
    seconds: list[float]
    screen: Paired | None
    flags_shown: bool
    changed: list[str]
    gone: list[str]

    @property
    def unlabelled(self) -> int:
        """Items without a label: skipped or not seen."""
        return self.items - self.rate.total

    @property
    def median_seconds(self) -> float:
        """The middle time for one label."""
        return median(self.seconds) if self.seconds else 0.0


def figures(state: State, items: Sequence[Item], screened: Mapping[Key, bool]) -> Figures:
    """The figures of a session; ``screened`` says which summaries the automatic screen flags, where it was asked."""
    counted = labels(state, items)
    bad = [answer for answer in counted if answer.value]
    changed, gone = stale_ids(state, items)
    sentences, wrong, unmarked = _sentences(counted, items)
    verdicts = {answer.key: bool(answer.value) for answer in counted}
    return Figures(
        items=len(items),
        skipped=sum(answer.kind == SKIP for answer in decided(state, items).values()),
        flagged=[key[0] for key in remarks(state, items, FLAG)],
        rate=wilson(len(bad), len(counted)),
        types=Counter(answer.details.get("hallucination_type") for answer in bad),
        severities=Counter(answer.details.get("severity") for answer in bad),
        sentence_rate=wilson(wrong, sentences),
        unmarked=unmarked,
        seconds=[min(answer.seconds, LONGEST_SECONDS) for answer in counted],
        screen=paired(verdicts, screened) if verdicts.keys() & screened.keys() else None,
        flags_shown=state.flags_shown,
        changed=changed,
        gone=gone,
    )


def _sentences(counted: Sequence[Answer], items: Sequence[Item]) -> tuple[int, int, int]:
    """Sentences of the summaries that tell, how many of them are marked wrong, and how many summaries do not tell."""
    by_key = {item.key: item for item in items}
    sentences, wrong, unmarked = 0, 0, 0
    for answer in counted:
        item, marked = by_key[answer.key], answer.details.get("sentences")
        if answer.value and not marked:
            unmarked += 1
        else:
            sentences += len(sentence_spans(item.summaries[item.asked or 0]))
            wrong += len(marked) if answer.value and marked else 0
    return sentences, wrong, unmarked
