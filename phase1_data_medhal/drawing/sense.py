"""What goes together in a patient: the scenarios, the tables of medical sense, and choosing among what is allowed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clinical.lexicon import Drug, broader_notions
from clinical.patient import ORDERS

HERE = Path(__file__).resolve().parent
HELD_OUT_WEIGHT = 3.0  # how much likelier a name of the test split alone is chosen there

Story = dict[str, Any]


@cache
def sense() -> dict[str, Any]:
    """The tables of ``sense.json``."""
    loaded: dict[str, Any] = json.loads((HERE / "sense.json").read_text(encoding="utf-8"))
    return loaded


@cache
def scenarios() -> tuple[Story, ...]:
    """All presenting problems, in the order of the files' names."""
    files = sorted((HERE / "scenarios").glob("*.json"))
    return tuple(story for file in files for story in json.loads(file.read_text(encoding="utf-8")))


@cache
def held_out_names() -> frozenset[str]:
    """The entities that occur in the test split alone."""
    kinds: dict[str, list[str]] = json.loads((HERE / "test_only.json").read_text(encoding="utf-8"))
    return frozenset(name for names in kinds.values() for name in names)


@dataclass(frozen=True)
class Chooser:
    """Chooses at random; what is held out for the test split is never chosen outside it, and inside it preferred."""

    rng: random.Random
    held_out: bool

    def allows(self, name: str) -> bool:
        """Whether the entity may occur in this split."""
        return self.held_out or name not in held_out_names()

    def chance(self, share: float) -> bool:
        """True in ``share`` of the calls."""
        return self.rng.random() < share

    def some(self, options: Sequence[Any], k: int, weigh: Callable[[Any], float] | None = None) -> list[Any]:
        """At most ``k`` of the allowed options, in random order. An option is named by its text or its first item."""
        weights = [HELD_OUT_WEIGHT if named(option) in held_out_names() else 1.0 for option in options]
        if weigh:
            weights = [weight * weigh(option) for weight, option in zip(weights, options, strict=True)]
        keyed = [(self.rng.random() ** (1 / weight), n) for n, weight in enumerate(weights)]
        order = [options[n] for _, n in sorted(keyed, reverse=True)]
        return [option for option in order if self.allows(named(option))][:k]

    def one(self, options: Sequence[Any]) -> Any:
        """One allowed option, or ``None`` where there is none."""
        return next(iter(self.some(options, 1)), None)


def named(option: Any) -> str:
    """The entity that an entry of a scenario is about: ``crackles`` of ``crackles/side``."""
    if isinstance(option, str):
        return option.split("/")[0]
    if isinstance(option, Drug):
        return option.name
    return named(option[1] if option[0] in ORDERS else option[0])


def clashes(name: str, others: Iterable[str]) -> bool:
    """Whether ``name`` cannot be absent while ``others`` are present, or the other way about."""
    return any(name == other or other in related(name) for other in others)


def contradicts(name: str, others: Iterable[str]) -> bool:
    """Whether two findings exclude each other: a dry patient has no swollen legs."""
    pairs = sense()["never_both_findings"]
    return any(
        (name in one and other in two) or (name in two and other in one) for one, two in pairs for other in others
    )


@cache
def related(name: str) -> frozenset[str]:
    """Names that mean much the same as ``name``, or something wider or narrower."""
    groups = [group for group in sense()["same_thing"] if name in group]
    broader = broader_notions()
    wider = broader.get(name, ())
    narrower = [other for other, above in broader.items() if name in above]
    return frozenset([other for group in groups for other in group] + [*wider, *narrower])


def wider_than(name: str) -> tuple[str, ...]:
    """The lexicon's wider notions of ``name``."""
    return broader_notions().get(name, ())
