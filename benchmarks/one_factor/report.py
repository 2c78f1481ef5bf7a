"""A sweep as text, drawn from sweep.json alone: SWEEP.md, the Guide's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from benchmarks.arms.figures import percent, points
from benchmarks.arms.report import table
from benchmarks.arms.steps import as_words
from benchmarks.one_factor.plan import SETTING

Record: TypeAlias = Mapping[str, Any]  # sweep.json

TITLES = {
    "learning_rate": "Learning rate",
    "num_epochs": "Epochs",
    "loss": "Loss",
    "beta": "Beta",
    "all_weights": "All weights, learning rate",
}
OF_SUMMARIES: Mapping[str, Callable[[Record], str]] = {
    "summaries with an error": lambda found: percent(found["hallucination_rate"]),
    "wrong claims in a summary": lambda found: f"{found['errors_per_summary']:.2f}",
    "important facts given": lambda found: f"{100 * found['coverage']:.0f} %",
    "words, median": lambda found: f"{found['median_words']:.0f}",
}
OF_ARM: Mapping[str, Callable[[Record], str]] = {
    "against Stage A: fixed, broken; p": lambda arm: turned(arm["against_stage_a"]),
    "its change of coverage, points": lambda arm: points(arm["against_stage_a"]["coverage"]),
    "against the setting: fixed, broken; p": lambda arm: turned(arm["against_setting"]),
    "chosen, nats": lambda arm: f"{arm['training']['chosen']:+.1f}",
    "margin, nats": lambda arm: f"{arm['training']['margin']:+.1f}",
    "accuracy": lambda arm: f"{100 * arm['training']['accuracy']:.0f} %",
    "minutes": lambda arm: f"{arm['minutes']:.0f}",
}
# The Guide's, which fit on a page.
IN_GUIDE: Mapping[str, Callable[[Record], str]] = {
    "summaries with an error": lambda arm: OF_SUMMARIES["summaries with an error"](arm["summaries"]),
    "coverage, points": OF_ARM["its change of coverage, points"],
    "chosen; margin, nats": lambda arm: f"{OF_ARM['chosen, nats'](arm)}; {OF_ARM['margin, nats'](arm)}",
}
SOURCE = "benchmarks/sweep.json"  # named by the Guide's marks
EXPLAINED = (
    "A summary has an error when one of its claims contradicts the facts that its note was written from, or follows "
    "from none of them (`clinical/oracle/`). Intervals are 95 %: Wilson's for rates, a paired bootstrap of notes for "
    "changes. *Fixed, broken; p* goes note by note (exact McNemar); each p is that of one comparison, and here are "
    "many. *Chosen*, *margin* and *accuracy* are of validation pairs at the end of training: how much likelier the "
    "chosen summary has become since Stage A, by how much more than the rejected one (log-probs of whole summaries), "
    "and in how many pairs. *Minutes* are of training; the first run's hold the reference pass, which others read."
)


def markdown(record: Record) -> str:
    """SWEEP.md; what has not been measured yet is named."""
    parts = [
        "# What each setting of Stage B does",
        f"{record['train_pairs']} training pairs, {record['notes']} validation notes. One option is changed at a time, "
        f"all others stay at the setting, in bold: {as_code(record['setting'])}.{missing(record)}",
        EXPLAINED,
        "![rate, coverage and their changes against Stage A, a panel for each factor](sweep.png)",
        *(f"## {TITLES[factor]}\n\n{factor_table(record, factor)}" for factor in record["factors"]),
        "## Training curves",
        "Chosen by the figures of the runs.",
        *(curve(record, title, arm) for title, arm in record["curves"].items()),
        "## How",
        how(record),
    ]
    return "\n\n".join(parts) + "\n"


def for_guide(record: Record) -> str:
    """What stands in the Guide between the marks of sweep.json: Stage A, and a row for each arm that was measured."""
    stage_a = OF_SUMMARIES["summaries with an error"](record["stage_a"])
    rows = [["Stage A", stage_a, *["–"] * (len(IN_GUIDE) - 1)]]
    for name, arm in record["arms"].items():
        words = in_words(record, name)
        rows.append([f"**{words}**" if name == SETTING else words, *(cell(arm) for cell in IN_GUIDE.values())])
    return table(("", *IN_GUIDE), rows)


def missing(record: Record) -> str:
    """The arms that are still to be trained, as a sentence; nothing where all are there."""
    named = {arm: in_words(record, arm) for values in record["factors"].values() for arm in values.values()}
    left = [words for arm, words in named.items() if arm not in record["arms"]]
    return f" Not measured yet: {', '.join(left)}." if left else ""


def factor_table(record: Record, factor: str) -> str:
    """Stage A, then a row for each value that has been measured."""
    none = ["–"] * len(OF_ARM)
    rows = [["Stage A", *(cell(record["stage_a"]) for cell in OF_SUMMARIES.values()), *none]]
    for value, name in record["factors"][factor].items():
        arm = record["arms"].get(name)
        if arm is None:
            continue
        cells = [cell(arm["summaries"]) for cell in OF_SUMMARIES.values()] + [cell(arm) for cell in OF_ARM.values()]
        rows.append([f"**{value}**" if name == SETTING else value, *cells])
    return table(("", *OF_SUMMARIES, *OF_ARM), rows)


def curve(record: Record, title: str, name: str) -> str:
    """The training curves of one arm, and the figures for which they were chosen."""
    arm = record["arms"][name]
    chosen, margin, accuracy = (OF_ARM[figure](arm) for figure in ("chosen, nats", "margin, nats", "accuracy"))
    words, rate = title.replace("_", " ").capitalize(), percent(arm["summaries"]["hallucination_rate"])
    return (
        f"### {words}: {in_words(record, name)}\n\nSummaries with an error {rate}; "
        f"coverage {points(arm['against_stage_a']['coverage'])} points; chosen {chosen} nats, margin {margin} nats, "
        f"accuracy {accuracy}.\n\n![{words}](sweep_curves/{title}.png)"
    )


def in_words(record: Record, name: str) -> str:
    """What an arm changes."""
    places = (
        (factor, value) for factor, values in record["factors"].items() for value in values if values[value] == name
    )
    factor, value = next(places, (SETTING, ""))
    return f"{TITLES[factor].lower()} {value}" if name != SETTING else "the setting"


def turned(change: Record | None) -> str:
    """Summaries put right and made wrong, and McNemar's p; a dash for what is compared with itself."""
    return "–" if change is None else f"{change['fixed']}, {change['broken']}; {change['mcnemar_p']:.2g}"


def how(record: Record) -> str:
    """Command, machine, date, and how the pairs were made."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "transformers", "trl", "peft"))
    return (
        f"`{' '.join(record['command'])}`, ended {record['date'][:10]} on {machine['processors_used']} cores of a "
        f"{machine['processor']} ({machine['system']}; {versions}). Pairs: `--on_policy` {as_code(record['pairs'])}. "
        "Where all weights are trained, an adapter of Stage A was merged into its base first. More epochs go on with "
        "the run of fewer."
    )


def as_code(options: Record) -> str:
    """Options as a command line has them."""
    return f"`{' '.join(as_words(options))}`"
