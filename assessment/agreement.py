"""How far two readers of the same summaries agree: raw and positive agreement, Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from assessment.session import Key
from utils.statistics import Rate, mcnemar_exact, wilson


class Paired(NamedTuple):
    """Yes/no answers of two readers to the same questions, counted: ``first_only`` is where only the first said yes."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(cls, answers: Iterable[tuple[bool, bool]]) -> Paired:
        """Count pairs of answers."""
        counted = Counter(answers)
        return cls(*(counted[cell] for cell in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def total(self) -> int:
        """Questions that both answered."""
        return sum(self)

    @property
    def first(self) -> Rate:
        """How often the first said yes."""
        return wilson(self.both + self.first_only, self.total)

    @property
    def second(self) -> Rate:
        """How often the second said yes."""
        return wilson(self.both + self.second_only, self.total)

    @property
    def agreement(self) -> Rate:
        """Raw agreement: the same answer, whichever."""
        return wilson(self.both + self.neither, self.total)

    @property
    def positive_agreement(self) -> float | None:
        """Agreement on yes, 2a / (2a + b + c) (Dice 1945); None where nobody ever said yes."""
        yes = 2 * self.both + self.first_only + self.second_only
        return 2 * self.both / yes if yes else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960): agreement beyond what the two rates give by chance; None where chance explains all."""
        if not self.total:
            return None
        yes_first, yes_second = (self.both + self.first_only) / self.total, (self.both + self.second_only) / self.total
        chance = yes_first * yes_second + (1 - yes_first) * (1 - yes_second)
        observed = (self.both + self.neither) / self.total
        return (observed - chance) / (1 - chance) if chance < 1 else None

    @property
    def mcnemar_p(self) -> float:
        """Whether one says yes more often than the other: exact two-sided McNemar p."""
        return mcnemar_exact(self.first_only, self.second_only)


def paired(first: Mapping[Key, bool], second: Mapping[Key, bool]) -> Paired:
    """The answers to the questions that both answered, counted."""
    return Paired.of((first[key], second[key]) for key in first.keys() & second.keys())


def disagreements(first: Mapping[Key, bool], second: Mapping[Key, bool]) -> list[str]:
    """Ids of what the two judged differently, in the order of the first."""
    return [key[0] for key, verdict in first.items() if key in second and second[key] != verdict]
