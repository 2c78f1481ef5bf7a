"""Scores for each summary: what the screen flags and misses in it, its wording, and the oracle's verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from clinical.screen.support import FLAGGED, UNKNOWN, ScreenedClaim, screen
from clinical.sentences import sentence_spans
from evaluation_stage_a.examples import Example
from evaluation_stage_a.known_facts import known_facts_columns, typed
from evaluation_stage_a.omissions import omission_columns
from evaluation_stage_a.wording import wording_columns
from utils.generation import Generated
from utils.records import RESULT_COLUMNS


def score_all(examples: Sequence[Example], summaries: Sequence[Generated]) -> pd.DataFrame:
    """One row for each summary, the four columns of the results format first.

    ``claims`` counts what the screen could read, ``unknown_claims`` what of it cannot be told, ``flagged_claims`` what
    it finds unsupported or contradicted by the note; ``flags`` lists those as JSON, with their place in the summary and
    that of the nearest evidence in the note. ``important`` and ``omitted`` are of the ground truth; copy rate,
    repetition and ROUGE are in 0 to 1. Where a note's facts are known, the oracle's columns follow.
    """
    rows = [_score(example, summary) for example, summary in zip(examples, summaries, strict=True)]
    return typed(pd.DataFrame(rows).astype({"important": "Int64"}))


def _score(example: Example, summary: Generated) -> dict[str, Any]:
    note, reference, text = example.clinical_note, example.ground_truth, summary.text
    claims, sentences = screen(note, text), sentence_spans(text)
    flagged = [claim for claim in claims if claim.verdict in FLAGGED]
    return {
        **dict(zip(RESULT_COLUMNS, (example.example_id, note, reference, text), strict=True)),
        "finish_reason": summary.finish_reason,
        "prompt_tokens": summary.prompt_tokens,
        "new_tokens": summary.new_tokens,
        "sentences": len(sentences),
        "flagged_sentences": sum(
            any(claim.start < span.end and span.start < claim.end for claim in flagged) for span in sentences
        ),
        "claims": len(claims),
        "unknown_claims": sum(claim.verdict == UNKNOWN for claim in claims),
        "flagged_claims": len(flagged),
        "flags": json.dumps([_flag(note, claim) for claim in flagged], ensure_ascii=False),
        **omission_columns(reference, text),
        **wording_columns(note, reference, text),
        **known_facts_columns(example.evidence_stats, text),
    }


def _flag(note: str, claim: ScreenedClaim) -> dict[str, Any]:
    return {
        "span": [claim.start, claim.end],
        "text": claim.text,
        "type": claim.type,
        "verdict": claim.verdict,
        "evidence": note[slice(*claim.evidence)] if claim.evidence else "",
        "evidence_span": list(claim.evidence) if claim.evidence else None,
    }
