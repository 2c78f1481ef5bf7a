"""Two models judged side by side: blind until the report, and every label told to its model."""

from __future__ import annotations

import io
import json
import sys

import pytest

import manual_assessment_tool
from tests.labelling import Keyboard, rows, write_results
from utils.cli import EXIT_OK, UserError


@pytest.fixture
def two_models(tmp_path):
    first = write_results(tmp_path / "a" / "results.csv", rows(4))
    second = write_results(tmp_path / "b" / "results.csv", rows(4, id0="better 0", id1="better 1"))
    return first, second


class Reader(io.StringIO):
    """An annotator who reads what is shown: what begins with "summary" is hallucinated, "better" is better."""

    def __init__(self, capsys):
        super().__init__()
        self.capsys, self.seen = capsys, ""

    def readline(self, *_):
        news = self.capsys.readouterr().out
        self.seen += news
        if news.endswith("kind> "):
            return "\n"
        if news.endswith("q ends\n> ") or "Nothing is left" in news:
            return "q\n"
        summaries = [line for line in news.rpartition("=" * 80)[2].splitlines() if line.startswith(" 1  ")]
        if "which summary is better?" in news:
            return f"{1 + ('better' in summaries[1])}\n"
        return "y\n" if "summary" in summaries["SUMMARY 2 << judge" in news] else "n\n"


def test_a_comparison_is_blind_until_its_report(two_models, monkeypatch, capsys):
    annotator = Reader(capsys)
    monkeypatch.setattr(sys, "stdin", annotator)
    assert manual_assessment_tool.main(["--compare", *map(str, two_models)]) == EXIT_OK
    assert "results.csv" not in annotator.seen
    assert "SECRET" not in annotator.seen
    assert "THE SECOND HALLUCINATES LESS: 100.0 % against 50.0 %." in capsys.readouterr().out
    document = json.loads((two_models[1].parent / "manual_comparison.json").read_text("utf-8"))
    assert {(e["example_id"], e["model"]): e["has_hallucination"] for e in document["assessments"]} == {
        ("id0", "first"): True,
        ("id0", "second"): False,
        ("id1", "first"): True,
        ("id1", "second"): False,
        ("id2", "both"): True,
        ("id3", "both"): True,
    }
    assert {p["example_id"]: p["better"] for p in document["preferences"]} == {"id0": "second", "id1": "second"}
    assert [path.name for path in two_models[0].parent.iterdir()] == ["results.csv"]


def compare(words, monkeypatch, capsys, files):
    monkeypatch.setattr(sys, "stdin", Keyboard(words))
    manual_assessment_tool.main(["--compare", *map(str, files)])
    return capsys.readouterr().out


def label(path, words, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Keyboard(words))
    manual_assessment_tool.main(["--results_csv", str(path)])


def test_a_comparison_also_tells_of_labels_given_to_each_model_alone(two_models, monkeypatch, capsys):
    label(two_models[0], ["y", "1"] * 4, monkeypatch)
    label(two_models[1], ["n"] * 4, monkeypatch)
    out = compare(["q"], monkeypatch, capsys, two_models)
    assert "Labels of earlier sittings, each model alone" in out
    assert "only first    4 (put right by the second)" in out
    assert "p             0.125" in out  # 2 / 2**4


def test_files_without_a_note_in_common_cannot_be_compared(two_models, tmp_path, monkeypatch, capsys):
    other = write_results(tmp_path / "c" / "results.csv", [["id0", "another note", "", "s", ""]])
    with pytest.raises(UserError, match="no note in common"):
        compare(["q"], monkeypatch, capsys, (two_models[0], other))
