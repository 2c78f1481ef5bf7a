"""One number to rank summaries by: what the screen flags, then how much stands in no sentence of the note."""

from __future__ import annotations

from collections.abc import Sequence

from clinical.rewording import stem_of
from clinical.screen.note_reading import read_note
from clinical.screen.verdicts import FLAGGED, SUPPORTED, ScreenedClaim
from clinical.sentences import Span, sentence_spans, word_key, word_spans

# Words of grammar, and the one whom everything is about. Denials are among them: the screen reads those as claims.
_SAYS_NOTHING = """
a an the this that these those it its he his him she her they their them we our i my you your who whom whose which what
there here of in on at to by with from for as into over under about after before since until during through between
and or but nor than then if while when where because so also too both either is are was were be been being am has have
had having do does did will would can could should may might must no not none never any patient
"""
_GRAMMAR = frozenset(_SAYS_NOTHING.split())


def risk(note: str, summary: str, claims: Sequence[ScreenedClaim]) -> float:
    """How likely a summary is wrong, compared with others: higher is worse, and no value of it is a bar.

    ``claims`` are what :func:`clinical.screen.support.screen` says of the summary. The whole part is the number of
    flagged claims. The rest, below 1, grows with the words that the screen cannot vouch for: see
    :func:`unfounded_words`. So what lies outside the lexicon counts where the flags do not decide.
    """
    unfounded = unfounded_words(note, summary, claims)
    return sum(claim.verdict in FLAGGED for claim in claims) + unfounded / (unfounded + 1)


def unfounded_words(note: str, summary: str, claims: Sequence[ScreenedClaim]) -> int:
    """How many words of each sentence the nearest sentence of the note lacks, in all.

    Compared by stem, without words of grammar and those of supported claims. A sentence is held against one sentence
    of the note, since what is gathered from several may never have been said together.
    """
    supported = [Span(claim.start, claim.end) for claim in claims if claim.verdict == SUPPORTED]
    sentences = [held for _, held in read_note(note).full.stems]
    lacking = 0
    for sentence in sentence_spans(summary):
        told = _telling_stems(summary, sentence, supported)
        lacking += min((sum(stem not in held for stem in told) for held in sentences), default=len(told))
    return lacking


def _telling_stems(text: str, sentence: Span, aside: list[Span]) -> list[str]:
    """The stems of a sentence's words, without those of grammar and those that begin in a span of ``aside``."""
    words = [
        Span(sentence.start + w.start, sentence.start + w.end) for w in word_spans(text[sentence.start : sentence.end])
    ]
    outside = [w for w in words if not any(span.start <= w.start < span.end for span in aside)]
    return [stem_of(key) for w in outside if (key := word_key(text[w.start : w.end])) not in _GRAMMAR]
