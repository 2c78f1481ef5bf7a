"""Draws what surrounds the present illness: background, plan, and how the patient goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clinical.lexicon import load_lexicon
from clinical.patient import Allergy, Course, DrugUse, FollowUp, Operation, Patient, PlanItem, Relative, Study, Time
from phase1_data_medhal.drawing.sense import Chooser, Story, named, sense

# Of the patients for whom it is on offer.
PAST_OPERATION_SHARE = 0.2
FAMILY_SHARE = 0.17
SMOKING_SHARE = 0.24
ALCOHOL_SHARE = 0.13
OPERATION_SHARE = 0.6
OUTCOME_SHARE = 0.44
DISPOSITION_SHARE = 0.6
FOLLOW_UP_SHARE = 0.56
ALLERGIES_SHARE = 0.38
SLOT_SHARE = 0.75  # of slots such as how long ago and after what time
MOST_ORDERS = 3


def background(
    choose: Chooser, age: int, sex: str, conditions: Sequence[str], story: Story, allergies: tuple[Allergy, ...]
) -> list[tuple[str, Any]]:
    """Operations of the past, the family, habits and allergies."""
    tables, rng = sense(), choose.rng
    extras: list[tuple[str, Any]] = [("allergies", allergies)] if choose.chance(ALLERGIES_SHARE) else []
    past = [
        entry
        for entry in tables["past_operations"]
        if age >= entry[1] + 2
        and entry[2] in (None, sex)
        and not set((entry[4] or "").split("|")) & {*conditions, story["diagnosis"], *story["differentials"]}
        and entry[0] not in [named(operation) for operation in story["operations"]]
    ]
    if past and choose.chance(PAST_OPERATION_SHARE):
        name, least, _, sided, _ = choose.one(past)
        ago = Time(rng.randint(2, max(2, min(20, age - least))), "years") if choose.chance(SLOT_SHARE) else None
        side = rng.choice(["left", "right"]) if sided and choose.chance(SLOT_SHARE) else None
        extras.append(("operations", (Operation(name, side, ago),)))
    if choose.chance(FAMILY_SHARE):
        condition, line = choose.one([entry for entry in tables["family"] if entry[0] not in conditions])
        extras.append(("family", (Relative(rng.choice(tables["relatives"][line or "any"]), condition),)))
    if choose.chance(SMOKING_SHARE):
        smokes = ["current"] if "tobacco use disorder" in conditions else ["never", "former", "former", "current"]
        extras.append(("smoking", rng.choice(smokes)))
    if choose.chance(ALCOHOL_SHARE):
        drinks = ["daily"] if "alcohol use disorder" in conditions else ["none", "occasional", "occasional", "daily"]
        extras.append(("alcohol", rng.choice(drinks)))
    return extras


def plan_items(choose: Chooser, story: Story, patient: Patient, studies: Sequence[Study]) -> list[PlanItem]:
    """Orders that fit what was measured and what is taken."""
    measured = [value.name for value in patient.labs]
    seen = [study.procedure for study in studies]
    items: list[PlanItem] = []
    for order, target, *rest in choose.some(story["plan"], len(story["plan"])):
        within, amounts = (*rest, None, None)[:2]
        if (order == "repeat" and target not in (*measured, *seen)) or (
            order in ("obtain", "consider") and target in seen
        ):
            continue
        ordered = [item.target for item in items]
        if target in ordered or len(items) == MOST_ORDERS or not _has_use(target, patient.drugs):
            continue
        if any(target in group and other in group for group in sense()["rival_orders"] for other in ordered):
            continue
        time = Time(choose.rng.randint(within[1], within[2]), within[0]) if within else None
        items.append(PlanItem(order, target, time, choose.rng.choice(amounts) if amounts else None))
    return items


def _has_use(target: str, drugs: Sequence[DrugUse]) -> bool:
    """Whether advice about a kind of drug meets one that is taken."""
    words = sense()["advice_about_drugs"].get(target)
    taken = [use.name for use in drugs if use.change not in ("held", "stopped")]
    classes = [drug.drug_class for drug in load_lexicon().drugs if drug.name in taken]
    return not words or any(word in drug_class for drug_class in classes for word in words)


def consequences(plan: Sequence[PlanItem]) -> dict[str, Any]:
    """What a plan presupposes."""
    return {"smoking": "current"} if any(item.target == "smoking cessation" for item in plan) else {}


def outlook(
    choose: Chooser, story: Story, setting: str, core: Patient, plan: Sequence[PlanItem]
) -> list[tuple[str, Any]]:
    """Operations of this episode, outcome, disposition and the next visit, as the setting has them."""
    rng = choose.rng
    extras: list[tuple[str, Any]] = []
    if setting == "inpatient":
        planned = [item.target for item in plan]
        sure = core.diagnosis is not None and core.diagnosis.certainty == "confirmed"
        operation = choose.one([entry for entry in story["operations"] if entry[0] not in planned])
        if operation and sure and choose.chance(OPERATION_SHARE):
            name, low, high = operation
            extras.append(("operations", (Operation(name, None, Time(rng.randint(low, high), "days")),)))
        if choose.chance(OUTCOME_SHARE):
            quick = [name for name in (core.complaint.finding, *core.symptoms) if name not in sense()["slow_findings"]]
            outcome = rng.choice(["improved", "improved", "resolved", "unchanged"])
            extras += [("outcome", Course(name, outcome)) for name in quick[:1]]
    fitting = {
        "emergency": ("admitted", "admitted to intensive care", "discharged home", "observed"),
        "inpatient": ("discharged home", "discharged to rehabilitation"),
    }.get(setting, ())
    options = [name for name in story["dispositions"] if name in fitting]
    if options and choose.chance(DISPOSITION_SHARE):
        extras.append(("disposition", rng.choice(options)))
    services = [name for name in story["follow_up"] if name not in [item.target for item in plan]]
    home = not any(name == "disposition" and str(value).startswith(("admitted", "observed")) for name, value in extras)
    if home and services and choose.chance(FOLLOW_UP_SHARE) and (service := choose.one(services)):
        n, unit = rng.choice(sense()["follow_up_times"])
        extras.append(("follow_up", FollowUp(service, Time(n, unit) if choose.chance(SLOT_SHARE) else None)))
    return extras
