"""Exact scores for summaries of shipped notes: their facts are known, so the oracle can judge every claim."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from clinical.patient import Patient, from_json
from utils.statistics import wilson

if TYPE_CHECKING:
    from clinical.oracle import Verdict

HALLUCINATED, POSSIBLY, FAILED = "oracle_hallucinated", "oracle_possibly_hallucinated", "oracle_failed"
CLAIMS, UNKNOWN, ERRORS = "oracle_claims", "oracle_unknown", "oracle_errors"
OMITTED, COVERAGE = "oracle_omitted", "oracle_coverage"
_COUNTS = (HALLUCINATED, POSSIBLY, FAILED, CLAIMS, UNKNOWN)  # 1 or 0, or a number
COLUMNS = (*_COUNTS, ERRORS, OMITTED, COVERAGE)


def facts_of(evidence_stats: str) -> Patient | None:
    """The patient behind a shipped note; None where the cell holds anything else."""
    try:
        return from_json(evidence_stats)
    except ValueError:
        return None


def judge_summary(patient: Patient, summary: str) -> Verdict:
    """The oracle's verdict."""
    from clinical.oracle import judge

    return judge(patient, summary)


def known_facts_columns(evidence_stats: str, summary: str) -> dict[str, Any]:
    """The oracle's verdict on a summary as cells of the results, none where the note's facts are not known."""
    patient = facts_of(evidence_stats)
    if patient is None:
        return {}
    verdict = judge_summary(patient, summary)
    errors = [{"type": claim.type, "verdict": claim.verdict, "text": claim.text} for claim in verdict.errors]
    return {
        HALLUCINATED: int(verdict.hallucinated),
        POSSIBLY: int(verdict.possibly_hallucinated),
        FAILED: int(bool(verdict.failed)),
        CLAIMS: len(verdict.claims),
        UNKNOWN: sum(claim.verdict == "unknown" for claim in verdict.claims),
        ERRORS: json.dumps(errors, ensure_ascii=False),
        OMITTED: json.dumps([str(fact) for fact in verdict.omitted], ensure_ascii=False),
        COVERAGE: round(float(verdict.coverage), 4),
    }


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Results with the oracle's columns as numbers, missing where a note's facts are not known.

    Raises ValueError where a cell is none of the oracle's.
    """
    if HALLUCINATED not in frame.columns:
        return frame
    changed = {name: pd.to_numeric(frame[name].replace("", None)).astype("Int64") for name in _COUNTS}
    for name in (ERRORS, OMITTED):
        frame[name].replace("", None).dropna().map(json.loads)
    return frame.assign(**changed, **{COVERAGE: pd.to_numeric(frame[COVERAGE].replace("", None)).astype("Float64")})


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the oracle has judged."""
    return frame[frame[HALLUCINATED].notna()] if HALLUCINATED in frame.columns else frame.iloc[:0]


def summarise_known_facts(frame: pd.DataFrame) -> dict[str, Any] | None:
    """The oracle's figures; None where no note's facts are known.

    The rate counts summaries with at least one error, and those that are no summary at all (``failed``). Its upper
    bound also counts those with a claim that the oracle could not judge.
    """
    rows = judged(frame)
    if rows.empty:
        return None
    wrong, possibly, failed = (int((rows[name] == 1).sum()) for name in (HALLUCINATED, POSSIBLY, FAILED))
    types = Counter(error["type"] for cell in rows[ERRORS] for error in json.loads(cell))
    return {
        "summaries": len(rows),
        "hallucination_rate": wilson(wrong, len(rows)),
        "upper_bound_rate": wilson(possibly, len(rows)),
        "failed": wilson(failed, len(rows)),
        "errors_by_type": dict(types.most_common()),
        "claims_per_summary": float(rows[CLAIMS].mean()),
        "unknown_claims": wilson(int(rows[UNKNOWN].sum()), int(rows[CLAIMS].sum())),
        "coverage": float(rows[COVERAGE].mean()),
    }
