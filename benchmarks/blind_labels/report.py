"""A comparison on real text as text and picture, drawn from real_text.json alone: REAL_TEXT.md, real_text.png."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.arms.figures import percent, points, ratio
from benchmarks.arms.plot import draw_rates
from benchmarks.arms.report import COMPARED, TITLES, Record, bars_table, how, steps_table, table
from benchmarks.blind_labels.figures import TOGETHER, verdict_of

SOURCE = (
    "The notes are the doctor-patient dialogues of MTS-Dialog (Ben Abacha, Yim, Fan and Lin: An Empirical Study of "
    "Clinical Note Generation from Doctor-Patient Encounters, EACL 2023; github.com/abachaa/MTS-Dialog, CC BY 4.0), "
    "each beside the section of the visit note that was written for it. None of their text is here."
)
SCREEN_ROWS: Mapping[str, Callable[[Record], str]] = {
    "flagged by the screen": lambda arm: percent(arm["screened_hallucination_rate"]),
    "flagged claims in a summary": lambda arm: f"{arm['flagged_claims_per_summary']:.2f}",
    "mean ROUGE-L": lambda arm: "no data" if arm["mean_rouge_l"] is None else f"{arm['mean_rouge_l']:.3f}",
    "words, median": lambda arm: f"{arm['median_words']:.0f}",
    "empty summaries": lambda arm: str(arm["empty_summaries"]),
}
READERS_CHANGES: Mapping[str, Callable[[Record], str]] = {
    "notes, both summaries judged": lambda change: str(change["notes"]),
    "fixed, broken": lambda change: f"{change['fixed']}, {change['broken']}",
    "exact McNemar p": lambda change: f"{change['mcnemar_p']:.2g}",
    "wrong summaries, points": lambda change: points(change["change"]),
    "wrong summaries, fewer": lambda change: "no data" if change["fewer"] is None else f"{100 * change['fewer']:.0f} %",
}
SCREEN_CHANGES: Mapping[str, Callable[[Record], str]] = {
    "screen: fixed, broken": lambda change: f"{change['fixed']}, {change['broken']}; p = {change['mcnemar_p']:.2g}",
    "medicines, conditions, procedures given, points": lambda change: points(change["changes"]["coverage"]),
    "mean ROUGE-L, points": lambda change: points(change["changes"]["rouge_l"]),
    "median length ratio": lambda change: ratio(change["says_as_much"]["median_length_ratio"]["ratio"]),
}


def markdown(record: Record) -> str:
    """REAL_TEXT.md."""
    parts = (
        "# What Stage B does on real text",
        headline(record),
        SOURCE,
        blinding(record),
        "Intervals are 95 %: Wilson's for rates, Lang and Reiczigel's (2014) for corrected ones, a paired bootstrap of "
        "notes for changes.",
        arms_table(record),
        "![rates by readers and by the screen](real_text.png)",
        "## What changed, note by note\n\n`B against A`: fixed is what is wrong in A's summary and not in B's.",
        changes_table(record),
        "## What had to be reached\n\nSet before anything was measured.",
        bars_table(record),
        "## The readers",
        readers_table(record),
        *agreement(record),
        limits(record),
        "## How",
        how(record),
        stage_a(record),
        steps_table(record),
        "\n".join(("```sh", *(step["command"] for step in record["steps"]), "```")),
    )
    return "\n\n".join(parts) + "\n"


def headline(record: Record) -> str:
    """One sentence: how many of each arm's summaries the readers find wrong."""
    rates = [f"{TITLES[arm]} {percent(found['rate'])}" for arm, found in verdict_of(record)["arms"].items()]
    return f"Summaries that readers find wrong, of {record['notes']} notes: {'; '.join(rates)}."


def blinding(record: Record) -> str:
    """What the readers had before them."""
    labels, controls = record["labels"], record["controls"]
    readers = len(labels["skipped"])
    who = f" ({labels['readers']})" if labels["readers"] else ""
    kinds = ", ".join(f"{kind} {count}" for kind, count in controls["kinds"].items())
    words = " and ".join(f"{median:g}" for median in controls["median_words"].values())
    return (
        f"{readers} reader{'s' * (readers > 1)}{who} judged {labels['summaries']} summaries against their notes, in random "
        "order, without a word on who wrote them: those of the three arms (the same text by several once), "
        f"{controls['gold']} references, and {controls['planted']} other references in which one fact had been made "
        f"wrong ({kinds}); the medians of their lengths are {words} words. "
        f"Passed over as impossible to tell: {', '.join(map(str, labels['skipped']))}."
    )


