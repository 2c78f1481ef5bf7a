"""The comparison on real text: its steps, its blind sheet, what readers' labels say, by hand and on a tiny model."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import manual_assessment_tool
from adversarial.operators.donors import collect_donors
from adversarial.pairs import Factual, note_id
from assessment.jobs import Labelling
from assessment.session import row_key
from benchmarks import real_text
from benchmarks.arms import steps
from benchmarks.arms.plan import pairs_that_fit
from benchmarks.arms.steps import Step
from benchmarks.blind_labels import report
from benchmarks.blind_labels.figures import Corrected, Item, bars, corrected, measure, read_reader, together, turned
from benchmarks.blind_labels.plan import RealTextPlan, content, with_inputs
from benchmarks.blind_labels.sheet import Written, collate, draw_controls, in_blind_order, write_sheet
from tests.labelling import Keyboard
from tests.tiny import note_and_summary, write_phase1
from utils.cli import UserError
from utils.records import read_csv, write_csv
from utils.statistics import wilson

TRAIN, NOTES = 100, 8
ARMS = ("stage_a", "control", "stage_b")


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


# ---------------------------------------------------------------------- the whole, on a tiny model


def run(folder: Path, *more: str) -> int:
    options = {"work_dir": folder / "work", "output_dir": folder / "out"}
    return real_text.main([*(word for name, value in options.items() for word in (f"--{name}", str(value))), *more])


def steps_of(folder: Path, base: Path) -> list[str]:
    options = {
        "mts_dir": folder / "notes",
        "base_model": base,
        "stage_a_rows": 12,
        "stage_a_epochs": 1,
        "train_pairs": 8,
        "samples_per_note": 1,
        "num_epochs": 1,
        "learning_rate": 2e-5,
        "notes": NOTES,
        "gold": 2,
        "planted": 3,
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def label(sheet: Path, name: str, wrong: set[str]) -> None:
    """A whole sitting of a reader who finds these summaries wrong."""
    words = ["y 1 minor" if item.example_id in wrong else "n" for item in Labelling(sheet, name, 42).items]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", Keyboard([*words, "q"]))
        assert manual_assessment_tool.main(["--results_csv", str(sheet), "--annotator", name]) == 0


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory):
    """A run killed at Stage B, gone on with, labelled by two readers, measured; and which steps ran each time."""
    folder = tmp_path_factory.mktemp("real_text")
    write_phase1(folder / "notes", TRAIN, NOTES, test=1)
    ran: list[list[str]] = []

    def in_this_process(step: Step) -> tuple[int, bool]:
        ran[-1].append(step.name)
        if step.name == "stage_b" and len(ran) == 1:
            raise Killed
        script = importlib.import_module(step.words[0].removesuffix(".py").replace("/", "."))
        return script.main(step.words[1:]), False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "call", in_this_process)
        ran.append([])
        with pytest.raises(Killed):
            run(folder, *steps_of(folder, tiny_model))
        ran.append([])
        assert run(folder, *steps_of(folder, tiny_model)) == 0
        (key_file,) = (folder / "work").glob("key-*.json")
        key = json.loads(key_file.read_text())
        sheet = key_file.parent / key["sheet"]
        made = sheet.read_bytes()
        planted = {item["example_id"] for item in key["items"] if "planted" in item["writers"]}
        of_stage_a = {item["example_id"] for item in key["items"] if "stage_a" in item["writers"]}
        label(sheet, "ann", planted | of_stage_a)
        label(sheet, "bob", set(sorted(planted)[1:]) | of_stage_a)
        ran.append([])
        assert run(folder, *steps_of(folder, tiny_model)) == 0
        assert sheet.read_bytes() == made
    return folder, ran, key_file


def test_a_run_goes_on_where_it_was_killed_and_then_measures_what_was_labelled(whole):
    _, ran, _ = whole
    evaluations = [f"evaluate_{arm}" for arm in ARMS]
    assert ran == [["import", "stage_a", "pairs", "stage_b"], ["stage_b", "control", *evaluations], []]


def test_the_sheet_tells_nothing_and_the_key_is_its_owner_s(whole):
    _, _, key_file = whole
    key = json.loads(key_file.read_text())
    sheet = key_file.parent / key["sheet"]
    rows = read_csv(sheet, ("example_id",))
    assert set(rows[0]) == {"example_id", "clinical_note", "generated_summary"}
    assert all(re.fullmatch(r"\d+", row["example_id"]) for row in rows)
    assert not re.search(r"stage_|control|gold|planted|validation-", sheet.read_text())
    assert sheet.parent != key_file.parent
    if os.name == "posix":
        assert key_file.stat().st_mode & 0o077 == 0
    keys = {row_key(row["example_id"], row["clinical_note"], row["generated_summary"]) for row in rows}
    assert keys == {(item["example_id"], item["text_sha256"]) for item in key["items"]}
    for writer, count in {**dict.fromkeys(ARMS, NOTES), "gold": 2, "planted": 3}.items():
        assert sum(writer in item["writers"] for item in key["items"]) == count


def test_the_readers_figures_are_those_of_what_they_said(whole):
    folder, _, _ = whole
    record = json.loads((folder / "out" / "real_text.json").read_text())
    judges = record["labels"]["judges"]
    assert list(judges) == ["reader 1", "reader 2", "all readers"]
    assert judges["reader 1"]["sensitivity"]["events"] == 3
    assert judges["reader 2"]["sensitivity"]["events"] == 2
    assert judges["all readers"]["sensitivity"]["events"] == 3  # split evenly: wrong
    assert judges["reader 1"]["specificity"] == wilson(2, 2)._asdict()
    assert judges["reader 1"]["arms"]["stage_a"]["rate"] == wilson(NOTES, NOTES)._asdict()
    (two,) = record["labels"]["agreement"]
    assert two["summaries"] == record["labels"]["summaries"]
    assert two["agreement"]["total"] - two["agreement"]["events"] == 1
    assert record["labels"]["skipped"] == [0, 0]


def test_report_says_what_the_json_says_and_nothing_of_the_notes(whole):
    folder, _, _ = whole
    out = folder / "out"
    record = json.loads((out / "real_text.json").read_text())
    text = (out / "REAL_TEXT.md").read_text()
    assert text == report.markdown(record)
    assert (out / "real_text.png").read_bytes().startswith(b"\x89PNG")
    assert list(record["arms"]) == list(ARMS)
    changed = {"samples_per_note": 1, "num_epochs": 1.0, "learning_rate": 2e-5}
    assert record["unusual"] == {**changed, "stage_a_rows": 12, "stage_a_epochs": 1.0}
    assert record["stage_a"]["train_rows"] == 12
    written = text + json.dumps(record)
    assert "mg daily" not in written
    assert str(folder / "notes") not in written
    assert "--mts_dir MTS_DIR" in text


def test_the_screen_s_figures_are_those_that_step_3_had(whole):
    folder, _, _ = whole
    (path,) = (folder / "work").glob("evaluate_stage_b-*/evaluation_statistics.json")
    statistics = json.loads(path.read_text())
    comparison = statistics.pop("comparison")
    record = json.loads((folder / "out" / "real_text.json").read_text())
    assert record["arms"]["stage_b"] == statistics
    change = record["changes"]["stage_b against stage_a"]
    assert change == {name: value for name, value in comparison.items() if name not in ("before", "after")}


def test_no_note_that_is_summarised_was_trained_on(whole):
    folder, _, _ = whole
    imported = next((folder / "work").glob("import-*"))
    trained = {row["clinical_note"] for path in imported.glob("*_processed.csv") for row in read_csv(path, ("id",))}
    (evaluated,) = (folder / "work").glob("evaluate_stage_b-*/evaluation_results.csv")
    assert len(trained) == TRAIN
    assert not trained & {row["clinical_note"] for row in read_csv(evaluated, ("clinical_note",))}


def test_the_key_alone_is_enough_to_measure(whole, tmp_path):
    folder, _, key_file = whole
    labels = key_file.parent / json.loads(key_file.read_text())["sheet"]
    named = labels.with_name("manual_assessment_ann.json")
    told = ("--labels", str(named), "--readers", "a nurse", "--output_dir", str(tmp_path))
    assert real_text.main(["--key", str(key_file), *told]) == 0
    assert "1 reader (a nurse) judged" in (tmp_path / "REAL_TEXT.md").read_text("utf-8")
    alone, both = (json.loads((path / "real_text.json").read_text()) for path in (tmp_path, folder / "out"))
    assert alone["labels"]["judges"] == {"reader 1": both["labels"]["judges"]["reader 1"]}
    assert alone["labels"]["agreement"] == []
    with pytest.raises(UserError, match="is no key of a sheet"):
        real_text.main(["--key", str(labels)])


# ---------------------------------------------------------------------- the plan


@pytest.fixture
def planned(tmp_path):
    """Arguments and hash for 100 training notes, as if the import had kept all."""
    write_phase1(tmp_path / "notes", TRAIN, NOTES)
    argv = ["--mts_dir", str(tmp_path / "notes"), "--work_dir", str(tmp_path / "work"), "--stage_a_epochs", "2"]
    args = with_inputs(real_text.build_parser().parse_args(argv), "a")
    write_phase1(Path(args.phase1_dir), TRAIN, 10)
    return args


def test_each_step_s_time_by_hand(planned):
    seconds = {step.name: step.expected for step in RealTextPlan(planned, 30, "a").steps()}
    # A note gives 0.3 of 3 edited pairs, of which half make room for the model's own.
    assert seconds == pytest.approx(
        {
            "import": 30,
            "stage_a": 30 + 100 * 2 * 1.1,
            "pairs": 30 + 30 / 0.9 * (1 + 10 / 100) * 4 * 1.1,
            "stage_b": 30 + 30 * (2 * 1.4 + 0.5),
            "control": 30 + 30 * 2 * 1.4,
            **{f"evaluate_{arm}": 30 + 100 * 1.3 for arm in ARMS},
        }
    )


def test_stage_a_counts_in_the_hours(planned):
    planned.hours = 2.0
    with_all_rows = pairs_that_fit(planned, "a", RealTextPlan)
    planned.stage_a_rows = 10
    assert pairs_that_fit(planned, "a", RealTextPlan) > with_all_rows
    hours = sum(step.expected for step in RealTextPlan(planned, with_all_rows, "a").steps()) / 3600
    assert hours <= 2.0


def test_a_note_on_both_sides_is_refused(tmp_path, tiny_model):
    folder = write_phase1(tmp_path, 3, 2)
    path = folder / "validation_set_processed.csv"
    rows = read_csv(path, ("clinical_note",))
    rows[0]["clinical_note"] = note_and_summary(1)[0].upper().replace(" ", "  ")
    write_csv(path, list(rows[0]), rows)
    args = real_text.build_parser().parse_args(["--mts_dir", str(folder), "--base_model", str(tiny_model)])
    with pytest.raises(UserError, match=r"1 notes of .*validation.* are also in .*train"):
        content(args)


# ---------------------------------------------------------------------- the sheet


def factual(number: int) -> Factual:
    note, summary = note_and_summary(number)
    return Factual(f"n{number}", note_id(note), note, summary)


@pytest.fixture(scope="module")
def donors():
    return collect_donors((row.note, row.summary) for row in map(factual, range(40, 60)))


@pytest.fixture(scope="module")
def controls(donors):
    rows = [factual(number) for number in range(12)]
    note = "A man with a cough."
    invented = Factual("bad", note_id(note), note, "A man with diabetes takes apixaban 5 mg daily.")
    return draw_controls([*rows, invented], donors, gold=4, planted=5, seed=1), {row.row_id: row for row in rows}


def test_controls_are_references_of_different_notes_with_one_fact_wrong_or_none(controls):
    found, rows = controls
    assert (len(found.gold), len(found.planted)) == (4, 5)
    assert not found.gold.keys() & found.planted.keys()
    assert found.gold == {note: rows[note].summary for note in found.gold}  # never "bad": the screen refuses it
    assert found.planted.keys() == found.kinds.keys() <= rows.keys()
    for note, text in found.planted.items():
        assert text != rows[note].summary
        assert abs(len(text) - len(rows[note].summary)) < 15


def test_references_that_can_be_made_wrong_are_shared_out_in_turns_others_fill_up_the_sound(donors):
    note, summary = "He is well. He sleeps well and works again.", "He sleeps well and works again."
    plain = [Factual(f"plain{n}", note_id(f"{note} {n}"), f"{note} {n}", summary) for n in range(3)]
    rows = [*plain, *(factual(number) for number in range(5))]
    found = draw_controls(rows, donors, gold=4, planted=50, seed=1)
    assert (len(found.gold), len(found.planted)) == (4, 3)
    assert sum(name.startswith("plain") for name in found.gold) == 2
    assert not any(name.startswith("plain") for name in found.planted)


def test_a_text_by_several_is_judged_once():
    notes = {"a": "note a", "b": "note b"}
    writers = {"stage_a": {"a": "same", "b": "same"}, "stage_b": {"a": "same", "b": "other"}, "gold": {"b": "other"}}
    assert collate(notes, writers) == [
        Written("a", "note a", "same", ("stage_a", "stage_b")),
        Written("b", "note b", "same", ("stage_a",)),
        Written("b", "note b", "other", ("stage_b", "gold")),
    ]


@pytest.fixture
def written():
    return [Written(f"n{n}", f"note {n}", f"summary {n} {k}", (ARMS[k],)) for n in range(30) for k in range(3)]


def test_the_order_keeps_the_summaries_of_a_note_apart_and_hangs_on_the_seed(written):
    order = in_blind_order(written, 1)
    assert sorted(order) == sorted(written)
    assert all(one.note != other.note for one, other in pairwise(order))
    assert order == in_blind_order(written, 1) != in_blind_order(written, 2)
    with pytest.raises(UserError, match="6 summaries of too few notes"):
        in_blind_order([Written("a", "", str(n), ()) for n in range(6)], 1)


def test_the_labelling_tool_shows_them_in_this_order(written, tmp_path):
    order = in_blind_order(written, 1)
    items = write_sheet(tmp_path / "sheet", order)
    shown = Labelling(tmp_path / "sheet" / "summaries.csv", None, manual_assessment_tool.DEFAULT_SEED).items
    assert [(item.note, item.summaries[0]) for item in shown] == [(w.clinical_note, w.summary) for w in order]
    told = {(item["example_id"], item["text_sha256"]): item["note"] for item in items}
    assert [told[item.key] for item in shown] == [w.note for w in order]
    ids = [row["example_id"] for row in read_csv(tmp_path / "sheet" / "summaries.csv", ("example_id",))]
    assert ids == sorted(ids) == [f"{n:02d}" for n in range(1, 91)]


# ---------------------------------------------------------------------- what labels say, by hand


def test_rogan_gladen_by_hand():
    # 30 of 100 said wrong, 23 of 25 errors found, 24 of 25 references sound: (0.30 + 0.96 - 1) / (0.92 + 0.96 - 1)
    found = corrected(wilson(30, 100), wilson(23, 25), wilson(24, 25))
    assert found.share == pytest.approx(0.26 / 0.88)
    assert found.low < 0.2125 and found.high > 0.3960  # wider than Wilson's for 30 of 100


def test_the_corrected_interval_is_that_of_lang_and_reiczigel_s_first_example():
    found = corrected(wilson(4060, 11284), wilson(178, 179), wilson(358, 359))
    assert (round(found.low, 3), round(found.high, 3)) == (0.349, 0.372)


def test_a_corrected_rate_stays_a_rate_and_needs_a_reader_who_does_not_guess():
    assert corrected(wilson(1, 100), wilson(24, 25), wilson(20, 25)).share == 0.0  # fewer than false alarms alone
    assert corrected(wilson(99, 100), wilson(20, 25), wilson(25, 25)).share == 1.0
    for events in range(0, 101, 10):
        found = corrected(wilson(events, 100), wilson(20, 25), wilson(22, 25))
        assert 0 <= found.low <= found.share <= found.high <= 1
    nothing = Corrected(None, None, None)
    assert corrected(wilson(30, 100), wilson(10, 25), wilson(15, 25)) == nothing
    assert corrected(wilson(30, 100), wilson(0, 0), wilson(25, 25)) == nothing


def test_what_changed_by_hand():
    before = {"a": True, "b": True, "c": True, "d": False, "e": False, "only": True}
    after = {"a": False, "b": False, "c": True, "d": True, "e": False}
    found = turned(before, after)
    assert [found[name] for name in ("notes", "fixed", "broken", "both", "neither")] == [5, 2, 1, 1, 1]
    assert found["mcnemar_p"] == pytest.approx(1.0)  # 2 against 1: 2 * (1 + 3) / 8, at most 1
    assert found["change"].difference == pytest.approx(-0.2)
    assert found["fewer"] == pytest.approx(1 / 3)
    assert turned({"a": False}, {"a": True})["fewer"] is None


def test_most_readers_decide_and_an_even_split_is_wrong():
    a, b, c = (("1", "x"), ("2", "x"), ("3", "x"))
    assert together([{a: True, b: True, c: False}, {a: False, b: False}, {b: False}]) == {a: True, b: False, c: False}


@pytest.fixture
def items():
    """Four notes with a summary of each arm; the control wrote Stage A's in the first; four controls."""
    arms = [Item((f"{arm}{n}", "x"), f"n{n}", (arm,)) for arm in ARMS for n in range(4) if (arm, n) != ("control", 0)]
    arms[0] = arms[0]._replace(writers=("stage_a", "control"))
    known = [Item((f"{kind}{n}", "x"), f"n{n}", (kind,)) for kind in ("gold", "planted") for n in range(2)]
    return [*arms, *known]


