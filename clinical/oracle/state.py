"""The patient's facts in the shape in which claims are compared with them, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from clinical.lexicon import Lab, load_lexicon
from clinical.numbers import UNITS, find_quantities
from clinical.oracle.surface import classes_of, follows
from clinical.oracle.words import forms
from clinical.patient import DrugUse, Patient, Time, Value

PATIENT = "patient"
_DAYS = {unit: UNITS[unit][1] / UNITS["day"][1] for unit in ("minute", "hour", "day", "week", "month", "year")}
_SYSTOLIC, _DIASTOLIC = "systolic blood pressure", "diastolic blood pressure"


@dataclass(frozen=True)
class ProblemFact:
    """A condition or finding of which the state says something. ``field`` names where: complaint, denied, ..."""

    field: str
    name: str
    present: bool = True
    who: str = PATIENT
    certainty: str | None = None
    status: str | None = None
    side: str | None = None
    size: int | None = None
    time: Time | None = None
    course: str | None = None
    acute: bool = False
    study: str | None = None

    @property
    def key(self) -> str:
        """What an omission or a comparison is reported under."""
        return self.field if self.field in ("complaint", "diagnosis", "outcome") else f"{self.field}: {self.name}"


@dataclass(frozen=True)
class ProcedureFact:
    """A procedure that was done (study, operation) or is planned (obtain, repeat, refer, consider, advise)."""

    field: str
    name: str
    time: Time | None = None
    side: str | None = None
    order: str | None = None

    @property
    def key(self) -> str:
        """What a comparison is reported under."""
        return f"{self.field}: {self.name}"


class Known:
    """A patient's facts, ready to be compared with."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.problems = tuple(_problems(patient))
        self.drugs: dict[str, DrugUse] = {drug.name: drug for drug in patient.drugs}
        self.labs: dict[str, Value] = {value.name: value for value in (*patient.vitals, *patient.labs)}
        self.labs.update(_pressures(self.labs))
        self.procedures = tuple(_procedures(patient))
        self.facts: tuple[ProblemFact | ProcedureFact, ...] = (*self.problems, *self.procedures)

    def about(self, names: list[str]) -> list[ProblemFact]:
        """Facts that may rightly be called by one of the names."""
        return [fact for fact in self.problems if any(follows(fact.name, name) for name in names)]

    def wider(self, names: list[str]) -> list[ProblemFact]:
        """Facts about notions that hold one of the names: what is denied of these is denied of it."""
        return [fact for fact in self.problems if any(follows(name, fact.name) for name in names)]

    def done(self, names: list[str]) -> bool:
        """Whether a procedure of one of these names is in the state."""
        return any(follows(fact.name, name) for fact in self.procedures for name in names)

    def drugs_of(self, class_name: str) -> list[DrugUse]:
        """The patient's drugs of a class."""
        return [drug for name, drug in self.drugs.items() if class_name in classes_of(name)]

    @cached_property
    def times(self) -> tuple[tuple[str, Time], ...]:
        """Every time of the state, with the name of what it belongs to."""
        patient = self.patient
        found = [(fact.name, fact.time) for fact in self.facts]
        found += [(item.target, item.within) for item in patient.plan]
        if patient.follow_up:
            found.append((patient.follow_up.service, patient.follow_up.after))
        return tuple((name, time) for name, time in found if time is not None)

    @cached_property
    def numbers(self) -> tuple[tuple[str, float], ...]:
        """Every number of the state with its owner, apart from times and doses."""
        found = [
            (value.name, number)
            for value in self.labs.values()
            for printed in (value.value, value.earlier)
            for number in ([as_number(printed)] if printed else [])
            if number is not None
        ]
        found += [(fact.name, float(fact.size)) for fact in self.problems if fact.size is not None]
        found += [(drug.name, amount) for drug in self.drugs.values() for amount in doses_of(drug)]
        return tuple(found)


