"""Texts cut into pieces for display: with the findings that lie on them, and with what differs between two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, NamedTuple

_TOKEN = re.compile(r"\s+|\S+")
_AROUND = 30  # characters of the note shown on either side of the evidence
SEVERE = ("contradicted", "wrong")  # the note says otherwise; else it says nothing of the kind


@dataclass(frozen=True)
class Finding:
    """Something that a judge finds wrong at ``summary[start:end]``; ``label`` is its name among those of its note.

    ``evidence`` is the nearest place in the note, by the screen, and ``evidence_text`` what stands around it;
    ``reason`` is the oracle's. ``judges`` and ``types`` name both where both found it.
    """

    label: str
    start: int
    end: int
    text: str
    types: tuple[str, ...]
    judges: tuple[str, ...]
    severe: bool
    evidence: tuple[int, int] | None = None
    evidence_text: str = ""
    reason: str = ""


class Piece(NamedTuple):
    """A stretch of a text with the findings that cover it; ``begins`` are those whose span starts here."""

    text: str
    findings: tuple[Finding, ...] = ()
    begins: tuple[Finding, ...] = ()

    @property
    def severe(self) -> bool:
        """Whether the note says otherwise, by one of the findings."""
        return any(finding.severe for finding in self.findings)


def findings(
    note: str, summary: str, flags: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]], prefix: str = ""
) -> list[Finding]:
    """The screen's flags and the oracle's errors in order of their place; what overlaps becomes one finding.

    They are labelled 1, 2 and so on, after the ``prefix``.
    """
    judged = [*(("screen", item) for item in flags), *(("oracle", item) for item in errors)]
    groups: list[list[tuple[str, Mapping[str, Any]]]] = []
    reach = -1
    for judge, item in sorted(judged, key=lambda pair: tuple(pair[1]["span"])):
        start, end = item["span"]
        if start >= reach:
            groups.append([])
        groups[-1].append((judge, item))
        reach = max(reach, end)
    return [_one(f"{prefix}{number}", note, summary, group) for number, group in enumerate(groups, start=1)]


def _one(label: str, note: str, summary: str, group: Sequence[tuple[str, Mapping[str, Any]]]) -> Finding:
    start, end = min(item["span"][0] for _, item in group), max(item["span"][1] for _, item in group)
    shown = next((item for _, item in group if item.get("evidence_span")), {})
    reasons = dict.fromkeys(item["reason"] for _, item in group if item.get("reason"))
    return Finding(
        label,
        start,
        end,
        summary[start:end],
        types=tuple(dict.fromkeys(item["type"] for _, item in group)),
        judges=tuple(dict.fromkeys(judge for judge, _ in group)),
        severe=any(item["verdict"] in SEVERE for _, item in group),
        evidence=tuple(shown["evidence_span"]) if shown else None,
        evidence_text=around(note, *shown["evidence_span"]) if shown else "",
        reason="; ".join(reasons),
    )


def around(text: str, start: int, end: int) -> str:
    """What stands around a span, in whole words and on its own lines."""
    left = max(start - _AROUND, text.rfind("\n", 0, start) + 1)
    right = min(end + _AROUND, text.find("\n", end) if "\n" in text[end:] else len(text))
    before = text[left:start] if left == 0 or text[left - 1].isspace() else text[left:start].partition(" ")[2]
    after = text[end:right] if right == len(text) or text[right].isspace() else text[end:right].rpartition(" ")[0]
    return (before + text[start:end] + after).strip()


def pieces(text: str, spans: Sequence[tuple[int, int, Finding]]) -> list[Piece]:
    """The text cut wherever a span begins or ends; joined, the pieces are the text again. Spans may overlap."""
    cuts = sorted({0, len(text), *(at for start, end, _ in spans for at in (start, end))})
    return [
        Piece(
            text[left:right],
            tuple(finding for start, end, finding in spans if start <= left and right <= end),
            tuple(finding for start, _, finding in spans if start == left),
        )
        for left, right in pairwise(cuts)
    ]


def word_diff(before: str, after: str) -> list[tuple[str, str]]:
    """What became of a text, word by word, as (``same``, ``removed`` or ``inserted``, text)."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    found = []
    for operation, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "equal":
            found.append(("same", "".join(old[i1:i2])))
        else:
            found += [("removed", "".join(old[i1:i2])), ("inserted", "".join(new[j1:j2]))]
    return [(kind, text) for kind, text in found if text]
