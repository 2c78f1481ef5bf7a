"""Pairs of the SFT model's own summaries: one that the note disproves is rejected, a sound one of its own chosen.

Where the screen finds nothing wrong in a summary, a fact of it is made wrong as in a factual one, so that every
summary gives a pair. The screen sees only part of what is wrong: a chosen summary may still be wrong elsewhere, and
where chosen and rejected are one text but for the fact in question, as here and after a repair, that stands on both
sides and cancels (see ``on_policy.repair``). Against another sample or the factual summary it does not, and the pair
teaches style as well: hence the order of ``CHOSEN_FROM``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from adversarial.checks import check_chosen, check_length
from adversarial.on_policy import sample_reading
from adversarial.on_policy.repair import Repair, check_names, repair
from adversarial.on_policy.samples import alike, check_sample, check_words, likeness
from adversarial.operators.donors import Donors, collect_donors
from adversarial.operators.edits import Edit
from adversarial.operators.kinds import kinds_of
from adversarial.operators.table import FAMILIES
from adversarial.pairs import SEVERITIES, Factual, Negative, as_record, make_negatives, seeded, word_edits
from clinical.screen.support import ScreenedClaim, has_unsupported, unsupported_claims
from utils.prompts import completion_messages, prompt_messages

if TYPE_CHECKING:
    from utils.generation import Generated

ON_POLICY = "on_policy"  # the strategy of pairs whose rejected summary the model wrote itself
# What is chosen, the best first: a sample repaired, over itself; a clean sample, over itself with a fact made wrong;
# another, clean sample; the factual summary.
REPAIRED, CLEAN, SAMPLED, GOLD = "repair", "clean", "sample", "gold"
CHOSEN_FROM = (REPAIRED, CLEAN, SAMPLED, GOLD)
_SHOW_BAR_AFTER = 3  # seconds; shorter work needs no progress bar
LENDING = 2000  # samples that lend sentences and values: as many as factual summaries do


class Sample(NamedTuple):
    """A whole summary of the model's own. ``number`` 0 is the greedy one; ``findings`` are the screen's."""

    text: str
    number: int
    findings: tuple[ScreenedClaim, ...]


@dataclass(frozen=True)
class Screened:
    """The samples of one note that are whole, near duplicates left out; ``refusals`` tell of the others."""

    row: Factual
    drawn: int
    flagged: tuple[Sample, ...]
    clean: tuple[Sample, ...]
    refusals: tuple[Mapping[str, Any], ...]


@dataclass
class OnPolicy:
    """What became of the samples: pairs as the file holds them, refusals with their reasons, counts."""

    pairs: list[Mapping[str, Any]] = field(default_factory=list)
    refusals: list[Mapping[str, Any]] = field(default_factory=list)
    samples: int = 0
    flagged: int = 0
    clean: int = 0

    def refuse(self, row: Factual, reason: str, rejected: str) -> None:
        """Keep a refusal where a person can read it."""
        self.refusals.append(_refusal(row, reason, rejected))

    def figures(self) -> dict[str, Any]:
        """The counts for the run record."""
        return {
            "samples": self.samples,
            "in which the screen finds something": self.flagged,
            "in which the screen finds nothing": self.clean,
            "pairs": len(self.pairs),
            "chosen from": dict(Counter(pair["chosen_from"] for pair in self.pairs).most_common()),
            "refused": dict(Counter(refusal["reason"] for refusal in self.refusals).most_common()),
        }


def first_rows(rows: Iterable[Factual]) -> list[Factual]:
    """One row of each note: two summaries of a note are no reason to sample it twice."""
    first: dict[str, Factual] = {}
    for row in rows:
        first.setdefault(row.note_id, row)
    return list(first.values())


def screen_samples(
    rows: Sequence[Factual], samples: Sequence[Sequence[Generated]], vocabulary: frozenset[str]
) -> list[Screened]:
    """Screen the samples of each row's note, in order; ``vocabulary`` is for :func:`~samples.check_words`."""
    return [_screened(row, drawn, vocabulary) for row, drawn in zip(rows, samples, strict=True)]


def count_kinds(screened: Iterable[Screened]) -> Counter[str]:
    """How many of the screen's findings in these samples are of each kind (see operators.kinds)."""
    return kinds_of(finding for one in screened for sample in one.flagged for finding in sample.findings)


