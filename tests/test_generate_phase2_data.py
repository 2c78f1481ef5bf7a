"""Step 1 as its user runs it: small Phase 1 files in, pairs out; every refusal with one clear message."""

import csv
import dataclasses
import errno
import json
import multiprocessing
import re
import signal
import subprocess
import sys

import pytest

import generate_phase2_data
from adversarial import rows
from adversarial.audit import bars
from adversarial.operators.edits import apply_edits
from clinical.screen.support import unsupported_claims
from utils.cli import PROJECT_ROOT, RunError, UserError
from utils.generation import Generated

COLUMNS = ["id", "clinical_note", "model_summary", "label", "hallucination_type", "evidence_stats"]
COMPLAINTS = ["chest pain", "dizziness", "headache", "nausea", "back pain", "fatigue", "abdominal pain", "cough"]
DRUGS = ["lisinopril 10 mg", "metformin 500 mg", "sertraline 50 mg", "apixaban 5 mg"]


def note_and_summary(number):
    """A note and its factual summary; every number gives another patient."""
    complaint, drug = COMPLAINTS[number % len(COMPLAINTS)], DRUGS[number % len(DRUGS)]
    sex, who = ("man", "He") if number % 2 else ("woman", "She")
    age, days = 30 + number, 2 + number % 9
    note = (
        f"{age}-year-old {sex} with {complaint} for {days} days. Denies fever and rash. History of asthma. "
        f"Medication: {drug} once daily. Review in {number % 5 + 2} weeks."
    )
    summary = (
        f"A {age}-year-old {sex} presented with {complaint} for {days} days. {who} denied fever or rash. "
        f"{drug.capitalize()} once daily is taken. Review in {number % 5 + 2} weeks is planned."
    )
    return note, summary


def factual(numbers, label="factual"):
    return [[f"row-{n}", *note_and_summary(n), label, "", "{}"] for n in numbers]


