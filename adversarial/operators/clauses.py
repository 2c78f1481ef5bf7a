"""Where a summary's clauses begin and end: what follows a semicolon, ", with" or ", while" up to the next stop."""

from __future__ import annotations

import re
from typing import NamedTuple

from clinical.sentences import Span

_LINK = re.compile(r"(; |, with |, while )(?=\S)")
_STOP = re.compile(r"[.;](?=\s|$)|, (?:with|while|and)\b")
_CLEAN = (".", ";")  # a clause that goes on in another could not be exchanged for one that does not


class Clause(NamedTuple):
    """A clause of a summary and the words that link it to what stands before."""

    span: Span
    link: str


def clause_spans(summary: str) -> list[Clause]:
    """The clauses that end where a sentence does, or at a semicolon, in order."""
    clauses = []
    for link in _LINK.finditer(summary):
        stop = _STOP.search(summary, link.end())
        inserted = (
            link[1] != "; " and stop and "," in summary[link.end() : stop.start()]
        )  # "this man, with X held, begins"
        if stop and stop[0] in _CLEAN and not inserted:
            clauses.append(Clause(Span(link.end(), stop.start()), link[1]))
    return clauses
