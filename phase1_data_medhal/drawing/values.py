"""Draws vital signs and laboratory values that agree with the story, the problems and one another."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache

from clinical.lexicon import Lab, load_lexicon
from clinical.patient import Value
from phase1_data_medhal.drawing.sense import Chooser, Story, sense

LAB_NUMBERS = ((2, 38), (3, 38), (4, 18), (5, 6))  # and their weights
MARKER_SHARE = 0.5  # of known problems show in the value that follows them
NORMAL_SHARE = 0.25  # of notes give an ordinary value besides
EARLIER_NUMBERS = (0, 1, 1, 2)  # equally likely
LEAST_PULSE_PRESSURE = 26
MOST_CHANGE, MOST_FALL = 0.5, 1.2  # of a value, from the one before: usually, and where a high one falls
STEPS, STEADY_STEPS = (0.3, 0.7), (0.12, 0.3)  # of the normal range: with a course, and without one
PRESSURES = ("systolic blood pressure", "diastolic blood pressure")

Range = tuple[float, float]


def vital_ranges(
    story: Story, problems: Sequence[str], fever: bool | None, forced: Mapping[str, Range]
) -> dict[str, Range]:
    """Each vital sign's range. ``fever`` is true where stated, false where denied, ``None`` where neither."""
    tables = sense()
    ranges = {name: (low, high) for name, (low, high) in tables["normal_vitals"].items()}
    ranges |= {name: (low, high) for name, (low, high) in story["vitals"].items()}
    for problem in problems:  # who is obese has the body mass index of it
        ranges |= {name: (low, high) for name, low, high in tables["vital_markers"].get(problem, ()) if name in ranges}
    if fever is not None:
        ranges["temperature"] = tuple(tables["fever"]["present" if fever else "absent"])
    return ranges | {name: span for name, span in forced.items() if name in ranges}


def draw_vitals(choose: Chooser, ranges: Mapping[str, Range]) -> dict[str, Value]:
    """A value of every vital sign; the caller states some of them."""
    values = {name: Value(name, printed(choose.rng.uniform(*span), lab(name))) for name, span in ranges.items()}
    systolic, diastolic = (float(values[name].value) for name in PRESSURES)
    if systolic - diastolic < LEAST_PULSE_PRESSURE:
        values[PRESSURES[1]] = Value(PRESSURES[1], f"{max(systolic * 0.62, 36):.0f}")
    return values


def draw_labs(
    choose: Chooser, story: Story, problems: Sequence[str], forced: Mapping[str, Range], age: int, sex: str
) -> tuple[Value, ...]:
    """Two to five values, at most two of them with the one before."""
    tables = sense()
    known = {lab_.name for lab_ in load_lexicon().labs}
    total = choose.rng.choices([n for n, _ in LAB_NUMBERS], [weight for _, weight in LAB_NUMBERS])[0]
    ranges: dict[str, Range] = {name: span for name, span in forced.items() if name not in story["vitals"]}
    ranges = {name: span for name, span in ranges.items() if name not in tables["normal_vitals"]}
    own = {name: (low, high) for name, low, high, *_ in choose.some(story["labs"], len(story["labs"]))}
    trends = {name: rest[0] for name, _, _, *rest in story["labs"] if rest}
    markers = [
        (name, (low, high))
        for problem in problems
        if problem != story["diagnosis"]
        for name, low, high in tables["markers"].get(problem, ())
    ]
    for name, span in markers:  # a known problem shows where the story measures its value, and at times besides
        if name in own and name not in forced:
            own[name] = _worse(span, own[name], lab(name))
    if story["labs"]:  # the value that the diagnosis hangs on stands first in the scenario
        key = story["labs"][0][0]
        own = {name: own[name] for name in [key, *own] if name in own}
    candidates = list(own.items())
    extra = [(name, span) for name, span in markers if name not in own and choose.chance(MARKER_SHARE)][:2]
    if choose.chance(NORMAL_SHARE):
        normal = [name for name in tables["normal_labs"] if name not in own]
        extra += [(name, tuple(tables["normal_labs"][name])) for name in choose.some(normal, 1)]
    candidates = [*candidates[: max(2, total - len(extra))], *extra, *candidates[max(2, total - len(extra)) :]]
    for name, span in candidates:
        rivals = [pair for pair in tables["never_both_labs"] if name in pair]
        if len(ranges) >= total or name not in known or not choose.allows(name):
            continue
        if not any(other in ranges for pair in rivals for other in pair):
            ranges.setdefault(name, span)
    values = [Value(name, printed(choose.rng.uniform(*span), lab(name))) for name, span in ranges.items()]
    values = _with_matching_egfr(values, age, sex)
    return _with_earlier(choose, values, {name: trend for name, trend in trends.items() if name not in forced})


def _worse(marker: Range, own: Range, lab_: Lab) -> Range:
    """Of two ranges, the one that lies further from normal."""
    middle = (lab_.low + lab_.high) / 2
    return max(marker, own, key=lambda span: abs(sum(span) / 2 - middle))


def _with_matching_egfr(values: Sequence[Value], age: int, sex: str) -> list[Value]:
    """Creatinine decides on eGFR: CKD-EPI 2021."""
    creatinine = next((float(value.value) for value in values if value.name == "creatinine"), None)
    if creatinine is None:
        return list(values)
    return [Value("eGFR", f"{_egfr(creatinine, age, sex):.0f}") if v.name == "eGFR" else v for v in values]


def _egfr(creatinine: float, age: int, sex: str) -> float:
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine / kappa
    return float(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age * factor)


def _with_earlier(choose: Chooser, values: list[Value], trends: Mapping[str, str]) -> tuple[Value, ...]:
    """Some values get the one before them, as the story's course has it."""
    moving = [value.name for value in values if trends.get(value.name) and value.name != "eGFR"]
    told = choose.rng.sample(moving, k=min(len(moving), choose.rng.choice(EARLIER_NUMBERS)))
    result = [_moved(choose.rng, value, trends[value.name]) if value.name in told else value for value in values]
    choose.rng.shuffle(result)
    return tuple(result)


def _moved(rng: random.Random, value: Value, trend: str) -> Value:
    """``value`` with an earlier one that is higher (falling) or lower (rising) by a step that one can speak of."""
    lab_ = lab(value.name)
    now = float(value.value)
    beyond = max(lab_.low - now, now - lab_.high, 0)
    shares = STEADY_STEPS if trend == "either" else STEPS
    step = rng.uniform(*shares) * max(lab_.high - lab_.low, 0.8 * beyond)
    falling = rng.random() < 0.5 if trend == "either" else trend == "falling"
    most = MOST_FALL if now > lab_.high else MOST_CHANGE  # of the present value
    earlier = now + min(step, most * now) if falling else now - min(step, MOST_CHANGE * now)
    if falling and now <= lab_.high:  # out of the range on the far side would be another story
        earlier = min(earlier, lab_.high)
    if not falling and now >= lab_.low:
        earlier = max(earlier, lab_.low)
    earlier = min(max(earlier, lab_.plausible_low), lab_.plausible_high)
    text = printed(earlier, lab_)
    return Value(value.name, value.value, text if text != value.value else None)


@cache
def lab(name: str) -> Lab:
    """The lexicon's entry."""
    return next(entry for entry in load_lexicon().labs if entry.name == name)


def printed(value: float, lab_: Lab) -> str:
    """The value with as many decimals as the laboratory prints."""
    return f"{value:.{lab_.decimals}f}"
