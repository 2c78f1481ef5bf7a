"""The screen: is each claim of a summary supported by the note? Offline, without weights; a screen, not the truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache

from clinical.assertion import AFFIRMED, CONSIDERED, NEGATED, UNCLEAR
from clinical.claims import DEMOGRAPHICS, DOSE, LATERALITY, NEGATION, TITLE, Claim, extract_claims
from clinical.mentions import Concept, keys_of, related
from clinical.numbers import same_amount
from clinical.sentences import Span, sentence_spans, word_key, word_spans

SUPPORTED, UNSUPPORTED, CONTRADICTED, UNKNOWN = "supported", "unsupported", "contradicted", "unknown"
FLAGGED = (UNSUPPORTED, CONTRADICTED)

# A bare small number (three medicines, two visits) is often counted, not read; its absence proves nothing.
_COUNTABLE_UP_TO = 10


@dataclass(frozen=True)
class ScreenedClaim:
    """The verdict on ``summary[start:end]``, with the nearest evidence as offsets into the note (None without any).

    ``type`` is what would be wrong: condition, procedure, medication, dose, number, time, laterality, demographics,
    or negation where the note says the opposite.
    """

    start: int
    end: int
    text: str
    type: str
    verdict: str
    evidence: Span | None = None


class _Note:
    """A note's claims, ready to be searched."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.claims = extract_claims(text)
        self.mentions: dict[str, list[Claim]] = defaultdict(list)
        for claim in self.claims:
            if claim.concept:
                self.mentions[claim.concept.name].append(claim)
        self.amounts = [claim for claim in self.claims if claim.quantity]
        self.frequencies = [claim for claim in self.claims if claim.type == DOSE and claim.value]
        self.sides = [claim for claim in self.claims if claim.type == LATERALITY]
        self.sexes = [claim for claim in self.claims if claim.type == DEMOGRAPHICS and claim.value]

    @cached_property
    def sentences(self) -> list[tuple[Span, frozenset[str]]]:
        """Each sentence with its words as they are compared."""
        found = []
        for span in sentence_spans(self.text):
            sentence = self.text[span.start : span.end]
            found.append((span, frozenset(word_key(sentence[w.start : w.end]) for w in word_spans(sentence))))
        return found

    def sentence_with(self, words: tuple[str, ...]) -> Span | None:
        """A sentence that holds all these words, in whatever order."""
        return next((span for span, held in self.sentences if held.issuperset(words)), None)

    def has_word_like(self, concept: Concept) -> bool:
        """Whether a word begins like one of the concept's one-word names: nauseous, coughing, dizzy."""
        stems = [keys[0][: max(4, len(keys[0]) - 4)] for keys in map(keys_of, concept.names) if len(keys) == 1]
        long = tuple(stem.replace("y", "i") for stem in stems if len(stem) >= 4)
        return any(word.replace("y", "i").startswith(long) for _, held in self.sentences for word in held)

    def nearest_sentence(self, words: frozenset[str]) -> Span | None:
        """The sentence that shares most words; None if none shares any."""
        best = max(self.sentences, key=lambda item: len(item[1] & words), default=None)
        return best[0] if best and best[1] & words else None


@lru_cache(maxsize=64)  # the summaries of one note follow one another
def _read(note: str) -> _Note:
    return _Note(note)


def screen(note: str, summary: str) -> list[ScreenedClaim]:
    """The verdict on every claim of a summary, in order.

    supported: the note says so. contradicted: it says something else of the same thing. unsupported: it does not
    mention it. unknown: it cannot be told here. Made to be precise rather than complete: what lies outside the
    lexicon, causes, plans and who did what are not looked at.
    """
    known = _read(note)
    return [_verdict(claim, known, summary) for claim in extract_claims(summary)]


def unsupported_claims(note: str, summary: str) -> list[ScreenedClaim]:
    """The claims of a summary that the note does not support: unsupported or contradicted."""
    return [claim for claim in screen(note, summary) if claim.verdict in FLAGGED]


def _verdict(claim: Claim, note: _Note, summary: str) -> ScreenedClaim:
    if claim.concept:
        kind, verdict, found = _judge_mention(claim, note)
    elif claim.quantity:
        kind, verdict, found = _judge_amount(claim, note)
    elif claim.type == LATERALITY:
        kind, verdict, found = _judge_side(claim, note)
    elif claim.type == DEMOGRAPHICS:
        kind, verdict, found = _judge_sex(claim, note)
    else:
        kind, verdict, found = _judge_frequency(claim, note)
    evidence = Span(found.start, found.end) if isinstance(found, Claim) else found
    if evidence is None and verdict in FLAGGED:
        around = summary[max(0, claim.start - 80) : claim.end + 80]
        evidence = note.nearest_sentence(frozenset(word_key(around[w.start : w.end]) for w in word_spans(around)))
    return ScreenedClaim(claim.start, claim.end, claim.text, kind, verdict, evidence)


