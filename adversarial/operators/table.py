"""All operators, as data: a name, a family, and the pure function (note, summary, rng, donors) -> Proposal or None."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from adversarial.operators import (
    amounts,
    causes,
    directions,
    exchange,
    fabrication,
    labs,
    names,
    negation,
    sides,
    turns,
)
from adversarial.operators.donors import Donors
from adversarial.operators.edits import Edit, Proposal, apply_edits
from clinical.reading.claims import CONDITION, DEMOGRAPHICS, DOSE, MEDICATION, NUMBER, PROCEDURE, TIME

__all__ = ["FAMILIES", "OPERATORS", "Donors", "Edit", "Operator", "Proposal", "apply_edits"]


class Operator(NamedTuple):
    """None from ``propose`` means that the summary has nothing for this operator to change: no error, no refusal."""

    name: str
    family: str
    propose: Callable[[str, str, random.Random, Donors], Proposal | None]


OPERATORS: tuple[Operator, ...] = (
    Operator("swap_medication", names.FAMILY, names.swap_name(MEDICATION, "swap_medication")),
    Operator("swap_condition", names.FAMILY, names.swap_name(CONDITION, "swap_condition")),
    Operator("swap_procedure", names.FAMILY, names.swap_name(PROCEDURE, "swap_procedure")),
    Operator("swap_service", names.FAMILY, names.swap_service),
    Operator("swap_side", names.FAMILY, sides.swap_side),
    Operator("swap_dose", names.FAMILY, amounts.swap_amount(DOSE, "swap_dose")),
    Operator("swap_frequency", names.FAMILY, amounts.swap_frequency),
    Operator("swap_route", names.FAMILY, amounts.swap_route),
    Operator("swap_number", names.FAMILY, amounts.swap_amount(NUMBER, "swap_number")),
    Operator("swap_duration", names.FAMILY, amounts.swap_amount(TIME, "swap_duration")),
    Operator("swap_age", names.FAMILY, amounts.swap_amount(DEMOGRAPHICS, "swap_age")),
    Operator("swap_lab", names.FAMILY, labs.swap_lab),
    Operator("turn_level", names.FAMILY, directions.turn_level),
    Operator("mistake_level", names.FAMILY, directions.mistake_level),
    Operator("turn_course", exchange.FAMILY, directions.turn_course),
    *(
        Operator(propose.__name__, exchange.FAMILY, propose)
        for propose in (
            exchange.exchange_doses,
            exchange.exchange_values,
            exchange.exchange_old_for_new,
            exchange.exchange_medicines,
            exchange.exchange_findings,
            exchange.exchange_conditions,
        )
    ),
    Operator("affirm_denied", negation.FAMILY, negation.affirm),
    Operator("deny_reported", negation.FAMILY, negation.negate),
    Operator("exchange_clause", fabrication.FAMILY, fabrication.exchange_clause),
    Operator("exchange_sentence", fabrication.FAMILY, fabrication.exchange_sentence),
    *(Operator(name, family, turns.turn(name)) for name, (family, _) in turns.TURNS.items()),
    Operator("swap_reason", causes.FAMILY, causes.swap_reason),
    Operator("move_reason", causes.FAMILY, causes.move_reason),
)
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(operator.family for operator in OPERATORS))
