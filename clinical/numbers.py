"""Reads quantities from clinical text: digits or words, units, blood pressures, ranges, ages, how often a day."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from clinical.sentences import small_letters

_MINUTES = {"minute": 1.0, "hour": 60.0, "day": 1440.0, "week": 10080.0, "month": 43830.0, "year": 525960.0}
# unit -> (what it measures, its size there). Units of one measure are converted into each other.
UNITS: dict[str, tuple[str, float]] = {
    **{unit: ("time", size) for unit, size in _MINUTES.items()},
    **{"mcg": ("mass", 0.001), "mg": ("mass", 1.0), "g": ("mass", 1e3), "kg": ("mass", 1e6), "lb": ("mass", 453592.0)},
    **{"mL": ("volume", 1.0), "L": ("volume", 1000.0), "mm": ("length", 1.0), "cm": ("length", 10.0)},
    **{"inch": ("length", 25.4), "foot": ("length", 304.8)},
    **{unit: (unit, 1.0) for unit in ("unit", "mEq", "%", "mmHg", "bpm", "°C", "°F", "times", "tablet", "pack")},
    **{unit: (unit, 1.0) for unit in ("breaths/min", "mmol/L", "mg/dL", "g/dL", "U/L", "ng/mL", "pg/mL", "ng/dL")},
    **{unit: (unit, 1.0) for unit in ("mL/min", "x10^9/L", "kg/m2", "mm/h", "mIU/L", "mg/L", "pack-year")},
}
_SPELLINGS: dict[str, str] = {
    **{f"{unit}{ending}": unit for unit in _MINUTES for ending in ("", "s")},
    **{"h": "hour", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "d": "day", "w": "week"},
    **{"wk": "week", "wks": "week", "y": "year", "yr": "year", "yrs": "year", "mo": "month", "mos": "month"},
    **{"µg": "mcg", "ug": "mcg", "micrograms": "mcg", "microgram": "mcg"},
    **{"milligrams": "mg", "milligram": "mg", "mgs": "mg", "grams": "g", "gram": "g", "gm": "g"},
    **{"kilograms": "kg", "kilos": "kg", "lbs": "lb", "pounds": "lb", "pound": "lb", "cc": "mL", "ml": "mL"},
    **{"liters": "L", "liter": "L", "litres": "L", "centimeters": "cm", "centimeter": "cm", "millimeters": "mm"},
    **{"inches": "inch", "feet": "foot", "ft": "foot", "units": "unit", "IU": "unit", "percent": "%"},
    **{"mm Hg": "mmHg", "beats per minute": "bpm", "beats/min": "bpm", "breaths per minute": "breaths/min"},
    **{"mEq/L": "mmol/L", "degrees": "", "C": "°C", "F": "°F", "° C": "°C", "° F": "°F"},
    **{"degrees Celsius": "°C", "degrees Fahrenheit": "°F", "IU/L": "U/L", "K/uL": "x10^9/L"},
    **{"tablets": "tablet", "pills": "tablet", "packs": "pack", "pack years": "pack-year", "pack-years": "pack-year"},
    **dict.fromkeys(("pack-yrs", "pack-yr", "pack yrs", "pack yr", "pk-yrs", "pk-yr"), "pack-year"),
    **{"mmHG": "mmHg", "mL/min/1.73 m2": "mL/min", "kg/m^2": "kg/m2", "kg/m²": "kg/m2", "mm/hr": "mm/h"},
    **{unit: unit for unit in UNITS},
}
_UNIT = "|".join(re.escape(spelling) for spelling in sorted(_SPELLINGS, key=lambda s: (-len(s), s)))
_UNIT_AFTER = re.compile(rf"[\s-]?\s?({_UNIT})(?![\w/^])")
_AGE_AFTER = re.compile(
    r"[\s-]*(?:years?|yrs?|months?|weeks?|days?)[\s-]*(?:old\b|of age\b)|\s?-?(?:y/o|yo|y\.o\.)(?!\w)"
    r"|(?<=\b\d\d)[MF]\b"
)
_AGE_BEFORE = re.compile(
    r"\b(?:aged?(?: of| is|:)?|(?:man|woman|male|female|lady|gentleman|boy|girl) of)\s*$", re.IGNORECASE
)

_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(rf"(?:(?<![\w.,/#$-])(?<!\d[-–])|(?<=\bx))(?:{_DIGITS})(?!\^)")
_SECOND_OF_RANGE = re.compile(rf"(?<=\d[-–])(?<![A-Za-z]\d[-–])(?:{_DIGITS})")
_PAIR_AFTER = re.compile(r"\s?(?:/|over|out of)\s?(\d+(?:\.\d+)?)(?![\d/])")
_RANGE_BETWEEN = re.compile(r"\s*(?:-|–|to|or|-+>|→)\s*")
_CODE_AFTER = re.compile(r"/\d+/\d|st\b|nd\b|rd\b|th\b|['’]?s\b|[-/]\d+[-/]\d")
_LIST_AFTER = re.compile(r"[.)]\s")
_LETTER = re.compile(r"[A-Za-z]")
_MONTH_BEFORE = re.compile(
    r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?\s*(?:\d{1,2},?\s*)?$",
    re.IGNORECASE,
)

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_TEENS_AND_TENS = "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = (*range(20), *range(20, 100, 10))
WORDS = dict(zip(f"{_ONES} {_TEENS_AND_TENS}".split(), _VALUES, strict=True))
_ANY_WORD = "|".join([*WORDS, "hundred", "thousand"])
# Of a text in small letters.
_NUMBER_WORDS = re.compile(rf"\b(?:{_ANY_WORD})(?:(?:[\s-]+(?:and\s+)?|\s+point\s+)(?:{_ANY_WORD}))*\b")
_NUMBER_WORD = re.compile(rf"\b(?:{_ANY_WORD}|point)\b")
_SPOKEN_PAIR = re.compile(rf"\s+(?:over|out of)\s+({_NUMBER_WORDS.pattern}|\d+)")
# "a week" and "a couple of days" say how many without a number: evidence in a note, no claim of their own.
_SPELT_ONE = re.compile(
    r"\b(?:(an?|the last|the past|this past|last)|((?:a )?couple(?: of)?))\s+"
    r"(minute|hour|day|week|month|year|pack|pill|tablet)s?\b",
    re.IGNORECASE,
)

_HOW_OFTEN = {
    "six times daily": r"(?:six|6) times (?:daily|a day|per day)|every (?:4|four) hours|q4h",
    "four times daily": r"(?:four|4) times (?:daily|a day|per day)|q\.?i\.?d\.?|every (?:6|six) hours|q6h",
    "three times daily": r"(?:three|3) times (?:daily|a day|per day)|t\.?i\.?d\.?|every (?:8|eight) hours|q8h",
    "twice daily": r"(?:twice|two times|2 times) (?:daily|a day|per day)|b\.?i\.?d\.?|every (?:12|twelve) hours|q12h",
    "once weekly": r"(?:once )?weekly|once (?:a|every|per) week|every week",
    "once daily": r"(?:once )?daily|q\.?d\.?|every day|once (?:a|every|per) day|"
    r"(?:every|each) (?:morning|evening|night)|at bedtime|nightly|q\.?h\.?s\.?",
}
FREQUENCIES = {  # of a text in small letters
    name: re.compile(rf"(?<![\w.])(?:{pattern})(?!\w)") for name, pattern in _HOW_OFTEN.items()
}
# A text without any of these has none of the above, as most parts of texts have none.
_ANY_FREQUENCY = re.compile(r"da(?:y|ily)|every|each|week|bedtime|night|q|[bt]\.?i")


@dataclass(frozen=True)
class Quantity:
    """A number at ``text[start:end]`` (unit included): ``values`` has two parts for 120/80; ``unit`` may be empty.

    ``is_age`` marks a person's age; ``implied`` marks words without a number (a week).
    """

    start: int
    end: int
    values: tuple[float, ...]
    unit: str
    is_age: bool = False
    implied: bool = False
    number_end: int = 0

    @property
    def measures(self) -> str:
        """What the unit measures (time, mass, ...); empty without a unit."""
        return UNITS[self.unit][0] if self.unit else ""

    def moved(self, distance: int) -> Quantity:
        """The same quantity, ``distance`` characters further on."""
        return Quantity(
            self.start + distance,
            self.end + distance,
            self.values,
            self.unit,
            self.is_age,
            self.implied,
            self.number_end + distance if self.number_end else 0,
        )


@dataclass(frozen=True)
class Frequency:
    """How often a medicine is taken, at ``text[start:end]``: ``name`` is one of FREQUENCIES."""

    start: int
    end: int
    name: str


def same_amount(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities can mean the same: equal, or equal after conversion of units.

    A missing unit fits any ("twenty daily" is 20 mg). Between months or years and other units 10 % are allowed, since
    people call four weeks a month; between other units 2 %, for rounding. A single number fits a part of a pair (120
    of 120/80).
    """
    if len(one.values) != len(other.values):
        pair, single = (one, other) if len(one.values) > len(other.values) else (other, one)
        return single.values[0] in pair.values
    if one.unit == other.unit or not one.unit or not other.unit or len(one.values) > 1:
        return one.values == other.values
    if one.measures != other.measures:
        return False
    left = one.values[0] * UNITS[one.unit][1]
    right = other.values[0] * UNITS[other.unit][1]
    uneven = {"month", "year"} & {one.unit, other.unit}
    return abs(left - right) <= (0.10 if uneven else 0.02) * max(left, right)