def _problems(patient: Patient) -> list[ProblemFact]:
    complaint, diagnosis = patient.complaint, patient.diagnosis
    found = [
        ProblemFact(
            "complaint", complaint.finding, side=complaint.side, time=complaint.duration, course=complaint.course
        )
    ]
    if diagnosis:
        found.append(
            ProblemFact("diagnosis", diagnosis.condition, certainty=diagnosis.certainty, acute=diagnosis.acute)
        )
    found += [ProblemFact("symptoms", name) for name in patient.symptoms]
    found += [ProblemFact("denied", name, present=False) for name in patient.denied]
    found += [ProblemFact("problems", p.condition, status=p.status, time=p.ago) for p in patient.problems]
    found += [ProblemFact("family", r.condition, who=r.relative) for r in patient.family]
    found += [ProblemFact("signs", s.finding, side=s.side, size=s.size) for s in patient.signs]
    found += [ProblemFact("absent signs", name, present=False) for name in patient.absent_signs]
    for study in patient.studies:
        found += [
            ProblemFact("studies", f.finding, side=f.side, size=f.size, study=study.procedure) for f in study.findings
        ]
        found += [ProblemFact("studies", name, present=False) for name in study.absent]
    found += [ProblemFact("ruled out", name, present=False, certainty="ruled out") for name in patient.ruled_out]
    if patient.outcome:
        found.append(ProblemFact("outcome", patient.outcome.finding))
    found += [ProblemFact("reason", drug.reason) for drug in patient.drugs if drug.reason]
    found += [ProblemFact("reaction", a.reaction) for a in patient.allergies or () if a.reaction]
    return found


def _procedures(patient: Patient) -> list[ProcedureFact]:
    found = [ProcedureFact("studies", study.procedure) for study in patient.studies]
    found += [ProcedureFact("operations", o.procedure, o.ago, o.side) for o in patient.operations]
    found += [ProcedureFact("plan", item.target, item.within, order=item.order) for item in patient.plan]
    if patient.follow_up:
        found.append(ProcedureFact("follow_up", patient.follow_up.service, patient.follow_up.after, order="follow up"))
    return found


def _pressures(labs: dict[str, Value]) -> dict[str, Value]:
    """A pressure printed as a pair is its two parts."""
    pair = labs.get("blood pressure")
    if pair is None or "/" not in pair.value:
        return {}
    now, before = pair.value.split("/"), (pair.earlier or "").split("/")
    earlier: list[str | None] = [*before] if len(before) == 2 else [None, None]
    return {_SYSTOLIC: Value(_SYSTOLIC, now[0], earlier[0]), _DIASTOLIC: Value(_DIASTOLIC, now[1], earlier[1])}


def as_number(printed: str | None) -> float | None:
    """The number of a printed value; ``None`` without one."""
    if not printed:
        return None
    try:
        return float(printed.replace(",", "").strip("<>~ %"))
    except ValueError:
        return None


def doses_of(drug: DrugUse) -> list[float]:
    """The numbers of a drug's doses, in mg where they are masses."""
    return [amount for printed in (drug.dose, drug.new_dose) if printed for amount in amounts_in(printed)]


def amounts_in(printed: str) -> list[float]:
    """The numbers of a printed dose, masses in mg: 0.5 g and 500 mg are one."""
    found = find_quantities(printed)
    return [
        number * (UNITS[quantity.unit][1] if quantity.measures == "mass" else 1.0)
        for quantity in found
        for number in quantity.values
    ]


def in_days(n: float, unit: str) -> float:
    """A length of time in days."""
    return n * _DAYS[unit.rstrip("s")]


def lab_entry(name: str) -> Lab | None:
    """The lexicon's entry of a laboratory value or vital sign."""
    return next((lab for lab in load_lexicon().labs if lab.name == name), None)


@cache
def unit_of(name: str) -> str:
    """The unit of a laboratory value or vital sign as quantities spell it; "" without one, or one they do not know."""
    entry = lab_entry(name)
    found = find_quantities(f"1 {entry.unit}") if entry and entry.unit else []
    return found[0].unit if len(found) == 1 else ""


def is_other_unit(unit: str, name: str) -> bool:
    """Whether a number with this unit cannot be the named value: 171 mg/dL is no platelet count."""
    stated = unit_of(name)
    if not unit or not stated or name == "temperature" or UNITS[unit][0] == UNITS[stated][0]:
        return False
    return unit != stated


def level_of(value: Value, name: str) -> str | None:
    """high, low or normal by the reference range; a heart rate of 101 is high."""
    number, lab = as_number(value.value), lab_entry(name)
    if number is None or lab is None:
        return None
    if name == "temperature" and number > 60:
        number = (number - 32) / 1.8
    if number > lab.high:
        return "high"
    return "low" if number < lab.low else "normal"


def trend_of(value: Value) -> str | None:
    """up, down or same from the earlier value to the present one."""
    now, before = as_number(value.value), as_number(value.earlier)
    if now is None or before is None:
        return None
    return "up" if now > before else "down" if now < before else "same"


def distance_from_range(number: float, name: str) -> float:
    """How far a value lies outside its reference range; 0 within."""
    lab = lab_entry(name)
    return 0.0 if lab is None else max(lab.low - number, number - lab.high, 0.0)


def fever_threshold() -> float:
    """From which temperature (C) on one may say fever."""
    return float(forms()["fever_at"])
