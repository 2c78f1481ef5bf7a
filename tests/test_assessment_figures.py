"""The figures: rates, the rule and how sure it is, sentences, agreement, each by hand or against a library."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from assessment.agreement import Paired, disagreements, paired
from assessment.figures import LONGEST_SECONDS, figures
from assessment.output import as_text, results_document
from assessment.report import assessment_report
from assessment.session import Item, State, apply, new_event
from utils.statistics import above_rule, interval_answer, total_needed, wilson


def labelled(*answers, summary="One. Two. Three.", seconds=1.0):
    """A session with an item for each answer: False for clean, or the details of a hallucination."""
    items = [Item(str(number), "note", (summary,)) for number in range(len(answers))]
    state = State()
    for item, answer in zip(items, answers, strict=True):
        verdict = answer is not False
        state = apply(state, new_event("label", "t", item.key, has_hallucination=verdict, seconds=seconds))
        if verdict:
            details = {"hallucination_type": None, "severity": None, "sentences": None} | answer
            state = apply(state, new_event("detail", "t", item.key, **details))
    return state, items


def told(state, items):
    return as_text(assessment_report(figures(state, items, {}), "x.csv", {}, {}))


@pytest.mark.parametrize(("events", "total"), [(0, 1), (1, 1), (0, 50), (3, 50), (25, 50), (50, 50), (213, 300)])
def test_the_interval_is_wilson_s(events, total):
    rate = wilson(events, total)
    reference = binomtest(events, total).proportion_ci(0.95, method="wilson")
    assert (rate.low, rate.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= rate.low <= rate.share <= rate.high <= 1


@pytest.mark.parametrize(
    ("events", "above", "certainty"),
    [
        (2, False, "below"),
        (3, False, "unclear"),  # its interval ends at 16.2 %
        (7, False, "unclear"),  # 14 %: at or below the rule, but 50 labels do not show it
        (8, True, "unclear"),  # 16 %: above the rule, but 50 labels do not show it
        (12, True, "unclear"),  # its interval begins at 14.3 %
        (13, True, "above"),
    ],
)
def test_the_rule_and_the_honest_answer_of_50_labels(events, above, certainty):
    rate = wilson(events, 50)
    assert above_rule(rate) is above
    assert interval_answer(rate) == certainty
    text = told(*labelled(*[{}] * events, *[False] * (50 - events)))
    assert ("PROCEED TO STAGE B" in text) is above
    assert ("  python generate_phase2_data.py\n  python stage_b_dpo_training.py" in text) is above
    assert ("READY" in text) is not above
    said = {"above": "CLEARLY ABOVE", "below": "CLEARLY BELOW", "unclear": "NOT ENOUGH LABELS TO TELL"}
    assert [words for words in said.values() if words in text] == [said[certainty]]
    assert max(map(len, text.split("\n"))) <= 80


def test_exactly_15_percent_is_not_above_and_no_number_of_labels_would_tell():
    assert not above_rule(wilson(3, 20))
    assert above_rule(wilson(4, 20))
    assert total_needed(wilson(3, 20)) is None
    assert total_needed(wilson(0, 0)) is None


@pytest.mark.parametrize(("events", "total"), [(1, 5), (1, 2), (3, 10), (1, 10), (0, 7), (1, 1)])
def test_so_many_labels_would_tell_if_the_share_stayed_and_no_fewer(events, total):
    """At that share, by the interval itself: the first number of labels at which 15 % lies outside it."""
    share = events / total
    needed = total_needed(wilson(events, total))

    def tells(labels):
        z = 1.959963984540054
        half = z / (labels + z**2) * (labels * share * (1 - share) + z**2 / 4) ** 0.5
        centre = (labels * share + z**2 / 2) / (labels + z**2)
        return centre - half > 0.15 or centre + half < 0.15

    assert tells(needed)
    assert not tells(needed - 1)


def test_the_report_says_how_many_more_and_where_to_get_them():
    text = told(*labelled({}, False, False, False, False))
    assert "about 196 labels would tell, 191 more" in " ".join(text.split())  # 0.49 / 0.05 ** 2
    assert "--max_examples 196" in text
    state, items = labelled({}, {}, *[False] * 3)
    more = [*items, *(Item(f"open{n}", "note", ("s",)) for n in range(9))]
    assert "8 labels would tell, 3 more: label on" in " ".join(told(state, more).split())


def test_without_a_label_there_is_no_verdict():
    items = [Item("1", "n", ("s",))]
    skipped = apply(State(), new_event("skip", "t", items[0].key, seconds=1))
    text = told(skipped, items)
    assert text.endswith("NOTHING IS LABELLED YET: no rate, no verdict.")
    assert "Labelled      0 of 1 (1 skipped, 0 not seen)" in text
    document = results_document(skipped, items, "t")
    assert (document["total_assessed"], document["assessments"], document["skipped"]) == (0, [], ["1"])


def test_kinds_severities_and_sentences_are_counted():
    state, items = labelled(
        {"hallucination_type": "fabricated", "severity": "major", "sentences": [1, 3]},
        {"hallucination_type": "fabricated", "severity": "minor"},  # no sentence marked: not in the sentence rate
        False,
    )
    found = figures(state, items, {})
    assert found.types == {"fabricated": 2}
    assert found.severities == {"major": 1, "minor": 1}
    assert found.sentence_rate[:2] == (2, 6)
    assert found.unmarked == 1
    text = told(state, items)
    assert "2 of 6 = 33.3 %" in text
    assert "1 hallucinated summaries in which no sentence was marked are left out" in " ".join(text.split())
    assert "Sentences" not in told(*labelled({}, False))  # nowhere marked: no such rate


def test_time_is_capped_for_who_went_away():
    found = figures(*labelled(False, False, False, seconds=4000.0), {})
    assert found.seconds == [LONGEST_SECONDS] * 3
    assert found.median_seconds == LONGEST_SECONDS


def test_agreement_by_hand():
    """The 2 x 2 table of Wikipedia's example of Cohen's kappa: 20 both yes, 5 and 10 in dispute, 15 both no."""
    table = Paired(both=20, first_only=5, second_only=10, neither=15)
    assert table.agreement.share == 0.7
    assert table.kappa == pytest.approx(0.4)  # (0.7 - 0.5) / (1 - 0.5)
    assert table.positive_agreement == pytest.approx(40 / 55)
    assert table.mcnemar_p == pytest.approx(binomtest(5, 15, 0.5).pvalue)
    assert table.first[:2] == (25, 50)
    assert table.second[:2] == (30, 50)


def test_agreement_where_it_is_not_defined():
    assert Paired(0, 0, 0, 5).kappa is None
    assert Paired(0, 0, 0, 5).positive_agreement is None
    assert Paired(0, 0, 0, 0).kappa is None
    assert Paired(0, 0, 0, 0).agreement.share is None
    assert Paired(3, 0, 0, 5).kappa == 1


def test_only_what_both_labelled_is_compared():
    first = {("a", "1"): True, ("b", "1"): False, ("c", "1"): True, ("d", "1"): True}
    second = {("a", "1"): True, ("b", "1"): True, ("c", "2"): True}
    assert paired(first, second) == Paired(1, 0, 1, 0)
    assert disagreements(first, second) == ["b"]


def test_the_automatic_screen_is_set_beside_the_labels():
    state, items = labelled({}, {}, False, False, False)
    screened = {item.key: flagged for item, flagged in zip(items, (True, False, True, False, False), strict=True)}
    found = figures(state, items, screened)
    assert found.screen == Paired(both=1, first_only=1, second_only=1, neither=2)
    text = as_text(assessment_report(found, "x.csv", {}, {}))
    assert "flagged       1 of 2 that you call hallucinated" in text
    assert "not flagged   2 of 3 that you call clean" in text
    assert figures(state, items, {}).screen is None
