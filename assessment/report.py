"""What the report says: the figures as a verdict, facts and sections, for the terminal, the text file and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from assessment.agreement import Paired, disagreements, paired
from assessment.comparison import ComparisonFigures
from assessment.figures import LONGEST_SECONDS, Figures
from assessment.session import SEVERITIES, TYPES, Key
from utils.statistics import THRESHOLD, Rate, above_rule, interval_answer, total_needed

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A heading, rows of name and value, and remarks in whole sentences."""

    title: str
    rows: Rows
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """All that is told. ``commands`` are to be copied; ``rates`` are drawn on the page beside the threshold."""

    title: str
    facts: Rows
    verdict: Literal["pass", "warn", "fail"]
    headline: str
    advice: Sequence[str]
    commands: Sequence[str] = ()
    sections: Sequence[Section] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)


def assessment_report(
    figures: Figures, source: str, own: Mapping[Key, bool], others: Mapping[str, Mapping[Key, bool]]
) -> Report:
    """The labels of one model. ``own`` are this annotator's, ``others`` those of further annotators by name."""
    unseen = figures.unlabelled - figures.skipped
    labelled = f"{figures.rate.total} of {figures.items} ({figures.skipped} skipped, {unseen} not seen)"
    facts = [("Labelled", labelled), *_stale(figures)]
    title = f"Manual assessment of {source}"
    if not figures.rate.total:
        return Report(title, facts, "warn", "NOTHING IS LABELLED YET: no rate, no verdict.", ())
    facts.append(("Hallucinated", in_full(figures.rate)))
    if figures.flagged:
        facts.append(("Flagged", _ids(figures.flagged)))
    sections = [*_kinds(figures), *_sentences(figures), _time(figures), *_screen(figures)]
    sections += [_annotator(name, own, theirs) for name, theirs in others.items() if own.keys() & theirs.keys()]
    above, sure = above_rule(figures.rate), interval_answer(figures.rate)
    share = f"{percent(figures.rate.share)} is {'above' if above else 'not above'} {percent(THRESHOLD)}"
    advice = [_certainty(figures)]
    if above:
        advice.append(
            "If Stage B wrote these summaries, train it for one epoch more (--num_epochs 3) or with a stronger "
            "preference (--beta 0.2)."
        )
    return Report(
        title,
        facts,
        "warn" if sure == "unclear" else "fail" if above else "pass",
        f"{'PROCEED TO STAGE B' if above else 'READY'}: {share}.",
        advice,
        ("python generate_phase2_data.py", "python stage_b_dpo_training.py") if above else (),
        sections,
        {"summaries": figures.rate},
    )


def comparison_report(figures: ComparisonFigures, names: tuple[str, str], apart: Paired, left_out: int) -> Report:
    """Two models, told by name only here. ``apart`` counts labels of sittings in which each was judged alone."""
    judged = figures.judged
    facts = [
        ("First file", names[0]),
        ("Second file", names[1]),
        (
            "Notes",
            f"{figures.pairs} in both files, {judged.total} judged; {figures.same} with the same summary",
        ),
    ]
    if left_out:
        facts.append(("Left out", f"{left_out} rows whose note is not in both files"))
    title = "Blind comparison of two models"
    sections = []
    if judged.total:
        facts += [("First rate", in_full(judged.first)), ("Second rate", in_full(judged.second))]
        sections.append(Section("The same notes, side by side", _changes(judged), [_MCNEMAR]))
    if sum(figures.better):
        sections.append(_preferences(figures))
    if apart.total:
        rows = [("first", in_full(apart.first)), ("second", in_full(apart.second)), *_changes(apart)]
        sections.append(Section("Labels of earlier sittings, each model alone", rows, [_MCNEMAR]))
    table = judged if judged.total else apart
    if not table.total:
        return Report(title, facts, "warn", "NOTHING IS JUDGED ON BOTH SIDES YET: no comparison.", (), (), sections)
    fewer = table.first_only - table.second_only
    which = "THE SECOND HALLUCINATES LESS" if fewer > 0 else "THE FIRST HALLUCINATES LESS" if fewer else "NO DIFFERENCE"
    clear = table.mcnemar_p < 0.05
    advice = (
        "The difference is more than chance (exact McNemar p below 0.05)."
        if clear
        else "No more than chance may give (exact McNemar p not below 0.05): judge more notes."
    )
    verdict: Literal["pass", "warn", "fail"] = "warn" if not clear else "pass" if fewer > 0 else "fail"
    headline = f"{which}: {percent(table.first.share)} against {percent(table.second.share)}."
    rates = {"first": table.first, "second": table.second}
    return Report(title, facts, verdict, headline, [advice], (), sections, rates)


_MCNEMAR = "p is from the exact two-sided McNemar test of the notes on which the two differ."


