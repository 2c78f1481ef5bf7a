"""Finds what each number of a sentence belongs to, and judges lengths of time, sizes, amounts and ages."""

from __future__ import annotations

import re

from clinical.numbers import find_quantities, same_amount
from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.drug_rules import judge_dose
from clinical.oracle.lab_rules import judge_value, labs_named
from clinical.oracle.residue import unread_near
from clinical.oracle.sentence import Amount, Mention, Sentence
from clinical.oracle.state import PATIENT, in_days, is_other_unit
from clinical.oracle.surface import ADVICE, LAB, LEVEL, PROBLEM, PROCEDURE, SERVICE, follows
from clinical.oracle.words import words
from clinical.patient import Time

_UNIT_OWNERS = {
    "bpm": "heart rate",
    "breaths/min": "respiratory rate",
    "°C": "temperature",
    "°F": "temperature",
    "kg/m2": "body mass index",
}
_ACROSS_UNITS = 0.08  # four weeks are a month, 13 days two weeks
_EXACT_UNITS = ("hour", "day", "week")  # a week is 7 days; a month is no fixed number of weeks
_ABOUT = 0.25
_FUTURE = frozenset(["in", "within", "after"])
_DOSE_UNITS = ("mass", "unit", "mEq", "tablet")
_COLDEST = 85  # degrees Fahrenheit
_DOSE_LINKS = frozenset(
    ["of", "oral", "iv", "intravenous", "dose", "daily", "tablet", "tablets", "a", "day", "once", "twice"]
)


def judge_amount(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    """The claim that one number makes."""
    quantity = amount.quantity
    fahrenheit_age = quantity.unit == "°F" and quantity.values[0] < _COLDEST  # "45 F" is a woman of 45
    if quantity.is_age or fahrenheit_age or _is_apposed_age(sentence, amount):
        if not _of_a_relative(sentence, amount):
            _judge_age(bench, sentence, amount)
    elif quantity.measures == "time":
        judge_time(bench, sentence, amount)
    elif quantity.unit == "pack-year":
        stated = bench.known.patient.pack_years
        verdict = c.RIGHT if stated in quantity.values else c.WRONG if stated is not None else c.INVENTED
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, verdict, "pack_years", f"stated: {stated}")
    elif quantity.measures == "length" and not _is_value(sentence, amount):
        _judge_size(bench, sentence, amount)
    else:
        _judge_number(bench, sentence, amount)


def _judge_number(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    quantity = amount.quantity
    owner = _owner(sentence, amount)
    dosed = owner is not None and owner.is_drug and abs(amount.first - owner.end) <= 3
    if not dosed and quantity.unit and _judge_plan_amount(bench, sentence, amount):
        return
    by_unit = _UNIT_OWNERS.get(quantity.unit)
    if misplaced := _misplaced(bench, sentence, amount):
        bench.add(sentence, quantity.start, quantity.end, c.ROLE, c.WRONG, "numbers", misplaced)
        return
    if not _is_of_owner(bench, sentence, owner, amount):
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.UNKNOWN, "numbers", "of a name that is not read")
        return
    if by_unit and owner and by_unit not in labs_named(owner):
        judge_value(bench, sentence, [by_unit], amount)
    elif owner and owner.is_drug:
        judge_dose(bench, sentence, owner, amount)
    elif owner:
        judge_value(bench, sentence, labs_named(owner), amount)
    elif len(quantity.values) == 2:
        judge_value(bench, sentence, [], amount)
    elif by_unit:
        judge_value(bench, sentence, [by_unit], amount)
    elif of := [name for name, number in bench.known.numbers if quantity.values[0] == number]:
        if all(name in bench.known.labs and is_other_unit(quantity.unit, name) for name in of):
            reason = f"it is the value of {of[0]}, in another unit"
            bench.add(sentence, quantity.start, quantity.end, c.ROLE, c.WRONG, f"labs: {of[0]}", reason)
            return
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.RIGHT, "numbers", "stands in the state")
    elif (quantity.unit or quantity.values[0] > 10) and not quantity.implied:
        kind = c.DOSE if quantity.measures in _DOSE_UNITS else c.NUMBER
        verdict = c.INVENTED if quantity.unit else c.UNKNOWN
        bench.add(sentence, quantity.start, quantity.end, kind, verdict, "", "stands nowhere in the state")


