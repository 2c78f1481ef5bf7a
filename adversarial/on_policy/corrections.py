"""What could stand in place of one flagged claim, as the note has it: candidate edits, the most faithful first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adversarial.on_policy.amount_corrections import other_amounts
from adversarial.on_policy.lab_word_corrections import other_lab_words
from adversarial.on_policy.removals import listed_item, removals, without_words
from adversarial.on_policy.repair_words import (
    DENIAL_FOR_REPORT,
    FEMALE_PRONOUNS,
    FREQUENCY_STYLES,
    MALE_PRONOUNS,
    OTHER_PRONOUN,
    OTHER_SEX,
    REPORT_FOR_DENIAL,
    REWORDED,
    STATED_FOR_SUSPECTED,
    SUSPECTED_FOR_CONFIRMED,
    SUSPECTED_FOR_STATED,
)
from adversarial.on_policy.sample_reading import Sample
from adversarial.operators.edits import ARTICLE_BEFORE, Edit, replace_span
from clinical.mentions import DRUG, SERVICE, Concept, siblings
from clinical.numbers import same_amount
from clinical.reading.assertion import AFFIRMED, PATIENT
from clinical.reading.changes import Change, find_changes
from clinical.reading.claims import (
    CONDITION,
    DEMOGRAPHICS,
    LATERALITY,
    MEDICATION,
    NEGATION,
    TITLE,
    Claim,
)
from clinical.reading.lab_words import find_lab_words
from clinical.rewording import akin
from clinical.screen.support import CONTRADICTED, UNSUPPORTED, ScreenedClaim
from clinical.sentences import sentence_spans

Candidate = tuple[Edit, ...]

_NEARBY = 60  # characters in which the words that govern a name stand, as in the screen's own assertion rules
_DIAGNOSIS = re.compile(
    r"diagnos|assessment|impression|\bimp\b|\bdx\b|\ba/p\b|judged|found to have|\bflare", re.IGNORECASE
)
# Slots that any condition fits; elsewhere (transmission of, advised of) only a closely related one makes sense.
_OPEN_SLOT = re.compile(
    r"\b(?:history of|diagnosis of|diagnosed with|flare of|had|has|have|having|with|reported|reports|known|"
    r"found to have|complained of|complains of|presented with|presents with|problems include|included?|including)\s+"
    r"(?:(?:an?|also|coexisting|known|concurrent|some|the|new|left|right|left-sided|right-sided)\s+)*$"
    r"|(?:,|\band|\bor)\s+$",
    re.IGNORECASE,
)
# " on the right", with no part of the body after it
_ON_THE_SIDE = r" (?:on|in) the {}(?= side|$|[.,;)]| (?:and|that|which|with|for|since|over|lasting)\b)(?: side)?"
_UNRELATED = 2  # neither a narrower or wider name nor a sibling
_HAS_VALUE = re.compile(r" (?:at|of) \d")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def corrections(sample: Sample, flagged: ScreenedClaim) -> Iterator[Candidate]:
    """Candidate edits for one flagged claim, each a tuple of edits made together. None of them is checked here.

    First what the note says in the same place, then the claim left out.
    """
    claim = next((c for c in sample.claims if _is_judged(c, flagged)), None)
    lab_word = next((w for w in find_lab_words(sample.text) if (w.start, w.end) == (flagged.start, flagged.end)), None)
    change = next((c for c in find_changes(sample.text) if (c.start, c.end) == (flagged.start, flagged.end)), None)
    if lab_word is not None:
        yield from other_lab_words(sample.text, lab_word)
    elif change is not None and flagged.verdict == CONTRADICTED and claim is None:
        yield from _other_changes(sample, change)
    elif claim is None:
        yield from _other_service(sample, flagged)
    elif claim.concept is not None:
        yield from _about_name(sample, claim, flagged)
    elif claim.quantity is not None:
        yield from other_amounts(sample, claim)
    elif flagged.type == LATERALITY:
        yield from _other_sides(sample, claim, flagged)
    elif flagged.type == DEMOGRAPHICS:
        yield _other_sex(sample, claim)
    else:
        yield from _other_frequencies(sample, claim)
    yield from removals(sample.text, sample.mentions, flagged)


def _is_judged(claim: Claim, flagged: ScreenedClaim) -> bool:
    """Whether this claim is the flagged one; a value may be flagged together with the name of its lab."""
    begins = claim.start == flagged.start or (claim.quantity is not None and claim.start > flagged.start)
    return begins and claim.end == flagged.end


def _lead(text: str, start: int) -> str:
    """The words of the same sentence before a position."""
    span = next(span for span in sentence_spans(text) if span.start <= start < span.end)
    return text[max(span.start, start - _NEARBY) : start]


def _about_name(sample: Sample, claim: Claim, flagged: ScreenedClaim) -> Iterator[Candidate]:
    if flagged.type == NEGATION:
        diagnosis = claim.polarity == AFFIRMED and bool(_DIAGNOSIS.search(_lead(sample.text, claim.start)))
        if diagnosis:
            yield from _other_names(sample, claim)
        yield from _other_polarity(sample, claim)
    elif flagged.verdict == CONTRADICTED:
        yield from _as_certain(sample, claim, flagged.type)
    else:
        yield from _other_names(sample, claim)


def _other_changes(sample: Sample, change: Change) -> Iterator[Candidate]:
    """The words for what the note says was done with the medicine; of two doses, the other order."""
    start, end = change.start, change.end
    done = dict.fromkeys(other.kind for other in sample.note.changes if other.drug == change.drug)
    for kind in done:
        for pattern, words in REWORDED.get((change.kind, kind), ()):
            found = _covering(rf"(?<![\w-]){pattern}(?![\w-])", sample.text, start, end)
            if found:
                yield (replace_span(sample.text, found.start(), found.end(), words, MEDICATION),)
    for mention in sample.mentions:
        if mention.concept.name == change.drug:
            yield from listed_item(sample.text, mention, MEDICATION)
    doses = list(_NUMBER.finditer(sample.text, start, end))
    if len(doses) == 2:
        first, second = doses
        yield (
            Edit(first.start(), first.end(), first[0], second[0], MEDICATION),
            Edit(second.start(), second.end(), second[0], first[0], MEDICATION),
        )


def _covering(pattern: str, text: str, start: int, end: int) -> re.Match[str] | None:
    """The match that holds all of a span, and perhaps words around it."""
    low, high = max(0, start - _NEARBY), min(len(text), end + _NEARBY)
    found = re.compile(pattern, re.IGNORECASE).finditer(text, low, high)
    return next((match for match in found if match.start() <= start and match.end() >= end), None)


def _other_service(sample: Sample, flagged: ScreenedClaim) -> Iterator[Candidate]:
    """A clinic or specialist that the note names and the summary does not."""
    if not any(m.concept.kind == SERVICE and m.start == flagged.start for m in sample.mentions):
        return  # a plan or another claim without a name: nothing to exchange it for
    for mention in sample.note.found:
        if mention.concept.kind == SERVICE and mention.concept.name not in sample.named:
            name = _in_words(mention.concept, mention.text)
            yield (replace_span(sample.text, flagged.start, flagged.end, name, flagged.type),)


def _other_names(sample: Sample, claim: Claim) -> Iterator[Candidate]:
    """A name from the note that plays the same part there, wherever the summary gives the wrong one."""
    concept = claim.concept
    assert concept is not None
    same = [c for c in sample.claims if c.concept is concept]
    for other in _of_the_same_part(sample, claim):
        edits = []
        for mention in same:
            start = mention.start
            if claim.type == CONDITION and (article := ARTICLE_BEFORE.search(sample.text[:start])):
                start = article.start()  # a headache, but no "a fatigue": without the article, any name fits
            assert other.concept is not None
            name = _in_words(other.concept, other.text)
            edits.append(replace_span(sample.text, start, mention.end, name, claim.type))
        yield tuple(edits)


def _of_the_same_part(sample: Sample, claim: Claim) -> list[Claim]:
    """The note's own affirmed names that could stand in the claim's place, the closest first, each once."""
    concept = claim.concept
    assert concept is not None
    found: dict[str, Claim] = {}
    for other in sample.note.claims:
        named = other.concept
        if (
            named is not None
            and named.kind == concept.kind
            and other.polarity == AFFIRMED
            and other.subject == PATIENT
            and not other.tentative
            and named.name not in sample.named
            and _same_values(sample, concept, named)
            and (_same_changes(sample, concept, named) if concept.kind == DRUG else _same_role(sample, claim, other))
        ):
            found.setdefault(named.name, other)

    def distance(other: Claim) -> int:
        assert other.concept is not None
        return 0 if akin(other.concept, concept) else 1 if other.concept in siblings(concept) else _UNRELATED

    if _HAS_VALUE.match(sample.text, claim.end):
        return []  # a low blood sugar of 82: no other condition has that value
    in_open_slot = bool(_OPEN_SLOT.search(_lead(sample.text, claim.start)))
    open_slot = concept.kind == DRUG or (claim.type == CONDITION and in_open_slot)
    return sorted((other for other in found.values() if open_slot or distance(other) < _UNRELATED), key=distance)


def _same_values(sample: Sample, old: Concept, new: Concept) -> bool:
    """Whether what the summary says of the old name (a dose, a duration) is what the note says of the new one."""
    said = [c.quantity for c in sample.claims if c.quantity and c.about == old.name]
    known = [c.quantity for c in sample.note.amounts if c.quantity and c.about == new.name]
    return all(any(same_amount(one, other) for other in known) for one in said)


def _same_changes(sample: Sample, old: Concept, new: Concept) -> bool:
    """Whether the note starts, stops, raises or lowers the new medicine as the summary does the old one."""
    said = {change.kind for change in find_changes(sample.text) if change.drug == old.name}
    known = {change.kind for change in sample.note.changes if change.drug == new.name}
    return said == known


def _same_role(sample: Sample, claim: Claim, other: Claim) -> bool:
    """A diagnosis for a diagnosis, and no diagnosis for what is none."""
    told, known = _lead(sample.text, claim.start), _lead(sample.note.text, other.start)
    return bool(_DIAGNOSIS.search(told)) == bool(_DIAGNOSIS.search(known))


def _in_words(concept: Concept, text: str) -> str:
    """The note's name for it, as it is written within a sentence; drugs by their generic name."""
    if concept.kind == DRUG:
        return concept.name
    return next((name for name in concept.names if name.lower() == text.lower()), concept.name)