Judgement = tuple[str, str, Claim | Span | None]


def _judge_mention(claim: Claim, note: _Note) -> Judgement:
    assert claim.concept is not None
    everywhere = note.mentions.get(claim.concept.name, [])
    same = [other for other in everywhere if other.subject == claim.subject]
    if not same:
        if everywhere:
            return claim.type, UNKNOWN, everywhere[0]
        reworded = note.sentence_with(keys_of(claim.text))
        if reworded:
            return claim.type, SUPPORTED if claim.polarity == AFFIRMED else UNKNOWN, reworded
        kin = next((o for o in note.claims if o.concept and related(o.concept, claim.concept)), None)
        if kin or note.has_word_like(claim.concept) or claim.polarity == NEGATED:
            return claim.type, UNKNOWN, kin  # a narrower or wider name; or "no fever" where fever is never mentioned
        return claim.type, UNSUPPORTED, None
    agreeing = next((other for other in same if other.polarity == claim.polarity), None)
    if agreeing:
        return claim.type, SUPPORTED, agreeing
    if claim.polarity == CONSIDERED or any(other.polarity == UNCLEAR for other in same):
        return claim.type, UNKNOWN, same[0]
    opposite = NEGATED if claim.polarity == AFFIRMED else AFFIRMED
    contrary = next((other for other in same if other.polarity == opposite), None)
    if contrary is None:
        return claim.type, UNKNOWN, same[0]  # the note only considers it: possible, if, allergic to
    return NEGATION, CONTRADICTED, contrary


def _judge_amount(claim: Claim, note: _Note) -> Judgement:
    quantity = claim.quantity
    assert quantity is not None
    if quantity.implied:
        return claim.type, UNKNOWN, None
    equal = [o for o in note.amounts if o.quantity and same_amount(quantity, o.quantity)]
    own = [
        o
        for o in note.amounts
        if claim.about and o.about == claim.about and o.quantity and o.quantity.measures == quantity.measures
    ]
    if quantity.is_age:
        own = [o for o in note.amounts if o.quantity and o.quantity.is_age]
        return claim.type, *_weigh(equal, own)
    agreeing = next((o for o in equal if o.about == claim.about), None) or next(
        (o for o in equal if not (o.about and claim.about)), None
    )
    if agreeing:
        return claim.type, SUPPORTED, agreeing
    if equal:  # stands in the note, but for something else
        return claim.type, *((CONTRADICTED, own[0]) if own else (UNKNOWN, equal[0]))
    if not quantity.unit and not claim.about and len(quantity.values) == 1 and quantity.values[0] <= _COUNTABLE_UP_TO:
        return claim.type, UNKNOWN, None
    return claim.type, *_weigh(equal, own)


def _weigh(equal: list[Claim], own: list[Claim]) -> tuple[str, Claim | None]:
    if equal:
        return SUPPORTED, equal[0]
    return (CONTRADICTED, own[0]) if own else (UNSUPPORTED, None)


def _judge_frequency(claim: Claim, note: _Note) -> Judgement:
    """Only a medicine whose frequency the note gives can contradict."""
    own = [other for other in note.frequencies if claim.about and other.about == claim.about]
    equal = next((other for other in own if other.value == claim.value), None)
    if equal:
        return claim.type, SUPPORTED, equal
    return claim.type, *((CONTRADICTED, own[0]) if own else (UNKNOWN, None))


def _judge_side(claim: Claim, note: _Note) -> Judgement:
    own = [other for other in note.sides if other.about == claim.about]
    sides = {other.value for other in own}
    if claim.value in sides or "both" in sides or (claim.value == "both" and {"left", "right"} <= sides):
        return claim.type, SUPPORTED, own[0]
    if own:
        return claim.type, CONTRADICTED, own[0]
    if any(
        word in held for _, held in note.sentences for word in ("left", "right", "bilateral", "both", "bilaterally")
    ):
        return claim.type, UNKNOWN, None
    return claim.type, UNSUPPORTED, None


def _judge_sex(claim: Claim, note: _Note) -> Judgement:
    if claim.about == TITLE:
        return claim.type, UNKNOWN, None
    same = next((other for other in note.sexes if other.value == claim.value), None)
    if same or not note.sexes:
        return claim.type, SUPPORTED if same else UNKNOWN, same
    return claim.type, CONTRADICTED, note.sexes[0]
