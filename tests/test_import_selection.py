"""What the importer decides about each row: the split by note, the sample, the reasons, the words of the labels."""

from __future__ import annotations

import random

import pytest

from phase1_data_medhal.importing.labels import (
    FACTUAL_WORDS,
    HALLUCINATED_WORDS,
    check_labels,
    label_table,
)
from phase1_data_medhal.importing.selection import Shares, survey
from phase1_data_medhal.importing.sources import SourceRow
from utils.cli import UserError

NOTE = "A woman of 44 has had a cough for six days and takes nothing."
SUMMARY = "Cough for six days in a woman of 44."
WORDS = label_table(FACTUAL_WORDS, HALLUCINATED_WORDS)


def row(note=NOTE, summary=SUMMARY, label="", dataset=""):
    return SourceRow("export.csv", 1, note, summary, label, dataset)


def numbered(count):
    return [row(f"{NOTE} Record {n}.") for n in range(count)]


def decide(rows, *, meanings=None, left_out=(), max_records=None, seed=1, shares=Shares(0.1, 0.1)):  # noqa: B008
    return survey(rows, meanings=meanings, left_out=left_out, shares=shares, max_records=max_records, seed=seed)


def sides(rows, **options):
    """The side of each row, by its note."""
    found = decide(rows, **options)
    return {row.note: fate.side for row, fate in zip(rows, found.fates, strict=True) if fate.side}


def test_a_note_falls_to_one_side_however_it_is_spaced_and_capitalised():
    for number in range(50):
        note = f"{NOTE} Record {number}."
        rows = [
            row(note),
            row(note.upper(), "Six days of cough, woman, 44."),
            row(note.replace(" ", "\n "), "A cough for 6 days."),
        ]
        assert len({fate.side for fate in decide(rows).fates}) == 1


def test_the_shares_are_of_the_notes():
    found = list(sides(numbered(4000), shares=Shares(0.2, 0.1)).values())
    assert found.count("validation") == pytest.approx(800, abs=4 * 25)  # four standard deviations of a binomial
    assert found.count("test") == pytest.approx(400, abs=4 * 19)


def test_rows_that_are_added_and_another_order_move_no_note():
    first, more = numbered(60), numbered(200)
    random.Random(1).shuffle(more)
    before, after = sides(first), sides(more)
    assert {note: after[note] for note in before} == before


def test_another_seed_is_another_split():
    assert sides(numbered(100), seed=1) != sides(numbered(100), seed=2)


def test_a_sample_has_the_shares_of_all_grows_by_adding_and_moves_no_note():
    rows = numbered(3000)
    everything, small, large = sides(rows), sides(rows, max_records=600), sides(rows, max_records=900)
    assert len(small) == 600
    assert small.items() <= large.items() <= everything.items()
    assert list(small.values()).count("test") == pytest.approx(60, abs=4 * 7.4)
    assert decide(rows, max_records=600).not_drawn == 2400


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(note=""), "empty note"),
        (row(note=" \n"), "empty note"),
        (row(summary=""), "empty summary"),
        (row(summary="Cough for six days."), "summary of fewer than 5 words"),
        (row(summary=NOTE.upper().replace(" ", "  ")), "note equals summary"),
        (row(note="Six days of cough now."), "summary longer than its note"),
        (row(note=f"{NOTE} 37 \ufffdC"), "undecodable bytes"),
        (row(summary=f"{SUMMARY} \ufffd"), "undecodable bytes"),
        (row(label=""), "no label"),
        (row(dataset="MedNLI"), "of the data set mednli"),
    ],
)
def test_each_reason_is_told_and_the_other_rows_stay(wrong, reason):
    good = row(f"{NOTE} Another.", label="factual")
    found = decide(
        [wrong if reason == "no label" else wrong._replace(label="yes"), good], meanings=WORDS, left_out=("mednli",)
    )
    assert found.fates[0] == (None, reason)
    assert found.fates[1].side
    assert found.reasons == {reason: 1}


def test_five_words_and_a_summary_as_long_as_its_note_are_kept():
    assert decide([row(summary="Cough for six whole days.")]).fates[0].side
    assert decide([row("Six days of cough, she says.", "She says: six days, cough alone.")]).fates[0].side


def test_of_duplicates_the_first_is_kept_and_a_note_may_have_several_summaries():
    rows = [row(), row(NOTE.upper()), row(summary="For six days she has had a cough.")]
    found = decide(rows)
    assert [bool(fate.side) for fate in found.fates] == [True, False, True]
    assert found.reasons == {"same note and summary as an earlier row": 1}


def test_labels_that_contradict_each_other_are_all_set_aside():
    rows = [row(label="yes"), row(label="no"), row(label="true"), row(f"{NOTE} Another.", label="no")]
    found = decide(rows, meanings=WORDS)
    assert [fate.reason for fate in found.fates] == ["same note and summary with both labels"] * 3 + [None]
    assert found.labels == {"yes": 1, "no": 2, "true": 1}


def test_an_unknown_word_is_refused_with_all_that_was_seen():
    with pytest.raises(
        UserError, match=r"column 'checked' holds 'ok' \(7 rows\), 'maybe' \(2 rows\); known are factual"
    ):
        check_labels({"yes": 3, "maybe": 2, "ok": 7}, WORDS, "checked")
    with pytest.raises(UserError, match="and 15 more; known"):
        check_labels({str(n): 1 for n in range(2, 27)}, WORDS, "checked")


def test_a_yes_in_a_column_that_asks_for_the_fault_must_be_explained():
    with pytest.raises(UserError, match="'1' could mean that the summary is wrong"):
        check_labels({"1": 3, "0": 9}, WORDS, "is_hallucination")
    check_labels({"1": 3, "0": 9}, label_table(["0"], ["1"]), "is_hallucination")
    check_labels({"factual": 3, "hallucinated": 9}, WORDS, "hallucination_label")
    check_labels({"1": 3, "0": 9}, WORDS, "label")


def test_a_word_cannot_mean_both():
    assert label_table(["OK "], ["Wrong"]) == {"ok": "factual", "wrong": "hallucinated"}
    with pytest.raises(UserError, match="'0' stands in --factual_labels and in --hallucinated_labels"):
        label_table(["0"], HALLUCINATED_WORDS)
