"""The report as one HTML file: the verdict, the pictures, then every note beside its summaries with what was found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from evaluation_stage_a.charts import charts
from evaluation_stage_a.comparison import OUTCOMES, outcome
from evaluation_stage_a.known_facts import ERRORS, HALLUCINATED, OMITTED
from evaluation_stage_a.passages import Finding, Piece, findings, pieces, word_diff
from evaluation_stage_a.report import ORACLE_NOTE, ORACLE_ROWS, ROWS, cell
from evaluation_stage_a.verdict import ORACLE, SCREEN, change_in_words, explained, headline, signed
from utils.hostile_text import visible
from utils.html_page import write_page

_TEMPLATE = Path(__file__).parent / "page.html"
_TITLES = {
    ORACLE: {
        "fixed": "Fixed",
        "broken": "Broken",
        "both": "Wrong both times",
        "neither": "Right both times",
        "wrong": "Wrong",
        "clean": "Right",
    },
    SCREEN: {  # which says no more than this
        "fixed": "No longer flagged",
        "broken": "Newly flagged",
        "both": "Flagged both times",
        "neither": "Never flagged",
        "wrong": "Flagged",
        "clean": "Not flagged",
    },
}
_PREFIXES = {"before": "B", "after": "A", "only": ""}  # of the labels of what is found
_TONE = {"above": "fail", "unclear": "warn", "below": "pass"}
_ORDER = ("broken", "both", "wrong", "fixed", "neither", "clean")  # what is worth reading comes first
_CHANGES = (
    ("summaries_with_a_flag", "summaries with a flag (screen)", 100, "points"),
    ("flagged_sentences", "sentences with a flag (screen)", 100, "points"),
    ("flagged_claims", "claims flagged (screen)", 100, "points"),
    ("coverage", "named, of what the reference names (screen)", 100, "points"),
    ("rouge_l", "ROUGE-L", 100, "points"),
    ("words", "words", 1, ""),
)
_ORACLE_CHANGES = (
    ("summaries_with_an_error", "summaries with an error (oracle)", 100, "points"),
    ("errors_per_summary", "errors a summary (oracle)", 1, ""),
    ("coverage", "important facts given (oracle)", 100, "points"),
)


class SummaryView(NamedTuple):
    """One summary as the page shows it. ``when`` is before, after or only; ``left_out`` are names or facts."""

    when: str
    pieces: list[Piece]
    findings: list[Finding]
    words: int
    left_out: list[str]


class NoteView(NamedTuple):
    """One note with its summaries; ``outcome`` is a key of the titles, ``types`` are of all that was found.

    ``diff`` leads from the first summary to the last; empty where they are the same.
    """

    number: int
    name: str
    pieces: list[Piece]
    summaries: list[SummaryView]
    diff: list[tuple[str, str]]
    reference: str
    outcome: str
    types: set[str]


def write_html(
    path: Path,
    about: Mapping[str, str],
    figures: Mapping[str, Any],
    results: pd.DataFrame,
    before: pd.DataFrame | None = None,
) -> None:
    """Write the report of one model, or of two on the same notes (``before``, and ``comparison`` in the figures).

    ``about`` says what was evaluated, as lines for the head of the page. The file holds the notes: its owner alone may
    read it.
    """
    write_page(path, _TEMPLATE, page_values(about, figures, results, before))


def page_values(
    about: Mapping[str, str], figures: Mapping[str, Any], results: pd.DataFrame, before: pd.DataFrame | None
) -> dict[str, Any]:
    """What the template shows."""
    comparison = figures.get("comparison")
    models = {"before": comparison["before"], "after": comparison["after"]} if comparison else {"only": figures}
    last = list(models.values())[-1]
    exact = all("oracle" in one for one in models.values())
    frames = {"before": before, "after": results} if before is not None else {"only": results}
    references = results["ground_truth"].map(lambda text: len(text.split()))
    words = {"reference": references[references > 0], **{when: frame["words"] for when, frame in frames.items()}}
    notes = note_views(frames)
    types = Counter(kind for note in notes for kind in note.types)
    return {
        "about": about,
        "models": models,
        "last": last,
        "exact": exact,
        "tone": _TONE[last["verdict"]["answer"]],
        "headline": headline(last["verdict"]),
        "sentences": [explained(last["verdict"]), *(change_in_words(comparison) if comparison else [])],
        "comparison": comparison,
        "turned": comparison.get("oracle", comparison) if comparison else None,
        "changes": _changes(comparison) if comparison else [],
        "rows": _rows(models, exact),
        "charts": charts(models, {when: lengths for when, lengths in words.items() if len(lengths)}),
        "notes": notes,
        "outcomes": {kind: sum(note.outcome == kind for note in notes) for kind in _ORDER},
        "types": dict(types.most_common()),
        "titles": _TITLES[last["verdict"]["judge"]],
        "turn_names": OUTCOMES,
        "oracle_note": ORACLE_NOTE if exact else "",
        "visible": visible,
    }


def note_views(frames: Mapping[str, pd.DataFrame]) -> list[NoteView]:
    """Every note of the last of the frames, with its summaries of all; those worth reading first, else in order."""
    rows = {when: dict(zip(f["clinical_note"], f.to_dict("records"), strict=True)) for when, f in frames.items()}
    last = list(rows.values())[-1]
    shared = [{when: found[note] for when, found in rows.items() if note in found} for note in last]
    ordered = sorted(shared, key=lambda by_model: _ORDER.index(_outcome(list(by_model.values()))))
    return [_note_view(number, by_model) for number, by_model in enumerate(ordered, start=1)]


def _note_view(number: int, by_model: Mapping[str, Mapping[str, Any]]) -> NoteView:
    summaries = [_summary_view(when, row) for when, row in by_model.items()]
    row = list(by_model.values())[-1]
    evidence = [
        (*finding.evidence, finding) for view in summaries for finding in view.findings if finding.evidence is not None
    ]
    texts = [one["generated_summary"] for one in by_model.values()]
    return NoteView(
        number,
        str(row["example_id"]),
        pieces(row["clinical_note"], evidence),
        summaries,
        word_diff(*texts) if len(set(texts)) > 1 else [],
        row["ground_truth"],
        _outcome(list(by_model.values())),
        {kind for view in summaries for finding in view.findings for kind in finding.types},
    )


def _summary_view(when: str, row: Mapping[str, Any]) -> SummaryView:
    text = row["generated_summary"]
    known = _judged(row)
    errors = json.loads(row[ERRORS]) if known else []
    found = findings(row["clinical_note"], text, json.loads(row["flags"]), errors, _PREFIXES[when])
    if known:
        left_out = [fact.split(": ", 1)[-1] for fact in json.loads(row[OMITTED])]
    else:
        left_out = [item["text"] for item in json.loads(row["omitted"])] if isinstance(row["omitted"], str) else []
    return SummaryView(when, pieces(text, [(f.start, f.end, f) for f in found]), found, int(row["words"]), left_out)


def _outcome(rows: Sequence[Mapping[str, Any]]) -> str:
    """What became of a note, by the oracle where it judged all its summaries, else by the screen."""
    exact = all(map(_judged, rows))
    wrong = [bool(row[HALLUCINATED] == 1 if exact else row["flagged_claims"] > 0) for row in rows]
    if len(wrong) > 1:
        return outcome(wrong[0], wrong[1])
    return "wrong" if wrong[0] else "clean"


def _judged(row: Mapping[str, Any]) -> bool:
    return HALLUCINATED in row and not pd.isna(row[HALLUCINATED])


def _rows(models: Mapping[str, Mapping[str, Any]], exact: bool) -> list[tuple[str, list[str]]]:
    """All figures as text: a row for each, a cell for each model."""
    rows = [(title, [cell(figures[key]) for figures in models.values()]) for key, title in ROWS]
    if exact:
        rows += [(title, [cell(figures["oracle"][key]) for figures in models.values()]) for key, title in ORACLE_ROWS]
    return rows


def _changes(comparison: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What changed by how much: title, the change with its interval, whether it holds what must not be lost."""
    guards = comparison["says_as_much"]
    exact = comparison.get("oracle", {}).get("changes", {})
    found = []
    for source, rows in ((exact, _ORACLE_CHANGES), (comparison["changes"], _CHANGES)):
        for key, title, scale, unit in rows:
            if source.get(key) is None:
                continue
            guard = guards.get(key)
            judged = guard is not None and guard["change"] is source[key]
            said = f"{signed(source[key], scale, 1 if unit else 2)} {unit}".strip()
            found.append((title, said, guard["answer"] if judged else ""))
    ratio = guards["median_length_ratio"]
    if ratio["ratio"] is not None:
        found.append(("length, median of after to before", f"{ratio['ratio']:.2f}", ratio["answer"]))
    return found