def _misplaced(bench: Bench, sentence: Sentence, amount: Amount) -> str:
    """Why a value of something else cannot be what it is said of: a 91-bpm headache, a fever of 111 degrees."""
    quantity = amount.quantity
    before = sentence.between(max(0, amount.first - 2), amount.first)
    stated = [name for name, value in bench.known.numbers if value == quantity.values[0]]
    if before == ["fever", "of"] and stated and "temperature" not in stated:
        return f"it is the value of {stated[0]}"
    following = next((m for m in sentence.mentions if m.first == amount.end), None)
    hyphened = "-" in sentence.text[quantity.start : quantity.end]
    if hyphened and quantity.unit in _UNIT_OWNERS and following and not following.is_a(LAB, LEVEL):
        return f"it is a value of {_UNIT_OWNERS[quantity.unit]}"
    per = re.match(r"\s*\w+/\w+ of ", sentence.text[quantity.end :])
    drug = next((m for m in sentence.mentions if 0 < m.first - amount.end <= 4), None)
    if per and not quantity.unit and drug and drug.is_drug and drug.start == quantity.end + per.end():
        return f"it is the value of {stated[0]}" if stated else ""
    return ""


def _is_of_owner(bench: Bench, sentence: Sentence, owner: Mention | None, amount: Amount) -> bool:
    """False for a value of the state that stands beside a name that is not read, not right after a name that is."""
    if owner and owner.end <= amount.first and amount.first - owner.end <= 2:
        return True
    if owner and owner.is_drug and sentence.between(amount.first - 1, amount.first) == ["to"] and owner.changes:
        return True  # the dose is raised from 15 mg to 20 mg
    number = amount.quantity.values[0]
    others = [name for name, value in bench.known.numbers if value == number]
    names = [name for mention in sentence.mentions for _, name in mention.named.meanings]
    unnamed = any(name not in names for name in others)
    return not (unnamed and unread_near(bench, sentence, amount.first, amount.first))


def _owner(sentence: Sentence, amount: Amount) -> Mention | None:
    """The drug or laboratory value that a number belongs to."""
    quantity = amount.quantity
    mass = quantity.measures in _DOSE_UNITS
    kinds = [m for m in sentence.mentions if m.is_drug or m.is_a(LAB, LEVEL)]
    no_dose = "/" in quantity.unit or quantity.unit in ("mmHg", *_UNIT_OWNERS)
    fitting = [m for m in kinds if not (no_dose if m.is_drug else mass)]
    ahead = next((m for m in fitting if m.first >= amount.end), None)
    if ahead and ahead.is_drug and ahead.first - amount.end <= 4:
        gap = sentence.between(amount.end, ahead.first)
        joined = not any(mark in sentence.text[amount.quantity.end : ahead.start] for mark in ",;.:(")
        if (
            joined
            and (mass or quantity.measures == "volume")
            and (gap[:1] == ["of"] or not gap or (set(gap) <= _DOSE_LINKS and "of" in gap))
        ):
            return ahead
    behind = [
        m for m in fitting if m.end <= amount.first and sentence.clauses[m.first] == sentence.clauses[amount.first]
    ]
    if ahead and ahead.is_a(LAB) and behind and behind[-1].is_drug and _is_per(sentence, amount, ahead):
        return ahead
    if behind:
        return behind[-1]
    if (
        ahead
        and not ahead.is_drug
        and ahead.first - amount.end <= 2
        and "and" not in sentence.between(amount.end, ahead.first)
    ):
        return ahead
    earlier = [m for m in fitting if m.end <= amount.first]
    return earlier[-1] if earlier else None


