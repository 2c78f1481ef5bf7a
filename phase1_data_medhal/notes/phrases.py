"""The words and noun phrases of a note: concepts in a writer's own wording, doses, times, sides and values."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clinical.lexicon import load_lexicon
from clinical.patient import DrugUse, Located, Patient, Time, Value
from phase1_data_medhal.authors import Author
from phase1_data_medhal.wording import listed

WORDS = Path(__file__).resolve().parent / "words.json"
FULL_RATE = 0.45  # how much rarer abbreviations are in full sentences than in terse notes
_LINK = re.compile(r" (?:of|in|with|to|on|under|at|from|per|when) ")
_ARTICLE = re.compile(r"^(?:an?|the) ")
_SINGULAR = re.compile(r"(?:ss|us|is|diabetes|ascites|herpes|shingles|rabies|caries)$")
ABBREVIATED_SIDES = {"left": ("L",), "right": ("R",), "bilateral": ("b/l", "bilateral")}


@cache
def words() -> dict[str, Any]:
    """The bank of the notes' wordings."""
    loaded: dict[str, Any] = json.loads(WORDS.read_text(encoding="utf-8"))
    return loaded


def head(phrase: str) -> str:
    """The noun that a phrase is built on: ``swelling`` of ``swelling of the knee``."""
    return _LINK.split(phrase.split(" (")[0])[0].split(" ")[-1]


def is_plural(phrase: str) -> bool:
    """Whether a verb after the phrase stands in the plural."""
    noun = head(phrase)
    return noun.endswith("s") and not _SINGULAR.search(noun) and not noun.endswith("'s")


def bare(phrase: str) -> str:
    """The phrase without its article."""
    return _ARTICLE.sub("", phrase)


def with_article(phrase: str) -> str:
    """``a(n) nodule``, but ``consolidation``, ``gallstones`` and ``the cardiologist`` as they are."""
    countable = head(phrase) in words()["count nouns"] and not is_plural(phrase)
    return f"a(n) {phrase}" if countable and not _ARTICLE.match(phrase) else phrase


@cache
def _units() -> dict[str, str]:
    return {lab.name: lab.unit for lab in load_lexicon().labs}


