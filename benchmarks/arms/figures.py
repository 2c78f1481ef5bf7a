"""The figures of an outcome, from what its steps left behind: each arm, what changed between arms, and the bars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.arms.plan import PAIRS, TRAIN
from evaluation_stage_a.comparison import LENGTH_RATIO, RESULTS_CSV, compare
from evaluation_stage_a.figures import as_json, summarise
from evaluation_stage_a.known_facts import ERRORS, FAILED, HALLUCINATED, typed
from utils.records import sample_by_note
from utils.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.arms.steps import Step

# What has to be reached, set before anything was measured.
LOWER_BY, AIM, A_AND_B_P, CONTROL_P = 0.6, 0.15, 0.01, 0.05
COVERAGE_LOSS, ROUGE_LOSS = 0.03, 0.01
NOTES, CHANGES, SECONDS = 300, 200, 2 * 3600
EXAMPLES = 10  # notes shown with the summaries of all arms
# What is compared with what: the later arm, and the arm before it.
COMPARED = (("control", "stage_a"), ("stage_b", "stage_a"), ("stage_b", "control"))


class Results(NamedTuple):
    """Folders of step 3 by arm, results in the records of steps 1 and 2 by step, and the counterfactual figures."""

    arms: Mapping[str, Path]
    pairs: Mapping[str, Mapping[str, Any]]
    trained: Mapping[str, Mapping[str, Any]]
    counterfactual: Mapping[str, Any] | None


class Bar(NamedTuple):
    """A figure that has to be reached."""

    what: str
    bar: str
    found: str
    met: bool


def results_of(steps: Sequence[Step]) -> Results:
    """What the steps have left behind."""
    from utils.run_record import read_record

    def records(script: str) -> dict[str, Any]:
        return {step.name: read_record(step.folder)["results"] for step in steps if step.words[0] == script}

    folders = {step.name: step.folder for step in steps}
    arms = {name.removeprefix("evaluate_"): folder for name, folder in folders.items() if name.startswith("evaluate_")}
    counted = folders.get("counterfactual")
    counterfactual = json.loads((counted / "counterfactual.json").read_text("utf-8")) if counted else None
    return Results(arms, records(PAIRS), records(TRAIN), counterfactual)


def measure(results: Results, seed: int) -> dict[str, Any]:
    """All figures as JSON can hold them, but for the bars, which also hang on the time."""
    frames = {arm: read_results(folder) for arm, folder in results.arms.items()}
    return {
        "pairs": dict(results.pairs),
        "trained": dict(results.trained),
        "arms": {arm: as_json(arm_figures(frame)) for arm, frame in frames.items()},
        "changes": {
            f"{later} against {earlier}": as_json(changes(frames[earlier], frames[later]))
            for later, earlier in COMPARED
            if later in frames and earlier in frames
        },
        "counterfactual": results.counterfactual,
        "examples": examples(frames, seed),
    }


def read_results(folder: Path) -> pd.DataFrame:
    """The rows that step 3 wrote, typed as it had them: an empty cell is a missing figure, or an empty text."""
    import pandas as pd

    frame = pd.read_csv(folder / RESULTS_CSV, keep_default_na=False, na_values=[""], dtype={"example_id": str})
    texts = ["clinical_note", "ground_truth", "generated_summary"]
    return typed(frame.astype({"important": "Int64"}).fillna(dict.fromkeys(texts, "")))


def arm_figures(frame: pd.DataFrame) -> dict[str, Any]:
    """One model's figures as step 3 gives them, the wrong claims in a summary, and the wrong summaries not flagged.

    Pairs are made by what the screen flags, so that what it does not see may grow where what it sees gets less.
    """
    figures = summarise(frame)
    wrong = sum(figures["oracle"]["errors_by_type"].values())
    unflagged = (frame[HALLUCINATED] > 0) & (frame["flagged_claims"] == 0)
    return {
        **figures,
        "errors_per_summary": wrong / figures["oracle"]["summaries"],
        "wrong_without_a_flag": wilson(int(unflagged.sum()), len(frame)),
    }


def changes(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """What changed on the same notes, as step 3 compares two models, without the figures of each."""
    return {name: value for name, value in compare(before, after).items() if name not in ("before", "after")}


def examples(frames: Mapping[str, pd.DataFrame], seed: int) -> list[dict[str, Any]]:
    """Some notes with the summary of each arm and what is wrong in it: drawn by the seed, not picked."""
    by_arm = {arm: frame.set_index("clinical_note") for arm, frame in frames.items()}
    first = next(iter(frames.values()))
    notes = list(first["clinical_note"])
    return [
        {
            "example_id": first["example_id"][index],
            "note": notes[index],
            "summaries": {arm: _judged(frame.loc[notes[index]]) for arm, frame in by_arm.items()},
        }
        for index in sample_by_note(notes, EXAMPLES, seed)
    ]


def _judged(row: pd.Series) -> dict[str, Any]:
    errors = [f"“{error['text']}” ({error['type']}, {error['verdict']})" for error in json.loads(row[ERRORS])]
    return {"text": row["generated_summary"], "wrong": ["it is no summary"] if row[FAILED] else errors}


def bars(record: Mapping[str, Any]) -> list[Bar]:
    """The bars of an outcome beside what was found; those of the control arm only where there is one."""
    arms, change = record["arms"], record["changes"]["stage_b against stage_a"]
    before, after = (arms[arm]["oracle"]["hallucination_rate"] for arm in ("stage_a", "stage_b"))
    lower = 1 - after["share"] / before["share"] if before["share"] else 0.0
    p = change["oracle"]["mcnemar_p"]
    coverage = change["oracle"]["changes"]["coverage"]
    hours = sum(step["seconds"] for step in record["steps"]) / 3600
    return [
        Bar(
            "summaries with an error, against Stage A",
            f"at least {100 * LOWER_BY:.0f} % fewer",
            f"{100 * lower:.0f} % fewer",
            lower >= LOWER_BY,
        ),
        Bar("summaries with an error", f"aim: at most {100 * AIM:.0f} %", percent(after), after["share"] <= AIM),
        Bar("exact McNemar, Stage A and Stage B", f"p < {A_AND_B_P}", f"p = {p:.2g}", p < A_AND_B_P and lower > 0),
        *_of_control(record),
        Bar(
            "coverage of important facts, lower 95 % bound of its change",
            f"above {-100 * COVERAGE_LOSS:.0f} points",
            points(coverage),
            coverage["low"] is not None and coverage["low"] > -COVERAGE_LOSS,
        ),
        *bars_of_wording(change),
        Bar("notes", f"at least {NOTES}", str(change["notes_in_common"]), change["notes_in_common"] >= NOTES),
        *_of_counterfactual(record),
        Bar("time of all steps", f"at most {SECONDS / 3600:.0f} hours", f"{hours:.1f} hours", hours <= SECONDS / 3600),
    ]


def _of_control(record: Mapping[str, Any]) -> list[Bar]:
    """Stage B must beat more of Stage A's own training, or preferences are not what helped."""
    change = record["changes"].get("stage_b against control")
    return [] if change is None else [bar_of_control(change["oracle"])]


