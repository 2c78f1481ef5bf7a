"""Plans the sentences of a summary: what comes first, which facts share a sentence, and in which grammatical forms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clinical.patient import Patient
from phase1_data_medhal.summaries.phrases import Voice, frames
from phase1_data_medhal.summaries.units import (
    ASSESSMENT,
    BACKGROUND,
    FINDINGS,
    PLAN,
    STORY,
    TREATMENT,
    Unit,
    complaint_unit,
    units_of,
)  # fmt: skip
from phase1_data_medhal.wording import capital, expand, listed, tidy

ORDERS = (
    (STORY, BACKGROUND, FINDINGS, ASSESSMENT, TREATMENT, PLAN),
    (BACKGROUND, STORY, FINDINGS, ASSESSMENT, TREATMENT, PLAN),
    (ASSESSMENT, FINDINGS, STORY, TREATMENT, BACKGROUND, PLAN),
    (ASSESSMENT, TREATMENT, FINDINGS, BACKGROUND, STORY, PLAN),
    (STORY, ASSESSMENT, FINDINGS, TREATMENT, PLAN, BACKGROUND),
    (TREATMENT, ASSESSMENT, STORY, BACKGROUND, FINDINGS, PLAN),
    (FINDINGS, ASSESSMENT, BACKGROUND, STORY, TREATMENT, PLAN),
    (BACKGROUND, ASSESSMENT, TREATMENT, PLAN, STORY, FINDINGS),
)
SIZES = ((1, 0.1), (2, 0.5), (3, 0.4))  # how many units share a sentence
LEAD_SIZES = ((0, 0.08), (1, 0.47), (2, 0.45))  # how many stand beside the complaint in the first
TRIES, FLAWLESS = 18, 4
LONGEST = 42  # words in a sentence
_SLOT = re.compile(r"\{([A-Za-z]+)(\d?)\}")
_THE = re.compile(r"\b(his|her|ongoing|unchanged|new|higher|lower|newly started|newly prescribed|repeat|a|a\(n\)) the ")
_ODD = re.compile(r"^Whos?e? |\w+,? the (?:diagnosis|assessment) being")
_ADDED = re.compile(r"\b(associated|accompanying|additional|concurrent|new|repeat) a\(n\) ")
_PAST_ONE = re.compile(r"\b(past|last) (?:an?|one|1) (?=\w)")  # the past a week
_NO_AND = re.compile(r"\bwith(?:out)? (?:no )?[^,;]*\bno\b[^,;]* and (?!no )")  # how far does the "no" reach?
_VERBS = re.compile(
    r"\b(?:showed|shows|found|noted|reports|reported|plan|planned|known|history|background|advised|advice|given"
    r"|examination|started|diagnosed|diagnosis|denied|described|seen|presented|clinicians|treatment|medication|addition)\b"
)
_RUN_ON = re.compile(r"\{[Cc]l1\},? and|\{np1\}, \{cl2\}|\{[Cc]l1\}, \{cl2\}")
_JOINING = re.compile(r"Besides|Alongside|In addition|ogether with|long with|plus|\{np2\}")
# Forms that can open a sentence as an adjunct of its subject.
OPENING = (BACKGROUND, STORY, FINDINGS, ASSESSMENT, TREATMENT)
ABSENCES = frozenset(("denied", "absent_signs", "no_allergy", "smoking_never", "alcohol_none", "ruled_out"))
# A unit of these kinds can be told of "a woman with chest pain": X was diagnosed in her.
IN_PATIENT = ("confirmed", "suspected", "started", "ruled_out", "study", "signs")


def plan_sentences(facts: Patient, voice: Voice) -> list[str]:
    """The sentences of one summary; together they say every fact once."""
    units = _ordered(units_of(facts, voice), voice)
    who = _who(facts, voice, "who")
    lead = complaint_unit(facts, voice, _who(facts, voice, "plain"))
    count = min(_drawn(LEAD_SIZES, voice), len(units))
    taken = units[:count]
    sentences = [_best("leads", str(count), [lead, *taken], facts, voice, who)]
    rest = units[count:]
    while rest:
        size = min(_drawn(SIZES, voice), len(rest))
        if len(rest) - size == 1 and size < 3:
            size += 1  # a single last fact would make one more bare sentence
        sentences.append(_best("patterns", str(size), rest[:size], facts, voice, who))
        rest = rest[size:]
    return sentences


def _drawn(weighted: Sequence[tuple[int, float]], voice: Voice) -> int:
    return voice.rng.choices([n for n, _ in weighted], [w for _, w in weighted])[0]


def _ordered(units: list[Unit], voice: Voice) -> list[Unit]:
    """The groups in one of the orders, and the units of a group shuffled; follow-up and disposition at the end."""
    order = voice.rng.choice(ORDERS)
    keyed = [(order.index(u.group), u.kind == "follow_up", voice.rng.random(), n) for n, u in enumerate(units)]
    return [units[key[-1]] for key in sorted(keyed)]


def _who(facts: Patient, voice: Voice, key: str) -> str:
    female = facts.sex == "female"
    person = ("girl" if female else "boy") if facts.age < 18 else ("woman" if female else "man")
    frame = voice.frame(frames()["leads"][key], key)
    return frame.format(age=facts.age, man=person, male=facts.sex)


def _best(table: str, key: str, units: list[Unit], facts: Patient, voice: Voice, who: str) -> str:
    """The shortest of the first tries without a flaw, or else the one with the fewest."""
    tries: list[tuple[int, int, str]] = []
    for _ in range(TRIES):
        sentence = _sentence(table, key, units, facts, voice, who)
        if sentence is None:
            continue
        flaws = _flaws(sentence)
        tries.append((flaws, len(sentence), sentence))
        if [n for n, _, _ in tries].count(0) == FLAWLESS:
            break
    if not tries:
        plain = f"{capital(who)} {{vp0}}" if table == "leads" else "{S} {vp1}"
        return _filled(plain, units, facts, voice, who)
    return min(tries)[2]


def _flaws(sentence: str) -> int:
    """What reads badly: too many words, too many "with" or "and", verbs said twice, commas that run on."""
    lower = f" {sentence.lower()} "
    many = [
        lower.count(" with ") > 2, lower.count(", with ") > 1, lower.count(" and ") > 4, lower.count(",") > 5,
        lower.count("(") > 2, lower.count(";") > 1, len(lower.split()) > LONGEST, sentence[0].isdigit(),
    ]  # fmt: skip
    verbs = _VERBS.findall(lower)
    doubled = re.search(r"\b(\w+) \1\b", lower) is not None
    twice = re.search(r"\b(?:with|who) [^,;]{0,25}\bwith\b", lower) is not None
    odd = (
        re.search(r"\b(?:alongside|besides|along with|together with|in addition to|plus) (?:no|normal) ", lower)
        is not None
    )
    odd = odd or _NO_AND.search(lower) is not None or _ODD.search(sentence) is not None
    return 2 * odd + sum(many) + len(verbs) - len(set(verbs)) + 3 * doubled + twice


def _sentence(table: str, key: str, units: list[Unit], facts: Patient, voice: Voice, who: str) -> str | None:
    """One try; ``None`` if the drawn pattern asks for a form that a unit lacks."""
    groups = {unit.group for unit in units}
    if table == "patterns" and len(units) > 1 and len(groups) == 1 and voice.chance(0.3):
        name = {FINDINGS: "findings", BACKGROUND: "background", PLAN: "plan"}.get(groups.copy().pop())
        if name and all(unit.has("np") and unit.kind != "continued" for unit in units):
            frame = voice.frame(frames()["patterns"][name], name)
            return _filled(frame, units, facts, voice, who)
    frame = voice.frame(frames()[table][key], f"{table} {key}")
    return _filled(frame, units, facts, voice, who) if _fits(frame, table, units) else None


def _fits(frame: str, table: str, units: list[Unit]) -> bool:
    shift = 0 if table == "leads" else 1
    for form, index in _SLOT.findall(frame):
        if not index:
            continue
        unit = units[int(index) - shift]
        if not unit.has(form.lower()):
            return False
        if form == "Pp" and unit.group not in OPENING:
            return False
    # "Besides X" and "plus X" join what is of one kind.
    groups, kinds = {unit.group for unit in units}, {unit.kind for unit in units}
    if _JOINING.search(frame) and (len(groups) > 1 or TREATMENT in groups or kinds & ABSENCES):
        return False
    # "With A started and B reduced" leaves the reader to sort out what happened to which.
    if "{w2} and {w3}" in frame and TREATMENT in (units[1].group, units[2].group):
        return False
    first = units[1 - shift] if len(units) > 1 else units[0]
    # "She had chest pain for a day, diagnosed with ...": the adjunct hangs in the air.
    if frame.endswith("{vp0}, {pp1}") and first.group not in (STORY, FINDINGS):
        return False
    # After "there was no fever, and" one has to look twice whether the "no" still holds.
    if first.kind in ABSENCES and _RUN_ON.search(frame):
        return False
    if frame.startswith("With {np1}") and (first.group in (TREATMENT, PLAN) or ("{cl2}" in frame and len(groups) > 1)):
        return False
    # "X was diagnosed in a woman with ..." suits few kinds.
    return "{in0}" not in frame or units[1].kind in IN_PATIENT


def _filled(frame: str, units: list[Unit], facts: Patient, voice: Voice, who: str) -> str:
    leads = any(unit.kind == "complaint" for unit in units)
    shift = 0 if leads else 1
    female = facts.sex == "female"
    named = False  # whether this sentence has named the patient already
    frame = voice.conjugate(expand(frame, voice.author, voice.rng), False)

    def subject(start: bool, noun: bool) -> str:
        nonlocal named
        roll = voice.rng.random()
        if not noun and (named or roll < (0.55 if start else 0.75)):
            named = True
            return "she" if female else "he"
        named = True
        man = ("woman" if female else "man") if facts.age >= 18 else ("girl" if female else "boy")
        return voice.rng.choice(["the patient", "the patient", f"the {man}", "this patient", f"this {man}"])

    def part(match: re.Match[str]) -> str:
        nonlocal named
        form, index = match[1], match[2]
        if index:
            if form.lower() in ("vp", "pp") and leads:
                named = True
            return units[int(index) - shift].say(form.lower(), voice)
        if form in "SN":
            return subject(match.start() == 0, noun=form == "N")
        if form in ("Who", "this"):
            named = True
            return who if form == "Who" else _who(facts, voice, "this")
        if form == "nps":
            return listed([unit.say("np", voice) for unit in units])
        if form == "him":
            return "her" if female else "him"
        if form == "Bg":
            whose = voice.rng.choice(["her" if female else "his", "the", "past"])
            return f"{whose} {voice.rng.choice(['background', 'history', 'medical history'])}"
        if form == "wj":
            return voice.rng.choice(["with", "along with", "together with", "alongside"])
        raise KeyError(match[0])

    text = _SLOT.sub(part, frame)
    text = _THE.sub(r"\1 ", text)
    text = _ADDED.sub(r"a(n) \1 ", text)
    text = _PAST_ONE.sub(r"\1 ", text)
    text = re.sub(r",(?= (?:with|who)? ?,)|,(?=,)", "", text)
    return capital(tidy(text.strip().rstrip(","))) + "."
