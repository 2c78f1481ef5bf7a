"""Scores for each summary: the screen's unsupported claims, ROUGE, length; the oracle's where facts are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rouge_score.rouge_scorer import RougeScorer

from clinical.screen.support import FLAGGED, screen
from evaluation_stage_a.examples import Example
from evaluation_stage_a.known_facts import known_facts_columns, typed
from utils.generation import Generated
from utils.records import RESULT_COLUMNS

ROUGE = ("rouge1", "rouge2", "rougeL")


def score_all(examples: Sequence[Example], summaries: Sequence[Generated]) -> pd.DataFrame:
    """One row for each summary, the four columns of the results format first.

    ``claims`` counts what the screen could read, ``flagged_claims`` what it finds unsupported or contradicted by the
    note, ``flags`` lists those as JSON. ROUGE is the F-measure in 0 to 1 (Lin 2004), empty without a ground truth.
    Where a note's facts are known, the oracle's columns follow.
    """
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    rows = [_score(scorer, e, s) for e, s in zip(examples, summaries, strict=True)]
    return typed(pd.DataFrame(rows))


def _score(scorer: RougeScorer, example: Example, summary: Generated) -> dict[str, Any]:
    claims = screen(example.clinical_note, summary.text)
    flagged = [claim for claim in claims if claim.verdict in FLAGGED]
    rouge = scorer.score(example.ground_truth, summary.text) if example.ground_truth.strip() else None
    values = (example.example_id, example.clinical_note, example.ground_truth, summary.text)
    return {
        **dict(zip(RESULT_COLUMNS, values, strict=True)),
        "finish_reason": summary.finish_reason,
        "prompt_tokens": summary.prompt_tokens,
        "new_tokens": summary.new_tokens,
        "words": len(summary.text.split()),
        "claims": len(claims),
        "flagged_claims": len(flagged),
        "flags": json.dumps([_flag(example.clinical_note, claim) for claim in flagged], ensure_ascii=False),
        **{name: round(rouge[name].fmeasure, 4) if rouge else None for name in ROUGE},
        **known_facts_columns(example.evidence_stats, summary.text),
    }


def _flag(note: str, claim: Any) -> dict[str, Any]:
    evidence = note[claim.evidence.start : claim.evidence.end] if claim.evidence else ""
    return {
        "span": [claim.start, claim.end],
        "text": claim.text,
        "type": claim.type,
        "verdict": claim.verdict,
        "evidence": evidence,
    }
