"""Whether a word for an abnormal value (hyperkalemia, febrile, low blood sugar) fits the values of the state."""

from __future__ import annotations

from clinical.oracle.sentence import Mention
from clinical.oracle.state import Known, as_number, fever_threshold, level_of
from clinical.oracle.surface import LAB, LEVEL, PROBLEM
from clinical.oracle.words import forms, words

_LEVELS = {word: level for level in ("high", "low") for word in words()["level"][level]}


def level_claim(known: Known, mention: Mention) -> tuple[bool | None, str] | None:
    """Whether an abnormal-value word (hyperkalemia, febrile) fits the values: (fits, lab); ``None`` if it is none.

    ``(None, "")`` where no such value is stated.
    """
    table = forms()["levels"]
    low = mention.text.lower().replace("-", " ")
    spelt = mention.named.name_of(LEVEL) or (low if low in table else None)
    if spelt is None:
        spelt = next((name for name in mention.named.names_of(PROBLEM) if name in table), None)
    if spelt is None and "fever" in mention.named.names_of(PROBLEM):
        spelt = "febrile"
    if spelt is None and mention.named.name_of(LAB):
        names, level = "|".join(mention.named.names_of(LAB)), _LEVELS.get(low.split()[0], "")
    elif spelt is None:
        return None
    else:
        names, level = table[spelt]
    if not level:
        return None
    fits: list[tuple[bool, str]] = []
    for name in names.split("|"):
        value = known.labs.get(name)
        if value is None:
            continue
        number = as_number(value.value)
        if number is None:
            continue
        if level.isdigit():
            fits.append((number >= float(level), name))
        elif name == "temperature":
            fits.append((_fits_temperature(number, level, level_of(value, name)), name))
        else:
            fits.append((level_of(value, name) == level, name))
    if not fits:
        return None, ""
    best = max(fits, key=lambda fit: fit[0])
    return best[0], best[1]


def _fits_temperature(number: float, level: str, told: str | None) -> bool:
    celsius = (number - 32) / 1.8 if number > 60 else number
    if level == "high":
        return celsius >= fever_threshold()
    return celsius < 38.0 if level == "normal" else told == level