def write_labels(path: Path, labels: dict[str, bool], *skipped: str) -> Path:
    entries = [{"example_id": name, "text_sha256": "x", "has_hallucination": wrong} for name, wrong in labels.items()]
    path.write_text(json.dumps({"assessments": entries, "skipped": skipped}))
    return path


def test_figures_of_an_arm_by_hand(items, tmp_path):
    wrong = {"stage_a0", "stage_a1", "stage_a2", "control1", "stage_b0", "planted0", "planted1", "gold1"}
    said = {item.key[0]: item.key[0] in wrong for item in items if item.key[0] != "stage_a3"}
    reader = read_reader(write_labels(tmp_path / "labels.json", said, "stage_a3"), items)
    figures = measure(items, [reader], ARMS)
    assert figures["skipped"] == [1]
    judge = figures["judges"]["reader 1"]
    assert judge["sensitivity"] == wilson(2, 2)._asdict()
    assert judge["specificity"] == wilson(1, 2)._asdict()
    counts = {arm: (found["rate"]["events"], found["rate"]["total"]) for arm, found in judge["arms"].items()}
    assert counts == {"stage_a": (3, 3), "control": (2, 4), "stage_b": (1, 4)}
    change = judge["changes"]["stage_b against stage_a"]
    assert [change[name] for name in ("notes", "fixed", "broken", "both", "neither")] == [3, 2, 0, 1, 0]
    assert judge["changes"]["control against stage_a"]["fixed"] == 1  # the shared text is neither fixed nor broken