def find_frequencies(text: str) -> list[Frequency]:
    """How-often phrases in order; of overlapping ones the first in FREQUENCIES."""
    found: list[Frequency] = []
    small = small_letters(text)
    if not _ANY_FREQUENCY.search(small):
        return found
    for name, pattern in FREQUENCIES.items():
        for match in pattern.finditer(small):
            if all(match.end() <= f.start or match.start() >= f.end for f in found):
                found.append(Frequency(match.start(), match.end(), name))
    return sorted(found, key=lambda frequency: frequency.start)


def find_quantities(text: str) -> list[Quantity]:
    """Quantities in order. Left out: calendar dates, ordinals, codes (L4, B12), list numbers, money."""
    found = [*_from_digits(text), *_from_words(text)]
    for match in _SPELT_ONE.finditer(text):
        unit = _SPELLINGS.get(match[3].lower() + "s", "")
        found.append(Quantity(match.start(), match.end(), (2.0 if match[2] else 1.0,), unit, implied=True))
    return _share_units(text, sorted(found, key=lambda quantity: quantity.start))


def _from_digits(text: str) -> list[Quantity]:
    found: list[Quantity] = []
    if not _DIGIT.search(text):
        return found
    matches = sorted([*_NUMBER.finditer(text), *_SECOND_OF_RANGE.finditer(text)], key=lambda match: match.start())
    for match in matches:
        start, end = match.span()
        if (found and start < found[-1].end) or _is_code(text, start, end):
            continue
        values: tuple[float, ...] = (float(match[0].replace(",", "")),)
        if second := _PAIR_AFTER.match(text, end):
            if values[0] <= 12 < float(second[1]) or "0" in (match[0][0], second[1][0]):
                continue  # a month and a day or a year: 9/95, 01/09
            values, end = (*values, float(second[1])), second.end()
        found.append(_with_unit(text, start, end, values))
    return found


