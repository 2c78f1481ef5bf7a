"""Rows of a split: what the first reading keeps of them, whatever their order, and what lends to the others."""

from __future__ import annotations

import io
import json

import pytest

from adversarial import rows
from adversarial.rows import make_pairs, read_split
from tests.test_generate_phase2_data import COLUMNS, factual, note_and_summary
from utils.records import write_csv


def split_of(tmp_path, table, **options):
    path = tmp_path / "rows.csv"
    write_csv(path, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in table])
    return read_split(path, **{"ratio": 1.0, "seed": 42, **options})


def made_of(split):
    file, rejects = io.StringIO(), io.StringIO()
    made = make_pairs(split, file, rejects, seed=42, wanted=3, families=["negation_invert"], processes=1, title="notes")
    return made, [[json.loads(line) for line in text.getvalue().splitlines()] for text in (file, rejects)]


def test_what_is_lent_is_bounded_and_depends_on_no_order(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LENDING", 5)
    forwards = split_of(tmp_path, factual(range(30))).lending
    assert forwards == split_of(tmp_path, factual(reversed(range(30)))).lending
    assert len(forwards) == 5
    assert set(forwards) != set(split_of(tmp_path, factual(range(30)), seed=1).lending)
    assert set(forwards) <= {note_and_summary(n) for n in range(30)}


def test_only_notes_of_the_drawn_share_lend(tmp_path):
    split = split_of(tmp_path, factual(range(20)), ratio=0.2)
    assert len(split.taken) == len(split.lending) == split.factual_rows == 4
    assert {rows.note_id(note) for note, _ in split.lending} == split.taken
    assert split.set_aside == {"not in the drawn share of notes": 16}


def test_no_negative_is_another_chosen_summary_of_its_note(tmp_path):
    note, summary = note_and_summary(0)
    shorter = summary.replace(" Review in 2 weeks is planned.", "")
    labelled = ["h", note, shorter, "hallucinated", "", ""]
    _, (pairs, _) = made_of(split_of(tmp_path, [["a", note, summary, "factual", "", ""], labelled]))
    assert shorter in [pair["rejected"][0]["content"] for pair in pairs]
    # the same text, where the file calls it factual too
    called_both = [["a", note, summary, "factual", "", ""], ["b", note, shorter, "factual", "", ""], labelled]
    _, (pairs, refused) = made_of(split_of(tmp_path, called_both))
    assert not {pair["rejected"][0]["content"] for pair in pairs} & {summary, shorter}
    assert "the same pair twice" in {row["reason"] for row in refused}


def test_a_missing_id_is_no_error(tmp_path):
    split = split_of(tmp_path, [["nan", *note_and_summary(0), "factual", "", ""]] * 2)
    made, (pairs, _) = made_of(split)
    assert split.repeated_ids == 0
    assert made.pairs == len(pairs) > 0
    assert all(pair["id"].startswith("-") for pair in pairs)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.0])
def test_counts_are_those_of_the_lines_written(tmp_path, ratio):
    made, (pairs, refused) = made_of(split_of(tmp_path, factual(range(12)), ratio=ratio))
    assert made.pairs == len(pairs) == made.strategies.total() == made.severities.total()
    assert made.reasons.total() == len(refused)
    assert made.factual_rows == 12 * ratio
    assert made.missing == 3 * made.factual_rows - made.pairs
