"""The clinical lexicon: drugs, conditions, findings, labs, procedures and more, kept as CSV data and read as tuples."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA_DIR = Path(__file__).resolve().parent / "lexicon_data"
FINDING_KINDS = ("symptom", "sign", "imaging")
PROCEDURE_KINDS = ("imaging", "test", "operation", "therapy")


@dataclass(frozen=True)
class Drug:
    """A medicine by its generic name. ``treats`` names conditions of the lexicon; ``doses`` read like ``5 mg``."""

    name: str
    brands: tuple[str, ...]
    drug_class: str
    doses: tuple[str, ...]
    routes: tuple[str, ...]
    frequencies: tuple[str, ...]
    treats: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """A diagnosis. Conditions of one ``group`` are siblings: plausible in each other's place, and never the same.

    ``synonyms`` are exact equivalents; ``broader`` are wider notions that may rightly be said instead, most of them
    names of entries and some not.
    """

    name: str
    synonyms: tuple[str, ...]
    group: str
    broader: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A symptom, a sign (found on examination) or an imaging finding (of any study): one of ``FINDING_KINDS``."""

    name: str
    synonyms: tuple[str, ...]
    group: str
    kind: str
    broader: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """A laboratory value or vital sign: the adult reference range, and the wider range a living patient can show."""

    name: str
    synonyms: tuple[str, ...]
    unit: str
    low: float
    high: float
    plausible_low: float
    plausible_high: float
    decimals: int


@dataclass(frozen=True)
class Procedure:
    """An imaging study, a test, an operation or a therapy: one of ``PROCEDURE_KINDS``."""

    name: str
    synonyms: tuple[str, ...]
    group: str
    kind: str


@dataclass(frozen=True)
class Service:
    """A clinic, team or specialty to which one refers a patient."""

    name: str
    synonyms: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """An instruction or order that is no drug, lab or procedure, such as daily weights."""

    name: str
    synonyms: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Allergen:
    """A substance or class, other than a drug of the lexicon, to which one may be allergic."""

    name: str
    synonyms: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """All entries, in the order of their files."""

    drugs: tuple[Drug, ...]
    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    labs: tuple[Lab, ...]
    procedures: tuple[Procedure, ...]
    services: tuple[Service, ...]
    advice: tuple[Advice, ...]
    allergens: tuple[Allergen, ...]


@cache
def labs_by_name() -> dict[str, Lab]:
    """The laboratory values and vital signs by name."""
    return {lab.name: lab for lab in load_lexicon().labs}


@cache
def load_lexicon() -> Lexicon:
    """Read the CSV files once."""
    return Lexicon(
        drugs=tuple(
            Drug(
                name=row["name"],
                brands=_several(row["brands"]),
                drug_class=row["drug_class"],
                doses=_several(row["doses"]),
                routes=_several(row["routes"]),
                frequencies=_several(row["frequencies"]),
                treats=_several(row["treats"]),
            )
            for row in _rows("drugs.csv")
        ),
        conditions=tuple(
            Condition(row["name"], _several(row["synonyms"]), row["group"], _several(row["broader"]))
            for row in _rows("conditions.csv")
        ),
        findings=tuple(
            Finding(row["name"], _several(row["synonyms"]), row["group"], row["kind"], _several(row["broader"]))
            for row in _rows("findings.csv")
        ),
        labs=tuple(
            Lab(
                name=row["name"],
                synonyms=_several(row["synonyms"]),
                unit=row["unit"],
                low=float(row["low"]),
                high=float(row["high"]),
                plausible_low=float(row["plausible_low"]),
                plausible_high=float(row["plausible_high"]),
                decimals=int(row["decimals"]),
            )
            for row in _rows("labs.csv")
        ),
        procedures=tuple(
            Procedure(row["name"], _several(row["synonyms"]), row["group"], row["kind"])
            for row in _rows("procedures.csv")
        ),
        services=tuple(Service(row["name"], _several(row["synonyms"])) for row in _rows("services.csv")),
        advice=tuple(Advice(row["name"], _several(row["synonyms"]), row["group"]) for row in _rows("advice.csv")),
        allergens=tuple(Allergen(row["name"], _several(row["synonyms"])) for row in _rows("allergens.csv")),
    )


@cache
def broader_notions() -> dict[str, tuple[str, ...]]:
    """The wider notions that may rightly be said for a condition or a finding, by its name."""
    lexicon = load_lexicon()
    wider = {condition.name: condition.broader for condition in lexicon.conditions}
    return wider | {finding.name: finding.broader for finding in lexicon.findings}


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA_DIR / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _several(cell: str) -> tuple[str, ...]:
    """A cell's values: ``|`` stands between them, since commas and slashes occur within."""
    return tuple(part.strip() for part in cell.split("|") if part.strip())
