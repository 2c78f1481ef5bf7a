"""Mends a sampled summary where the screen finds it wrong, and nowhere else, so that it can be chosen over itself.

A preference pair compares two texts. Where they are one sample of the model, before and after the repair of what the
screen has proven wrong, they differ in nothing but that: not in style, length, order, nor in the errors that the screen
does not see. Those stand on both sides, so they cancel in DPO's loss, which depends on the difference of the two
log-probabilities alone (Rafailov et al., arXiv 2305.18290, equation 7): what is shared is neither learnt nor unlearnt,
up to what the changed words make of the probability of those after them. A clean sample of the same note as chosen is
weaker: it differs in everything, and what the screen misses there is taught.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from adversarial.checks import check_changed, check_length, overlapping, slips
from adversarial.on_policy.corrections import corrections
from adversarial.on_policy.sample_reading import Sample
from adversarial.operators.edits import Edit, apply_edits
from clinical.mentions import find_mentions
from clinical.reading.claims import extract_claims
from clinical.screen.support import FLAGGED, UNKNOWN, ScreenedClaim, screen, unsupported_claims
from clinical.screen.verdicts import CERTAINTY
from clinical.sentences import Span, sentence_spans

_WORD_AND_SPACE = re.compile(r"\s+|[^\s]+")
_LEFT_HANGING = re.compile(
    r"\b(?:an?|the|of|to|from|at|by|with|for|on|and|or|had|has|was|is|every|systemic|started ago|began ago)"
    r"(?= ?[,.;)]| (?:and|or|of)\b)"
    r"|\b(?:an?|the|of|to|from|at|by|with|for|on)(?= (?:began|begins|was|were|is|are|had|has|came|went)\b)",
    re.IGNORECASE,
)
_NO_CHANGE = re.compile(r"\bfrom (\d[\d.]*)(?: ?[\w%/^]+)? to \1(?![\d.]\d)")
_SPARE_LENGTH = (0.75, 1.33)  # of the sentence it replaces, as for sentences of other notes


@dataclass(frozen=True)
class Repair:
    """A repaired sample. ``edits`` lead from the repaired text (their spans) back to the sample (their ``new``).

    ``wrong_facts`` counts the claims that were wrong.
    """

    text: str
    edits: tuple[Edit, ...]
    wrong_facts: int


@dataclass(frozen=True)
class Irreparable:
    """Why a sample could not be repaired."""

    reason: str


def repair(note: str, text: str, spares: Sequence[str] = ()) -> Repair | Irreparable:
    """Change every claim of a sample that the note does not support to what the note says, or leave it out.

    ``spares`` are other samples of the same note in which the screen finds nothing wrong: a sentence of theirs may take
    the place of one that cannot be mended. The result passes the screen as a whole, reads no worse than the sample, is
    about as long, and still names all that sample and note both name. What the screen does not see stays as it is.
    """
    sample = Sample(note, text)
    flagged = [claim for claim in screen(note, text) if claim.verdict in FLAGGED]
    if not flagged:
        return Irreparable("nothing to repair")
    edits: list[Edit] = []
    for claim in flagged:
        if any(edit.start <= claim.start and claim.end <= edit.end for edit in edits):
            continue
        if edits and not _wrong(note, apply_edits(text, edits))[_key(claim)]:
            continue  # put right together with another
        added = next(_fitting(sample, claim, edits, spares), None)
        if added is None:
            return Irreparable(f"no repair of {claim.verdict} {claim.type}")
        edits += added
    edits = sorted(map(trimmed, edits), key=lambda edit: (edit.start, edit.end))
    repaired = apply_edits(text, edits)
    if any(claim.verdict in FLAGGED for claim in screen(note, repaired)):
        return Irreparable("still wrong after the repair")
    reason = check_changed(text, repaired) or check_length(repaired, text)
    if reason:
        return Irreparable(f"repaired text: {'sample ' if reason.startswith('much') else ''}{reason}")
    return Repair(repaired, inverted(edits), len(flagged))


def inverted(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits that undo these, which must be in order and apart: their spans are of the text that these lead to."""
    shifts = [0, *accumulate(len(edit.new) - len(edit.old) for edit in edits)]
    return tuple(
        Edit(edit.start + shift, edit.start + shift + len(edit.new), edit.new, edit.old, edit.type)
        for edit, shift in zip(edits, shifts, strict=False)
    )


def trimmed(edit: Edit) -> Edit:
    """The same edit without the words that old and new begin and end with."""
    old, new = _WORD_AND_SPACE.findall(edit.old), _WORD_AND_SPACE.findall(edit.new)
    same = [one == other for one, other in zip(old, new, strict=False)]
    first = same.index(False) if False in same else len(same)
    rest = zip(reversed(old[first:]), reversed(new[first:]), strict=False)
    same = [one == other for one, other in rest]
    last = same.index(False) if False in same else len(same)
    old_kept, new_kept = old[first : len(old) - last], new[first : len(new) - last]
    start = edit.start + len("".join(old[:first]))
    kept = "".join(old_kept)
    return Edit(start, start + len(kept), kept, "".join(new_kept), edit.type)


