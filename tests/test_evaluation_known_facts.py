"""Step 3 on shipped notes: the oracle's verdict beside the screen's, and nothing new for any other notes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from clinical.patient import Complaint, Patient, to_json
from evaluation_stage_a import known_facts
from evaluation_stage_a.comparison import compare
from evaluation_stage_a.evaluate_stage_a import write_report
from evaluation_stage_a.examples import Example, read_examples
from evaluation_stage_a.figures import as_json, summarise
from evaluation_stage_a.report import before_and_after, one_model
from evaluation_stage_a.screening import score_all
from tests.test_evaluation import evaluate
from tests.tiny import write_phase1
from utils.generation import Generated
from utils.records import read_csv, write_csv

STATE = to_json(Patient(60, "male", "cardiology", "clinic", Complaint("cough")))


@dataclass(frozen=True)
class StubClaim:
    type: str
    verdict: str
    text: str = "40 mg"
    start: int = 0
    end: int = 5
    reason: str = "the dose is 10 mg"


@dataclass(frozen=True)
class StubVerdict:
    claims: tuple[StubClaim, ...]
    failed: bool = False
    coverage: float = 0.5
    important: tuple[str, ...] = ("complaint", "drugs: lisinopril change")
    omitted: tuple[str, ...] = ("complaint",)

    @property
    def errors(self):
        return tuple(claim for claim in self.claims if claim.verdict == "wrong")

    @property
    def hallucinated(self):
        return self.failed or bool(self.errors)

    @property
    def possibly_hallucinated(self):
        return self.hallucinated or any(claim.verdict == "unknown" for claim in self.claims)


@pytest.fixture(autouse=True)
def stub_oracle(monkeypatch):
    """Each word of a summary is a claim: ``wrong``, ``unknown``, or right; an empty summary is a failure."""

    def judge(patient, summary):
        assert patient == Patient(60, "male", "cardiology", "clinic", Complaint("cough"))
        words = [w if w in ("wrong", "unknown") else "right" for w in summary.split()]
        return StubVerdict(tuple(StubClaim("dose", word) for word in words), failed=not words)

    monkeypatch.setattr(known_facts, "judge_summary", judge)


def scored(*summaries, state=STATE):
    examples = [Example(str(i), f"note {i}", "A man with cough.", state) for i in range(len(summaries))]
    return score_all(examples, [Generated(text, "eos", 50, 9) for text in summaries])


def test_figures_by_the_oracle_by_hand():
    figures = summarise(scored("fine fine", "wrong wrong fine", "unknown fine", "", "fine"))["oracle"]
    assert figures["hallucination_rate"][:2] == (2, 5)  # wrong, and no summary at all
    assert figures["upper_bound_rate"][:2] == (3, 5)  # and the unknown one
    assert figures["failed"][:2] == (1, 5)
    assert figures["errors_by_type"] == {"dose": 2}
    assert figures["unknown_claims"][:2] == (1, 8)
    assert figures["claims_per_summary"] == 8 / 5
    assert figures["coverage"] == 0.5
    assert {kind: rate[:2] for kind, rate in figures["omitted_by_kind"].items()} == {
        "complaint": (5, 5),
        "drugs": (0, 5),
    }
    assert as_json(figures)["hallucination_rate"]["share"] == 0.4


@pytest.mark.parametrize("cell", ["", "3", "note", '{"a": 1}', '[["age", 60]]', '[["wrong field", 1]]', "[1]"])
def test_other_data_gets_no_column_and_no_figure(cell):
    frame = scored("wrong", state=cell)
    assert not [name for name in frame.columns if name.startswith("oracle")]
    assert "oracle" not in summarise(frame)


def test_a_file_of_both_kinds_of_notes_counts_those_that_are_known():
    examples = [Example("a", "note a", "", STATE), Example("b", "note b", "", "")]
    frame = score_all(examples, [Generated("wrong", "eos", 5, 5)] * 2)
    assert summarise(frame)["oracle"]["hallucination_rate"][:2] == (1, 1)


def test_before_and_after_by_the_oracle():
    before, after = scored(*["wrong"] * 5, "fine", "wrong"), scored(*["fine"] * 5, "wrong", "wrong")
    comparison = compare(before, after)
    assert [comparison["oracle"][key] for key in ("fixed", "broken", "both", "neither")] == [5, 1, 1, 0]
    assert comparison["oracle"]["mcnemar_p"] == pytest.approx(2 * (1 + 6) / 2**6)
    assert (comparison["fixed"], comparison["broken"]) == (0, 0)  # the screen flags nothing here
    assert "oracle" not in compare(before, scored(*["fine"] * 7, state=""))


@pytest.fixture
def notes_csv(tmp_path):
    path = write_phase1(tmp_path / "phase1", test=4) / "test_set_processed.csv"
    rows = read_csv(path, ("id",))
    write_csv(path, list(rows[0]), [{**row, "evidence_stats": STATE} for row in rows])
    return path


def test_results_statistics_and_report_name_the_oracle(tiny_model, tiny_adapter, notes_csv, tmp_path, capsys):
    rows = evaluate(tiny_model, notes_csv, tmp_path / "a")
    assert set(known_facts.COLUMNS) <= set(rows[0])
    assert rows[0]["oracle_hallucinated"] in ("0", "1")
    statistics = json.loads((tmp_path / "a" / "evaluation_statistics.json").read_text())
    assert statistics["oracle"]["hallucination_rate"]["total"] == 4
    printed = capsys.readouterr().out
    assert "known facts (oracle): with an error" in printed
    assert "The rate is a screen's" in printed
    evaluate(tiny_adapter, notes_csv, tmp_path / "b", "--compare_with", str(tmp_path / "a"))
    assert "by the oracle: fixed 0" in " ".join(capsys.readouterr().out.split())


def test_reports_say_both_rates(tmp_path):
    figures = summarise(scored("wrong", "fine"))
    write_report(tmp_path / "one.txt", one_model(figures))
    text = (tmp_path / "one.txt").read_text(encoding="utf-8")
    assert "errors by type (oracle): dose 1" in text
    assert "1/2 = 50%" in text
    write_report(tmp_path / "two.txt", before_and_after(compare(scored("wrong"), scored("fine"))))
    assert "by the oracle: fixed 1" in (tmp_path / "two.txt").read_text(encoding="utf-8")


def test_the_facts_travel_with_the_example(notes_csv):
    assert {example.evidence_stats for example in read_examples(notes_csv, None, seed=1)} == {STATE}
