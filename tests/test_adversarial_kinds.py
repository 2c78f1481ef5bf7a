"""The mix of kinds that follows a model's own errors: its table is complete, its shares are what they say."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.operators.kinds import (
    FLOOR,
    INVENTION,
    OPERATORS_OF,
    drawn_by_kind,
    kind_table,
    kind_weights,
    kinds_of,
)
from adversarial.operators.table import FAMILIES, OPERATORS
from clinical.reading import claims
from clinical.screen import verdicts
from clinical.screen.support import unsupported_claims

TYPES = {
    *("MEDICATION", "CONDITION", "PROCEDURE", "DOSE", "NUMBER", "TIME", "LATERALITY", "DEMOGRAPHICS", "NEGATION"),
    *("CERTAINTY", "EXPERIENCER", "CAUSE", "PLAN"),
}
COUNTS = st.dictionaries(st.sampled_from(sorted(OPERATORS_OF)), st.integers(1, 99), min_size=1)


def test_every_operator_has_one_kind_and_every_type_of_the_screen_an_operator():
    listed = Counter(name for names in OPERATORS_OF.values() for name in names)
    assert listed == Counter(operator.name for operator in OPERATORS)
    types = {getattr(module, name) for module in (claims, verdicts) for name in TYPES if hasattr(module, name)}
    assert len(types) == len(TYPES)
    assert OPERATORS_OF.keys() == types | {INVENTION}
    assert all(OPERATORS_OF.values())


def test_a_finding_counts_by_its_type_and_as_an_invention_where_the_note_does_not_mention_it():
    note = "A 63-year-old man presented with a cough for 5 days. Takes lisinopril 10 mg daily."
    summary = "A 63-year-old man with a stroke had a cough for 9 days and takes lisinopril 40 mg."
    found = unsupported_claims(note, summary)
    assert kinds_of(found) == {"condition": 1, INVENTION: 1, "time": 1, "dose": 1}


def test_weights_are_the_shares_of_the_errors_a_part_of_them_levelled_out():
    weights = kind_weights({"number": 3, "certainty": 1})
    assert weights is not None
    assert weights["number"] == pytest.approx(0.8 * 0.75 + 0.2 / 14)
    assert weights["certainty"] == pytest.approx(0.8 * 0.25 + 0.2 / 14)
    assert weights["laterality"] == pytest.approx(0.2 / 14)
    assert kind_weights({}) is None


@given(COUNTS)
def test_weights_add_up_and_no_kind_vanishes(counts):
    weights = kind_weights(counts)
    assert weights is not None
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= FLOOR / len(OPERATORS_OF) - 1e-12


def test_the_table_begins_with_the_most_frequent_error():
    rows = kind_table({"number": 3, "certainty": 1}, {"number": 20, INVENTION: 5})
    assert [(row["kind"], row["errors"], row["pairs"]) for row in rows[:2]] == [("number", 3, 20), ("certainty", 1, 0)]
    assert {"kind": INVENTION, "errors": 0, "share_aimed_at": 0.0143, "pairs": 5} in rows
    assert kind_table({}, {"number": 20}) == []


def first_that_fit(seed: int, fitting: set[str], weights: dict[str, float]) -> str:
    """The kind of the first proposal, where these operators alone find a place."""
    for queue in drawn_by_kind(random.Random(seed), FAMILIES, weights):
        while queue:
            operator = queue.pop()
            if operator.name in fitting:
                return next(kind for kind, names in OPERATORS_OF.items() if operator.name in names)
    raise AssertionError("no operator fits")


def test_a_kind_keeps_its_share_though_most_of_its_operators_find_no_place():
    """One of five operators for numbers fits, the only one for sides does: still three to one."""
    weights = dict.fromkeys(OPERATORS_OF, 1e-9) | {"number": 0.75, "laterality": 0.25}
    drawn = Counter(first_that_fit(seed, {"turn_level", "swap_side"}, weights) for seed in range(2000))
    assert drawn["number"] / 2000 == pytest.approx(0.75, abs=0.03)  # three standard errors


@given(st.integers(0, 99), st.sets(st.sampled_from(FAMILIES), min_size=1))
def test_every_operator_of_the_families_comes_exactly_once(seed, families):
    weights = dict.fromkeys(OPERATORS_OF, 1.0)
    order = [queue.pop().name for queue in drawn_by_kind(random.Random(seed), sorted(families), weights)]
    assert sorted(order) == sorted(operator.name for operator in OPERATORS if operator.family in families)
