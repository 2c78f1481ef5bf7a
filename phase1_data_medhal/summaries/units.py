"""Turns the facts of a summary into units, each of which can be said in several grammatical forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from clinical.patient import DrugUse, Operation, Patient, PlanItem, Problem, Study, Value
from phase1_data_medhal.summaries.phrases import (
    BLOOD_PRESSURE,
    Voice,
    adjective,
    complaint_phrase,
    drug_phrase,
    frames,
    head_of,
    is_plural,
    located,
    pluralised,
    pressure_phrase,
    reason_phrase,
    say,
    span,
    value_phrase,
    when,
    with_article,
)  # fmt: skip
from phase1_data_medhal.wording import expand, listed

BACKGROUND, STORY, FINDINGS, ASSESSMENT, TREATMENT, PLAN = range(6)
UNCOUNTED = ("therapy", "rehabilitation", "counseling", "testing", "monitoring", "spirometry", "dialysis")


@dataclass(frozen=True)
class Unit:
    """Some facts of one kind that are said together; ``suffix`` follows whatever form is chosen."""

    kind: str
    group: int
    slots: dict[str, str] = field(default_factory=dict)
    plural: bool = False
    several: bool = False
    suffix: str = ""

    def has(self, form: str) -> bool:
        """Whether the unit can be said in this form."""
        return bool(self._options(form))

    def say(self, form: str, voice: Voice) -> str:
        """The unit in one of the forms: ``np``, ``vp``, ``cl``, ``pp``, ``w`` (what may follow *with*) and ``in``."""
        options = self._options(form)
        frame = voice.author.pick(options, voice.rng, f"{self.kind} {form} {len(options)}")
        frame = voice.conjugate(
            expand(frame.removeprefix("1:").removeprefix("2:"), voice.author, voice.rng), self.plural
        )
        return re.sub(r"  +", " ", frame.format_map(self.slots)).strip() + self.suffix

    def _options(self, form: str) -> list[str]:
        wrong = "1:" if self.several else "2:"
        return [frame for frame in frames()[self.kind].get(form, []) if not frame.startswith(wrong)]


def complaint_unit(facts: Patient, voice: Voice, who: str) -> Unit:
    """Who came with what; its clauses name the patient as ``who``."""
    phrase, plural = complaint_phrase(facts.complaint, voice)
    return Unit("complaint", STORY, {"cc": phrase, "who": who.rstrip(",")}, plural)


def units_of(facts: Patient, voice: Voice) -> list[Unit]:
    """All facts but the complaint, as units in the order of a case history."""
    him = {"male": ("he", "his", "him"), "female": ("she", "her", "her")}[facts.sex]
    person = dict(zip(("he", "his", "him"), him, strict=True))
    found = [*_history(facts, voice), *_story(facts, voice), *_findings(facts, voice), *_assessment(facts, voice),
             *_drugs(facts.drugs, voice), *_plans(facts, voice)]  # fmt: skip
    return [Unit(u.kind, u.group, {**person, **u.slots}, u.plural, u.several, u.suffix) for u in found]


def _history(facts: Patient, voice: Voice) -> Iterator[Unit]:
    plain = [p for p in facts.problems if p.status == "active" and p.ago is None]
    if plain:
        yield _listing("problem", BACKGROUND, [say(p.condition, voice) for p in plain])
    yield from (_dated(p, voice) for p in facts.problems if p not in plain)
    yield from (_operation(o, voice) for o in facts.operations)
    for relative in facts.family:
        name = say(relative.condition, voice)
        yield Unit("family", BACKGROUND, {"x": name, "rel": relative.relative}, is_plural(name))
    if facts.smoking:
        years = f" ({facts.pack_years} pack-years)" if facts.pack_years else ""
        yield Unit(f"smoking_{facts.smoking}", BACKGROUND, {"py": years})
    if facts.alcohol:
        yield Unit(f"alcohol_{facts.alcohol}", BACKGROUND)
    for allergy in facts.allergies or ():
        reaction = f" ({say(allergy.reaction, voice)})" if allergy.reaction else ""
        yield Unit("allergy", BACKGROUND, {"x": say(allergy.substance, voice)}, suffix=reaction)
    if facts.allergies == ():
        yield Unit("no_allergy", BACKGROUND)


def _dated(problem: Problem, voice: Voice) -> Unit:
    name = say(problem.condition, voice)
    if problem.status == "active" and problem.ago:
        slots = {"x": name, "t": span(problem.ago, voice), "adj": adjective(problem.ago, voice)}
        return Unit("problem_since", BACKGROUND, slots, is_plural(name))
    return Unit("problem_past", BACKGROUND, {"x": name, **_past(problem, voice)}, is_plural(name))


def _past(item: Problem | Operation, voice: Voice) -> dict[str, str]:
    """How long ago: after a verb, in any place, and after a noun."""
    if item.ago is None:
        return {"ago": "", "ago_or": " in the past", "ago_p": ""}
    ago = when("ago", item.ago, voice)
    return {"ago": ago, "ago_or": ago, "ago_p": f" ({ago.strip()})" if voice.chance(0.3) else ago}


def _operation(item: Operation, voice: Voice) -> Unit:
    name = say(item.procedure, voice, plain=item.side is not None)
    if item.side:
        name = f"{item.side} {pluralised(name) if item.side == 'bilateral' else name}"
    now = item.ago is not None and item.ago.unit in ("hours", "days")
    kind, group = ("operation_now", TREATMENT) if now else ("operation", BACKGROUND)
    return Unit(kind, group, {"x": name, "ax": with_article(name), **_past(item, voice)})


def _story(facts: Patient, voice: Voice) -> Iterator[Unit]:
    if facts.symptoms:
        yield _listing("symptoms", STORY, [with_article(say(s, voice)) for s in facts.symptoms])
    if facts.denied:
        yield _absent("denied", STORY, facts.denied, voice)


def _absent(kind: str, group: int, names: Sequence[str], voice: Voice) -> Unit:
    said = [say(name, voice) for name in names]
    slots = {"x": listed(said, "or"), "nor": f"{', '.join(said[:-1])} nor {said[-1]}"}
    return Unit(kind, group, slots, is_plural(said[-1]), len(said) > 1)


def _listing(kind: str, group: int, names: Sequence[str]) -> Unit:
    return Unit(kind, group, {"x": listed(names)}, len(names) > 1 or is_plural(names[0]), len(names) > 1)


def _findings(facts: Patient, voice: Voice) -> Iterator[Unit]:
    pair = [v for v in facts.vitals if v.name in BLOOD_PRESSURE]
    if len(pair) == len(BLOOD_PRESSURE):
        slots = {"v": pressure_phrase(pair, voice, "np"), "vc": pressure_phrase(pair, voice, "cl")}
        yield Unit("value", FINDINGS, slots)
    for value in (*facts.vitals, *facts.labs):
        if value not in pair:
            yield _measured(value, voice)
    if facts.signs:
        yield _listing("signs", FINDINGS, [located(s, voice) for s in facts.signs])
    if facts.absent_signs:
        yield _absent("absent_signs", FINDINGS, facts.absent_signs, voice)
    for study in facts.studies:
        yield _study(study, voice)


def _measured(value: Value, voice: Voice) -> Unit:
    slots = {"v": value_phrase(value, voice, "np"), "vc": value_phrase(value, voice, "cl")}
    return Unit("value", FINDINGS, slots)


def _study(study: Study, voice: Voice) -> Unit:
    name = say(study.procedure, voice)
    shown = [located(f, voice) for f in study.findings]
    result = listed(shown) if shown else ""
    if study.absent:
        none = f"no {listed([say(a, voice) for a in study.absent], 'or')}"
        result = f"{result} {voice.rng.choice(['but', 'and', 'with'])} {none}" if shown else none
    plural = (len(shown) > 1 or is_plural(shown[0])) if shown else is_plural(say(study.absent[-1], voice))
    article = voice.rng.choice(["the ", "", ""]) if with_article(name) != name else ""
    slots = {"r": result, "p": article + name, "ap": with_article(name)}
    return Unit("study", FINDINGS, slots, plural, bool(shown and study.absent))


def _assessment(facts: Patient, voice: Voice) -> Iterator[Unit]:
    if facts.diagnosis:
        name, article = say(facts.diagnosis.condition, voice), with_article
        phrase = article(name)
        if facts.diagnosis.acute:
            flare = voice.rng.choice(
                ["exacerbation", "exacerbation", "flare", "flare", "flare-up", "acute exacerbation"]
            )
            after = " " in flare or head_of(name) != name.split()[-1] or voice.chance(0.5)
            name = f"{flare} of {name}" if after else f"{name} {flare}"
            phrase = f"a(n) {name}"
            name = phrase if facts.diagnosis.certainty == "confirmed" else name
        slots = {"x": name, "ax": phrase}
        yield Unit(facts.diagnosis.certainty, ASSESSMENT, slots, is_plural(phrase) and not phrase.startswith("a(n) "))
    if facts.ruled_out:
        yield _listing("ruled_out", ASSESSMENT, [say(name, voice) for name in facts.ruled_out])


def _drugs(drugs: Sequence[DrugUse], voice: Voice) -> Iterator[Unit]:
    """Medicines with one change and no reason go together; each other one stands alone."""
    for change in ("started", "continued", "held", "stopped"):
        uses = [d for d in drugs if d.change == change]
        together = [d for d in uses if d.reason is None]
        for batch in ([together] if together else []) + [[d] for d in uses if d.reason]:
            slots = {
                "d": listed([drug_phrase(d, voice) for d in batch]),
                "dn": listed([drug_phrase(d, voice, amount_first=False) for d in batch]),
            }
            group = BACKGROUND if change == "continued" else TREATMENT
            several = len(batch) > 1
            yield Unit(
                change, group, slots, several or is_plural(batch[0].name), several, reason_phrase(batch[0], voice)
            )
    for use in (d for d in drugs if d.change in ("increased", "decreased")):
        change = f"{f' from {use.dose}' if use.dose else ''}{f' to {use.new_dose}' if use.new_dose else ''}"
        often = f" {use.frequency}" if use.frequency and change else ""
        changed = drug_phrase(DrugUse(use.name, route=use.route), voice)
        slots = {"d": changed, "dn": changed, "ft": change + often}
        if use.frequency and not change:
            slots["ft"] = f" ({use.frequency})"
        yield Unit(use.change, TREATMENT, slots, is_plural(use.name), suffix=reason_phrase(use, voice))


def _plans(facts: Patient, voice: Voice) -> Iterator[Unit]:
    if facts.outcome:
        name = say(facts.outcome.finding, voice)
        yield Unit(facts.outcome.outcome, TREATMENT, {"x": name, "hx": f"the {name}"}, is_plural(name))
    for item in facts.plan:
        yield _plan(item, voice)
    if facts.disposition:
        yield Unit(facts.disposition, PLAN)
    if facts.follow_up:
        name = say(facts.follow_up.service, voice)
        after = when("within", facts.follow_up.after, voice)
        yield Unit("follow_up", PLAN, {"x": _service(name), "c": name, "in": after})


def _service(name: str) -> str:
    """``the`` before a person or a place, none before a specialty."""
    return (
        f"the {name}" if re.search(r"(?:ist|geon|ian|ider|ioner|ctor|rker|nurse|clinic|service|team)$", name) else name
    )


def _plan(item: PlanItem, voice: Voice) -> Unit:
    name = say(item.target, voice)
    article = name if name.endswith(UNCOUNTED) else with_article(name)
    plural = is_plural(name)
    if item.amount:
        name += voice.rng.choice([f" ({item.amount})", f" at {item.amount}"])
    slots = {"x": _service(name) if item.order == "refer" else name, "c": name, "ax": article}
    time = when("for" if item.order == "advise" else "within", item.within, voice)
    return Unit(item.order, PLAN, {**slots, "in": time}, plural)
