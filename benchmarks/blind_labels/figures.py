"""What readers of the blind sheet say of each arm, how far they can be trusted, and what had to be reached."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

from assessment.agreement import Paired, paired
from assessment.session import Key
from assessment.store import labels_in
from benchmarks.arms.figures import COMPARED, Bar, Results, bar_of_control, bars_of_wording, changes, read_results
from benchmarks.blind_labels.sheet import GOLD, PLANTED
from evaluation_stage_a.figures import as_json, summarise
from utils.cli import UserError
from utils.statistics import Z_95, Parts, Rate, paired_change, wilson

# What has to be reached, set before anything was measured. Independent judges saw 45 to 48 % fewer errors in published
# clinical DPO (arXiv 2603.10494, 2605.28910).
LOWER_BY, A_AND_B_P, NOTES = 0.4, 0.05, 100
TOGETHER = "all readers"

Verdicts = Mapping[Key, bool]  # whether a summary hallucinates, for those that were labelled


class Item(NamedTuple):
    """One summary of the sheet: its key in the labels, its note, and all who wrote it."""

    key: Key
    note: str
    writers: tuple[str, ...]


class Reader(NamedTuple):
    """One reader's verdicts on the sheet, and how many summaries were passed over as impossible to tell."""

    verdicts: Verdicts
    skipped: int


class Corrected(NamedTuple):
    """A rate that allows for the reader's own errors, with its 95 % interval; None where these tell nothing."""

    share: float | None
    low: float | None
    high: float | None


# ---------------------------------------------------------------------- what was labelled


def items_of(key: Mapping[str, Any]) -> list[Item]:
    """The summaries that a key tells of."""
    return [Item((i["example_id"], i["text_sha256"]), i["note"], tuple(i["writers"])) for i in key["items"]]


def read_reader(path: Path, items: Sequence[Item]) -> Reader:
    """What a reader said of the sheet. Raises UserError for labels of another sheet, and for labels that end early."""
    labels, known = labels_in(path), {item.key for item in items}
    verdicts = {key: wrong for key, wrong in labels.items() if key in known}
    if not verdicts:
        found = f"{len(labels)} labels of other summaries" if labels else "no labels"
        raise UserError(f"{path}: {found}; give what manual_assessment_tool.py wrote beside the sheet of this key")
    passed_over = set(json.loads(path.read_text("utf-8")).get("skipped", ()))
    skipped = sum(item.key not in verdicts and item.key[0] in passed_over for item in items)
    unread = len(items) - len(verdicts) - skipped
    if unread:
        raise UserError(
            f"{path}: {unread} of {len(items)} summaries are not judged yet. Figures before the end would unblind the "
            "rest: go on with the same labelling command, and skip (s) what cannot be told"
        )
    return Reader(verdicts, skipped)


def together(readers: Sequence[Verdicts]) -> dict[Key, bool]:
    """One verdict for each summary: that of most of those who judged it, hallucinated where they are split evenly."""
    votes: dict[Key, list[bool]] = {}
    for verdicts in readers:
        for key, wrong in verdicts.items():
            votes.setdefault(key, []).append(wrong)
    return {key: 2 * sum(cast) >= len(cast) for key, cast in votes.items()}


def said_of(writer: str, items: Iterable[Item], verdicts: Verdicts) -> dict[str, bool]:
    """The verdicts on what one writer wrote, by note."""
    return {item.note: verdicts[item.key] for item in items if writer in item.writers and item.key in verdicts}


# ---------------------------------------------------------------------- what follows


def measure(items: Sequence[Item], readers: Sequence[Reader], arms: Sequence[str]) -> dict[str, Any]:
    """All figures that hang on the labels, as JSON can hold them: of each reader, of all together, their agreement."""
    judges = {f"reader {number}": reader.verdicts for number, reader in enumerate(readers, start=1)}
    agreement = [
        {"readers": [one, other], **agreed(judges[one], judges[other])} for one, other in combinations(judges, 2)
    ]
    if len(readers) > 1:
        judges[TOGETHER] = together([reader.verdicts for reader in readers])
    figures = {
        "summaries": len(items),
        "skipped": [reader.skipped for reader in readers],
        "judges": {name: judge_figures(items, verdicts, arms) for name, verdicts in judges.items()},
        "agreement": agreement,
    }
    return {name: as_json(value) for name, value in figures.items()}


def judge_figures(items: Sequence[Item], verdicts: Verdicts, arms: Sequence[str]) -> dict[str, Any]:
    """One judge: how well known errors are told, each arm's rate as it is and corrected, and what changed."""
    said = {writer: said_of(writer, items, verdicts) for writer in (*arms, GOLD, PLANTED)}
    rates = {writer: wilson(sum(found.values()), len(found)) for writer, found in said.items()}
    sensitivity, alarms = rates[PLANTED], rates[GOLD]
    specificity = wilson(alarms.total - alarms.events, alarms.total)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "arms": {
            arm: {"rate": rates[arm], "corrected": corrected(rates[arm], sensitivity, specificity)} for arm in arms
        },
        "changes": {f"{later} against {earlier}": turned(said[earlier], said[later]) for later, earlier in COMPARED},
    }


