"""The outcome benchmark: its steps, killed and gone on with, its control arm, its figures and bars by hand."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import stage_b_dpo_training
from benchmarks import outcome
from benchmarks.arms import report, steps
from benchmarks.arms.figures import arm_figures, bars, examples, percent, points, read_results
from benchmarks.arms.marked_text import marked
from benchmarks.arms.plan import PAIRS, Plan, check_options, pairs_that_fit, share_texts
from benchmarks.arms.steps import Step, as_words, make_step, run_steps, seconds_if_done
from benchmarks.changed_facts.reading import OUTCOMES
from clinical.patient import Complaint, Patient, to_json
from preference.data.pairs import encode_pairs, read_pairs
from preference.policy import build_policy
from preference.remembered import Remembered
from preference.runs.folder import RunFolder
from preference.training import build_trainer
from tests.tiny import find, write_pairs, write_phase1
from utils.cli import PROJECT_ROOT, RunError, UserError
from utils.files import read_journal
from utils.models import load_model, load_tokenizer
from utils.records import read_csv, write_csv
from utils.statistics import wilson

STATE = to_json(Patient(60, "male", "cardiology", "clinic", Complaint("cough")))
CPU = torch.device("cpu")


FOLLOWED = {name: wilson(count, 4)._asdict() for name, count in zip(OUTCOMES, (3, 1, 0, 0), strict=True)}
COUNTERFACTUAL = {  # as counterfactual.py writes it
    "changes": 4,
    "models": [{**FOLLOWED, "by_kind": {"age": FOLLOWED}}, {**FOLLOWED, "by_kind": {"age": FOLLOWED}}],
    "comparisons": [{"gained": 1, "lost": 1, "mcnemar_p": 1.0}],
}


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


# ---------------------------------------------------------------------- the whole, on a tiny model


def run_outcome(folder: Path, sft: Path, *more: str) -> int:
    options = {
        "sft_model_path": sft,
        "phase1_dir": folder / "data",
        "work_dir": folder / "work",
        "output_dir": folder / "out",
        "log": folder / "LOG.md",
        "readme": folder / "README.md",
        "split": "test",
        "notes": 6,
        "changes": 4,
        "train_pairs": 8,
        "samples_per_note": 1,
        "num_epochs": 1,
        "learning_rate": 2e-5,
    }
    return outcome.main([*(word for name, value in options.items() for word in (f"--{name}", str(value))), *more])


def in_readme(record):
    return marked(report.SOURCE, report.for_readme(record))


@pytest.fixture(scope="module")
def whole(tiny_adapter, tmp_path_factory):
    """A run on the test notes, killed at the control arm, gone on with, run once more; which steps ran each time."""
    folder = tmp_path_factory.mktemp("outcome")
    for path in write_phase1(folder / "data").iterdir():
        rows = read_csv(path, ("id",))
        write_csv(path, list(rows[0]), [{**row, "evidence_stats": STATE} for row in rows])
    (folder / "LOG.md").write_text("# Log\n\n| run |\n| --- |\n")
    (folder / "README.md").write_text(f"before\n\n{in_readme(None)}\n\nafter\n")
    ran: list[list[str]] = []

    def in_this_process(step: Step) -> tuple[int, bool]:
        ran[-1].append(step.name)
        if step.name == "control" and len(ran) == 1:
            raise Killed
        if step.name == "counterfactual":
            Path(step.words[-1]).write_text(json.dumps(COUNTERFACTUAL))
            return 0, False
        script = importlib.import_module(step.words[0].removesuffix(".py").replace("/", "."))
        return script.main(step.words[1:]), False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "call", in_this_process)
        ran.append([])
        with pytest.raises(Killed):
            run_outcome(folder, tiny_adapter)
        for _ in range(2):
            ran.append([])
            assert run_outcome(folder, tiny_adapter) == 0
    return folder, ran


def test_a_run_goes_on_where_it_was_killed_and_a_finished_one_does_nothing(whole):
    _, ran = whole
    assert ran == [
        ["pairs", "stage_b", "control"],
        ["control", "evaluate_stage_a", "evaluate_control", "evaluate_stage_b", "counterfactual"],
        [],
    ]


def test_the_control_arm_sees_the_same_pairs_in_the_same_order_with_no_reference_pass(whole):
    folder, _ = whole
    (stage_b,), (control,) = ((folder / "work").glob(f"{arm}-*/metrics.jsonl") for arm in ("stage_b", "control"))
    steps = [[line for line in read_journal(path) if "loss" in line] for path in (stage_b, control)]
    assert len(steps[0]) == len(steps[1]) == 2  # 6 pairs in batches of 4
    for name in ("num_tokens", "learning_rate", "epoch"):
        assert [line[name] for line in steps[0]] == [line[name] for line in steps[1]]
    assert steps[0][0]["logps/chosen"] == pytest.approx(steps[1][0]["logps/chosen"])  # one batch, before any update
    assert steps[0][0]["loss"] != pytest.approx(steps[1][0]["loss"])
    writers = list((folder / "work" / "reference_log_probs").glob("*/*.jsonl"))
    assert len(writers) == 1  # Stage B's: the control arm computed none


def test_report_readme_and_log_say_what_the_json_says(whole):
    folder, _ = whole
    record = json.loads((folder / "out" / "outcome.json").read_text())
    assert (folder / "out" / "OUTCOME.md").read_text() == report.markdown(record)
    readme = (folder / "README.md").read_text()
    assert readme == f"before\n\n{in_readme(record)}\n\nafter\n"
    assert (folder / "LOG.md").read_text() == f"# Log\n\n| run |\n| --- |\n{report.log_row(record)}\n"
    assert (folder / "out" / "outcome.png").read_bytes().startswith(b"\x89PNG")
    assert list(record["arms"]) == ["stage_a", "control", "stage_b"]
    assert record["arms"]["control"]["oracle"]["summaries"] == 6
    assert [record["trained"][name]["train_pairs"] for name in ("stage_b", "control")] == [8, 8]  # of 3 notes
    assert record["unusual"] == {"samples_per_note": 1, "num_epochs": 1.0, "learning_rate": 2e-5}
    assert len(record["examples"]) == 6
    assert "| **6 test** | `--samples_per_note 1` `--learning_rate 2e-05` `--num_epochs 1` |" in report.log_row(record)


def test_wrong_summaries_without_a_flag_are_counted(whole):
    folder, _ = whole
    (evaluated,) = (path for path in (folder / "work").glob("evaluate_stage_b-*") if path.is_dir())
    frame = read_results(evaluated)
    frame = frame.assign(oracle_hallucinated=[1, 1, 1, 0, 0, 0], flagged_claims=[0, 2, 0, 1, 0, 0])
    assert arm_figures(frame)["wrong_without_a_flag"] == wilson(2, 6)


def test_the_results_that_are_read_back_are_those_that_step_3_had(whole):
    folder, _ = whole
    (evaluated,) = (folder / "work").glob("evaluate_control-*/evaluation_statistics.json")
    statistics = json.loads(evaluated.read_text())
    record = json.loads((folder / "out" / "outcome.json").read_text())
    own, added = record["arms"]["control"], ("errors_per_summary", "wrong_without_a_flag")
    assert {name: own[name] for name in own if name not in added} == {
        name: value for name, value in statistics.items() if name != "comparison"
    }
    change = record["changes"]["control against stage_a"]
    assert change == {
        name: value for name, value in statistics["comparison"].items() if name not in ("before", "after")
    }
    assert sum(change["oracle"][name] for name in ("fixed", "broken", "both", "neither")) == 6


# ---------------------------------------------------------------------- steps

SCRIPT = """
import os, signal, sys
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("--output_dir") + 1])
print("at work", flush=True)
if not (folder / "half").exists():
    (folder / "half").touch()
    os.killpg(0, signal.SIGKILL)
