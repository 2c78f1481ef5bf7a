"""Words and noun phrases of a summary: names of concepts, articles, sides, times, medicines and measured values."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clinical.lexicon import Lab, load_lexicon
from clinical.patient import Complaint, DrugUse, Located, Time, Value
from phase1_data_medhal.authors import Author
from phase1_data_medhal.wording import expand

HERE = Path(__file__).resolve().parent
BLOOD_PRESSURE = ("systolic blood pressure", "diastolic blood pressure")
_PREPOSITION = re.compile(
    r"\s(?:of|in|on|with|at|from|to|when|after|under|without|for|during|between|due|as|over|around|near|within|above|below|behind|per|by|through)\s"
)
_PARTICIPLE = re.compile(r"^(?:\w+(?:ed|en)|weak|stiff|red|sore|tight|tender|numb|low|poor|cloudy|hazy|itchy|wet)\s")
_ROUTED = re.compile(r"^(?:oral|topical|rectal)\b|\b(?:nasal|eye|gel|cream|ointment|patch|inhaler|tablets)\b")
_CONJUGATED = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True)
class Voice:
    """How one summary is written: whose habits, by which random source, whether of the past and in few words."""

    author: Author
    rng: random.Random
    past: bool
    brief: bool = False

    def frame(self, options: list[str], key: str) -> str:
        """One of the frames, with its alternatives chosen."""
        return expand(self.author.pick(options, self.rng, key), self.author, self.rng)

    def conjugate(self, frame: str, plural: bool) -> str:
        """Put each ``<present/past>`` or ``<is/was/are/were>`` into this summary's tense and the subject's number."""

        def form(match: re.Match[str]) -> str:
            forms = match[1].split("/")
            return forms[self.past + (2 if plural and len(forms) == 4 else 0)]

        return _CONJUGATED.sub(form, frame)

    def chance(self, share: float) -> bool:
        """True in ``share`` of the calls."""
        return self.rng.random() < share


@cache
def words() -> dict[str, Any]:
    """The word lists of ``words.json``."""
    loaded: dict[str, Any] = json.loads((HERE / "words.json").read_text(encoding="utf-8"))
    return loaded


@cache
def frames() -> dict[str, Any]:
    """The frames of ``frames.json``."""
    loaded: dict[str, Any] = json.loads((HERE / "frames.json").read_text(encoding="utf-8"))
    return loaded


@cache
def terms() -> dict[str, tuple[str, ...]]:
    """The wordings of each concept: the bank of ``terms.json``, apart from the lexicon's synonyms."""
    kinds: dict[str, dict[str, list[str]]] = json.loads((HERE / "terms.json").read_text(encoding="utf-8"))
    return {name: tuple(wordings) for kind in kinds.values() for name, wordings in kind.items()}


def say(name: str, voice: Voice, plain: bool = False) -> str:
    """The concept in words; ``plain`` asks for a wording without a preposition, to which a side can be added."""
    wordings = terms().get(name, (name,))
    if plain:
        wordings = tuple(w for w in wordings if not _PREPOSITION.search(f" {w} ") and not _PARTICIPLE.match(w)) or (
            name,
        )
    return min(wordings, key=lambda w: len(w.split())) if voice.brief else voice.rng.choice(wordings)


def head_of(phrase: str) -> str:
    """The noun that rules the phrase: ``swelling`` of ``swelling of the legs``."""
    match = _PREPOSITION.search(phrase)
    return (phrase[: match.start()] if match else phrase).split()[-1]


def is_plural(phrase: str) -> bool:
    """Whether the phrase takes a plural verb."""
    head = head_of(phrase)
    if any(phrase.endswith(word) for word in words()["singular"]) or head in words()["singular"]:
        return False
    if head in words()["plural"] or phrase in words()["plural"]:
        return True
    return len(head) > 3 and head.endswith("s") and not head.endswith(("ss", "us", "is", "as", "os", "ics", "'s"))


def with_article(phrase: str, head: str | None = None) -> str:
    """``a(n) `` before what is counted: ``a rash``, but ``fever``."""
    head = head or head_of(phrase)
    return f"a(n) {phrase}" if head in words()["countable"] and not is_plural(phrase) else phrase