def _is_per(sentence: Sentence, amount: Amount, ahead: Mention) -> bool:
    """Whether only a unit such as mL/day, which is no drug's, stands between a number and the name after it."""
    return bool(re.fullmatch(r"\s*[^\s,;/]+/\w+ (?:of )?", sentence.text[amount.quantity.end : ahead.start]))


def _is_value(sentence: Sentence, amount: Amount) -> bool:
    owner = _owner(sentence, amount)
    return owner is not None and not owner.is_drug and owner.first < amount.first and amount.first - owner.end <= 2


def _judge_size(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    quantity = amount.quantity
    from_mm = {"mm": 1.0, "cm": 10.0}.get(quantity.unit)
    sized = [fact for fact in bench.known.problems if fact.size is not None]
    if from_mm is None:
        return
    claimed = quantity.values[0] * from_mm
    owner = _sized_finding(sentence, amount)
    own = [f for f in sized if owner and any(follows(f.name, name) for name in owner.named.names_of(PROBLEM))]
    alike = [fact for fact in sized if fact.size is not None and abs(fact.size - claimed) < 0.01]
    fitting = next((fact for fact in alike if fact in own), alike[0] if alike else None)
    beside = fitting and own and fitting not in own and unread_near(bench, sentence, amount.first, amount.end)
    if beside:
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.UNKNOWN, "size", "of a name that is not read")
    elif fitting and (not own or fitting in own):
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.RIGHT, f"{fitting.key} size")
    elif own:
        reason = f"the size is {own[0].size} mm"
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.WRONG, f"{own[0].key} size", reason)
    else:
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.INVENTED, "", "no such size is stated")


_SIZE_LINKS = frozenset(
    [
        *(
            "measuring",
            "measures",
            "measured",
            "of",
            "is",
            "was",
            "at",
            "about",
            "approximately",
            "sized",
            "size",
            "in",
        ),
        *("on", "the", "left", "right", "side", "sided", "that", "which", "with", "a", "an", "diameter"),
    ]
)


def _sized_finding(sentence: Sentence, amount: Amount) -> Mention | None:
    """The finding that a size is said of: "a stone measuring 6 mm" goes back, "a 16 mm cyst" ahead, else the nearest.

    A stone, "on the left measuring 6 mm and a cyst (16 mm)": what links to the size decides, not the distance.
    """
    near = [m for m in sentence.mentions if m.is_a(PROBLEM)]
    behind = next((m for m in reversed(near) if m.end <= amount.first), None)
    ahead = next((m for m in near if m.first >= amount.end), None)
    if behind:
        words_between = set(sentence.between(behind.end, amount.first))
        told = words_between & {"measuring", "measures", "measured", "of"} or "(" in sentence.gap(
            amount.first, amount.first
        )
        if told and words_between <= _SIZE_LINKS:
            return behind
    if ahead and {"and", "with", "plus"} & set(sentence.between(amount.end, ahead.first)) and behind:
        return behind
    return min(near, key=lambda m: min(abs(m.first - amount.end), abs(amount.first - m.end)), default=None)


def _judge_plan_amount(bench: Bench, sentence: Sentence, amount: Amount) -> bool:
    """An amount of an advice: fluids restricted to 1500 mL, no lifting above 5 kg."""
    items = [item for item in bench.known.patient.plan if item.amount]
    near = [m for m in sentence.mentions if m.is_a(ADVICE) and -3 <= amount.first - m.end <= 4]
    quantity = amount.quantity
    for item in items:
        for stated in find_quantities(item.amount or ""):
            if stated.unit and same_amount(stated, quantity):
                bench.add(sentence, quantity.start, quantity.end, c.PLAN, c.RIGHT, f"plan: {item.target} amount")
                return True
    if not near or quantity.measures not in ("volume", "mass", "length"):
        return False
    verdict = c.WRONG if items else c.INVENTED
    bench.add(sentence, quantity.start, quantity.end, c.PLAN, verdict, "plan amount", "no such amount is stated")
    return True


