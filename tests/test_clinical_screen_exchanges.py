"""What a summary swaps inside its note, told by the words beside it, known to the lexicon or not."""

from __future__ import annotations

import pytest

from clinical.screen.exchanges import exchanged

NOTE = (
    "A widget of 12 mm sits in the left lobe, a gadget of 7 mm in the right lobe. No zap. Buzzing at night. "
    "Aged 62. The bag weighs 3 kg."
)
DIALOGUE = (
    "Doctor: How long has it buzzed? Patient: About three weeks. Doctor: And zapped? Patient: Two days. "
    "Doctor: Any humming? Or clicking? Patient: Um, no. Doctor: Popping? Patient: Yes, some popping."
)


@pytest.mark.parametrize(
    ("summary", "count"),
    [
        ("There is a widget of 12 mm and a gadget of 7 mm.", 0),
        ("There is a widget of 7 mm and a gadget of 12 mm.", 2),
        ("There is a widget of 7 mm.", 1),
        ("There is a widget of 1.2 cm.", 0),  # the same in another unit
        ("There is a widget of 9 mm.", 0),  # stands nowhere: unfounded, not exchanged
        ("The widget is in the right lobe.", 1),
        ("The widget is in the left lobe.", 0),
        ("The bag weighs 62 kg.", 0),  # an age is no mass
        ("Buzzing, no zap.", 0),
        ("Zap, no buzzing.", 2),
        ("Denies zap.", 0),
        ("He doesn't buzz.", 1),
        ("", 0),
    ],
)
def test_values_sides_and_denials_beside_other_words(summary, count):
    assert exchanged(NOTE, summary) == count


@pytest.mark.parametrize(
    ("summary", "count"),
    [
        ("It has buzzed for three weeks, and zapped for two days.", 0),
        ("It has buzzed for two days, and zapped for three weeks.", 2),
        ("No humming, no clicking, some popping.", 0),
        ("Humming, clicking, no popping.", 3),
    ],
)
def test_an_answer_belongs_to_its_questions(summary, count):
    assert exchanged(DIALOGUE, summary) == count


def test_an_empty_note_has_nothing_to_exchange():
    assert exchanged("", "The left one is 3 mm, no zap.") == 0
