"""Judges medicines: which, how much, by which route, how often, what was changed and why; and allergies."""

from __future__ import annotations

from clinical.lexicon import load_lexicon
from clinical.numbers import UNITS, find_quantities
from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.sentence import Amount, Mention, Sentence
from clinical.oracle.state import amounts_in
from clinical.oracle.surface import ADVICE, ALLERGEN, CLASS, DRUG, PROBLEM, classes_of
from clinical.oracle.words import Cue, cue_at, forms, tokens_of, words
from clinical.patient import DrugUse

_CHANGES_FITTING = {
    "started": ("started",),
    "increased": ("increased",),
    "decreased": ("decreased",),
    "held": ("held",),
    "stopped": ("stopped",),
    "continued": ("continued",),
    "resumed": (),
    "adjusted": ("increased", "decreased"),
}
_SOMEONE = frozenset(["he", "she", "patient", "advised", "instructed", "counseled"])
_NEGATED_CHANGE = {"continued": ("stopped", "held"), "started": (), "stopped": ("continued",), "held": ("continued",)}


def judge_drug(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """All claims that one mention of a drug or class makes, its amounts apart."""
    uses = uses_of(bench, mention)
    if mention.allergy:
        _judge_allergy(bench, sentence, mention)
    elif uses:
        _judge_use(bench, sentence, mention, uses)
    elif _is_advised_against(bench, mention):
        bench.add_mention(sentence, mention, c.PLAN, c.RIGHT, "plan", "to be avoided")
    elif mention.absent:
        bench.add_mention(sentence, mention, c.NEGATION, c.INVENTED, "", "never said not to be taken")
    elif _is_allergen(bench, mention):
        bench.add_mention(sentence, mention, c.MEDICATION, c.WRONG, "allergies", "it is an allergy, no medicine taken")
    else:
        bench.add_mention(sentence, mention, c.MEDICATION, c.INVENTED, "", "not among the medicines")


def uses_of(bench: Bench, mention: Mention) -> list[DrugUse]:
    """The patient's drugs that a mention may mean."""
    uses = [bench.known.drugs[name] for name in mention.named.names_of(DRUG) if name in bench.known.drugs]
    for name in mention.named.names_of(CLASS):
        uses += [use for use in bench.known.drugs_of(name) if use not in uses]
    return uses


def _is_advised_against(bench: Bench, mention: Mention) -> bool:
    targets = [item.target for item in bench.known.patient.plan if item.order in ("advise", "consider")]
    words_of = {token.key for target in targets for token in tokens_of(target)}
    names = (mention.text, *mention.named.names_of(DRUG, CLASS, ALLERGEN))
    return any(all(token.key in words_of for token in tokens_of(name)) for name in names)


def _judge_use(bench: Bench, sentence: Sentence, mention: Mention, uses: list[DrugUse]) -> None:
    gone = [use for use in uses if use.change in ("stopped", "held")]
    if mention.absent and not mention.changes:
        verdict = c.RIGHT if gone else c.WRONG
        bench.add_mention(sentence, mention, c.NEGATION, verdict, f"drugs: {uses[0].name}", uses[0].change)
        return
    if told := _told_as_taken(sentence, mention, uses):
        bench.add(sentence, told[0], mention.stop, c.CHANGE, c.WRONG, f"drugs: {uses[0].name} change", told[1])
        return
    bench.add_mention(sentence, mention, c.MEDICATION, c.RIGHT, f"drugs: {uses[0].name}")
    for value, cue in mention.changes:
        start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
        fitting = _CHANGES_FITTING[value]
        if _is_negated(sentence, cue):
            fitting = _NEGATED_CHANGE.get(value, ())
        use = next((use for use in uses if use.change in fitting), None)
        if use:
            bench.add(sentence, start, stop, c.CHANGE, c.RIGHT, f"drugs: {use.name} change")
        elif _is_dose_of_start(mention, value, uses):
            bench.add(sentence, start, stop, c.CHANGE, c.RIGHT, f"drugs: {uses[0].name} change")
        else:
            reason = f"{uses[0].name} was {uses[0].change}"
            bench.add(sentence, start, stop, c.CHANGE, c.WRONG, f"drugs: {uses[0].name} change", reason)


_TAKEN = frozenset([("is", "on"), ("is", "taking"), ("remains", "on"), ("was", "given"), ("is", "given")])
_TAKEN_BEFORE = frozenset([("been", "on"), ("been", "taking")])
_STARTING = frozenset(["started", "start", "now", "newly", "put", "placed", "just", "new"])


def _told_as_taken(sentence: Sentence, mention: Mention, uses: list[DrugUse]) -> tuple[int, str] | None:
    """Where and why "is on" is said of a drug that was held or stopped, or "has been on" of one just started.

    Not where the sentence tells of a change of this drug as well.
    """
    if mention.changes and any(value != "given" for value, _ in mention.changes):
        return None
    at = mention.first
    measured = {n for amount in sentence.amounts for n in range(amount.first, amount.end)}
    while at and (at - 1 in measured or sentence.tokens[at - 1].low in ("a", "an", "the", "dose", "of")):
        at -= 1
    pair = tuple(sentence.between(max(0, at - 2), at))
    if len(pair) < 2 or pair not in _TAKEN | _TAKEN_BEFORE or _STARTING & {token.low for token in sentence.tokens}:
        return None
    names = {use.change for use in uses}
    if names <= {"held", "stopped"} and pair not in _TAKEN_BEFORE:
        return sentence.tokens[at - 2].start, f"{uses[0].name} was {uses[0].change}"
    if names == {"started"} and pair in _TAKEN_BEFORE:
        return sentence.tokens[at - 2].start, f"{uses[0].name} was only started"
    return None


def _is_dose_of_start(mention: Mention, value: str, uses: list[DrugUse]) -> bool:
    """Continued at a higher dose: two cues of which one fits."""
    said = {other for other, _ in mention.changes}
    return value == "continued" and any(use.change in said for use in uses)


def _is_negated(sentence: Sentence, cue: Cue) -> bool:
    first = max(0, cue.first - 2)
    before = sentence.between(first, cue.first)
    return (
        bool({"not", "never"} & set(before))
        and "," not in sentence.text[sentence.tokens[first].start : sentence.tokens[cue.first].start]
    )


def _is_allergen(bench: Bench, mention: Mention) -> bool:
    return bool(_allergy_names(bench) & _substances(mention))


def _allergy_names(bench: Bench) -> set[str]:
    return {allergy.substance.lower() for allergy in bench.known.patient.allergies or ()}


def _substances(mention: Mention) -> set[str]:
    """What a named substance may be called in an allergy list: the drug, its classes, their plural."""
    names = set(mention.named.names_of(DRUG, CLASS, ALLERGEN))
    return {name.lower() for name in names} | {f"{name.lower()}s" for name in names}


def _judge_allergy(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    allergies = bench.known.patient.allergies
    said = _substances(mention)
    wide = {name.lower() for allergy in allergies or () for name in classes_of(allergy.substance)}
    wide |= {
        name.removesuffix("s").lower() + ending
        for allergy in allergies or ()
        for name in (allergy.substance,)
        for ending in ("", "s")
    }
    parts = forms()["class_parts"]
    within = any(
        part.lower() in name
        for allergy in allergies or ()
        for part in parts.get(allergy.substance, ())
        for name in said
    )
    fits = within or bool(said & (_allergy_names(bench) | wide))
    if mention.absent:
        verdict = c.WRONG if fits else c.RIGHT if allergies == () else c.INVENTED
        bench.add_mention(sentence, mention, c.NEGATION, verdict, "allergies", "allergy denied")
    elif fits:
        bench.add_mention(sentence, mention, c.MEDICATION, c.RIGHT, "allergies", "allergy")
    elif allergies == ():
        bench.add_mention(sentence, mention, c.NEGATION, c.WRONG, "allergies", "no allergies are known")
    elif allergies:
        bench.add_mention(sentence, mention, c.MEDICATION, c.WRONG, "allergies", "allergic to something else")
    else:
        bench.add_mention(sentence, mention, c.MEDICATION, c.INVENTED, "", "no allergy is stated")


def judge_dose(bench: Bench, sentence: Sentence, mention: Mention, amount: Amount) -> None:
    """An amount that belongs to a drug."""
    uses = uses_of(bench, mention)
    quantity = amount.quantity
    start, stop = quantity.start, quantity.end
    if not uses or (quantity.unit == "tablet"):
        return
    role = _role(sentence, mention, amount)
    fitting = [use for use in uses if _fits_dose(use, amount, role)]
    if fitting and all(_is_stale(sentence, mention, use, amount) for use in fitting):
        use = fitting[0]
        reason = f"the dose is now {use.new_dose}"
        bench.add(sentence, start, stop, c.DOSE, c.WRONG, f"drugs: {use.name} dose", reason)
        return
    if fitting:
        bench.add(sentence, start, stop, c.DOSE, c.RIGHT, f"drugs: {fitting[0].name} dose")
        return
    use = uses[0]
    other = next((o for o in bench.known.drugs.values() if o not in uses and _fits_dose(o, amount, "")), None)
    compared = f"drugs: {use.name} dose"
    if _fits_dose(use, amount, ""):
        bench.add(sentence, start, stop, c.DOSE, c.WRONG, compared, "old and new dose are exchanged")
    elif other:
        bench.add(sentence, start, stop, c.ROLE, c.WRONG, compared, f"it is the dose of {other.name}")
    elif use.dose is None and use.new_dose is None:
        bench.add(sentence, start, stop, c.DOSE, c.INVENTED, compared, "no dose is stated")
    else:
        stated = " to ".join(dose for dose in (use.dose, use.new_dose) if dose)
        bench.add(sentence, start, stop, c.DOSE, c.WRONG, compared, f"the dose is {stated}")


def _is_stale(sentence: Sentence, mention: Mention, use: DrugUse, amount: Amount) -> bool:
    """Whether the dose before a change is told as the present one: no change, no new dose and no earlier time said."""
    if not use.new_dose or not use.dose or _same_dose(use.new_dose, amount):
        return False
    if {"increased", "decreased", "adjusted"} & {value for value, _ in mention.changes}:
        return False
    told = any(_same_dose(use.new_dose, other) for other in sentence.amounts if other is not amount)
    before = [token.low for token in sentence.tokens[: amount.end + 3]]
    return not (told or _BEFORE_CHANGE & set(before) or sentence.cues_of("trend"))


_BEFORE_CHANGE = frozenset(
    ["from", "previous", "previously", "prior", "before", "home", "earlier", "initial", "had", "taking", "takes"]
)


def _role(sentence: Sentence, mention: Mention, amount: Amount) -> str:
    """old after "from", new after "to"; else either."""
    before = sentence.between(max(mention.end, amount.first - 2), amount.first)
    if "from" in before:
        return "old"
    return "new" if "to" in before else ""


def _fits_dose(use: DrugUse, amount: Amount, role: str) -> bool:
    doses = [use.dose, use.new_dose]
    if role == "old":
        doses = [use.dose] if use.change not in ("started", "continued") else []
    elif role == "new" and use.new_dose:
        doses = [use.new_dose]
    return any(_same_dose(printed, amount) for printed in doses if printed)


def _same_dose(printed: str, amount: Amount) -> bool:
    quantity = amount.quantity
    numbers = list(quantity.values)
    if quantity.measures == "mass":
        numbers = [number * UNITS[quantity.unit][1] for number in numbers]
        stated = amounts_in(printed)
    elif quantity.unit:
        units = {found.unit for found in find_quantities(printed)}
        stated = amounts_in(printed) if quantity.unit in units or units == {""} else []
    else:
        stated = [number for found in find_quantities(printed) for number in found.values]
    return all(any(abs(number - known) < 1e-6 for known in stated) for number in numbers)


def judge_use_word(bench: Bench, sentence: Sentence, cue: Cue) -> bool:
    """A route or a frequency, which belongs to the drug before it or right after it. Whether it is accounted for."""
    kind = "frequency" if "frequency" in cue.senses else "route"
    drugs = [m for m in sentence.mentions if m.is_drug and not m.allergy]
    ahead = next((m for m in drugs if 0 <= m.first - cue.end <= 1), None) if kind == "route" else None
    behind = [m for m in sentence.mentions if m.end <= cue.first and cue.first - m.end <= 9 and not m.is_a(PROBLEM)]
    near = behind[-1] if behind and behind[-1] in drugs else None
    owner = ahead or near
    if near and owner is near and _SOMEONE & set(sentence.between(near.end, cue.first)):
        return False  # after spironolactone was begun, he weighs himself every day
    if near and owner is near and any(near.end <= c.first < cue.first for c in sentence.cues_of("alcohol")):
        return False  # naproxen is begun, and alcohol use is daily
    if owner is None or sentence.clauses[owner.first] != sentence.clauses[cue.first]:
        return False
    uses = uses_of(bench, owner)
    if not uses or owner.is_a(ADVICE):
        return True
    start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
    claimed = cue.senses[kind]
    stated = [(use, _stated(use, kind)) for use in uses]
    if any(_same_use(claimed, values) for _, values in stated):
        bench.add(sentence, start, stop, c.DOSE, c.RIGHT, f"drugs: {uses[0].name} {kind}")
        return True
    if any(values for _, values in stated):
        reason = f"the {kind} is {getattr(uses[0], kind)}"
        bench.add(sentence, start, stop, c.DOSE, c.WRONG, f"drugs: {uses[0].name} {kind}", reason)
        return True
    usual = _usual(uses[0].name, kind)
    if usual and all(_same_use(claimed, _canonical(one, kind)) for one in usual):
        bench.add(sentence, start, stop, c.DOSE, c.RIGHT, f"drugs: {uses[0].name} {kind}", "given only so")
    else:
        bench.add(sentence, start, stop, c.DOSE, c.INVENTED, f"drugs: {uses[0].name} {kind}", f"no {kind} is stated")
    return True


def _stated(use: DrugUse, kind: str) -> set[str]:
    printed = use.frequency if kind == "frequency" else use.route
    return _canonical(printed, kind) if printed else set()


def _usual(name: str, kind: str) -> tuple[str, ...]:
    entry = next((drug for drug in load_lexicon().drugs if drug.name == name), None)
    if entry is None or kind == "frequency":
        return ()
    return entry.routes


def _canonical(printed: str, kind: str) -> set[str]:
    """A printed route or frequency by the oracle's own names; itself where it has none."""
    tokens = tokens_of(printed)
    cues = [cue_at(printed, tokens, at) for at in range(len(tokens))]
    found: set[str] = set()
    end = 0
    for cue in cues:
        if cue and kind in cue.senses and cue.first >= end:
            found.add(cue.senses[kind])
            end = cue.end
    return found or {printed}


def _same_use(claimed: str, stated: set[str]) -> bool:
    if claimed in stated:
        return True
    return any({claimed, one} == set(pair) for pair in words()["frequency_same"] for one in stated)
