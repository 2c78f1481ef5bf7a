"""Turns factual rows into preference pairs: proven negatives of mixed types, one to three wrong facts in each."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from hashlib import sha256
from itertools import accumulate, islice, zip_longest
from typing import Any, NamedTuple

from adversarial.checks import (
    check_changed,
    check_chosen,
    check_english,
    check_length,
    check_proven,
    overlapping,
)
from adversarial.operators.donors import Donors
from adversarial.operators.edits import Edit, Proposal, apply_edits
from adversarial.operators.kinds import drawn_by_kind
from adversarial.operators.table import FAMILIES, OPERATORS, Operator

_WORD_AND_SPACE = re.compile(r"^\s+|\S+\s*")
LABELLED = "phase1_hallucinated"  # the strategy of negatives that Phase 1 labelled, rather than made here
SEVERITIES = {1: "minor", 2: "moderate", 3: "major"}  # by the number of wrong facts put in
# Mostly one wrong fact: minimal pairs say most clearly which fact is meant. More than one in two of five pairs,
# so that the severities are mixed.
_WRONG_FACTS = ((1, 2, 3), (0.6, 0.25, 0.15))
# A fine-tuned model errs in what the note does say (whose value, which way, how certain) more than it invents freely,
# and fewer summaries have a place for that: such errors are tried first, inventions last.
_WEIGHTS = {
    "role_exchange": 6,
    "plan_reversal": 6,
    "assertion_shift": 6,
    "negation_invert": 6,
    "causal_link": 4,
    "entity_swap": 3,
    "fabrication": 1,
}
_ATTEMPTS = 8  # draws per operator and row: the first often stands in the note, as the checks then find


@dataclass(frozen=True)
class Factual:
    """A factual row: the note, its id by content, and the summary that becomes ``chosen``."""

    row_id: str
    note_id: str
    note: str
    summary: str


class Negative(NamedTuple):
    """A rejected summary with how it was made."""

    text: str
    strategy: str
    edits: tuple[Edit, ...]
    severity: str


@dataclass
class Outcome:
    """What became of one row: its negatives, and each refusal with its reason and the refused text."""

    row: Factual
    negatives: list[Negative] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, operator: str, reason: str, rejected: str | None = None) -> None:
        """Keep a refusal where a person can read it."""
        self.refusals.append(
            {
                "id": self.row.row_id,
                "note_id": self.row.note_id,
                "operator": operator,
                "reason": reason,
                "chosen": self.row.summary,
                "rejected": rejected,
            }
        )


def note_id(note: str) -> str:
    """The same note in two rows has the same id: 16 hex digits of the hash of its text."""
    return sha256(note.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def seeded(*parts: object) -> random.Random:
    """Random numbers that depend on nothing but these parts, in any process and on any platform."""
    return random.Random(_seed(parts))


class Draws(random.Random):
    """The numbers of :func:`seeded`, seeded when the first is drawn: most operators find no place and draw none."""

    def __init__(self, *parts: object) -> None:
        self._parts: tuple[object, ...] | None = parts

    @property
    def are_untouched(self) -> bool:
        """Whether none was drawn yet."""
        return self._parts is not None

    def random(self) -> float:
        """The next number in [0, 1)."""
        self._seed_once()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """The next ``k`` bits, from which all whole numbers are made."""
        self._seed_once()
        return super().getrandbits(k)

    def _seed_once(self) -> None:
        if self._parts is not None:
            self.seed(_seed(self._parts))
            self._parts = None


def _seed(parts: Iterable[object]) -> bytes:
    return sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()


def make_negatives(
    row: Factual,
    donors: Donors,
    *,
    seed: int,
    wanted: int,
    families: Sequence[str] = FAMILIES,
    kinds: Mapping[str, float] | None = None,
    labelled: Iterable[tuple[str, str]] = (),
) -> Outcome:
    """Up to ``wanted`` different negatives of one row, and further those that Phase 1 labelled (text, type).

    ``kinds`` weighs the kinds of errors (see operators.kinds); without it the families take turns. Depends on these
    arguments alone, so rows can be made in any order or process.
    """
    outcome = Outcome(row)
    reason = check_chosen(row.note, row.summary)
    if reason:
        outcome.refuse("chosen", reason)
        return outcome
    order = _order(seeded(seed, row.note_id, "order"), families, kinds)
    accepted = _accepted_proposals(outcome, donors, seed, wanted + len(SEVERITIES) - 1, order)
    rng = seeded(seed, row.note_id, "combine")
    texts = {row.summary}
    for index in range(min(wanted, len(accepted))):
        size = rng.choices(*_WRONG_FACTS)[0]
        negative = _combine(row, accepted, index, size)
        if negative.text not in texts:
            texts.add(negative.text)
            outcome.negatives.append(negative)
    for text, type_ in labelled:
        reason = check_changed(row.summary, text)
        if reason:
            outcome.refuse(LABELLED, reason, text)
        elif text not in texts:
            texts.add(text)
            edits = word_edits(row.summary, text, type_ or "unlabelled")
            severity = SEVERITIES[min(len(edits), max(SEVERITIES))]
            outcome.negatives.append(Negative(text, LABELLED, edits, severity))
    return outcome


def _accepted_proposals(
    outcome: Outcome, donors: Donors, seed: int, enough: int, order: Iterable[list[Operator]]
) -> list[Proposal]:
    """Proven proposals, at most one of an operator; stops when there are enough.

    ``order`` gives queues of operators, which are emptied from their ends; each queue gives one proposal, if it can.
    """
    accepted: list[Proposal] = []
    for queue in order:
        if len(accepted) >= enough:
            break
        found = (_proven_proposal(outcome, queue.pop(), donors, seed) for _ in range(len(queue)))
        accepted += islice(filter(None, found), 1)
    return accepted


def _proven_proposal(outcome: Outcome, operator: Operator, donors: Donors, seed: int) -> Proposal | None:
    """The first of an operator's proposals that is accepted; what is refused before it is noted."""
    row = outcome.row
    tried: set[str] = set()
    for attempt in range(_ATTEMPTS):
        draws = Draws(seed, row.note_id, operator.name, attempt)
        made = operator.propose(row.note, row.summary, draws, donors)
        if made is None or made.text in tried:
            if draws.are_untouched:
                return None  # another draw changes nothing
            continue
        tried.add(made.text)
        reason = _reason_to_refuse(row, made.text)
        if reason is None:
            return made
        outcome.refuse(operator.name, reason, made.text)
    return None


