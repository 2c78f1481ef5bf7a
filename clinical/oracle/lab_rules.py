"""Judges laboratory values and vital signs: the number, the level (elevated, normal) and the trend (rose, improved)."""

from __future__ import annotations

from clinical.numbers import Quantity
from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.levels import level_claim
from clinical.oracle.sentence import Amount, Mention, Sentence
from clinical.oracle.state import as_number, distance_from_range, is_other_unit, lab_entry, level_of, trend_of
from clinical.oracle.surface import LAB, LEVEL, word_bags
from clinical.oracle.words import Cue, forms
from clinical.patient import Value

_ROUNDED = 0.06  # "about 5" for 5.3
_PRESSURES = ("systolic blood pressure", "diastolic blood pressure")


def labs_named(mention: Mention) -> list[str]:
    """The laboratory values or vital signs that a mention may mean."""
    names = mention.named.names_of(LAB)
    for spelt in mention.named.names_of(LEVEL):
        names += [name for name in forms()["levels"][spelt][0].split("|") if name not in names]
    return names


def judge_lab(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """What is said of a laboratory value apart from its numbers."""
    known = bench.known
    names = labs_named(mention)
    values = [known.labs[name] for name in names if name in known.labs]
    planned = [item for item in known.patient.plan if item.target in names]
    told = level_claim(known, mention) if mention.is_a(LEVEL) else None
    if _is_given(sentence, mention):
        bench.add_mention(sentence, mention, c.MEDICATION, c.INVENTED, "", "no such medicine is stated")
    elif told is not None:
        _judge_level_word(bench, sentence, mention, told)
    elif not values and not planned and mention.named.name_of(LEVEL) != "blood pressure":
        told_more = any(0 <= amount.first - mention.end <= 6 for amount in sentence.amounts)
        planned_here = bool(sentence.cues_of("planned")) or told_more or mention.levels or mention.trends
        verdict = c.INVENTED if planned_here and mention.text.lower() != "weight" else c.UNKNOWN
        bench.add_mention(sentence, mention, c.NUMBER, verdict, "", "no such value is stated")
    elif not mention.levels and not mention.trends:
        owner = values[0].name if values else names[0]
        field = "labs" if values else "plan"
        bench.add_mention(sentence, mention, c.NUMBER, c.RIGHT, f"{field}: {owner}", "named")
    if values:
        _judge_words(bench, sentence, mention, values)


def _is_given(sentence: Sentence, mention: Mention) -> bool:
    """A value told as a medicine: started on sodium at 25 mg."""
    started = any(cue.end == mention.first and cue.senses.get("change") == "started" for cue in sentence.cues)
    dosed = any(0 <= a.first - mention.end <= 1 and a.quantity.unit in ("mg", "mcg", "g") for a in sentence.amounts)
    return started and dosed


def _judge_level_word(bench: Bench, sentence: Sentence, mention: Mention, told: tuple[bool | None, str]) -> None:
    fits, name = told
    if fits is None:
        kind, verdict = (c.NEGATION, c.INVENTED) if mention.absent else (c.CONDITION, c.INVENTED)
        bench.add_mention(sentence, mention, kind, verdict, "", "no value tells")
    else:
        verdict = c.RIGHT if fits != mention.absent else c.WRONG
        kind = c.NEGATION if mention.absent else c.NUMBER
        bench.add_mention(sentence, mention, kind, verdict, f"labs: {name}", "by the value and its reference range")


def _judge_words(bench: Bench, sentence: Sentence, mention: Mention, values: list[Value]) -> None:
    """Levels and trends; a word that can be either (increased) needs to fit one."""
    said: dict[tuple[int, int], tuple[Cue, list[str], list[str]]] = {}
    for level, cue in mention.levels:
        said.setdefault((cue.first, cue.end), (cue, [], []))[1].append(level)
    for trend, cue in mention.trends:
        said.setdefault((cue.first, cue.end), (cue, [], []))[2].append(trend)
    for cue, levels, trends in said.values():
        if "relative" in cue.senses:
            continue
        start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
        fits = [v for v in values if _level_fits(v, levels) or _trend_fits(v, trends)]
        if fits:
            bench.add(sentence, start, stop, c.NUMBER, c.RIGHT, f"labs: {fits[0].name}")
            if trends and any(_trend_fits(v, trends) for v in fits):
                bench.stated.add(f"labs: {fits[0].name} trend")
            continue
        value = values[0]
        if levels or any(v.earlier for v in values):
            reason = f"it is {value.value}, before {value.earlier}" if value.earlier else f"it is {value.value}"
            bench.add(sentence, start, stop, c.NUMBER, c.WRONG, f"labs: {value.name}", reason)
        else:
            bench.add(sentence, start, stop, c.NUMBER, c.INVENTED, f"labs: {value.name}", "no earlier value is stated")


def _level_fits(value: Value, levels: list[str]) -> bool:
    told = level_of(value, value.name)
    return any(told == level or (level == "abnormal" and told in ("high", "low")) for level in levels)


def _trend_fits(value: Value, trends: list[str]) -> bool:
    told = trend_of(value)
    now, before = as_number(value.value), as_number(value.earlier)
    if told is None or now is None or before is None:
        return False
    nearer = distance_from_range(now, value.name) - distance_from_range(before, value.name)
    for trend in trends:
        if trend == told:
            return True
        if trend == "same" and abs(now - before) <= 0.05 * abs(before):
            return True
        if trend in ("better", "worse") and (nearer < 0 if trend == "better" else nearer > 0):
            return True
        if trend == "double" and 1.8 <= now / max(before, 1e-9) <= 2.3:
            return True
        if trend == "half" and 0.4 <= now / max(before, 1e-9) <= 0.56:
            return True
    return False


def judge_value(bench: Bench, sentence: Sentence, names: list[str], amount: Amount) -> None:
    """A number that belongs to one of these laboratory values."""
    quantity = amount.quantity
    known = bench.known
    out_of = [name for name in names if (entry := lab_entry(name)) and entry.unit.startswith("/")]
    if len(quantity.values) == 2 and quantity.measures != "mass" and not out_of:
        _judge_pressure(bench, sentence, amount)
        return
    values = [known.labs[name] for name in names if name in known.labs]
    role = _role(sentence, amount)
    for value in values:
        printed = _printed(value, role)
        if role == "any" and not _tells_earlier(sentence, value, amount):
            printed = printed[:1]
        if any(_same_value(quantity, number, value.name, amount.precision) for number in printed):
            bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.RIGHT, f"labs: {value.name}")
            return
    if not values:
        owner = _other_owner(bench, names, quantity)
        kind, verdict = (c.ROLE, c.WRONG) if owner else (c.NUMBER, c.INVENTED)
        reason = f"it is the value of {owner}" if owner else "no such value is stated"
        bench.add(sentence, quantity.start, quantity.end, kind, verdict, "", reason)
        return
    value = values[0]
    compared = f"labs: {value.name}"
    partly = next((other for other in known.labs.values() if _is_partly_named(sentence, value, other, amount)), None)
    if partly and as_number(partly.value) == quantity.values[0] and not is_other_unit(quantity.unit, partly.name):
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.RIGHT, f"labs: {partly.name}", "partly named")
        return
    if any(_same_value(quantity, n, value.name, "") for n in _printed(value, "any")):
        reason = "the earlier and the present value are exchanged"
        bench.add(sentence, quantity.start, quantity.end, c.ROLE, c.WRONG, compared, reason)
        return
    owner = _other_owner(bench, names, quantity)
    if owner:
        bench.add(sentence, quantity.start, quantity.end, c.ROLE, c.WRONG, compared, f"it is the value of {owner}")
    else:
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.WRONG, compared, f"it is {value.value}")