def arms_table(record: Record) -> str:
    """A column for each arm: the readers' rates, then what the screen counts."""
    arms, judged = record["arms"], verdict_of(record)["arms"]
    rows = [
        ["wrong by the readers", *(percent(judged[arm]["rate"]) for arm in arms)],
        ["the same, corrected for their own errors", *(percent(judged[arm]["corrected"]) for arm in arms)],
        *([name, *(cell(arm) for arm in arms.values())] for name, cell in SCREEN_ROWS.items()),
    ]
    return table(("", *(TITLES[arm] for arm in arms)), rows)


def changes_table(record: Record) -> str:
    """A column for each two arms that are compared."""
    judged, screened = verdict_of(record)["changes"], record["changes"]
    rows = [
        *([name, *(cell(judged[change]) for change in COMPARED)] for name, cell in READERS_CHANGES.items()),
        *([name, *(cell(screened[change]) for change in COMPARED)] for name, cell in SCREEN_CHANGES.items()),
    ]
    return table(("", *COMPARED.values()), rows)


def readers_table(record: Record) -> str:
    """How well each reader tells known errors from known truth, and what they say of each arm."""
    rows = [
        [
            name,
            percent(judge["sensitivity"]),
            percent(judge["specificity"]),
            *(percent(found["rate"]) for found in judge["arms"].values()),
        ]
        for name, judge in record["labels"]["judges"].items()
    ]
    head = ("", "planted errors found (sensitivity)", "references found sound (specificity)")
    return table((*head, *(TITLES[arm] for arm in record["arms"])), rows)


def agreement(record: Record) -> list[str]:
    """Cohen's kappa and raw agreement of each two readers; nothing for one reader alone."""
    found = record["labels"]["agreement"]
    if not found:
        return []
    rows = [
        (
            " and ".join(two["readers"]),
            str(two["summaries"]),
            percent(two["agreement"]),
            ratio(two["positive_agreement"]),
            ratio(two["kappa"]),
        )
        for two in found
    ]
    return [
        f"`{TOGETHER}`: what most of them say, wrong where they are split evenly.",
        table(("", "judged by both", "same verdict", "agreement on wrong", "Cohen's kappa"), rows),
    ]


def limits(record: Record) -> str:
    """What the figures cannot tell."""
    return (
        "Corrected rates are Rogan and Gladen's (1978): as if the readers erred on the arms' summaries as they do on "
        "planted errors and on references. A planted error may be easier or harder to see than a model's own. "
        "References are not always right; those in which the screen finds something are left out, but what a "
        "reader rightly marks in the others counts as the reader's error, so that specificity and corrected rates are "
        "rather too low. Nobody but the readers has judged the text: there are no known facts behind these notes."
    )


def stage_a(record: Record) -> str:
    """What Stage A was trained on."""
    found = record["stage_a"]
    return (
        f"Stage A was trained here, on {found['train_rows']} of the training rows ({found['steps']} steps, validation "
        f"loss {found['val_loss']:.3f} on {found['val_rows']} others), with the settings of the shipped one but for "
        "those named above. The notes that are summarised were seen in no training."
    )


def draw(record: Record, path: Path) -> None:
    """Draw the rates by each judge into a PNG, those that cannot be corrected left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    judged = verdict_of(record)["arms"]
    judges: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
        "readers": lambda arm: arm["rate"],
        "readers, corrected": lambda arm: arm["corrected"],
        "screen": lambda arm: arm["screened_hallucination_rate"],
    }
    arms = {arm: {**record["arms"][arm], **judged[arm]} for arm in judged}
    known = {
        name: rate for name, rate in judges.items() if all(rate(arm)["share"] is not None for arm in arms.values())
    }
    figure, panel = plt.subplots(figsize=(7, 4.2), layout="constrained")
    draw_rates(panel, arms, known)
    panel.legend()
    panel.set_title(f"Summaries with an error, {record['notes']} notes of real text, 95 % intervals")
    figure.savefig(path, dpi=150)
    plt.close(figure)
