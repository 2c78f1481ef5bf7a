"""The oracle against labels that were given by reading, before it had judged those summaries."""

import pytest

from benchmarks.oracle_accuracy import (
    SETS,
    WRONG,
    judged,
    main,
    read_labels,
    right_claims_kept,
    sensitivity,
    specificity,
    unknown_claims,
)
from clinical.oracle.claims import TYPES
from utils.cli import UserError

ROWS = judged(read_labels())


def test_labels_are_many_mostly_real_and_well_formed():
    assert len(ROWS) >= 150
    assert sum(row.label["origin"] == "model" for row in ROWS) >= 100
    assert {row.label["set"] for row in ROWS} == set(SETS)
    for row in ROWS:
        for claim in row.label["claims"]:
            assert claim["quote"] in row.label["summary"], row.label["id"]
            assert claim["verdict"] in (*WRONG, "right", "unclear")
            assert claim["type"] in TYPES, claim


def test_agreement_with_the_labels():
    """Bars: specificity 0.97 and sensitivity 0.90 per summary, at most 5 % of claims of unknown verdict."""
    assert specificity(ROWS).share >= 0.97
    assert sensitivity(ROWS).share >= 0.90
    assert right_claims_kept(ROWS).share >= 0.97
    assert unknown_claims(ROWS).share <= 0.05


def test_a_faulty_file_is_one_message(tmp_path):
    (tmp_path / "labels.jsonl").write_text("{", encoding="utf-8")
    for name in ("labels.jsonl", "gone.jsonl"):
        with pytest.raises(UserError, match="no labelled summaries"):
            main(["--labels", str(tmp_path / name)])
