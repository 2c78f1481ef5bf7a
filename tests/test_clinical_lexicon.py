"""The lexicon agrees with itself: whoever edits a CSV learns here what no longer fits."""

import re
from collections import Counter

import pytest

from clinical.lexicon import load_lexicon

LEXICON = load_lexicon()
KINDS = ("drugs", "conditions", "findings", "labs", "procedures")
FREQUENCY = re.compile(
    r"(once|twice|three times|four times) (daily|weekly)|at bedtime|as needed|every \d+ hours( as needed)?"
)


def spellings(entry):
    return (entry.name, *(entry.brands if hasattr(entry, "brands") else entry.synonyms))


@pytest.mark.parametrize(("kind", "fewest"), list(zip(KINDS, (70, 70, 60, 30, 30), strict=True)))
def test_each_kind_is_well_stocked(kind, fewest):
    assert len(getattr(LEXICON, kind)) >= fewest


@pytest.mark.parametrize("kind", KINDS)
def test_no_spelling_names_two_entries(kind):
    counts = Counter(s.lower() for entry in getattr(LEXICON, kind) for s in spellings(entry))
    assert [s for s, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_spellings_are_neat(kind):
    every = [s for entry in getattr(LEXICON, kind) for s in spellings(entry)]
    assert [s for s in every if s != " ".join(s.split()) or not s] == []


def test_no_abbreviation_is_an_everyday_word():
    """Readers that ignore case would take them for 'as', 'is', 'he'."""
    every = [s for kind in KINDS for entry in getattr(LEXICON, kind) for s in spellings(entry)]
    everyday = {"as", "is", "it", "he", "or", "in", "on", "at", "an", "am", "so", "no", "all", "age", "old"}
    assert everyday.isdisjoint(s.lower() for s in every)


def test_generic_names_are_lower_case_and_brands_are_not():
    assert [d.name for d in LEXICON.drugs if d.name != d.name.lower()] == []
    assert [b for d in LEXICON.drugs for b in d.brands if not b[0].isupper()] == []


def test_doses_are_numbers_with_units_from_low_to_high():
    for drug in LEXICON.drugs:
        amounts = []
        for dose in drug.doses:
            match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(\d+))?(?: (?:mg|mcg|g|units)|%)", dose)
            assert match, (drug.name, dose)
            amounts.append((float(match[1]), float(match[2] or 0)))
        assert amounts == sorted(set(amounts)), drug.name
        units = {re.sub(r"[\d./ ]", "", dose) for dose in drug.doses}
        assert len(units) == 1, drug.name


def test_routes_and_frequencies_are_of_the_known_kinds():
    for drug in LEXICON.drugs:
        assert drug.routes, drug.name
        assert set(drug.routes) <= {"oral", "intravenous", "subcutaneous", "inhaled", "topical"}, drug.name
        assert drug.frequencies, drug.name
        assert all(FREQUENCY.fullmatch(f) for f in drug.frequencies), drug.name


def test_drugs_treat_conditions_of_the_lexicon():
    known = {c.name for c in LEXICON.conditions}
    assert [(d.name, t) for d in LEXICON.drugs for t in d.treats if t not in known] == []


def test_reference_range_lies_within_the_plausible_one():
    for lab in LEXICON.labs:
        assert lab.plausible_low <= lab.low < lab.high <= lab.plausible_high, lab.name
        assert lab.low == round(lab.low, lab.decimals), lab.name
        assert lab.high == round(lab.high, lab.decimals), lab.name
