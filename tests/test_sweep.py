"""The sweep benchmark: arms and steps by hand, whole on a tiny model, killed and gone on with, report and curves."""

from __future__ import annotations

import importlib
import json

import pytest

import stage_b_dpo_training
from benchmarks import sweep
from benchmarks.arms import steps
from benchmarks.arms.marked_text import marked
from benchmarks.arms.plan import check_options
from benchmarks.arms.steps import Step
from benchmarks.one_factor import plan, report
from benchmarks.one_factor.figures import of_training, shown_curves
from benchmarks.one_factor.plan import (
    ALL_WEIGHTS,
    ANCHORED,
    FACTORS,
    PLAIN,
    SETTING,
    Arm,
    SweepPlan,
    all_arms,
    points,
    setting_of,
)
from clinical.patient import Complaint, Patient, to_json
from tests.tiny import write_phase1
from utils.cli import UserError
from utils.files import read_journal
from utils.records import read_csv, write_csv
from utils.statistics import wilson

STATE = to_json(Patient(60, "male", "cardiology", "clinic", Complaint("cough")))
# A few values only; the setting below is 2 epochs at 2e-5, a rate that step 2 refuses for all weights.
FEW = {
    "learning_rate": ({"learning_rate": 5e-5},),
    "num_epochs": ({"num_epochs": 1.0},),
    "loss": (PLAIN, ANCHORED),
    "all_weights": ({**ALL_WEIGHTS, "learning_rate": 2e-5},),
}


class Killed(BaseException):
    """Not caught anywhere, like the signal."""


# ---------------------------------------------------------------------- the whole, on a tiny model


@pytest.fixture(scope="module")
def whole(tiny_adapter, tmp_path_factory):
    """A sweep killed at one arm's training, gone on with, run once more: its folder, the steps each time, its report
    at the kill.
    """
    folder = tmp_path_factory.mktemp("sweep")
    for path in write_phase1(folder / "data").iterdir():
        rows = read_csv(path, ("id",))
        write_csv(path, list(rows[0]), [{**row, "evidence_stats": STATE} for row in rows])
    options = {
        "sft_model_path": tiny_adapter,
        "phase1_dir": folder / "data",
        "work_dir": folder / "work",
        "output_dir": folder / "out",
        "notes": 6,
        "train_pairs": 8,
        "samples_per_note": 1,
        "learning_rate": 2e-5,
        "guide": folder / "guide.md",
    }
    (folder / "guide.md").write_text(f"before\n{marked(report.SOURCE, '')}\nafter\n")
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    ran: list[list[str]] = []

    def in_this_process(step: Step) -> tuple[int, bool]:
        ran[-1].append(step.name)
        if step.name == "train_loss_sigmoid_0.2_sft" and len(ran) == 1:
            raise Killed
        script = importlib.import_module(step.words[0].removesuffix(".py").replace("/", "."))
        return script.main(step.words[1:]), False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "call", in_this_process)
        patch.setattr(plan, "FACTORS", FEW)
        patch.setattr(sweep, "FACTORS", FEW)
        ran.append([])
        with pytest.raises(Killed):
            sweep.main(argv)
        at_the_kill = (folder / "out" / "SWEEP.md").read_text()
        for _ in range(2):
            ran.append([])
            assert sweep.main(argv) == 0
    return folder, ran, at_the_kill


def step_folder(folder, name):
    (found,) = (path for path in (folder / "work").glob(f"{name}-*") if path.is_dir())
    return found


def logged(folder, name):
    return [line for line in read_journal(step_folder(folder, name) / "metrics.jsonl") if "loss" in line]


def test_arms_are_trained_and_judged_in_turn_and_a_killed_sweep_goes_on(whole):
    _, ran, at_the_kill = whole
    assert ran == [
        [
            *("pairs", "evaluate_stage_a"),
            *("train_num_epochs_1", "train_setting", "evaluate_setting"),
            *("train_learning_rate_5e-05", "evaluate_learning_rate_5e-05"),
            *("evaluate_num_epochs_1", "train_loss_sigmoid_0.2_sft"),
        ],
        [
            *("train_loss_sigmoid_0.2_sft", "evaluate_loss_sigmoid_0.2_sft"),
            *("train_all_weights_2e-05", "evaluate_all_weights_2e-05"),
        ],
        [],
    ]
    missing = "loss sigmoid + 0.2 sft, all weights, learning rate 2e-05"
    assert f"Not measured yet: {missing}." in at_the_kill