def _is_partly_named(sentence: Sentence, value: Value, other: Value, amount: Amount) -> bool:
    """Whether the words before a number name a longer value in part: creatinine ratio, of albumin-creatinine ratio."""
    near = {token.key for token in sentence.tokens[max(0, amount.first - 5) : amount.first]}
    bags = [set(bag) for bag in word_bags(other.name)]
    own = {key for bag in word_bags(value.name) for key in bag}
    return any(near & own & bag and (near & bag) - own for bag in bags)


_AT_FIRST = frozenset([
    "initial", "initially", "baseline", "admission", "presentation", "arrival", "first", "previous", "prior",
    "earlier",
])  # fmt: skip


def _tells_earlier(sentence: Sentence, value: Value, amount: Amount) -> bool:
    """Whether a sentence that names the earlier value also tells that it is not the present one."""
    now = as_number(value.value)
    told = any(now in other.quantity.values for other in sentence.amounts if other is not amount)
    near = sentence.between(max(0, amount.first - 4), min(amount.end + 3, len(sentence.tokens)))
    return told or bool(_AT_FIRST & set(near))


def _printed(value: Value, role: str) -> list[float]:
    """The numbers that a claim in this role may name: earlier, new, or either."""
    now, before = as_number(value.value), as_number(value.earlier)
    numbers = [now] if role == "new" and before is not None else [before] if role == "earlier" else [now, before]
    return [number for number in numbers if number is not None]