def bar_of_control(turned: Mapping[str, Any]) -> Bar:
    """Stage B against the control arm, by what was fixed and broken."""
    fixed, broken, p = (turned[name] for name in ("fixed", "broken", "mcnemar_p"))
    return Bar(
        "Stage B beats the control arm, exact McNemar",
        f"more fixed than broken, p < {CONTROL_P}",
        f"{fixed} fixed, {broken} broken, p = {p:.2g}",
        fixed > broken and p < CONTROL_P,
    )


def bars_of_wording(change: Mapping[str, Any]) -> list[Bar]:
    """Saying less, or worse, is no success: ROUGE-L and length, Stage B's against Stage A's."""
    rouge, ratio = change["changes"]["rouge_l"], change["says_as_much"]["median_length_ratio"]["ratio"]
    return [
        Bar(
            "mean ROUGE-L, change",
            f"not below {-100 * ROUGE_LOSS:.0f} point",
            points(rouge),
            rouge["difference"] >= -ROUGE_LOSS,
        ),
        Bar(
            "median length, Stage B to Stage A",
            f"{LENGTH_RATIO[0]} to {LENGTH_RATIO[1]}",
            "no data" if ratio is None else f"{ratio:.2f}",
            ratio is not None and LENGTH_RATIO[0] <= ratio <= LENGTH_RATIO[1],
        ),
    ]


def _of_counterfactual(record: Mapping[str, Any]) -> list[Bar]:
    """Enough facts must have been changed to tell."""
    found = record["counterfactual"]
    if found is None:
        return []
    return [Bar("facts changed one by one", f"at least {CHANGES}", str(found["changes"]), found["changes"] >= CHANGES)]


def percent(rate: Mapping[str, Any]) -> str:
    """A rate with its interval: 24 % [19 to 29]."""
    if rate["share"] is None:
        return "no data"
    return f"{100 * rate['share']:.0f} % [{100 * rate['low']:.0f} to {100 * rate['high']:.0f}]"


def points(change: Mapping[str, Any] | None) -> str:
    """A change of a share in percentage points, with its interval: -1.2 [-2.8 to +0.4]."""
    return signed(change, 100, ".1f")


def signed(change: Mapping[str, Any] | None, times: float = 1, form: str = ".2f") -> str:
    """A change with its interval, where it has one."""
    if change is None:
        return "no data"
    form = f"+z{form}"
    shown = format(times * change["difference"], form)
    if change["low"] is None:
        return shown
    return f"{shown} [{format(times * change['low'], form)} to {format(times * change['high'], form)}]"


def ratio(value: float | None) -> str:
    return "no data" if value is None else f"{value:.2f}"