def test_a_second_epoch_goes_on_with_the_first_one_s_run_and_ends_as_one_that_was_not_cut(whole, tmp_path):
    folder, _, _ = whole
    first, both = (logged(folder, name) for name in ("train_num_epochs_1", "train_setting"))
    assert len(both) == 2 * len(first) == 4
    assert both[:2] == first
    run = json.loads((step_folder(folder, "train_setting") / "run.json").read_text())
    options = {name: argument["value"] for name, argument in run["arguments"].items()}
    kept = ("sft_model_path", "train_data_path", "val_data_path", "learning_rate", "max_train_pairs", "max_val_pairs")
    argv = [word for name in kept for word in (f"--{name}", str(options[name]))]
    argv += ["--reference_dir", str(tmp_path / "reference"), "--output_dir", str(tmp_path / "out")]
    assert stage_b_dpo_training.main(argv) == 0
    weights = "final_model/adapter_model.safetensors"
    at_once, in_two = (path / weights for path in (tmp_path / "out", step_folder(folder, "train_setting")))
    assert in_two.read_bytes() == at_once.read_bytes()
    assert (step_folder(folder, "train_num_epochs_1") / weights).read_bytes() != in_two.read_bytes()


def test_all_weights_begin_as_the_adapter_that_was_merged_into_them(whole):
    folder, _, _ = whole
    adapter, merged = (logged(folder, f"train_{name}")[0] for name in ("setting", "all_weights_2e-05"))
    for name in ("logps/chosen", "logps/rejected", "num_tokens"):
        assert merged[name] == pytest.approx(adapter[name], rel=1e-4)
    final = step_folder(folder, "train_all_weights_2e-05") / "final_model"
    assert (final / "model.safetensors").is_file()
    assert not (final / "adapter_config.json").exists()


def test_the_report_is_drawn_from_the_json_which_holds_what_the_steps_found(whole):
    folder, _, _ = whole
    record = json.loads((folder / "out" / "sweep.json").read_text())
    assert (folder / "out" / "SWEEP.md").read_text() == report.markdown(record)
    assert (folder / "out" / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert record["factors"] == {
        "learning_rate": {"2e-05": SETTING, "5e-05": "learning_rate_5e-05"},
        "num_epochs": {"1": "num_epochs_1", "2": SETTING},
        "loss": {"sigmoid": SETTING, "sigmoid + 0.2 sft": "loss_sigmoid_0.2_sft"},
        "all_weights": {"2e-05": "all_weights_2e-05"},
    }
    assert set(record["arms"]) == {name for values in record["factors"].values() for name in values.values()}
    statistics = json.loads(
        (step_folder(folder, "evaluate_learning_rate_5e-05") / "evaluation_statistics.json").read_text()
    )
    arm = record["arms"]["learning_rate_5e-05"]
    assert arm["options"] == {**record["setting"], "learning_rate": 5e-5}
    assert arm["summaries"]["hallucination_rate"] == statistics["oracle"]["hallucination_rate"]
    assert arm["against_stage_a"]["fixed"] == statistics["comparison"]["oracle"]["fixed"]
    assert record["arms"][SETTING]["against_setting"] is None
    assert "Not measured yet" not in report.markdown(record)


def test_the_guide_s_table_is_renewed_and_nothing_else_of_it(whole):
    folder, _, _ = whole
    record = json.loads((folder / "out" / "sweep.json").read_text())
    rows = report.for_guide(record).splitlines()
    assert (folder / "guide.md").read_text() == f"before\n{marked(report.SOURCE, chr(10).join(rows))}\nafter\n"
    assert len(rows) == 2 + 1 + len(record["arms"])
    (setting,) = (row for row in rows if row.startswith("| **the setting** |"))
    assert f" {report.points(record['arms'][SETTING]['against_stage_a']['coverage'])} |" in setting


def test_a_guide_that_is_not_there_is_said_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match=r"no such file: .*none.md"):
        sweep.main(["--guide", str(tmp_path / "none.md"), "--work_dir", str(tmp_path / "work")])
    assert not (tmp_path / "work").exists()


def test_the_curves_that_are_kept_are_those_of_the_runs_that_are_named(whole):
    folder, _, _ = whole
    record = json.loads((folder / "out" / "sweep.json").read_text())
    kept = {path.stem: path.read_bytes() for path in (folder / "out" / "sweep_curves").iterdir()}
    assert kept == {
        title: (step_folder(folder, f"train_{arm}") / "training_curves.png").read_bytes()
        for title, arm in record["curves"].items()
    }
    assert len(set(record["curves"].values())) == len(kept) >= 3


