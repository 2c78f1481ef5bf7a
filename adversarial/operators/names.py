"""The entity_swap family, names: another drug, condition, procedure or specialist in the place of the one named."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import cache

from adversarial.operators.donors import Donors
from adversarial.operators.edits import Edit, Proposal, proposal, stable_choice
from adversarial.operators.grammar import is_plural, replace_name, sex_of, sexes_fit
from clinical.lexicon import Drug, load_lexicon
from clinical.mentions import DRUG, SERVICE, Concept, concepts, concepts_of, find_mentions, siblings
from clinical.reading.assertion import NEGATED
from clinical.reading.claims import CONDITION, DOSE, MEDICATION, PROCEDURE, Claim, extract_claims

FAMILY = "entity_swap"
# How often a replacement comes from the note itself (role exchange) where both sources have one: even, so that
# neither "stands in the note" nor "stands not in the note" gives a negative away.
FROM_THE_NOTE = 0.5
# What follows a name and would no longer fit another: gout flare, pain in the chest on the left.
_BOUND_AFTER = re.compile(
    r"[\s-]+(?:flare|exacerbation|attack|episode|crisis|cream|ointment|gel|patch|inhaler|eye drops|nasal spray|level|"
    r"easily|"
    r"(?:on|of|in|over|at) (?:the|his|her) (?:left|right|upper|lower)\b)",
    re.IGNORECASE,
)
_BOUND_BEFORE = re.compile(
    r"\b(?:left|right|bilateral)[\w\s-]{0,12}$|\b(?:exacerbation|flare|flare-up|episode|attack) of (?:an? )?$|"
    r"\b(?:systemic|generali[sz]ed|acute|chronic|tendency to) $",
    re.IGNORECASE,
)
_ACRONYM = re.compile(r"[A-Za-z]{0,2}[A-Z]{2,}[A-Za-z0-9]*|\w*[A-Z]\w*\d\w*")
# A person, a place or a field: what a service is called by, and exchanged for its like.
_PERSON = re.compile(r".*(?:ist|surgeon|physician|doctor|provider|practitioner|worker|itian|cian|nurse|GP|PCP)s?")
_PLACE = re.compile(r".*(?:clinic|service|services|team)")


def swap_name(kind: str, operator: str) -> Callable[[str, str, random.Random, Donors], Proposal | None]:
    """The operator that puts another medicine, condition or procedure (``kind``) in place of the one named."""

    def propose(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
        """Another name wherever one of this kind stands; see :class:`~adversarial.operators.table.Operator`."""
        claims = [c for c in extract_claims(summary) if c.type == kind and c.concept and not is_bound(summary, c)]
        if not claims:
            return None
        claim = rng.choice(claims)
        other = _other_concept(note, summary, claim, rng, donors)
        edits = rename(summary, claim, other, rng, donors) if other else None
        return proposal(operator, FAMILY, summary, edits) if edits else None

    return propose


def rename(summary: str, claim: Claim, other: Concept, rng: random.Random, donors: Donors) -> list[Edit] | None:
    """The edits that call the claim's concept by another's name wherever it stands; None if one reads ill."""
    edits: list[Edit] = []
    for claimed in extract_claims(summary):
        if claimed.concept is not claim.concept or claimed.concept is None:
            continue
        name = name_in_style(other, claimed.concept, claimed.text, rng, donors)
        edit = replace_name(summary, claimed.start, claimed.end, name, claim.type) if name else None
        if edit is None or (claimed is not claim and is_bound(summary, claimed)):
            return None
        if edits and edit.start < edits[-1].end:
            return None  # the name twice in a row: both edits would take the article
        edits.append(edit)
    return edits


def swap_service(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """Another specialist, clinic or field than the one to which the patient is sent or by which she is seen."""
    found = find_mentions(summary)
    services = [mention for mention in found if mention.concept.kind == SERVICE]
    if not services:
        return None
    mention = rng.choice(services)
    named = {m.concept.name for m in (*found, *find_mentions(note))}
    others = [
        name
        for concept in concepts_of(SERVICE)
        if concept.name not in named
        for name in concept.names
        if _manner(name) == _manner(mention.text) and is_plural(name) == is_plural(mention.text)
        and sexes_fit(summary, sex_of(name))
    ]  # fmt: skip
    new = draw_in_use(others, rng, donors)
    edit = replace_name(summary, mention.start, mention.end, new, PROCEDURE) if new else None
    return proposal("swap_service", FAMILY, summary, [edit]) if edit else None


def could_be_given(drug: str, dose: str) -> bool:
    """Whether a dose (10 mg) is a usual one of a drug, as far as the lexicon knows it."""
    known = drugs().get(drug)
    return known is None or not dose or dose in known.doses


@cache
def drugs() -> dict[str, Drug]:
    """The lexicon's medicines by name."""
    return {drug.name: drug for drug in load_lexicon().drugs}


