"""Operators that turn a word into its opposite in the same place: suspected for confirmed, stopped for started.

A wording of turns.json is turned into one of another kind, drawn by how often the summaries use it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from hashlib import blake2b

from adversarial.operators.donors import Donors, sexes_of
from adversarial.operators.edits import Proposal, proposal, replace_span, stable_choice
from adversarial.operators.turn_words import Turnable, find_turnables
from clinical.reading.claims import MEDICATION
from clinical.screen.verdicts import CERTAINTY, EXPERIENCER, PLAN

ASSERTION_SHIFT, PLAN_REVERSAL = "assertion_shift", "plan_reversal"
# Each operator's family, and the type that its edits have.
TURNS = {
    "shift_certainty": (ASSERTION_SHIFT, CERTAINTY),
    "shift_time": (ASSERTION_SHIFT, CERTAINTY),
    "shift_experiencer": (ASSERTION_SHIFT, EXPERIENCER),
    "swap_relative": (ASSERTION_SHIFT, EXPERIENCER),
    "reverse_change": (PLAN_REVERSAL, MEDICATION),
    "reverse_place": (PLAN_REVERSAL, PLAN),
    "reverse_course": (PLAN_REVERSAL, PLAN),
    "reverse_stage": (PLAN_REVERSAL, PLAN),
}
_PRONOUNS = {"male": {"he": "he", "his": "his"}, "female": {"he": "she", "his": "her"}}


def turn(operator: str) -> Callable[[str, str, random.Random, Donors], Proposal | None]:
    """The operator of this name (see TURNS)."""
    family, kind = TURNS[operator]

    def propose(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
        """One wording turned; see :class:`~adversarial.operators.table.Operator`."""
        pronouns = _pronouns(summary)
        found = [item for item in find_turnables(operator, summary) if _suits(item, pronouns)]
        if not found:
            return None
        # Which wording, and whether it is turned at all, depends on the text alone: another try changes only into what.
        chosen = min(found, key=lambda item: _share(summary, item.start, "which"))
        counts = {w: donors.words[chosen.row.key(w)] or 0.5 for w in chosen.row.kind_of}
        if _share(summary, chosen.start, "whether") >= _turned_share(chosen, counts, known=bool(donors.words)):
            return None
        old = chosen.row.kind_of[chosen.wording]
        options = {w: counts[w] for w, kind_of in chosen.row.kind_of.items() if kind_of != old}
        new = stable_choice(rng, options, options)
        if new is None:
            return None
        new = new.format(**pronouns)
        edit = replace_span(summary, chosen.start, chosen.end, new, kind)
        return proposal(operator, family, summary, [edit])

    return propose


def _turned_share(item: Turnable, counts: Mapping[str, float], *, known: bool) -> float:
    """How often a wording of this kind is turned, so that each kind becomes another as often as the reverse.

    Detailed balance: with targets drawn by their counts, a kind of count n among N is left with weight N - n to go to;
    the rarest kind is always turned, the others in the share that makes up for it.
    """
    totals = {kind: sum(counts[w] for w in words) for kind, words in item.row.kinds.items()}
    everything = sum(totals.values())
    if not known:
        return 1.0  # no corpus to be like
    own = totals[item.row.kind_of[item.wording]]
    return (everything - own) / (everything - min(totals.values()))


def _suits(item: Turnable, pronouns: Mapping[str, str]) -> bool:
    placeholders = any("{" in wording for wording in item.row.kind_of)
    return bool(pronouns) or not placeholders


def _pronouns(summary: str) -> dict[str, str]:
    """The patient's pronouns, where the summary tells but one sex."""
    sexes = sexes_of(summary)
    return _PRONOUNS[min(sexes)] if len(sexes) == 1 else {}


def _share(summary: str, start: int, what: str) -> float:
    """A number from 0 to 1 that depends on a place of a text alone, the same for every try."""
    digest = blake2b(f"{what}\0{start}\0{summary}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
