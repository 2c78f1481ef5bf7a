"""What a summary leaves out, by the screen: of the things that the reference summary names, those it does not name."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from clinical.reading.assertion import AFFIRMED, PATIENT
from clinical.reading.claims import extract_claims
from clinical.screen.support import UNSUPPORTED, screen


class Named(NamedTuple):
    """A medicine, condition or procedure that the reference summary says the patient has, had or gets."""

    name: str
    type: str
    omitted: bool


def omission_columns(reference: str, summary: str) -> dict[str, Any]:
    """What the reference names (``important``), and what of it is left out, as cells; None without a reference."""
    if not reference.strip():
        return {"important": None, "omitted": None}
    named = named_by(reference, summary)
    omitted = [{"type": item.type, "text": item.name} for item in named if item.omitted]
    return {"important": len(named), "omitted": json.dumps(omitted, ensure_ascii=False)}


def named_by(reference: str, summary: str) -> list[Named]:
    """What the reference names and whether the summary leaves it out, each thing once, in the reference's order.

    The writer of the reference chose what matters. The screen reads the summary as if it were the note: left out is
    what it then finds nowhere, also under another, a wider or a narrower name.
    """
    verdicts = {(claim.start, claim.end, claim.text): claim.verdict for claim in screen(summary, reference)}
    found: dict[str, Named] = {}
    for claim in extract_claims(reference):
        if claim.concept and claim.polarity == AFFIRMED and claim.subject == PATIENT:
            omitted = verdicts.get((claim.start, claim.end, claim.text)) == UNSUPPORTED
            earlier = found.get(claim.concept.name)
            found[claim.concept.name] = Named(
                claim.concept.name, claim.type, omitted and (earlier is None or earlier.omitted)
            )
    return list(found.values())
