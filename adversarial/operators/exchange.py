"""The role_exchange family: what the note says of one thing is said of another, in both of which it is named."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from adversarial.operators.amounts import as_number, find_lab, keeps_course, possible_value
from adversarial.operators.donors import Donors
from adversarial.operators.edits import Edit, Proposal, proposal, replace_span
from adversarial.operators.grammar import is_counted, is_plural, replace_name
from adversarial.operators.names import drugs, is_bound, name_in_style
from clinical.mentions import FINDING, related
from clinical.reading.assertion import AFFIRMED, NEGATED, PATIENT
from clinical.reading.changes import LOWERED, RAISED, STARTED, STOPPED, Change, find_changes
from clinical.reading.claims import CONDITION, DOSE, MEDICATION, NEGATION, NUMBER, Claim, extract_claims
from clinical.reading.trends import find_trends
from clinical.sentences import Span

FAMILY = "role_exchange"
_FACTOR = 4  # a larger error in a laboratory value is seen without the note
_SIZED = re.compile(r"\d\s?[cm]m\s+$")  # what was measured is a finding, of no other role


def exchange_doses(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A medicine gets the dose of another one of the note; both doses change places where the summary gives both."""
    own = _amounts(summary, DOSE)
    options = [_trade(summary, one, two) for one, two in combinations(own, 2) if _tradable_doses(summary, one, two)]
    options += [
        [_number_edit(summary, claim, new)]
        for claim in own
        for new in sorted({_number(note, o) for o in _amounts(note, DOSE) if _unit(o) == _unit(claim)})
        if new not in _numbers_of(note, claim.about) and _bearable(claim, new) and keeps_course(summary, claim, new)
    ]
    return _choose("exchange_doses", summary, rng, options)