def _is_code(text: str, start: int, end: int) -> bool:
    """Dates, ordinals, list numbers and numbers that are part of a code carry no quantity."""
    after = text[end : end + 12]
    if _CODE_AFTER.match(after) or _MONTH_BEFORE.search(text[max(0, start - 16) : start]):
        return True
    if _LIST_AFTER.match(after) and (start == 0 or text[:start].rstrip(" \t")[-1:] in ("\n", ".", ":")):
        return True
    return bool(_LETTER.match(after)) and not (_UNIT_AFTER.match(text, end) or _AGE_AFTER.match(text, end))


def _from_words(text: str) -> list[Quantity]:
    found: list[Quantity] = []
    small = small_letters(text)
    for run in _NUMBER_WORDS.finditer(small):
        words = list(_NUMBER_WORD.finditer(small, run.start(), run.end()))
        while words:  # the longest run of words that is one number: "two-three times" are two
            sizes = range(len(words), 0, -1)
            size = next((n for n in sizes if number_from_words([w[0] for w in words[:n]]) is not None), 0)
            if not size:  # a "point" without a number after it
                words = words[1:]
                continue
            start, end = words[0].start(), words[size - 1].end()
            value = number_from_words([w[0] for w in words[:size]]) or 0.0
            words = words[size:]
            if found and start < found[-1].end:
                continue
            values: tuple[float, ...] = (value,)
            if second := _SPOKEN_PAIR.match(small, end):
                other = float(second[1]) if second[1].isdigit() else number_from_words(_NUMBER_WORD.findall(second[1]))
                if other is not None:
                    values, end = (value, other), second.end()
            quantity = _with_unit(text, start, end, values)
            pronoun = value == 1 and not quantity.unit  # "one" says little by itself
            found.append(replace(quantity, implied=pronoun))
    return found


