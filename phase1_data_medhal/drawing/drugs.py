"""Draws a patient's medicines: they treat the problems, at usual doses, and what harms now is held or stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import Any

from clinical.lexicon import Drug, load_lexicon
from clinical.patient import DrugUse
from phase1_data_medhal.drawing.sense import Chooser, sense

NO_DOSE_SHARE = 0.25  # of notes leave doses out
BARE_DRUG_SHARE = 0.5  # of the drugs of such a note stand without their dose
FREQUENCY_SHARE = 0.3  # of the drugs that have a dose
ROUTE_SHARE = 0.03  # of the drugs that may be given in two ways, or by mouth
NEAR_DOSE_SHARE = 0.9  # of drugs take a dose that another drug has already, where that is usual
REASON_SHARE = 0.8  # of the drugs that are stopped and have a reason to state; many have none
PURPOSE_SHARE = 0.14  # of the drugs begun or raised say for which problem
START_SHARE = 0.75
SECOND_START_SHARE = 0.2
STOP_SHARE = 0.5
ADJUST_SHARE = 0.6
NEAR_DRUG_SHARE = 0.5  # of drugs are chosen among those that come in another drug's doses
SELDOM_SHARE = 0.06  # of choices consider drugs that are seldom given for the problem
STOPPED_SHARE = 0.45  # of the drugs that harm are stopped, the others held
MOST_CHANGES = 3
TREATING_WEIGHT = 4.0  # how much likelier a drug is begun that treats the present problem than one for its symptoms
SIBLING_STEP = 0.7  # each further drug of a class, in the lexicon's order, is this much less usual
PROBLEM_ROUNDS = 2  # at most two drugs for a problem
HIGH_SYSTOLIC, LOW_SYSTOLIC = 134, 116  # above: no drug against pressure is lowered; below: none is raised
FAST_PULSE, SLOW_PULSE = 95, 58
NUMBERS = ((2, 4), (3, 14), (4, 30), (5, 30), (6, 16), (7, 6))  # of drugs, and their weights


@dataclass(frozen=True)
class Need:
    """What decides on the drugs: the story, the problems, what is to be avoided, and how the circulation is."""

    story: dict[str, Any]
    problems: tuple[str, ...]
    allergic_to: frozenset[str]  # names and classes
    usual: frozenset[str]  # classes that one expects for the present problem
    lacks_usual: bool  # of a counter-typical patient, who takes none of them
    vitals: Mapping[str, float]
    past: tuple[str, ...] = ()  # what has healed: it forbids drugs, and none is taken for it

    @property
    def unwanted(self) -> frozenset[str]:
        """Classes that this patient goes without."""
        return self.usual if self.lacks_usual else frozenset()

    @property
    def indications(self) -> tuple[str, ...]:
        """All that a drug may be for."""
        return (*self.problems, self.story["diagnosis"])


def draw_drugs(choose: Chooser, need: Need) -> tuple[DrugUse, ...]:
    """The medicines that the patient takes, and what happens to them; at least one of them changes where one can."""
    drugs = {drug.name: drug for drug in load_lexicon().drugs}
    total = choose.rng.choices([n for n, _ in NUMBERS], [weight for _, weight in NUMBERS])[0]
    changes: dict[str, tuple[str, str | None]] = {}
    taken: list[Drug] = []
    if choose.chance(STOP_SHARE):
        _take_harmful(choose, need, drugs, taken, changes)
    if choose.chance(ADJUST_SHARE):
        _take_adjusted(choose, need, drugs, taken, changes)
    starts = [drugs[name] for name in dict.fromkeys(need.story["start"]) if name in drugs]
    starts = [drug for drug in starts if drug not in taken and not set(_keys(drug)) & need.unwanted]
    starts = choose.some(starts, len(starts), lambda drug: TREATING_WEIGHT if _treats(drug, need) else 1.0)
    staying = [drug for drug in taken if changes.get(drug.name, ("",))[0] not in ("held", "stopped")]
    begun = _begun(choose, need, starts, staying, must=not changes, most=MOST_CHANGES - len(changes))
    _take_usual(choose, need, taken, begun, total - len(begun))
    uses = _dosed(choose, need, taken, begun, changes)
    choose.rng.shuffle(uses)
    return tuple(uses)


def _begun(
    choose: Chooser, need: Need, starts: Sequence[Drug], staying: Sequence[Drug], must: bool, most: int
) -> list[Drug]:
    """New drugs: a usual one unless the patient has one, or is to go without; at times another."""
    begun: list[Drug] = []
    has_usual = any(drug.drug_class in need.usual for drug in staying)
    if not has_usual:
        starts = sorted(starts, key=lambda drug: drug.drug_class not in need.usual)
    wanted = must or choose.chance(START_SHARE) or not (has_usual or need.lacks_usual)
    total = min(most, wanted + (wanted and choose.chance(SECOND_START_SHARE)))
    together = sense()["given_together"]
    for drug in starts:
        if len(begun) < total and drug not in staying and _fits(drug, [*staying, *begun], need):
            begun.append(drug)
            others = [other for other in starts if other.name == together.get(drug.name)]
            begun += [other for other in others if other not in begun and _fits(other, [*staying, *begun], need)]
    return begun


def avoided_classes(problems: Sequence[str]) -> set[str]:
    """The classes, and single drugs, that a prescriber avoids in these problems."""
    return {name for problem in problems for name in sense()["avoided_classes"].get(problem, ())}


def is_avoided(drug: Drug, problems: Sequence[str]) -> bool:
    """Whether the drug or its class is avoided in one of these problems."""
    return bool(set(_keys(drug)) & avoided_classes(problems))


def are_rivals(drug: Drug, other: Drug) -> bool:
    """Whether nobody takes the two together without a special reason."""
    tables = sense()
    if drug.drug_class == other.drug_class:
        if drug.name == other.name:
            return True
        return drug.drug_class not in tables["both_of_a_class"]
    word = tables["antibiotic_word"]
    if word in drug.drug_class and word in other.drug_class:
        return True
    pairs = [(drug.name, other.name, group) for group in tables["rival_drugs"]]
    pairs += [(drug.drug_class, other.drug_class, group) for group in tables["rival_classes"]]
    return any(one in group and two in group for one, two, group in pairs)


def _keys(drug: Drug) -> tuple[str, str]:
    return drug.name, drug.drug_class


def _fits(drug: Drug, others: Sequence[Drug], need: Need, harmful: bool = False) -> bool:
    """Whether the drug may be given beside ``others``; one that is stopped may be what the problems forbid."""
    if set(_keys(drug)) & need.allergic_to:
        return False
    if not harmful and is_avoided(drug, (*need.indications, *need.past)):
        return False
    return not any(are_rivals(drug, other) for other in others)


def _has_indication(drug: Drug, need: Need) -> bool:
    return bool(set(drug.treats) & set(need.indications)) or drug.drug_class in sense()["taken_without_a_problem"]


def _treats(drug: Drug, need: Need) -> bool:
    return need.story["diagnosis"] in drug.treats


def _take_harmful(
    choose: Chooser, need: Need, drugs: Mapping[str, Drug], taken: list[Drug], changes: dict[str, Any]
) -> None:
    """A drug that the present illness makes harmful: the scenario names it and the reason."""
    for name, reason in choose.some(need.story["stop"], len(need.story["stop"])):
        drug = drugs.get(name)
        if drug and _has_indication(drug, need) and _fits(drug, taken, need, harmful=True):
            final = sense()["antibiotic_word"] in drug.drug_class or choose.chance(STOPPED_SHARE)
            change = "stopped" if final else "held"
            changes[name] = (change, reason if reason and choose.chance(REASON_SHARE) else None)
            taken.append(drug)
            return


def _take_adjusted(
    choose: Chooser, need: Need, drugs: Mapping[str, Drug], taken: list[Drug], changes: dict[str, Any]
) -> None:
    """A drug of the scenario, or one for the problems, whose dose is raised or lowered."""
    for name in choose.some(need.story["adjust"], len(need.story["adjust"])):
        drug = drugs.get(name)
        if not drug or len(drug.doses) < 2 or set(_keys(drug)) & need.unwanted:
            continue
        if not (_has_indication(drug, need) and _fits(drug, taken, need)):
            continue
        if options := _directions(drug, need):
            changes[name] = (choose.rng.choice(options), None)
            taken.append(drug)
            return


def _directions(drug: Drug, need: Need) -> list[str]:
    tables = sense()
    systolic, pulse = need.vitals["systolic blood pressure"], need.vitals["heart rate"]
    options = []
    treats_this = _treats(drug, need)
    if treats_this or drug.drug_class in tables["raised_classes"] or drug.drug_class in tables["pressure_classes"]:
        options.append("increased")
    if drug.drug_class in tables["lowered_classes"] or drug.drug_class in tables["pressure_classes"]:
        options.append("decreased")
    if not options:
        options = ["increased", "decreased"]
    if drug.drug_class in tables["never_lowered_classes"] or (treats_this and need.story["settings"] != ["clinic"]):
        options = [option for option in options if option == "increased"]
    if drug.drug_class in tables["pressure_classes"]:
        options = [o for o in options if not (o == "increased" and systolic < HIGH_SYSTOLIC and not treats_this)]
        options = [o for o in options if not (o == "increased" and systolic < LOW_SYSTOLIC)]
        options = [o for o in options if not (o == "decreased" and systolic > LOW_SYSTOLIC)]
    if drug.drug_class in tables["rate_classes"]:
        options = [o for o in options if not (o == "increased" and pulse < SLOW_PULSE)]
        options = [o for o in options if not (o == "decreased" and pulse > FAST_PULSE)]
    return options


def _take_usual(choose: Chooser, need: Need, taken: list[Drug], begun: Sequence[Drug], total: int) -> None:
    """Fill up with usual drugs for the problems, first one for each, then more."""
    tables = sense()
    lasting = [
        drug
        for drug in load_lexicon().drugs
        if not set(_keys(drug)) & set(tables["not_for_years"])
        and tables["antibiotic_word"] not in drug.drug_class
        and set(drug.routes) - set(tables["first_line_only_routes"])
        and not set(_keys(drug)) & need.unwanted
    ]
    problems = list(need.problems)
    choose.rng.shuffle(problems)
    for problem in problems * PROBLEM_ROUNDS:
        if len(taken) >= total:
            return
        options = [d for d in lasting if problem in d.treats and d not in taken and _fits(d, [*taken, *begun], need)]
        classes = {drug.drug_class for drug in (*taken, *begun)}
        options = [drug for drug in options if tables["needs_class"].get(drug.drug_class) in (None, *classes)]
        if not choose.chance(SELDOM_SHARE):
            options = [drug for drug in options if drug.name not in tables["seldom_drugs"]]
        figures = {dose for drug in (*taken, *begun) for dose in drug.doses}
        near = [drug for drug in options if figures & set(drug.doses)]
        options = near if near and choose.chance(NEAR_DRUG_SHARE) else options
        taken += choose.some(options, 1, partial(_usualness, options))


def _usualness(options: Sequence[Drug], drug: Drug) -> float:
    """How usual the drug is: the lexicon gives the more usual ones of a class first."""
    earlier = takewhile(lambda other: other is not drug, options)
    return float(SIBLING_STEP ** sum(other.drug_class == drug.drug_class for other in earlier))


def _dosed(
    choose: Chooser,
    need: Need,
    taken: Sequence[Drug],
    begun: Sequence[Drug],
    changes: Mapping[str, tuple[str, str | None]],
) -> list[DrugUse]:
    share = BARE_DRUG_SHARE if choose.chance(NO_DOSE_SHARE) else 0.0
    used: list[str] = []
    uses = []
    for drug in (*taken, *begun):
        new = drug in begun
        use = _use(choose, drug, new, share, used, need.story["diagnosis"])
        change, reason = changes.get(drug.name, ("continued", None))
        if change in ("increased", "decreased"):
            use = _adjusted(choose, use, drug, change)
        elif not new:
            use = replace(use, change=change, reason=reason)
        purposes = [name for name in need.indications if name in drug.treats]
        if use.change in ("started", "increased") and purposes and choose.chance(PURPOSE_SHARE):
            use = replace(use, reason=purposes[-1])
        used += [dose for dose in (use.dose, use.new_dose) if dose]
        uses.append(use)
    if share and uses and all(use.dose or use.new_dose for use in uses):  # such a note leaves out at least one
        uses[-1] = replace(uses[-1], dose=None, new_dose=None, frequency=None, route=None)
    return uses


def _use(choose: Chooser, drug: Drug, new: bool, bare_share: float, used: Sequence[str], diagnosis: str) -> DrugUse:
    """The drug at a usual dose, the same figure as another's at times; routes are seldom told."""
    change = "started" if new else "continued"
    if choose.chance(bare_share) or not drug.doses:
        return DrugUse(drug.name, change=change)
    doses = _usual_doses(drug, new, diagnosis)
    near = [dose for dose in doses if dose in used]
    dose = choose.rng.choice(near if near and choose.chance(NEAR_DOSE_SHARE) else doses)
    frequency = choose.rng.choice(drug.frequencies) if drug.frequencies and choose.chance(FREQUENCY_SHARE) else None
    routes = drug.routes if new else [route for route in drug.routes if route != "intravenous"]
    route = choose.rng.choice(routes) if routes and (choose.chance(ROUTE_SHARE)) else None
    return DrugUse(drug.name, dose, route, frequency, change)


def _usual_doses(drug: Drug, new: bool, diagnosis: str) -> tuple[str, ...]:
    """The doses to choose from: low ones to begin with, loading doses for what they load."""
    doses = drug.doses[:2] if new and drug.drug_class in sense()["titrated_classes"] else drug.doses
    loading, purposes = sense()["loading_doses"].get(drug.name, ((), ()))
    odd = set(sense()["uncommon_doses"].get(drug.name, ()))
    if not (new and diagnosis in purposes):
        odd |= set(loading)
    return tuple(dose for dose in doses if dose not in odd) or drug.doses


def _adjusted(choose: Chooser, use: DrugUse, drug: Drug, change: str) -> DrugUse:
    """From one usual dose to its neighbour. Where no dose is stated, the direction alone is."""
    if use.dose is None:
        return replace(use, change=change)
    at = choose.rng.randrange(len(drug.doses) - 1)
    old, new = drug.doses[at : at + 2] if change == "increased" else drug.doses[at : at + 2][::-1]
    return replace(use, dose=old, new_dose=new, change=change)
