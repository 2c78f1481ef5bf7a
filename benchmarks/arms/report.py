"""An outcome as text, drawn from outcome.json alone: OUTCOME.md, README's table, the row in LOG.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.arms.figures import percent, points, ratio, signed
from utils.files import atomic_writer

Record: TypeAlias = Mapping[str, Any]  # outcome.json

TITLES = {"stage_a": "Stage A", "control": "control: more SFT", "stage_b": "Stage B"}
COMPARED = {
    "control against stage_a": "control against A",
    "stage_b against stage_a": "B against A",
    "stage_b against control": "B against control",
}
ARM_ROWS: Mapping[str, Callable[[Record], str]] = {
    "summaries with an error, by the notes' facts": lambda arm: percent(arm["oracle"]["hallucination_rate"]),
    "the same, claims that could not be judged counted": lambda arm: percent(arm["oracle"]["upper_bound_rate"]),
    "summaries that the screen flags": lambda arm: percent(arm["screened_hallucination_rate"]),
    "summaries with an error and without a flag": lambda arm: percent(arm["wrong_without_a_flag"]),
    "wrong claims in a summary": lambda arm: f"{arm['errors_per_summary']:.2f}",
    "claims in a summary": lambda arm: f"{arm['oracle']['claims_per_summary']:.1f}",
    "important facts that are given": lambda arm: f"{100 * arm['oracle']['coverage']:.0f} %",
    "no summary at all": lambda arm: percent(arm["oracle"]["failed"]),
    "mean ROUGE-L": lambda arm: "no data" if arm["mean_rouge_l"] is None else f"{arm['mean_rouge_l']:.3f}",
    "words, median": lambda arm: f"{arm['median_words']:.0f}",
}
CHANGE_ROWS: Mapping[str, Callable[[Record], str]] = {
    "fixed, broken": lambda change: f"{change['oracle']['fixed']}, {change['oracle']['broken']}",
    "exact McNemar p": lambda change: f"{change['oracle']['mcnemar_p']:.2g}",
    "summaries with an error, points": lambda change: points(change["oracle"]["changes"]["summaries_with_an_error"]),
    "wrong claims in a summary": lambda change: signed(change["oracle"]["changes"]["errors_per_summary"]),
    "coverage of important facts, points": lambda change: points(change["oracle"]["changes"]["coverage"]),
    "mean ROUGE-L, points": lambda change: points(change["changes"]["rouge_l"]),
    "median length ratio": lambda change: ratio(change["says_as_much"]["median_length_ratio"]["ratio"]),
    "screen: fixed, broken": lambda change: f"{change['fixed']}, {change['broken']}; p = {change['mcnemar_p']:.2g}",
}
OUTCOMES = {
    "follows": "has the new value",
    "stays": "has the old one, which is not in the note",
    "drops": "does not give the fact any more",
    "other": "has another value",
}
README_ROWS = tuple(ARM_ROWS)[:7]
COMPARED_IN_README = {"stage_a": "Stage A", "control": "the control"}  # arms, and what README calls them
SOURCE = "benchmarks/outcome.json"  # named by README's marks
NOTHING_YET = "Not measured on the test notes yet."


def markdown(record: Record) -> str:
    """OUTCOME.md."""
    parts = (
        "# What Stage B does to the hallucination rate",
        headline(record),
        "Intervals are 95 %: Wilson's for rates, a paired bootstrap of notes for changes. A summary has an error when "
        "one of its claims contradicts the facts that its note was written from, or follows from none of them "
        "(`clinical/oracle/`).",
        arms_table(record, ARM_ROWS),
        "![rates with intervals, errors by type, coverage against rate](outcome.png)",
        "## What changed, note by note\n\n`B against A`: fixed is what has an error by A and none by B.",
        changes_table(record),
        "## What had to be reached\n\nSet before anything was measured.",
        bars_table(record),
        "## What is wrong\n\nWrong claims by type, in all summaries of an arm.",
        types_table(record),
        *counterfactual(record),
        "## How",
        how(record),
        steps_table(record),
        "\n".join(("```sh", *(step["command"] for step in record["steps"]), "```")),
        f"## {len(record['examples'])} notes with all summaries\n\nDrawn by the seed, not picked.",
        *map(example, record["examples"]),
    )
    return "\n\n".join(parts) + "\n"


def headline(record: Record) -> str:
    """One sentence: how many of each arm's summaries are wrong."""
    arms = record["arms"]
    rates = [f"{TITLES[name]} {percent(arm['oracle']['hallucination_rate'])}" for name, arm in arms.items()]
    kind = "test" if record["split"] == "test" else "validation"
    return f"Summaries with an error, of {record['notes']} {kind} notes: {'; '.join(rates)}."


