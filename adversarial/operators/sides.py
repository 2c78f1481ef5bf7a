"""The entity_swap family, sides: left for right and right for left."""

from __future__ import annotations

import random
import re

from adversarial.operators.donors import Donors
from adversarial.operators.edits import Edit, Proposal, proposal
from adversarial.operators.names import FAMILY
from clinical.reading.claims import LATERALITY, extract_claims

_OPPOSITE = {"left": "right", "right": "left"}
# Every side, also where what follows is no part of the body (the left L4 root); not "right now", not "left the ward".
_SIDE_WORD = re.compile(
    r"\b(?:left|right)\b(?!\s+(?:the|for|now|away|his|her|a|an|at|in|to|after|before|against|without)\b)", re.IGNORECASE
)


def swap_side(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Left for right or right for left, wherever the summary says it, so that it does not contradict itself."""
    sides = {c.value for c in extract_claims(summary) if c.type == LATERALITY and c.value in _OPPOSITE}
    if not sides:
        return None
    old = rng.choice(sorted(sides))
    new = _OPPOSITE[old]
    found = [match for match in _SIDE_WORD.finditer(summary) if match[0].lower() == old]
    edits = [Edit(m.start(), m.end(), m[0], new.capitalize() if m[0][0].isupper() else new, LATERALITY) for m in found]
    return proposal("swap_side", FAMILY, summary, edits)
