"""Conditions that are a laboratory value or vital sign out of its reference range: hyponatremia, anemia, fever."""

from __future__ import annotations

import csv
from functools import cache

from clinical.lexicon import DATA_DIR, labs_by_name
from clinical.numbers import UNITS, Quantity

LOW, NORMAL, HIGH = "low", "normal", "high"
_OTHER_NAMES = {"C": "°C", "s": "time"}  # units that the lexicon spells otherwise than quantities do


@cache
def levels_of(condition: str) -> tuple[tuple[str, str], ...]:
    """The labs by which a condition shows, each with ``low`` or ``high``; empty for any other condition."""
    return tuple((lab, level) for name, lab, level in _levels() if name == condition)


def is_level(lab: str, level: str, quantity: Quantity) -> bool:
    """Whether a value lies below (or above) the adult reference range of a lab; not one in another unit."""
    return level_of(lab, quantity) == level


def level_of(lab: str, quantity: Quantity) -> str | None:
    """Where a value lies by the adult reference range of a lab; None for another name, and for another unit."""
    entry = labs_by_name().get(lab)
    if entry is None or (quantity.unit and UNITS[quantity.unit][0] != _measures(entry.unit)):
        return None
    value = quantity.values[0]
    return LOW if value < entry.low else HIGH if value > entry.high else NORMAL


def _measures(unit: str) -> str:
    return UNITS[unit][0] if unit in UNITS else _OTHER_NAMES.get(unit, unit)


@cache
def _levels() -> tuple[tuple[str, str, str], ...]:
    with (DATA_DIR / "levels.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["name"], row["lab"], row["level"]) for row in csv.DictReader(file))
