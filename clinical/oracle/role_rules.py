"""Judges the role in which a problem is told: why the patient came, the diagnosis, a new problem, or history."""

from __future__ import annotations

from clinical.lexicon import load_lexicon
from clinical.oracle.levels import level_claim
from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.state import Known, ProblemFact
from clinical.oracle.surface import follows
from clinical.oracle.words import words

_CAME, _DIAGNOSED, _DIAGNOSED_AFTER = "came_with", "told_as_diagnosis", "told_as_diagnosis_after"
_NEW, _HISTORY = "told_as_new", "told_as_history"
_SUSPECTED, _SUSPECTED_AFTER = "suspected_before", "suspected_after"
_OLD_WORDS = frozenset([
    "ago", "since", "previously", "previous", "known", "history", "past", "prior", "longstanding", "earlier", "chronic",
    "preexisting", "background", "recurrent", "carried", "carries", "carrying", "existing",
])  # fmt: skip
_SKIPPED = frozenset([
    "a", "an", "the", "acute", "severe", "mild", "moderate", "left", "right", "bilateral", "definite", "his", "her",
])  # fmt: skip


def role_error(known: Known, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> str | None:
    """Why a problem that is present cannot stand in the role in which it is told; None where it can."""
    fields = {fact.field for fact in present}
    told = level_claim(known, mention)
    if told is not None and told[0]:
        return None  # hypertension found on examination, whatever the history
    before = _words_before(sentence, mention)
    if fields == {"diagnosis"}:
        new = not any(fact.acute for fact in present) and not _is_treated_already(known, present)
        return "it is the diagnosis, no history" if new and _ends_with(before, _HISTORY) else None
    if fields != {"problems"} or _is_told_as_old(sentence, mention):
        return None
    if _ends_with(before, _CAME):
        return "it is a past problem, not why the patient came"
    if _ends_with(before, _DIAGNOSED) or _begins_with(sentence, mention, _DIAGNOSED_AFTER):
        return "it is a past problem, not the diagnosis"
    hedged = _ends_with(before, _SUSPECTED) or _begins_with(sentence, mention, _SUSPECTED_AFTER)
    if mention.suspected and hedged:
        return "it is a known problem, not a suspected one"
    return "it is not new" if _ends_with(before, _NEW) else None


def _is_treated_already(known: Known, present: list[ProblemFact]) -> bool:
    """Whether the patient takes a medicine for the diagnosis that was not started just now: it was known before."""
    taken = {use.name for use in known.patient.drugs if use.change != "started"}
    names = [fact.name for fact in present]
    return any(
        drug.name in taken and any(follows(treated, name) or follows(name, treated) for name in names)
        for drug in load_lexicon().drugs
        for treated in drug.treats
    )


def _is_told_as_old(sentence: Sentence, mention: Mention) -> bool:
    near = sentence.between(max(0, mention.first - 4), mention.first)
    near += sentence.between(mention.end, min(mention.end + 6, len(sentence.tokens)))
    return mention.past or mention.active or mention.resolved or bool(_OLD_WORDS & set(near))


def _words_before(sentence: Sentence, mention: Mention) -> list[str]:
    """The words up to a mention, without those that may stand between a phrase and the name that it introduces."""
    at = mention.first
    while at and sentence.tokens[at - 1].low in _SKIPPED:
        at -= 1
    return [token.low for token in sentence.tokens[:at]]


def _ends_with(before: list[str], table: str) -> bool:
    return any(before[-len(phrase.split()) :] == phrase.split() for phrase in words()[table])


def _begins_with(sentence: Sentence, mention: Mention, table: str) -> bool:
    after = sentence.between(mention.end, min(mention.end + 4, len(sentence.tokens)))
    return any(after[: len(phrase.split())] == phrase.split() for phrase in words()[table])
