"""Which values of one kind a text states, by their surface: ages, doses, drugs' names, sides and the like.

The lexicon's names and the quantities are all that is recognised; what is said of them is read only where a value
has no surface of its own: present or denied, confirmed or suspected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, TypeAlias

from clinical.mentions import ALLERGEN, CONDITION, DRUG, FINDING, find_mentions
from clinical.numbers import find_quantities
from clinical.patient import Time
from clinical.reading.assertion import NEGATED
from clinical.reading.claims import extract_claims
from clinical.sentences import sentence_spans

PRESENT, DENIED, CONFIRMED, SUSPECTED = "present", "denied", "confirmed", "suspected"
FOLLOWS, STAYS, DROPS, OTHER = OUTCOMES = ("follows", "stays", "drops", "other")

_SIDE = re.compile(r"\b(left|right)\b|(?<![\w/])([LR])(?![\w/.])", re.IGNORECASE)
_RELATIVE = re.compile(r"\b(?:(mother|mom)|(father|dad)|(brother)|(sister))s?\b", re.IGNORECASE)
_RELATIVES = ("mother", "father", "brother", "sister")
_ARTICLE = re.compile(r"\b(a)n?(?= ?\W?#)", re.IGNORECASE)  # an 80-year-old, a 79-year-old


class Found(NamedTuple):
    """A value stated at ``text[start:end]``."""

    start: int
    end: int
    value: str


Reader: TypeAlias = Callable[[str], Iterator[Found]]


def plain(number: float) -> str:
    """A number as the readers give it: ``1.1`` of 1.10."""
    return f"{number:g}"


def time_value(time: Time) -> str:
    """A time as :func:`times` gives it."""
    return f"{time.n} {time.unit.removesuffix('s')}"


def ages(text: str) -> Iterator[Found]:
    """The ages of people, in years."""
    for quantity in find_quantities(text):
        if quantity.is_age:
            yield Found(quantity.start, quantity.end, plain(quantity.values[0]))


def numbers(text: str) -> Iterator[Found]:
    """Numbers that are neither ages nor one of two, as in 120/80; without their units, which may be left out."""
    for quantity in find_quantities(text):
        if not quantity.is_age and not quantity.implied and len(quantity.values) == 1:
            yield Found(quantity.start, quantity.number_end or quantity.end, plain(quantity.values[0]))


def doses(text: str) -> Iterator[Found]:
    """Amounts with a unit that is not one of time, such as ``20 mg``."""
    yield from _amounts(text, of_time=False)


def times(text: str) -> Iterator[Found]:
    """Lengths of time, such as ``3 day``."""
    yield from _amounts(text, of_time=True)


def _amounts(text: str, of_time: bool) -> Iterator[Found]:
    for quantity in find_quantities(text):
        spelt_out = not quantity.is_age and not quantity.implied and len(quantity.values) == 1 and quantity.unit
        if spelt_out and (quantity.measures == "time") is of_time:
            yield Found(quantity.start, quantity.end, f"{plain(quantity.values[0])} {quantity.unit}")


def substances(text: str) -> Iterator[Found]:
    """Drugs and other allergens, by the lexicon's name."""
    yield from _names(text, (DRUG, ALLERGEN))


def conditions(text: str) -> Iterator[Found]:
    """Conditions, by the lexicon's name."""
    yield from _names(text, (CONDITION,))


def _names(text: str, kinds: Collection[str]) -> Iterator[Found]:
    for mention in find_mentions(text):
        if mention.concept.kind in kinds:
            yield Found(mention.start, mention.end, mention.concept.name)


def sides(text: str) -> Iterator[Found]:
    """Left and right, also as L and R."""
    for match in _SIDE.finditer(text):
        if match[1] or match[2].isupper():
            yield Found(*match.span(), "left" if match[0][0] in "lL" else "right")


def relatives(text: str) -> Iterator[Found]:
    """Parents and siblings."""
    for match in _RELATIVE.finditer(text):
        yield Found(*match.span(), _RELATIVES[(match.lastindex or 1) - 1])


def standings(text: str) -> Iterator[Found]:
    """Symptoms and signs, each as present or denied, such as ``fever: denied``."""
    for claim in extract_claims(text):
        if claim.concept is not None and claim.concept.kind == FINDING:
            yield Found(claim.start, claim.end, standing(claim.concept.name, denied=claim.polarity == NEGATED))


def standing(finding: str, *, denied: bool) -> str:
    """A finding's standing as :func:`standings` gives it."""
    return f"{finding}: {DENIED if denied else PRESENT}"


def certainties(text: str) -> Iterator[Found]:
    """The patient's conditions, each as suspected or confirmed; found at the whole sentence, which says it somehow."""
    spans = sentence_spans(text)
    for claim in extract_claims(text):
        if claim.concept is not None and claim.concept.kind == CONDITION and claim.polarity != NEGATED:
            sentence = next(span for span in spans if span.start <= claim.start < span.end)
            yield Found(sentence.start, sentence.end, certainty(claim.concept.name, suspected=claim.tentative))


def certainty(condition: str, *, suspected: bool) -> str:
    """A condition's certainty as :func:`certainties` gives it."""
    return f"{condition}: {SUSPECTED if suspected else CONFIRMED}"


def values(read: Reader, text: str) -> frozenset[str]:
    """All values that a text states, without their places."""
    return frozenset(found.value for found in read(text))


def differ_in_that_alone(read: Reader, note: str, changed: str, old: str, new: str) -> bool:
    """Whether a value is all that tells two notes apart: ``old``, found in the first alone, and ``new`` in its place.

    What is compared is the rest of both texts, character for character, but for "an" and "a" before the value.
    """
    was, now = values(read, note), values(read, changed)
    if old not in was - now or new not in now - was:
        return False
    return _without(read, note, was - now) == _without(read, changed, now - was)


def _without(read: Reader, text: str, left_out: Collection[str]) -> str:
    """The text with ``#`` in place of some values."""
    spans = {(found.start, found.end) for found in read(text) if found.value in left_out}
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]}#{text[end:]}"
    return _ARTICLE.sub(r"\1", text)


def outcome(read: Reader, note: str, summary: str, old: str, new: str, about: str = "") -> str:
    """What became of a fact that ``note`` states as ``new``, and its unchanged version stated as ``old``: see OUTCOMES.

    ``other`` is both values at once, or a third: one of the same kind that the note has nowhere. Where the value is
    ``about`` something, such as a drug's dose, a third one counts only in a summary that names it.
    """
    said = values(read, summary)
    if (old in said) != (new in said):
        return FOLLOWS if new in said else STAYS
    third = said - values(read, note) and (not about or about in names(summary))
    return OTHER if old in said or third else DROPS


def names(text: str) -> frozenset[str]:
    """Everything of the lexicon that a text names."""
    return frozenset(mention.concept.name for mention in find_mentions(text))
