"""Mixes pairs of the model's own summaries with edited ones, so that the best come first and no two clash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from adversarial.on_policy.own_pairs import CHOSEN_FROM
from utils.prompts import text_of


class Mix(NamedTuple):
    """The pairs to write, in the order of their notes, and what is to be said about their number."""

    pairs: list[Mapping[str, Any]]
    remarks: list[str]


def choose_mix(
    edited: Sequence[Mapping[str, Any]], on_policy: Sequence[Mapping[str, Any]], share: float, seed: int
) -> Mix:
    """Exchange a share of the edited pairs for on-policy ones, so that the total stays about what it was.

    Of as many pairs as there are edited ones, ``share`` (0 to 1) are to be on-policy. Where there are fewer, all of
    them are taken, and edited ones make up for the rest. Which pairs are taken depends on their content and the seed
    alone; of the on-policy ones, the repaired first, and every note once before any comes twice. A text that is chosen
    in one pair of a note is not rejected in another. Raises ValueError for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} is not between 0 and 1")
    wanted = round(share * len(edited))
    own = _without_clashes(on_policy, edited if share < 1 else ())
    taken = _best_spread(own, seed)[:wanted]
    others = sorted(edited, key=lambda pair: _rank(pair, seed))
    kept = _without_clashes(others, taken)[: len(edited) - len(taken)]
    remarks = []
    if len(own) < len(on_policy):
        remarks.append(
            f"{len(on_policy) - len(own):,} on-policy pairs left out: another pair says the same or the reverse"
        )
    if len(taken) < wanted:
        remarks.append(
            f"{len(taken):,} on-policy pairs where {wanted:,} were wanted: no more of the samples could be paired, and "
            "edited ones make up for the rest; more --samples_per_note give more"
        )
    order = {id(pair): index for index, pair in enumerate((*edited, *on_policy))}
    notes: dict[str, int] = {}
    for pair in (*edited, *on_policy):
        notes.setdefault(pair["note_id"], len(notes))
    return Mix(sorted((*kept, *taken), key=lambda pair: (notes[pair["note_id"]], order[id(pair)])), remarks)


def _rank(pair: Mapping[str, Any], seed: int) -> bytes:
    """A random place that depends on the pair and the seed alone."""
    words = f"{seed}\0{pair['note_id']}\0{text_of(pair['chosen'])}\0{text_of(pair['rejected'])}"
    return sha256(words.encode("utf-8", "surrogatepass")).digest()


def _best_spread(pairs: Iterable[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """The best first (``CHOSEN_FROM``); among equals each note's first before any note's second, the greedy sample's
    before others', else at random.
    """

    def place(pair: Mapping[str, Any]) -> tuple[int, bool, bytes]:
        return CHOSEN_FROM.index(pair["chosen_from"]), pair["sample"] > 0, _rank(pair, seed)

    turns: Counter[str] = Counter()
    placed = []
    for pair in sorted(pairs, key=place):
        best, drawn, rank = place(pair)
        placed.append(((best, turns[pair["note_id"]], drawn, rank), pair))
        turns[pair["note_id"]] += 1
    return [pair for _, pair in sorted(placed, key=lambda item: item[0])]


def _without_clashes(
    pairs: Iterable[Mapping[str, Any]], others: Collection[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The pairs whose texts of the same note are in no other pair on the wrong side, or on both sides the same."""
    chosen = {(pair["note_id"], text_of(pair["chosen"])) for pair in others}
    rejected = {(pair["note_id"], text_of(pair["rejected"])) for pair in others}
    kept = []
    for pair in pairs:
        good, bad = (pair["note_id"], text_of(pair["chosen"])), (pair["note_id"], text_of(pair["rejected"]))
        if good in rejected or bad in chosen or bad in rejected:
            continue
        chosen.add(good)
        rejected.add(bad)
        kept.append(pair)
    return kept
