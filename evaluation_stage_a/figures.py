"""The figures of one model: how much of what it says is flagged or wrong, what it leaves out, how it is worded."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from clinical.screen.support import FLAGGED
from evaluation_stage_a.examples import UNKNOWN
from evaluation_stage_a.known_facts import summarise_known_facts
from evaluation_stage_a.verdict import decide
from evaluation_stage_a.wording import ROUGE
from utils.statistics import wilson


def summarise(results: pd.DataFrame) -> dict[str, Any]:
    """The figures of one model; rates with their 95 % Wilson intervals, each named after its unit.

    The intervals of sentences and claims take these as independent, which those of one summary are not quite.
    """
    flagged = results["flagged_claims"] > 0
    flags = [flag for cell in results["flags"] for flag in json.loads(cell)]
    types = Counter(flag["type"] for flag in flags)
    verdicts = Counter((flag["type"], flag["verdict"]) for flag in flags)
    sentences, claims, wrong = (int(results[name].sum()) for name in ("sentences", "claims", "flagged_claims"))
    oracle = summarise_known_facts(results)
    how = results["finish_reason"][results["finish_reason"] != UNKNOWN]
    figures = {
        "summaries": len(results),
        "screened_hallucination_rate": wilson(int(flagged.sum()), len(results)),
        "screened_sentence_rate": wilson(int(results["flagged_sentences"].sum()), sentences),
        "screened_claim_rate": wilson(wrong, claims),
        "unknown_claims": wilson(int(results["unknown_claims"].sum()), claims),
        "flagged_claims_per_summary": float(results["flagged_claims"].mean()),
        "flagged_claims_by_type": dict(types.most_common()),
        "flagged_claims_by_type_and_verdict": {
            name: {verdict: verdicts[name, verdict] for verdict in FLAGGED} for name, _ in types.most_common()
        },
        "claims_per_summary": float(results["claims"].mean()),
        **_omissions(results.dropna(subset=["important"])),
        "finish_reasons": dict(Counter(results["finish_reason"]).most_common()),
        "stopped_at_eos": wilson(int((how == "eos").sum()), len(how)),
        "empty_summaries": int((results["words"] == 0).sum()),
        "mean_words": float(results["words"].mean()),
        "median_words": float(results["words"].median()),
        "median_reference_words": _median_words(results["ground_truth"]),
        **{f"mean_{'rouge_l' if name == 'rougeL' else name}": _mean(results[name]) for name in ROUGE},
        "mean_copy_rate": _mean(results["copy_rate"]),
        "mean_repetition": _mean(results["repetition"]),
        **({"oracle": oracle} if oracle else {}),
    }
    return {**figures, "verdict": decide(figures)}


def as_json(figures: Any) -> Any:
    """Figures as JSON can hold them: a rate or a change becomes an object with its interval."""
    if isinstance(figures, tuple) and hasattr(figures, "_asdict"):
        return figures._asdict()
    if isinstance(figures, dict):
        return {name: as_json(value) for name, value in figures.items()}
    return [as_json(value) for value in figures] if isinstance(figures, list) else figures


def _omissions(known: pd.DataFrame) -> dict[str, Any]:
    """What of the references' medicines, conditions and procedures is left out; all None without a reference."""
    left_out = [item for cell in known["omitted"] for item in json.loads(cell)]
    rate = wilson(len(left_out), int(known["important"].sum()))
    return {
        "omission_rate": rate,
        "omissions_by_type": dict(Counter(item["type"] for item in left_out).most_common()),
        "coverage": 1 - rate.share if rate.share is not None else None,
    }


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _median_words(references: pd.Series) -> float | None:
    words = [len(text.split()) for text in references if text.strip()]
    return float(pd.Series(words).median()) if words else None
