"""How a summary is worded, whatever it says: ROUGE against a reference, length, how much is copied or repeated."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from clinical.sentences import word_key, word_spans

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

ROUGE = ("rouge1", "rouge2", "rougeL")
RUN_OF_WORDS = 4  # words in a row that count as copied or repeated


def wording_columns(note: str, reference: str, summary: str) -> dict[str, Any]:
    """Words, copy rate, repetition and ROUGE (F-measure in 0 to 1, Lin 2004), as cells of the results.

    ROUGE is None without a reference, the rates are None for a summary of fewer than four words.
    """
    rouge = _scorer().score(reference, summary) if reference.strip() else None
    return {
        "words": len(summary.split()),
        "copy_rate": copy_rate(note, summary),
        "repetition": repetition(summary),
        **{name: round(rouge[name].fmeasure, 4) if rouge else None for name in ROUGE},
    }


def copy_rate(note: str, summary: str) -> float | None:
    """The share of the summary's 4-grams that stand in the note, word for word: 1 less the novel ones of See 2017."""
    runs, known = _runs(summary), set(_runs(note))
    return round(sum(run in known for run in runs) / len(runs), 4) if runs else None


def repetition(summary: str) -> float | None:
    """The share of the summary's 4-grams that it has said before: seq-rep-4 of Welleck et al. 2020."""
    runs = _runs(summary)
    return round(1 - len(set(runs)) / len(runs), 4) if runs else None


def _runs(text: str) -> list[tuple[str, ...]]:
    words = [word_key(text[span.start : span.end]) for span in word_spans(text)]
    return list(zip(*(words[start:] for start in range(RUN_OF_WORDS)), strict=False))


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGE), use_stemmer=True)
