"""The sentences in which summaries report or deny symptoms, as templates, and how often a corpus uses each."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

# Reporting frames and denying frames, past and present. A frame is exchanged for one of the other row, drawn by how
# often real summaries use it, so that the wording of a negative tells nothing.
FRAMES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "{who} also had {items}",
            "{who} had {items}",
            "{who} reported {items}",
            "{who} also reported {items}",
            "{who} complained of {items}",
            "{items} {be} also present",
            "{items} {be} also reported",
            "{items} {be} present",
            "{items} {be} noted",
        ),
        (
            "{who} denied {items}",
            "{who} had no {items}",
            "{who} did not have {items}",
            "There was no {items}",
            "{items} {be} denied",
        ),
    ),
    (
        (
            "{who} also has {items}",
            "{who} has {items}",
            "{who} reports {items}",
            "{who} also reports {items}",
            "{who} complains of {items}",
        ),
        (
            "{who} denies {items}",
            "{who} has no {items}",
            "{who} does not have {items}",
            "There is no {items}",
        ),
    ),
)
# Words right before a list of symptoms inside a longer sentence: those that deny it, those that report it.
LEADS: tuple[tuple[str, str], ...] = (
    *(
        (denying, reporting)
        for verb, verbs in (
            ("report", ("reported", "reports", "reporting")),
            ("describe", ("described", "describes", "describing")),
            ("mention", ("mentioned", "mentions", "mentioning")),
            ("note", ("noted", "notes", "noting")),
            ("relate", ("related", "relates", "relating")),
            ("endorse", ("endorsed", "endorses", "endorsing")),
            ("complain of", ("complained of", "complains of", "complaining of")),
        )
        for denying, reporting in (
            (f"did not {verb}", verbs[0]),
            (f"does not {verb}", verbs[1]),
            (f"not {verbs[2]}", verbs[2]),
            (f"{verbs[0]} no", verbs[0]),
            (f"{verbs[1]} no", verbs[1]),
            (f"{verbs[2]} no", verbs[2]),
        )
        if not denying.endswith("of no")
    ),
    ("denied having", "reported having"),
    ("denies having", "reports having"),
    ("denying having", "reporting having"),
    ("denied", "reported"),
    ("denies", "reports"),
    ("denying", "reporting"),
    ("did not have", "had"),
    ("does not have", "has"),
    ("had not experienced", "had experienced"),
    ("has not experienced", "has experienced"),
    ("had not noticed", "had noticed"),
    ("has not noticed", "has noticed"),
    ("has had no", "has had"),
    ("had no", "had"),
    ("has no", "has"),
    ("was free of", "had"),
    ("is free of", "has"),
    ("was without", "had"),
    ("is without", "has"),
    ("there was no", "there was"),
    ("there is no", "there is"),
    ("there were no", "there were"),
    ("there are no", "there are"),
    ("with no associated", "with associated"),
    ("with no accompanying", "with accompanying"),
    ("with no reported", "with reported"),
    ("with no", "with"),
    ("without", "with"),
    ("negative for", "positive for"),
)
# The same for words right after the list.
TAILS: tuple[tuple[str, str], ...] = tuple(
    (denying.format(be=be), reporting.format(be=be))
    for be in ("was", "is", "were", "are")
    for denying, reporting in (
        ("{be} absent", "{be} present"),
        ("{be} denied", "{be} reported"),
        ("{be} not present", "{be} present"),
        ("{be} not reported", "{be} reported"),
        ("{be} not described", "{be} described"),
        ("{be} not mentioned", "{be} mentioned"),
        ("{be} not noted", "{be} noted"),
        ("{be} not a feature", "{be} a feature"),
        ("{be} not a complaint", "{be} a complaint"),
    )
)
_RARE = 0.05  # the weight of a frame that the corpus never uses: only where it uses none of the row
_WHO = r"(?P<who>He|She|They|The patient|Patient)"


class FrameMatch(NamedTuple):
    """A sentence read as a frame: its template, the span of its items, its subject, and the frames that deny it."""

    template: str
    start: int
    end: int
    who: str
    opposites: tuple[str, ...]
    reports: bool


def match_frame(sentence: str) -> FrameMatch | None:
    """The frame of a whole sentence (without its full stop), if it has one."""
    body = sentence.rstrip().removesuffix(".")
    for template, opposites, reports in _rows():
        match = _pattern(template).fullmatch(body)
        if match:
            who = match.groupdict().get("who") or ""
            return FrameMatch(template, match.start("items"), match.end("items"), who, opposites, reports)
    return None


def draw_frame(rng: random.Random, opposites: tuple[str, ...], counts: Mapping[str, int], *, known_who: bool) -> str:
    """One of the frames, by how often the corpus uses it; only those that need no subject where it is not known."""
    usable = [frame for frame in opposites if known_who or "{who}" not in frame]
    if not usable:
        return opposites[0]
    return rng.choices(usable, [counts.get(frame, 0) + _RARE for frame in usable])[0]


def fill_frame(template: str, items: str, who: str, *, plural: bool) -> str:
    """The sentence without its full stop; "and" or "or" in the items is the caller's."""
    be = "were" if plural else "was"
    sentence = template.format(who=who or "The patient", items=items, be=be)
    return sentence[:1].upper() + sentence[1:]


@cache
def _rows() -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    """Every template with its opposites and whether it reports, the longest first: "also had" before "had"."""
    rows = []
    for reporting, denying in FRAMES:
        rows += [(template, denying, True) for template in reporting]
        rows += [(template, reporting, False) for template in denying]
    return tuple(sorted(rows, key=lambda row: -len(row[0])))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    pattern = re.escape(template).replace(r"\{who\}", _WHO).replace(r"\{be\}", "(?:was|were)")
    return re.compile(pattern.replace(r"\{items\}", r"(?:an? |any |some )?(?P<items>.+?)"))
