"""Accounts for every content word of a sentence: part of a claim, harmless, or residue."""

from __future__ import annotations

from functools import cache

from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.sentence import Sentence
from clinical.oracle.slots import ends_phrase, in_drug_slot, in_finding_slot
from clinical.oracle.surface import word_bags
from clinical.oracle.words import forms, harmless, words
from clinical.sentences import word_key

_NEAR = 6  # words
_SHORTEST = 3  # letters of a word that may be residue
_SHORTEST_NAME = 5  # letters of a word that may be an invented finding
_SAME_BEGINNING = 5  # letters that two words of one root share


def judge_residue(bench: Bench, sentence: Sentence) -> tuple[int, list[str]]:
    """How many content words a sentence has and which of them nothing accounts for.

    A clinical head noun (fracture) or a part of the body that no fact is about is a claim of its own; another word
    that looks clinical by its ending makes the sentence's one unknown claim. A word where only a name can stand, of a
    medicine (started on ...) or of a finding (had a 2 cm ...), is invented: all facts are known, and it is none.
    """
    used = set(sentence.covered)
    used |= {at for cue in sentence.cues for at in range(cue.first, cue.end)}
    used |= {at for amount in sentence.amounts for at in range(amount.first, amount.end)}
    content, left = 0, []
    said_unknown = False
    for at, token in enumerate(sentence.tokens):
        if at not in used and (token.low[0].isdigit() or _is_harmless(token.low)):
            continue
        content += 1
        if at in used or token.low in _known_words(bench):
            continue
        if token.key in _known_words(bench):
            continue
        if _is_dosed(sentence, at) or in_drug_slot(sentence, at):
            bench.add(sentence, token.start, token.end, c.MEDICATION, c.INVENTED, "", "no such medicine is stated")
            continue
        if token.key in _strong_heads():
            negated = bool({"no", "without", "denies", "denied", "not"} & set(sentence.between(max(0, at - 4), at)))
            kind = c.NEGATION if negated else c.CONDITION
            verdict = c.UNKNOWN if negated else c.INVENTED
            bench.add(sentence, token.start, token.end, kind, verdict, "", "no fact is called so")
            continue
        unlike = not _resembles(token.low, _known_words(bench))
        if len(token.low) >= _SHORTEST_NAME and unlike and in_finding_slot(sentence, at, used):
            bench.add(sentence, token.start, token.end, c.CONDITION, c.INVENTED, "", "nothing is called so")
            continue
        if token.key in _heads() and not said_unknown:
            said_unknown = True
            bench.add(sentence, token.start, token.end, c.OTHER, c.UNKNOWN, "", "no fact is called so")
            continue
        following = sentence.tokens[at + 1].low if at + 1 < len(sentence.tokens) else ""
        if following in ("disease", "disorder", "syndrome") and len(token.low) >= _SHORTEST:
            bench.add(sentence, token.start, token.end, c.CONDITION, c.UNKNOWN, "", "not a name the oracle knows")
        elif token.low.endswith(tuple(forms()["clinical_endings"])) and len(token.low) > 6 and not said_unknown:
            said_unknown = True
            verdict = c.INVENTED if unlike and ends_phrase(sentence, at) else c.UNKNOWN
            bench.add(sentence, token.start, token.end, c.OTHER, verdict, "", "not a name the oracle knows")
        elif len(token.low) >= _SHORTEST:
            left.append(token.low)
    return content, left


def unread_near(bench: Bench, sentence: Sentence, first: int, end: int) -> bool:
    """Whether a word that nothing reads stands close to these tokens: a name that the oracle does not know."""
    used = {at for cue in sentence.cues for at in range(cue.first, cue.end)} | sentence.covered
    used |= {at for amount in sentence.amounts for at in range(amount.first, amount.end)}
    near = range(max(0, first - _NEAR), min(end + _NEAR, len(sentence.tokens)))
    return any(
        at not in used and not _is_harmless(token.low) and not token.low[0].isdigit() and len(token.low) >= _SHORTEST
        for at in near
        for token in (sentence.tokens[at],)
    )


def _resembles(low: str, known: set[str]) -> bool:
    """Whether a word begins as one of the state's: atheroma and atherosclerotic; it may be the same thing reworded."""
    return any(word.startswith(low[:_SAME_BEGINNING]) for word in known)


def _is_harmless(low: str) -> bool:
    return low in harmless() or low.split("'")[0] in harmless()


def _is_dosed(sentence: Sentence, at: int) -> bool:
    """Whether a word that no table knows stands right before a dose, as only medicines do."""
    return any(a.first == at + 1 and a.quantity.unit in ("mg", "mcg", "g") for a in sentence.amounts)


@cache
def _strong_heads() -> frozenset[str]:
    return frozenset(word_key(word) for word in forms()["strong_heads"])


@cache
def _heads() -> frozenset[str]:
    return frozenset(word_key(word) for word in (*forms()["head_words"], *forms()["body_parts"]))


def _known_words(bench: Bench) -> set[str]:
    """Words of the names of the state's facts: the pain of a patient with chest pain."""
    cached = bench.known_words
    if cached is None:
        known = bench.known
        names = [fact.name for fact in known.facts]
        names += [*known.drugs, *known.labs, *(a.substance for a in known.patient.allergies or ())]
        cached = {key for name in names for bag in word_bags(name) for key in bag}
        cached |= {word for kind in ("male", "female", "he", "she") for word in words()[kind]}
        bench.known_words = cached
    return cached
