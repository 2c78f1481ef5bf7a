"""Finds the wordings of turns.json in a summary: each row holds words of several kinds that fit the same place.

The place is beside a name of the lexicon, before or after it, or a phrase of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from clinical.mentions import CONDITION, DRUG, FINDING, PROCEDURE, Mention, find_mentions
from clinical.reading.causes import find_links
from clinical.reading.plans import find_places
from clinical.reading.relatives import find_family_conditions
from clinical.sentences import Span

_DATA = Path(__file__).with_name("turns.json")
_NAMED = {"drug": (DRUG,), "condition": (CONDITION,), "finding": (FINDING, CONDITION), "procedure": (PROCEDURE,)}
_WINDOW = 70  # characters before a name in which its words may stand: longer than any wording with what it follows
# What may stand between a wording and the name it is about.
_BEFORE_NAME = (
    r"\s+(?:(?:an?|the|his|her|their|acute|left|right|oral|intravenous|IV|inhaled|topical|subcutaneous|"
    r"[\d.,/]+\s?(?:mg|mcg|units?|mEq|mL|g|%)?(?: of)?)\s+)*"
)
_DOSED = (
    r"(?:\s+flare(?:-up)?|\s+exacerbation|\s+attack)?"
    r"(?:[\s(]+(?:[\d.,/]+\s?(?:mg|mcg|units?|mEq|mL|g|%)?|at|orally|intravenously|by mouth|weekly|as needed|"
    r"when needed|(?:once |twice |three times )?daily|(?:once|twice|three times) a day|every (?:day|week|\d+ hours)|"
    r"at bedtime)\)?)*"
)
_PRONOUNS = {"{his}": ("his", "her"), "{he}": ("he", "she")}
_WORD = re.compile(r"\w+")
_COPULA = r"(?:(?:is|was|are|were|been|has|have|had|being)\s+)*"


@dataclass(frozen=True)
class Row:
    """Wordings of several kinds for one place.

    ``word`` finds them, where one of ``first_words`` is. ``between`` is what may stand between them and the name that
    they are about, ``ahead`` what must stand right before them (and ``not_ahead`` must not), ``behind`` what must
    follow the wording, or the name where the wording stands before it.
    """

    name: str
    anchor: str
    place: str
    kinds: dict[str, tuple[str, ...]]
    kind_of: dict[str, str]
    first_words: frozenset[str]
    word: re.Pattern[str]
    between: re.Pattern[str]
    ahead: re.Pattern[str]
    not_ahead: re.Pattern[str]
    behind: re.Pattern[str]

    def key(self, wording: str) -> str:
        """Under what a wording in this place is counted."""
        return f"{self.name}:{wording}"


class Turnable(NamedTuple):
    """A wording of a row that stands in a summary."""

    start: int
    end: int
    row: Row
    wording: str


def find_turnables(operator: str, summary: str) -> list[Turnable]:
    """All wordings of an operator's rows that stand in a summary, in order, none twice."""
    found: dict[tuple[int, int], Turnable] = {}
    for row in _rows(operator):
        for match in _matches(row, summary):
            words = match[0].lower()
            general = re.sub(r"^(?:he|she)\b", "{he}", re.sub(r"\b(?:his|her)\b", "{his}", words))
            wording = next(w for w in row.kind_of if w.lower() in (words, general))
            found.setdefault(match.span(), Turnable(*match.span(), row, wording))
    return [found[span] for span in sorted(found)]


def turnable_words(summary: str) -> Iterator[str]:
    """Every wording that an operator of this module could turn, as it is counted."""
    for operator in _data():
        for item in find_turnables(operator, summary):
            yield item.row.key(item.wording)