def corrected(rate: Rate, sensitivity: Rate, specificity: Rate) -> Corrected:
    """The rate of summaries that are wrong, by how often a reader says so and how often that is right.

    The estimate is Rogan and Gladen's (Am J Epidemiol 1978), kept within 0 to 1. The interval also allows for
    sensitivity and specificity being estimates: Lang and Reiczigel, Prev Vet Med 2014, equations 4 to 17. Where its
    shift leaves the estimate outside, it is widened up to it.
    """
    if not (rate.total and sensitivity.total and specificity.total):
        return Corrected(None, None, None)
    counts = (rate, sensitivity, specificity)
    positive, true, clean = (count.events / count.total for count in counts)
    # The adjusted shares and totals: z squared / 2 events of z squared more summaries, one of two more controls.
    n, of_wrong, of_clean = rate.total + Z_95**2, sensitivity.total + 2, specificity.total + 2
    p = (rate.events + Z_95**2 / 2) / n
    se, sp = (sensitivity.events + 1) / of_wrong, (specificity.events + 1) / of_clean
    if true + clean <= 1 or se + sp <= 1:  # no better than guessing
        return Corrected(None, None, None)
    share = min(1.0, max(0.0, (positive + clean - 1) / (true + clean - 1)))
    centre = (p + sp - 1) / (se + sp - 1)
    of_sensitivity, of_specificity = se * (1 - se) / of_wrong, sp * (1 - sp) / of_clean
    shift = 2 * Z_95**2 * (centre * of_sensitivity - (1 - centre) * of_specificity)
    variance = p * (1 - p) / n + centre**2 * of_sensitivity + (1 - centre) ** 2 * of_specificity
    half = Z_95 * sqrt(variance) / (se + sp - 1)
    low, high = max(0.0, centre + shift - half), min(1.0, centre + shift + half)
    return Corrected(share, min(share, low), max(share, high))


def turned(before: Mapping[str, bool], after: Mapping[str, bool]) -> dict[str, Any]:
    """What changed between two arms on the notes of which both summaries were judged: counts, p-value, difference."""
    notes = [note for note in before if note in after]
    table = Paired.of((before[note], after[note]) for note in notes)
    ones = [1.0] * len(notes)
    was, now = (Parts([float(said[note]) for note in notes], ones) for said in (before, after))
    return {
        "notes": table.total,
        "fixed": table.first_only,
        "broken": table.second_only,
        "both": table.both,
        "neither": table.neither,
        "mcnemar_p": table.mcnemar_p,
        "change": paired_change(was, now),
        "fewer": 1 - table.second.events / table.first.events if table.first.events else None,
    }


def agreed(one: Verdicts, other: Verdicts) -> dict[str, Any]:
    """How far two readers agree on the summaries that both judged."""
    table = paired(one, other)
    return {
        "summaries": table.total,
        "agreement": table.agreement,
        "positive_agreement": table.positive_agreement,
        "kappa": table.kappa,
    }


def screened(results: Results) -> dict[str, Any]:
    """What the steps left behind: pairs, trainings, and what the screen says of each arm and of each two."""
    frames = {arm: read_results(folder) for arm, folder in results.arms.items()}
    return {
        "pairs": dict(results.pairs),
        "trained": dict(results.trained),
        "arms": {arm: as_json(summarise(frame)) for arm, frame in frames.items()},
        "changes": {
            f"{later} against {earlier}": as_json(changes(frames[earlier], frames[later]))
            for later, earlier in COMPARED
        },
    }


def bars(record: Mapping[str, Any]) -> list[Bar]:
    """What had to be reached beside what the readers found; with several, by all together."""
    judge = verdict_of(record)
    change = judge["changes"]["stage_b against stage_a"]
    fewer, p, notes = change["fewer"] or 0.0, change["mcnemar_p"], record["notes"]
    return [
        Bar(
            "summaries that readers find wrong, against Stage A",
            f"at least {100 * LOWER_BY:.0f} % fewer",
            f"{100 * fewer:.0f} % fewer",
            fewer >= LOWER_BY,
        ),
        Bar("exact McNemar, Stage A and Stage B", f"p < {A_AND_B_P}", f"p = {p:.2g}", p < A_AND_B_P and fewer > 0),
        bar_of_control(judge["changes"]["stage_b against control"]),
        *bars_of_wording(record["changes"]["stage_b against stage_a"]),
        Bar("notes", f"at least {NOTES}", str(notes), notes >= NOTES),
    ]


def verdict_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures that count: those of all readers together where there are several."""
    judges = record["labels"]["judges"]
    return judges.get(TOGETHER) or next(iter(judges.values()))
