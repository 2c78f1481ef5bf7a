"""Judges a whole summary: every claim of every sentence, what is left out, and the words that nothing accounts for."""

from __future__ import annotations

from clinical.oracle import claims as c
from clinical.oracle.amount_rules import judge_amount
from clinical.oracle.cause_rules import judge_cause, judge_reason
from clinical.oracle.claims import Bench, Verdict
from clinical.oracle.drug_rules import judge_drug, judge_use_word
from clinical.oracle.lab_rules import judge_lab
from clinical.oracle.other_rules import (
    judge_advice,
    judge_cue,
    judge_decades,
    judge_procedure,
    judge_service,
    judge_sex,
)
from clinical.oracle.problem_rules import judge_confirmation, judge_problem
from clinical.oracle.reading import read
from clinical.oracle.residue import judge_residue
from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.state import Known, level_of, trend_of
from clinical.oracle.surface import ADVICE, LAB, LEVEL, LEVEL_WORDS, PROBLEM, PROCEDURE, SERVICE
from clinical.patient import Patient

_MOST_LABS = 2  # of the labs with a trend, so many are important
_MOSTLY = 0.5  # a text is no summary if more than this share of its content words is residue


def judge(patient: Patient, summary: str) -> Verdict:
    """What a summary says of a patient whose facts are known: every claim compared with what follows from them."""
    bench = Bench(Known(patient))
    sentences, unfinished = read(summary)
    residue: list[str] = []
    content = 0
    for sentence in sentences:
        _note_hedges(bench, sentence)
    for sentence in sentences:
        _judge_sentence(bench, sentence)
        words, left = judge_residue(bench, sentence)
        content += words
        residue += left
    judge_sex(bench, sentences)
    important = important_facts(patient)
    omitted = tuple(key for key in important if key not in bench.stated)
    clinical = [claim for claim in bench.claims if claim.type != c.DEMOGRAPHICS]
    failed = not clinical or len(residue) > _MOSTLY * max(content, 1)
    ordered = tuple(sorted(bench.claims, key=lambda claim: (claim.start, claim.end)))
    return Verdict(ordered, important, omitted, tuple(residue), unfinished, failed)


def _note_hedges(bench: Bench, sentence: Sentence) -> None:
    """A diagnosis that is called suspected once need not be so called again."""
    hedged = bool(sentence.cues_of("suspected_before") or sentence.cues_of("suspected_after"))
    for mention in sentence.mentions:
        if hedged and mention.is_a(PROBLEM):
            facts = bench.known.about(mention.named.names_of(PROBLEM))
            bench.hedged.update(fact.key for fact in facts if fact.certainty == "suspected")


def _judge_sentence(bench: Bench, sentence: Sentence) -> None:
    for mention in sentence.mentions:
        _judge_mention(bench, sentence, mention)
    for cue in sentence.cues:
        if {"frequency", "route"} & set(cue.senses):
            judge_use_word(bench, sentence, cue)
        if "cause" in cue.senses:
            judge_reason(bench, sentence, cue)
            judge_cause(bench, sentence, cue)
        judge_cue(bench, sentence, cue)
    for amount in sentence.amounts:
        judge_amount(bench, sentence, amount)
    judge_decades(bench, sentence)
    judge_confirmation(bench, sentence)


def _judge_mention(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    if mention.allergy or (mention.is_drug and not _is_stated_otherwise(bench, mention)):
        judge_drug(bench, sentence, mention)
    elif _planned(bench, mention, ADVICE) and any(cue.senses.get("plan") == "advise" for cue in sentence.cues):
        judge_advice(bench, sentence, mention)
    elif mention.is_a(LAB) and not _is_problem(bench, mention) and _is_valued(bench, mention):
        judge_lab(bench, sentence, mention)
    elif mention.is_a(PROBLEM) and not (_planned(bench, mention, ADVICE) and not _is_problem(bench, mention)):
        judge_problem(bench, sentence, mention)
    elif mention.is_a(LAB, LEVEL):
        judge_lab(bench, sentence, mention)
    elif mention.is_a(PROCEDURE) and not (mention.is_a(SERVICE, ADVICE) and _planned(bench, mention)):
        judge_procedure(bench, sentence, mention)
    elif mention.is_a(SERVICE) and not (mention.is_a(ADVICE) and _planned(bench, mention, ADVICE)):
        judge_service(bench, sentence, mention)
    elif mention.is_a(ADVICE):
        judge_advice(bench, sentence, mention)
    else:  # an allergen named without the word allergy
        judge_drug(bench, sentence, mention)


def _is_stated_otherwise(bench: Bench, mention: Mention) -> bool:
    """A name that is both a drug's and something else's, of which the state holds the other."""
    names = mention.named.names_of(PROBLEM, LAB, ADVICE)
    return any(fact.name in names for fact in bench.known.facts) or any(name in bench.known.labs for name in names)


def _is_valued(bench: Bench, mention: Mention) -> bool:
    if LEVEL_WORDS & set(mention.text.lower().split()):
        return False  # low blood sugar: a finding to be told by the value
    return any(name in bench.known.labs for name in mention.named.names_of(LAB))


def _is_problem(bench: Bench, mention: Mention) -> bool:
    return bool(bench.known.about(mention.named.names_of(PROBLEM)))


def _planned(bench: Bench, mention: Mention, *kinds: str) -> bool:
    names = mention.named.names_of(*(kinds or (SERVICE, ADVICE)))  # the names of these kinds only
    return any(fact.name in names for fact in bench.known.procedures)


def important_facts(patient: Patient) -> tuple[str, ...]:
    """What a good summary should not leave out, by rule.

    The complaint, the diagnosis, every drug change, at most two abnormal labs that have a trend, and the disposition
    or the outcome.
    """
    facts = ["complaint"]
    if patient.diagnosis:
        facts.append("diagnosis")
    facts += [f"drugs: {drug.name} change" for drug in patient.drugs if drug.change != "continued"]
    moving = [v for v in patient.labs if trend_of(v) not in (None, "same") and level_of(v, v.name) in ("high", "low")]
    facts += [f"labs: {value.name}" for value in moving[:_MOST_LABS]]
    if patient.disposition:
        facts.append("disposition")
    elif patient.outcome:
        facts.append("outcome")
    return tuple(facts)
