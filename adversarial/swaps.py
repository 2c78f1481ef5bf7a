"""The entity_swap family: another drug, condition, procedure, side, dose, number, duration or age in the same place."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from adversarial.donors import Donors, amount_key
from adversarial.edits import Edit, Proposal, proposal, replace_span, stable_choice
from clinical.assertion import NEGATED
from clinical.claims import CONDITION, DOSE, LATERALITY, MEDICATION, Claim, extract_claims
from clinical.lexicon import Drug, Lab, load_lexicon
from clinical.mentions import DRUG, Concept, concepts, siblings
from clinical.numbers import WORDS

FAMILY = "entity_swap"
# How often a replacement comes from the note itself (role exchange) where both sources have one: even, so that
# neither "stands in the note" nor "stands not in the note" gives a negative away.
_FROM_THE_NOTE = 0.5
# What follows a name and would no longer fit another: gout flare, heart failure exacerbation.
_BOUND_AFTER = re.compile(r"\s+(?:flare|exacerbation|attack|episode|crisis|cream|level)", re.IGNORECASE)
_SIDE_BEFORE = re.compile(r"\b(?:left|right|bilateral)[\w\s-]{0,12}$", re.IGNORECASE)
# Every side, also where what follows is no part of the body (the left L4 root); not "right now", not "left the ward".
_SIDE_WORD = re.compile(
    r"\b(?:left|right)\b(?!\s+(?:the|for|now|away|his|her|a|an|at|in|to|after|before|against|without)\b)", re.IGNORECASE
)
_ACRONYM = re.compile(r"[A-Za-z]{0,2}[A-Z]{2,}[A-Za-z0-9]*|\w*[A-Z]\w*\d\w*")
_HOW_OFTEN_ALIKE = (
    ("once daily", "twice daily", "three times daily", "four times daily"),
    ("daily", "twice daily", "three times daily"),
    ("every 4 hours", "every 6 hours", "every 8 hours", "every 12 hours"),
    ("BID", "TID", "QID"),
    ("once weekly", "once daily", "twice daily"),
    ("at bedtime", "twice daily", "three times daily"),
)
_COUNTED_UNITS = ("time", "tablet", "pack", "unit", "times")  # units that are words and take an s
_ONE = {"1", "one"}
# Where no reference range says what is possible, a value stays within this factor of the one it replaces: two
# children become four, not thirty.
_FACTOR = 4
_YEARS_APART = 3  # an adult's age that is wrong by less is hardly an error; a birthday may lie between


def swap_name(kind: str, operator: str) -> Callable[[str, str, random.Random, Donors], Proposal | None]:
    """The operator that puts another medicine, condition or procedure (``kind``) in place of the one named."""

    def propose(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
        claims = [c for c in extract_claims(summary) if c.type == kind and c.concept and _replaceable(summary, c)]
        if not claims:
            return None
        claim = rng.choice(claims)
        concept = _other_concept(note, summary, claim, rng, donors)
        name = _name_in_style(concept, claim.concept, claim.text, rng, donors) if concept and claim.concept else None
        if name is None:
            return None
        return proposal(operator, FAMILY, summary, [replace_span(summary, claim.start, claim.end, name, kind)])

    return propose


def _replaceable(summary: str, claim: Claim) -> bool:
    plural = claim.text.endswith("s") and claim.concept is not None and claim.text.lower() != claim.concept.name.lower()
    return not (plural or _BOUND_AFTER.match(summary, claim.end) or _SIDE_BEFORE.search(summary[: claim.start]))


def _other_concept(note: str, summary: str, claim: Claim, rng: random.Random, donors: Donors) -> Concept | None:
    """From the note, what plays another role there (denied instead of reported); else a sibling that it lacks."""
    assert claim.concept is not None
    in_summary = {c.concept for c in extract_claims(summary) if c.concept}
    in_note = [c for c in extract_claims(note) if c.concept and c.type == claim.type]
    dose = _dose_of(summary, claim)
    exchange = {
        c.concept.name: c.concept
        for c in in_note
        if c.concept
        and c.concept.kind == claim.concept.kind
        and c.concept not in in_summary
        and (_opposite(c, claim) if claim.type == CONDITION else _usual(c.concept, dose))
    }
    named = in_summary | {c.concept for c in in_note}
    absent = [c for c in concepts() if c not in named]
    outside = {c.name: c for c in absent if c in siblings(claim.concept) and _usual(c, dose)}
    if not outside and claim.type == MEDICATION:  # no other of its class in this dose: one for the same condition
        outside = {c.name: c for c in absent if c.name in _alternatives(claim.concept.name) and _usual(c, dose)}
    first, second = (exchange, outside) if rng.random() < _FROM_THE_NOTE else (outside, exchange)
    options = first or second
    used = {name: sum(donors.weights(concept.names).values()) for name, concept in options.items()}
    chosen = stable_choice(rng, options, used)
    return options[chosen] if chosen else None


def _opposite(one: Claim, other: Claim) -> bool:
    return (one.polarity == NEGATED) != (other.polarity == NEGATED)


def _dose_of(summary: str, claim: Claim) -> str:
    """The dose that stands with a medicine, which another medicine must be able to have: 10 mg."""
    doses = [c for c in extract_claims(summary) if c.type == DOSE and c.quantity and claim.concept]
    return next((c.text for c in doses if claim.concept and c.about == claim.concept.name), "")


def _usual(concept: Concept, dose: str) -> bool:
    drug = _drugs().get(concept.name)
    return drug is None or not dose or dose in drug.doses


@cache
def _drugs() -> dict[str, Drug]:
    return {drug.name: drug for drug in load_lexicon().drugs}


@cache
def _alternatives(name: str) -> frozenset[str]:
    treated = set(_drugs()[name].treats)
    return frozenset(drug.name for drug in _drugs().values() if drug.name != name and treated & set(drug.treats))


def _name_in_style(concept: Concept, old: Concept, text: str, rng: random.Random, donors: Donors) -> str | None:
    """A name of the concept that reads like the old one: letters for letters, a generic name for a generic name."""
    if concept.kind == DRUG:
        generic = text.lower() == old.name.lower()
        return concept.name if generic else stable_choice(rng, concept.names[1:], donors.weights(concept.names))
    short = bool(_ACRONYM.fullmatch(text))
    alike = [name for name in concept.names if bool(_ACRONYM.fullmatch(name)) == short]
    return stable_choice(rng, alike, donors.weights(alike))


def swap_side(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Left for right or right for left, wherever the summary says it, so that it does not contradict itself."""
    sides = {c.value for c in extract_claims(summary) if c.type == LATERALITY and c.value in ("left", "right")}
    if not sides:
        return None
    old = rng.choice(sorted(sides))
    new = "left" if old == "right" else "right"
    found = [match for match in _SIDE_WORD.finditer(summary) if match[0].lower() == old]
    edits = [Edit(m.start(), m.end(), m[0], new.capitalize() if m[0][0].isupper() else new, LATERALITY) for m in found]
    return proposal("swap_side", FAMILY, summary, edits)