def arms_table(record: Record, names: Iterable[str]) -> str:
    """A column for each arm."""
    arms = record["arms"]
    rows = ([name, *(ARM_ROWS[name](arm) for arm in arms.values())] for name in names)
    return table(("", *(TITLES[arm] for arm in arms)), rows)


def changes_table(record: Record) -> str:
    """A column for each two arms that are compared."""
    changes = record["changes"]
    rows = ([name, *(cell(change) for change in changes.values())] for name, cell in CHANGE_ROWS.items())
    return table(("", *(COMPARED[name] for name in changes)), rows)


def bars_table(record: Record) -> str:
    """Each bar, what was found, and whether it is met."""
    rows = ((bar["what"], bar["bar"], bar["found"], "met" if bar["met"] else "**not met**") for bar in record["bars"])
    return table(("", "bar", "found", ""), rows)


def types_table(record: Record) -> str:
    """Wrong claims of each type in each arm, the most frequent of Stage A's first."""
    counts = [arm["oracle"]["errors_by_type"] for arm in record["arms"].values()]
    types = dict.fromkeys(name for by_type in counts for name in by_type)
    rows = ([name, *(str(by_type.get(name, 0)) for by_type in counts)] for name in types)
    return table(("type", *(TITLES[arm] for arm in record["arms"])), rows)


def counterfactual(record: Record) -> list[str]:
    """Whether summaries follow a note in which one fact was changed; nothing where it was left out."""
    found = record["counterfactual"]
    if found is None:
        return []
    stage_a, stage_b = found["models"]
    change = found["comparisons"][0]
    rows = [(OUTCOMES[name], percent(stage_a[name]), percent(stage_b[name])) for name in OUTCOMES]
    kinds = [
        (kind, str(ends["follows"]["total"]), str(ends["follows"]["events"]), str(later["follows"]["events"]))
        for (kind, ends), later in zip(stage_a["by_kind"].items(), stage_b["by_kind"].values(), strict=True)
    ]
    return [
        "## Does the summary follow its note?",
        "One fact of a note, which both models' summaries of it give, was changed, and the note summarised again: "
        f"{found['changes']} facts (`benchmarks/counterfactual.py`).",
        table(("the summary of the changed note", TITLES["stage_a"], TITLES["stage_b"]), rows),
        f"Stage B follows where Stage A did not: {change['gained']}; the reverse: {change['lost']} (exact McNemar p = "
        f"{change['mcnemar_p']:.2g}). Followed, by kind of fact:",
        table(("kind", "changes", TITLES["stage_a"], TITLES["stage_b"]), kinds),
    ]


def how(record: Record) -> str:
    """Settings, machine and date, and the command that does all of it."""
    machine = record["machine"]
    unusual = as_options(record["unusual"]) or "none"
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "transformers", "trl", "peft"))
    return (
        f"`{' '.join(record['command'])}`, ended {record['date'][:10]} on {machine['processors_used']} cores of a "
        f"{machine['processor']} ({machine['system']}; {versions}). {pairs_in_words(record)} Settings that are not the "
        f"scripts' defaults: {unusual}. The control arm is trained by the same command with TRL's loss `sft`, the "
        "cross entropy of the chosen summary's tokens: same pairs, same order, same steps and learning rate."
    )


def pairs_in_words(record: Record) -> str:
    """What was trained on."""
    counts = [f"{found['train_pairs']} pairs ({name})" for name, found in record["trained"].items()]
    own = [
        f"{_own(found)} of {found['train']['pairs']} made were of the model's own summaries"
        for found in record["pairs"].values()
    ]
    return f"Trained on {', '.join(counts)}; {'; '.join(own)}."


def _own(made: Mapping[str, Any]) -> int:
    """How many training pairs are of the model's own summaries, in what step 1 says of them."""
    return sum(made["train"]["the model's own, by what is chosen"].values())


def steps_table(record: Record) -> str:
    """What each step took."""
    seconds = [step["seconds"] for step in record["steps"]]
    rows = [(step["name"], f"{step['seconds'] / 60:.1f}") for step in record["steps"]]
    return table(("step", "minutes"), [*rows, ("all", f"{sum(seconds) / 60:.1f}")])