def _matches(row: Row, summary: str) -> Iterator[re.Match[str]]:
    matches = [] if row.first_words.isdisjoint(_words(summary)) else list(row.word.finditer(summary))
    if not matches:
        return
    if row.anchor not in _NAMED:
        spans = _phrases(row.anchor, summary)
        for match in matches:
            inside = any(span.start <= match.start() < span.end for span in spans)
            if inside and _stands(row, summary, match, match.end()):
                yield match
        return
    # A reason would no longer suit: stopped because of a rash.
    explained = {link.effect.start for link in find_links(summary)} if row.anchor == "drug" else set()
    mentions = find_mentions(summary)
    for match in matches:
        mention = _beside(mentions, match, after=row.place == "after")
        if mention is None or mention.concept.kind not in _NAMED[row.anchor] or mention.start in explained:
            continue
        gap = (mention.end, match.start()) if row.place == "after" else (match.end(), mention.start)
        last = max(match.end(), mention.end)
        if row.between.fullmatch(summary, *gap) and _stands(row, summary, match, last):
            yield match


@lru_cache(maxsize=16)  # every row asks for those of the same summary
def _words(summary: str) -> frozenset[str]:
    return frozenset(_WORD.findall(summary.lower()))


def _beside(mentions: Sequence[Mention], match: re.Match[str], *, after: bool) -> Mention | None:
    """The last name before a wording that comes ``after`` its name, else the next name behind the wording."""
    if after:
        return next((m for m in reversed(mentions) if m.end <= match.start()), None)
    return next((m for m in mentions if m.start >= match.end()), None)


def _stands(row: Row, summary: str, match: re.Match[str], last: int) -> bool:
    """Whether the words around allow any other wording of the row."""
    lead = summary[max(0, match.start() - _WINDOW) : match.start()]
    return bool(row.ahead.search(lead) and not row.not_ahead.search(lead) and row.behind.match(summary, last))


def _phrases(anchor: str, summary: str) -> list[Span]:
    """Where a phrase of its own may stand."""
    if anchor == "place":
        return [Span(place.start, place.end) for place in find_places(summary)]
    if anchor == "relative":
        return [item.who for item in find_family_conditions(summary)]
    return [Span(0, len(summary))]


@cache
def _rows(operator: str) -> tuple[Row, ...]:
    return tuple(_row(f"{operator} {n}", entry) for n, entry in enumerate(_data()[operator]))


@cache
def _data() -> dict[str, list[dict[str, Any]]]:
    data: dict[str, list[dict[str, Any]]] = json.loads(_DATA.read_text(encoding="utf-8"))
    return data


def _row(name: str, entry: dict[str, Any]) -> Row:
    kinds = {kind: tuple(wordings) for kind, wordings in entry["kinds"].items()}
    kind_of = {wording: kind for kind, wordings in kinds.items() for wording in wordings}
    between = rf"{_DOSED}\s+{_COPULA}" if entry["place"] == "after" else _BEFORE_NAME
    return Row(
        name,
        entry["anchor"],
        entry["place"],
        kinds,
        kind_of,
        frozenset(word for wording in kind_of for word in _first_words(wording)),
        re.compile(rf"(?<![\w-])(?:{_either(kind_of)})(?![\w-])", re.IGNORECASE),
        re.compile(entry.get("between", between), re.IGNORECASE),
        re.compile(rf"(?:{entry.get('ahead', '')})$", re.IGNORECASE),
        re.compile(entry.get("not_ahead", "(?!)"), re.IGNORECASE),
        re.compile(entry.get("behind", ""), re.IGNORECASE),
    )


def _first_words(wording: str) -> list[str]:
    """The words with which a wording may begin, cut as :func:`_words` cuts them."""
    first = wording.lower().split()[0]
    return [word for spelling in _PRONOUNS.get(first, (first,)) for word in _WORD.findall(spelling)[:1]]


def _either(wordings: Iterable[str]) -> str:
    patterns = sorted((w.replace("{his}", "(?:his|her)").replace("{he}", "(?:he|she)") for w in wordings), key=len)
    return "|".join(reversed(patterns))
