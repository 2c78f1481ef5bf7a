"""Step 3's figures of one model and of two on the same notes, counted by hand."""

from __future__ import annotations

import json

import pytest

from evaluation_stage_a.comparison import compare, read_earlier, says_as_much, score_earlier
from evaluation_stage_a.examples import Example
from evaluation_stage_a.figures import as_json, summarise
from evaluation_stage_a.omissions import named_by
from evaluation_stage_a.screening import score_all
from evaluation_stage_a.verdict import change_in_words, decide, explained, headline
from evaluation_stage_a.wording import copy_rate, repetition
from utils.cli import UserError
from utils.generation import Generated
from utils.records import write_csv
from utils.statistics import Change, Parts, paired_change, wilson

NOTE = "A 60-year-old man with cough for 3 days. Denies fever. Takes lisinopril 10 mg daily."
REFERENCE = "A 60-year-old man with cough."
RIGHT, WRONG = "A 60-year-old man takes lisinopril 10 mg daily.", "A 60-year-old man takes lisinopril 40 mg daily."


def examples(count, reference=REFERENCE):
    return [Example(str(number), NOTE + " " * number, reference) for number in range(count)]


def scored(*summaries, reference=REFERENCE):
    return score_all(examples(len(summaries), reference), [Generated(text, "eos", 50, 9) for text in summaries])


def test_a_wrong_dose_is_flagged_with_its_evidence_and_a_faithful_summary_is_not():
    frame = scored(RIGHT, WRONG)
    assert list(frame["flagged_claims"]) == [0, 1]
    flag = json.loads(frame["flags"][1])[0]
    assert (flag["type"], flag["verdict"], flag["evidence"]) == ("dose", "contradicted", "10 mg")
    assert WRONG[slice(*flag["span"])] == flag["text"] == "40 mg"
    assert NOTE[slice(*flag["evidence_span"])] == "10 mg"


def test_rouge_and_length_by_hand():
    frame = scored(REFERENCE, "Cough.")
    assert list(frame["words"]) == [5, 1]
    assert frame["rougeL"][0] == 1.0
    # 7 tokens (a 60 year old man with cough) against 1: precision 1, recall 1/7
    assert frame["rougeL"][1] == pytest.approx(2 * (1 / 7) / (1 + 1 / 7), abs=1e-4)


def test_copied_and_repeated_runs_of_four_words_by_hand():
    assert copy_rate("He has had a cough.", "He has had a fever.") == 0.5  # he has had a; has had a fever
    assert repetition("one two three four one two three four") == 0.2  # 5 runs, the last is the first
    assert copy_rate("He has had a cough.", "Cough.") is repetition("Cough.") is None


def test_left_out_is_what_the_reference_names_and_the_summary_does_not():
    reference = "A man with cough and no fever was started on lisinopril for high blood pressure."
    found = {item.name: item.omitted for item in named_by(reference, "He had a cough, and takes an ACE inhibitor.")}
    assert found == {"cough": False, "lisinopril": True, "hypertension": True}  # fever is denied: not to be told
    assert not any(item.omitted for item in named_by(reference, "Hypertension, cough; lisinopril begun."))


def test_figures_of_one_model_by_hand():
    figures = summarise(scored(RIGHT, f"{WRONG} He has a cough.", WRONG, f"{RIGHT} {RIGHT}"))
    rate = figures["screened_hallucination_rate"]
    assert (rate.events, rate.total, rate.share) == (2, 4, 0.5)
    # Wilson, z = 1.96, k = 2, n = 4
    assert (rate.low, rate.high) == (pytest.approx(0.150, abs=1e-3), pytest.approx(0.850, abs=1e-3))
    assert figures["screened_sentence_rate"][:2] == (2, 6)
    # man, 60-year-old, lisinopril, 10 mg, daily: five claims a sentence, twenty-five in all, and the cough
    assert figures["screened_claim_rate"][:2] == (2, 26)
    assert figures["flagged_claims_per_summary"] == 0.5
    assert figures["flagged_claims_by_type_and_verdict"] == {"dose": {"unsupported": 0, "contradicted": 2}}
    assert figures["omission_rate"][:2] == (3, 4)  # the cough
    assert figures["coverage"] == 0.25
    assert figures["finish_reasons"] == {"eos": 4}
    assert as_json(figures)["screened_hallucination_rate"]["share"] == 0.5
    assert json.loads(json.dumps(as_json(figures)))["verdict"]["rate"]["total"] == 4


def test_without_a_reference_there_are_no_omissions_and_no_rouge():
    figures = summarise(scored(RIGHT, "", reference=""))
    assert figures["coverage"] is figures["mean_rouge_l"] is figures["median_reference_words"] is None
    assert figures["omission_rate"].total == 0
    assert figures["empty_summaries"] == 1


