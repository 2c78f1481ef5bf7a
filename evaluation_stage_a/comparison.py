"""Two models on the same notes: what was fixed and broken, what changed by how much, and whether less is said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from evaluation_stage_a.examples import Example
from evaluation_stage_a.figures import summarise
from evaluation_stage_a.known_facts import COVERAGE, ERRORS, HALLUCINATED, judged
from evaluation_stage_a.screening import score_all
from utils.cli import UserError
from utils.generation import Generated
from utils.records import read_csv
from utils.statistics import Change, Parts, mcnemar_exact, paired_change

RESULTS_CSV = "evaluation_results.csv"
# How much worse the later model may be and still count as saying as much. Set before anything was measured.
COVERAGE_MARGIN, ROUGE_MARGIN, LENGTH_RATIO = 0.03, 0.01, (0.85, 1.15)

OUTCOMES = ("fixed", "broken", "both", "neither")
Held = Literal["held", "lost", "unclear", "longer"]


def read_earlier(folder: Path, notes: Sequence[str]) -> dict[str, Generated]:
    """The summaries that an earlier run of step 3 wrote into ``folder``, by note, of these notes alone.

    Only the texts are taken: they are scored anew, by the same screen as those that they are compared with.
    Raises UserError where there are none, or one note has several.
    """
    path = folder / RESULTS_CSV if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(
            f"--compare_with: no {RESULTS_CSV} in {folder}; evaluate Stage A into it first: python evaluation_stage_a/"
            f'evaluate_stage_a.py --model_path "models/sft_specialist_fast_fp16/final_model" --output_dir "{folder}"'
        )
    rows = read_csv(path, ("clinical_note", "generated_summary"), optional=("finish_reason",))
    wanted, found = set(notes), {}
    for row in rows:
        if row["clinical_note"] in found:
            raise UserError(f"--compare_with: {path} has a note twice; evaluate into another folder")
        if row["clinical_note"] in wanted:
            text = row["generated_summary"]
            found[row["clinical_note"]] = Generated(text, row["finish_reason"] or "unknown", 0, 0)
    if not found:
        raise UserError(f"--compare_with: {path} has none of these notes; use the same --test_data and --seed")
    return found


def score_earlier(examples: Sequence[Example], earlier: Mapping[str, Generated]) -> pd.DataFrame:
    """The results of the earlier texts, see ``score_all``. Raises UserError where none is of these notes."""
    shared = [example for example in examples if example.clinical_note in earlier]
    if not shared:
        raise UserError("--compare_with: none of its summaries is of these notes; leave --score_only out to add some")
    return score_all(shared, [earlier[example.clinical_note] for example in shared])


def compare(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Two models on the notes that both summarised: figures of each, and what changed note by note.

    ``fixed``: flagged before, clean after; ``broken``: the other way round. The p-value is exact McNemar's. ``changes``
    are differences with intervals by a paired bootstrap of notes; ``says_as_much`` sets coverage, ROUGE-L and length
    against what they may lose. The same by the oracle's labels, under ``oracle``, for the notes that it judged twice.
    """
    before, after = aligned(before, after)
    was_known, is_known = aligned(judged(before), judged(after))
    changes = {name: paired_change(parts(before), parts(after)) for name, parts in CHANGES.items()}
    oracle = None
    if len(is_known):
        exactly = {name: paired_change(parts(was_known), parts(is_known)) for name, parts in ORACLE_CHANGES.items()}
        oracle = {**_turned(was_known[HALLUCINATED] == 1, is_known[HALLUCINATED] == 1), "changes": exactly}
    coverage = (oracle or {"changes": changes})["changes"]["coverage"]
    return {
        "notes_in_common": len(after),
        "before": summarise(before),
        "after": summarise(after),
        **_turned(before["flagged_claims"] > 0, after["flagged_claims"] > 0),
        "changes": changes,
        "says_as_much": says_as_much(coverage, changes["rouge_l"], _length_ratio(before, after)),
        **({"oracle": oracle} if oracle else {}),
    }


