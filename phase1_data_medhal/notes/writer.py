"""Writes a patient's note in one of six styles, in its author's manner; every fact of the patient stands in it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from clinical.patient import Patient
from phase1_data_medhal.authors import Author
from phase1_data_medhal.notes.history import is_recent
from phase1_data_medhal.notes.medicines import kept
from phase1_data_medhal.notes.phrases import Voice
from phase1_data_medhal.notes.sections import Sections
from phase1_data_medhal.wording import capital, expand, tidy

PLANS = Path(__file__).resolve().parent / "plans.json"
TERSE = {"soap": 0.75, "telegraphic": 1.0, "triage": 0.8, "prose": 0.0, "discharge": 0.25, "letter": 0.0}
FITTING = {
    "emergency": ("triage", "prose", "soap", "telegraphic"),
    "inpatient": ("discharge", "prose", "soap", "telegraphic"),
    "clinic": ("letter", "prose", "soap", "telegraphic"),
}
MERGED = {  # two kinds of facts in one sentence: how often, where both stand in one paragraph
    ("symptoms", "denied"): 0.5,
    ("opening", "problems"): 0.5,
    ("opening", "symptoms"): 0.3,
    ("signs", "absent"): 0.7,
}
COURSE_SENTENCES = 0.35
WORDS = range(60, 301)
TRIES = 4  # a note outside these lengths is written again, in full sentences or tersely


@cache
def _plans() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PLANS.read_text(encoding="utf-8"))
    return loaded


def write_note(patient: Patient, author: Author, rng: random.Random) -> str:
    """The note of ``patient`` by ``author``: a plan of paragraphs, each with its sentences."""
    style = choose_style(patient, author, rng)
    plan: list[str] = rng.choice(_plans()[style])
    terse = rng.random() < TERSE[style]
    text = _written(patient, author, rng, style, plan, terse)
    for _ in range(TRIES):
        size = len(text.split())
        if size in WORDS:
            break
        text = _written(patient, author, rng, style, plan, terse=size >= WORDS.stop)
    return text


def _written(patient: Patient, author: Author, rng: random.Random, style: str, plan: list[str], terse: bool) -> str:
    sections, told = Sections(Voice(author, rng, terse, patient), style), _told(patient)
    paragraphs = [_paragraph(paragraph, sections, told, author, rng) for paragraph in plan]
    text = tidy("\n".join(paragraph for paragraph in paragraphs if paragraph))
    return re.sub(r"\bEGFR\b", "eGFR", text)


def choose_style(patient: Patient, author: Author, rng: random.Random) -> str:
    """The author's first favourite that fits the setting, else the second, else any that fits."""
    fitting: tuple[str, ...] = FITTING[patient.setting]
    if patient.setting == "emergency" and (patient.disposition or "").startswith("discharged"):
        fitting = (*fitting, "discharge")
    favourites = [style for style in author.styles if style in fitting]
    return favourites[0] if favourites else rng.choice(fitting)


def _told(patient: Patient) -> set[str]:
    """The kinds of facts that this patient has."""
    there = {
        "opening": True, "symptoms": patient.symptoms, "denied": patient.denied, "problems": patient.problems,
        "operations": any(not is_recent(o) for o in patient.operations),
        "episode": any(is_recent(o) for o in patient.operations), "family": patient.family,
        "social": patient.smoking or patient.pack_years is not None or patient.alcohol, "drugs": kept(patient),
        "changes": any(use.change != "continued" for use in patient.drugs),
        "allergies": patient.allergies is not None, "vitals": patient.vitals, "signs": patient.signs,
        "absent": patient.absent_signs, "labs": patient.labs, "studies": patient.studies,
        "diagnosis": patient.diagnosis, "ruled": patient.ruled_out, "outcome": patient.outcome,
        "plan": patient.plan, "disposition": patient.disposition, "follow": patient.follow_up,
    }  # fmt: skip
    return {kind for kind, facts in there.items() if facts}


def _paragraph(plan: str, sections: Sections, told: set[str], author: Author, rng: random.Random) -> str:
    """A paragraph from its plan: ``heading# part part! part~part``; an empty one where the patient has no such facts.

    ``!`` marks a part that the heading has named already, ``*`` one in lines, ``~`` two parts in either order.
    """
    heading, _, body = plan.partition("#")
    parts: list[str] = []
    for step in body.split():
        either = step.split("~")
        rng.shuffle(either)
        parts += either
    parts = [part for part in parts if part == "course" or part.rstrip("!*") in told]
    title = expand(heading, author, rng)
    sections.after_heading = bool(title.strip())
    sentences = [capital(tidy(sentence)) for sentence in _sentences(parts, sections, rng)]
    if not sentences and body.strip():
        return ""
    text = title
    for before, sentence in zip([title, *sentences], sentences, strict=False):
        apart = before.startswith("- ") or sentence.startswith("- ")
        text = (
            text.rstrip("\n") + "\n" + sentence if apart else f"{text}{'' if text.endswith(chr(10)) else ' '}{sentence}"
        )
    return text.strip()


def _sentences(parts: list[str], sections: Sections, rng: random.Random) -> list[str]:
    complaint = sections.patient.complaint
    merged: dict[str, str] = {}
    for (first, second), share in MERGED.items():
        free = first in parts and second in parts and first not in merged.values() and second not in merged.values()
        if free and first not in merged and second not in merged and rng.random() < share:
            merged[first] = second
    by_itself = complaint.course is not None and "course" in parts and not merged.get("opening")
    by_itself = by_itself and not sections.voice.terse and rng.random() < COURSE_SENTENCES
    sentences: list[str] = []
    for part in parts:
        kind, mark = part.rstrip("!*"), part[len(part.rstrip("!*")) :]
        if kind in merged.values() or (kind == "course" and not by_itself):
            continue
        if kind == "opening":
            sentences += _opening(sections, merged.get("opening"), by_itself)
        else:
            method = f"{kind}_{merged[kind]}" if kind in merged else kind
            write: Callable[..., list[str]] = getattr(sections, method)
            marks = {"!": {"bare_frames": True}, "*": {"lines": True}}.get(mark, {})
            sentences += write(**marks)
    return sentences


def _opening(sections: Sections, other: str | None, course_by_itself: bool) -> list[str]:
    course = None if course_by_itself else sections.patient.complaint.course
    if other is None:
        return sections.opening("opening", course)
    items = sections.problem_list() if other == "problems" else sections.words(sections.patient.symptoms)
    return sections.opening(f"opening {other}", course, x=sections.voice.listed(items))
