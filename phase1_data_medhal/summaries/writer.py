"""Writes a patient's chosen facts as a summary, in other words and another order than the note."""

from __future__ import annotations

import random

from clinical.patient import Patient
from phase1_data_medhal.authors import Author
from phase1_data_medhal.summaries.content import choose_facts
from phase1_data_medhal.summaries.phrases import Voice
from phase1_data_medhal.summaries.plan import plan_sentences
from phase1_data_medhal.wording import tidy

WORDS = range(20, 71)
MIDDLE = 45
TRIES = 30
IN_THE_PAST = 0.6

__all__ = ["choose_facts", "write_summary"]


def write_summary(facts: Patient, author: Author, rng: random.Random) -> str:
    """State every fact of ``facts`` and nothing else; of some tries the first of fitting length, or the nearest."""
    texts: list[str] = []
    for attempt in range(TRIES):
        voice = Voice(author, rng, rng.random() < IN_THE_PAST, brief=attempt >= TRIES // 2)
        texts.append(tidy(" ".join(plan_sentences(facts, voice))))
        if len(texts[-1].split()) in WORDS:
            return texts[-1]
    return min(texts, key=lambda text: abs(len(text.split()) - MIDDLE))
