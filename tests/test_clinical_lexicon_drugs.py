"""Drugs, labs, services and allergens of the lexicon: each entry is complete, usual, and named like no other."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from clinical.lexicon import DATA_DIR, load_lexicon

LEXICON = load_lexicon()
FILES = ("drugs", "labs", "services", "allergens")
COLUMNS = {
    "drugs": "name,brands,drug_class,doses,routes,frequencies,treats",
    "labs": "name,synonyms,unit,low,high,plausible_low,plausible_high,decimals",
    "services": "name,synonyms",
    "allergens": "name,synonyms",
}
FEWEST = {"drugs": 152, "labs": 56, "services": 28, "allergens": 15}
DOSE = re.compile(r"(?P<first>\d+(?:\.\d+)?)(?:/(?P<second>\d+))?(?P<unit> mg| mcg| g| units| mEq| mL|%)")
ROUTES = (
    *("oral", "intravenous", "subcutaneous", "intramuscular", "inhaled", "topical", "transdermal", "sublingual"),
    *("rectal", "intranasal", "ophthalmic"),
)
FREQUENCIES = (
    *("once daily", "twice daily", "three times daily", "four times daily", "every 4 hours", "every 6 hours"),
    *("every 8 hours", "every 12 hours", "at bedtime", "every morning", "once weekly", "once monthly", "as needed"),
)
SAME_FREQUENCY = (
    ("twice daily", "every 12 hours"),
    ("three times daily", "every 8 hours"),
    ("four times daily", "every 6 hours"),
)
# Of some drugs one strength is all there is; every other has several, so that a dose can be raised or lowered.
ONE_STRENGTH = 36
# Short capitals that a note uses for something else first: physical therapy, prothrombin time, chest pain, ...
AMBIGUOUS = {"PT", "CP", "PE", "MS", "RA", "AS", "MI", "UA", "OA", "PC", "OD"}


def rows(kind: str) -> list[dict[str, str]]:
    with (Path(DATA_DIR) / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(row: dict[str, str], column: str) -> list[str]:
    return row[column].split("|") if row[column] else []


def spellings(row: dict[str, str]) -> list[str]:
    return [row["name"], *cells(row, "brands" if "brands" in row else "synonyms")]


@pytest.mark.parametrize("kind", FILES)
def test_each_file_is_rectangular_and_well_stocked(kind: str) -> None:
    found = rows(kind)
    assert len(found) >= FEWEST[kind]
    assert ",".join(found[0]) == COLUMNS[kind]
    assert [row["name"] for row in found if None in row or None in row.values()] == []


@pytest.mark.parametrize("kind", FILES)
def test_cells_hold_no_stray_blanks_or_repeats(kind: str) -> None:
    for row in rows(kind):
        for column, text in row.items():
            parts = text.split("|") if text else []
            assert all(part and part == " ".join(part.split()) for part in parts), (row["name"], column)
            assert len(set(parts)) == len(parts), (row["name"], column)


def test_no_name_of_these_files_stands_elsewhere_in_the_lexicon() -> None:
    """Short capitals are told apart by their case, as readers of mentions do; longer names are not."""
    owners = defaultdict(set)
    for path in sorted(Path(DATA_DIR).glob("*.csv")):
        for row in rows(path.stem):
            if not {"brands", "synonyms"} & row.keys():  # a table about names, not of them
                continue
            for spelling in spellings(row):
                owners[spelling if len(spelling) <= 3 else spelling.lower()].add((path.stem, row["name"]))
    shared = {s: found for s, found in owners.items() if len(found) > 1 and any(kind in FILES for kind, _ in found)}
    assert shared == {}


@pytest.mark.parametrize("kind", FILES)
def test_no_short_spelling_means_something_else_in_notes(kind: str) -> None:
    assert [s for row in rows(kind) for s in spellings(row) if s in AMBIGUOUS] == []
    short = [s for row in rows(kind) for s in spellings(row) if len(s) == 1]
    assert set(short) <= {"K"}


def test_a_drug_is_no_spelling_of_its_own_class() -> None:
    for drug in LEXICON.drugs:
        assert drug.drug_class.lower() not in [s.lower() for s in (drug.name, *drug.brands)], drug.name


def test_doses_read_as_number_and_unit_from_low_to_high() -> None:
    for drug in LEXICON.drugs:
        found = [DOSE.fullmatch(dose) for dose in drug.doses]
        assert found and all(found), (drug.name, drug.doses)
        amounts = [(float(match["first"]), float(match["second"] or 0)) for match in found if match]
        assert amounts == sorted(set(amounts)), drug.name
        assert all(first > 0 for first, _ in amounts), drug.name
        assert len({match["unit"] for match in found if match}) == 1, drug.name
        assert len({match["second"] is None for match in found if match}) == 1, drug.name
        assert len(amounts) <= 4, drug.name


def test_nearly_every_drug_has_another_usual_dose() -> None:
    assert len([drug.name for drug in LEXICON.drugs if len(drug.doses) == 1]) <= ONE_STRENGTH


def test_combinations_state_both_strengths() -> None:
    """Written as ``25/100 mg``; percentages and single agents have one figure."""
    for drug in LEXICON.drugs:
        pair = "-" in drug.name and not drug.name.startswith(("amoxicillin-", "ampicillin-", "piperacillin-"))
        assert ("/" in drug.doses[0]) is pair, drug.name


def test_routes_and_frequencies_are_known() -> None:
    for drug in LEXICON.drugs:
        assert drug.routes and set(drug.routes) <= set(ROUTES), drug.name
        assert drug.frequencies and set(drug.frequencies) <= set(FREQUENCIES), drug.name


def test_no_two_frequencies_of_a_drug_mean_the_same() -> None:
    """Else a change from one to the other would be no change."""
    for drug in LEXICON.drugs:
        assert not any(set(pair) <= set(drug.frequencies) for pair in SAME_FREQUENCY), drug.name


def test_route_and_name_agree() -> None:
    for drug in LEXICON.drugs:
        words = drug.name.split()
        assert ("eye" in words) is ("ophthalmic" in drug.routes), drug.name
        assert ("nasal" in words) <= ("intranasal" in drug.routes), drug.name
        assert ("patch" in words) <= ("transdermal" in drug.routes), drug.name
        assert (words[-1] in {"cream", "ointment"} and "eye" not in words) <= (drug.routes == ("topical",)), drug.name
        assert drug.name.startswith("insulin ") <= (drug.routes == ("subcutaneous",)), drug.name
        assert drug.name.startswith("insulin ") <= all(dose.endswith(" units") for dose in drug.doses), drug.name
        if drug.routes == ("inhaled",):
            assert all(dose.endswith((" mcg", " mg")) for dose in drug.doses), drug.name


def test_most_drugs_have_an_indication_and_many_conditions_a_choice() -> None:
    drugs = LEXICON.drugs
    assert len([drug for drug in drugs if drug.treats]) > 0.9 * len(drugs)
    choices = Counter(condition for drug in drugs for condition in drug.treats)
    assert len([condition for condition, count in choices.items() if count > 1]) >= 80


def test_the_common_classes_have_siblings() -> None:
    sizes = Counter(drug.drug_class for drug in LEXICON.drugs)
    common = "ACE inhibitor, angiotensin receptor blocker, beta blocker, statin, anticoagulant, loop diuretic, SSRI, "
    common += "anticonvulsant, NSAID, opioid analgesic, proton pump inhibitor, antiemetic, cephalosporin antibiotic, "
    common += "penicillin antibiotic, corticosteroid, SGLT2 inhibitor, alpha blocker"
    assert [name for name in common.split(", ") if sizes[name] < 2] == []
    alone = [drug for drug in LEXICON.drugs if sizes[drug.drug_class] == 1]
    assert len(alone) < len(LEXICON.drugs) / 5


def test_lab_ranges_print_with_few_decimals() -> None:
    for lab in LEXICON.labs:
        assert lab.plausible_low >= 0, lab.name
        assert 0 <= lab.decimals <= 2, lab.name


def test_labs_leave_room_for_abnormal_values_that_differ_when_printed() -> None:
    for lab in LEXICON.labs:
        steps = 10**lab.decimals
        room = (lab.low - lab.plausible_low, lab.plausible_high - lab.high)
        assert max(room) * steps >= 5, lab.name


def test_units_are_those_in_use() -> None:
    units = {"bpm", "mmHg", "breaths/min", "C", "%", "kg/m2", "kg", "/10", "", "mmol/L", "mg/dL", "mL/min", "mOsm/kg"}
    units |= {"g/dL", "fL", "x10^9/L", "ng/mL", "pg/mL", "U/L", "s", "umol/L", "mg/L", "mm/h", "mIU/L", "ng/dL"}
    units |= {"mcg/dL", "U/mL", "mIU/mL", "IU/mL", "mg/g", "mL/day", "mL", "L/min"}
    assert {lab.unit for lab in LEXICON.labs} <= units