def aligned(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the notes that are in both, in the order of the later results."""
    later = after[after["clinical_note"].isin(set(before["clinical_note"]))]
    earlier = before.set_index("clinical_note", drop=False).loc[later["clinical_note"]]
    return earlier.reset_index(drop=True), later.reset_index(drop=True)


def outcome(was: bool, is_now: bool) -> str:
    """What became of a note's summary, by whether it was wrong before and is now."""
    if was:
        return "both" if is_now else "fixed"
    return "broken" if is_now else "neither"


def says_as_much(coverage: Change | None, rouge_l: Change | None, length_ratio: float | None) -> dict[str, Any]:
    """Whether the later model says as much as the earlier one: a model that says less also errs less.

    Held: the whole interval of the change is above minus the margin; lost: the whole of it below; else there are too
    few notes to tell. The length is held if the median ratio of words, after to before, is within its limits; beyond
    the upper one the model says more (``longer``), so that its errors are better set against its claims.
    """
    return {
        "coverage": {"change": coverage, "margin": COVERAGE_MARGIN, "answer": _held(coverage, COVERAGE_MARGIN)},
        "rouge_l": {"change": rouge_l, "margin": ROUGE_MARGIN, "answer": _held(rouge_l, ROUGE_MARGIN)},
        "median_length_ratio": {
            "ratio": length_ratio,
            "limits": list(LENGTH_RATIO),
            "answer": _length_held(length_ratio),
        },
    }


def _length_held(ratio: float | None) -> Held:
    if ratio is None:
        return "unclear"
    low, high = LENGTH_RATIO
    return "lost" if ratio < low else "longer" if ratio > high else "held"


def _held(change: Change | None, margin: float) -> Held:
    if change is None or change.low is None or change.high is None:
        return "unclear"
    if change.low > -margin:
        return "held"
    return "lost" if change.high < -margin else "unclear"


def _length_ratio(before: pd.DataFrame, after: pd.DataFrame) -> float | None:
    """The median of words after to words before, over the notes that had a summary before."""
    spoken = before["words"] > 0
    return float((after["words"][spoken] / before["words"][spoken]).median()) if spoken.any() else None


def _turned(was: pd.Series, is_now: pd.Series) -> dict[str, Any]:
    """What changed, summary by summary, and McNemar's p-value."""
    counts = Counter(outcome(*pair) for pair in zip(was, is_now, strict=True))
    figures = {name: counts[name] for name in OUTCOMES}
    return {**figures, "mcnemar_p": mcnemar_exact(figures["fixed"], figures["broken"])}


def _mean(values: pd.Series) -> Parts:
    """A mean over the notes that have the value."""
    return Parts(values.fillna(0).astype(float), values.notna().astype(float))


def _ratio(counts: pd.Series, totals: pd.Series) -> Parts:
    return Parts(counts.fillna(0).astype(float), totals.fillna(0).astype(float))


def _listed(cells: pd.Series) -> pd.Series:
    """How many items each cell lists; missing where it is empty."""
    return cells.map(lambda cell: len(json.loads(cell)), na_action="ignore").astype("Float64")


CHANGES: Mapping[str, Callable[[pd.DataFrame], Parts]] = {
    "summaries_with_a_flag": lambda rows: _mean(rows["flagged_claims"] > 0),
    "flagged_sentences": lambda rows: _ratio(rows["flagged_sentences"], rows["sentences"]),
    "flagged_claims": lambda rows: _ratio(rows["flagged_claims"], rows["claims"]),
    "flagged_claims_per_summary": lambda rows: _mean(rows["flagged_claims"]),
    "coverage": lambda rows: _ratio(rows["important"] - _listed(rows["omitted"]), rows["important"]),
    "rouge_l": lambda rows: _mean(rows["rougeL"]),
    "words": lambda rows: _mean(rows["words"]),
}
ORACLE_CHANGES: Mapping[str, Callable[[pd.DataFrame], Parts]] = {
    "summaries_with_an_error": lambda rows: _mean(rows[HALLUCINATED]),
    "errors_per_summary": lambda rows: _mean(_listed(rows[ERRORS])),
    "coverage": lambda rows: _mean(rows[COVERAGE]),
}
