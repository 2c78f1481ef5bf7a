"""Judges why: what a medicine was changed or given for, and what a problem is said to come from."""

from __future__ import annotations

from clinical.lexicon import load_lexicon
from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.drug_rules import uses_of
from clinical.oracle.levels import level_claim
from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.state import PATIENT
from clinical.oracle.surface import ALLERGEN, CLASS, DRUG, PROBLEM, PROCEDURE, follows
from clinical.oracle.words import Cue
from clinical.patient import DrugUse

_COMING = frozenset(["attended", "attends", "came", "comes", "presented", "presents", "seen", "arrived", "here"])
_TAKEN_AWAY = frozenset(["held", "stopped", "decreased"])  # such a change treats nothing: its reason must be stated
_PURPOSE = frozenset(["for", "given", "in light of", "in view of", "in response to"])
_BEFORE_DRUG = frozenset([
    "the", "his", "her", "their", "a", "an", "dose", "doses", "of", "daily", "oral", "team", "we", "clinicians",
    "was", "were",
])  # fmt: skip
_ADVERBIAL = frozenset(["because of", "on account of", "owing to", "as a result of"])  # after a comma: why all of it
_NEAR = 3  # words


def judge_reason(bench: Bench, sentence: Sentence, cue: Cue) -> None:
    """Why a drug was changed or is taken: "stopped because of hyperkalemia", "owing to hyperkalemia, it was held"."""
    problem = next((m for m in sentence.mentions if m.first >= cue.end), None)
    if problem is None or not problem.is_a(PROBLEM) or problem.first - cue.end > _NEAR:
        return
    drug = _drug_before(sentence, cue) or _drug_after(sentence, cue, problem)
    uses = uses_of(bench, drug) if drug else []
    if drug is None or not uses:
        return
    key = f"drugs: {uses[0].name} reason"
    start, stop = sentence.tokens[cue.first].start, problem.stop
    reasons = [use.reason for use in uses if use.reason]
    if any(follows(reason, name) for reason in reasons for name in problem.named.names_of(PROBLEM)):
        bench.add(sentence, start, stop, c.CAUSALITY, c.RIGHT, key)
    elif _needs_stating(bench, sentence, cue, drug, uses, problem):
        verdict, told = (c.WRONG, f"the reason is {reasons[0]}") if reasons else (c.INVENTED, "no reason is stated")
        bench.add(sentence, start, stop, c.CAUSALITY, verdict, key, told)


def _drug_before(sentence: Sentence, cue: Cue) -> Mention | None:
    """The drug that stands before a reason, in its clause."""
    before = [
        m for m in sentence.mentions if m.end <= cue.first and sentence.clauses[m.first] == sentence.clauses[cue.first]
    ]
    if not before or not before[-1].is_drug:
        return None
    drug = before[-1]
    if _COMING & set(sentence.between(drug.end, cue.first)):
        return None  # "with losartan raised, this man attended because of fatigue"
    changed = any(drug.end <= change.first < cue.first for _, change in drug.changes)
    if not changed and "," in sentence.text[drug.stop : sentence.tokens[cue.first].start]:
        return None  # "starting tamsulosin, she attends because of flank pain"
    return drug


def _drug_after(sentence: Sentence, cue: Cue, problem: Mention) -> Mention | None:
    """The changed drug right after a reason that opens its clause: "because of hyperkalemia, lisinopril was held"."""
    opens = cue.first == 0 or sentence.clauses[cue.first - 1] != sentence.clauses[cue.first]
    drug = next((m for m in sentence.mentions if m.first >= problem.end), None)
    if not opens or drug is None or not drug.is_drug or sentence.clauses[drug.first] != sentence.clauses[cue.first]:
        return None
    changing = {at for _, change in drug.changes for at in range(change.first, change.end)}
    between = {sentence.tokens[at].low for at in range(problem.end, drug.first) if at not in changing}
    return drug if drug.changes and between <= _BEFORE_DRUG else None


