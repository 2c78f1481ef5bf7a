"""Small rules of English and of clinical spelling that both writers obey: lists, articles, doses, names."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from clinical.lexicon import Condition, Finding, Lab, Procedure, load_lexicon
from phase1_data_medhal.patient import DrugUse, Patient, Value

ROUTES = {
    "oral": ("orally", "PO"), "intravenous": ("intravenously", "IV"), "subcutaneous": ("subcutaneously", "SC"),
    "inhaled": ("by inhalation", "inh"), "topical": ("topically", "top"),
}  # fmt: skip
FREQUENCIES = {
    "once daily": "daily", "twice daily": "BID", "three times daily": "TID", "four times daily": "QID",
    "at bedtime": "qHS", "once weekly": "weekly", "as needed": "PRN",
    "every 6 hours as needed": "q6h PRN", "every 8 hours as needed": "q8h PRN",
}  # fmt: skip
# Synonyms that say more or less than the name, or read badly in a sentence: for recognition, not for writing.
UNWRITTEN = {"estimated glomerular filtration rate", "Crohn disease", "Parkinson disease", "facial weakness",
             "gouty arthritis", "belly pain", "yellow skin", "spinning sensation", "blood glucose", "anorexia",
             "CT abdomen and pelvis", "thyrotropin", "bilirubin", "B12 level", "CT angiogram of the chest",
             "angina", "appendix removal", "PE", "renal stones", "kidney stones", "gallstones",
             "vision changes", "atrial fib", "anxiety disorder", "depression", "diabetic peripheral neuropathy",
             "chest discomfort", "upper abdominal pain", "cholecystitis", "appendicitis", "pancreatitis"}  # fmt: skip
EVENTS = {"pulmonary embolism", "NSTEMI", "STEMI", "ischemic stroke", "transient ischemic attack"}


def listed(items: Sequence[str], word: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def capital(text: str) -> str:
    """First letter in upper case, unless the word is spelled otherwise (eGFR)."""
    return text if text.startswith("eGFR") else text[:1].upper() + text[1:]


def tidy(text: str) -> str:
    """Put the article that fits before each word and number."""
    return re.sub(r"\b([Aa])n? (?=([\w-]+))", lambda m: m[1] + ("n " if _vowel_sound(m[2]) else " "), text)


def _vowel_sound(word: str) -> bool:
    if word[0].isdigit():
        return word.startswith("8") or re.match(r"(11|18)(?!\d)", word) is not None
    if len(word) > 1 and word.split("-")[0].isupper() and word not in ("STEMI", "COPD", "COVID"):  # spelled out
        return word[0] in "AEFHILMNORSX"
    return word[0].lower() in "aeiou" and not re.match(r"(?i)(uni|uri[cn]|use|one)", word)


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    lexicon = load_lexicon()
    entries: list[Condition | Finding | Lab | Procedure] = [
        *lexicon.conditions,
        *lexicon.findings,
        *lexicon.labs,
        *lexicon.procedures,
    ]
    return {entry.name: tuple(s for s in entry.synonyms if s not in UNWRITTEN) for entry in entries}


def _is_short(text: str) -> bool:
    return len(text) <= 6 and sum(c.isupper() for c in text) > 0


def in_words(name: str, rng: random.Random, share: float = 0.35) -> str:
    """``name``, or with probability ``share`` a synonym in words that means exactly the same.

    A synonym that contains the name (acute pericarditis) would add to what is stated, so it is never taken.
    """
    options = [s for s in _synonyms().get(name, ()) if not _is_short(s) and name.lower() not in s.lower()]
    return rng.choice(options) if options and rng.random() < share else name


def short(name: str, rng: random.Random, share: float = 0.8) -> str:
    """The abbreviation of ``name``, where there is one, with probability ``share``; else ``name``."""
    options = [s for s in _synonyms().get(name, ()) if _is_short(s)]
    return options[0] if options and rng.random() < share else name


def drug_phrase(use: DrugUse, terse: bool, dose: str | None = None) -> str:
    """Name, dose, route and frequency, as far as they are stated."""
    route = ROUTES[use.route][terse] if use.route else None
    frequency = FREQUENCIES[use.frequency] if use.frequency and terse else use.frequency
    return " ".join(part for part in (use.name, dose or use.dose, route, frequency) if part)


def with_unit(value: str, name: str) -> str:
    """``2.1 mg/dL``, ``93%``, ``38.2 C``."""
    unit = next(lab.unit for lab in load_lexicon().labs if lab.name == name)
    return value + (unit if unit == "%" else f" {unit}" if unit else "")


def pressure(patient: Patient) -> str | None:
    """Blood pressure as ``142/88 mmHg``."""
    values = {v.name: v.value for v in patient.vitals}
    pair = [values.get(f"{part} blood pressure") for part in ("systolic", "diastolic")]
    return f"{pair[0]}/{pair[1]} mmHg" if all(pair) else None


def other_vitals(patient: Patient) -> list[Value]:
    """The vital signs other than the blood pressure."""
    return [v for v in patient.vitals if "blood pressure" not in v.name]


def with_article(condition: str, suffix: str, phrase: str) -> str:
    """``phrase`` as the object of a verb: events such as a stroke or a flare take an article, diseases do not."""
    return f"a {phrase}" if suffix or condition in EVENTS else phrase


def complaint_words(patient: Patient, word: str) -> str:
    """The complaint with its side, where it has one: ``left calf pain``."""
    return f"{patient.side} {word}" if patient.sided and patient.side else word


def singular(unit: str) -> str:
    """``days`` -> ``day``."""
    return unit.removesuffix("s")


def pronouns(patient: Patient) -> dict[str, str]:
    """Words that depend on the sex."""
    if patient.sex == "male":
        he, his, him, person, letter, title = "he", "his", "him", "man", "M", "gentleman"
    else:
        he, his, him, person, letter, title = "she", "her", "her", "woman", "F", "lady"
    return {
        "he": he, "He": he.capitalize(), "his": his, "His": his.capitalize(), "him": him,
        "person": person, "letter": letter, "title": title,
    }  # fmt: skip
