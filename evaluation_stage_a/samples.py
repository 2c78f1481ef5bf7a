"""Several summaries of each note: a row for each; the first is the one that is labelled and compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from evaluation_stage_a.screening import score_all
from evaluation_stage_a.summaries import Summaries
from utils.statistics import wilson

SAMPLES_CSV = "evaluation_samples.csv"


def score_samples(summaries: Summaries) -> pd.DataFrame:
    """The scores of all samples (see ``score_all``), a note's behind each other, each with an id of its own.

    ``unread_characters`` tells how much at the end of its note the model has not read.
    """
    notes = list(zip(summaries.examples, summaries.drawn, summaries.unread_characters, strict=True))
    named = [
        replace(example, example_id=f"{example.example_id}#{number}") if number > 1 else example
        for example, texts, _ in notes
        for number in range(1, len(texts) + 1)
    ]
    scored = score_all(named, [text for _, texts, _ in notes for text in texts])
    return scored.assign(unread_characters=[unread for _, texts, unread in notes for _ in texts])


def first_samples(scored: pd.DataFrame) -> pd.DataFrame:
    """The rows of each note's first sample."""
    return scored.drop_duplicates("clinical_note").reset_index(drop=True)


def sample_figures(scored: pd.DataFrame) -> dict[str, Any]:
    """In how many notes at least one sample has a flagged claim, and in how many every sample has.

    The unit is the note: samples of one note are no independent observations.
    """
    flagged = (scored["flagged_claims"] > 0).groupby(scored["clinical_note"])
    notes = flagged.ngroups
    return {
        "a_note": len(scored) // notes,
        "notes_flagged_in_any": wilson(int(flagged.any().sum()), notes),
        "notes_flagged_in_all": wilson(int(flagged.all().sum()), notes),
    }


def in_words(figures: dict[str, Any]) -> str:
    """The figures as a line."""
    return (
        f"{figures['a_note']} of each note; flagged in at least one {figures['notes_flagged_in_any']}, "
        f"in every one {figures['notes_flagged_in_all']}"
    )