def _order(rng: random.Random, families: Sequence[str], kinds: Mapping[str, float] | None) -> Iterable[list[Operator]]:
    """Queues of operators in the order in which they are tried."""
    return drawn_by_kind(rng, families, kinds) if kinds else ([operator] for operator in _mixed(rng, families))


def _mixed(rng: random.Random, families: Sequence[str]) -> list[Operator]:
    """The families take turns, the operators of each shuffled; a family with a larger weight tends to come earlier."""
    queues = []
    for family in families:
        queue = [operator for operator in OPERATORS if operator.family == family]
        rng.shuffle(queue)
        queues.append((rng.random() ** (1 / _WEIGHTS[family]), queue))  # Efraimidis and Spirakis, 2006
    queues.sort(key=lambda drawn: -drawn[0])
    return [operator for turn in zip_longest(*(queue for _, queue in queues)) for operator in turn if operator]


def _reason_to_refuse(row: Factual, text: str) -> str | None:
    return (
        check_changed(row.summary, text)
        or check_length(row.summary, text)
        or check_english(row.summary, text)
        or check_proven(row.note, text)
    )


def _combine(row: Factual, accepted: Sequence[Proposal], index: int, size: int) -> Negative:
    """The proposal at ``index``, with the following ones that fit beside it up to ``size`` wrong facts."""
    parts = [accepted[index]]
    for other in [*accepted[index + 1 :], *accepted[:index]]:
        if len(parts) >= size:
            break
        edits = [edit for part in (*parts, other) for edit in part.edits]
        if not overlapping(edits) and _reason_to_refuse(row, apply_edits(row.summary, edits)) is None:
            parts.append(other)
    edits = sorted((edit for part in parts for edit in part.edits), key=lambda edit: edit.start)
    strategy = "+".join(sorted({part.family for part in parts}))
    return Negative(apply_edits(row.summary, edits), strategy, tuple(edits), SEVERITIES[len(parts)])


def word_edits(chosen: str, rejected: str, type_: str) -> tuple[Edit, ...]:
    """The edits from one text to the other, word by word, for negatives that came ready-made."""
    old, new = _WORD_AND_SPACE.findall(chosen), _WORD_AND_SPACE.findall(rejected)
    starts = [0, *accumulate(map(len, old))]
    return tuple(
        Edit(starts[a], starts[b], "".join(old[a:b]), "".join(new[c:d]), type_)
        for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    )


def as_record(row: Factual, negative: Negative, prompt: Any, chosen: Any, rejected: Any) -> Mapping[str, Any]:
    """One line of the pairs file. The id is the row's with a hash of the pair, so it stays the same between runs."""
    digest = sha256(f"{row.note_id}\0{row.summary}\0{negative.text}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return {
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "id": f"{row.row_id}-{digest}",
        "note_id": row.note_id,
        "strategy": negative.strategy,
        "edits": [edit.as_record() for edit in negative.edits],
        "severity": negative.severity,
    }
