"""Pairs of the SFT model's own summaries: a sample that the note disproves is rejected, a sound one of its own chosen.

The screen sees only part of what is wrong, so a chosen summary may still be wrong elsewhere: ``on_policy.repair``
says why that does little harm to a repaired one, and more to a clean sample. Hence the order repair, sample, gold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adversarial.checks import check_chosen, check_length
from adversarial.on_policy.repair import Repair, repair
from adversarial.on_policy.samples import check_sample, distinct, likeness
from adversarial.operators.edits import Edit
from adversarial.pairs import SEVERITIES, Factual, word_edits
from clinical.screen.support import has_unsupported, unsupported_claims
from utils.prompts import completion_messages, prompt_messages, text_of

if TYPE_CHECKING:
    from utils.generation import Generated

ON_POLICY = "on_policy"  # the strategy of these pairs
# How the chosen summary was made, the best first: see ``adversarial.on_policy.repair`` for why.
REPAIRED, SAMPLED, GOLD = "repair", "sample", "gold"
CHOSEN_FROM = (REPAIRED, SAMPLED, GOLD)
PAIRS_PER_NOTE = 2  # more of one note would weigh that note more than the others


@dataclass(frozen=True)
class Sampling:
    """How the SFT model is sampled. ``batch_size`` bounds the memory; it is part of what decides the texts."""

    samples_per_note: int = 4
    temperature: float = 0.8
    seed: int = 42
    max_new_tokens: int = 256
    batch_size: int = 16


class OwnPair(NamedTuple):
    """A pair of the model's own: ``edits`` lead from chosen to rejected, ``wrong_facts`` counts what is wrong in it."""

    chosen: str
    rejected: str
    chosen_from: str
    edits: tuple[Edit, ...]
    wrong_facts: int