def test_labels_that_end_early_or_are_of_another_sheet_are_refused(items, tmp_path):
    some = write_labels(tmp_path / "some.json", {"gold0": True})
    with pytest.raises(UserError, match=r"some\.json: 14 of 15 summaries are not judged yet.*skip \(s\)"):
        read_reader(some, items)
    with pytest.raises(UserError, match=r"1 labels of other summaries; give what manual_assessment_tool\.py wrote"):
        read_reader(write_labels(tmp_path / "other.json", {"other": True}), items)
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(UserError, match=r"none\.json: no labels"):
        read_reader(tmp_path / "none.json", items)


def recorded(fixed: int, broken: int, p: float, fewer: float, notes: int = 100, ratio: float = 0.9, rouge: float = 0.0):
    change = {"fixed": fixed, "broken": broken, "mcnemar_p": p, "fewer": fewer}
    wording = {
        "changes": {"rouge_l": {"difference": rouge, "low": None, "high": None}},
        "says_as_much": {"median_length_ratio": {"ratio": ratio}},
    }
    judge = {"changes": {"stage_b against stage_a": change, "stage_b against control": change}}
    changes = {"stage_b against stage_a": wording}
    return {"notes": notes, "labels": {"judges": {"reader 1": judge}}, "changes": changes}


@pytest.mark.parametrize(
    ("record", "missed"),
    [
        (recorded(30, 5, 1e-4, 0.4), []),
        (recorded(30, 5, 1e-4, 0.39), ["summaries that readers find wrong, against Stage A"]),
        (recorded(30, 5, 1e-4, 0.4, notes=99), ["notes"]),
        (recorded(30, 5, 1e-4, 0.4, ratio=0.8), ["median length, Stage B to Stage A"]),
        (recorded(30, 5, 1e-4, 0.4, rouge=-0.02), ["mean ROUGE-L, change"]),
        (
            recorded(30, 20, 0.2, 0.4),
            ["exact McNemar, Stage A and Stage B", "Stage B beats the control arm, exact McNemar"],
        ),
    ],
)
def test_a_bar_is_missed_by_itself(record, missed):
    assert [bar.what for bar in bars(record) if not bar.met] == missed
