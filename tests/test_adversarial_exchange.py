"""Role exchange: what the note says of one thing is said of another; every result is proven wrong by the screen."""

import random

import pytest

from adversarial.operators.directions import mistake_level, turn_course, turn_level
from adversarial.operators.donors import collect_donors
from adversarial.operators.exchange import (
    exchange_conditions,
    exchange_doses,
    exchange_findings,
    exchange_medicines,
    exchange_old_for_new,
    exchange_values,
)
from adversarial.operators.labs import swap_lab
from clinical.screen.support import unsupported_claims

EMPTY = collect_donors([])
TURNING = collect_donors([("n", "It was lowered, then reduced and decreased. It fell and declined, falling.")])
NOTE = (
    "Medications: lisinopril 10 mg once daily, metoprolol succinate 25 mg once daily. Potassium 5.9 mmol/L, "
    "hemoglobin 9.8 g/dL (previously 11.2), creatinine 1.9 mg/dL (up from 1.2). Dizziness and nausea, no fever. "
    "History of gout. Diagnosis: acute kidney injury. Furosemide 40 mg was started, naproxen 500 mg was stopped. "
    "Metoprolol succinate was raised from 25 mg to 50 mg."
)


def texts(operator, summary, donors=EMPTY, draws=60):
    """All texts that an operator proposes."""
    made = [operator(NOTE, summary, random.Random(seed), donors) for seed in range(draws)]
    return {proposal.text for proposal in made if proposal}


@pytest.mark.parametrize(
    ("operator", "summary", "wanted"),
    [
        (exchange_doses, "She took lisinopril 10 mg and furosemide 40 mg.",
         "She took lisinopril 40 mg and furosemide 10 mg."),
        (exchange_doses, "She took lisinopril 10 mg as before.", "She took lisinopril 40 mg as before."),
        (exchange_old_for_new, "Her hemoglobin is 9.8 g/dL.", "Her hemoglobin is 11.2 g/dL."),
        (exchange_medicines, "She started furosemide and stopped naproxen.",
         "She started naproxen and stopped furosemide."),
        (exchange_medicines, "She started furosemide 40 mg and stopped naproxen 500 mg.",
         "She started naproxen 500 mg and stopped furosemide 40 mg."),
        (exchange_medicines, "She started furosemide.", "She started naproxen."),
        (exchange_findings, "She had dizziness but denied fever.", "She had fever but denied dizziness."),
        (exchange_conditions, "The diagnosis was acute kidney injury.", "The diagnosis was gout."),
        (turn_course, "Metoprolol succinate was raised from 25 mg to 50 mg.",
         "Metoprolol succinate was lowered from 50 mg to 25 mg."),
        (turn_course, "Her creatinine rose from 1.2 to 1.9 mg/dL.", "Her creatinine fell from 1.9 to 1.2 mg/dL."),
        (turn_course, "She has rising creatinine of 1.9 mg/dL.", "She has falling creatinine of 1.9 mg/dL."),
    ],
)  # fmt: skip
def test_what_belongs_to_one_is_given_to_another(operator, summary, wanted):
    assert unsupported_claims(NOTE, summary) == []
    assert wanted in texts(operator, summary, TURNING)
    assert unsupported_claims(NOTE, wanted)


def test_values_change_places_only_where_either_test_can_have_them():
    note = "Potassium 5.1 mmol/L, lactate 3.2 mmol/L, creatinine 1.9 mg/dL."
    made = [
        exchange_values(note, "Her lactate was 3.2 mmol/L today.", random.Random(seed), EMPTY) for seed in range(20)
    ]
    assert {m.text for m in made if m} == {"Her lactate was 5.1 mmol/L today."}  # 1.9 is within, 3.2 above the range


def test_a_dose_that_no_one_would_give_is_not_exchanged():
    assert "She took lisinopril 500 mg as before." not in texts(exchange_doses, "She took lisinopril 10 mg as before.")


def test_a_course_is_turned_only_with_its_word():
    """Numbers turned alone would contradict the word, which is seen without the note."""
    summary = "Metoprolol succinate was bettered from 25 mg to 50 mg."
    assert texts(turn_course, summary) == set()


def test_each_way_is_turned_in_as_many_summaries_as_go_the_other_way():
    """Nine of ten summaries raise: about one in nine raised doses is lowered, every lowered one is raised."""
    raised = [f"Metoprolol succinate was raised from 25 mg to 50 mg on day {day}." for day in range(11, 211)]
    donors = collect_donors([("n", "It was raised.")] * 900 + [("n", "It was lowered.")] * 100)
    turned = sum(turn_course(NOTE, summary, random.Random(1), donors) is not None for summary in raised)
    assert 8 <= turned <= 40  # 22 expected of 200, standard deviation 4.4
    lowered = [text.replace("raised", "lowered").replace("25 mg to 50", "50 mg to 25") for text in raised]
    assert all(turn_course(NOTE, summary, random.Random(1), donors) for summary in lowered)


def test_whether_a_course_is_turned_does_not_depend_on_the_draw():
    donors = collect_donors([("n", "It was raised.")] * 900 + [("n", "It was lowered.")] * 100)
    for day in range(11, 31):
        summary = f"Metoprolol succinate was raised from 25 mg to 50 mg on day {day}."
        made = {turn_course(NOTE, summary, random.Random(seed), donors) is None for seed in range(5)}
        assert len(made) == 1


def test_a_level_changes_with_its_number():
    donors = collect_donors(
        [("n", "Seen today. Her potassium was 2.9 mmol/L."), ("n", "Seen. Potassium was 4.1 mmol/L.")]
    )
    assert texts(turn_level, "She had a high potassium of 5.9 mmol/L.", donors) == {
        "She had a low potassium of 2.9 mmol/L."
    }
    assert texts(turn_level, "She had a high potassium of 5.9 mmol/L.") == set()  # no real value to give


def test_a_level_may_be_mistaken_while_the_number_stays():
    assert texts(mistake_level, "She had a high potassium of 5.9 mmol/L.") == {"She had a low potassium of 5.9 mmol/L."}
    assert texts(mistake_level, "Potassium was below range at 2.9 mmol/L.") == {
        "Potassium was above range at 2.9 mmol/L."
    }
    assert texts(mistake_level, "She had a potassium of 5.9 mmol/L, with low mood and high fever.") == set()


def test_a_value_gets_the_name_of_a_test_that_could_have_given_it():
    """Of the tests in mg/dL, a value of 1.9 is possible, and high, of bilirubin alone that the note does not name."""
    summary = "She had an elevated creatinine level of 1.9 mg/dL."
    assert not unsupported_claims(NOTE, summary)
    changed = texts(swap_lab, summary)
    assert "She had an elevated total bilirubin level of 1.9 mg/dL." in changed
    assert all("bili" in text for text in changed)
    assert all(unsupported_claims(NOTE, text) for text in changed)


def test_of_the_tests_that_fit_one_comes_that_the_summaries_name_and_the_article_with_it():
    donors = collect_donors([("n", "Seen today. Her hematocrit was 33%.")])
    assert texts(swap_lab, "He was seen with an ejection fraction of 35%.", donors) == {
        "He was seen with a hematocrit of 35%."
    }


def test_a_test_that_is_named_twice_or_without_its_value_keeps_its_name():
    assert texts(swap_lab, "Potassium was checked. The potassium was 5.9 mmol/L.") == set()
    assert texts(swap_lab, "At 5.9 mmol/L, potassium was high.") == set()
