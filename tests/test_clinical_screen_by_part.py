"""Asking whether anything is unsupported gives the answer that the whole list of verdicts gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.screen.judgements import ACROSS_PARTS, JUDGEMENTS, WITHIN_PARTS
from clinical.screen.support import has_unsupported, unsupported_claims
from clinical.sentences import separable_parts

NOTE = (
    "65M with HTN and gout. Mother had breast cancer. Home meds: lisinopril 20 mg daily, metformin. Creatinine rose "
    "from 1.2 to 2.1. Metoprolol 25 mg IV was given. Suspected pneumonia. Cough improved. Chest X-ray ordered. "
    "Lisinopril was held due to hyperkalemia. Referred to cardiology. Admitted."
)
# True and false sentences, some of which could be misread beside their neighbours.
SENTENCES = [
    "The patient is a 65-year-old man.",
    "She is 56 years old.",
    "He has gout.",
    "He has diabetes.",
    "His mother had breast cancer.",
    "Breast cancer was treated.",
    "Creatinine fell from 2.1 to 1.2.",
    "Creatinine was 1.2.",
    "It rose to 2.1.",
    "Creatinine is rising.",
    "Creatinine is falling.",
    "Lisinopril 20 mg was continued.",
    "Lisinopril was started for gout.",
    "Lisinopril was held due to hyperkalemia.",
    "He was given 25 mg IV.",
    "Metoprolol orally.",
    "Metoprolol 50.",
    "Oral fluids were advised.",
    "He has pneumonia.",
    "Pneumonia was confirmed.",
    "No cough was present.",
    "Cough worsened.",
    "A chest X-ray was done.",
    "He was referred to neurology.",
    "Home.",
    "Admit.",
    "He went home.",
]


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6),
    st.sampled_from([" ", "\n", "\n\n"]),
    st.booleans(),
)
def test_the_same_as_every_verdict_together(sentences: list[str], between: str, in_turn: bool) -> None:
    summaries = [between.join(sentences[: n + 1]) for n in range(len(sentences))] if in_turn else []
    for summary in [*summaries, between.join(sentences)]:
        assert has_unsupported(NOTE, summary) == bool(unsupported_claims(NOTE, summary)), summary


@pytest.mark.parametrize(
    "summary",
    ["He was well. Home.", "Metoprolol 25 mg by mouth. He was well.", "Creatinine was 2.1. Now it fell to 1.2."],
)
def test_what_stands_across_a_full_stop_is_read(summary: str) -> None:
    assert len(separable_parts(summary)) > 1
    assert has_unsupported(NOTE, summary) == bool(unsupported_claims(NOTE, summary))


def test_every_judgement_is_asked_once() -> None:
    assert sorted(judge.__name__ for judge in (*ACROSS_PARTS, *WITHIN_PARTS)) == sorted(
        judge.__name__ for judge in JUDGEMENTS
    )