def pluralised(phrase: str) -> str:
    """``pleural effusions``; what is not counted stays as it is."""
    head = head_of(phrase)
    if head not in words()["countable"] or is_plural(phrase) or head.endswith(("s", "x", "y", "z", "um")):
        return phrase
    return re.sub(rf"\b{re.escape(head)}\b", f"{head}es" if head.endswith(("ch", "sh")) else f"{head}s", phrase)


def sided(name: str, side: str | None, voice: Voice) -> str:
    """The finding with its side, without an article: ``left knee pain``, ``crackles on the left``."""
    word = say(name, voice, plain=side is not None)
    if side is None:
        return word
    if _PREPOSITION.search(f" {word} ") or voice.chance(0.3):
        return f"{word} on {'both sides' if side == 'bilateral' else f'the {side}'}"
    return f"bilateral {pluralised(word)}" if side == "bilateral" else f"{side} {word}"


def located(item: Located, voice: Voice) -> str:
    """A sign or an imaging finding with article, side and size."""
    word = sided(item.finding, item.side, voice)
    if item.size is None:
        return with_article(word)
    if voice.chance(0.5) and not word.startswith("bilateral"):
        return with_article(f"{item.size} mm {word}", head_of(word))
    frame = voice.rng.choice(["{} of {} mm", "{} ({} mm)", "{} measuring {} mm"])
    return frame.format(with_article(word), item.size)


def number(n: int, voice: Voice, in_words: float = 0.55) -> str:
    """Small numbers often in words."""
    names = words()["number"]
    return names[n] if n < len(names) and voice.chance(in_words) else str(n)


