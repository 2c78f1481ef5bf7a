"""The tool as people run it: whole sittings through a pipe, kills, two processes, bad input and the verdict."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import manual_assessment_tool
from tests.labelling import COLUMNS, Keyboard, labels_beside, rows, write_results
from utils.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, PROJECT_ROOT, RunError, UserError
from utils.files import append_journal

SCRIPT = PROJECT_ROOT / "manual_assessment_tool.py"


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "out" / "evaluation_results.csv", rows(3))


@pytest.fixture
def sit(monkeypatch, capsys):
    """One sitting in this process: (exit code, what was printed)."""

    def sitting(path, words, *options, **keyboard):
        monkeypatch.setattr(sys, "stdin", Keyboard(words, **keyboard))
        code = manual_assessment_tool.main(["--results_csv", str(path), *options])
        return code, capsys.readouterr().out

    return sitting


def journal_beside(path):
    return path.parent / "manual_assessment.journal.jsonl"


def test_a_whole_sitting_through_a_pipe(results, sit):
    code, out = sit(results, ["y", "4", "n", "what", "yes", ""])
    assert code == EXIT_OK
    assert "item 1 of 3 | labelled 0" in out
    assert "item 3 of 3 | labelled 2" in out
    assert "'what' is not a key" in out
    assert "Nothing is left to do." in out
    assert sorted(labels_beside(results).values(), key=str) == [
        (False, None),
        (True, "unsupported_details"),
        (True, None),
    ]
    report = (results.parent / "assessment_report.txt").read_text(encoding="utf-8")
    assert "Hallucinated  2 of 3 = 66.7 % (95 % Wilson interval 20.8 % to 93.9 %)" in report
    assert "PROCEED TO STAGE B" in report
    assert report.partition("\n\n")[2] in out
    assert "\x1b" not in out


def test_each_entry_of_the_results_has_the_fields_other_steps_read(results, sit):
    sit(results, ["y", "1"])
    document = json.loads((results.parent / "manual_assessment.json").read_text(encoding="utf-8"))
    assert {"total_assessed", "timestamp", "assessments"} < set(document)
    (entry,) = document["assessments"]
    assert set(entry) >= {"example_id", "has_hallucination", "hallucination_type", "timestamp", "seconds"}
    assert 0 <= entry["seconds"] < 60  # of this item, not of the machine's clock
    assert entry["timestamp"].endswith("+00:00")


def test_every_answer_is_on_disk_before_the_next_is_asked(results, sit):
    seen = []

    def look():
        seen.append([json.loads(line)["event"] for line in journal_beside(results).read_text("utf-8").splitlines()])

    sit(results, ["n", "y", "2", "u", "s"], before_each=look)
    assert seen == [
        ["start"],
        ["start", "label"],
        ["start", "label", "label"],
        ["start", "label", "label", "detail"],
        ["start", "label", "label", "detail", "undo"],
        ["start", "label", "label", "detail", "undo", "skip"],
    ]


def test_nothing_that_would_bias_is_shown(results, sit):
    _, out = sit(results, ["?", "n", "y", "1", "n", "stats"])
    assert "note 0" in out
    assert "TRUTH" not in out
    assert "SECRET-MODEL" not in out
    assert "id0" not in out  # ids can carry a label or a model's name


def test_the_same_command_goes_on_at_the_first_open_item(results, sit):
    sit(results, ["n", "q"])
    first = labels_beside(results)
    code, out = sit(results, ["y", "fabricated", "q"])
    assert code == EXIT_OK
    assert "item 1 of 3" not in out
    assert "item 2 of 3 | labelled 1" in out
    assert len(labels_beside(results)) == 2
    assert labels_beside(results).items() > first.items()


def test_undo_reaches_behind_a_restart_and_behind_the_end(results, sit):
    sit(results, ["n", "n", "n"])
    assert len(labels_beside(results)) == 3
    _, out = sit(results, ["u", "u", "u", "u", "q"])
    assert out.count("taken back") == 3
    assert "there is nothing to undo" in out
    assert labels_beside(results) == {}
    assert "NOTHING IS LABELLED YET: no rate, no verdict." in out
    assert "READY" not in out.rpartition("NOTHING IS LABELLED")[2]


def test_u_takes_back_a_y_while_its_kind_is_asked(results, sit):
    _, out = sit(results, ["y", "9", "u", "n"])
    assert "'9' is not a kind" in out
    assert list(labels_beside(results).values()) == [(False, None)]


def test_what_a_pipe_says_in_one_line_or_leaves_out_is_understood(results, sit):
    sit(results, ["y 4", "y", "n"])  # the second one's kind is left out
    assert list(labels_beside(results).values()) == [(True, "unsupported_details"), (True, None), (False, None)]


def test_skipped_items_come_again_after_a_restart(results, sit):
    _, out = sit(results, ["skip", "n", "n"])
    assert "Labelled      2 of 3 (1 skipped, 0 not seen)" in out
    _, out = sit(results, ["n"])
    assert "item 1 of 3 | labelled 2 | skipped 1" in out
    assert len(labels_beside(results)) == 3


@pytest.mark.parametrize("words", [[], ["n"], ["y"]])
def test_ctrl_c_keeps_everything_and_says_how_to_go_on(results, sit, words):
    code, out = sit(results, words, "--seed", "7", "--annotator", "ann", interrupt=True)
    assert code == EXIT_INTERRUPTED
    assert len(labels_beside(results, "manual_assessment_ann.json")) == len(words)
    command = next(line for line in out.splitlines() if line.startswith("Go on with: "))
    assert command.endswith("--annotator ann --seed 7")
    assert str(results) in command


def test_a_torn_last_line_is_survived(results, sit):
    sit(results, ["n", "n", "q"])
    with journal_beside(results).open("a", encoding="utf-8") as file:
        file.write('{"event": "label", "exam')
    code, _ = sit(results, ["y", "3"])
    assert code == EXIT_OK
    assert len(labels_beside(results)) == 3
    for line in journal_beside(results).read_text("utf-8").splitlines():
        json.loads(line)


@pytest.mark.parametrize("line", ["not json", '{"event": "flag", "example_id": "x", "text_sha256": "y"}', "[1]"])
def test_a_damaged_journal_is_refused_by_line_and_left_alone(results, sit, line):
    sit(results, ["n"])
    damaged = f"{line}\n{journal_beside(results).read_text('utf-8')}"
    journal_beside(results).write_text(damaged, encoding="utf-8")
    with pytest.raises(UserError, match=r"manual_assessment\.journal\.jsonl, line 1"):
        sit(results, ["n"])
    assert journal_beside(results).read_text("utf-8") == damaged


def test_rows_that_changed_since_they_were_labelled_are_named_and_not_counted(results, sit):
    sit(results, ["n", "n", "n"])
    write_results(results, [*rows(2, id1="rewritten"), ["id9", "note 9", "", "summary 9", ""]])
    _, out = sit(results, ["q"])
    assert "1: the row's text changed since it was labelled: id1" in out
    assert "1: no such row in this file: id2" in out
    assert set(labels_beside(results)) == {"id0"}
    write_results(results, rows(3))
    sit(results, ["q"])
    assert set(labels_beside(results)) == {"id0", "id1", "id2"}


def test_annotators_have_files_of_their_own(results, sit):
    sit(results, ["n"])
    sit(results, ["y", "1", "y", "2"], "--annotator", "Zoë")
    assert len(labels_beside(results)) == 1
    assert len(labels_beside(results, "manual_assessment_Zoë.json")) == 2
    assert "Annotator     Zoë" in (results.parent / "assessment_report_Zoë.txt").read_text("utf-8")


def test_an_annotator_name_cannot_leave_the_folder(results, sit):
    with pytest.raises(SystemExit) as stop:
        sit(results, [], "--annotator", "../x")
    assert stop.value.code == EXIT_BAD_INPUT


def test_hostile_text_never_reaches_the_terminal_raw(tmp_path, sit):
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m[/90][b]bold[/b]\u202etfel"
    shown = r"\x1b[2J\x1b]0;owned\x07\x9b31m[/90][b]bold[/b]\u202etfel"
    path = write_results(tmp_path / "evil.csv", [[evil, evil, "", evil, ""]])
    _, out = sit(path, [evil, "n", "c after", "q"])
    write_results(path, [["another", evil, "", evil, ""]])
    _, later = sit(path, [f"c {evil}", "b", "f", "u", "q"])
    report, page = (tmp_path / f"assessment_report.{kind}" for kind in ("txt", "html"))
    for text in (out, later, report.read_text("utf-8"), page.read_text("utf-8")):
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
        assert shown in text


def test_an_empty_summary_can_be_labelled(tmp_path, sit):
    path = write_results(tmp_path / "r.csv", [["1", "note", "", "", ""]])
    _, out = sit(path, ["n"])
    assert "(the summary is empty)" in out
    assert labels_beside(path) == {"1": (False, None)}


def test_other_spellings_of_the_columns_are_read(tmp_path, sit):
    path = write_results(tmp_path / "r.csv", [["7", "note", "text"]], ("id", "clinical_note", "predicted_summary"))
    sit(path, ["n"])
    assert set(labels_beside(path)) == {"7"}


@pytest.mark.parametrize(
    ("columns", "content", "message"),
    [
        (COLUMNS, [], "no rows"),
        (("example_id", "clinical_note"), [["1", "n"]], "no column 'generated_summary'; found: example_id"),
        (("clinical_note", "generated_summary"), [["n", "s"]], "no column 'example_id'"),
        (COLUMNS, [*rows(2), rows(2)[1]], "row 4: example_id 'id1' is already in row 3"),
        (COLUMNS, [*rows(1), ["", "n", "", "s", ""]], "row 3: no example_id"),
    ],
)
def test_bad_input_is_refused_by_name_and_nothing_is_written(tmp_path, sit, columns, content, message):
    path = write_results(tmp_path / "bad.csv", content, columns)
    with pytest.raises(UserError, match=message) as refusal:
        sit(path, ["n"])
    assert str(path) in str(refusal.value)
    assert "\x1b" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_names_the_command_that_makes_it(tmp_path, sit):
    with pytest.raises(UserError, match=r"no such file: .*none\.csv\n.*evaluate_stage_a\.py --output_dir"):
        sit(tmp_path / "none.csv", [])
    assert list(tmp_path.iterdir()) == []


def test_the_default_file_is_the_one_of_step_3(tmp_path, monkeypatch, capsys):
    path = write_results(tmp_path / "evaluation_results_stage_b" / "evaluation_results.csv", rows(1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Keyboard(["n"]))
    assert manual_assessment_tool.main([]) == EXIT_OK
    assert labels_beside(path) == {"id0": (False, None)}
    words = ["python", str(SCRIPT), "--results_csv", "evaluation_results_stage_b/evaluation_results.csv"]
    typed = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)  # the folder may have a space
    assert typed in capsys.readouterr().out


def spawn(path, **options):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--results_csv", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=path.parent,
        encoding="utf-8",
        **options,
    )


def read_until(process, text):
    read = ""
    while text not in read:
        char = process.stdout.read(1)
        assert char, f"ended before {text!r}: {read}"
        read += char
    return read


def test_a_second_process_is_refused_and_a_killed_one_loses_nothing_and_blocks_nobody(results, sit):
    with spawn(results) as process:
        process.stdin.write("n\ny\n2\n\n")
        process.stdin.flush()
        read_until(process, "item 3 of 3")
        with pytest.raises(UserError, match="open in another process"):
            sit(results, ["y"])
        process.kill()
    assert not (results.parent / "manual_assessment.json").exists()
    code, out = sit(results, ["n"])
    assert code == EXIT_OK
    assert "item 3 of 3 | labelled 2" in out
    assert sorted(labels_beside(results).values(), key=str) == [
        (False, None),
        (False, None),
        (True, "incorrect_inference"),
    ]


def test_bad_input_ends_with_exit_code_2_and_no_traceback(tmp_path):
    with spawn(write_results(tmp_path / "empty.csv", [])) as process:
        out, _ = process.communicate("")
    assert process.returncode == EXIT_BAD_INPUT
    assert out.startswith("error: ")
    assert "Traceback" not in out


def test_starting_imports_nothing_heavy():
    code = "import sys, manual_assessment_tool; print(sorted({'torch', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        manual_assessment_tool.main(["--help"])
    assert stop.value.code == EXIT_OK
    out = capsys.readouterr().out
    for option in ("--results_csv", "--compare", "--annotator", "--seed", "--show_flags"):
        assert option in out
    assert str(Path("evaluation_results_stage_b/evaluation_results.csv").as_posix()) in out


def test_a_pipe_can_say_everything_a_key_can(results, sit):
    words = ["c dose?", "f", "y", "2 minor 1", "s", "b", "n", "u", "/ NOTE", "?", "stats", "q"]
    code, out = sit(results, words)
    assert code == EXIT_OK
    document = json.loads((results.parent / "manual_assessment.json").read_text("utf-8"))
    (entry,) = document["assessments"]
    assert {k: entry[k] for k in ("hallucination_type", "severity", "sentences", "sentence_count", "flagged")} == {
        "hallucination_type": "incorrect_inference",
        "severity": "minor",
        "sentences": [1],
        "sentence_count": 1,
        "flagged": True,
    }
    assert entry["comment"] == "dose?"
    assert len(document["skipped"]) == 1
    for said in ("saved: incorrect_inference, minor, sentence 1", "looking back", "1 in the note: NOTE", "GUIDELINES"):
        assert said in out


@pytest.mark.parametrize(
    ("words", "details"),
    [
        (["1", "minor", "1", "n"], ("fabricated", "minor", [1])),
        (["1", "2", "n"], ("fabricated", "major", [1])),  # of the only sentence it is not asked which
        (["1", "n"], ("fabricated", None, [1])),
        (["2 major", "n"], ("incorrect_inference", "major", [1])),
        (["4 1", "minor", "n"], ("unsupported_details", "minor", [1])),
        (["", "n"], (None, None, [1])),
    ],
)
def test_through_a_pipe_details_come_in_one_line_or_several_or_not_at_all(results, sit, words, details):
    _, out = sit(results, ["y", *words, "q"])
    document = json.loads((results.parent / "manual_assessment.json").read_text("utf-8"))
    bad, clean = document["assessments"]
    assert (bad["hallucination_type"], bad["severity"], bad["sentences"]) == details
    assert clean["has_hallucination"] is False
    assert out.index("item 2 of 3") < out.rindex("saved: clean")  # what was judged was shown


@pytest.mark.parametrize(("line", "fault"), [("major", "'major' is not a kind"), ("1 2", "sentence (1 to 1)")])
def test_details_that_are_none_are_refused_by_name_and_asked_again(results, sit, line, fault):
    _, out = sit(results, ["y", line, "1", "q"])
    assert fault in out
    assert list(labels_beside(results).values()) == [(True, "fabricated")]


def test_an_input_that_ends_before_the_last_answer_is_an_interruption(results, sit):
    assert sit(results, ["n"])[0] == EXIT_INTERRUPTED
    assert sit(results, ["n", "n"])[0] == EXIT_OK
    assert len(labels_beside(results)) == 3


def full_disk(*_):
    raise OSError(28, "No space left on device")


def append_but_no_label(file, event):
    if event["event"] == "label":
        full_disk()
    append_journal(file, event)


def test_an_answer_that_cannot_be_saved_ends_the_sitting_and_the_others_are_kept(results, sit, monkeypatch):
    sit(results, ["n", "q"])
    with monkeypatch.context() as patch:
        patch.setattr("assessment.sitting.append_journal", append_but_no_label)
        with pytest.raises(RunError, match=r"could not be saved \(No space left on device\)(.|\n)*--results_csv"):
            sit(results, ["n", "n"])
    sit(results, ["q"])
    assert len(labels_beside(results)) == 1


def test_a_report_that_cannot_be_written_loses_no_answer(results, sit, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(manual_assessment_tool, "write_all", full_disk)
        with pytest.raises(RunError, match="no answer is lost"):
            sit(results, ["n", "q"])
    sit(results, ["q"])
    assert len(labels_beside(results)) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_what_may_hold_clinical_text_is_for_its_owner_only(results, sit):
    sit(results, ["c the note says so", "n", "q"])
    for path in results.parent.glob("*assessment*[!k]"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_labels_of_another_csv_are_kept_and_said_to_be_of_another(results, sit):
    sit(results, ["n", "n", "n"])
    write_results(results, [["other", "another note", "", "another summary", ""]])
    _, out = sit(results, ["q"])
    assert "None of the labels kept here is of a text in this file" in out
    write_results(results, rows(3))
    sit(results, ["q"])
    assert len(labels_beside(results)) == 3


def test_missing_summaries_are_told_and_shown_as_empty(tmp_path, sit):
    path = write_results(tmp_path / "r.csv", [["1", "note", "", "nan", ""]])
    _, out = sit(path, ["q"])
    assert "Rows without a summary, shown as empty: 1" in out
    assert "(the summary is empty)" in out


def test_flags_are_hidden_unless_asked_for_and_are_the_ones_of_the_file(tmp_path, sit):
    flag = [{"span": [6, 13], "text": "aspirin", "type": "medication", "verdict": "unsupported"}]
    columns = ("example_id", "clinical_note", "generated_summary", "flags")
    path = write_results(tmp_path / "r.csv", [["1", "a note", "Takes aspirin.", json.dumps(flag)]], columns)
    assert "screen:" not in sit(path, ["n", "u", "q"])[1]
    _, out = sit(path, ["y", "1", "q"], "--show_flags")
    assert "screen: unsupported medication: aspirin" in out
    assert "flagged       1 of 1 that you call hallucinated" in out
    assert "so the labels are not independent" in out


def test_flags_that_the_file_lacks_are_asked_of_the_screen(tmp_path, sit):
    path = write_results(tmp_path / "r.csv", [["1", "Denies chest pain.", "", "Takes aspirin 81 mg.", ""]])
    _, out = sit(path, ["q"], "--show_flags")
    assert "screen: unsupported" in out


def test_two_annotators_are_set_side_by_side_without_saying_who_said_what(results, sit):
    sit(results, ["y", "1", "n", "n"], "--annotator", "ann")
    sit(results, ["n", "n", "n"], "--annotator", "bob")
    report = (results.parent / "assessment_report_bob.txt").read_text("utf-8")
    assert "Agreement with annotator ann" in report
    assert "both labelled  3 summaries" in report
    assert "agreement      2 of 3 = 66.7 %" in report
    assert "to talk over   1: id" in report
