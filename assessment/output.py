"""What a sitting leaves: the labels as JSON, the report as text and as a page, each written whole or not at all."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assessment.report import Report
from assessment.session import COMMENT, FLAG, LABEL, PREFER, SKIP, Answer, Item, State, decided, remarks
from assessment.store import Files
from clinical.sentences import sentence_spans
from utils.files import atomic_writer, write_json
from utils.hostile_text import visible

_TEMPLATE = Path(__file__).with_name("report.html")
_COLUMNS, _NAME_WIDTH, _INDENT = 80, 14, 2  # of the text, in characters


def write_all(files: Files, document: Mapping[str, Any], report: Report, timestamp: str, annotator: str | None) -> None:
    """Write the labels, the text and the page."""
    from utils.html_page import write_page

    signed = [("Written", timestamp), *([("Annotator", annotator)] if annotator else [])]
    write_json(files.results, document)
    with atomic_writer(files.report) as file:
        file.write(as_text(report, signed) + "\n")
    write_page(files.page, _TEMPLATE, {"report": report, "signed": signed, "visible": visible})


def results_document(
    state: State, items: Sequence[Item], timestamp: str, sources: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The content of ``manual_assessment.json``: the labels that count, in the order in which they were given.

    ``sources`` says which of two models wrote a summary, by its hash; it is told only here, after the judging.
    """
    by_key = {item.key: item for item in items}
    answers = list(decided(state, items).values())
    comments, flags = remarks(state, items, COMMENT), remarks(state, items, FLAG)
    assessments = []
    for answer in (answer for answer in answers if answer.kind == LABEL):
        item = by_key[answer.key]
        entry = {
            "example_id": answer.key[0],
            "has_hallucination": answer.value,
            "hallucination_type": answer.details.get("hallucination_type"),
            "timestamp": answer.timestamp,
            "severity": answer.details.get("severity"),
            "sentences": answer.details.get("sentences"),
            "sentence_count": len(sentence_spans(item.summaries[item.asked or 0])),
            "seconds": answer.seconds,
            "flagged": answer.key in flags,
            "comment": comments.get(answer.key, ""),
            "text_sha256": answer.key[1],
        }
        assessments.append(entry if sources is None else {**entry, "model": sources[answer.key[1]]})
    open_remarks = [
        {"example_id": key[0], "flagged": key in flags, "comment": comments.get(key, "")}
        for key in by_key
        if (key in flags or key in comments) and not any(a.key == key and a.kind == LABEL for a in answers)
    ]
    document: dict[str, Any] = {
        "total_assessed": len(assessments),
        "timestamp": timestamp,
        "assessments": assessments,
        "skipped": [answer.key[0] for answer in answers if answer.kind == SKIP],
        "remarks": open_remarks,
    }
    if sources is not None:
        document["preferences"] = [_preference(a, sources) for a in answers if a.kind == PREFER]
    return document


def _preference(answer: Answer, sources: Mapping[str, str]) -> dict[str, Any]:
    better = None if answer.value is None else sources[answer.value]
    return {"example_id": answer.key[0], "better": better, "timestamp": answer.timestamp, "seconds": answer.seconds}


def as_text(report: Report, signed: Sequence[tuple[str, str]] = ()) -> str:
    """The report in lines of at most 80 characters, words longer than that apart; safe to print."""
    lines = [report.title, *_rows([*signed, *report.facts]), "", *_paragraph(report.headline)]
    lines += [f"  {command}" for command in report.commands]
    lines += [line for advice in report.advice for line in _paragraph(advice)]
    for section in report.sections:
        lines += ["", section.title, *_rows(section.rows, _INDENT)]
        lines += [line for remark in section.remarks for line in _paragraph(remark, _INDENT)]
    return visible("\n".join(lines))


def _rows(rows: Sequence[tuple[str, str]], indent: int = 0) -> list[str]:
    width = max([_NAME_WIDTH, *(len(name) + 2 for name, _ in rows)])
    return [
        line for name, value in rows for line in _paragraph(f"{name:<{width}}{value}", indent, hanging=indent + width)
    ]


def _paragraph(text: str, indent: int = 0, hanging: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        _COLUMNS,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hanging is None else hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