def swap_amount(kind: str, operator: str) -> Callable[[str, str, random.Random, Donors], Proposal | None]:
    """The operator that changes a number of this kind (dose, number, time, demographics) and leaves its unit."""

    def propose(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
        claims = [c for c in extract_claims(summary) if c.type == kind and c.quantity and not c.quantity.implied]
        if not claims:
            return None
        claim = rng.choice(claims)
        assert claim.quantity is not None
        old = summary[claim.start : claim.quantity.number_end]
        new = _other_number(note, claim, old, rng, donors)
        if new is None:
            return None
        edits = [replace_span(summary, claim.start, claim.quantity.number_end, new, kind)]
        edits += _unit_in_number(summary, claim, old, new)
        return proposal(operator, FAMILY, summary, edits)

    return propose


def _other_number(note: str, claim: Claim, old: str, rng: random.Random, donors: Donors) -> str | None:
    """A value of the note's own for something else, a real one from other notes, or a usual dose of the drug."""
    elsewhere = [
        note[c.start : c.quantity.number_end]
        for c in extract_claims(note)
        if c.quantity and claim.quantity and c.quantity.unit == claim.quantity.unit and not c.quantity.implied
        and c.quantity.is_age == claim.quantity.is_age
    ]  # fmt: skip
    real: Mapping[str, int] = donors.amounts.get(amount_key(claim), {})
    usual = {*real, *_usual_doses(claim)}
    exchange = [value for value in elsewhere if _plausible(value, old, claim)]
    outside = [value for value in usual if _plausible(value, old, claim)]
    first, second = (exchange, outside) if rng.random() < _FROM_THE_NOTE else (outside, exchange)
    return stable_choice(rng, set(first or second), {value: real.get(value, 0.5) for value in usual})


def _usual_doses(claim: Claim) -> list[str]:
    drug = _drugs().get(claim.about)
    if drug is None or claim.quantity is None:
        return []
    return [amount for amount, _, unit in (dose.partition(" ") for dose in drug.doses) if unit == claim.quantity.unit]


def _plausible(new: str, old: str, claim: Claim) -> bool:
    """Another number, written alike, and possible here: a usual dose, the same side of the reference range."""
    if new == old or new.isalpha() != old.isalpha() or ("/" in new) != ("/" in old):
        return False
    if claim.type == DOSE and claim.about:
        usual = _usual_doses(claim)
        return not usual or new in usual
    if claim.quantity and claim.quantity.is_age and new.isdigit() and old.isdigit():
        apart = abs(int(new) - int(old))
        return apart >= min(_YEARS_APART, int(old)) and _age_band(int(new)) == _age_band(int(old))
    counted = claim.quantity is not None and not claim.quantity.unit and not claim.about
    if counted and _ONE & {new, old}:
        return False  # two children, one children: what is counted would have to change with the number
    value, before = _as_number(new), _as_number(old)
    lab = next((lab for lab in load_lexicon().labs if lab.name == claim.about), None)
    if lab is None or value is None or before is None:
        return value is None or before is None or 1 / _FACTOR <= value / (before or 1) <= _FACTOR
    same_precision = len(new.partition(".")[2]) == len(old.partition(".")[2])
    return (
        same_precision
        and lab.plausible_low <= value <= lab.plausible_high
        and _range(lab, value) == _range(lab, before)
    )


def _as_number(text: str) -> float | None:
    """The value of digits or of one number word; None of 120/80 and the like."""
    try:
        return float(WORDS.get(text.lower(), text.replace(",", "")))
    except ValueError:
        return None


def _age_band(years: int) -> int:
    """Infant, child, young, middle-aged, old: within a band most illnesses remain as likely as they were."""
    return bisect_right((2, 18, 40, 65), years)


def _range(lab: Lab, value: float) -> int:
    """Below, within or above the reference range: what the summary calls low must stay low."""
    return -1 if value < lab.low else int(value > lab.high)


def _unit_in_number(summary: str, claim: Claim, old: str, new: str) -> Sequence[Edit]:
    """The unit's ending where the number became one or was one: 1 week, 2 weeks; "3-week" stays as it is."""
    assert claim.quantity is not None
    unit = re.compile(r"\s([a-z]+?)(s?)\b").match(summary, claim.quantity.number_end)
    if unit is None or claim.quantity.measures not in _COUNTED_UNITS or claim.quantity.is_age or "-" in claim.text:
        return []
    one = new in _ONE
    if one == (old in _ONE):
        return []
    word = unit[1] if one else f"{unit[1]}s"
    return [Edit(unit.start(1), unit.end(2), summary[unit.start(1) : unit.end(2)], word, claim.type)]


def swap_frequency(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Another number of times a day for the same medicine."""
    claims = [c for c in extract_claims(summary) if c.type == DOSE and c.value and c.about]
    if not claims:
        return None
    claim = rng.choice(claims)
    alike = next((row for row in _HOW_OFTEN_ALIKE if claim.text in row), ())
    others = [words for words in alike if words != claim.text]
    new = stable_choice(rng, others, donors.weights(others))
    if new is None:
        return None
    return proposal("swap_frequency", FAMILY, summary, [replace_span(summary, claim.start, claim.end, new, DOSE)])