def number_from_words(words: list[str]) -> float | None:
    """The value of number words: seventy six, one hundred twenty, nineteen ninety five, one twenty, two point five."""
    words = [word.lower() for word in words]
    if "point" in words:
        at = words.index("point")
        whole = number_from_words(words[:at])
        parts = [WORDS.get(word) for word in words[at + 1 :]]
        if whole is None or not parts or any(part is None or part > 9 for part in parts):
            return None
        return whole + float("0." + "".join(str(part) for part in parts))
    total, current = 0, 0
    previous: int | None = None
    for word in words:
        if word in ("hundred", "thousand"):
            current = max(current, 1) * (100 if word == "hundred" else 1000)
            if word == "thousand":
                total, current = total + current, 0
            previous = None
            continue
        value = WORDS.get(word)
        if value is None:
            return None
        if previous is not None and not (previous >= 20 and value < 10):
            if current not in range(1, 21) or value < 10:
                return None  # two numbers in a row, not one
            current *= 100  # nineteen ninety five; one twenty
        current += value
        previous = value
    return float(total + current)


def _with_unit(text: str, start: int, end: int, values: tuple[float, ...]) -> Quantity:
    """The quantity with the unit that follows its number."""
    age = _AGE_AFTER.match(text, end)
    is_age = bool(age) or bool(_AGE_BEFORE.search(text[max(0, start - 16) : start]))
    unit_match = _UNIT_AFTER.match(text, end)
    unit = _SPELLINGS[unit_match[1]] if unit_match else ""
    if is_age and UNITS.get(unit, ("", 0))[0] != "time":
        unit = "year"
    stop = max(unit_match.end() if unit_match else end, age.end() if age else end)
    return Quantity(start, stop, values, unit, is_age=is_age, number_end=end)


def _share_units(text: str, quantities: list[Quantity]) -> list[Quantity]:
    """In "3 to 4 days" the 3 means days too."""
    shared = list(quantities)
    for index in range(len(shared) - 2, -1, -1):
        one, following = shared[index], shared[index + 1]
        between = text[one.end : following.start]
        if not one.unit and following.unit and _RANGE_BETWEEN.fullmatch(between):
            shared[index] = replace(one, unit=following.unit, is_age=following.is_age, implied=False)
    return shared