@dataclass(frozen=True)
class Voice:
    """How one author writes one note; ``terse`` for the telegraphic kinds of notes."""

    author: Author
    rng: random.Random
    terse: bool
    patient: Patient

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self.rng.random() < share

    def abbreviates(self) -> bool:
        """Whether the author now takes an abbreviation."""
        return self.chance(self.author.abbreviating * (1.0 if self.terse else FULL_RATE))

    def pick(self, options: Sequence[str], key: str) -> str:
        """One option, by the author's habits."""
        return self.author.pick(options, self.rng, f"{key} {self.terse}")

    def word(self, name: str, plain: bool = False) -> str:
        """A wording of the concept ``name``; ``plain`` takes none that a side could not stand before."""
        longer, shorter = words()["words"].get(name, ((), ()))
        return self._wording(words()["renamed"].get(name, name), longer, shorter, plain)

    def _wording(self, name: str, longer: Sequence[str], shorter: Sequence[str], plain: bool = False) -> str:
        if shorter and self.abbreviates():
            return self.pick(shorter, f"short {name}")
        options = [w for w in longer if not (plain and (_LINK.search(w) or _ARTICLE.match(w)))]
        chosen = self.rng.choice(options) if options and self.chance(0.5) else name
        return bare(chosen) if self.terse else chosen

    def listed(self, items: Sequence[str], word: str = "and") -> str:
        """The items in a row; terse writers leave out the last word at times."""
        return ", ".join(items) if self.terse and self.chance(0.6) else listed(items, word)

    def time(self, time: Time) -> str:
        """``3 days`` or ``3d``."""
        if self.terse and self.abbreviates():
            unit = self.pick(words()["units of time"][time.unit], f"unit {time.unit}")
            if time.n == 1:
                unit = words()["units of time"][time.unit][0]
            return f"{time.n}{unit}" if len(unit) == 1 else f"{time.n} {unit}"
        return f"{time.n} {time.unit.removesuffix('s') if time.n == 1 else time.unit}"

    def located(self, item: Located) -> str:
        """A finding with its side and size: ``a(n) 4 mm left pulmonary nodule``."""
        noun = self.word(item.finding, plain=bool(item.side or item.size))
        if item.side:
            noun = self._sided(item.side, bare(noun), item.finding)
        if item.size:
            size = self.pick([f"{item.size} mm", f"{item.size} mm", f"{item.size / 10:g} cm"], "size")
            noun = f"{size} {bare(noun)}" if self.chance(0.6) else f"{noun} ({size})"
        return noun if self.terse else with_article(noun)

    def _sided(self, side: str, noun: str, name: str) -> str:
        """``left knee pain``, ``left-sided headache``, ``diminished left pedal pulses``."""
        parts, first = words()["side nouns"], noun.split(" ")[0]
        short = self.pick(ABBREVIATED_SIDES[side], f"side {side}") if self.terse and self.abbreviates() else None
        if first.lower() not in parts and noun.split(" ")[1:2] and noun.split(" ")[1] in parts:
            return f"{first} {short or side} {noun.removeprefix(first + ' ')}"
        part = side == "bilateral" or first.lower() in parts or name.split(" ")[0].lower() in parts
        return f"{short or (side if part else f'{side}-sided')} {noun}"

    def findings(self, items: Sequence[Located]) -> list[str]:
        """The plain ones first, so that a side cannot be read as another finding's."""
        return [self.located(item) for item in sorted(items, key=lambda item: bool(item.side or item.size))]

    def sig(self, use: DrugUse, dose: str | None) -> str:
        """Dose, route and frequency, each with a blank before it."""
        parts = [dose] if dose else []
        if use.route:
            longer, shorter = words()["routes"].get(use.route, ([use.route], []))
            parts.append(self._taken(longer, shorter, use.route))
        if use.frequency:
            parts.append(self.frequency(use.frequency))
        return "".join(f" {part}" for part in parts)

    def frequency(self, name: str) -> str:
        """``twice daily``, ``BID``, ``q6h PRN``."""
        if name in words()["frequencies"]:
            longer, shorter = words()["frequencies"][name]
            return self._taken(longer, shorter, name)
        every = re.fullmatch(r"every (\d+) hours( as needed)?", name)
        if every and self.abbreviates():
            return f"q{every[1]}h{' PRN' if every[2] else ''}"
        return name

    def _taken(self, longer: Sequence[str], shorter: Sequence[str], key: str) -> str:
        return self.pick(shorter if shorter and self.abbreviates() else longer, f"sig {key}")

    def span(self, old: str, new: str) -> str:
        """``20 to 40 mg``."""
        first, _, unit = old.rpartition(" ")
        shared = first and unit == new.rpartition(" ")[2] and self.chance(0.6)
        link = " -> " if self.terse and self.chance(0.5) else " to "
        return f"{first if shared else old}{link}{new}"

    def value(self, item: Value, alone: bool) -> str:
        """A laboratory value or vital sign: ``Cr 1.4 -> 2.1``, ``potassium 5.6 mmol/L``."""
        name = self.word(item.name)
        return self.measured(name, item.value, item.earlier, _units().get(item.name, ""), alone)

    def measured(self, name: str, now: str, earlier: str | None, unit: str, alone: bool = False) -> str:
        """Name and value; the value before it, where there is one, said to be that (in brackets within a list)."""
        glued = unit if unit == "%" or unit.startswith("/") else ""
        spaced = f" {unit}" if unit and not glued and self.pick(["with", "with", "without"], "units") == "with" else ""
        if earlier is None:
            return f"{name} {now}{glued or spaced}"
        old, new, full = f"{earlier}{glued}", f"{now}{glued}", f"{now}{glued or spaced}"
        moved = _moved(earlier, now)
        if self.terse:
            forms = [f"{old} -> {full}", f"{full} (was {old})", f"{full} (prev {old})", f"{full}, prior {old}",
                     f"{full} (previously {old})", f"{new}{spaced} ({moved} from {old})"]  # fmt: skip
        else:
            forms = [f"{full} (previously {old})", f"{full}, {moved} from {old}", f"{full} ({moved} from {old})",
                     f"{full}, previously {old}", f"{full} (earlier value {old})", f"{old} before and now {full}",
                     f"{full} (it had been {old})"]  # fmt: skip
        return f"{name} {self.rng.choice([form for form in forms if alone or ',' not in form])}"


def _moved(earlier: str, now: str) -> str:
    try:
        return "up" if float(now) > float(earlier) else "down" if float(now) < float(earlier) else "unchanged"
    except ValueError:
        return "changed"