def example(shown: Record) -> str:
    """One note beside the summary of each arm, and what is wrong in it."""
    note = "\n".join(f"> {line}".rstrip() for line in shown["note"].strip().splitlines())
    return "\n\n".join((f"### {shown['example_id']}", note, *(_summary(*item) for item in shown["summaries"].items())))


def _summary(arm: str, summary: Record) -> str:
    wrong = ", ".join(summary["wrong"]) or "nothing"
    return f"**{TITLES[arm]}.** {' '.join(summary['text'].split())}\n\nWrong: {wrong}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def as_options(values: Mapping[str, Any]) -> str:
    """Settings as the command line has them."""
    shown = []
    for name, value in values.items():
        items = value if isinstance(value, list) else [] if value is True else [value]
        shown.append(" ".join((f"--{name}", *(f"{i:g}" if isinstance(i, float) else str(i) for i in items))))
    return " ".join(f"`{option}`" for option in shown)


# ---------------------------------------------------------------------- README's results and the log


def for_readme(record: Record | None) -> str:
    """What stands in README between the marks of outcome.json."""
    if record is None:
        return NOTHING_YET
    changes = {words: record["changes"].get(f"stage_b against {arm}") for arm, words in COMPARED_IN_README.items()}
    compared = "; ".join(
        f"against {words} {change['oracle']['fixed']} fixed and {change['oracle']['broken']} broken "
        f"(exact McNemar p = {change['oracle']['mcnemar_p']:.2g})"
        for words, change in changes.items()
        if change is not None
    )
    hours = sum(step["seconds"] for step in record["steps"]) / 3600
    said = (
        f"{record['notes']} test notes, 95 % intervals; {compared}; {hours:.1f} hours on "
        f"{record['machine']['processors_used']} cores. What changed, note by note, and what was not reached: "
        "`benchmarks/OUTCOME.md`."
    )
    return f"{arms_table(record, README_ROWS)}\n\n{said}"


LOG_COLUMNS = (
    *("run", "date", "notes", "settings beside the defaults", "pairs (own)", "Stage A", "control", "Stage B"),
    *("fixed, broken; p", "coverage", "ROUGE-L", "length", "chosen; margin", "minutes"),
)


def log_row(record: Record) -> str:
    """The run's line in the log, in the order of LOG_COLUMNS."""
    arms, change = record["arms"], record["changes"]["stage_b against stage_a"]
    rates = [percent(arms[a]["oracle"]["hallucination_rate"]) if a in arms else "–" for a in TITLES]
    own = sum(map(_own, record["pairs"].values()))
    made = sum(found["train"]["pairs"] for found in record["pairs"].values())
    trained = sum(found["train_pairs"] for step, found in record["trained"].items() if step.startswith("stage_b"))
    p = change["oracle"]["mcnemar_p"]
    notes = f"{record['notes']} {record['split']}"
    cells = (
        record["run"],
        record["date"][:10],
        f"**{notes}**" if record["split"] == "test" else notes,
        as_options(record["unusual"]),
        f"{trained} ({100 * own / made:.0f} %)",
        *rates,
        f"{change['oracle']['fixed']}, {change['oracle']['broken']}; {p:.2g}",
        points(change["oracle"]["changes"]["coverage"]),
        points(change["changes"]["rouge_l"]),
        ratio(change["says_as_much"]["median_length_ratio"]["ratio"]),
        _in_nats(record),
        f"{sum(step['seconds'] for step in record['steps']) / 60:.0f}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _in_nats(record: Record) -> str:
    """How far Stage B's last round has moved the validation pairs: their chosen summaries, and chosen against rejected.

    Changes of log-probability against the round's reference: TRL's rewards without beta, so that runs with different
    betas compare.
    """
    last = [found for step, found in record["trained"].items() if step.startswith("stage_b")][-1]
    return "; ".join(f"{last[name] / record['beta']:+.1f}" for name in ("val_chosen_reward", "val_margin"))


def add_to_log(path: Path, record: Record) -> None:
    """Add the run's line at the end of the log, once: the same run again is no other run."""
    text = path.read_text("utf-8")
    if f"| {record['run']} |" in text:
        return
    with atomic_writer(path) as file:
        file.write(f"{text.rstrip()}\n{log_row(record)}\n")