def _needs_stating(
    bench: Bench, sentence: Sentence, cue: Cue, drug: Mention, uses: list[DrugUse], problem: Mention
) -> bool:
    """Whether a reason that is not the stated one is an error, and no purpose that anyone may infer."""
    if "cause_strict" in cue.senses and drug.changes:
        return True
    if sentence.words_of(cue).lower() not in _PURPOSE or problem.absent or problem.neutral or problem.who != PATIENT:
        return False
    changes = {value for value, change in drug.changes if change.end <= cue.first or drug.first >= problem.end}
    if changes & _TAKEN_AWAY:
        return True
    facts = [fact for fact in bench.known.about(problem.named.names_of(PROBLEM)) if fact.present]
    if not facts or any(_treats(use.name, name) for use in uses for name in problem.named.names_of(PROBLEM)):
        return False
    if any(use.reason for use in uses):
        return {fact.field for fact in facts} <= {"problems", "symptoms", "diagnosis"}
    return {fact.field for fact in facts} == {"problems"}  # of another illness than those that it treats


def _treats(drug: str, problem: str) -> bool:
    """Whether the lexicon lists a problem, or what it is a kind of, among those that a drug treats, or lists none."""
    entry = next((entry for entry in load_lexicon().drugs if entry.name == drug), None)
    if entry is None or not entry.treats:
        return True
    return any(follows(one, problem) or follows(problem, one) for one in entry.treats)


def judge_cause(bench: Bench, sentence: Sentence, cue: Cue) -> None:
    """One problem said to come of another, a drug or an operation: only a diagnosis may explain what is found."""
    effect = next((m for m in reversed(sentence.mentions) if m.end <= cue.first), None)
    cause = next((m for m in sentence.mentions if m.first >= cue.end), None)
    if effect is None or cause is None or not effect.is_a(PROBLEM) or effect.absent or effect.who != PATIENT:
        return
    if not _is_joined(sentence, cue, effect, cause):
        return
    effects = bench.known.about(effect.named.names_of(PROBLEM))
    told = level_claim(bench.known, effect)
    key = effects[0].key if effects else told[1] if told and told[0] else ""
    if not key:
        return
    start, stop = sentence.tokens[cue.first].start, cause.stop
    reasons = [fact for fact in bench.known.about(cause.named.names_of(PROBLEM)) if fact.present]
    fields = {fact.field for fact in effects}
    if cause.is_drug:
        if "reaction" not in fields or not _is_allergen(bench, cause):
            bench.add(sentence, start, stop, c.CAUSALITY, c.INVENTED, key, "no such cause is stated")
    elif any(fact.field == "diagnosis" for fact in reasons) and fields != {"problems"}:
        bench.add(sentence, start, stop, c.CAUSALITY, c.RIGHT, "diagnosis", "the diagnosis explains it")
    elif reasons or (cause.is_a(PROCEDURE) and bench.known.done(cause.named.names_of(PROCEDURE))):
        bench.add(sentence, start, stop, c.CAUSALITY, c.INVENTED, key, "no such cause is stated")


def _is_joined(sentence: Sentence, cue: Cue, effect: Mention, cause: Mention) -> bool:
    """Whether a cue of cause stands between two names with hardly a word more; "from" only before a drug."""
    if "," in sentence.text[sentence.tokens[cue.end - 1].end : cause.start]:
        return False
    spelt = sentence.words_of(cue).lower()
    if "cause_strict" not in cue.senses:
        return spelt == "from" and cause.is_drug and effect.end == cue.first and cause.first - cue.end <= 1
    before = sentence.text[effect.stop : sentence.tokens[cue.first].start]
    if "," in before and (before.strip() != "," or spelt in _ADVERBIAL):
        return False
    return cue.first - effect.end <= _NEAR and cause.first - cue.end <= _NEAR


def _is_allergen(bench: Bench, mention: Mention) -> bool:
    named = {name.lower() for name in mention.named.names_of(DRUG, CLASS, ALLERGEN)}
    substances = {allergy.substance.lower() for allergy in bench.known.patient.allergies or ()}
    return bool(named & substances or {f"{name}s" for name in named} & substances)