def _changes(table: Paired) -> Rows:
    return [
        ("only first", f"{table.first_only} (put right by the second)"),
        ("only second", f"{table.second_only} (new in the second)"),
        ("both", str(table.both)),
        ("neither", str(table.neither)),
        ("p", f"{table.mcnemar_p:.3g}"),
    ]


def _preferences(figures: ComparisonFigures) -> Section:
    first, second, equal = figures.better
    rows = [("first", str(first)), ("second", str(second)), ("equal", str(equal)), ("p", f"{figures.better_p:.3g}")]
    return Section("Which summary is better", rows, ["p is from the exact two-sided sign test."])


def _stale(figures: Figures) -> Rows:
    rows = []
    if figures.changed:
        changed = f"the row's text changed since it was labelled: {_ids(figures.changed)}"
        rows.append(("Not counted", f"{len(figures.changed)}: {changed}"))
    if figures.gone:
        rows.append(("Not counted", f"{len(figures.gone)}: no such row in this file: {_ids(figures.gone)}"))
    return rows


def _kinds(figures: Figures) -> list[Section]:
    types = [(name or "not given", str(figures.types.get(name, 0))) for name in (*TYPES, None)]
    severities = [(name or "not given", str(figures.severities.get(name, 0))) for name in (*SEVERITIES, None)]
    return [Section("Kinds of hallucination", types), Section("Severity of hallucinations", severities)]


def _sentences(figures: Figures) -> list[Section]:
    marked = figures.rate.events - figures.unmarked
    if not marked:
        return []
    rows = [("hallucinated", in_full(figures.sentence_rate))]
    remarks = ["Sentences of one summary are alike, so the interval is narrower than it should be."]
    if figures.unmarked:
        remarks.append(
            f"{figures.unmarked} hallucinated summaries in which no sentence was marked are left out: the true rate is "
            "higher."
        )
    return [Section("Sentences", rows, remarks)]


def _time(figures: Figures) -> Section:
    rows = [
        ("median", f"{figures.median_seconds:.0f} s an item"),
        ("in all", f"{sum(figures.seconds) / 60:.0f} min for {len(figures.seconds)} labels"),
    ]
    return Section("Time", rows, [f"More than {LONGEST_SECONDS / 60:.0f} minutes on an item count as that."])


def _screen(figures: Figures) -> list[Section]:
    table = figures.screen
    if table is None or not table.total:
        return []
    found = f"{table.both} of {table.both + table.first_only} that you call hallucinated"
    spared = f"{table.neither} of {table.neither + table.second_only} that you call clean"
    rows = [("flagged", found), ("not flagged", spared), *_agreement(table)]
    remarks = ["The flags were shown (--show_flags), so the labels are not independent of them."]
    return [Section("The automatic screen against these labels", rows, remarks if figures.flags_shown else ())]


def _annotator(name: str, own: Mapping[Key, bool], theirs: Mapping[Key, bool]) -> Section:
    table, conflicts = paired(own, theirs), disagreements(own, theirs)
    rows = [("both labelled", f"{table.total} summaries"), *_agreement(table)]
    if conflicts:
        rows.append(("to talk over", f"{len(conflicts)}: {_ids(conflicts)}"))
    return Section(f"Agreement with annotator {name}", rows)


def _agreement(table: Paired) -> Rows:
    kappa, positive = table.kappa, table.positive_agreement
    return [
        ("agreement", in_full(table.agreement)),
        ("positive", "-" if positive is None else f"{percent(positive)} (agreement on what is hallucinated)"),
        ("kappa", "- (all answers are the same)" if kappa is None else f"{kappa:.2f} (Cohen's; 0 is chance, 1 full)"),
    ]


def _certainty(figures: Figures) -> str:
    answer = interval_answer(figures.rate)
    if answer == "above":
        return f"CLEARLY ABOVE: the whole interval is above {percent(THRESHOLD)}."
    if answer == "below":
        return f"CLEARLY BELOW: the whole interval is at or below {percent(THRESHOLD)}."
    doubt = f"NOT ENOUGH LABELS TO TELL: {percent(THRESHOLD)} lies inside the interval, so this may be chance."
    needed = total_needed(figures.rate)
    if needed is None:
        return f"{doubt} The rate is so near that no number of labels may ever tell."
    more = needed - figures.rate.total
    way = "label on" if more <= figures.unlabelled else f"evaluate more notes (--max_examples {needed}) and label those"
    return f"{doubt} If the rate stays as it is, about {needed} labels would tell, {more} more: {way}."


def in_full(rate: Rate) -> str:
    """A rate with its interval."""
    return (
        f"{rate.events} of {rate.total} = {percent(rate.share)} "
        f"(95 % Wilson interval {percent(rate.low)} to {percent(rate.high)})"
    )


def percent(share: float | None) -> str:
    """A share with one decimal."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _ids(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
