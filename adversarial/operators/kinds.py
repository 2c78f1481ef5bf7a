"""Which operators make which kind of error, and how often each kind is made for a model whose own errors are known.

Edited pairs of all kinds in equal parts mostly teach what a model knows already: one that mixes up laboratory values
learns little from another drug's name.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from adversarial.operators.table import OPERATORS, Operator
from clinical.reading.claims import (
    CONDITION,
    DEMOGRAPHICS,
    DOSE,
    LATERALITY,
    MEDICATION,
    NEGATION,
    NUMBER,
    PROCEDURE,
    TIME,
)
from clinical.screen.support import UNSUPPORTED, ScreenedClaim
from clinical.screen.verdicts import CAUSE, CERTAINTY, EXPERIENCER, PLAN

INVENTION = "invention"  # something named that the note does not name at all; such a finding counts by its type, too
_NAMED = (MEDICATION, CONDITION, PROCEDURE)
# Every type that the screen can find, and the operators that make a summary wrong in it.
OPERATORS_OF: dict[str, tuple[str, ...]] = {
    MEDICATION: ("swap_medication", "exchange_medicines", "reverse_change"),
    CONDITION: ("swap_condition", "exchange_conditions"),
    PROCEDURE: ("swap_procedure", "swap_service"),
    DOSE: ("swap_dose", "swap_frequency", "swap_route", "exchange_doses"),
    NUMBER: (
        *("swap_number", "swap_lab", "exchange_values", "exchange_old_for_new"),
        *("turn_level", "mistake_level", "turn_course"),
    ),
    TIME: ("swap_duration",),
    LATERALITY: ("swap_side",),
    DEMOGRAPHICS: ("swap_age",),
    NEGATION: ("affirm_denied", "deny_reported", "exchange_findings"),
    CERTAINTY: ("shift_certainty", "shift_time"),
    EXPERIENCER: ("shift_experiencer", "swap_relative"),
    CAUSE: ("swap_reason", "move_reason"),
    PLAN: ("reverse_place", "reverse_course", "reverse_stage"),
    INVENTION: ("exchange_clause", "exchange_sentence"),
}
# The part of the mix that is shared equally by all kinds: the screen finds some kinds better than others, so a kind
# that it never found in the model's summaries may well be among their errors.
FLOOR = 0.2


def kinds_of(findings: Iterable[ScreenedClaim]) -> Counter[str]:
    """How many of the screen's findings are of each kind."""
    kinds: Counter[str] = Counter()
    for finding in findings:
        kinds[finding.type] += 1
        kinds[INVENTION] += finding.verdict == UNSUPPORTED and finding.type in _NAMED
    return +kinds


def kind_weights(errors: Mapping[str, int]) -> dict[str, float] | None:
    """The share of each kind in the mix, by how many of a model's errors are of it; None without any error.

    The shares of the errors interpolated with equal ones (Jelinek and Mercer, 1980, with a weight of ``FLOOR``), so
    that no kind vanishes. They add up to 1.
    """
    total = sum(errors.values())
    if not total:
        return None
    return {kind: FLOOR / len(OPERATORS_OF) + (1 - FLOOR) * errors.get(kind, 0) / total for kind in OPERATORS_OF}


def kind_table(errors: Mapping[str, int], pairs: Mapping[str, int]) -> list[dict[str, Any]]:
    """For a report: each kind with the errors of the model and the pairs made, the most frequent error first."""
    weights = kind_weights(errors) or {}
    rows = [
        {"kind": kind, "errors": errors.get(kind, 0), "share_aimed_at": round(share, 4), "pairs": pairs.get(kind, 0)}
        for kind, share in weights.items()
    ]
    return sorted(rows, key=lambda row: -row["share_aimed_at"])


def drawn_by_kind(
    rng: random.Random, families: Sequence[str], weights: Mapping[str, float]
) -> Iterator[list[Operator]]:
    """Kinds in the proportion of their weights, again and again, each as the queue of its operators in random order.

    The caller takes operators from the end of a queue until one of them has a place in its summary: a kind keeps its
    share though most of its operators find none. A kind whose queue is empty does not come again.
    """
    named = {operator.name: operator for operator in OPERATORS if operator.family in families}
    queues = {kind: [named[name] for name in names if name in named] for kind, names in OPERATORS_OF.items()}
    for queue in queues.values():
        rng.shuffle(queue)
    while queues := {kind: queue for kind, queue in queues.items() if queue}:
        kind = rng.choices(list(queues), [weights[kind] for kind in queues])[0]
        yield queues[kind]
