"""What the oracle says of a summary: claims with their verdicts, and what a whole summary amounts to."""

from __future__ import annotations

from dataclasses import dataclass, field

from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.state import Known

RIGHT, WRONG, INVENTED, UNKNOWN = "right", "wrong", "invented", "unknown"
CONDITION, PROCEDURE, MEDICATION, DOSE, NUMBER, TIME = "condition", "procedure", "medication", "dose", "number", "time"
LATERALITY, SERVICE, NEGATION, CERTAINTY = "laterality", "service", "negation", "certainty"
EXPERIENCER, CAUSALITY, ROLE, CHANGE = "experiencer", "causality", "role exchange", "change"
DEMOGRAPHICS, PLAN, OTHER = "demographics", "plan", "other"
TYPES = (
    CONDITION, PROCEDURE, MEDICATION, DOSE, NUMBER, TIME, LATERALITY, SERVICE, NEGATION, CERTAINTY, EXPERIENCER,
    CAUSALITY, ROLE, CHANGE, DEMOGRAPHICS, PLAN, OTHER,
)  # fmt: skip


@dataclass(frozen=True)
class JudgedClaim:
    """One claim at ``summary[start:end]``. ``compared`` names the fact it was held against, "" where there is none."""

    start: int
    end: int
    text: str
    type: str
    verdict: str
    compared: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """All claims of a summary in order, the important facts that it omits, and the words that nothing accounts for."""

    claims: tuple[JudgedClaim, ...]
    important: tuple[str, ...]
    omitted: tuple[str, ...]
    residue: tuple[str, ...]
    unfinished: bool
    failed: bool

    @property
    def errors(self) -> tuple[JudgedClaim, ...]:
        """The wrong and the invented claims."""
        return tuple(claim for claim in self.claims if claim.verdict in (WRONG, INVENTED))

    @property
    def hallucinated(self) -> bool:
        """Whether anything in it is wrong or invented, or it is no summary at all."""
        return self.failed or bool(self.errors)

    @property
    def possibly_hallucinated(self) -> bool:
        """The upper bound: what could not be told counts too."""
        return self.hallucinated or any(claim.verdict == UNKNOWN for claim in self.claims)

    @property
    def coverage(self) -> float:
        """The share of the important facts that it states rightly."""
        return 1 - len(self.omitted) / len(self.important) if self.important else 1.0


@dataclass
class Bench:
    """What the rules share while one summary is judged."""

    known: Known
    claims: list[JudgedClaim] = field(default_factory=list)
    stated: set[str] = field(default_factory=set)  # keys of facts that a right claim states
    hedged: set[str] = field(default_factory=set)  # diagnoses that an earlier sentence called suspected
    known_words: set[str] | None = None
    _said: dict[tuple[str, ...], None] = field(default_factory=dict)

    def add(
        self, sentence: Sentence, start: int, stop: int, kind: str, verdict: str, compared: str = "", reason: str = ""
    ) -> None:
        """Record a claim at characters of a sentence; the same claim said twice counts once."""
        text = sentence.text[start:stop]
        said = (text.lower(), kind, verdict, compared, reason)
        if verdict == RIGHT and compared:
            self.stated.add(compared)
        if said in self._said:
            return
        self._said[said] = None
        at = sentence.offset
        self.claims.append(JudgedClaim(at + start, at + stop, text, kind, verdict, compared, reason))

    def add_mention(
        self, sentence: Sentence, mention: Mention, kind: str, verdict: str, compared: str = "", reason: str = ""
    ) -> None:
        """Record a claim at a mention."""
        self.add(sentence, mention.start, mention.stop, kind, verdict, compared, reason)
