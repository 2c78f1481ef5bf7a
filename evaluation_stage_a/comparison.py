"""Figures over all summaries of one model, and of two models on the same notes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation_stage_a.known_facts import HALLUCINATED, judged, summarise_known_facts, typed
from utils.cli import UserError
from utils.records import RESULT_COLUMNS, read_csv
from utils.statistics import Rate, mcnemar_exact, wilson

RESULTS_CSV = "evaluation_results.csv"


def summarise(results: pd.DataFrame) -> dict[str, Any]:
    """The figures of one model; rates with their 95 % Wilson intervals. The unit of the rate is the summary."""
    flagged = results["flagged_claims"] > 0
    types = Counter(flag["type"] for cell in results["flags"] for flag in json.loads(cell))
    rouge = results["rougeL"].dropna()
    oracle = summarise_known_facts(results)
    return {
        "summaries": len(results),
        "screened_hallucination_rate": wilson(int(flagged.sum()), len(results)),
        "flagged_claims_per_summary": float(results["flagged_claims"].mean()),
        "flagged_claims_by_type": dict(types.most_common()),
        "claims_per_summary": float(results["claims"].mean()),
        "stopped_at_eos": wilson(int((results["finish_reason"] == "eos").sum()), len(results)),
        "empty_summaries": int((results["words"] == 0).sum()),
        "mean_words": float(results["words"].mean()),
        "mean_rouge_l": float(rouge.mean()) if len(rouge) else None,
        **({"oracle": oracle} if oracle else {}),
    }


def read_results(folder: Path) -> pd.DataFrame:
    """The results that an earlier run of step 3 wrote into ``folder``. Raises UserError where there are none."""
    path = folder / RESULTS_CSV if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(
            f"--compare_with: no {RESULTS_CSV} in {folder}; evaluate Stage A into it first: python evaluation_stage_a/"
            f'evaluate_stage_a.py --model_path "models/sft_specialist_fast_fp16/final_model" --output_dir "{folder}"'
        )
    scores = ("finish_reason", "words", "claims", "flagged_claims", "flags", "rougeL")
    frame = pd.DataFrame(read_csv(path, required=(*RESULT_COLUMNS, *scores)))
    try:
        for column in ("words", "claims", "flagged_claims"):
            frame[column] = frame[column].astype(int)
        frame["rougeL"] = pd.to_numeric(frame["rougeL"].replace("", None))
        frame["flags"].map(json.loads)
        frame = typed(frame)
    except (ValueError, KeyError) as error:
        raise UserError(f"--compare_with: {path} was edited ({error}); evaluate into another folder") from error
    if frame["clinical_note"].duplicated().any():
        raise UserError(f"--compare_with: {path} has a note twice; evaluate into another folder")
    return frame


def compare(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Two models on the notes that both summarised: figures of each, and what changed summary by summary.

    ``fixed``: flagged before, clean after; ``broken``: the other way round. The p-value is exact McNemar's. The same
    by the oracle's labels, under ``oracle``, for the notes that have them in both.
    Raises UserError where the two have no note in common.
    """
    pairs = before.merge(after, on="clinical_note", suffixes=("_before", "_after"), validate="one_to_one")
    if pairs.empty:
        raise UserError("--compare_with: the two results have no note in common; use the same --test_data and --seed")
    shared = set(pairs["clinical_note"])
    exact = judged(before).merge(judged(after), on="clinical_note", suffixes=("_before", "_after"))
    oracle = _changes(exact[f"{HALLUCINATED}_before"] == 1, exact[f"{HALLUCINATED}_after"] == 1) if len(exact) else None
    return {
        "notes_in_common": len(pairs),
        "before": summarise(before[before["clinical_note"].isin(shared)]),
        "after": summarise(after[after["clinical_note"].isin(shared)]),
        **_changes(pairs["flagged_claims_before"] > 0, pairs["flagged_claims_after"] > 0),
        **({"oracle": oracle} if oracle else {}),
    }


def _changes(was: pd.Series, is_now: pd.Series) -> dict[str, Any]:
    """What changed, summary by summary, and McNemar's p-value."""
    fixed, broken = int((was & ~is_now).sum()), int((~was & is_now).sum())
    return {
        "fixed": fixed,
        "broken": broken,
        "both": int((was & is_now).sum()),
        "neither": int((~was & ~is_now).sum()),
        "mcnemar_p": mcnemar_exact(fixed, broken),
    }


def as_json(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures as JSON can hold them: a rate becomes an object with its interval."""
    converted = {}
    for name, value in figures.items():
        if isinstance(value, Rate):
            converted[name] = value._asdict()
        elif isinstance(value, dict):
            converted[name] = as_json(value)
        else:
            converted[name] = value
    return converted
