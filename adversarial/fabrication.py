"""The fabrication family: a sentence is exchanged for a real one, of like length and kind, from another summary."""

from __future__ import annotations

import random

from adversarial.donors import Donors, sentence_kinds, sexes_of
from adversarial.edits import Edit, Proposal, proposal
from clinical.claims import extract_claims
from clinical.sentences import sentence_spans

FAMILY = "fabrication"
_LENGTH = (0.75, 1.33)  # of the sentence it replaces; the whole summary is checked against the audit's bar afterwards
_TRIES = 60  # sentences looked at before giving up: the first few that are long enough are usually enough


def exchange_sentence(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Replace any sentence but the first (which introduces the patient) by another note's.

    The new one makes claims of the same kinds, tells no other sex, and names nothing that the summary names
    elsewhere: without the note it looks as good as the old one.
    """
    spans = sentence_spans(summary)[1:]
    claims = extract_claims(summary)
    rng.shuffle(spans)
    for span in spans:
        kinds = sentence_kinds(claims, span)
        rest = summary[: span.start] + summary[span.end :]
        sexes = sexes_of(summary)
        names = {claim.concept for claim in extract_claims(rest) if claim.concept}
        for tried, donor in enumerate(donors.sentences(rng, kinds)):
            if tried >= _TRIES:
                break
            ratio = len(donor.text) / (span.end - span.start)
            if donor.note == note or not _LENGTH[0] <= ratio <= _LENGTH[1] or not donor.sexes <= sexes:
                continue
            if donor.text in summary or any(claim.concept in names for claim in extract_claims(donor.text)):
                continue
            kind = next(iter(kinds)).partition(":")[0]
            old = summary[span.start : span.end]
            return proposal("exchange_sentence", FAMILY, summary, [Edit(span.start, span.end, old, donor.text, kind)])
    return None
