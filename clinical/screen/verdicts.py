"""What the screen says of one claim of a summary, and how it points into the note."""

from __future__ import annotations

from dataclasses import dataclass

from clinical.screen.note_reading import Readings
from clinical.sentences import Span

SUPPORTED, UNSUPPORTED, CONTRADICTED, UNKNOWN = "supported", "unsupported", "contradicted", "unknown"
FLAGGED = (UNSUPPORTED, CONTRADICTED)
# What can be wrong beside the claims themselves: how certain or how recent, whose, why, and what became of it.
CERTAINTY, EXPERIENCER, CAUSE, PLAN = "certainty", "experiencer", "cause", "plan"


@dataclass(frozen=True)
class ScreenedClaim:
    """The verdict on ``summary[start:end]``, with the nearest evidence as offsets into the note (None without any).

    ``type`` is what would be wrong: condition, procedure, medication, dose, number, time, laterality, demographics,
    certainty, experiencer, cause, plan, or negation where the note says the opposite.
    """

    start: int
    end: int
    text: str
    type: str
    verdict: str
    evidence: Span | None = None


def flag(
    summary: str, start: int, end: int, kind: str, note: Readings, evidence: Span, verdict: str = CONTRADICTED
) -> ScreenedClaim:
    """A flagged claim; ``evidence`` is a span of the note with its shorthand written out."""
    return ScreenedClaim(start, end, summary[start:end], kind, verdict, note.written.origin(*evidence))