def exchange_values(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A test gets the value of another one of the note; both change places where the summary gives both."""
    own = [claim for claim in _amounts(summary, NUMBER) if find_lab(claim.about)]
    others = [claim for claim in _amounts(note, NUMBER) if find_lab(claim.about)]
    options = [
        _trade(summary, one, two)
        for one, two in combinations(own, 2)
        if one.about != two.about
        and _fits_test(summary, one, _number(summary, two))
        and _fits_test(summary, two, _number(summary, one))
    ]
    options += [
        [_number_edit(summary, claim, new)]
        for claim in own
        for new in sorted({_number(note, o) for o in others if o.about != claim.about})
        if new not in _numbers_of(note, claim.about) and _fits_test(summary, claim, new)
    ]
    return _choose("exchange_values", summary, rng, options)


def exchange_old_for_new(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A test's earlier value, which the note gives beside the present one, is given as the present one."""
    told = [trend.new for trend in find_trends(summary) if trend.new]
    options = [
        [_number_edit(summary, claim, _number(note, trend.old))]
        for claim in _amounts(summary, NUMBER)
        if claim not in told
        for trend in find_trends(note)
        if trend.about == claim.about and trend.old and _fits_test(summary, claim, _number(note, trend.old))
    ]
    return _choose("exchange_old_for_new", summary, rng, options)


def exchange_medicines(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """The medicine that was started and the one that was stopped or held change places, with their doses.

    Or one of the note takes such a place that the note does not give it: one that was raised is said to be new.
    """
    here = [change for change in find_changes(summary) if change.kind in (STARTED, STOPPED)]
    spans = {change: _medicine(summary, change) for change in here}
    placed = {change: span for change, span in spans.items() if span}
    options = [
        _trade_spans(summary, placed[one], placed[two], MEDICATION)
        for one, two in combinations(placed, 2)
        if one.kind != two.kind and one.drug != two.drug and is_plural(one.drug) == is_plural(two.drug)
    ]
    named = {claim.concept.name for claim in extract_claims(summary) if claim.concept}
    from_note = [
        (other.kind in (STARTED, STOPPED, RAISED, LOWERED), edit)
        for change in placed
        for other in find_changes(note)
        if other.kind != change.kind
        and other.drug not in named
        and _is_bare(summary, placed[change], change)
        and (edit := replace_name(summary, *placed[change], other.drug, MEDICATION))
    ]
    # What is merely taken is put on and off less often: it comes only where the note changes nothing else.
    changed = any(is_changed for is_changed, _ in from_note)
    options += [[edit] for is_changed, edit in from_note if is_changed or not changed]
    return _choose("exchange_medicines", summary, rng, options)


def exchange_findings(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """A symptom that the summary reports and one that it denies change places."""
    named = [c for c in extract_claims(summary) if c.concept and c.concept.kind == FINDING]
    often = Counter(claim.concept for claim in named)
    found = [claim for claim in named if often[claim.concept] == 1 and not is_bound(summary, claim)]
    options = []
    for one, two in combinations(found, 2):
        if {one.polarity, two.polarity} != {AFFIRMED, NEGATED} or not one.concept or not two.concept:
            continue
        if not related(one.concept, two.concept) and _alike(one.text, two.text):
            edits = [
                replace_name(summary, one.start, one.end, _small(two.text), NEGATION),
                replace_name(summary, two.start, two.end, _small(one.text), NEGATION),
            ]
            options.append([edit for edit in edits if edit])
    return _choose("exchange_findings", summary, rng, [edits for edits in options if len(edits) == 2])


def exchange_conditions(note: str, summary: str, rng: random.Random, donors: Donors) -> Proposal | None:
    """The diagnosis of now and a condition of the past change places, in the summary or with one of the note."""
    own = [claim for claim in _conditions(summary) if not is_bound(summary, claim)]
    in_summary = {claim.concept for claim in extract_claims(summary) if claim.concept}
    options = [
        [(one, two.text), (two, one.text)]
        for one, two in combinations(own, 2)
        if one.concept and two.concept and one.concept is not two.concept and not related(one.concept, two.concept)
    ]
    options += [
        [(claim, name_in_style(other.concept, claim.concept, claim.text, rng, donors) or other.concept.name)]
        for claim in own
        for other in _conditions(note)
        if other.concept and other.concept not in in_summary and claim.concept
        and not related(other.concept, claim.concept)
    ]  # fmt: skip
    edits = [[replace_name(summary, c.start, c.end, name, CONDITION) for c, name in option] for option in options]
    return _choose("exchange_conditions", summary, rng, [[e for e in row if e] for row in edits if all(row)])


def _conditions(text: str) -> list[Claim]:
    return [
        claim
        for claim in extract_claims(text)
        if claim.concept
        and claim.concept.kind == CONDITION
        and claim.polarity == AFFIRMED
        and claim.subject == PATIENT
        and not _SIZED.search(text[: claim.start][-8:])
    ]


def _choose(operator: str, summary: str, rng: random.Random, options: Sequence[Sequence[Edit]]) -> Proposal | None:
    return proposal(operator, FAMILY, summary, rng.choice(options)) if options else None


def _amounts(text: str, kind: str) -> list[Claim]:
    """The single values of this kind of which the text says to what they belong."""
    return [
        claim
        for claim in extract_claims(text)
        if claim.type == kind
        and claim.about
        and claim.quantity
        and not claim.quantity.implied
        and len(claim.quantity.values) == 1
    ]


def _number(text: str, claim: Claim) -> str:
    assert claim.quantity is not None
    return text[claim.start : claim.quantity.number_end]


def _unit(claim: Claim) -> str:
    return claim.quantity.unit if claim.quantity else ""


def _numbers_of(note: str, about: str) -> set[str]:
    """All numbers that the note gives for one thing, as written."""
    return {_number(note, claim) for claim in extract_claims(note) if claim.about == about and claim.quantity}


def _number_edit(summary: str, claim: Claim, new: str) -> Edit:
    assert claim.quantity is not None
    return replace_span(summary, claim.start, claim.quantity.number_end, new, claim.type)


def _trade(summary: str, one: Claim, two: Claim) -> list[Edit]:
    return [
        _number_edit(summary, one, _number(summary, two)),
        _number_edit(summary, two, _number(summary, one)),
    ]


def _trade_spans(summary: str, one: Span, two: Span, type_: str) -> list[Edit]:
    return [
        replace_span(summary, one.start, one.end, summary[two.start : two.end], type_),
        replace_span(summary, two.start, two.end, summary[one.start : one.end], type_),
    ]


def _tradable_doses(summary: str, one: Claim, two: Claim) -> bool:
    if one.about == two.about or _unit(one) != _unit(two) or _number(summary, one) == _number(summary, two):
        return False
    pairs = ((one, _number(summary, two)), (two, _number(summary, one)))
    return all(_bearable(claim, new) and keeps_course(summary, claim, new) for claim, new in pairs)


def _bearable(claim: Claim, new: str) -> bool:
    """Whether a dose is no absurd one: within half the smallest and twice the largest usual one of the medicine."""
    known, value = drugs().get(claim.about), as_number(new)
    if known is None or value is None:
        return False
    usual = [
        number
        for dose in known.doses
        if dose.partition(" ")[2] == _unit(claim) and (number := as_number(dose.partition(" ")[0])) is not None
    ]
    return bool(usual) and min(usual) / 2 <= value <= max(usual) * 2


def _fits_test(summary: str, claim: Claim, new: str) -> bool:
    """Whether a test can have a value that is written like, and within a factor of four of, its own."""
    old = _number(summary, claim)
    value, before = as_number(new), as_number(old)
    if new == old or len(new.partition(".")[2]) != len(old.partition(".")[2]) or not value or not before:
        return False
    alike = 1 / _FACTOR <= value / before <= _FACTOR
    return alike and possible_value(claim.about, new, old) and keeps_course(summary, claim, new)


def _medicine(summary: str, change: Change) -> Span | None:
    """Where a medicine that was started or stopped is named, with the dose that stands right before or after it."""
    mentions = [c for c in extract_claims(summary) if c.concept and c.concept.name == change.drug]
    if len(mentions) != 1:
        return None
    start, end = mentions[0].start, mentions[0].end
    for dose in _amounts(summary, DOSE):
        if dose.about != change.drug:
            continue
        if summary[end : dose.start] in (" ", " (", " at "):
            end = dose.end + summary[dose.end : dose.end + 1].count(")") * summary[end : dose.start].count("(")
        elif summary[dose.end : start] in (" ", " of "):
            start = dose.start
    return Span(start, end)


def _is_bare(summary: str, span: Span, change: Change) -> bool:
    """Whether the summary names a medicine by its generic name and gives no dose with it."""
    return summary[span.start : span.end].lower() == change.drug.lower()


def _alike(one: str, two: str) -> bool:
    """Whether two names ask for the same words around them."""
    return is_plural(one) == is_plural(two) or not (is_counted(one) or is_counted(two))


def _small(name: str) -> str:
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
