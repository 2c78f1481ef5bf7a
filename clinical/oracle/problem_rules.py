"""Judges conditions and findings: present or denied, whose, how sure, since when past, on which side, how it went."""

from __future__ import annotations

import re

from clinical.oracle import claims as c
from clinical.oracle.claims import Bench
from clinical.oracle.levels import level_claim
from clinical.oracle.role_rules import role_error
from clinical.oracle.sentence import Mention, Sentence
from clinical.oracle.state import PATIENT, Known, ProblemFact
from clinical.oracle.surface import PROBLEM, PROCEDURE, follows, word_bags
from clinical.oracle.words import Cue, Token, forms, words
from clinical.sentences import word_key


def judge_problem(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """All claims that one mention of a condition or finding makes."""
    known = bench.known
    names = mention.named.names_of(PROBLEM)
    facts = known.about(names)
    if mention.who != PATIENT:
        _judge_relative(bench, sentence, mention, facts)
        return
    own = [fact for fact in facts if fact.who == PATIENT]
    present = [fact for fact in own if fact.present]
    absent = [fact for fact in (*own, *known.wider(names)) if not fact.present and fact.who == PATIENT]
    if mention.absent:
        _judge_denied(bench, sentence, mention, present, absent)
    elif present:
        _judge_present(bench, sentence, mention, present, absent)
    else:
        _judge_unsupported(bench, sentence, mention, facts, absent)


def _judge_relative(bench: Bench, sentence: Sentence, mention: Mention, facts: list[ProblemFact]) -> None:
    wider = words()["relative_wider"]
    family = [fact for fact in facts if fact.who != PATIENT]
    fitting = [f for f in family if mention.who in ("any", f.who, *wider.get(f.who, ()), *f.who.split())]
    if mention.absent:
        verdict, kind = (c.WRONG, c.NEGATION) if fitting else (c.INVENTED, c.NEGATION)
        if not bench.known.patient.family:
            verdict = c.INVENTED
        bench.add_mention(sentence, mention, kind, verdict, fitting[0].key if fitting else "", "family history denied")
    elif fitting:
        bench.add_mention(sentence, mention, c.CONDITION, c.RIGHT, fitting[0].key, "family history")
    elif family:
        bench.add_mention(sentence, mention, c.EXPERIENCER, c.WRONG, family[0].key, f"it is the {family[0].who}'s")
    elif any(fact.present for fact in facts):
        fact = next(fact for fact in facts if fact.present)
        bench.add_mention(sentence, mention, c.EXPERIENCER, c.WRONG, fact.key, "it is the patient's own")
    else:
        bench.add_mention(sentence, mention, c.EXPERIENCER, c.INVENTED, "", "no such family history")


def _judge_denied(
    bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact], absent: list[ProblemFact]
) -> None:
    if absent:
        bench.add_mention(sentence, mention, c.NEGATION, c.RIGHT, absent[0].key, "stated as absent")
        return
    told = level_claim(bench.known, mention)
    if present:
        fact = present[0]
        if all(f.status == "resolved" for f in present) or _outcome_of(bench.known, present) == "resolved":
            bench.add_mention(sentence, mention, c.NEGATION, c.RIGHT, fact.key, "it has resolved")
        elif all(f.field == "reaction" for f in present):
            bench.add_mention(sentence, mention, c.NEGATION, c.INVENTED, fact.key, "named only as a reaction")
        elif all(f.field in ("reason", "reaction") for f in present):
            bench.add_mention(sentence, mention, c.NEGATION, c.UNKNOWN, fact.key, "named only as a reason")
        else:
            bench.add_mention(sentence, mention, c.NEGATION, c.WRONG, fact.key, "stated as present")
    elif told is not None and told[0] is not None:
        verdict = c.RIGHT if not told[0] else c.WRONG
        bench.add_mention(sentence, mention, c.NEGATION, verdict, told[1], "by the value")
    else:
        bench.add_mention(sentence, mention, c.NEGATION, c.INVENTED, "", "never said to be absent")