# ---------------------------------------------------------------------- arms and steps, by hand


@pytest.fixture
def args(tmp_path):
    return sweep.build_parser().parse_args(
        ["--work_dir", "work", "--on_policy_share", "0.5", "--negatives_per_note", "3"]
    )


def planned(args, *names):
    factors = {name: points(name, setting_of(args)) for name in names or FACTORS}
    return SweepPlan(args, 200, "a", all_arms(factors.values()), "merged")


def test_the_default_setting_is_one_value_of_each_factor_and_is_trained_once(args):
    setting = setting_of(args)
    values = {name: {value: arm.name for value, arm in points(name, setting).items()} for name in FACTORS}
    assert values["learning_rate"] == {
        "1e-06": "learning_rate_1e-06",
        "5e-06": SETTING,
        "1e-05": "learning_rate_1e-05",
        "5e-05": "learning_rate_5e-05",
        "0.0002": "learning_rate_0.0002",
    }
    assert values["num_epochs"] == {"1": "num_epochs_1", "2": SETTING, "3": "num_epochs_3"}
    assert values["loss"] == {
        "sigmoid": SETTING,
        "sigmoid + 0.2 sft": "loss_sigmoid_0.2_sft",
        "sigmoid + sft": "loss_sigmoid_sft",
        "sft": "loss_sft",
    }
    assert list(values["beta"]) == ["0.05", "0.1", "0.2", "0.5"]
    assert values["all_weights"]["5e-06"] == "all_weights_5e-06"
    names = [arm.name for arm in planned(args).arms]
    assert len(names) == len(set(names)) == 1 + 4 + 2 + 3 + 3 + 4
    assert names[0] == SETTING


def test_a_setting_between_the_values_is_added_to_them_in_its_place(args):
    args.learning_rate, args.beta, args.loss_type, args.loss_weights = 2e-5, 0.3, ["apo_zero", "sft"], [1.0, 0.5]
    setting = setting_of(args)
    assert list(points("learning_rate", setting)) == ["1e-06", "5e-06", "1e-05", "2e-05", "5e-05", "0.0002"]
    assert points("learning_rate", setting)["2e-05"] == points("beta", setting)["0.3"] == Arm(SETTING, {})
    assert points("all_weights", setting)["2e-05"] == Arm("all_weights_2e-05", ALL_WEIGHTS)
    assert points("loss", setting)["sigmoid"].changes == PLAIN
    assert list(points("loss", setting)) == [
        *("sigmoid", "sigmoid + 0.2 sft", "apo_zero + 0.5 sft", "sigmoid + sft", "sft")
    ]


def test_each_step_s_time_by_hand(args):
    seconds = {step.name: step.expected for step in planned(args, "num_epochs", "beta", "all_weights").steps()}
    epoch, reference = 200 * 1.4 + 40 * 0.5, 240 * 0.5
    assert seconds["train_num_epochs_1"] == pytest.approx(30 + epoch + reference)
    assert seconds["train_setting"] == seconds["train_num_epochs_3"] == pytest.approx(30 + epoch)
    assert seconds["train_beta_0.2"] == pytest.approx(30 + 2 * epoch)
    assert seconds["train_all_weights_1e-06"] == pytest.approx(30 + 1.6 * 2 * epoch + reference)
    assert seconds["train_all_weights_5e-06"] == pytest.approx(30 + 1.6 * 2 * epoch)
    assert seconds["evaluate_beta_0.2"] == pytest.approx(30 + 100 * 1.3)


def test_what_is_swept_beside_it_does_not_change_the_setting_s_run(args):
    folders = [{step.name: step.folder for step in planned(args, *names).steps()} for names in (("beta",), ())]
    for name in ("pairs", "train_num_epochs_1", "train_setting", "evaluate_setting"):
        assert folders[0][name] == folders[1][name]
    assert "evaluate_num_epochs_1" not in folders[0]


def test_only_rates_that_step_2_refuses_are_forced_and_all_weights_are_those_of_the_merged_model(args):
    args.learning_rate = 1e-4
    steps = {step.name: step for step in planned(args, "learning_rate", "all_weights").steps()}
    forced = {name for name, step in steps.items() if "--force" in step.words}
    all_weights = {f"train_all_weights_{rate}" for rate in ("5e-05", "0.0001")}
    assert forced == {"train_num_epochs_1", "train_setting", "train_learning_rate_0.0002", *all_weights}
    for name in ("train_setting", "train_all_weights_1e-06"):
        model = steps[name].words[steps[name].words.index("--sft_model_path") + 1]
        assert model == ("merged" if "all_weights" in name else args.sft_model_path)
    check_options(steps.values())
    args.loss_weights = [1.0, 2.0]
    with pytest.raises(UserError, match="--loss_weights needs a number for each"):
        check_options(planned(args, "beta").steps())