def _other_polarity(sample: Sample, claim: Claim) -> Iterator[Candidate]:
    """Denied instead of reported, or the reverse, in the words right before the name."""
    table = DENIAL_FOR_REPORT if claim.polarity == AFFIRMED else REPORT_FOR_DENIAL
    yield from _before_name(sample, claim, table, NEGATION)


def _before_name(sample: Sample, claim: Claim, table: Iterable[tuple[str, str]], type_: str) -> Iterator[Candidate]:
    """The words right before a name, exchanged as a table says."""
    lead = _lead(sample.text, claim.start)
    for pattern, words in table:
        found = re.search(rf"(?:{pattern})$", lead, re.IGNORECASE)
        if found:
            start = claim.start - len(found[0])
            new = found.expand(words) + claim.text
            yield (replace_span(sample.text, start, claim.end, _capital_like(found[0], new), type_),)


def _capital_like(old: str, new: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _as_certain(sample: Sample, claim: Claim, type_: str) -> Iterator[Candidate]:
    """Suspected instead of confirmed or stated, or the reverse, as the note has it."""
    low, high = max(0, claim.start - _NEARBY), min(len(sample.text), claim.end + _NEARBY)
    for pattern, weaker in SUSPECTED_FOR_CONFIRMED:
        for match in re.compile(pattern, re.IGNORECASE).finditer(sample.text, low, high):
            yield (replace_span(sample.text, match.start(), match.end(), weaker, type_),)
    yield from _before_name(
        sample, claim, STATED_FOR_SUSPECTED if claim.tentative else SUSPECTED_FOR_STATED, claim.type
    )


def _other_sides(sample: Sample, claim: Claim, flagged: ScreenedClaim) -> Iterator[Candidate]:
    """The note's side of the same part; no side where the note gives none anywhere."""
    if flagged.verdict == UNSUPPORTED:
        for pattern in (_ON_THE_SIDE, r"{}(?:[- ]sided)? "):
            found = _covering(pattern.format(re.escape(claim.text)), sample.text, claim.start, claim.end)
            if found:
                yield (without_words(sample.text, found.start(), found.end(), claim.type),)
        return
    sides = dict.fromkeys(other.value for other in sample.note.sides if other.about == claim.about)
    for side in sides:
        word = "bilateral" if side == "both" else side
        if claim.text.lower() in ("left", "right", "bilateral"):  # "both knees" would need another number of knees
            yield (replace_span(sample.text, claim.start, claim.end, _capital_like(claim.text, word), claim.type),)


def _other_sex(sample: Sample, claim: Claim) -> Candidate:
    """The other noun wherever the wrong one stands, and with it the pronouns of the wrong sex."""
    wrong = [c for c in sample.claims if c.type == DEMOGRAPHICS and c.value == claim.value and c.about != TITLE]
    edits = []
    for noun in wrong:
        other = OTHER_SEX.get(noun.text.lower(), noun.text)
        edits.append(replace_span(sample.text, noun.start, noun.end, _capital_like(noun.text, other), DEMOGRAPHICS))
    pronouns = MALE_PRONOUNS if claim.value == "male" else FEMALE_PRONOUNS
    for match in re.finditer(rf"\b(?:{'|'.join(pronouns)})\b", sample.text, re.IGNORECASE):
        word = match[0].lower()
        noun_follows = re.match(r" [a-z]", sample.text[match.end() :]) is not None
        other = ("his" if noun_follows else "him") if word == "her" else OTHER_PRONOUN[word]
        edits.append(Edit(match.start(), match.end(), match[0], _capital_like(match[0], other), DEMOGRAPHICS))
    return tuple(edit for edit in edits if edit.old != edit.new)


def _other_frequencies(sample: Sample, claim: Claim) -> Iterator[Candidate]:
    """How often the note gives the same medicine, in the summary's style."""
    written = claim.text.removesuffix(".")  # the full stop of a sentence, where it ends in TID.
    styles = [words.lower() for words in FREQUENCY_STYLES.get(claim.value, ())]
    column = styles.index(written.lower()) if written.lower() in styles else 0
    often = dict.fromkeys(c.value for c in sample.note.frequencies if c.about == claim.about)
    for value in often:
        words = FREQUENCY_STYLES[value][column]
        yield (replace_span(sample.text, claim.start, claim.start + len(written), words, claim.type),)
