"""Operators and checks: every negative is changed, proven wrong, rebuilt exactly by its edits, and still English."""

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adversarial.checks import check_changed, check_chosen, check_english, check_length, check_proven, overlapping
from adversarial.operators.donors import collect_donors
from adversarial.operators.edits import Edit, apply_edits, replace_span, stable_choice, takes_an
from adversarial.operators.frames import FRAMES, draw_frame, fill_frame, match_frame
from adversarial.operators.table import FAMILIES, OPERATORS
from adversarial.pairs import LABELLED, Factual, make_negatives, note_id
from clinical.screen.support import unsupported_claims

NOTE = (
    "61-year-old woman with right calf pain for 3 days, dyspnea and dizziness. She denies fever, hemoptysis, syncope. "
    "History of hypertension, asthma and gout. Medications: lisinopril 10 mg once daily, amlodipine 5 mg once daily. "
    "Creatinine 1.2 mg/dL, hemoglobin 13.1 g/dL, glucose 182 mg/dL. CT pulmonary angiogram: right segmental emboli. "
    "Diagnosis: pulmonary embolism. Apixaban 5 mg orally twice daily was started. Follow-up in 2 weeks. "
    "CRP 40 mg/L (down from 62), sodium 128 mmol/L. Naproxen 500 mg was stopped. "
    "Atorvastatin was raised from 10 mg to 20 mg. Referral to cardiology."
)
SUMMARY = (
    "A 61-year-old woman with hypertension presented with 3 days of right calf pain. She denied fever or syncope. "
    "She also had dizziness. CT pulmonary angiogram showed right segmental emboli. Glucose was high at 182 mg/dL. "
    "Apixaban 5 mg orally twice daily was started. Follow-up in 2 weeks is planned. "
    "The diagnosis was pulmonary embolism; CRP was 40 mg/L. Naproxen was stopped. "
    "Atorvastatin was raised from 10 mg to 20 mg, with a low sodium of 128 mmol/L. She will see the cardiologist."
)
# More kinds of facts, for the operators that find nothing to turn above.
LONG_NOTE = NOTE + (
    " Her father has osteoporosis. Lisinopril was held due to hyperkalemia. The dizziness improved. She was admitted. "
    "Order an echocardiogram."
)
LONG_SUMMARY = SUMMARY + (
    " An echocardiogram is planned. With known asthma, she was admitted; the dizziness improved. "
    "Her father has osteoporosis. Lisinopril was held due to hyperkalemia."
)
OTHERS = [
    (
        "55-year-old woman with gout. Naproxen 500 mg twice daily was started. Glucose 140 mg/dL. Review in 6 weeks. "
        "Lisinopril was lowered. Sodium 152 mmol/L, CRP 14 mg/L.",
        "A 55-year-old woman had gout. Naproxen 500 mg twice daily was started. Glucose was raised at 140 mg/dL. "
        "Follow-up in 6 weeks is planned. She denied rash or chills. She also had nausea. Her lisinopril was lowered, "
        "with a high sodium of 152 mmol/L; CRP was 14 mg/L.",
    ),
    (
        "70-year-old man, heart failure. Furosemide 40 mg once daily. Chest X-ray: effusions. Nausea, no cough.",
        "A 70-year-old man had heart failure. Furosemide 40 mg once daily was started. Chest X-ray showed effusions. "
        "He had no cough. He also had nausea. He will return in 9 weeks.",
    ),
]
DONORS = collect_donors([(NOTE, SUMMARY), *OTHERS])
EMPTY = collect_donors([])
ROW = Factual("row-1", note_id(NOTE), NOTE, SUMMARY)


