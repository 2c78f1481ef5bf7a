"""The entity_swap family, amounts: another dose, value, duration, age, frequency or route in the same place."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from adversarial.operators.donors import Donors, amount_key
from adversarial.operators.edits import Edit, Proposal, proposal, replace_span, stable_choice
from adversarial.operators.names import FAMILY, FROM_THE_NOTE, drugs
from clinical.lexicon import Lab, labs_by_name
from clinical.numbers import WORDS
from clinical.reading.claims import DOSE, NUMBER, Claim, extract_claims
from clinical.reading.routes import find_routes
from clinical.reading.trends import find_trends

_HOW_OFTEN_ALIKE = (
    ("once daily", "twice daily", "three times daily", "four times daily"),
    ("daily", "twice daily", "three times daily"),
    ("every 4 hours", "every 6 hours", "every 8 hours", "every 12 hours"),
    ("BID", "TID", "QID"),
    ("bid", "tid", "qid"),
    ("q4h", "q6h", "q8h", "q12h"),
    ("once a day", "twice a day", "three times a day", "four times a day"),
    ("every day", "twice a day", "three times a day"),
    ("once weekly", "once daily", "twice daily"),
    ("once a week", "once a day", "twice a day"),
    ("at bedtime", "twice daily", "three times daily"),
)
_ROUTES_ALIKE = (
    ("orally", "intravenously", "subcutaneously", "intramuscularly"),
    ("by mouth", "intravenously", "subcutaneously", "intramuscularly"),
    ("oral", "intravenous", "subcutaneous"),
    ("inhaled", "oral"),
    ("PO", "IV", "SC", "IM"),
)
_COUNTED_UNITS = ("time", "tablet", "pack", "unit", "times")  # units that are words and take an s
_ONE = {"1", "one"}
# Where no reference range says what is possible, a value stays within this factor of the one it replaces: two
# children become four, not thirty.
_FACTOR = 4
_LEAST_CHANGE = 0.05  # of a value: what is wrong by less is hardly an error
_YEARS_APART = 3  # an adult's age that is wrong by less is hardly an error; a birthday may lie between


def swap_amount(kind: str, operator: str) -> Callable[[str, str, random.Random, Donors], Proposal | None]:
    """The operator that changes a number of this kind (dose, number, time, demographics) and leaves its unit."""

    def propose(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
        """Another number in the place of one of this kind; see :class:`~adversarial.operators.table.Operator`."""
        claims = [c for c in extract_claims(summary) if c.type == kind and c.quantity and not c.quantity.implied]
        if not claims:
            return None
        claim = rng.choice(claims)
        assert claim.quantity is not None
        old = summary[claim.start : claim.quantity.number_end]
        new = _other_number(note, summary, claim, rng, donors)
        if new is None:
            return None
        edits = [replace_span(summary, claim.start, claim.quantity.number_end, new, kind)]
        edits += _unit_in_number(summary, claim, old, new)
        return proposal(operator, FAMILY, summary, edits)

    return propose


def keeps_course(summary: str, claim: Claim, new: str) -> bool:
    """Whether a value said to have gone up or down from another still has with ``new`` in its place."""
    value = as_number(new)
    for trend in find_trends(summary):
        if claim in (trend.old, trend.new) and value is not None:
            other = trend.new if claim == trend.old else trend.old
            assert other and other.quantity and claim.quantity
            before, mark = claim.quantity.values[0], other.quantity.values[0]
            if (before < mark) != (value < mark) or value == mark:
                return False
    return True


def _other_number(note: str, summary: str, claim: Claim, rng: random.Random, donors: Donors) -> str | None:
    """A value of the note's own for something else, a real one from other notes, or a usual dose of the drug."""
    assert claim.quantity is not None
    old = summary[claim.start : claim.quantity.number_end]
    elsewhere = [
        note[c.start : c.quantity.number_end]
        for c in extract_claims(note)
        if c.quantity and claim.quantity and c.quantity.unit == claim.quantity.unit and not c.quantity.implied
        and c.quantity.is_age == claim.quantity.is_age
    ]  # fmt: skip
    real: Mapping[str, int] = donors.amounts.get(amount_key(claim), {})
    usual = {*real, *_usual_doses(claim)}
    exchange, outside = (
        [value for value in values if _plausible(value, old, claim) and keeps_course(summary, claim, value)]
        for values in (elsewhere, usual)
    )
    first, second = (exchange, outside) if rng.random() < FROM_THE_NOTE else (outside, exchange)
    return stable_choice(rng, set(first or second), {value: real.get(value, 0.5) for value in usual})


def _usual_doses(claim: Claim) -> list[str]:
    drug = drugs().get(claim.about)
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
    value, before = as_number(new), as_number(old)
    if value is None or before is None:
        return True
    if claim.type == NUMBER and len(new.partition(".")[2]) != len(old.partition(".")[2]):
        return False  # written with as many decimals
    if claim.type == NUMBER and abs(value - before) < _LEAST_CHANGE * before:
        return False
    if find_lab(claim.about) is None:
        return 1 / _FACTOR <= value / (before or 1) <= _FACTOR
    return possible_value(claim.about, new, old)


def find_lab(name: str) -> Lab | None:
    """The laboratory value or vital sign of this name, if the lexicon has it."""
    return labs_by_name().get(name)


def possible_value(lab_name: str, new: str, old: str) -> bool:
    """Whether a living patient can show a value, and whether it lies on the old one's side of the reference range."""
    lab, value, before = find_lab(lab_name), as_number(new), as_number(old)
    if lab is None or value is None or before is None:
        return False
    return lab.plausible_low <= value <= lab.plausible_high and range_of(lab, value) == range_of(lab, before)


def as_number(text: str) -> float | None:
    """The value of digits or of one number word; None of 120/80 and the like."""
    try:
        return float(WORDS.get(text.lower(), text.replace(",", "")))
    except ValueError:
        return None


def _age_band(years: int) -> int:
    """Infant, child, young, middle-aged, old: within a band most illnesses remain as likely as they were."""
    return bisect_right((2, 18, 40, 65), years)


def range_of(lab: Lab, value: float) -> int:
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


def swap_route(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Another route for the same medicine: intravenously for orally."""
    routes = find_routes(summary)
    if not routes:
        return None
    route = rng.choice(routes)
    old = summary[route.start : route.end]
    alike = next((row for row in _ROUTES_ALIKE if old in row), ())
    new = stable_choice(rng, [words for words in alike if words != old])
    if new is None:
        return None
    return proposal("swap_route", FAMILY, summary, [replace_span(summary, route.start, route.end, new, DOSE)])