def test_what_each_factor_takes_is_said_and_a_shared_step_is_counted_once(args, tmp_path, capsys):
    args.work_dir = tmp_path
    factors = {name: points(name, setting_of(args)) for name in ("num_epochs", "loss")}
    plan = SweepPlan(args, 200, "a", all_arms(factors.values()), "merged")
    steps = {step.name: step for step in plan.steps()}
    sweep.print_plan(plan, factors, steps)
    epoch, judged = 30 + 200 * 1.4 + 40 * 0.5, 30 + 100 * 1.3
    first = steps["pairs"].expected + 2 * judged + 2 * epoch + 240 * 0.5
    epochs, loss = 2 * judged + epoch, 3 * (judged + 2 * epoch - 30)  # what a step does around its epochs, it does once
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"Steps          14, 0 of them done; about {(first + epochs + loss) / 60:.1f} minutes left",
        f"setting        and pairs and Stage A: about {first / 60:.1f} minutes",
        f"num_epochs     1, 2, 3: about {epochs / 60:.1f} minutes",
        f"loss           sigmoid, sigmoid + 0.2 sft, sigmoid + sft, sft: about {loss / 60:.1f} minutes",
    ]


# ---------------------------------------------------------------------- figures, curves and cells, by hand


def test_rewards_become_log_probs_that_no_beta_scales():
    found = {"val_chosen_reward": -0.3, "val_margin": 0.6, "val_accuracy": 0.8}
    assert of_training(found, 0.2) == pytest.approx({"chosen": -1.5, "margin": 3.0, "accuracy": 0.8})


def arm(rate=5e-6, errors=0.5, coverage=0.8, lost=0.0, chosen=0.5, margin=3.0):
    change = {"difference": -lost, "low": -lost - 0.02, "high": -lost + 0.02}
    return {
        "options": {"learning_rate": rate, "loss_type": ["sigmoid"]},
        "training": {"chosen": chosen, "margin": margin, "accuracy": 0.75},
        "summaries": {
            "hallucination_rate": wilson(30, 100)._asdict(),
            "errors_per_summary": errors,
            "coverage": coverage,
            "median_words": 61.0,
        },
        "against_stage_a": {"fixed": 20, "broken": 5, "mcnemar_p": 0.004, "coverage": change},
        "against_setting": None,
        "minutes": 15.4,
    }


def test_whose_curves_are_shown_by_hand():
    arms = {
        SETTING: arm(),
        "slow": arm(rate=1e-6, errors=0.6, margin=0.1),
        "fast": arm(rate=1e-5, errors=0.4),
        "wrecked": arm(rate=5e-5, errors=0.1, coverage=0.3, lost=0.5, chosen=-9.0),
        "falling": arm(errors=0.3, chosen=-4.0),
    }
    shown = {
        "healthy": "fast",  # two others have fewer errors, but lost coverage or let the chosen summaries fall
        "learning_rate_too_high": "wrecked",
        "chosen_falling": "falling",
        "nothing_learned": "slow",
    }
    assert shown_curves(arms) == shown
    assert shown_curves({SETTING: arm()}) == {"healthy": SETTING}


def test_a_row_by_hand():
    record = {
        "stage_a": arm()["summaries"],
        "factors": {"beta": {"0.1": SETTING, "0.2": "beta_0.2", "0.5": "beta_0.5"}},
        "arms": {SETTING: arm(), "beta_0.2": {**arm(), "against_setting": arm()["against_stage_a"]}},
    }
    lines = report.factor_table(record, "beta").splitlines()
    shared = "30 % [22 to 40] | 0.50 | 80 % | 61"
    assert lines[2:] == [
        f"| Stage A | {shared} | – | – | – | – | – | – | – |",
        f"| **0.1** | {shared} | 20, 5; 0.004 | +0.0 [-2.0 to +2.0] | – | +0.5 | +3.0 | 75 % | 15 |",
        f"| 0.2 | {shared} | 20, 5; 0.004 | +0.0 [-2.0 to +2.0] | 20, 5; 0.004 | +0.5 | +3.0 | 75 % | 15 |",
    ]
    assert report.missing(record) == " Not measured yet: beta 0.5."
