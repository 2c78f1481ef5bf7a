"""The fabrication family: a sentence or clause is exchanged for a real one, of like length and kind, from elsewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from adversarial.operators.clauses import clause_spans
from adversarial.operators.donors import Donors, DonorSentence, sentence_kinds, sexes_of
from adversarial.operators.edits import Edit, Proposal, proposal
from adversarial.operators.grammar import sex_of, sexes_fit
from clinical.mentions import Concept
from clinical.reading.claims import extract_claims
from clinical.sentences import Span, sentence_spans

FAMILY = "fabrication"
_LENGTH = (0.75, 1.33)  # of the piece it replaces; the whole summary is checked against the audit's bar afterwards
_TRIES = 60  # pieces looked at before giving up: the first few that are long enough are usually enough


def exchange_sentence(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Replace any sentence but the first (which introduces the patient) by another note's.

    The new one makes claims of the same kinds, tells no other sex, and names nothing that the summary names
    elsewhere: without the note it looks as good as the old one.
    """
    pieces = [(span, "") for span in sentence_spans(summary)[1:]]
    return _exchange("exchange_sentence", pieces, note, summary, rng, donors)


def exchange_clause(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Replace what follows a semicolon, ", with" or ", while" by what follows the same words in another summary."""
    pieces = [(clause.span, clause.link) for clause in clause_spans(summary)]
    return _exchange("exchange_clause", pieces, note, summary, rng, donors)


def _exchange(
    operator: str, pieces: Sequence[tuple[Span, str]], note: str, summary: str, rng: random.Random, donors: Donors
) -> Proposal | None:
    claims = extract_claims(summary)
    for span, link in rng.sample(pieces, len(pieces)):
        kinds = sentence_kinds(claims, span)
        lent = donors.sentences(rng, (link, *kinds) if link else kinds) if kinds else ()
        for _, donor in zip(range(_TRIES), lent, strict=False):
            if donor.note != note and _suits(donor, span, summary):
                kind = next(iter(kinds)).partition(":")[0]
                old = summary[span.start : span.end]
                return proposal(operator, FAMILY, summary, [Edit(span.start, span.end, old, donor.text, kind)])
    return None


def _suits(donor: DonorSentence, span: Span, summary: str) -> bool:
    """Whether a piece is of like length, tells no other sex, and names nothing that the summary names elsewhere."""
    return (
        _LENGTH[0] <= len(donor.text) / (span.end - span.start) <= _LENGTH[1]
        and donor.text not in summary
        and donor.sexes <= sexes_of(summary)
        and sexes_fit(summary, sex_of(donor.text))
        and not any(claim.concept in _named_elsewhere(summary, span) for claim in extract_claims(donor.text))
    )


@lru_cache(maxsize=64)  # the same piece is tried with several others
def _named_elsewhere(summary: str, span: Span) -> frozenset[Concept]:
    rest = extract_claims(summary[: span.start] + summary[span.end :])
    return frozenset(claim.concept for claim in rest if claim.concept)
