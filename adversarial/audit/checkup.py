"""The whole audit: both files in, figures and bars out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from adversarial.audit.bars import FAIL, WARN, Bar, hold
from adversarial.audit.pairs import EDITED, SOURCES, AuditedPair, NoteSample, read_pairs
from adversarial.audit.separation import (
    MIN_PAIRS,
    Interval,
    PairScores,
    Separation,
    WordProbes,
    absent_word_scores,
    can_be_probed,
    length_scores,
    separation,
)
from adversarial.audit.tally import Tally
from adversarial.audit.wording import (
    Direction,
    InsertedString,
    example_of,
    inserted_strings,
    log_odds,
    most_one_sided,
    most_repeated_template,
)
from utils.records import sample_by_note
from utils.statistics import wilson

SAMPLE = 16_000  # pairs that classifiers and n-grams look at: all of the shipped corpus, in about ten seconds
WITH_PROMPT = 3_000  # pairs whose prompts are read too; a note has five times the words of its summary
SHOWN_PHRASES = 12
SHOWN_STRINGS = 15
SCORE_BINS = 40
_MIN_TURNS = 50  # turns of one kind before it is judged as uneven


@dataclass(frozen=True)
class Audit:
    """Bars and figures; ``figures`` holds nothing but what JSON holds."""

    bars: tuple[Bar, ...]
    figures: Mapping[str, Any]

    @property
    def breaches(self) -> tuple[Bar, ...]:
        """The bars that were not cleared."""
        return tuple(bar for bar in self.bars if bar.status == FAIL)

    @property
    def warnings(self) -> tuple[Bar, ...]:
        """The bars that were cleared, if barely or without proof."""
        return tuple(bar for bar in self.bars if bar.status == WARN)

    def as_json(self) -> dict[str, Any]:
        """All of it, headline first, rounded to four decimals: the same bytes on every run."""
        verdict = "fail" if self.breaches else "warn" if self.warnings else "pass"
        return _rounded({"verdict": verdict, "bars": [asdict(bar) for bar in self.bars], **self.figures})


def audit_files(
    files: Mapping[str, Path], *, unseen: Mapping[str, Collection[str]] | None = None, seed: int = 42
) -> Audit:
    """Audit the pairs files of one data set, by name (train, val).

    ``unseen`` names sets of note ids that must not be among them, such as the test notes. The files are read once;
    counts are of every pair, classifiers and n-grams of a seeded sample by note of at most about ``SAMPLE`` pairs.
    Raises UserError naming file and line for what is no pair.
    """
    tally, sample = Tally(), NoteSample(SAMPLE, seed)
    for split, path in files.items():
        for pair, prompt in read_pairs(path, split):
            tally.add(pair)
            sample.add(pair, prompt)
    return audit_pairs(tally, sample, unseen or {})


def audit_pairs(tally: Tally, sample: NoteSample, unseen: Mapping[str, Collection[str]]) -> Audit:
    """Figures and bars of what was counted and sampled."""
    pairs = sample.pairs
    by_source = {source: [pair for pair in pairs if pair.source == source] for source in SOURCES}
    probes = {
        source: probe_source(members, sample.prompts, sample.seed) for source, members in by_source.items() if members
    }
    edited = by_source[EDITED]
    strings = inserted_strings(edited)
    directions = tally.directions.result()
    shared = tally.shared_notes(unseen)
    gained, lost = log_odds(edited, SHOWN_PHRASES)
    figures = {
        "pairs": tally.total,
        "pairs_by_file": dict(tally.by_split),
        "notes_by_file": tally.notes,
        "pairs_by_source": dict(tally.by_source.most_common()),
        "sample": {"pairs": len(pairs), "everything": sample.is_everything, "seed": sample.seed},
        "without_the_note": probes,
        "pairs_by_strategy": _ordered(tally.by_strategy),
        "pairs_by_severity": _ordered(tally.by_severity),
        "pairs_by_type_and_severity": _nested(tally.by_type_and_severity),
        "length_ratio_histogram": {f"{low:.2f}": count for low, count in sorted(tally.ratios.items())},
        "words_changed_histogram": {str(words): count for words, count in sorted(tally.words_changed.items())},
        "directions": [_direction(direction) for direction in directions],
        "inserted_strings": [asdict(string) for string in strings[:SHOWN_STRINGS]],
        "phrases_gained": [asdict(phrase) for phrase in gained],
        "phrases_lost": [asdict(phrase) for phrase in lost],
        "repeated_pairs": tally.repeated,
        "unchanged_pairs": tally.unchanged,
        "shared_notes": shared,
        "examples": examples_by_kind(pairs),
    }
    bars = (
        *_separation_bars(probes.get(EDITED), len(edited)),
        *_edit_bars(tally),
        *_string_bars(strings, len(edited)),
        _direction_bar(directions),
        hold(
            "duplicates",
            tally.repeated + tally.unchanged,
            detail=f"{tally.repeated:,} repeated, {tally.unchanged:,} with both sides alike, of {tally.total:,}",
        ),
        hold("contradictions", tally.contradictions),
        hold(
            "leakage",
            sum(shared.values()),
            detail=", ".join(f"{names}: {count:,}" for names, count in shared.items()),
        ),
    )
    return Audit(bars, figures)


def probe_source(pairs: Sequence[AuditedPair], prompts: Mapping[str, str], seed: int) -> dict[str, Any] | None:
    """How the pairs of one source can be told apart; None where there are too few to say."""
    if not can_be_probed(pairs):
        return None
    words = WordProbes(pairs)
    response = words.of_response()
    few = [pairs[index] for index in sample_by_note([pair.note_id for pair in pairs], WITH_PROMPT, seed)]
    return {
        "response": asdict(separation(response)),
        "side_by_side": asdict(separation(words.side_by_side()).side_by_side),
        "prompt_and_response": asdict(separation(WordProbes(few).of_prompt_and_response(prompts))),
        "length": {unit: asdict(separation(scores)) for unit, scores in length_scores(pairs).items()},
        "words_that_the_note_lacks": asdict(separation(absent_word_scores(few, prompts))),
        "response_by_kind": {name: asdict(one) for name, one in by_stratum(pairs, response).items()},
        "score_histogram": score_histogram(response),
    }


def by_stratum(pairs: Sequence[AuditedPair], scores: PairScores) -> dict[str, Separation]:
    """The classifier of the whole source, judged apart on each kind of pair, severity and own chosen summary."""
    kinds: tuple[tuple[str, Callable[[AuditedPair], str]], ...] = (
        ("", lambda pair: pair.stratum),
        ("severity: ", lambda pair: pair.severity),
        ("chosen: ", lambda pair: pair.chosen_from),
    )
    found = {}
    for prefix, kind_of in kinds:
        names = np.array([kind_of(pair) for pair in pairs])
        for name in sorted(set(names.tolist()) - {""}):
            mask = names == name
            if mask.sum() >= MIN_PAIRS:
                found[f"{prefix}{name}"] = separation(scores.where(mask))
    return found


def score_histogram(scores: PairScores) -> dict[str, list[float]]:
    """How the classifier scores both sides: edges of the bins, and the share of each side in each."""
    both = np.concatenate([scores.chosen, scores.rejected])
    low, high = np.percentile(both, [0.5, 99.5])
    edges = np.linspace(low, high, SCORE_BINS + 1)
    sides = {"chosen": scores.chosen, "rejected": scores.rejected}
    shares = {name: np.histogram(np.clip(side, low, high), edges)[0] / len(side) for name, side in sides.items()}
    return {"edges": edges.tolist()} | {name: share.tolist() for name, share in shares.items()}


def examples_by_kind(pairs: Iterable[AuditedPair]) -> list[dict[str, Any]]:
    """One pair of each kind, the one whose id has the smallest hash: chosen by nobody."""
    first: dict[tuple[str, str], AuditedPair] = {}
    for pair in sorted(pairs, key=lambda pair: blake2b(pair.id.encode(), digest_size=8).digest()):
        first.setdefault((pair.source, pair.stratum), pair)
    return [
        {
            "id": pair.id,
            "source": source,
            "kind": kind,
            "severity": pair.severity,
            "changes": [asdict(example_of(pair, change)) for change in pair.changes],
        }
        for (source, kind), pair in sorted(first.items())
    ]


def _separation_bars(probe: Mapping[str, Any] | None, pairs: int) -> list[Bar]:
    if probe is None:
        because = f"{pairs:,} edited pairs are too few to cross-validate over notes"
        return [hold(key, None, because=because) for key in ("response_auc", "length_auc", "side_by_side")]
    response, side = probe["response"], probe["side_by_side"]
    unit, length = max(
        ((unit, _either_way(one["auc"])) for unit, one in probe["length"].items()), key=lambda item: item[1].value
    )
    return [
        hold(
            "response_auc",
            response["auc"]["value"],
            interval=(response["auc"]["low"], response["auc"]["high"]),
            detail=f"{response['pairs']:,} pairs of {response['notes']:,} independent notes",
        ),
        hold("length_auc", length.value, interval=(length.low, length.high), detail=f"in {unit}"),
        hold("side_by_side", side["value"], interval=(side["low"], side["high"])),
    ]


def _either_way(auc: Mapping[str, float]) -> Interval:
    """An AUC for whom shorter tells as much as longer."""
    if auc["value"] >= 0.5:
        return Interval(auc["value"], auc["low"], auc["high"])
    return Interval(1 - auc["value"], 1 - auc["high"], 1 - auc["low"])


def _edit_bars(tally: Tally) -> list[Bar]:
    bars = []
    for key, count in (("length_ratio", tally.within_ratio), ("insertions", tally.only_insert)):
        rate = wilson(count, tally.edited)
        interval = None if rate.low is None or rate.high is None else (rate.low, rate.high)
        bars.append(hold(key, rate.share, interval=interval, detail=f"{count:,} of {tally.edited:,}"))
    return bars


def _string_bars(strings: Sequence[InsertedString], pairs: int) -> list[Bar]:
    if not pairs:
        return [hold(key, None, because="no edited pairs") for key in ("template", "one_sided")]
    template, uneven = most_repeated_template(strings), most_one_sided(strings)
    return [
        hold(
            "template",
            template.inserted / pairs if template else 0.0,
            detail=f"“{template.text}”, {template.inserted:,} times" if template else "no string of three words",
        ),
        hold(
            "one_sided",
            max(0, uneven.inserted - uneven.removed) / pairs if uneven else 0.0,
            detail=f"“{uneven.text}”, in {uneven.inserted:,}, out {uneven.removed:,}" if uneven else "nothing put in",
        ),
    ]


def _direction_bar(directions: Iterable[Direction]) -> Bar:
    """The most uneven direction among those that are proven to be uneven at all."""
    worst: tuple[float, str] | None = None
    for direction in directions:
        rate = direction.rate
        if rate.total < _MIN_TURNS or rate.share is None or rate.low is None or rate.high is None:
            continue
        if rate.low > 0.5 or rate.high < 0.5:
            name = direction.forward if rate.share > 0.5 else direction.backward
            found = (max(rate.share, 1 - rate.share), f"{direction.name}: {name}, {rate.total:,} in all")
            worst = found if worst is None else max(worst, found)
    if worst is None:
        return hold("directions", 0.5, detail="none is proven to be uneven")
    return hold("directions", worst[0], detail=worst[1])


def _direction(direction: Direction) -> dict[str, Any]:
    return {
        "name": direction.name,
        "forward": direction.forward,
        "backward": direction.backward,
        **direction.rate._asdict(),
    }


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _nested(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counts.items()):
        nested.setdefault(outer, {})[inner] = count
    return dict(sorted(nested.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
