"""The patient behind a shipped note: every fact that the note states, and so all that its summary may say.

A fact names concepts of the lexicon, never words of a text: the writer of the notes and the oracle that reads
summaries share this file and the lexicon's names, and nothing else.
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

SEXES = ("male", "female")
SIDES = ("left", "right", "bilateral")
UNITS = ("hours", "days", "weeks", "months", "years")
COURSES = ("worsening", "improving", "intermittent", "constant", "sudden")
CHANGES = ("continued", "started", "increased", "decreased", "held", "stopped")
CERTAINTIES = ("confirmed", "suspected")
SMOKING = ("never", "former", "current")
ALCOHOL = ("none", "occasional", "daily")
DISPOSITIONS = ("admitted", "admitted to intensive care", "discharged home", "discharged to rehabilitation", "observed")
OUTCOMES = ("improved", "resolved", "unchanged")
ORDERS = ("repeat", "obtain", "refer", "advise", "consider")  # what a plan does with its target


@dataclass(frozen=True)
class Time:
    """A length of time or a distance in time, such as 3 days; ``unit`` is one of UNITS, always plural."""

    n: int
    unit: str


@dataclass(frozen=True)
class Complaint:
    """Why the patient came. ``side``, ``duration`` and ``course`` are ``None`` where the note does not state them."""

    finding: str
    side: str | None = None
    duration: Time | None = None
    course: str | None = None


@dataclass(frozen=True)
class Located:
    """A sign or an imaging finding, with its side and its size in mm where stated."""

    finding: str
    side: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Problem:
    """A condition that the patient has (active) or had (resolved), and since when or how long ago."""

    condition: str
    status: str = "active"
    ago: Time | None = None


@dataclass(frozen=True)
class Operation:
    """A procedure that was done: years ago, as history, or days ago, as part of this episode."""

    procedure: str
    side: str | None = None
    ago: Time | None = None


@dataclass(frozen=True)
class Relative:
    """A relative and a condition that runs in the family."""

    relative: str
    condition: str


@dataclass(frozen=True)
class DrugUse:
    """One medicine. ``dose`` is the dose before a change, ``reason`` the concept for which it was changed."""

    name: str
    dose: str | None = None
    route: str | None = None
    frequency: str | None = None
    change: str = "continued"
    new_dose: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Allergy:
    """A substance (a drug's name, a drug class or latex, iodinated contrast and the like) and the reaction to it."""

    substance: str
    reaction: str | None = None


@dataclass(frozen=True)
class Value:
    """A laboratory value or vital sign as printed; ``earlier`` is the one before, where the note gives it."""

    name: str
    value: str
    earlier: str | None = None


@dataclass(frozen=True)
class Study:
    """An imaging or bedside study: what it showed, and what it was said not to show."""

    procedure: str
    findings: tuple[Located, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """The assessment; ``acute`` marks a flare of a known condition: "COPD exacerbation"."""

    condition: str
    certainty: str = "confirmed"
    acute: bool = False


@dataclass(frozen=True)
class PlanItem:
    """What is to be done: repeat a lab, obtain a procedure, refer to a service, give an advice; within what time."""

    order: str
    target: str
    within: Time | None = None
    amount: str | None = None  # of an advice, such as "1500 mL"


@dataclass(frozen=True)
class FollowUp:
    """The next visit."""

    service: str
    after: Time | None = None


@dataclass(frozen=True)
class Course:
    """How a symptom went under treatment; one of OUTCOMES."""

    finding: str
    outcome: str


@dataclass(frozen=True)
class Patient:
    """All facts of one note, or those of them that a summary takes. Empty and ``None`` mean: not stated.

    ``denied`` and ``absent_signs`` are stated absences. ``allergies`` of ``None`` says nothing, ``()`` says that there
    are none known. ``specialty`` and ``setting`` choose words and are no claims.
    """

    age: int
    sex: str
    specialty: str
    setting: str  # emergency, inpatient or clinic
    complaint: Complaint
    symptoms: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    operations: tuple[Operation, ...] = ()
    family: tuple[Relative, ...] = ()
    smoking: str | None = None
    pack_years: int | None = None
    alcohol: str | None = None
    drugs: tuple[DrugUse, ...] = ()
    allergies: tuple[Allergy, ...] | None = None
    vitals: tuple[Value, ...] = ()
    signs: tuple[Located, ...] = ()
    absent_signs: tuple[str, ...] = ()
    labs: tuple[Value, ...] = ()
    studies: tuple[Study, ...] = ()
    diagnosis: Diagnosis | None = None
    ruled_out: tuple[str, ...] = ()
    outcome: Course | None = None
    plan: tuple[PlanItem, ...] = ()
    disposition: str | None = None
    follow_up: FollowUp | None = None


_HEAD = ("age", "sex", "specialty", "setting")  # written together, as the first fact
_TAGS = {  # what a note calls them, short: the facts of a note must not outweigh it
    "complaint": "cc", "symptoms": "sx", "denied": "no", "problems": "pmh", "operations": "op", "family": "fh",
    "smoking": "smoking", "pack_years": "packs", "alcohol": "alcohol", "drugs": "rx", "allergies": "allergy",
    "vitals": "vs", "signs": "pe", "absent_signs": "pe no", "labs": "lab", "studies": "img", "diagnosis": "dx",
    "ruled_out": "dx no", "outcome": "went", "plan": "plan", "disposition": "dispo", "follow_up": "fu",
}  # fmt: skip
_FIELDS = {tag: name for name, tag in _TAGS.items()}
_BETWEEN = "|;~"  # between the parts of a fact, of a part, and of a part's part; no name of the lexicon has them


def to_json(patient: Patient) -> str:
    """The facts as compact JSON: ``["cc", fact, ...]`` for each field that states something, by its tag.

    A fact is its values in the order of its class with ``|`` between them, those at the end left out that are as by
    default: ``lisinopril|10 mg||once daily``; within a study ``;`` divides findings and ``~`` their parts.
    """
    facts: list[list[Any]] = [["patient", *(getattr(patient, name) for name in _HEAD)]]
    for name, tag in _TAGS.items():
        value = getattr(patient, name)
        if value != Patient.__dataclass_fields__[name].default:
            facts.append([tag, *(_packed(item) for item in (value if isinstance(value, tuple) else (value,)))])
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Patient:
    """Read back what ``to_json`` wrote, however it is spaced; ``ValueError`` for anything else."""
    try:
        loaded = json.loads(text)
        (kind, *head), *facts = loaded
        stated = dict(zip(_HEAD, head, strict=True))
        if kind != "patient" or [type(value) for value in head] != [int, str, str, str] or stated["sex"] not in SEXES:
            raise ValueError("it does not begin with the patient")
        hints = _hints_of(Patient)
        for tag, *items in facts:
            hint = _stated(hints[_FIELDS[tag]])
            if get_origin(hint) is tuple:
                stated[_FIELDS[tag]] = tuple(_unpacked(item, get_args(hint)[0]) for item in items)
            else:
                (item,) = items
                stated[_FIELDS[tag]] = _unpacked(item, hint)
        patient = Patient(**stated)
        if json.loads(to_json(patient)) != loaded:  # a part too many, a tag twice, a number for a text
            raise ValueError("some of it says nothing")
        return patient
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"these are not the facts of a shipped note: {text[:80]!r}") from error


def _packed(value: Any, depth: int = 0) -> str:
    """One value as text; ``depth`` is how many facts it stands within."""
    if value is None or value is False:
        return ""
    if isinstance(value, Time):
        return f"{value.n} {value.unit}"
    if isinstance(value, tuple):
        return _BETWEEN[depth].join(_packed(item, depth + 1) for item in value)
    if not is_dataclass(value):
        return str(value)
    kinds = fields(value)
    parts = [getattr(value, kind.name) for kind in kinds]
    while len(parts) > 1 and parts[-1] == kinds[len(parts) - 1].default:
        parts.pop()
    return _BETWEEN[depth].join(_packed(part, depth + 1) for part in parts)


def _unpacked(text: str, hint: Any, depth: int = 0) -> Any:
    """The value of type ``hint`` that ``_packed`` wrote as ``text``."""
    if hint in (str, int, bool):
        return hint(text)
    if hint is Time:
        n, unit = text.split(" ")
        return Time(int(n), UNITS[UNITS.index(unit)])
    parts = text.split(_BETWEEN[depth])
    if get_origin(hint) is tuple:
        return tuple(_unpacked(part, get_args(hint)[0], depth + 1) for part in parts)
    stated = {
        name: _unpacked(part, _stated(kind), depth + 1)
        for part, (name, kind) in zip(parts, _hints_of(hint).items(), strict=False)
        if part
    }
    return hint(**stated)


def _stated(hint: Any) -> Any:
    """The type of a value that may be absent."""
    if isinstance(hint, types.UnionType):
        return next(option for option in get_args(hint) if option is not type(None))
    return hint


@cache
def _hints_of(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
