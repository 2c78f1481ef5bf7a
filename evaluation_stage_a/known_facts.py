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
IMPORTANT, OMITTED, COVERAGE = "oracle_important", "oracle_omitted", "oracle_coverage"
_COUNTS = (HALLUCINATED, POSSIBLY, FAILED, CLAIMS, UNKNOWN)  # 1 or 0, or a number
_LISTS = (ERRORS, IMPORTANT, OMITTED)
COLUMNS = (*_COUNTS, *_LISTS, COVERAGE)


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
    errors = [
        {
            "span": [claim.start, claim.end],
            "text": claim.text,
            "type": claim.type,
            "verdict": claim.verdict,
            "reason": claim.reason,
        }
        for claim in verdict.errors
    ]
    return {
        HALLUCINATED: int(verdict.hallucinated),
        POSSIBLY: int(verdict.possibly_hallucinated),
        FAILED: int(bool(verdict.failed)),
        CLAIMS: len(verdict.claims),
        UNKNOWN: sum(claim.verdict == "unknown" for claim in verdict.claims),
        ERRORS: json.dumps(errors, ensure_ascii=False),
        IMPORTANT: json.dumps(verdict.important, ensure_ascii=False),
        OMITTED: json.dumps(verdict.omitted, ensure_ascii=False),
        COVERAGE: round(float(verdict.coverage), 4),
    }


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Results with the oracle's columns as numbers, missing where a note's facts are not known."""
    if HALLUCINATED not in frame.columns:
        return frame
    return frame.astype({**dict.fromkeys(_COUNTS, "Int64"), COVERAGE: "Float64"})


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
    important = Counter(kind_of(fact) for cell in rows[IMPORTANT] for fact in json.loads(cell))
    omitted = Counter(kind_of(fact) for cell in rows[OMITTED] for fact in json.loads(cell))
    return {
        "summaries": len(rows),
        "hallucination_rate": wilson(wrong, len(rows)),
        "upper_bound_rate": wilson(possibly, len(rows)),
        "failed": wilson(failed, len(rows)),
        "errors_by_type": dict(types.most_common()),
        "claims_per_summary": float(rows[CLAIMS].mean()),
        "unknown_claims": wilson(int(rows[UNKNOWN].sum()), int(rows[CLAIMS].sum())),
        "coverage": float(rows[COVERAGE].mean()),
        "omitted_by_kind": {kind: wilson(omitted[kind], total) for kind, total in important.most_common()},
    }


def kind_of(fact: str) -> str:
    """What an important fact is of: the complaint, the diagnosis, the drugs, the labs, disposition or outcome."""
    return fact.split(":", 1)[0]