def other_unit(time: Time, voice: Voice) -> Time:
    """The same time in another unit where that is exact: 14 days are two weeks, 12 months are a year."""
    per = {"hours": (24, "days"), "days": (7, "weeks"), "months": (12, "years")}
    if time.unit in per and time.n % per[time.unit][0] == 0 and voice.chance(0.6):
        return Time(time.n // per[time.unit][0], per[time.unit][1])
    if time.unit == "weeks" and time.n <= 2 and voice.chance(0.2):
        return Time(time.n * 7, "days")
    return time


def span(time: Time, voice: Voice) -> str:
    """``3 days``, ``two weeks``, ``a week``."""
    time = other_unit(time, voice)
    if time.n == 1:
        article = "an" if time.unit == "hours" else "a"
        return f"{voice.rng.choice([article, 'one', '1'])} {time.unit[:-1]}"
    return f"{number(time.n, voice)} {time.unit}"


def adjective(time: Time, voice: Voice) -> str:
    """``3-day``, ``two-week``."""
    time = other_unit(time, voice)
    return f"{number(time.n, voice)}-{time.unit[:-1]}"


def when(kind: str, time: Time | None, voice: Voice) -> str:
    """`` in two weeks`` or `` a year ago`` with its leading blank; empty without a time."""
    if time is None:
        return ""
    return " " + voice.frame(frames()["time"][kind], f"time {kind}").format(t=span(time, voice))


def complaint_phrase(complaint: Complaint, voice: Voice) -> tuple[str, bool]:
    """The complaint with all that is stated of it, and whether it takes a plural verb."""
    word = sided(complaint.finding, complaint.side, voice)
    plural, head = is_plural(word), head_of(word)
    time, framed = complaint.duration, word
    if complaint.course:
        frame = voice.frame(frames()["course"][complaint.course], complaint.course)
        framed = voice.conjugate(frame, plural).format(x=word)
    framed = framed if plural else with_article(framed, head)
    if time is None:
        return framed, plural
    kind = "onset" if complaint.course == "sudden" else "for"
    slots = {"t": span(time, voice), "adj": adjective(time, voice)}
    if voice.chance(0.45) and complaint.course != "sudden":
        if framed.startswith("a(n) ") or voice.chance(0.5):
            return f"a(n) {slots['adj']} history of {framed}", False
        return f"{slots['t']} of {framed}", not slots["t"].startswith(("a ", "an ", "one ", "1 "))
    frame = voice.frame(frames()["time"][kind], f"time {kind}")
    crowded = " that " in framed or " of " in framed
    if (crowded and frame != "over {t}") or ("{t}' duration" in frame and not slots["t"].endswith("s")):
        frame = "for {t}"
    return f"{framed} {frame.format(**slots)}", plural


def drug_phrase(use: DrugUse, voice: Voice, amount_first: bool = True) -> str:
    """Route, name, dose and frequency, as far as they are stated."""
    routed = use.route if use.route and not _ROUTED.search(use.name) else None
    route = words()["routes"].get(routed) if routed else None
    often = voice.rng.choice(words()["frequencies"].get(use.frequency, [use.frequency])) if use.frequency else ""
    amount = use.dose or ""
    before, after = "", ""
    if routed and (route is None or voice.chance(0.6)):
        before = voice.rng.choice(route["adj"]) if route else routed
    elif route:
        after = voice.rng.choice(route["adv"])
    name = use.name
    style = voice.rng.random()
    if amount and amount_first and style < 0.2 and "%" not in amount:
        parts = [amount, "of", before, name, after, often]
    elif amount and style < 0.4:
        inner = " ".join(part for part in (amount, after, often) if part)
        parts = [before, name, f"({inner})"]
    elif amount and style < 0.5:
        parts = [before, name, "at", amount, after, often]
    else:
        parts = [before, name, amount, after, often]
    return " ".join(part for part in parts if part)


def reason_phrase(use: DrugUse, voice: Voice) -> str:
    """Why a medicine was changed, with its leading blank; empty where that is not stated."""
    if use.reason is None:
        return ""
    forward = use.change in ("started", "increased", "continued")
    links = ["for"] if forward else ["because of", "owing to", "on account of", "given", "due to"]
    return f" {voice.rng.choice(links)} {with_article(say(use.reason, voice))}"


@cache
def _labs() -> dict[str, Lab]:
    return {lab.name: lab for lab in load_lexicon().labs}


def level(value: Value) -> str:
    """``high``, ``low`` or ``normal`` against the reference range."""
    lab, amount = _labs()[value.name], float(value.value)
    return "high" if amount > lab.high else "low" if amount < lab.low else "normal"


def with_unit(value: str, name: str) -> str:
    """``2.1 mg/dL``, ``93%``, ``7/10``."""
    unit = _labs()[name].unit
    return value if not unit else f"{value}{unit}" if unit[0] in "%/" else f"{value} {unit}"


def pressure_phrase(pair: Sequence[Value], voice: Voice, form: str) -> str:
    """Both blood pressures as one reading: ``a raised blood pressure of 168/94 mmHg``."""
    upper, lower = sorted(pair, key=lambda value: BLOOD_PRESSURE.index(value.name))
    kind = f"pressure {level(upper)}" if level(upper) != "normal" else "normal"
    frame = voice.frame(words()["values"][kind][form], f"{kind} {form}")
    reading = with_unit(f"{upper.value}/{lower.value}", upper.name)
    return voice.conjugate(frame, False).format(n="blood pressure", q=reading)


def value_phrase(value: Value, voice: Voice, form: str) -> str:
    """A measured value as a noun phrase (``np``) or a clause (``cl``), with its trend where an earlier one is given."""
    lab_name, height = value.name, level(value)
    kind = height
    names = words()["abnormal"].get(lab_name, {})
    amount = float(value.value)
    nameable = height in names and not (
        (height == "low" and amount >= names.get("low_below", amount + 1))
        or (height == "high" and amount < names.get("high_from", amount))
    )
    if value.earlier is not None:
        before = float(value.earlier)
        kind = "rise" if amount > before else "fall" if amount < before else "same"
    elif nameable and voice.chance(0.5):
        kind = "named"
    frame = voice.frame(words()["values"][kind][form], f"value {kind} {form}")
    slots = {
        "n": say(lab_name, voice),
        "q": with_unit(value.value, lab_name),
        "e": value.earlier or "",
        "abn": voice.rng.choice(names[height]) if nameable else "",
    }
    return voice.conjugate(frame, False).format(**slots)
