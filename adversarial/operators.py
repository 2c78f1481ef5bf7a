"""All operators, as data: a name, a family, and the pure function (note, summary, rng, donors) -> Proposal or None."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from adversarial import fabrication, negation, swaps
from adversarial.donors import Donors
from adversarial.edits import Edit, Proposal, apply_edits
from clinical.claims import CONDITION, DEMOGRAPHICS, DOSE, MEDICATION, NUMBER, PROCEDURE, TIME

__all__ = ["FAMILIES", "OPERATORS", "Donors", "Edit", "Operator", "Proposal", "apply_edits"]


class Operator(NamedTuple):
    """None from ``propose`` means that the summary has nothing for this operator to change: no error, no refusal."""

    name: str
    family: str
    propose: Callable[[str, str, random.Random, Donors], Proposal | None]


OPERATORS: tuple[Operator, ...] = (
    Operator("swap_medication", swaps.FAMILY, swaps.swap_name(MEDICATION, "swap_medication")),
    Operator("swap_condition", swaps.FAMILY, swaps.swap_name(CONDITION, "swap_condition")),
    Operator("swap_procedure", swaps.FAMILY, swaps.swap_name(PROCEDURE, "swap_procedure")),
    Operator("swap_side", swaps.FAMILY, swaps.swap_side),
    Operator("swap_dose", swaps.FAMILY, swaps.swap_amount(DOSE, "swap_dose")),
    Operator("swap_frequency", swaps.FAMILY, swaps.swap_frequency),
    Operator("swap_number", swaps.FAMILY, swaps.swap_amount(NUMBER, "swap_number")),
    Operator("swap_duration", swaps.FAMILY, swaps.swap_amount(TIME, "swap_duration")),
    Operator("swap_age", swaps.FAMILY, swaps.swap_amount(DEMOGRAPHICS, "swap_age")),
    Operator("affirm_denied", negation.FAMILY, negation.affirm),
    Operator("deny_reported", negation.FAMILY, negation.negate),
    Operator("exchange_sentence", fabrication.FAMILY, fabrication.exchange_sentence),
)
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(operator.family for operator in OPERATORS))
