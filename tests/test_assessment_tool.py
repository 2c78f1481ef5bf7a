"""The tool as people run it: whole sittings through a pipe, kills, two processes, bad input and the verdict."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import manual_assessment_tool
from assessment.report import above_rule, interval_answer, results_document, summary_text
from assessment.session import Item, State, apply, new_event
from utils.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, PROJECT_ROOT, UserError
from utils.statistics import wilson

SCRIPT = PROJECT_ROOT / "manual_assessment_tool.py"
COLUMNS = ("example_id", "clinical_note", "ground_truth", "generated_summary", "model")


def write_results(path, rows, columns=COLUMNS):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def rows(count, **summaries):
    return [
        [f"id{n}", f"note {n}", f"TRUTH {n}", summaries.get(f"id{n}", f"summary {n}"), "SECRET-MODEL"]
        for n in range(count)
    ]


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "out" / "evaluation_results.csv", rows(3))


class Keyboard(io.StringIO):
    """Standard input whose last line can be a Ctrl-C, and that can look around before each word."""

    def __init__(self, words, interrupt=False, before_each=None):
        super().__init__("".join(f"{word}\n" for word in words))
        self.interrupt, self.before_each = interrupt, before_each

    def readline(self, *args):
        if self.before_each:
            self.before_each()
        line = super().readline(*args)
        if not line and self.interrupt:
            raise KeyboardInterrupt
        return line


@pytest.fixture
def sit(monkeypatch, capsys):
    """One sitting in this process: (exit code, what was printed)."""

    def sitting(path, words, *options, **keyboard):
        monkeypatch.setattr(sys, "stdin", Keyboard(words, **keyboard))
        code = manual_assessment_tool.main(["--results_csv", str(path), *options])
        return code, capsys.readouterr().out

    return sitting


def labels_beside(path, name="manual_assessment.json"):
    document = json.loads((path.parent / name).read_text(encoding="utf-8"))
    assert document["total_assessed"] == len(document["assessments"])
    return {a["example_id"]: (a["has_hallucination"], a["hallucination_type"]) for a in document["assessments"]}


def journal_beside(path):
    return path.parent / "manual_assessment.journal.jsonl"


def test_a_whole_sitting_through_a_pipe(results, sit):
    code, out = sit(results, ["y", "4", "n", "what", "yes", ""])
    assert code == EXIT_OK
    assert "item 1 of 3 | labelled 0" in out
    assert "item 3 of 3 | labelled 2" in out
    assert "'what' is not a key" in out
    assert "Nothing is left to do: 3 of 3 labelled" in out
    assert sorted(labels_beside(results).values(), key=str) == [
        (False, None),
        (True, "unsupported_details"),
        (True, None),
    ]
    report = (results.parent / "assessment_report.txt").read_text(encoding="utf-8")
    assert "Hallucinated  2 of 3 = 66.7 % (95 % Wilson interval 20.8 % to 93.9 %)" in report
    assert "PROCEED TO STAGE B" in report
    assert report in out.replace(" \n", "\n")
    assert "\x1b" not in out


def test_each_entry_of_the_results_has_the_fields_other_steps_read(results, sit):
    sit(results, ["y", "1"])
    document = json.loads((results.parent / "manual_assessment.json").read_text(encoding="utf-8"))
    assert set(document) == {"total_assessed", "timestamp", "assessments"}
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
    code, out = sit(results, ["y", "fabricated"])
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
    assert "Nothing is labelled yet: no rate, no verdict." in out
    assert "READY" not in out


def test_u_takes_back_a_y_while_its_kind_is_asked(results, sit):
    _, out = sit(results, ["y", "9", "u", "n"])
    assert "'9' is not a kind" in out
    assert list(labels_beside(results).values()) == [(False, None)]


def test_skipped_items_come_again_after_a_restart(results, sit):
    _, out = sit(results, ["skip", "n", "n"])
    assert "2 of 3 labelled" in out
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
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m [/90] [b]bold[/b] \u202etfel"
    path = write_results(tmp_path / "evil.csv", [[f"id{evil}", evil, "", evil, ""]])
    _, out = sit(path, [evil, "n"])
    write_results(path, [["another", evil, "", evil, ""]])
    _, later = sit(path, ["q"])
    assert "no such row in this file: id" in later
    report = (tmp_path / "assessment_report.txt").read_text("utf-8")
    for text in (out, later, report):
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
        assert r"\x1b[2J\x1b]0;owned\x07\x9b31m [/90] [b]bold[/b] \u202etfel" in text


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
        process.stdin.write("n\ny\n2\n")
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


@pytest.mark.skipif(os.name == "nt", reason="pexpect needs a POSIX pseudo-terminal")
@pytest.mark.parametrize(
    ("variables", "escapes"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["color", "NO_COLOR", "dumb"],
)
def test_in_a_terminal_ctrl_c_ends_with_130_and_escapes_come_only_where_they_are_wanted(results, variables, escapes):
    pexpect = pytest.importorskip("pexpect")
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    child = pexpect.spawn(
        sys.executable,
        [str(SCRIPT), "--results_csv", str(results)],
        env={**inherited, "TERM": "xterm-256color", **variables},
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=120,
    )
    child.expect(r"q quit.*> ")
    screen = child.before + child.after
    child.setwinsize(30, 150)
    child.sendline("n")
    child.expect(r"saved: clean.*item 2 of 3.*q quit.*> ")
    assert any("NOTE" in line and "SUMMARY" in line for line in child.after.splitlines())  # the resize was seen
    child.kill(signal.SIGINT)
    child.expect("Go on with: python ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == EXIT_INTERRUPTED
    assert ("\x1b" in screen) is escapes
    assert len(labels_beside(results)) == 1


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
    items = [Item(str(number), "n", "s") for number in range(50)]
    state = State()
    for number, item in enumerate(items):
        state = apply(state, new_event("label", "t", item.key, has_hallucination=number < events, seconds=1))
    rate = wilson(events, 50)
    assert above_rule(rate) is above
    assert interval_answer(rate) == certainty
    text = summary_text(state, items)
    assert ("PROCEED TO STAGE B" in text) is above
    assert ("python generate_phase2_data.py\n  python stage_b_dpo_training.py" in text) is above
    assert ("READY" in text) is not above
    said = {"above": "CLEARLY ABOVE", "below": "CLEARLY BELOW", "unclear": "NOT ENOUGH LABELS TO TELL"}
    assert [words for words in said.values() if words in text] == [said[certainty]]
    assert max(map(len, text.split("\n"))) <= 80


def test_exactly_15_percent_is_not_above():
    assert not above_rule(wilson(3, 20))
    assert above_rule(wilson(4, 20))


def test_without_a_label_there_is_no_verdict():
    items = [Item("1", "n", "s")]
    skipped = apply(State(), new_event("skip", "t", items[0].key, seconds=1))
    assert summary_text(skipped, items).endswith("Nothing is labelled yet: no rate, no verdict.")
    assert interval_answer(wilson(0, 0)) == "unclear"
    assert results_document(skipped, items, "t") == {"total_assessed": 0, "timestamp": "t", "assessments": []}


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        manual_assessment_tool.main(["--help"])
    assert stop.value.code == EXIT_OK
    out = capsys.readouterr().out
    for option in ("--results_csv", "--annotator", "--seed"):
        assert option in out
    assert str(Path("evaluation_results_stage_b/evaluation_results.csv").as_posix()) in out
