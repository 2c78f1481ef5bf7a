"""The facts behind a note, written as JSON and read back: the same patient, and nothing but what was written."""

import dataclasses
import json
import types
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.lexicon import load_lexicon
from clinical.patient import (
    SEXES,
    UNITS,
    Allergy,
    Complaint,
    Course,
    Diagnosis,
    DrugUse,
    FollowUp,
    Located,
    Operation,
    Patient,
    PlanItem,
    Problem,
    Relative,
    Study,
    Time,
    Value,
    from_json,
    to_json,
)

BARE = Patient(64, "female", "cardiology", "clinic", Complaint("chest pain"))
BARE_JSON = '[["patient",64,"female","cardiology","clinic"],["cc","chest pain"]]'


# ------------------------------------------------------------------------------------------------ as written
def test_what_is_not_stated_is_not_written():
    assert to_json(BARE) == BARE_JSON
    assert from_json(BARE_JSON) == BARE


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ({"complaint": Complaint("cough", None, Time(3, "days"))}, ["cc", "cough||3 days"]),
        ({"complaint": Complaint("knee pain", "left", None, "sudden")}, ["cc", "knee pain|left||sudden"]),
        ({"symptoms": ("fever", "nausea")}, ["sx", "fever", "nausea"]),
        ({"denied": ("syncope",)}, ["no", "syncope"]),
        ({"problems": (Problem("gout", "resolved", Time(1, "years")), Problem("asthma"))},
         ["pmh", "gout|resolved|1 years", "asthma"]),
        ({"problems": (Problem("gout", ago=Time(9, "months")),)}, ["pmh", "gout|active|9 months"]),
        ({"operations": (Operation("appendectomy", None, Time(2, "days")),)}, ["op", "appendectomy||2 days"]),
        ({"family": (Relative("mother", "breast cancer"),)}, ["fh", "mother|breast cancer"]),
        ({"smoking": "former", "pack_years": 0}, ["packs", "0"]),
        ({"drugs": (DrugUse("lisinopril", "10 mg", None, "once daily"),)}, ["rx", "lisinopril|10 mg||once daily"]),
        ({"drugs": (DrugUse("furosemide", "20 mg", change="increased", new_dose="40 mg", reason="heart failure"),)},
         ["rx", "furosemide|20 mg|||increased|40 mg|heart failure"]),
        ({"allergies": ()}, ["allergy"]),  # none known, which is a fact; None is none
        ({"allergies": (Allergy("latex"), Allergy("penicillins", "rash"))}, ["allergy", "latex", "penicillins|rash"]),
        ({"vitals": (Value("heart rate", "92"),)}, ["vs", "heart rate|92"]),
        ({"signs": (Located("pedal edema", "bilateral"),)}, ["pe", "pedal edema|bilateral"]),
        ({"absent_signs": ("heart murmur",)}, ["pe no", "heart murmur"]),
        ({"labs": (Value("creatinine", "2.10", "1.4"),)}, ["lab", "creatinine|2.10|1.4"]),
        ({"studies": (Study("chest X-ray"),)}, ["img", "chest X-ray"]),
        ({"studies": (Study("chest X-ray", (Located("nodule", "left", 8), Located("cardiomegaly")), ("effusion",)),)},
         ["img", "chest X-ray|nodule~left~8;cardiomegaly|effusion"]),
        ({"studies": (Study("chest X-ray", (), ("effusion", "pneumothorax")),)},
         ["img", "chest X-ray||effusion;pneumothorax"]),
        ({"diagnosis": Diagnosis("COPD", acute=True)}, ["dx", "COPD|confirmed|True"]),
        ({"diagnosis": Diagnosis("COPD", "suspected")}, ["dx", "COPD|suspected"]),
        ({"ruled_out": ("sepsis",)}, ["dx no", "sepsis"]),
        ({"outcome": Course("cough", "resolved")}, ["went", "cough|resolved"]),
        ({"plan": (PlanItem("advise", "fluid restriction", None, "1500 mL"),)},
         ["plan", "advise|fluid restriction||1500 mL"]),
        ({"disposition": "admitted"}, ["dispo", "admitted"]),
        ({"follow_up": FollowUp("cardiology", Time(2, "weeks"))}, ["fu", "cardiology|2 weeks"]),
    ],
)  # fmt: skip
def test_each_kind_of_fact_by_hand(stated, written):
    patient = dataclasses.replace(BARE, **stated)
    assert written in json.loads(to_json(patient))
    assert from_json(to_json(patient)) == patient


# -------------------------------------------------------------------------------------- round trip of any patient
words = st.text(st.characters(exclude_characters="|;~"), min_size=1, max_size=12)
times = st.builds(Time, st.integers(0, 99), st.sampled_from(UNITS))