def test_before_and_after_by_hand():
    before = scored(*[WRONG] * 6, RIGHT, WRONG)
    after = scored(*[RIGHT] * 6, WRONG, WRONG)
    comparison = compare(before, after.iloc[::-1])  # whatever the order
    assert [comparison[key] for key in ("fixed", "broken", "both", "neither")] == [6, 1, 1, 0]
    assert comparison["mcnemar_p"] == pytest.approx(2 * (1 + 7) / 2**7)  # two-sided binomial, 1 of 7
    change = comparison["changes"]["summaries_with_a_flag"]
    assert (change.before, change.after, change.difference) == (7 / 8, 2 / 8, -5 / 8)
    assert -1 <= change.low < -5 / 8 < change.high <= 0
    assert comparison["changes"]["flagged_claims"].after == pytest.approx(2 / (8 * 5))
    assert "6 summaries were fixed and 1 broken: the difference may be chance" in change_in_words(comparison)[0]
    json.dumps(as_json(comparison))


def test_the_bootstrap_draws_whole_notes_on_both_sides():
    was, is_now, ones, tens = [1, 1, 0, 1, 0, 1], [0, 1, 0, 0, 1, 0], [1] * 6, [10] * 6
    by_note = paired_change(Parts(was, ones), Parts(is_now, ones))
    by_claim = paired_change(Parts([10 * n for n in was], tens), Parts([10 * n for n in is_now], tens))
    assert by_note == pytest.approx(by_claim)  # ten claims that stand and fall together tell no more than one
    assert by_note.difference == pytest.approx(-2 / 6)
    assert by_note.low < by_note.difference < by_note.high
    same = paired_change(Parts(was, ones), Parts(was, ones))
    assert (same.difference, same.low, same.high) == (0, 0, 0)  # paired: no change in any resample
    assert paired_change(Parts([1], [1]), Parts([0], [1])) == Change(1, 0, -1, None, None)
    assert paired_change(Parts(was, [0] * 6), Parts(is_now, ones)) is None


def test_only_notes_in_common_are_compared():
    comparison = compare(scored(WRONG, WRONG, WRONG), scored(RIGHT, RIGHT))
    assert (comparison["notes_in_common"], comparison["before"]["summaries"], comparison["fixed"]) == (2, 2, 2)


def test_earlier_texts_are_scored_anew_whatever_scores_stand_beside_them(tmp_path):
    rows = scored(WRONG, RIGHT).assign(flags="none", flagged_claims="two").to_dict("records")
    write_csv(tmp_path / "evaluation_results.csv", list(rows[0]), rows)
    mine = examples(3)[1:]
    earlier = read_earlier(tmp_path, [example.clinical_note for example in mine])
    frame = score_earlier(mine, earlier)
    assert list(frame["example_id"]) == ["1"]
    assert list(frame["flagged_claims"]) == [0]
    with pytest.raises(UserError, match="none of these notes"):
        read_earlier(tmp_path, ["another note"])
    with pytest.raises(UserError, match="none of its summaries is of these notes"):
        score_earlier(examples(1), earlier)


def test_a_model_that_says_less_does_not_win_by_it():
    change = Change(0.8, 0.7, -0.1, -0.2, -0.04)
    answers = {name: found["answer"] for name, found in says_as_much(change, None, 0.84).items()}
    assert answers == {"coverage": "lost", "rouge_l": "unclear", "median_length_ratio": "lost"}
    held = says_as_much(change._replace(low=-0.029), change._replace(low=-0.005, high=0.1), 1.15)
    assert {found["answer"] for found in held.values()} == {"held"}
    assert says_as_much(None, None, 1.16)["median_length_ratio"]["answer"] == "longer"
    figures = {"fixed": 20, "broken": 1, "mcnemar_p": 1e-5, "says_as_much": says_as_much(change, change, 1.0)}
    said = change_in_words(figures)
    assert "fewer summaries are wrong" in said[0]
    assert said[1].startswith("It says less than before (important facts given, ROUGE-L)")


@pytest.mark.parametrize(("events", "answer"), [(2, "below"), (3, "unclear"), (12, "unclear"), (13, "above")])
def test_the_threshold_has_three_answers(events, answer):
    # 50 notes are clear only at 2 and fewer or 13 and more: tabulated beforehand from Wilson's formula
    verdict = decide({"summaries": 50, "screened_hallucination_rate": wilson(events, 50)})
    assert (verdict["judge"], verdict["answer"]) == ("screen", answer)
    if answer == "unclear":
        assert f"About {verdict['summaries_needed']:,} notes would tell" in explained(verdict)
        assert headline(verdict).startswith("By the screen, not enough notes")
    assert "A screen is not the truth" in explained(verdict)


def test_the_oracle_decides_where_it_judged_every_summary():
    both = {"summaries": 60, "screened_hallucination_rate": wilson(0, 60)}
    exact = {**both, "oracle": {"summaries": 60, "hallucination_rate": wilson(30, 60)}}
    assert (decide(exact)["judge"], decide(exact)["answer"]) == ("oracle", "above")
    assert decide({**exact, "oracle": {**exact["oracle"], "summaries": 59}})["judge"] == "screen"
