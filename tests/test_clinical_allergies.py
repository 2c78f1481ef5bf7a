"""Allergies as texts tell them, and what the screen says of allergies that the note does not tell."""

from __future__ import annotations

import pytest

from clinical.reading.allergies import find_allergies, may_tell_allergies
from clinical.screen.support import CONTRADICTED, UNSUPPORTED, unsupported_claims

NONE, SOME = True, False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("She has no known drug allergies.", [(NONE, True)]),
        ("NKDA.", [(NONE, True)]),
        ("NKA. Vitals stable.", [(NONE, False)]),
        ("He denies any allergies.", [(NONE, False)]),
        ("Meds: aspirin. All: none. PMH: gout.", [(NONE, False)]),
        ("ALL: lisinopril (cough).", [(SOME, True)]),
        ("He is allergic to latex.", [(SOME, False)]),
        ("A woman with an allergy to penicillin came.", [(SOME, False)]),  # a class: the lexicon's drugs do not hold it
        ("Are you allergic to aspirin?", []),
        ("No family member is allergic to aspirin.", []),
        ("No allergies to report.", [(NONE, False)]),
    ],
)
def test_allergies_are_read(text, said):
    found = find_allergies(text)
    assert [(one.none, one.of_drugs) for one in found] == said


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("He has allergic rhinitis and sees an allergist.", False),
        ("Follow up with allergy and immunology.", False),
        ("All labs were normal. All: none.", True),
        ("She had hives after amoxicillin.", True),
        ("A cough for five days.", False),
    ],
)
def test_what_is_named_after_allergies_tells_of_none(text, may):
    assert may_tell_allergies(text) is may


def flags(note: str, summary: str) -> list[tuple[str, str]]:
    """What the screen flags of allergies."""
    return [(claim.text, claim.verdict) for claim in unsupported_claims(note, summary) if "llerg" in claim.text]


def test_allergies_of_which_the_note_does_not_speak_are_unsupported():
    note = "A man of 40 with allergic rhinitis has a cough. Takes lisinopril 10 mg."
    assert flags(note, "He has no known allergies.") == [("no known allergies", UNSUPPORTED)]
    assert flags(note, "He is allergic to lisinopril.") == [("allergic to lisinopril", UNSUPPORTED)]
    assert flags(f"{note} No known allergies.", "He has no known allergies.") == []


def test_allergies_of_which_the_note_says_the_reverse_are_contradicted():
    none, latex = "He takes aspirin. NKDA.", "He takes aspirin. He is allergic to latex."
    assert flags(none, "He is allergic to aspirin.") == [("allergic to aspirin", CONTRADICTED)]
    assert flags(latex, "He has no known allergies.") == [("no known allergies", CONTRADICTED)]
    assert flags(none, "He is allergic to latex.") == []  # NKDA is of drugs alone
    assert flags(latex, "He has no known drug allergies.") == []