def _of_a_relative(sentence: Sentence, amount: Amount) -> bool:
    return any("relative" in cue.senses and abs(cue.first - amount.first) <= 4 for cue in sentence.cues)


def _is_apposed_age(sentence: Sentence, amount: Amount) -> bool:
    """An age between commas right after the person: "a woman, 27 years, with", "a man, 40, presents"."""
    quantity = amount.quantity
    if quantity.unit not in ("year", "") or quantity.implied or len(quantity.values) > 1 or not amount.first:
        return False
    person = sentence.tokens[amount.first - 1]
    closed = sentence.text[quantity.end : quantity.end + 1] in (",", ".", ")", "")
    beside = sentence.text[person.end : quantity.start].strip() in (",", "(")
    return closed and beside and person.low in ("patient", *words()["male"], *words()["female"])


def _judge_age(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    quantity = amount.quantity
    age = bench.known.patient.age
    claimed = quantity.values[0]
    close = amount.precision == "about" and abs(claimed - age) <= 3
    verdict = c.RIGHT if quantity.unit in ("year", "", "°F") and (claimed == age or close) else c.WRONG
    bench.add(sentence, quantity.start, quantity.end, c.DEMOGRAPHICS, verdict, "age", f"the age is {age}")


def judge_time(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    """A length of time or a distance in time: against that of what it is said of."""
    quantity = amount.quantity
    if amount.precision != "vague" and _judge_plan_amount(bench, sentence, amount):
        return
    start, stop = quantity.start, quantity.end
    if _is_of_drug(sentence, amount):
        bench.add(sentence, start, stop, c.TIME, c.INVENTED, "", "how long a medicine was taken is not stated")
        return
    owners = _time_owners(sentence, amount)
    known = bench.known
    own: list[tuple[str, Time]] = []
    named: list[str] = []
    for mention in owners:
        names = [name for _, name in mention.named.meanings]
        fitting = [(name, time) for name, time in known.times if any(follows(name, claimed) for claimed in names)]
        named += names
        own += fitting
        if fitting:
            break
    if not owners or (not own and {"symptoms", "symptom"} & {t.low for t in sentence.tokens}):
        complaint = known.patient.complaint
        own += [(complaint.finding, complaint.duration)] if complaint.duration else []
        if not owners:
            own = list(known.times)
    fitting_time = next((name for name, time in own if same_time(time, amount)), None)
    if fitting_time is None and owners:  # the list or the clause may have another owner: cough and fever for 3 days
        beside = [m for m in sentence.mentions if m not in owners[:1]]
        names = [name for m in beside for _, name in m.named.meanings]
        near = [(n, t) for n, t in known.times if any(follows(n, claimed) for claimed in names)]
        if not own:
            fitting_time = next((name for name, time in near if same_time(time, amount)), None)
    if fitting_time:
        bench.add(sentence, start, stop, c.TIME, c.RIGHT, f"time: {fitting_time}")
        return
    elsewhere = next((name for name, time in known.times if same_time(time, amount)), None)
    if elsewhere and not own and not _is_stated(bench, owners[:1]):
        bench.add(sentence, start, stop, c.TIME, c.RIGHT, f"time: {elsewhere}", "of another thing than the state's")
    elif elsewhere and unread_near(bench, sentence, amount.first, amount.end):
        bench.add(sentence, start, stop, c.TIME, c.UNKNOWN, f"time: {elsewhere}", "of a name that is not read")
    elif elsewhere and owners:
        bench.add(sentence, start, stop, c.ROLE, c.WRONG, f"time: {elsewhere}", f"it is the time of {elsewhere}")
    elif own and owners:
        name, time = own[0]
        bench.add(sentence, start, stop, c.TIME, c.WRONG, f"time: {name}", f"it is {time.n} {time.unit}")
    else:
        if quantity.implied and not owners:
            return
        bench.add(sentence, start, stop, c.TIME, c.INVENTED, "", "no such time is stated")


def _is_of_drug(sentence: Sentence, amount: Amount) -> bool:
    """ "On trazodone for 18 years": the state holds no such time; not "for 3 days of pain"."""
    drug = next((m for m in reversed(sentence.mentions) if m.end <= amount.first), None)
    if drug is None or not drug.is_drug or amount.quantity.implied or amount.precision == "vague":
        return False
    between = sentence.between(drug.end, amount.first)
    after = sentence.between(amount.end, min(amount.end + 1, len(sentence.tokens)))
    doses = {n for a in sentence.amounts for n in range(a.first, a.end)}
    links = [token for at, token in enumerate(between, drug.end) if at not in doses]
    ended = not after or after[0] in ("and", "with", "he", "she") or sentence.gap(amount.end, amount.end).strip() != ""
    return ended and links in (["for"], ["for", "the", "past"], ["for", "the", "last"])


def _is_stated(bench: Bench, owners: list[Mention]) -> bool:
    """Whether the state holds what a time is said of; what it does not hold is an error of its own."""
    names = [name for mention in owners for _, name in mention.named.meanings]
    facts = [fact.name for fact in bench.known.facts]
    return any(follows(fact, name) for fact in (*facts, *bench.known.labs) for name in names)


def same_time(time: Time, amount: Amount) -> bool:
    """Whether a stated time may be told as this: equal, equal in other units, or as vague as it says."""
    quantity = amount.quantity
    stated = in_days(time.n, time.unit)
    claimed = [in_days(number, quantity.unit) for number in quantity.values]
    same_unit = quantity.unit == time.unit.rstrip("s")
    if amount.precision == "vague":
        return stated >= claimed[0] * 0.99 and (same_unit or stated < 12 * in_days(1, quantity.unit))
    if amount.precision == "about":
        return abs(stated - claimed[0]) <= _ABOUT * stated
    if amount.precision == "more":
        return claimed[0] <= stated * 1.001 and stated <= 2 * claimed[0]
    if amount.precision == "less":
        return claimed[0] >= stated * 0.999 and claimed[0] <= 2 * stated
    if same_unit:
        return float(time.n) in quantity.values
    finer = in_days(1, quantity.unit) < in_days(1, time.unit)
    exact = finer and quantity.unit in _EXACT_UNITS and time.unit.rstrip("s") in _EXACT_UNITS  # 2 weeks are not 13 days
    share = 0.001 if exact else _ACROSS_UNITS
    return any(abs(stated - one) <= share * stated for one in claimed)


def _time_owners(sentence: Sentence, amount: Amount) -> list[Mention]:
    """What a time may be said of, the likeliest first."""
    timed = [m for m in sentence.mentions if m.is_a(PROBLEM, PROCEDURE, SERVICE, ADVICE, LAB) and not m.absent]
    after = sentence.between(amount.end, min(amount.end + 2, len(sentence.tokens)))
    before = sentence.between(max(0, amount.first - 2), amount.first)
    clause = sentence.clauses[amount.first]
    ahead = [m for m in timed if m.first >= amount.end and sentence.clauses[m.first] == clause]
    behind = [m for m in reversed(timed) if m.end <= amount.first and sentence.clauses[m.first] == clause]
    wider = [m for m in reversed(timed) if m.end <= amount.first and m not in behind]
    if after[:1] in (["history"], ["of"], ["course"]):
        return [*ahead, *behind, *wider]
    past = {"ago", "prior", "earlier", "before", "previously"} & set(after[:1])
    if past:
        return [m for m in (*behind, *wider, *ahead) if m.is_a(PROBLEM, PROCEDURE)]
    if _FUTURE & set(before) and not past:
        planned = [m for m in (*behind, *wider, *ahead) if m.is_a(SERVICE, LAB, PROCEDURE, ADVICE)]
        if planned:
            return planned
    return [m for m in (*behind, *wider, *ahead) if m.who == PATIENT]