def write(folder, train, val, columns=COLUMNS):
    folder.mkdir(exist_ok=True)
    for name, table in (("train", train), ("validation", val)):
        with (folder / f"{name}_set_processed.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *table])
    return folder


def run(tmp_path, *options, out="out"):
    """Run the script in this process on tmp_path/in; returns the pairs of both splits."""
    code = generate_phase2_data.main(
        ["--phase1_dir", str(tmp_path / "in"), "--phase2_dir", str(tmp_path / out), *map(str, options)]
    )
    assert code == 0
    return tuple(read(tmp_path / out / f"{name}_dpo.jsonl") for name in ("train", "val"))


def read(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def read_json(path):
    return json.loads(path.read_text("utf-8"))


@pytest.fixture
def phase1(tmp_path):
    return write(tmp_path / "in", factual(range(12)), factual(range(20, 24)))


def test_pairs_have_every_field_and_are_proven_wrong(phase1, tmp_path):
    train, val = run(tmp_path)
    assert len(train) == 36
    assert len(val) == 12
    notes = {summary: note for note, summary in map(note_and_summary, range(30))}
    for pair in train + val:
        assert list(pair) == ["prompt", "chosen", "rejected", "id", "note_id", "strategy", "edits", "severity"]
        [prompt], [chosen], [rejected] = pair["prompt"], pair["chosen"], pair["rejected"]
        assert (prompt["role"], chosen["role"], rejected["role"]) == ("user", "assistant", "assistant")
        note = notes[chosen["content"]]
        assert note in prompt["content"]
        assert unsupported_claims(note, chosen["content"]) == []
        assert unsupported_claims(note, rejected["content"]) != []
        edits = [generate_edit(edit) for edit in pair["edits"]]
        assert apply_edits(chosen["content"], edits) == rejected["content"]
    assert len({pair["id"] for pair in train}) == len(train)
    assert len({(pair["note_id"], pair["rejected"][0]["content"]) for pair in train}) == len(train)
    assert len({pair["note_id"] for pair in train}) == 12


def generate_edit(record):
    from adversarial.operators.edits import Edit

    return Edit(**record)


def test_same_seed_same_bytes_other_seed_other_bytes(phase1, tmp_path):
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        run(tmp_path, "--seed", seed, out=out)
    files = {out: (tmp_path / out / "train_dpo.jsonl").read_bytes() for out in "abc"}
    assert files["a"] == files["b"] != files["c"]


def test_the_order_of_the_rows_changes_no_pair(tmp_path):
    write(tmp_path / "in", factual(range(12)), factual([20]))
    forwards, _ = run(tmp_path, out="forwards")
    write(tmp_path / "in", factual(reversed(range(12))), factual([20]))
    backwards, _ = run(tmp_path, out="backwards")
    assert sorted(forwards, key=lambda pair: pair["id"]) == sorted(backwards, key=lambda pair: pair["id"])


def test_ratio_takes_a_random_share_of_the_notes(phase1, tmp_path):
    everything, _ = run(tmp_path)
    order = list(dict.fromkeys(pair["note_id"] for pair in everything))
    half, _ = run(tmp_path, "--adversarial_ratio", 0.5, out="half")
    again, _ = run(tmp_path, "--adversarial_ratio", 0.5, out="again")
    taken = {pair["note_id"] for pair in half}
    assert len(taken) == 6
    assert half == again
    assert taken != set(order[:6])  # not simply the first rows
    other, _ = run(tmp_path, "--adversarial_ratio", 0.5, "--seed", 1, out="other")
    assert {pair["note_id"] for pair in other} != taken


def test_strategies_and_number_of_negatives(phase1, tmp_path):
    train, _ = run(tmp_path, "--strategies", "negation_invert", "entity_swap", "--negatives_per_note", 1)
    assert len(train) == 12
    assert {name for pair in train for name in pair["strategy"].split("+")} <= {"negation_invert", "entity_swap"}


def test_labelled_hallucinations_become_negatives_where_the_note_has_a_factual_summary(tmp_path, capsys):
    note, summary = note_and_summary(0)
    wrong = summary.replace("denied fever", "reported fever")
    alone = [
        "row-x",
        "Another note about a cough.",
        "Something that was never said at all.",
        "hallucinated",
        "fabricated",
        "",
    ]
    labelled = ["row-h", note, wrong, "Hallucinated", "contradiction", ""]
    write(tmp_path / "in", [*factual(range(3)), labelled, alone], factual([20]))
    train, _ = run(tmp_path)
    [pair] = [pair for pair in train if pair["strategy"] == "phase1_hallucinated"]
    assert pair["chosen"][0]["content"] == summary
    assert pair["rejected"][0]["content"] == wrong
    assert [edit["type"] for edit in pair["edits"]] == ["contradiction"]
    assert not [pair for pair in train if "Another note" in pair["prompt"][0]["content"]]
    assert "1  hallucinated, but the note has no factual summary" in capsys.readouterr().out


def test_rows_that_cannot_be_used_are_set_aside_and_counted(tmp_path, capsys):
    note, summary = note_and_summary(0)
    cases = [
        *factual(range(2)),
        ["e1", "", summary, "factual", "", ""],
        ["e1", "nan", summary, "factual", "", ""],  # as other tools write an empty cell
        ["e2", note, "  ", "factual", "", ""],
        ["e2", note, "NaN", "factual", "", ""],
        ["e6", note, summary, "nan", "", ""],
        ["e7", note * 500, summary, "factual", "", ""],
        ["e3", note, "Chest pain.", "factual", "", ""],
        ["e4", note, summary, "unsure", "", ""],
        ["e5", note, summary.replace("A 30-year-old", "A 77-year-old"), "factual", "", ""],
    ]
    write(tmp_path / "in", cases, factual([20, 1]))
    train, val = run(tmp_path, "--rejects", tmp_path / "rejects" / "refused.jsonl")
    assert {pair["id"].rsplit("-", 1)[0] for pair in train} == {"row-0", "row-1"}
    assert {pair["id"].rsplit("-", 1)[0] for pair in val} == {"row-20"}
    out = capsys.readouterr().out
    for line in (
        "2  empty note",
        "2  empty summary",
        "1  note or summary of more than 20,000 characters",
        "1  summary of fewer than 5 words",
        "2  label neither factual nor hallucinated",
        "1  note also among the training notes",
        "1  chosen summary: contradicted demographics",
    ):
        assert f"{line}\n" in out
    assert "4 rows share their id with another row" in out
    refused = read(tmp_path / "rejects" / "refused.jsonl")
    assert [row["reason"] for row in refused if row["id"] == "e5"] == ["chosen summary: contradicted demographics"]


def test_two_rows_of_the_same_text_make_no_pair_twice(tmp_path):
    twice = factual([0, 0, 1])
    twice[1][0] = "row-again"
    write(tmp_path / "in", twice, factual([20]))
    train, _ = run(tmp_path)
    assert len({(pair["note_id"], pair["rejected"][0]["content"]) for pair in train}) == len(train) == 6


def test_the_end_says_what_was_made_why_not_more_and_what_is_next(phase1, tmp_path, capsys):
    train, val = run(tmp_path)
    out = capsys.readouterr().out
    assert out.startswith(f"✓ Training triplets: {len(train)}\n✓ Validation triplets: {len(val)}\n")
    assert "because 12 factual summaries x 3 negatives give at most 36" in out
    assert "fewer than 8,000 triplets" in out
    assert "fewer than 1,000 triplets" in out
    assert f'python stage_b_dpo_training.py --train_data_path "{tmp_path / "out" / "train_dpo.jsonl"}"' in out
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["results"]["train"]["pairs"] == len(train)
    assert record["script"] == "generate_phase2_data.py"
    assert set(record["inputs"]) == {"train", "val", "adversarial", "clinical"}  # a newer version makes other pairs


def test_defaults_are_those_of_the_guide():
    args = generate_phase2_data.build_parser().parse_args([])
    assert (args.phase1_dir, args.phase2_dir) == ("phase1_data_medhal/sft", "phase2_data/dpo")
    assert (args.adversarial_ratio, args.negatives_per_note, args.strategies, args.seed) == (1.0, 3, ["all"], 42)


@pytest.mark.parametrize(
    "option", [("--adversarial_ratio", "0"), ("--adversarial_ratio", "1.5"), ("--strategies", "x")]
)
def test_options_out_of_range_are_wrong_arguments(option, capsys):
    with pytest.raises(SystemExit) as error:
        generate_phase2_data.main(list(option))
    assert error.value.code == 2
    assert option[0] in capsys.readouterr().err


RENAMED = ["id", "note", *COLUMNS[2:]]
HELP = r"python phase1_data_medhal/write_notes\.py"


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: [f.unlink() for f in folder.iterdir()] and folder.rmdir(), rf"no such folder: .*in.*{HELP}"),
        (lambda folder: (folder / "validation_set_processed.csv").unlink(), rf"no such file: .*validation.*{HELP}"),
        (lambda folder: write(folder, factual([1]), []), r"validation_set_processed\.csv: no rows"),
        (lambda folder: (folder / "train_set_processed.csv").write_text(""), r"train_set_processed\.csv: no column"),
        (lambda folder: write(folder, factual([1]), factual([2]), RENAMED), "no column 'clinical_note'; found: id"),
        (lambda folder: write(folder, factual([1], "hallucinated"), factual([2])), rf"1 hallucinated.*{HELP}"),
        (lambda folder: write(folder, factual([1]), factual([1])), "set aside: note also among the training notes"),
    ],
)  # fmt: skip
def test_input_that_cannot_be_used_is_one_clear_message_and_no_file(phase1, tmp_path, break_it, message):
    break_it(phase1)
    with pytest.raises(UserError, match=message):
        run(tmp_path)
    assert not list((tmp_path / "out").glob("*"))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_leaves_the_old_pairs_with_their_record(phase1, tmp_path, monkeypatch):
    run(tmp_path)
    before = files_of(tmp_path / "out")
    calls, dumps = [], json.dumps

    def fail(value, **options):
        calls.extend([value] if isinstance(value, dict) and "prompt" in value else [])
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return dumps(value, **options)

    monkeypatch.setattr(rows.json, "dumps", fail)
    with pytest.raises(RunError, match=r"cannot write the pairs to .*out: No space left on device; .*--phase2_dir"):
        run(tmp_path, "--seed", 1)
    assert len(calls) == 5
    assert files_of(tmp_path / "out") == before


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupted_run_leaves_no_file_and_no_process(tmp_path, monkeypatch, processes):
    write(tmp_path / "in", factual(range(40)), factual([50]))
    monkeypatch.setattr(rows, "_write_row", lambda *args: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "--num_proc", processes, "--rejects", tmp_path / "out" / "refused.jsonl")
    assert files_of(tmp_path / "out") == {}
    assert multiprocessing.active_children() == []


