"""One number to rank summaries by: what the screen flags, then how much stands in no sentence of the note."""

from __future__ import annotations

from collections.abc import Sequence

from clinical.screen.exchanges import exchanged
from clinical.screen.note_reading import read_note
from clinical.screen.verdicts import FLAGGED, SUPPORTED, ScreenedClaim
from clinical.screen.words import telling_stems
from clinical.sentences import Span, sentence_spans


def risk(note: str, summary: str, claims: Sequence[ScreenedClaim]) -> float:
    """How likely a summary is wrong, compared with others: higher is worse, and no value of it is a bar.

    ``claims`` are what :func:`clinical.screen.support.screen` says of the summary. The whole part is the number of
    flagged claims. The rest, below 1, grows with what no name of the lexicon tells: :func:`unfounded_words`, and what
    was :func:`~clinical.screen.exchanges.exchanged`. So that counts where the flags do not decide.
    """
    doubts = unfounded_words(note, summary, claims) + exchanged(note, summary)
    return sum(claim.verdict in FLAGGED for claim in claims) + doubts / (doubts + 1)


def unfounded_words(note: str, summary: str, claims: Sequence[ScreenedClaim]) -> int:
    """How many words of each sentence the nearest sentence of the note lacks, in all.

    Compared by stem, without words of grammar and those of supported claims. A sentence is held against one sentence
    of the note, since what is gathered from several may never have been said together.
    """
    supported = [Span(claim.start, claim.end) for claim in claims if claim.verdict == SUPPORTED]
    sentences = [held for _, held in read_note(note).full.stems]
    lacking = 0
    for sentence in sentence_spans(summary):
        told = telling_stems(summary, sentence, supported)
        lacking += min((sum(stem not in held for stem in told) for held in sentences), default=len(told))
    return lacking