def first_proposal(name, note=NOTE, summary=SUMMARY, donors=DONORS):
    """The first proposal that the screen proves, of twenty tries."""
    operator = next(operator for operator in OPERATORS if operator.name == name)
    made = [operator.propose(note, summary, random.Random(seed), donors) for seed in range(20)]
    return next((m for m in made if m and check_proven(note, m.text) is None), None)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_operator_makes_a_proven_negative_of_a_plain_summary(operator):
    assert unsupported_claims(NOTE, SUMMARY) == unsupported_claims(LONG_NOTE, LONG_SUMMARY) == []
    summary, made = SUMMARY, first_proposal(operator.name)
    if made is None:  # what a corpus says seldom is turned in a share of the summaries only; without one, in all
        summary, made = LONG_SUMMARY, first_proposal(operator.name, LONG_NOTE, LONG_SUMMARY, EMPTY)
    assert made is not None
    assert made.family == operator.family
    assert made.text == apply_edits(summary, made.edits) != summary


WORDS = (
    "A 61-year-old 3-day woman she he denied reports no without and or , . but also had has with There was fever cough "
    "chest pain asthma gout hypertension lisinopril Tylenol 10 mg once daily 120/80 two weeks 1 week left right knee "
    "bilateral CT MRI brain creatinine 1.2 mg/dL history of An were present \n ; ( ) 0.5 1,000 aged 40"
)
CLINICAL = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
@settings(max_examples=40, deadline=None)
@example(note="", summary="A lisinopril lisinopril", seed=0, donors=DONORS)
@given(
    note=st.one_of(CLINICAL, st.text(max_size=120)),
    summary=st.one_of(CLINICAL, st.text(max_size=120)),
    seed=st.integers(0, 2**32),
    donors=st.sampled_from([DONORS, EMPTY]),
)
def test_an_operator_never_raises_never_returns_its_input_and_records_its_edits(operator, note, summary, seed, donors):
    made = operator.propose(note, summary, random.Random(seed), donors)
    assert made == operator.propose(note, summary, random.Random(seed), donors)
    if made is None:
        return
    assert made.text != summary
    assert apply_edits(summary, made.edits) == made.text
    for edit in made.edits:
        assert summary[edit.start : edit.end] == edit.old
        assert edit.type


def test_a_drug_is_exchanged_for_one_that_the_note_lacks_or_gives_another_dose():
    made = first_proposal("swap_medication", summary="She takes amlodipine 5 mg once daily as before.")
    assert made.edits[0].old == "amlodipine"
    assert made.edits[0].new not in ("lisinopril", "amlodipine")  # lisinopril has no dose of 5 mg in this note


def test_a_reported_symptom_is_exchanged_for_a_denied_one():
    news = {
        made.edits[0].new
        for seed in range(30)
        if (made := OPERATORS[1].propose(NOTE, "She also had dizziness.", random.Random(seed), EMPTY))
    }
    assert news & {"fever", "hemoptysis", "syncope"}  # denied in the note
    assert "dyspnea" not in news  # reported there too: that would be no error


def test_a_side_is_changed_wherever_the_summary_has_it():
    made = first_proposal("swap_side")
    assert "left calf pain" in made.text
    assert "left segmental emboli" in made.text
    assert "right" not in made.text


@pytest.mark.parametrize(
    ("summary", "family", "wanted"),
    [
        ("She denied fever or syncope.", "affirm_denied", "fever and syncope"),
        ("She also had dizziness.", "deny_reported", "dizziness"),
        ("A woman had calf pain, accompanied by dizziness.", "deny_reported", "no dizziness|without dizziness"),
        ("A woman had calf pain but no fever or syncope.", "affirm_denied", "fever and syncope"),
    ],
)
def test_negation_is_turned_both_ways(summary, family, wanted):
    made = first_proposal(family, summary=summary)
    assert unsupported_claims(NOTE, made.text)[0].type == "negation"
    assert any(words in made.text for words in wanted.split("|")), made.text


def test_half_a_list_is_left_alone():
    assert (
        first_proposal("affirm_denied", summary="Today she denied fever, weakness of the hand, or other concerns.")
        is None
    )


@pytest.mark.parametrize("family", [frame for row in FRAMES for frames in row for frame in frames])
def test_every_frame_is_recognised_and_turned_around(family):
    sentence = fill_frame(family, "fever and cough", "She", plural=True) + "."
    match = match_frame(sentence)
    assert match.template == family
    assert sentence[match.start : match.end].lower() == "fever and cough"
    opposite = draw_frame(random.Random(0), match.opposites, {match.opposites[-1]: 10**6}, known_who=True)
    assert opposite == match.opposites[-1]  # drawn by how often the corpus has it
    assert match_frame(fill_frame(opposite, "fever", "She", plural=False)).reports != match.reports