def test_a_folder_that_cannot_be_written_is_said_before_any_work(phase1, tmp_path):
    (tmp_path / "out").write_text("a file, no folder")
    with pytest.raises(UserError, match=r"cannot write to the output folder .*out"):
        run(tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_workers_end_with_a_parent_that_was_killed():
    program = (
        "import os, signal\nfrom utils.processes import ordered_map\n"
        "results = ordered_map(abs, range(-99, 0), processes=2, prepare=print, shared=())\n"
        "next(results)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    # They hold its standard output open: this returns when all of them have ended.
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL


def test_the_number_of_processes_changes_no_byte(tmp_path):
    write(tmp_path / "in", factual(range(40)), factual(range(50, 54)))
    for processes in (1, 2, 3):
        run(tmp_path, "--num_proc", processes, "--rejects", tmp_path / f"{processes}.jsonl", out=f"by-{processes}")
    one, two, three = ({**files_of(tmp_path / f"by-{n}"), "run.json": b""} for n in (1, 2, 3))
    assert one == two == three
    assert len({(tmp_path / f"{n}.jsonl").read_bytes() for n in (1, 2, 3)}) == 1
    assert one["train_dpo.jsonl"]


def test_another_number_of_processes_is_the_same_run(phase1, tmp_path, capsys):
    run(tmp_path, "--num_proc", 1)
    run(tmp_path, "--num_proc", 2)
    assert "nothing to do" in capsys.readouterr().out


def test_processes_may_be_spawned(tmp_path):
    """As on Windows and macOS, where nothing is inherited."""
    write(tmp_path / "in", factual(range(20)), factual([50]))
    spawned = (
        "import multiprocessing, generate_phase2_data as step\n"
        "multiprocessing.set_start_method('spawn')\n"
        f"step.main(['--phase1_dir', {str(tmp_path / 'in')!r}, '--phase2_dir', {str(tmp_path / 'spawned')!r}, "
        "'--num_proc', '2'])"
    )
    subprocess.run([sys.executable, "-c", spawned], check=True, capture_output=True, cwd=PROJECT_ROOT)
    assert run(tmp_path, "--num_proc", 1)[0] == read(tmp_path / "spawned" / "train_dpo.jsonl")


def test_it_runs_from_any_folder_on_the_shipped_notes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert generate_phase2_data.main(["--adversarial_ratio", "0.02", "--negatives_per_note", "1"]) == 0
    assert len(read(tmp_path / "phase2_data/dpo/train_dpo.jsonl")) >= 10
    assert "✓ Training triplets" in capsys.readouterr().out


def test_the_audit_is_written_said_and_kept_beside_the_pairs(phase1, tmp_path, capsys):
    run(tmp_path)
    said = capsys.readouterr().out
    assert "Audit: can the negatives be told without reading the note?" in said
    assert str(tmp_path / "out" / "pairs_report.html") in said
    report = read_json(tmp_path / "out" / "pairs_report.json")
    assert {bar["key"] for bar in report["bars"]} >= {"response_auc", "length_auc", "length_ratio", "leakage"}


@pytest.mark.parametrize("finished_before", [False, True])
def test_a_breach_of_the_audit_fails_only_where_asked_for(tmp_path, monkeypatch, capsys, finished_before):
    write(tmp_path / "in", factual(range(12)), factual(range(20, 24)))
    monkeypatch.setattr("adversarial.checks.LENGTH_RATIO", (0.0, 9.0))
    breached = {"length_ratio": dataclasses.replace(bars.LIMITS["length_ratio"], limit=1.1)}  # more than there can be
    monkeypatch.setattr("adversarial.audit.bars.LIMITS", bars.LIMITS | breached)
    argv = ["--phase1_dir", str(tmp_path / "in"), "--phase2_dir", str(tmp_path / "out")]
    if finished_before:
        assert generate_phase2_data.main(argv) == 0
        capsys.readouterr()
    assert generate_phase2_data.main([*argv, "--fail_on_audit"]) == 1
    assert ("nothing to do" in capsys.readouterr().out) == finished_before


@pytest.fixture
def summarised(monkeypatch):
    """In place of a model: the greedy summary of each note gives a wrong duration, the other samples are right."""

    def summaries(load, tokenizer, prompts, settings, batch_size, journal, model_id, *, samples):
        journal.write_text("")
        drawn = []
        for prompt in prompts:
            text = tokenizer.decode(prompt)
            summary = next(right for note, right in map(note_and_summary, range(30)) if note in text)
            wrong = re.sub(r"for \d+ days", "for 40 days", summary)
            words = wrong if settings.temperature == 0 else summary
            drawn.append([Generated(words, "eos", len(prompt), 20)] * samples)
        return drawn, 0

    monkeypatch.setattr("utils.generation.sample_all", summaries)


def test_the_models_own_summaries_are_mixed_in_at_their_share(phase1, tmp_path, summarised, capsys, tiny_model):
    options = ("--on_policy", "--sft_model_path", tiny_model, "--on_policy_share", "0.25")
    train, val = run(tmp_path, *options)
    for pairs, edited in ((train, 36), (val, 12)):
        own = [pair for pair in pairs if pair["strategy"] == "on_policy"]
        assert len(own) == edited // 4
        assert len(pairs) == edited
        assert all((pair["chosen_from"], pair["sample"]) == ("repair", 0) for pair in own)
        assert all("40 days" in pair["rejected"][0]["content"] for pair in own)
    said = capsys.readouterr().out
    assert "The model's own, training: 48 samples; of those that are whole and differ, 12 with an error" in said
    assert run(tmp_path, out="plain")[0] != train
    assert "--on_policy mixes" in capsys.readouterr().out


def test_the_kinds_follow_the_models_errors_and_are_reported(phase1, tmp_path, summarised, capsys, tiny_model):
    """Its only errors are durations: among the edited pairs they are then far more frequent than they would be."""
    options = ("--sft_model_path", tiny_model, "--on_policy_share", "0.25")
    with_errors, _ = run(tmp_path, "--on_policy", *options)
    without, _ = run(tmp_path, out="plain")
    often, seldom = (
        sum(edit["type"] == "time" for pair in pairs if pair["strategy"] != "on_policy" for edit in pair["edits"])
        / sum(len(pair["edits"]) for pair in pairs if pair["strategy"] != "on_policy")
        for pairs in (with_errors, without)
    )
    assert often > 1.5 * seldom
    kinds = read_json(tmp_path / "out" / "run.json")["results"]["kinds of errors"]
    assert (kinds[0]["kind"], kinds[0]["errors"]) == ("time", 12)
    assert sum(row["share_aimed_at"] for row in kinds) == pytest.approx(1, abs=1e-3)
    assert "12   81%" in capsys.readouterr().out
    assert "What the model gets wrong" in (tmp_path / "out" / "pairs_report.html").read_text("utf-8")
    assert "What the model gets wrong" not in (tmp_path / "plain" / "pairs_report.html").read_text("utf-8")


def test_a_missing_model_is_said_before_any_work(phase1, tmp_path):
    argv = ["--phase1_dir", str(tmp_path / "in"), "--phase2_dir", str(tmp_path / "out"), "--on_policy"]
    with pytest.raises(UserError, match="--sft_model_path: no such folder: gone"):
        generate_phase2_data.main([*argv, "--sft_model_path", "gone"])
    assert not (tmp_path / "out").exists()