_EARLIER = frozenset(["previously", "earlier", "before", "prior", "initially", "previous", "prev", "baseline"])
_COMPARED = frozenset(["after", "versus", "vs", "against"])  # 112 after 56
_HAD_BEEN = (["had", "been"], ["compared", "with"], ["compared", "to"])
_NOW = frozenset(["now", "reaches", "reached", "currently", "present"])


def _role(sentence: Sentence, amount: Amount) -> str:
    clause = sentence.clauses[amount.first]
    near = range(max(0, amount.first - 3), amount.first)
    before = [sentence.tokens[at].low for at in near if sentence.clauses[at] == clause]
    last = amount.end >= len(sentence.tokens)
    after = [] if last or "(" in sentence.gap(amount.end, amount.end) else sentence.between(amount.end, amount.end + 1)
    link = next((word for word in reversed(before) if word in ("from", "to")), None)
    if link == "from" or _EARLIER & set(before) or set(before[-1:]) & _COMPARED or before[-2:] in _HAD_BEEN:
        return "earlier"
    if {"previously", "earlier", "before", "initially"} & set(after):
        return "earlier"
    return "new" if link == "to" or set(before[-1:]) & _NOW else "any"


def _other_owner(bench: Bench, names: list[str], quantity: Quantity) -> str | None:
    return next(
        (owner for owner, number in bench.known.numbers if owner not in names and number == quantity.values[0]), None
    )


def _same_value(quantity: Quantity, number: float, name: str, precision: str) -> bool:
    claimed = quantity.values[0]
    if is_other_unit(quantity.unit, name):
        return False
    if name == "temperature" and (claimed > 60) != (number > 60):
        claimed = (claimed - 32) / 1.8 if claimed > 60 else claimed * 1.8 + 32
        return abs(claimed - number) <= (0.06 if number <= 60 else 0.11)
    if precision == "about":
        return abs(claimed - number) <= _ROUNDED * abs(number)
    if precision == "more":
        return claimed < number <= 1.5 * claimed or claimed == number
    if precision == "less":
        return 0.5 * claimed <= number <= claimed
    return abs(claimed - number) < 1e-9


def _judge_pressure(bench: Bench, sentence: Sentence, amount: Amount) -> None:
    quantity = amount.quantity
    values = [bench.known.labs.get(name) for name in _PRESSURES]
    stated = [[as_number(value.value), as_number(value.earlier)] if value else [] for value in values]
    if not any(stated):
        bench.add(sentence, quantity.start, quantity.end, c.NUMBER, c.INVENTED, "", "no blood pressure is stated")
        return
    fits = all(not options or claimed in options for claimed, options in zip(quantity.values, stated, strict=True))
    told = "/".join(value.value if value else "?" for value in values)
    verdict = c.RIGHT if fits and all(stated) else c.WRONG
    bench.add(sentence, quantity.start, quantity.end, c.NUMBER, verdict, "labs: blood pressure", f"it is {told}")