def test_a_sentence_comes_from_another_note_and_suits_the_patient():
    exchange = next(operator for operator in OPERATORS if operator.name == "exchange_sentence").propose
    made = [exchange(NOTE, SUMMARY, random.Random(seed), DONORS) for seed in range(30)]
    news = {proposal.edits[0].new for proposal in made if proposal}
    assert len(news) >= 3
    for new in news:
        assert any(new in summary for _, summary in OTHERS)
        assert not new.startswith("He ")  # the patient is a woman
    assert all(proposal.text.startswith("A 61-year-old woman") for proposal in made if proposal)  # as introduced


def test_one_week_and_two_weeks_agree():
    summary = "Follow-up in 2 weeks is planned for her."
    donors = collect_donors([("n", "Seen once. Follow-up in 1 week is planned.")])
    made = [
        next(o for o in OPERATORS if o.name == "swap_duration").propose("note", summary, random.Random(s), donors)
        for s in range(5)
    ]
    assert {m.text for m in made} == {"Follow-up in 1 week is planned for her."}


@pytest.mark.parametrize(
    ("words", "an"),
    [("MRI", True), ("CT scan", False), ("8-day", True), ("11-day", True), ("1-day", False), ("uric acid", False),
     ("ulcer", True), ("hour", True), ("European", False), ("one-week", False), ("EGD", True), ("asthma", True)],
)  # fmt: skip
def test_articles(words, an):
    assert takes_an(words) is an


def test_an_edit_brings_its_article_and_capital():
    text = "A 3-day history. Asthma since."
    assert apply_edits(text, [replace_span(text, 2, 3, "8", "time")]) == "An 8-day history. Asthma since."
    assert apply_edits(text, [replace_span(text, 17, 23, "gout", "condition")]) == "A 3-day history. Gout since."


def test_edits_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        apply_edits("abc", [Edit(0, 1, "b", "x", "t")])
    with pytest.raises(ValueError, match="does not fit"):
        apply_edits("abc", [Edit(0, 2, "ab", "x", "t"), Edit(1, 3, "bc", "y", "t")])
    assert overlapping([Edit(0, 2, "", "", "t"), Edit(1, 3, "", "", "t")])
    assert not overlapping([Edit(0, 2, "", "", "t"), Edit(2, 3, "", "", "t")])


@given(st.sets(st.text(max_size=5), min_size=2, max_size=8), st.integers(0, 2**32))
def test_a_stable_choice_depends_on_no_option_but_the_winner(options, seed):
    winner = stable_choice(random.Random(seed), sorted(options))
    assert winner == stable_choice(random.Random(seed), sorted(options, reverse=True))
    for loser in options - {winner}:
        assert stable_choice(random.Random(seed), options - {loser}) == winner


def test_a_stable_choice_follows_its_weights():
    rng = random.Random(1)
    drawn = Counter(stable_choice(rng, ["often", "seldom"], {"often": 9.0, "seldom": 1.0}) for _ in range(2000))
    assert 1700 < drawn["often"] < 1900  # 1800 expected, standard deviation 13


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (lambda: check_chosen(NOTE, "Gout."), "summary of fewer than 5 words"),
        (lambda: check_chosen(NOTE, "She takes warfarin for her gout."), "chosen summary: unsupported medication"),
        (lambda: check_chosen(NOTE, "She has fever and calf pain."), "chosen summary: contradicted negation"),
        (lambda: check_chosen(NOTE, SUMMARY), None),
        (lambda: check_changed("She has gout.", "she  has gout"), "text unchanged"),
        (lambda: check_changed("She has gout.", "She has asthma."), None),
        (lambda: check_proven(NOTE, "She takes lisinopril."), "not proven wrong by the note"),
        (lambda: check_proven(NOTE, "She takes warfarin."), None),
        (lambda: check_length(SUMMARY, SUMMARY + " More words than before, by more than a tenth." * 2), "much longer"),
        (lambda: check_length(SUMMARY, SUMMARY[:200]), "much shorter"),
        (lambda: check_length("Gout flare.", "Asthma flare."), None),
        (lambda: check_english("A cough.", "A ulcer."), "english: article"),
        (lambda: check_english("Had gout.", "Had  gout."), "english: spacing"),
        (lambda: check_english("Had no gout.", "Had no no gout."), "english: doubled word"),
        (lambda: check_english("Had gout. Well.", "Had gout. well."), "english: small letter at the start"),
        (lambda: check_english("Had  gout .", "Had  asthma ."), None),  # slips that the chosen summary has too
    ],
)  # fmt: skip
def test_checks_name_their_reason(check, reason):
    assert check() == reason