def values_of(hint):
    """Any value of a field's type; a text or a tuple within a fact is never empty, as in the lexicon."""
    if isinstance(hint, types.UnionType):
        return st.one_of(*(st.none() if kind is type(None) else values_of(kind) for kind in typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return st.lists(values_of(typing.get_args(hint)[0]), max_size=3).map(tuple)
    if hint is Time:
        return times
    if dataclasses.is_dataclass(hint):
        fields = {name: values_of(kind) for name, kind in typing.get_type_hints(hint).items()}
        return st.builds(hint, **(fields | {"sex": st.sampled_from(SEXES)} if hint is Patient else fields))
    return {str: words, int: st.integers(0, 120), bool: st.booleans()}[hint]


@settings(deadline=None)
@given(values_of(Patient))
def test_any_patient_reads_back_the_same(patient):
    assert from_json(to_json(patient)) == patient


def test_no_name_of_the_lexicon_holds_what_stands_between_facts():
    lexicon = load_lexicon()
    kinds = [value for value in vars(lexicon).values() if isinstance(value, tuple)]
    names = [entry.name for entries in kinds for entry in entries if hasattr(entry, "name")]
    assert len(names) > 1000
    assert not [name for name in names if set(name) & set("|;~")]


# ------------------------------------------------------------------------------------------------ as not written
def facts_and(*more):
    """The bare patient and something else, as JSON."""
    return json.dumps([*json.loads(BARE_JSON), *more])


def test_how_the_json_is_spaced_does_not_matter():
    assert from_json(json.dumps(json.loads(BARE_JSON), indent=2)) == BARE
    assert from_json(facts_and(["sx", "fever"])).symptoms == ("fever",)  # what the cases below break is sound


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "null", "7", "[]", "{}", "[[]]", "nothing", '"patient"', "[" * 100_000,
        "{'claims': 3}", '{"total_claims": 3}',  # what other data sets have in this column
        BARE_JSON + "x", BARE_JSON + BARE_JSON, BARE_JSON[:-1],
        '[["patient",64,"female","cardiology","clinic"]]',  # no complaint
        BARE_JSON.replace('"patient"', '"person"'),
        BARE_JSON.replace("64", '"64"'), BARE_JSON.replace("64", "64.5"), BARE_JSON.replace("64", "true"),
        BARE_JSON.replace("64", "null"), BARE_JSON.replace('"female"', "1"), BARE_JSON.replace('"clinic"', "null"),
        BARE_JSON.replace(',"clinic"', ""), BARE_JSON.replace('"clinic"', '"clinic","again"'),
        BARE_JSON.replace('"chest pain"', ""), BARE_JSON.replace('"chest pain"', '""'),
        BARE_JSON.replace('"chest pain"', '"chest pain","cough"'), BARE_JSON.replace('"chest pain"', "null"),
    ],
)  # fmt: skip
def test_what_is_no_patient_is_refused(text):
    with pytest.raises(ValueError, match="not the facts of a shipped note"):
        from_json(text)


@pytest.mark.parametrize(
    "fact",
    [
        [], "sx", None, 3, {}, {"sx": "fever"}, ["unknown", "fever"], ["symptoms", "fever"], [None, "fever"],
        [["sx"], "fever"], ["patient", 64, "female", "cardiology", "clinic"],
        ["sx"], ["sx", 3], ["sx", None], ["sx", ["fever"]], ["sx", True],
        ["smoking"], ["smoking", "former", "current"], ["packs", 30], ["packs", "many"], ["packs", "3.5"],
        ["packs", " 30"], ["packs", "030"], ["cc", "cough"],  # the second complaint
        ["rx", ""], ["rx", "|10 mg"], ["rx", "lisinopril|10 mg|||continued"], ["rx", "lisinopril|10 mg|"],
        ["rx", "lisinopril|10 mg||once daily|started|20 mg|gout|garbage"],
        ["op", "appendectomy||2"], ["op", "appendectomy||two years"], ["op", "appendectomy||2 years ago"],
        ["op", "appendectomy||2  years"], ["op", "appendectomy||2.0 years"], ["op", "appendectomy||2 year"],
        ["dx", "COPD|confirmed|False"], ["dx", "COPD|confirmed|yes"], ["dx", "COPD|confirmed"], ["dx", "|suspected"],
        ["fh", "mother"], ["vs", "heart rate"], ["went", "cough"], ["plan", "repeat"],
        ["img", "chest X-ray|nodule~left~big"], ["img", "chest X-ray|nodule~left~8~more"], ["img", "chest X-ray|;"],
    ],
)  # fmt: skip
def test_a_fact_that_to_json_never_writes_is_refused(fact):
    with pytest.raises(ValueError, match="not the facts of a shipped note"):
        from_json(facts_and(fact))


def test_a_tag_twice_and_an_order_of_its_own_are_refused():
    for facts in ([["sx", "fever"], ["sx", "nausea"]], [["sx", "fever"], ["sx", "fever"]], [["no", "a"], ["sx", "b"]]):
        with pytest.raises(ValueError, match="not the facts"):
            from_json(facts_and(*facts))