def pair_samples(
    screened: Sequence[Screened],
    *,
    seed: int,
    kinds: Mapping[str, float] | None = None,
    families: Sequence[str] = FAMILIES,
) -> OnPolicy:
    """Make a pair of every sample that gives one, those of a note in the order in which they were drawn.

    What is put into a clean sample comes from other samples, as far as it does not come from the note: it is then in
    the model's words, too. ``kinds`` and ``families`` are as for ``make_negatives``.
    """
    made = OnPolicy()
    donors = _donors(screened, seed)
    for one in tqdm(screened, desc="Pairing samples", unit="note", delay=_SHOW_BAR_AFTER, disable=None):
        made.samples += one.drawn
        made.flagged += len(one.flagged)
        made.clean += len(one.clean)
        made.refusals += one.refusals
        clean = [sample.text for sample in one.clean]
        for sample in sorted((*one.flagged, *one.clean), key=lambda sample: sample.number):
            if sample.findings:
                pair = _over_own_error(one.row, sample, clean, made)
            else:
                own = replace(one.row, summary=sample.text)
                draw = seeded(seed, sample.text).getrandbits(32)  # several samples of a note shall not all err alike
                outcome = make_negatives(own, donors, seed=draw, wanted=1, kinds=kinds, families=families)
                pair = next((_record(one.row, sample.text, n, CLEAN, sample.number) for n in outcome.negatives), None)
                if pair is None:
                    made.refuse(one.row, "clean sample in which no fact could be made wrong", sample.text)
            if pair is not None:
                made.pairs.append(pair)
    return made


def _screened(row: Factual, drawn: Sequence[Generated], vocabulary: frozenset[str]) -> Screened:
    """Which samples of a note are whole, and in which of them the screen finds something.

    Of nearly equal ones the first stays; one that is clean where the other is not tells what was wrong with it.
    """
    kept: dict[bool, list[Sample]] = {True: [], False: []}
    refusals = []
    for number, sample in enumerate(drawn):
        text = sample.text.strip()
        reason = check_sample(sample) or check_words(text, row.note, vocabulary)
        if reason is None:
            findings = tuple(unsupported_claims(row.note, text)) if has_unsupported(row.note, text) else ()
            of_its_kind = kept[bool(findings)]
            if not any(alike(text, other.text) for other in of_its_kind):
                of_its_kind.append(Sample(text, number, findings))
                continue
            reason = "nearly the same sample twice"
        refusals.append(_refusal(row, reason, sample.text))
    return Screened(row, len(drawn), tuple(kept[True]), tuple(kept[False]), tuple(refusals))


def _over_own_error(row: Factual, bad: Sample, clean: Sequence[str], made: OnPolicy) -> Mapping[str, Any] | None:
    """The flagged sample repaired; else the clean one most like it that says as much; else the factual summary."""
    result = repair(row.note, bad.text, (*clean, row.summary))
    if isinstance(result, Repair):
        return _own_error(row, bad, result.text, REPAIRED, result.edits, result.wrong_facts)
    made.refuse(row, f"not repaired: {result.reason}", bad.text)
    mostly = Counter(finding.type for finding in bad.findings).most_common(1)[0][0]
    read = sample_reading.Sample(row.note, bad.text)
    usable = [text for text in clean if (check_length(text, bad.text) or check_names(read, text)) is None]
    closest = max(usable, key=lambda text: likeness(text, bad.text), default=None)
    if closest is not None:
        return _own_error(row, bad, closest, SAMPLED, word_edits(closest, bad.text, mostly), len(bad.findings))
    reason = check_chosen(row.note, row.summary) or check_length(row.summary, bad.text)
    if reason:
        made.refuse(row, f"nothing to choose over it: factual summary {reason}", bad.text)
        return None
    return _own_error(row, bad, row.summary, GOLD, word_edits(row.summary, bad.text, mostly), len(bad.findings))


def _own_error(
    row: Factual, bad: Sample, chosen: str, chosen_from: str, edits: tuple[Edit, ...], wrong_facts: int
) -> Mapping[str, Any]:
    severity = SEVERITIES[min(wrong_facts, max(SEVERITIES))]
    return _record(row, chosen, Negative(bad.text, ON_POLICY, edits, severity), chosen_from, bad.number)


def _record(row: Factual, chosen: str, negative: Negative, chosen_from: str, number: int) -> Mapping[str, Any]:
    """One line of the pairs file: as of an edited pair, with what was chosen and the number of the sample."""
    messages = prompt_messages(row.note), completion_messages(chosen), completion_messages(negative.text)
    pair = as_record(replace(row, summary=chosen), negative, *messages)
    return {**pair, "chosen_from": chosen_from, "sample": number}


def _donors(screened: Sequence[Screened], seed: int) -> Donors:
    """What samples lend, the flagged ones too: of another note, what they say is wrong anyway."""
    lending = [(one.row.note, sample.text) for one in screened for sample in (*one.flagged, *one.clean)]
    return collect_donors(seeded(seed, "lending").sample(lending, min(LENDING, len(lending))))


def _refusal(row: Factual, reason: str, rejected: str) -> Mapping[str, Any]:
    """As the refusals of edited negatives are kept."""
    return {
        "id": row.row_id,
        "note_id": row.note_id,
        "operator": ON_POLICY,
        "reason": reason,
        "chosen": None,
        "rejected": rejected,
    }