@dataclass
class OnPolicy:
    """What became of the samples: pairs as the file holds them, refusals with their reasons, counts."""

    pairs: list[Mapping[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    samples: int = 0
    clean: int = 0

    def figures(self) -> dict[str, Any]:
        """The counts for the run record."""
        return {
            "samples": self.samples,
            "in which the screen finds nothing": self.clean,
            "pairs": len(self.pairs),
            "chosen from": dict(Counter(pair["chosen_from"] for pair in self.pairs).most_common()),
            "refused": dict(Counter(refusal["reason"] for refusal in self.refusals).most_common()),
        }


def make_on_policy(rows: Sequence[Factual], sft_model_path: str, sampling: Sampling, journal: Path) -> OnPolicy:
    """Sample the SFT model on the notes of these rows, screen the samples, and make pairs of them.

    Every finished batch is in ``journal``; after a kill the same call goes on from there, and ends with the same pairs.
    The model is loaded only where a sample is missing. Raises UserError for a path that is not a model.
    """
    first = _first_rows(rows)
    texts = sample_summaries([row.note for row in first], sft_model_path, sampling, journal)
    return pair_samples(first, texts)


def sample_summaries(
    notes: Sequence[str], sft_model_path: str, sampling: Sampling, journal: Path
) -> list[list[Generated]]:
    """The model's own summaries of each note, at the temperature that is asked for, in the order of the notes."""
    from utils.cpu_speed import reuse_freed_memory
    from utils.files import sha256_path
    from utils.generation import GenerationSettings, sample_all
    from utils.models import choose_device, choose_dtype, find_checkpoint, load_to_generate, load_tokenizer
    from utils.prompts import encode_prompt

    checkpoint = find_checkpoint(sft_model_path, "--sft_model_path", "python models/train_stage_a.py")
    device = choose_device("auto")

    def load() -> Any:
        reuse_freed_memory()
        return load_to_generate(checkpoint, device)

    tokenizer = load_tokenizer(checkpoint)
    prompts = [encode_prompt(tokenizer, prompt_messages(note)) for note in notes]
    settings = GenerationSettings(sampling.max_new_tokens, sampling.temperature, sampling.seed)
    # What decides the low bits of a text beside prompt and settings: the weights, their precision, the padding.
    weights = [sha256_path(folder) for folder in checkpoint.folders.values()] or checkpoint.base
    model_id = f"{weights}: {choose_dtype(device)} on {device.type}, batch {sampling.batch_size}"
    texts, _ = sample_all(
        load, tokenizer, prompts, settings, sampling.batch_size, journal, model_id, samples=sampling.samples_per_note
    )
    return texts


def pair_samples(
    rows: Sequence[Factual], samples: Sequence[Sequence[Generated]], most: int = PAIRS_PER_NOTE
) -> OnPolicy:
    """Screen the samples of each row's note and pair them: at most ``most`` pairs of a note, none of them twice."""
    made = OnPolicy()
    for row, drawn in zip(rows, samples, strict=True):
        bad: list[str] = []
        clean: list[str] = []
        for text in _whole_samples(row, drawn, made):
            (bad if has_unsupported(row.note, text) else clean).append(text)
        made.clean += len(clean)
        pairs = []
        for text in _distinct(row, bad, made):
            pair = _pair(row, text, clean, made)
            if pair is not None:
                pairs.append(pair)
        # The best first; the sort is stable, so equal ones stay in the order in which they were drawn.
        pairs.sort(key=lambda pair: CHOSEN_FROM.index(pair.chosen_from))
        made.pairs += [as_record(row, pair) for pair in pairs[:most]]
        for pair in pairs[most:]:
            made.refusals.append(_refusal(row, f"more than {most} pairs of one note", pair.rejected, pair.chosen))
    return made


def _whole_samples(row: Factual, drawn: Sequence[Generated], made: OnPolicy) -> list[str]:
    """The samples that are whole; the others are refused."""
    made.samples += len(drawn)
    whole = []
    for sample in drawn:
        reason = check_sample(sample)
        if reason:
            made.refusals.append(_refusal(row, reason, sample.text))
        else:
            whole.append(sample.text.strip())
    return whole


def _distinct(row: Factual, bad: Sequence[str], made: OnPolicy) -> list[str]:
    """The bad samples that are not nearly the same as one before. (A clean one that is, is the best to choose.)"""
    fresh = distinct(bad)
    made.refusals += [
        _refusal(row, "nearly the same sample twice", text)
        for text, is_fresh in zip(bad, fresh, strict=True)
        if not is_fresh
    ]
    return [text for text, is_fresh in zip(bad, fresh, strict=True) if is_fresh]


def _pair(row: Factual, bad: str, clean: Sequence[str], made: OnPolicy) -> OwnPair | None:
    """The bad sample repaired; else the clean one of like length that is most like it; else the factual summary."""
    flagged = unsupported_claims(row.note, bad)
    mostly = Counter(claim.type for claim in flagged).most_common(1)[0][0]
    result = repair(row.note, bad, clean)
    if isinstance(result, Repair):
        return OwnPair(result.text, bad, REPAIRED, result.edits, result.wrong_facts)
    made.refusals.append(_refusal(row, f"not repaired: {result.reason}", bad))
    usable = [text for text in clean if check_length(text, bad) is None]
    closest = max(usable, key=lambda text: likeness(text, bad), default=None)
    if closest is not None:
        return OwnPair(closest, bad, SAMPLED, word_edits(closest, bad, mostly), len(flagged))
    reason = check_chosen(row.note, row.summary) or check_length(row.summary, bad)
    if reason:
        made.refusals.append(_refusal(row, f"nothing to choose over it: factual summary {reason}", bad))
        return None
    return OwnPair(row.summary, bad, GOLD, word_edits(row.summary, bad, mostly), len(flagged))


def as_record(row: Factual, pair: OwnPair) -> Mapping[str, Any]:
    """One line of the pairs file; ``chosen_from`` says how the chosen summary was made."""
    digest = sha256(f"{row.note_id}\0{pair.chosen}\0{pair.rejected}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return {
        "prompt": prompt_messages(row.note),
        "chosen": completion_messages(pair.chosen),
        "rejected": completion_messages(pair.rejected),
        "id": f"{row.row_id}-{digest}",
        "note_id": row.note_id,
        "strategy": ON_POLICY,
        "edits": [edit.as_record() for edit in pair.edits],
        "severity": SEVERITIES[min(pair.wrong_facts, max(SEVERITIES))],
        "chosen_from": pair.chosen_from,
    }


def _refusal(row: Factual, reason: str, rejected: str, chosen: str | None = None) -> dict[str, Any]:
    """As the refusals of edited negatives are kept."""
    return {
        "id": row.row_id,
        "note_id": row.note_id,
        "operator": ON_POLICY,
        "reason": reason,
        "chosen": chosen,
        "rejected": rejected,
    }


def _first_rows(rows: Iterable[Factual]) -> list[Factual]:
    """One row of each note: two summaries of a note are no reason to sample it twice."""
    first: dict[str, Factual] = {}
    for row in rows:
        first.setdefault(row.note_id, row)
    return list(first.values())


class Mix(NamedTuple):
    """The pairs to write, in the order of their notes, and what is to be said about their number."""

    pairs: list[Mapping[str, Any]]
    remarks: list[str]


def choose_mix(
    edited: Sequence[Mapping[str, Any]], on_policy: Sequence[Mapping[str, Any]], share: float, seed: int
) -> Mix:
    """Exchange a share of the edited pairs for on-policy ones, so that the total stays about what it was.

    Of as many pairs as there are edited ones, ``share`` (0 to 1) are to be on-policy. Where there are fewer, all of
    them are taken and no edited pair makes up for the missing ones: the edited part is what was asked for. Which pairs
    are taken depends on their content and the seed alone; of the on-policy ones, the repaired first and every note once
    before any comes twice. A text that is chosen in one pair of a note is not rejected in another. Raises ValueError
    for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} is not between 0 and 1")
    wanted = round(share * len(edited))
    own = _without_clashes(on_policy, edited if share < 1 else ())
    taken = _best_spread(own, seed)[:wanted]
    kept = sorted(edited, key=lambda pair: _rank(pair, seed))[: len(edited) - wanted]
    remarks = []
    if len(own) < len(on_policy):
        remarks.append(
            f"{len(on_policy) - len(own):,} on-policy pairs left out: another pair says the same or the reverse"
        )
    if len(taken) < wanted:
        total = len(taken) + len(kept)
        reached = f"{len(taken) / total:.0%}" if total else "none"
        remarks.append(
            f"{len(taken):,} on-policy pairs where {wanted:,} were wanted ({reached} of the written pairs instead of "
            f"{share:.0%}): no more of the samples could be paired; more --samples_per_note give more"
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
    """The repaired ones first; among equals each note's first before any note's second, else at random."""
    ranked = sorted(pairs, key=lambda pair: (CHOSEN_FROM.index(pair["chosen_from"]), _rank(pair, seed)))
    turns: Counter[str] = Counter()
    placed = []
    for pair in ranked:
        placed.append((CHOSEN_FROM.index(pair["chosen_from"]), turns[pair["note_id"]], _rank(pair, seed), pair))
        turns[pair["note_id"]] += 1
    return [pair for *_, pair in sorted(placed, key=lambda item: item[:3])]


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