def _fitting(
    sample: Sample, claim: ScreenedClaim, made: Sequence[Edit], spares: Sequence[str]
) -> Iterator[Sequence[Edit]]:
    """The candidates that mend this claim beside the edits already made, and do no harm."""
    before = apply_edits(sample.text, made)
    wrong_before = _wrong(sample.note_text, before)
    for candidate in (*corrections(sample, claim), *_other_sentence(sample, claim, spares)):
        together = sorted((*made, *candidate), key=lambda edit: (edit.start, edit.end))
        if not candidate or overlapping(together):
            continue
        text = apply_edits(sample.text, together)
        wrong = _wrong(sample.note_text, text)
        if (
            wrong < wrong_before
            and check_length(text, sample.text) is None
            and not _named_again(before, text)
            and check_names(sample, text) is None
            and not _slips(text) - _slips(before)
            and _harmless(sample, together, text)
        ):
            yield candidate


def check_names(sample: Sample, text: str) -> str | None:
    """Refuse a text to be chosen over a sample that does not name something which sample and note name.

    To choose what leaves out a medicine over what says something wrong of it, or of something beside it, teaches to
    leave medicines out. Laboratory values are not counted: a repair may say of which one a value is.
    """
    left_out = (sample.named & sample.note.mentions.keys()) - Sample(sample.note_text, text).named
    return "leaves out what the note names" if left_out else None


def _slips(text: str) -> Counter[str]:
    """Slips of the pen by kind, with those that a removal or a value from elsewhere can leave behind."""
    left_hanging = Counter(
        {"left hanging": len(_LEFT_HANGING.findall(text)), "no change": len(_NO_CHANGE.findall(text))}
    )
    return slips(text) + left_hanging


def _named_again(before: str, text: str) -> bool:
    """Whether something that stood in the text already stands there once more."""
    old, new = (Counter(mention.concept.name for mention in find_mentions(each)) for each in (before, text))
    return any(0 < old[name] < count for name, count in new.items())


def _wrong(note: str, text: str) -> Counter[tuple[str, str]]:
    return Counter(map(_key, unsupported_claims(note, text)))


def _key(claim: ScreenedClaim) -> tuple[str, str]:
    return claim.text.lower(), claim.type


def _harmless(sample: Sample, edits: Sequence[Edit], text: str) -> bool:
    """Whether what is put in is supported, not merely unknown, and all else says of itself what it said before."""
    new = [Span(edit.start, edit.end) for edit in inverted(edits)]
    put_in = [claim for claim in screen(sample.note_text, text) if _touches(claim.start, claim.end, new)]
    old = [Span(edit.start, edit.end) for edit in edits]
    # To the screen a suspicion claims too little to be supported; of these names the note's certainty is known.
    hedged = {claim.text.lower() for claim in screen(sample.note_text, sample.text) if claim.type == CERTAINTY}
    known = all(claim.verdict != UNKNOWN or claim.text.lower() in hedged for claim in put_in)
    return known and _said(sample.text, old) == _said(text, new)


def _said(text: str, without: Sequence[Span]) -> Counter[tuple[str, str, str]]:
    """What a text names outside these spans, with polarity and subject."""
    return Counter(
        (claim.concept.name, claim.polarity, claim.subject)
        for claim in extract_claims(text)
        if claim.concept and not _touches(claim.start, claim.end, without)
    )


def _touches(start: int, end: int, spans: Iterable[Span]) -> bool:
    return any(start < span.end and span.start < end for span in spans)


def _other_sentence(sample: Sample, claim: ScreenedClaim, spares: Sequence[str]) -> Iterator[tuple[Edit, ...]]:
    """A sentence of a clean sample in place of the one with the claim; never the first, which presents the patient."""
    spans = sentence_spans(sample.text)
    span = next(span for span in spans if span.start <= claim.start < span.end)
    if span == spans[0]:
        return
    rest = sample.text[: span.start] + sample.text[span.end :]
    named = {mention.concept.name for mention in find_mentions(rest)}
    old = sample.text[span.start : span.end]
    for spare in spares:
        for other in sentence_spans(spare)[1:]:
            new = spare[other.start : other.end]
            fresh = {mention.concept.name for mention in find_mentions(new)}
            if _SPARE_LENGTH[0] <= len(new) / len(old) <= _SPARE_LENGTH[1] and fresh and not fresh & named:
                yield (Edit(span.start, span.end, old, new, claim.type),)