def test_negatives_are_different_mixed_and_all_proven():
    row = Factual("row-1", note_id(LONG_NOTE), LONG_NOTE, LONG_SUMMARY)
    outcome = make_negatives(row, DONORS, seed=42, wanted=12)
    texts = [negative.text for negative in outcome.negatives]
    assert len(texts) == len(set(texts)) == 12
    assert LONG_SUMMARY not in texts
    for negative in outcome.negatives:
        assert unsupported_claims(LONG_NOTE, negative.text)
        assert apply_edits(LONG_SUMMARY, negative.edits) == negative.text
        assert set(negative.strategy.split("+")) <= set(FAMILIES)
    assert {family for negative in outcome.negatives for family in negative.strategy.split("+")} == set(FAMILIES)
    assert {n.severity for n in outcome.negatives} <= {"minor", "moderate", "major"}


def test_severity_counts_wrong_facts():
    made = [
        negative
        for seed in range(10)
        for negative in make_negatives(ROW, DONORS, seed=seed, wanted=3, families=["negation_invert"]).negatives
    ]
    assert {(negative.severity, len(negative.edits)) for negative in made} == {("minor", 1), ("moderate", 2)}


def test_only_the_families_asked_for():
    outcome = make_negatives(ROW, DONORS, seed=42, wanted=4, families=["negation_invert"])
    assert {negative.strategy for negative in outcome.negatives} == {"negation_invert"}
    assert {edit.type for negative in outcome.negatives for edit in negative.edits} == {"negation"}


def test_a_wrong_chosen_summary_makes_no_pair():
    row = Factual("row-2", note_id(NOTE), NOTE, "She takes warfarin and has right calf pain.")
    outcome = make_negatives(row, DONORS, seed=42, wanted=3, labelled=[("She has gout and takes no pills.", "x")])
    assert outcome.negatives == []
    assert [(r["operator"], r["reason"]) for r in outcome.refusals] == [
        ("chosen", "chosen summary: unsupported medication")
    ]


def test_labelled_negatives_get_their_edits_from_the_difference():
    labelled = SUMMARY.replace("dizziness", "chest pain").replace("2 weeks", "2 months")
    outcome = make_negatives(
        ROW, EMPTY, seed=42, wanted=1, labelled=[(labelled, "fabricated"), (SUMMARY, "fabricated")]
    )
    [negative] = [negative for negative in outcome.negatives if negative.strategy == LABELLED]
    assert apply_edits(SUMMARY, negative.edits) == negative.text == labelled
    assert [(edit.old.strip(), edit.new.strip(), edit.type) for edit in negative.edits] == [
        ("dizziness.", "chest pain.", "fabricated"),
        ("weeks", "months", "fabricated"),
    ]
    assert negative.severity == "moderate"
    assert (LABELLED, "text unchanged") in [(r["operator"], r["reason"]) for r in outcome.refusals]


@given(chosen=st.text("ab ,.\n", max_size=40), rejected=st.text("ab ,.\n", max_size=40))
def test_any_difference_rebuilds_the_text(chosen, rejected):
    from adversarial.pairs import word_edits

    assert apply_edits(chosen, word_edits(chosen, rejected, "x")) == rejected
