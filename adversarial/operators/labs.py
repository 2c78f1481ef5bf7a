"""The entity_swap family, tests: a value is told of another laboratory test than the one that gave it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from adversarial.operators.amounts import find_lab, range_of
from adversarial.operators.donors import Donors
from adversarial.operators.edits import Proposal, proposal, replace_span
from adversarial.operators.grammar import is_plural
from adversarial.operators.names import FAMILY, draw_concept, name_in_style
from clinical.mentions import LAB, Concept, Mention, concepts_of, find_mentions, related
from clinical.reading.claims import NUMBER, Claim, extract_claims


def swap_lab(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """The values stay, the name becomes that of a test which neither text names.

    One with the same unit, in which the values are possible and on the same side of normal: a potassium of 5.6 becomes
    no sodium of 5.6.
    """
    found = find_mentions(summary)
    values = _values_by_name(summary, found)
    if not values:
        return None
    name, claims = rng.choice(values)
    named = {mention.concept for mention in (*found, *find_mentions(note))}
    others = [
        concept
        for concept in concepts_of(LAB)
        if concept not in named and not related(concept, name.concept)
        and all(_could_give(concept, claim) for claim in claims)
    ]  # fmt: skip
    other = draw_concept(others, rng, donors)
    new = name_in_style(other, name.concept, name.text, rng, donors) if other else None
    if new is None or is_plural(new) != is_plural(name.text):
        return None
    # Any test may have an article when its value is told: a potassium of 5.6.
    return proposal("swap_lab", FAMILY, summary, [replace_span(summary, name.start, name.end, new, NUMBER)])


def _values_by_name(summary: str, found: Sequence[Mention]) -> list[tuple[Mention, list[Claim]]]:
    """The tests that are named once, before their values."""
    values = [c for c in extract_claims(summary) if c.type == NUMBER and c.quantity and len(c.quantity.values) == 1]
    named = []
    for name in (mention for mention in found if mention.concept.kind == LAB):
        own = [claim for claim in values if claim.about == name.concept.name]
        often = sum(mention.concept is name.concept for mention in found)
        if own and often == 1 and name.end <= own[0].start:
            named.append((name, own))
    return named


def _could_give(concept: Concept, claim: Claim) -> bool:
    """Whether a test has the unit of a value, and a range on the same side of which it would lie."""
    own, other = find_lab(claim.about), find_lab(concept.name)
    if own is None or other is None or claim.quantity is None or own.unit != other.unit:
        return False
    value = claim.quantity.values[0]
    return other.plausible_low <= value <= other.plausible_high and range_of(other, value) == range_of(own, value)
