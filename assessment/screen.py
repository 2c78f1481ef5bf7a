"""What the annotator sees of a sitting, as pure functions of it: the bar, the texts, the question and the keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from assessment.layout import Mark, Pane, in_rows, literal, sentence_lines, text_lines, wrapped
from assessment.session import PREFER, SKIP, Answer, Item
from assessment.sitting import Sitting
from assessment.words import KEYS

NO_NOTE, NO_SUMMARY = "(the note is empty)", "(the summary is empty)"

QUESTIONS: Mapping[str, str] = {
    "hallucination_type": "of what kind?",
    "severity": "how grave is it?",
    "sentences": "which sentences are wrong?",
    "better": "which summary is better?",
}


class Finding(NamedTuple):
    """A claim of a summary that the automatic screen flags, in characters of the summary."""

    start: int
    end: int
    text: str
    type: str
    verdict: str


Findings = Callable[[Item], Sequence[Finding]]  # of the summary that an item asks about


def places_of(words: str, text: str) -> list[tuple[int, int]]:
    """Where ``words`` stand in a text, in either case; any white space between them."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    return [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)] if pattern else []


def panes(item: Item, findings: Findings, search: str = "", current: int = 0) -> list[Pane]:
    """The note and its summaries. What is searched for is marked in the note, the ``current`` place of it above all."""
    found = places_of(search, item.note)
    marks = tuple(Mark(*span, "current" if n == current else "match") for n, span in enumerate(found))
    note = Pane("NOTE", lambda width: text_lines(item.note, marks, NO_NOTE, width))
    return [note, *(_summary_pane(item, place, findings) for place in range(len(item.summaries)))]


def _summary_pane(item: Item, place: int, findings: Findings) -> Pane:
    text = item.summaries[place]
    title = "SUMMARY" if len(item.summaries) == 1 else f"SUMMARY {place + 1}"
    if len(item.summaries) > 1 and place == item.asked:
        title += " << judge this one"
    flagged = findings(item) if place == item.asked else ()
    marks = tuple(Mark(f.start, f.end, "flag") for f in flagged)

    def lines(width: int) -> Sequence[Text]:
        notices = [literal(f"screen: {f.verdict} {f.type}: {f.text}", "flag") for f in flagged]
        return [*sentence_lines(text, marks, NO_SUMMARY, width), *(row for n in notices for row in wrapped(n, width))]

    return Pane(title, lines)


def bar(sitting: Sitting) -> str:
    """Progress, and what is kept of the item shown."""
    parts = [sitting.progress()]
    if sitting.flagged:
        parts.append("FLAGGED")
    if sitting.said and sitting.question in ("judge", "better"):
        parts.append(f"you said: {verdict(sitting.said)}")
    if sitting.comment:
        parts.append(f"comment: {sitting.comment}")
    return " | ".join(parts)


def verdict(answer: Answer) -> str:
    """A decision in words."""
    if answer.kind == SKIP:
        return "skipped"
    if answer.kind == PREFER:
        return "equal" if answer.value is None else "one is better"
    return "hallucinated" if answer.value else "clean"


def key_rows(cells: Sequence[str], width: int) -> list[Text]:
    """The keys that work now, each before what it does."""
    shown = []
    for cell in cells:
        key, space, rest = cell.partition(" ")
        shown.append(Text.assemble((key, "key"), space + rest))
    return in_rows(shown, width)


def keys_now(sitting: Sitting) -> tuple[str, ...]:
    """The keys for the question that is open."""
    return KEYS[sitting.question]
