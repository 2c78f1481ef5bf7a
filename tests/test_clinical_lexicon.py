"""The lexicon agrees with itself: whoever edits a CSV learns here what no longer fits."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import pytest

from clinical.lexicon import DATA_DIR, FINDING_KINDS, PROCEDURE_KINDS, Condition, Finding, load_lexicon
from clinical.mentions import Concept, concepts, find_mentions, keys_of

LEXICON = load_lexicon()
FEWEST = {
    "drugs": 150,
    "conditions": 155,
    "findings": 290,
    "labs": 55,
    "procedures": 90,
    "services": 28,
    "advice": 75,
    "allergens": 15,
}
COLUMNS = {
    "conditions": ["name", "synonyms", "group", "broader"],
    "findings": ["name", "synonyms", "group", "kind", "broader"],
    "procedures": ["name", "synonyms", "group", "kind"],
    "advice": ["name", "synonyms", "group"],
}
GROUPED = tuple(COLUMNS)
# In capitals, a note has these in another sense first: room air, tender to palpation, NPH insulin, ...
OTHER_SENSES = {"RA", "TTP", "ED", "NPH", "PT", "OT", "ST", "AS", "MR", "HA", "CAP", "LOC", "GBS", "OCT", "VT", "MM"}
_WORDS = """
a ad age ago aid air all am an and any are arm art as ask at ate bad bag be bed bet big bit box but buy by can
car cat cup cut day did die do dog due ear eat eg end era etc ex eye far fat few fit for gap get go got gum
gut had has he her hi him hip his hit hot how ice if ill in is it its jaw job key kid lab lap leg let lid lie
lip lot low man map mat may me men met mix mom my net new no nor not now odd of off ok old on one or our out
own pan pat pay per pet pit put ran rat raw red rib rid rod rub run sad sat saw say sea see set sex she sit
six ski sky so son spa sun tan tap tea ten the tie tip to toe too top try two up us use van via war was way we
wet who why win yes yet you
"""
ENGLISH_WORDS = frozenset(_WORDS.split())


def each_name() -> list[tuple[Concept, str]]:
    return [(concept, name) for concept in concepts() for name in concept.names]


@pytest.mark.parametrize(("kind", "fewest"), FEWEST.items())
def test_each_kind_is_well_stocked(kind: str, fewest: int) -> None:
    assert len(getattr(LEXICON, kind)) >= fewest


def test_findings_and_procedures_are_of_the_known_kinds_and_each_kind_is_well_stocked() -> None:
    findings = Counter(finding.kind for finding in LEXICON.findings)
    procedures = Counter(procedure.kind for procedure in LEXICON.procedures)
    assert set(findings) == set(FINDING_KINDS)
    assert set(procedures) == set(PROCEDURE_KINDS)
    assert (findings["symptom"] >= 115, findings["sign"] >= 90, findings["imaging"] >= 85) == (True, True, True)


@pytest.mark.parametrize(("kind", "columns"), COLUMNS.items())
def test_files_are_rectangular(kind: str, columns: list[str]) -> None:
    with (DATA_DIR / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == columns
    assert [row for row in rows if len(row) != len(columns)] == []


def test_names_are_neat() -> None:
    assert [name for _, name in each_name() if name != " ".join(name.split()) or not name] == []


def test_no_name_belongs_to_two_entries() -> None:
    """As readers compare names: without plural, case and hyphen; those of up to 3 letters in their own capitals."""
    owners = defaultdict(set)
    for concept, name in each_name():
        owners[keys_of(name), name if len(name) <= 3 else None].add(f"{concept.kind} {concept.name}")
    assert {name[0]: sorted(entries) for name, entries in owners.items() if len(entries) > 1} == {}


def test_no_name_is_written_twice_in_an_entry() -> None:
    for concept in concepts():
        assert len({name.lower() for name in concept.names}) == len(concept.names), concept.name


def test_short_names_are_no_english_words_and_have_no_other_sense() -> None:
    short = {name for _, name in each_name() if len(name) <= 3}
    assert [name for name in short if name.lower() in ENGLISH_WORDS] == []
    assert short & OTHER_SENSES == set()


def test_every_name_is_found_in_a_text_as_its_own_entry() -> None:
    lost = []
    for concept, name in each_name():
        found = find_mentions(f"Of note: {name}.")
        if [(mention.text, mention.concept) for mention in found] != [(name, concept)]:
            lost.append((concept.name, name, [mention.concept.name for mention in found]))
    assert lost == []


@pytest.mark.parametrize("kind", GROUPED)
def test_every_entry_has_a_sibling(kind: str) -> None:
    sizes = Counter(entry.group for entry in getattr(LEXICON, kind))
    assert [group for group, size in sizes.items() if size < 2 or not group] == []


def test_broader_notions_are_wider_than_the_entry() -> None:
    """A wider notion that the lexicon knows goes by its canonical name, and an entry is not wider than itself."""
    canonical = {concept.name for concept in concepts()}
    entries: tuple[Condition | Finding, ...] = (*LEXICON.conditions, *LEXICON.findings)
    for entry in entries:
        own = {keys_of(name) for name in (entry.name, *entry.synonyms)}
        assert len(set(entry.broader)) == len(entry.broader), entry.name
        for wider in entry.broader:
            assert keys_of(wider) not in own, (entry.name, wider)
            found = find_mentions(wider)
            whole = [mention.concept.name for mention in found if mention.text == wider]
            assert wider in canonical or whole == [], (entry.name, wider)


def test_drugs_treat_conditions_of_the_lexicon() -> None:
    known = {c.name for c in LEXICON.conditions}
    assert [(d.name, t) for d in LEXICON.drugs for t in d.treats if t not in known] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("PE: lungs clear.", []),  # the physical examination
        ("PE reveals crackles.", ["crackles"]),
        ("MS: alert.", []),  # mental status
        ("No PE on CTPA.", ["pulmonary embolism", "CT pulmonary angiogram"]),
        ("SpO2 98% on RA, PT 12 s, UA clean", ["oxygen saturation", "urinalysis"]),
        ("CVA tenderness after a CVA", ["costovertebral angle tenderness", "stroke"]),
        ("H. pylori infection", ["Helicobacter pylori infection"]),
        ("Graves' disease and Graves disease", ["Graves' disease", "Graves' disease"]),
        ("swollen legs, swelling of the legs", ["leg swelling", "leg swelling"]),
        ("ST depression and depression", ["ST depression", "major depressive disorder"]),
        ("She had the flu shot.", ["influenza vaccination"]),
        ("heat exhaustion", ["heat exhaustion"]),
    ],
)
def test_names_with_two_senses(text: str, names: list[str]) -> None:
    assert [mention.concept.name for mention in find_mentions(text)] == names
