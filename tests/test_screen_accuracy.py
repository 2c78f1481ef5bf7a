"""The benchmark of the screen: its statistics by hand and against scikit-learn, its input, and its bar on the edits."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import screen_accuracy as benchmark
from benchmarks.discrimination import Estimate, auroc, estimate, resample, share
from benchmarks.screen_accuracy import FLAGS, OVERLAP, SCREEN, Labelled
from utils.cli import PROJECT_ROOT, UserError
from utils.records import write_csv

EDITS = PROJECT_ROOT / "benchmarks" / "screen_edits.csv"
FRESH = EDITS.with_name("screen_edits_fresh.csv")
NOTE = "A 60-year-old man has a cough and no fever."
ONCE = np.ones((1, 4))
WRONG = np.array([True, True, False, False])
SCORES = np.array([2, 1, 1, 0])


# ----------------------------------------------------------------------------------------------------- statistics
def test_auroc_by_hand():
    """2 > 1, 2 > 0, 1 > 0 and a tie of 1 and 1: three and a half of four."""
    assert auroc(ONCE, SCORES, WRONG).tolist() == [0.875]


def test_auroc_of_comparable_pairs_only():
    comparable = np.zeros((4, 4), dtype=bool)
    comparable[1, 2] = comparable[1, 3] = True
    assert auroc(ONCE, SCORES, WRONG, comparable).tolist() == [0.75]
    assert np.isnan(auroc(ONCE, SCORES, WRONG, np.zeros((4, 4), dtype=bool))).all()


def test_a_row_drawn_twice_is_that_row_twice_over():
    """Against scikit-learn, with ties, for every resample."""
    rng = np.random.default_rng(3)
    scores, wrong = rng.integers(0, 6, 40), rng.random(40) < 0.4
    weights = resample([str(number // 2) for number in range(40)], seed=5, resamples=20)
    for drawn, area in zip(weights.astype(int), auroc(weights, scores, wrong), strict=True):
        assert area == pytest.approx(roc_auc_score(np.repeat(wrong, drawn), np.repeat(scores, drawn)))


def test_resamples_draw_whole_notes_and_begin_with_the_data():
    weights = resample(["a", "b", "a", "c"], seed=1, resamples=50)
    assert weights.shape == (51, 4)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5
    assert (weights == resample(["a", "b", "a", "c"], seed=1, resamples=50)).all()


def test_share_is_weighted_and_nothing_where_there_is_nothing():
    weights = np.array([[1, 1, 1, 1], [3, 0, 1, 0], [0, 0, 1, 1]])
    found = share(weights, np.array([True, False, False, True]), WRONG)
    assert found[:2].tolist() == [0.5, 1.0]
    assert np.isnan(found[2])


def test_estimate_takes_percentiles_of_the_resamples_that_say_something():
    values = np.array([7.0, *range(101), np.nan])
    assert estimate(values) == Estimate(7.0, 2.5, 97.5)
    assert estimate(np.array([np.nan, 1.0])) == Estimate(None, None, None)
    assert str(estimate(np.array([0.5, np.nan]))) == "0.50 [no interval]"


# ------------------------------------------------------------------------------------------------------ comparison
def test_summaries_of_about_the_same_length():
    assert benchmark.same_length(np.array([4, 5, 6])).tolist() == [
        [True, True, False],
        [True, True, True],
        [False, True, True],
    ]
    assert benchmark.same_length(np.array([0, 1, 2])).tolist()[0] == [True, True, False]


def test_rows_without_a_pair_are_no_pair():
    assert benchmark.same_pair(["", "", "a", "a"]).sum() == 4


def test_words_that_the_note_lacks():
    assert benchmark.lacking_words(NOTE, "Man of 60 years with COUGHS; fever absent.") == 3  # of, with, absent


def test_figures_of_a_file():
    """Two of three wrong summaries are flagged, and one right one: its note does not name the rash."""
    rows = [
        Labelled(NOTE, "He has a fever.", True, "contradiction"),
        Labelled(NOTE, "He has a cough and asthma.", True, "fabricated"),
        Labelled(NOTE, "He has a cough and a parrot.", True, "fabricated"),
        Labelled(NOTE, "He has a cough.", False),
        Labelled("A woman with hives.", "A woman with a rash.", False),
    ]
    found = benchmark.measure(rows, seed=1)
    flagged = [bool(count) for count in benchmark.scores_of(rows)[FLAGS]]
    assert flagged == [True, True, False, False, flagged[4]]
    assert (found["summaries"], found["wrong"], found["notes"]) == (5, 3, 2)
    assert found["recall"].value == pytest.approx(2 / 3)
    assert found["precision"].value == pytest.approx(2 / (2 + flagged[4]))
    assert found["by_type"]["contradiction"]["recall"].value == 1.0
    assert found["by_type"]["fabricated"]["recall"].value == 0.5
    assert found["by_type"]["fabricated"]["wrong"] == 2
    assert found["pairs"] is None


# ----------------------------------------------------------------------------------------------------------- input
def row(summary="He has a cough.", **more):
    return {"clinical_note": NOTE, "summary": summary, "human_label": "factual", **more}


def written(tmp_path, *rows):
    write_csv(tmp_path / "labels.csv", list(rows[0]), rows)
    return tmp_path / "labels.csv"


def test_both_spellings_of_the_columns_are_read(tmp_path):
    other = {"clinical_note": NOTE, "model_summary": "He has a fever.", "label": "Hallucinated "}
    first = {"clinical_note": NOTE, "model_summary": "He has a cough.", "label": "factual"}
    rows = benchmark.read_labelled(written(tmp_path, first, other))
    assert [(labelled.summary, labelled.wrong) for labelled in rows] == [
        ("He has a cough.", False),
        ("He has a fever.", True),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), row(human_label="maybe")], "row 2: human_label is 'maybe'; expected factual or hallucinated"),
        ([row(), row(human_label="")], "row 2: human_label is ''"),
        ([row(), row()], "all 2 rows are labelled alike"),
        ([{"clinical_note": NOTE, "human_label": "factual"}], "no column 'model_summary'"),
    ],
)
def test_faulty_labels_are_one_message(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        benchmark.read_labelled(written(tmp_path, *rows))


def test_the_command_prints_and_writes_figures_and_no_text(tmp_path, capsys):
    labels = written(tmp_path, row(), row("He has a fever.", human_label="hallucinated"))
    output = tmp_path / "accuracy.json"
    assert benchmark.main(["--labels", str(labels), "--output", str(output)]) == 0
    assert "wrong summaries that are flagged (recall)     1.00" in capsys.readouterr().out
    record = json.loads(output.read_text("utf-8"))
    figures = record["files"][str(labels)]
    assert figures["recall"]["value"] == figures["auroc"][SCREEN]["value"] == 1.0
    assert record["command"][1] == "benchmarks/screen_accuracy.py"
    assert "cough" not in output.read_text("utf-8")


# ------------------------------------------------------------------------------------------------------ the edits
@pytest.mark.parametrize(("path", "edits"), [(EDITS, 100), (FRESH, 40)])
def test_the_screen_sees_most_exchanges_inside_a_note_where_word_overlap_is_blind(path, edits):
    """The bar: 85 % of the edits rank above the summary that was edited; overlap must not tell them apart."""
    rows = benchmark.read_labelled(path)
    pairs = benchmark.measure(rows, seed=1)["pairs"]
    assert pairs["compared"] == sum(labelled.wrong for labelled in rows) == edits
    assert {labelled.type for labelled in rows if labelled.wrong} == {"value", "side", "negation"}
    assert pairs[OVERLAP].low <= 0.5 <= pairs[OVERLAP].high
    assert pairs[SCREEN].value >= 0.85


@pytest.mark.parametrize("path", [EDITS, FRESH])
def test_each_edit_differs_from_its_summary_and_from_the_others(path):
    rows = benchmark.read_labelled(path)
    assert len({(labelled.pair_id, labelled.summary) for labelled in rows}) == len(rows)
    right = [labelled.pair_id for labelled in rows if not labelled.wrong]
    assert len(set(right)) == len(right)
    assert {labelled.pair_id for labelled in rows} == set(right)


def test_figures_do_not_hang_on_the_order_of_the_rows():
    rows = benchmark.read_labelled(EDITS)[:20]
    shuffled = random.Random(2).sample(rows, len(rows))
    values = [benchmark.measure(order, seed=1)["auroc"][SCREEN] for order in (rows, shuffled)]
    assert values[0] == pytest.approx(values[1])
