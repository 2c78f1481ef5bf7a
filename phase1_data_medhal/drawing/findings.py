"""Draws what is told and found: the complaint and its symptoms, the signs, the vital signs and the studies."""

from __future__ import annotations

from collections.abc import Sequence

from clinical.patient import Complaint, Located, Study, Time, Value
from phase1_data_medhal.drawing.sense import Chooser, Story, clashes, contradicts, named, wider_than
from phase1_data_medhal.drawing.values import PRESSURES

NO_DURATION_SHARE = 0.25
COURSE_SHARE = 0.25
MOST_SYMPTOMS, MOST_SIGNS = 3, 2
BILATERAL = "bilateral"
STUDY_NUMBERS = (1, 1, 1, 2)  # equally likely, as the following
FINDING_NUMBERS = (1, 1, 2)
ABSENCE_NUMBERS = (0, 0, 1)


def complaint_of(choose: Chooser, story: Story, side: str | None) -> Complaint:
    """What the patient comes with, for how long and how it goes."""
    entry = choose.one(story["complaints"])
    unit, low, high = story["duration"]
    duration = None if choose.chance(NO_DURATION_SHARE) else Time(choose.rng.randint(low, high), unit)
    course = choose.one(story["courses"]) if choose.chance(COURSE_SHARE) else None
    placed = _located(choose, entry, side)
    return Complaint(placed.finding, placed.side, duration, course)


def symptoms_of(choose: Chooser, story: Story, complaint: str, denies: bool) -> tuple[list[str], list[str]]:
    """What is there besides the complaint, the most telling first, and what is denied."""
    cardinal = story["cardinal"]
    told = cardinal == complaint or cardinal in wider_than(complaint) or complaint in wider_than(cardinal)
    present = [] if denies or told else [cardinal]
    for name in choose.some(story["symptoms"], len(story["symptoms"])):
        same = name in (complaint, cardinal) or name in wider_than(complaint) or complaint in wider_than(name)
        if not same and not (denies and clashes(name, [cardinal])) and len(present) < MOST_SYMPTOMS:
            present.append(name)
    denied = [cardinal] if denies else []
    for name in choose.some(story["denied"], len(story["denied"])):
        if name != cardinal and len(denied) < MOST_SYMPTOMS and not clashes(name, [complaint, *present, cardinal]):
            denied.append(name)
    return present, denied


def signs_of(
    choose: Chooser, story: Story, side: str | None, present: Sequence[str], denied: Sequence[str]
) -> tuple[list[Located], list[str]]:
    """What the examination finds, and what it does not find; neither contradicts what the patient tells."""
    found: list[Located] = []
    for entry in choose.some(story["signs"], len(story["signs"])):
        there = [*present, *(sign.finding for sign in found)]
        odd = clashes(named(entry), denied) or named(entry) in there or contradicts(named(entry), there)
        if not odd and len(found) < MOST_SIGNS:
            found.append(_located(choose, entry, side))
    there = [*present, *(sign.finding for sign in found)]
    absent = [name for name in choose.some(story["absent_signs"], 9) if not clashes(name, there)]
    return found, [name for name in absent if name not in denied][:2]


def studies_of(
    choose: Chooser, story: Story, side: str | None, present: Sequence[str], denied: Sequence[str]
) -> list[Study]:
    """Studies with what they show and what they do not: nothing denied is shown, nothing present is ruled out."""
    studies: list[Study] = []
    for procedure, findings, absent in choose.some(story["studies"], choose.rng.choice(STUDY_NUMBERS)):
        known = [Located(*_parts(f)) for study in studies for f in study.findings]
        entries = [e for e in choose.some(findings, 9) if not clashes(named(e), denied)]
        entries = [e for e in entries if named(e) not in [k.finding for k in known]]
        seen = tuple(_located(choose, entry, side) for entry in entries[: choose.rng.choice(FINDING_NUMBERS)])
        names = [*present, *(f.finding for f in (*seen, *known))]
        missing = [name for name in choose.some(absent, 9) if not clashes(name, names)][
            : choose.rng.choice(ABSENCE_NUMBERS)
        ]
        earlier_absent = [name for study in studies for name in study.absent]
        if seen and not any(clashes(name, earlier_absent) for name in names):
            studies.append(Study(procedure, seen, tuple(missing)))
    return studies


def told_vitals(choose: Chooser, story: Story, vitals: dict[str, Value], fever: bool | None) -> list[tuple[Value, ...]]:
    """What the illness moves, then what is always measured; the pressure as a pair."""
    own = [name for name in story["vitals"] if name not in PRESSURES] + (["temperature"] if fever else [])
    names = choose.some(sorted(set(own)), 2)
    others = [name for name in vitals if name not in (*PRESSURES, *names)]
    names = (names or []) + choose.some(others, 1 if len(names) < 2 else 0)
    told: list[tuple[Value, ...]] = [(vitals[name],) for name in names]
    pair = tuple(vitals[name] for name in PRESSURES)
    return [*told[:2], pair] if choose.chance(0.5) or set(PRESSURES) & set(story["vitals"]) else told


def _located(choose: Chooser, entry: str, side: str | None) -> Located:
    """``crackles/side`` and ``pulmonary nodule/side/4-18``: the patient's side, and a size in mm."""
    finding, *slots = entry.split("/")
    place, size = None, None
    for slot in slots:
        if slot == "side":
            place = side
        elif slot in (BILATERAL, "left", "right"):
            place = slot
        else:
            low, high = slot.split("-")
            size = choose.rng.randint(int(low), int(high))
    return Located(finding, place, size)


def _parts(finding: Located) -> tuple[str, str | None, int | None]:
    return finding.finding, finding.side, finding.size