def is_bound(summary: str, claim: Claim) -> bool:
    """Whether the words around a name fit this name alone: gout flare, left calf pain."""
    return bool(_BOUND_AFTER.match(summary, claim.end) or _BOUND_BEFORE.search(summary[: claim.start][-40:]))


def _other_concept(note: str, summary: str, claim: Claim, rng: random.Random, donors: Donors) -> Concept | None:
    """From the note, what plays another role there (denied instead of reported); else a sibling that it lacks."""
    assert claim.concept is not None
    in_summary = {c.concept for c in extract_claims(summary) if c.concept}
    in_note = [c for c in extract_claims(note) if c.concept and c.type == claim.type]
    dose = _dose_of(summary, claim)
    exchange = [
        c.concept
        for c in in_note
        if c.concept
        and c.concept.kind == claim.concept.kind
        and c.concept not in in_summary
        and (_opposite(c, claim) if claim.type == CONDITION else could_be_given(c.concept.name, dose))
    ]
    named = in_summary | {c.concept for c in in_note}
    outside = [c for c in siblings(claim.concept) if c not in named and could_be_given(c.name, dose)]
    if not outside and claim.type == MEDICATION:  # no other of its class in this dose: one for the same condition
        alike = _alternatives(claim.concept.name)
        outside = [c for c in concepts() if c not in named and c.name in alike and could_be_given(c.name, dose)]
    first, second = (exchange, outside) if rng.random() < FROM_THE_NOTE else (outside, exchange)
    return draw_concept(_of_fitting_sex(first, summary) or _of_fitting_sex(second, summary), rng, donors)


def _of_fitting_sex(options: Iterable[Concept], summary: str) -> list[Concept]:
    return [option for option in options if sexes_fit(summary, sex_of(option.name))]


def draw_concept(options: Iterable[Concept], rng: random.Random, donors: Donors) -> Concept | None:
    """One of these, as often as the summaries name it; one that they never name only where they name none of them."""
    by_name = {concept.name: concept for concept in options}
    counts = {name: sum(donors.words[n.lower()] for n in concept.names) for name, concept in by_name.items()}
    used = [name for name, count in counts.items() if count]
    chosen = stable_choice(rng, used or by_name, counts if used else None)
    return by_name[chosen] if chosen else None


def _opposite(one: Claim, other: Claim) -> bool:
    return (one.polarity == NEGATED) != (other.polarity == NEGATED)


def _dose_of(summary: str, claim: Claim) -> str:
    """The dose that stands with a medicine, which another medicine must be able to have: 10 mg."""
    doses = [c for c in extract_claims(summary) if c.type == DOSE and c.quantity and claim.concept]
    return next((c.text for c in doses if claim.concept and c.about == claim.concept.name), "")


@cache
def _alternatives(name: str) -> frozenset[str]:
    treated = set(drugs()[name].treats)
    return frozenset(drug.name for drug in drugs().values() if drug.name != name and treated & set(drug.treats))


def name_in_style(concept: Concept, old: Concept, text: str, rng: random.Random, donors: Donors) -> str | None:
    """A name of the concept that reads like the old one: letters for letters, a generic name for a generic name."""
    if concept.kind == DRUG:
        generic = text.lower() == old.name.lower()
        return concept.name if generic else draw_in_use(concept.names[1:], rng, donors)
    short = bool(_ACRONYM.fullmatch(text))
    alike = [name for name in concept.names if bool(_ACRONYM.fullmatch(name)) == short]
    alike = [name for name in alike if is_plural(name) == is_plural(text)] or alike
    return draw_in_use(alike, rng, donors)


def draw_in_use(names: Iterable[str], rng: random.Random, donors: Donors) -> str | None:
    """A name, as often as the summaries use it; one that they never use only where they use none of them."""
    options = list(names)
    used = [name for name in options if donors.words[name.lower()]]
    return stable_choice(rng, used or options, donors.weights(options))


def _manner(name: str) -> str:
    return "person" if _PERSON.fullmatch(name) else "place" if _PLACE.fullmatch(name) else "field"