def _judge_unsupported(
    bench: Bench, sentence: Sentence, mention: Mention, facts: list[ProblemFact], absent: list[ProblemFact]
) -> None:
    told = level_claim(bench.known, mention)
    family = [fact for fact in facts if fact.who != PATIENT]
    ruled_out = [fact for fact in absent if fact.field == "ruled out"]
    if mention.neutral or (mention.soft and ruled_out):
        verdict = c.RIGHT if ruled_out else c.UNKNOWN
        bench.add_mention(sentence, mention, c.CERTAINTY, verdict, absent[0].key if absent else "", "only considered")
    elif told is not None and told[0]:
        bench.add_mention(sentence, mention, c.NUMBER, c.RIGHT, told[1], "by the value and its reference range")
    elif told is not None and told[0] is False and not absent:
        bench.add_mention(sentence, mention, c.NUMBER, c.WRONG, told[1], "by the value and its reference range")
    elif absent:
        kind = c.CERTAINTY if ruled_out and mention.suspected else c.NEGATION
        bench.add_mention(sentence, mention, kind, c.WRONG, absent[0].key, "stated as absent")
    elif family:
        bench.add_mention(sentence, mention, c.EXPERIENCER, c.WRONG, family[0].key, f"it is the {family[0].who}'s")
    elif repaired := _repaired(bench, mention):
        bench.add_mention(sentence, mention, c.CONDITION, c.RIGHT, repaired, "what was operated on")
    else:
        bench.add_mention(sentence, mention, c.CONDITION, c.INVENTED, "", "not in the state")


def _repaired(bench: Bench, mention: Mention) -> str:
    """The operation that a past problem follows from: a history of a hernia, of which the repair is stated."""
    names = {f"{name} repair" for name in mention.named.names_of(PROBLEM)} if mention.past else set()
    return next((f.key for f in bench.known.procedures if f.field == "operations" and f.name in names), "")


def _judge_present(
    bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact], absent: list[ProblemFact]
) -> None:
    exact = [fact for fact in present if fact.name in mention.named.names_of(PROBLEM)]
    denied = [fact for fact in absent if fact.name in mention.named.names_of(PROBLEM)]
    best = (exact or present)[0]
    if denied and not exact:
        bench.add_mention(sentence, mention, c.NEGATION, c.WRONG, denied[0].key, "stated as absent")
        return
    problem = _certainty_error(bench, sentence, mention, present) or _status_error(mention, present)
    if problem:
        bench.add_mention(sentence, mention, c.CERTAINTY, c.WRONG, best.key, problem)
    elif misplaced := role_error(bench.known, sentence, mention, present):
        bench.add_mention(sentence, mention, c.ROLE, c.WRONG, best.key, misplaced)
    else:
        bench.add_mention(sentence, mention, c.CONDITION, c.RIGHT, best.key)
        bench.stated.update(fact.key for fact in present)
    _judge_study(bench, sentence, mention, present)
    if mention.flare:
        _judge_flare(bench, sentence, mention, present)
    _judge_sides(bench, sentence, mention, present)
    _judge_course(bench, sentence, mention, present)