sys.exit(int(sys.argv[sys.argv.index("--code") + 1]))
"""


@pytest.fixture
def step(tmp_path):
    """A step that ends this process and its own the first time, as a power cut does."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def build(code: int) -> Step:
        return make_step(tmp_path, "step", "nothing", str(script), {"code": code}, reads="a", expected=1.0)

    return build


def in_its_own_process(made: Step) -> subprocess.CompletedProcess[str]:
    program = (
        f"from pathlib import Path\nfrom benchmarks.arms.steps import Step, run_steps\n"
        f"run_steps([Step({made.name!r}, 'nothing', {made.words!r}, Path({str(made.folder)!r}), 1.0)])"
    )
    words = [sys.executable, "-c", program]
    return subprocess.run(words, cwd=PROJECT_ROOT, start_new_session=True, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_step_killed_by_a_signal_is_done_again_and_its_time_is_added_up(step, tmp_path):
    made = step(0)
    killed = in_its_own_process(made)
    assert killed.returncode < 0
    assert seconds_if_done(made) is None
    taken = run_steps([made])
    lines = read_journal(tmp_path / "steps.jsonl")
    assert [line.get("done") for line in lines] == [None, False, None, True]
    assert taken == {"step": sum(line.get("seconds", 0) for line in lines)}
    assert made.log.read_text().count("at work") == 2
    assert run_steps([made]) == taken
    assert made.log.read_text().count("at work") == 2


TERMINATED = """
import os, signal, sys
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("--output_dir") + 1])
(folder / "pid").write_text(str(os.getpid()))
signal.alarm(60)
os.kill(os.getppid(), signal.SIGTERM)
signal.pause()
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_sigterm_ends_the_step_as_well(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TERMINATED)
    made = make_step(tmp_path, "step", "nothing", str(script), {}, reads="a", expected=1.0)
    ended = in_its_own_process(made)
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.kill(int((made.folder / "pid").read_text()), 0)
    assert [line.get("done") for line in read_journal(tmp_path / "steps.jsonl")] == [None, False]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_a_step_that_is_done_when_told_to_stop_is_the_last(tmp_path):
    script = tmp_path / "script.py"
    ignores = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsignal.alarm(60)"
    script.write_text(TERMINATED.replace("signal.alarm(60)", ignores))
    made = make_step(tmp_path, "step", "nothing", str(script), {}, reads="a", expected=1.0)
    assert in_its_own_process(made).stderr.rstrip().endswith("KeyboardInterrupt")
    assert seconds_if_done(made) is not None


def test_a_step_that_fails_says_where_its_log_is_and_is_not_done(step, capsys):
    made = step(3)
    made.folder.mkdir()
    (made.folder / "half").touch()
    with pytest.raises(RunError, match=r"(?s)step failed with exit code 3; the end of .*step-\w+\.log.*at work"):
        run_steps([made])
    assert seconds_if_done(made) is None
    assert "1/1 step: nothing, about 0.0 minutes" in capsys.readouterr().out


def test_a_step_is_another_one_where_its_command_or_what_it_reads_is(tmp_path):
    def folder(options, reads):
        return make_step(tmp_path, "step", "", "script.py", options, reads=reads, expected=1.0).folder

    assert folder({"beta": 0.1}, "a") == folder({"beta": 0.1}, "a")
    assert len({folder({"beta": 0.1}, "a"), folder({"beta": 0.2}, "a"), folder({"beta": 0.1}, "b")}) == 3


def test_options_become_words():
    options = {"rate": 5e-6, "epochs": 2.0, "loss": ["sigmoid", "sft"], "force": True, "merge": False, "none": None}
    assert as_words(options) == ["--rate", "5e-06", "--epochs", "2", "--loss", "sigmoid", "sft", "--force"]


# ---------------------------------------------------------------------- the plan


@pytest.fixture
def args():
    return outcome.build_parser().parse_args(["--notes", "300", "--split", "test", "--work_dir", "work"])


def test_each_step_s_time_by_hand(args):
    args.negatives_per_note, args.rounds = 3, 2
    seconds = {step.name: step.expected for step in Plan(args, 280, "a").steps()}
    assert seconds == pytest.approx(
        {
            "pairs": 30 + 280 / 3 * (1 + 520 / 3600) * 4 * 1.1,
            "stage_b": 30 + 280 * (2 * 1.4 + 0.5),
            "control": 30 + 280 * 2 * 1.4,  # the reference is Stage B's
            "pairs_2": 30 + 280 / 3 * (1 + 520 / 3600) * 4 * 1.1,
            "stage_b_2": 30 + 280 * (2 * 1.4 + 0.5),
            "control_2": 30 + 280 * (2 * 1.4 + 0.5),  # of its own, which is the first control arm
            **{f"evaluate_{arm}": 30 + 300 * 1.3 for arm in ("stage_a", "stage_b", "control")},
            "counterfactual": 30 + 2 * (120 + 240) * 1.3,  # each note as it was, and with each change
        },
        rel=1e-6,
    )


def test_as_many_pairs_as_fit_into_the_hours_and_not_one_more(args):
    pairs = pairs_that_fit(args, "a")
    hours = [sum(step.expected for step in Plan(args, count, "a").steps()) / 3600 for count in (pairs, pairs + 1)]
    assert hours[0] <= 2.0 < hours[1] + 1e-3
    args.hours = 0.5
    with pytest.raises(UserError, match=r"--hours 0\.5: 0 pairs fit beside"):
        pairs_that_fit(args, "a")


def test_a_second_round_goes_on_from_the_first_s_models(args):
    args.rounds = 2
    steps = {step.name: step for step in Plan(args, 280, "a").steps()}
    assert f"--sft_model_path {steps['stage_b'].folder}/final_model" in steps["pairs_2"].command
    assert f"--sft_model_path {steps['control'].folder}/final_model" in steps["control_2"].command
    assert f"--model_path {steps['stage_b_2'].folder}/final_model" in steps["evaluate_stage_b"].command
    assert "--loss_type sft" in steps["control_2"].command
    assert "--seed 43" in steps["pairs_2"].command


def test_options_that_stage_b_refuses_are_refused_before_anything_runs(args):
    args.leave_out, args.learning_rate = ["counterfactual"], 1e-3
    with pytest.raises(UserError, match="is of Stage A's size"):
        check_options(Plan(args, 280, "a").steps())
    args.force = True
    check_options(Plan(args, 280, "a").steps())


def test_pilots_share_the_texts_that_one_of_them_has_generated(tmp_path):
    for name, key in (("pairs-1", "a"), ("pairs-2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train_samples.jsonl").write_text(json.dumps({"texts": {key: {}}}) + "\n")
    for name in ("pairs-3", "pairs-1"):
        share_texts(Step("pairs", "", (PAIRS,), tmp_path / name, 1.0))
    shared = read_journal(tmp_path / "pairs-3" / "train_samples.jsonl")
    assert shared == [{"texts": {"a": {}}}, {"texts": {"b": {}}}]
    assert len(read_journal(tmp_path / "pairs-1" / "train_samples.jsonl")) == 1  # has its own already


# ---------------------------------------------------------------------- the control arm


def test_the_control_arm_s_gradient_is_that_of_plain_sft_on_the_chosen_summaries(tiny_adapter, tmp_path):
    rows = read_pairs(write_pairs(tmp_path / "pairs.jsonl", 4), None, seed=0)
    checkpoint = find(tiny_adapter)
    tokenizer = load_tokenizer(checkpoint)
    encoded = encode_pairs(tokenizer, rows, max_length=1024)
    args = stage_b_dpo_training.build_parser().parse_args(["--output_dir", str(tmp_path), "--loss_type", "sft"])
    policy, run = build_policy(checkpoint, CPU, lora_r=4, quantization=None), RunFolder(tmp_path, "run")
    measured = Remembered(tmp_path, CPU)
    trainer = build_trainer(policy, tokenizer, encoded, encoded, args, run, measured, save_best=print)
    batch = trainer.data_collator(
        [{**row, "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for row in encoded.dataset]
    )
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()

    plain = load_model(checkpoint, CPU, trainable=True)
    chosen = {name: batch[name][:4] for name in ("input_ids", "attention_mask", "completion_mask")}
    labels = chosen["input_ids"].masked_fill(chosen.pop("completion_mask") == 0, -100)
    expected = plain(**chosen, labels=labels).loss
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert max(gradient.abs().max() for gradient in gradients.values()) > 1e-3
    for name, parameter in plain.named_parameters():
        if parameter.requires_grad:
            assert torch.allclose(gradients[name], parameter.grad, atol=1e-6), name


# ---------------------------------------------------------------------- figures and bars, by hand


def change(fixed, broken, p, coverage=(-0.02, 0.01), rouge=-0.005, ratio=0.9, notes=300):
    figure = {"before": 0.7, "after": 0.69, "difference": -0.01, "low": coverage[0], "high": coverage[1]}
    return {
        "notes_in_common": notes,
        "oracle": {"fixed": fixed, "broken": broken, "mcnemar_p": p, "changes": {"coverage": figure}},
        "changes": {"rouge_l": {**figure, "difference": rouge}},
        "says_as_much": {"median_length_ratio": {"ratio": ratio}},
    }


def arm(wrong, total=300):
    return {"oracle": {"hallucination_rate": wilson(wrong, total)._asdict()}}


OF_CONTROL = change(90, 10, 1e-9)


def recorded(wrong=48, of_control=OF_CONTROL, counterfactual=None, **of_a):
    return {
        "arms": {"stage_a": arm(180), "stage_b": arm(wrong)},
        "changes": {
            "stage_b against stage_a": change(140, 8, 1e-12, **of_a),
            **({"stage_b against control": of_control} if of_control else {}),
        },
        "counterfactual": counterfactual,
        "steps": [{"seconds": 3600.0}, {"seconds": 1800.0}],
    }


def not_met(record):
    return [bar.what for bar in bars(record) if not bar.met]


def test_bars_by_hand():
    # 48 of 300 is 16 %, 73 % fewer than 180 of 300.
    assert {bar.what: bar.found for bar in bars(recorded())} == {
        "summaries with an error, against Stage A": "73 % fewer",
        "summaries with an error": "16 % [12 to 21]",
        "exact McNemar, Stage A and Stage B": "p = 1e-12",
        "Stage B beats the control arm, exact McNemar": "90 fixed, 10 broken, p = 1e-09",
        "coverage of important facts, lower 95 % bound of its change": "-1.0 [-2.0 to +1.0]",
        "mean ROUGE-L, change": "-0.5 [-2.0 to +1.0]",
        "median length, Stage B to Stage A": "0.90",
        "notes": "300",
        "time of all steps": "1.5 hours",
    }
    assert not_met(recorded()) == ["summaries with an error"]
    assert not_met(recorded(wrong=45)) == []  # 15 %


@pytest.mark.parametrize(
    ("record", "missed"),
    [
        (recorded(wrong=73), ["summaries with an error, against Stage A", "summaries with an error"]),  # 59 % fewer
        (recorded(wrong=45, coverage=(-0.031, 0.01)), ["coverage of important facts, lower 95 % bound of its change"]),
        (recorded(wrong=45, rouge=-0.011), ["mean ROUGE-L, change"]),
        (recorded(wrong=45, ratio=0.84), ["median length, Stage B to Stage A"]),
        (recorded(wrong=45, notes=299), ["notes"]),
        (recorded(45, change(20, 10, 0.099)), ["Stage B beats the control arm, exact McNemar"]),
        (recorded(45, change(10, 90, 1e-9)), ["Stage B beats the control arm, exact McNemar"]),
        (recorded(45, None), []),
        (recorded(45, counterfactual={"changes": 199}), ["facts changed one by one"]),
    ],
)
def test_a_bar_is_missed_by_itself(record, missed):
    assert not_met(record) == missed


def test_more_errors_than_stage_a_meet_no_bar_however_small_the_p():
    assert "exact McNemar, Stage A and Stage B" in not_met(recorded(wrong=250))


def test_figures_in_words():
    assert percent(wilson(15, 50)._asdict()) == "30 % [19 to 44]"
    assert percent(wilson(0, 0)._asdict()) == "no data"
    assert points({"difference": 0.012, "low": None, "high": None}) == "+1.2"
    assert points({"difference": -0.0001, "low": -0.02, "high": 0.0}) == "+0.0 [-2.0 to +0.0]"


def test_results_keep_their_types_and_empty_cells(tmp_path):
    rows = [
        {"example_id": "007", "clinical_note": "a\nb", "ground_truth": "", "generated_summary": "NA", "important": ""},
        {"example_id": "8", "clinical_note": "c", "ground_truth": "d", "generated_summary": "", "important": "2"},
    ]
    write_csv(tmp_path / "evaluation_results.csv", list(rows[0]), rows)
    frame = read_results(tmp_path)
    assert list(frame["example_id"]) == ["007", "8"]
    assert list(frame["generated_summary"]) == ["NA", ""]
    assert list(frame["ground_truth"]) == ["", "d"]
    assert frame["important"].isna().tolist() == [True, False]


def test_examples_are_drawn_by_the_seed_and_are_the_same_notes_for_all_arms():
    def frame(order, says):
        notes = [f"note {number}" for number in order]
        errors = json.dumps([{"text": "40 mg", "type": "dose", "verdict": "wrong", "span": [0, 5]}])
        return pd.DataFrame(
            {
                "example_id": [str(number) for number in order],
                "clinical_note": notes,
                "generated_summary": [f"{says} {note}" for note in notes],
                "oracle_errors": errors,
                "oracle_failed": 0,
            }
        )

    drawn = examples({"stage_a": frame(range(30), "A"), "stage_b": frame(range(29, -1, -1), "B")}, seed=1)
    assert len(drawn) == 10
    for shown in drawn:
        texts = {name: summary["text"] for name, summary in shown["summaries"].items()}
        assert texts == {"stage_a": f"A {shown['note']}", "stage_b": f"B {shown['note']}"}
        assert shown["summaries"]["stage_b"]["wrong"] == ["“40 mg” (dose, wrong)"]
    others = examples({"stage_a": frame(range(30), "A")}, seed=2)
    assert {shown["note"] for shown in drawn} != {shown["note"] for shown in others}


def test_a_bar_in_a_cell_does_not_end_it():
    assert report.table(("a", "b"), [("x|y", "1")]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


# ---------------------------------------------------------------------- what this project says of itself


def test_readme_and_outcome_md_hold_what_outcome_json_says():
    results, said = PROJECT_ROOT / "benchmarks" / "outcome.json", PROJECT_ROOT / "benchmarks" / "OUTCOME.md"
    record = json.loads(results.read_text("utf-8")) if results.is_file() else None
    assert in_readme(record) in (PROJECT_ROOT / "README.md").read_text("utf-8")
    assert (said.read_text("utf-8") if said.is_file() else None) == (report.markdown(record) if record else None)
    assert record is None or record["split"] == "test"


def test_the_log_has_a_row_for_each_run_and_the_columns_that_rows_have():
    lines = (PROJECT_ROOT / "benchmarks" / "LOG.md").read_text("utf-8").splitlines()
    columns = [line for line in lines if line.startswith("|")]
    assert columns[0] == "| " + " | ".join(report.LOG_COLUMNS) + " |"
    assert {line.count(" | ") for line in columns} == {len(report.LOG_COLUMNS) - 1}


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_outcome_passes_options_that_there_are():
    dry = ["make", "--dry-run", "--always-make", "outcome"]
    printed = subprocess.run(dry, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    words = printed.replace("\\\n", " ").partition("benchmarks/outcome.py")[2].split("\n")[0].split()
    args = outcome.build_parser().parse_args([*words, "--work_dir", "work"])
    assert (args.split, args.notes) == ("test", 300)
    check_options(Plan(args, pairs_that_fit(args, "a"), "a").steps())