def _certainty_error(bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> str | None:
    told = [fact for fact in present if fact.certainty]
    if not told:
        return None
    suspected = [fact for fact in told if fact.certainty == "suspected"]
    if mention.suspected and not suspected:
        return "it is confirmed"
    elsewhere = [fact for fact in present if fact not in told and fact.field != "reason"]
    if suspected and not elsewhere:
        key = suspected[0].key
        if mention.suspected or sentence.cues_of("suspected_before") or sentence.cues_of("suspected_after"):
            bench.hedged.add(key)
        elif _is_treated_before(bench.known, mention, suspected):
            return None
        elif key not in bench.hedged and not (mention.soft or mention.neutral):
            return "it is only suspected"
    return None


_TAKEN_FOR_IT = ("continued", "increased", "decreased")


def _is_treated_before(known: Known, mention: Mention, suspected: list[ProblemFact]) -> bool:
    """A history of gout, of which only the present attack is suspected: a drug was taken for it before."""
    names = [fact.name for fact in suspected]
    return mention.past and any(use.reason in names and use.change in _TAKEN_FOR_IT for use in known.patient.drugs)


def _status_error(mention: Mention, present: list[ProblemFact]) -> str | None:
    """Told as active though it has resolved, or the other way; "a history of" what is present is loose, not wrong."""
    fields = {fact.field for fact in present}
    resolved = [fact for fact in present if fact.status == "resolved"]
    if resolved and mention.active and len(resolved) == len(present):
        return "it has resolved"
    if mention.resolved and not resolved and fields <= {"problems", "diagnosis"} and not mention.outcomes:
        return "it is active"
    return None


def _judge_study(bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> None:
    """A finding of one study told of another, or of an operation."""
    if any(fact.study is None for fact in present):
        return
    studied = [fact.name for fact in bench.known.procedures if fact.order not in ("refer", "advise")]
    studies = [
        m
        for m in sentence.mentions
        if any(follows(own, name) for own in studied for name in m.named.names_of(PROCEDURE))
    ]
    names = [name for study in studies for name in study.named.names_of(PROCEDURE)]
    near = [m for m in studies if m.end <= mention.first <= m.end + 6 or mention.end <= m.first <= mention.end + 3]
    own = present[0].study or ""
    following = sentence.between(mention.end, min(mention.end + 1, len(sentence.tokens)))
    if set(following) & {"on", "by", "via"} and not any(mention.end <= m.first <= mention.end + 3 for m in near):
        return  # on a study of a name that is not read
    if near and not any(follows(fact.study or "", name) for fact in present for name in names):
        bench.add_mention(sentence, near[0], c.ROLE, c.WRONG, f"studies: {own}", f"it is a finding of {own}")


def _judge_flare(bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> None:
    cue = mention.flare
    assert cue is not None
    acute = [fact for fact in present if fact.acute]
    stated = [fact for fact in present if fact.field in ("diagnosis", "problems")]
    if acute:
        _add_cue(bench, sentence, cue, c.CONDITION, c.RIGHT, "diagnosis: acute", "a flare")
    elif stated:
        _add_cue(bench, sentence, cue, c.CONDITION, c.INVENTED, stated[0].key, "no flare is stated")


def _judge_sides(bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> None:
    """The side of a problem; that of a diagnosis is the side of what it explains: gout of the left ankle."""
    known = [(fact.key, fact.side) for fact in present]
    if not any(side for _, side in known):
        complaint = bench.known.patient.complaint
        if any(fact.field == "diagnosis" for fact in present):
            known.append(("complaint", complaint.side))
        parts = {token.key for _, side in mention.sides for token in _words_after(sentence, side)}
        parts &= {word_key(part) for part in forms()["body_parts"]}
        for fact in bench.known.problems:
            if fact.side and any(parts & set(bag) for bag in word_bags(fact.name)):
                known.append((fact.key, fact.side))
    judge_sides(bench, sentence, mention, known)


def _words_after(sentence: Sentence, side: Token) -> list[Token]:
    at = sentence.tokens.index(side)
    return sentence.tokens[at + 1 : at + 3]


def judge_sides(bench: Bench, sentence: Sentence, mention: Mention, known: list[tuple[str, str | None]]) -> None:
    """The sides said of a mention against the sides that the state gives the same thing."""
    said = {side for side, _ in mention.sides}
    if {"left", "right"} <= said:
        said = {"bilateral"}
    for side, token in mention.sides:
        claimed = side if side in said else "bilateral"
        if any(claimed in key.split() or (claimed == "bilateral" and "bibasilar" in key) for key, _ in known):
            continue  # a part of the name: right bundle branch block
        stated = [(key, known_side) for key, known_side in known if known_side]
        fitting = next((key for key, known_side in stated if known_side == claimed), None)
        if fitting:
            bench.add(sentence, token.start, token.end, c.LATERALITY, c.RIGHT, f"{fitting} side")
        elif stated:
            reason = f"the side is {stated[0][1]}"
            bench.add(sentence, token.start, token.end, c.LATERALITY, c.WRONG, f"{stated[0][0]} side", reason)
        else:
            compared = f"{known[0][0]} side" if known else ""
            bench.add(sentence, token.start, token.end, c.LATERALITY, c.INVENTED, compared, "no side is stated")


def _judge_course(bench: Bench, sentence: Sentence, mention: Mention, present: list[ProblemFact]) -> None:
    """How a problem goes or went: a course of the complaint, an outcome under treatment, or a flare."""
    said: dict[tuple[int, int], tuple[Cue, set[str], set[str]]] = {}
    for value, cue in mention.courses:
        said.setdefault((cue.first, cue.end), (cue, set(), set()))[1].add(value)
    for value, cue in mention.outcomes:
        said.setdefault((cue.first, cue.end), (cue, set(), set()))[2].add(value)
    patient = bench.known.patient
    courses = {fact.course for fact in present if fact.course}
    for m in sentence.mentions:  # "worsening dyspnea and cough": the course of one is the course of the list
        if patient.complaint.course and patient.complaint.finding in m.named.names_of(PROBLEM):
            courses.add(patient.complaint.course)
    outcome = _outcome_of(bench.known, present)
    for cue, course_values, outcome_values in said.values():
        if course_values & courses:
            _add_cue(bench, sentence, cue, c.OTHER, c.RIGHT, "complaint course")
        elif outcome in outcome_values:
            _add_cue(bench, sentence, cue, c.CHANGE, c.RIGHT, "outcome")
        elif "worsening" in course_values and any(fact.acute for fact in present):
            _add_cue(bench, sentence, cue, c.CONDITION, c.RIGHT, "diagnosis: acute", "a flare")
        elif "improved" in outcome_values and "improving" in courses:
            _add_cue(bench, sentence, cue, c.OTHER, c.RIGHT, "complaint course")
        elif "resolved" in outcome_values and any(fact.status == "resolved" for fact in present):
            _add_cue(bench, sentence, cue, c.CERTAINTY, c.RIGHT, present[0].key)
        elif outcome_values and outcome:
            _add_cue(bench, sentence, cue, c.CHANGE, c.WRONG, "outcome", f"it is {outcome}")
        elif course_values and courses:
            _add_cue(bench, sentence, cue, c.OTHER, c.WRONG, "complaint course", f"the course is {sorted(courses)[0]}")
        elif outcome_values:
            _add_cue(bench, sentence, cue, c.CHANGE, c.INVENTED, "", "no outcome of it is stated")
        else:
            _add_cue(bench, sentence, cue, c.OTHER, c.INVENTED, "complaint course", "no such course is stated")


_DIAGNOSIS_CONFIRMED = re.compile(
    r"\bdiagnosis (?:is|was|has been) (?:later |then |now )?(?:confirmed|proven|established|certain|definite)\b", re.I
)


def judge_confirmation(bench: Bench, sentence: Sentence) -> None:
    """ "The diagnosis was confirmed" without naming it: wrong of a diagnosis that is only suspected."""
    diagnosis = bench.known.patient.diagnosis
    for match in _DIAGNOSIS_CONFIRMED.finditer(sentence.text):
        if diagnosis and diagnosis.certainty == "suspected":
            bench.add(sentence, *match.span(), c.CERTAINTY, c.WRONG, "diagnosis", "it is only suspected")


def _outcome_of(known: Known, present: list[ProblemFact]) -> str | None:
    outcome = known.patient.outcome
    if outcome and any(fact.field == "outcome" for fact in present):
        return outcome.outcome
    return None


def _add_cue(
    bench: Bench, sentence: Sentence, cue: Cue, kind: str, verdict: str, compared: str = "", reason: str = ""
) -> None:
    start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
    bench.add(sentence, start, stop, kind, verdict, compared, reason)
