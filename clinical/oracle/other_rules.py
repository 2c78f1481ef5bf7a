"""Judges procedures, services, advice, the way home, smoking and drinking, allergies denied, sex and age."""

from __future__ import annotations

from clinical.lexicon import load_lexicon
from clinical.oracle import claims as c
from clinical.oracle.binding import PASSIVE
from clinical.oracle.claims import Bench
from clinical.oracle.problem_rules import judge_sides
from clinical.oracle.sentence import Mention, Sentence, decades
from clinical.oracle.state import ProcedureFact
from clinical.oracle.surface import ADVICE, PROCEDURE, SERVICE, follows
from clinical.oracle.words import Cue, words

_DONE_AFTER = frozenset(
    ["showed", "revealed", "demonstrated", "shows", "reveals", "showing", "demonstrates", "displayed", "detected"]
)
_ADVISING = frozenset(
    ["encouraged", "counseled", "counselled", "recommended", "instructed", "less", "limit", "moderation"]
)
_BEGUN = frozenset(["began", "begun", "started", "undergoes", "undergoing"])
_ARTICLES = frozenset(["a", "an", "the", "his", "her"])
_OLDEST = 95  # "101 F" is a temperature


def judge_procedure(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """A study or operation: done or planned."""
    names = mention.named.names_of(PROCEDURE)
    facts = [f for f in bench.known.procedures if any(follows(f.name, name) for name in names)]
    done = [f for f in facts if f.field in ("studies", "operations")]
    planned = [f for f in facts if f.field == "plan"]
    if not facts:
        kind = c.NEGATION if mention.absent else c.PROCEDURE
        bench.add_mention(sentence, mention, kind, c.INVENTED, "", "neither done nor planned")
        return
    if mention.absent:
        verdict = c.WRONG if done else c.UNKNOWN
        bench.add_mention(sentence, mention, c.NEGATION, verdict, facts[0].key, "done or planned")
        return
    told = _told(sentence, mention)
    if told == "done" and not done:
        bench.add_mention(sentence, mention, c.PLAN, c.WRONG, planned[0].key, "it is planned, not done")
    elif told == "planned" and not planned:
        bench.add_mention(sentence, mention, c.PLAN, c.WRONG, done[0].key, "it is done, not planned")
    else:
        best = (planned or done)[0] if told == "planned" else (done or planned)[0]
        bench.add_mention(sentence, mention, c.PROCEDURE, c.RIGHT, best.key)
    judge_sides(bench, sentence, mention, _sides(bench, done or facts))


def _sides(bench: Bench, facts: list[ProcedureFact]) -> list[tuple[str, str | None]]:
    """The sides of procedures; a study of no stated side is of the side of the complaint or of what it showed."""
    sides: list[tuple[str, str | None]] = [(fact.key, fact.side) for fact in facts]
    if all(fact.field == "studies" for fact in facts):
        complaint = bench.known.patient.complaint
        sides.append(("complaint", complaint.side))
        sides += [(fact.key, fact.side) for fact in bench.known.problems if fact.field == "studies"]
    return sides


def _told(sentence: Sentence, mention: Mention) -> str | None:
    """Whether the words beside a procedure say that it was done or is to come; ``None`` if neither."""
    before = sentence.between(max(0, mention.first - 4), mention.first)
    after = sentence.between(mention.end, min(mention.end + 3, len(sentence.tokens)))
    if set(after[:2]) & _DONE_AFTER or set(before) & {"underwent", "undergone"}:
        return "done"
    marked = mention.end < len(sentence.tokens) and bool(sentence.gap(mention.end, mention.end).strip())
    stage = _stage_after([] if marked or after[:2] == ["due", "to"] else after) or _stage_before(sentence, mention)
    if stage:
        return stage
    if _is_ordered(sentence, mention):
        return "planned"
    if _is_past_or_begun(sentence, mention):
        return "done"
    gap = sentence.gap(mention.end, mention.end) if mention.end < len(sentence.tokens) else ""
    planned = {"scheduled", "will", "repeat", "planned", "pending", "order", "obtain", "arrange"}
    if set(before) & planned or (set(after) & {"scheduled", "planned", "pending", "will"} and "," not in gap):
        return "planned"
    return None


_IN_STAGE = {"done": "done", "performed": "done", "completed": "done", "undertaken": "done", "carried": "done"}
_TO_COME = {"ordered": "planned", "requested": "planned", "due": "planned", "pending": "planned"}


def _stage_after(after: list[str]) -> str | None:
    """Done or planned by the words right after a procedure: "was carried out", "is due", "to follow"."""
    first, second = (*after, "", "")[:2]
    if "be" in after or first == "to" or (first == "is" and second == "to"):
        return "planned" if {"follow", "be"} & set(after) else None
    if first in PASSIVE or first == "had":  # was ordered: done by now, as likely as not
        return _IN_STAGE.get(second) or _IN_STAGE.get(after[-1]) or (_TO_COME.get(second) if first == "is" else None)
    return _IN_STAGE.get(first) or _TO_COME.get(first)


def _stage_before(sentence: Sentence, mention: Mention) -> str | None:
    """Done or planned by the words right before a procedure: "having had", "status post", "awaiting", "is to have"."""
    at = mention.first
    while at and sentence.tokens[at - 1].low in _ARTICLES:
        at -= 1
    pair, word = sentence.between(max(0, at - 2), at), sentence.between(max(0, at - 1), at)
    if word in (["awaits"], ["awaiting"]) or pair in (["due", "for"], ["to", "undergo"], ["to", "have"]):
        return "planned"
    done = word == ["had"] or pair == ["status", "post"]
    later = word in (["after"], ["following"]) and not (sentence.cues_of("follow_up") or sentence.cues_of("plan"))
    return "done" if done or later else None


_ORDERING = frozenset(["advised", "advise", "recommended", "recommend", "referred", "planned"])
_ORDER_LINKS = frozenset(["of", "on", "to", "for", "undergo", "have", "get", "about", "against", "history", *_ARTICLES])


def _is_ordered(sentence: Sentence, mention: Mention) -> bool:
    """Whether an order (advised, referred, recommended) stands before a procedure with nothing but links between."""
    at = mention.first
    while at and sentence.tokens[at - 1].low in _ORDER_LINKS:
        at -= 1
    return at > 0 and sentence.tokens[at - 1].low in _ORDERING


def _is_past_or_begun(sentence: Sentence, mention: Mention) -> bool:
    """Right after "a history of", or an operation or test right after "began"."""
    at = mention.first
    while at and sentence.tokens[at - 1].low in _ARTICLES:
        at -= 1
    word = sentence.tokens[at - 1].low if at else ""
    past = at > 1 and word == "of" and sentence.tokens[at - 2].low == "history"
    begun = word in _BEGUN and not {"will", "to", "be", "plan", "should"} & set(
        sentence.between(max(0, at - 4), at - 1)
    )
    vaccine = "vaccin" in mention.text.lower()
    return past or (begun and (vaccine or _is_one_event(mention)))


def _is_one_event(mention: Mention) -> bool:
    """A test or an operation, unlike a course of treatment, which may begin with its order."""
    names = mention.named.names_of(PROCEDURE)
    return any(entry.name in names and entry.kind != "therapy" for entry in load_lexicon().procedures)


def judge_service(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """A service that the patient is referred to or follows up with."""
    names = mention.named.names_of(SERVICE)
    facts = [f for f in bench.known.procedures if any(follows(f.name, name) for name in names)]
    referred = [f for f in bench.known.procedures if f.order == "refer"]
    before = sentence.between(max(0, mention.first - 4), mention.first)
    told = "referred" in before and set(before[before.index("referred") + 1 :]) <= {"to", "the", "a", "an"}
    if facts and told and referred and not any(f.order == "refer" for f in facts):
        reason = f"the referral is to {referred[0].name}"
        bench.add_mention(sentence, mention, c.SERVICE, c.WRONG, referred[0].key, reason)
        return
    if facts:
        bench.add_mention(sentence, mention, c.SERVICE, c.RIGHT, facts[0].key)
        return
    stated = [f for f in bench.known.procedures if f.field == "follow_up" or f.order == "refer"]
    verdict = c.WRONG if stated else c.INVENTED
    compared = stated[0].key if stated else ""
    reason = f"it is {stated[0].name}" if stated else "no service is stated"
    bench.add_mention(sentence, mention, c.SERVICE, verdict, compared, reason)


def judge_advice(bench: Bench, sentence: Sentence, mention: Mention) -> None:
    """An instruction."""
    names = mention.named.names_of(ADVICE)
    facts: list[ProcedureFact] = [
        f for f in bench.known.procedures if f.order and any(follows(f.name, name) for name in names)
    ]
    if facts and _is_past_or_begun(sentence, mention):
        bench.add_mention(sentence, mention, c.PLAN, c.WRONG, facts[0].key, "it is advised now, no history")
    elif facts:
        bench.add_mention(sentence, mention, c.PLAN, c.RIGHT, facts[0].key)
    elif mention.absent:
        bench.add_mention(sentence, mention, c.PLAN, c.UNKNOWN, "", "an advice denied")
    else:
        bench.add_mention(sentence, mention, c.PLAN, c.INVENTED, "", "not in the plan")


def judge_cue(bench: Bench, sentence: Sentence, cue: Cue) -> None:
    """Cues that are claims by themselves: smoking, alcohol, disposition, no known allergies, ages in words."""
    start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
    patient = bench.known.patient
    if "no_allergy" in cue.senses:
        verdict = c.RIGHT if patient.allergies == () else c.WRONG if patient.allergies else c.INVENTED
        bench.add(sentence, start, stop, c.NEGATION, verdict, "allergies", "no known allergies")
    for kind, stated in (("smoking", patient.smoking), ("alcohol", patient.alcohol)):
        if kind in cue.senses:
            _judge_habit(bench, sentence, cue, kind, stated)
    if "disposition" in cue.senses and not (len(sentence.words_of(cue)) < 10 and sentence.words_of(cue) == "discharge"):
        _judge_disposition(bench, sentence, cue)
    if "ages" in cue.senses and not _near_relative(sentence, cue.first):
        low, high = words()["ages"][cue.senses["ages"]]
        verdict = c.RIGHT if low <= patient.age <= high else c.WRONG
        bench.add(sentence, start, stop, c.DEMOGRAPHICS, verdict, "age", f"the age is {patient.age}")


def _judge_habit(bench: Bench, sentence: Sentence, cue: Cue, kind: str, stated: str | None) -> None:
    claimed = cue.senses[kind]
    start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
    advised = any(item.order == "advise" and kind[:4] in item.target for item in bench.known.patient.plan)
    before = sentence.between(max(0, cue.first - 3), cue.first)
    alone = len(sentence.cues_of(kind)) == 1
    if _near_relative(sentence, cue.first) or (claimed == "any" and not (alone and stated)):
        return
    if {"no", "denies", "denied", "not", "never"} & set(before[-1:]):
        claimed = {"smoking": "never", "alcohol": "none"}[kind]
    if {"former", "past", "prior", "previous", "quit", "stopped"} & set(before[-1:]) and kind == "smoking":
        claimed = "former"
    clause = sentence.clauses[cue.first]
    after = {
        sentence.tokens[at].low
        for at in range(cue.end, min(cue.end + 4, len(sentence.tokens)))
        if sentence.clauses[at] == clause
    }
    if (
        kind == "smoking"
        and claimed == "current"
        and {"past", "former", "previous", "quit", "stopped", "historical"} & after
    ):
        claimed = "former"
    if {"negative", "none", "never", "denied"} & after:
        claimed = {"smoking": "never", "alcohol": "none"}[kind]
    if claimed == "former" and stated == "current" and "history" in sentence.words_of(cue).lower():
        claimed = "current"  # "a history of smoking" does not say that it is over
    if claimed == stated or (claimed == "any" and stated in ("daily", "occasional")):
        bench.add(sentence, start, stop, c.OTHER, c.RIGHT, kind)
    elif advised and {"advised", "avoid", "stop", "quit", "counseled", "abstain", "cessation", *_ADVISING} & {
        token.low for token in sentence.tokens
    }:
        return
    elif stated is None:
        bench.add(sentence, start, stop, c.OTHER, c.INVENTED, "", f"nothing is stated on {kind}")
    else:
        bench.add(sentence, start, stop, c.OTHER, c.WRONG, kind, f"stated: {stated}")


def _judge_disposition(bench: Bench, sentence: Sentence, cue: Cue) -> None:
    claimed = cue.senses["disposition"]
    start, stop = sentence.tokens[cue.first].start, sentence.tokens[cue.end - 1].end
    patient = bench.known.patient
    stated = patient.disposition
    fits = {
        "admitted": stated in ("admitted", "admitted to intensive care") or patient.setting == "inpatient",
        "discharged": stated in ("discharged home", "discharged to rehabilitation") or None,
    }.get(claimed, claimed == stated)
    if claimed == "discharged" and {"at", "on", "upon", "before", "since", "to"} & set(
        sentence.between(max(0, cue.first - 1), cue.first)
    ):
        return
    if claimed == "admitted to intensive care" and stated == "admitted" and patient.setting == "inpatient":
        fits = False
    if fits:
        compared = "disposition" if stated and claimed.split()[0] == stated.split()[0] else "setting"
        bench.add(sentence, start, stop, c.CHANGE, c.RIGHT, compared)
    elif stated is None:
        bench.add(sentence, start, stop, c.CHANGE, c.INVENTED, "", "no disposition is stated")
    else:
        bench.add(sentence, start, stop, c.CHANGE, c.WRONG, "disposition", f"stated: {stated}")


def _near_relative(sentence: Sentence, at: int) -> bool:
    return any("relative" in cue.senses and 0 <= at - cue.end <= 4 for cue in sentence.cues)


def judge_sex(bench: Bench, sentences: list[Sentence]) -> None:
    """Nouns and pronouns of the other sex count once; those after a relative may be the relative's."""
    patient = bench.known.patient
    table = words()
    told: dict[str, None] = {}
    for sentence in sentences:
        relative_from = min((cue.first for cue in sentence.cues_of("relative")), default=len(sentence.tokens))
        for at, token in enumerate(sentence.tokens):
            if at > relative_from:
                break
            sex = next(
                (
                    sex
                    for sex, kinds in (("male", ("male", "he")), ("female", ("female", "she")))
                    if any(token.low in table[kind] for kind in kinds)
                ),
                None,
            )
            if sex is None or (len(token.low) == 1 and not _is_sex_letter(sentence, at)) or sex in told:
                continue
            told[sex] = None
            verdict = c.RIGHT if sex == patient.sex else c.WRONG
            reason = "" if verdict == c.RIGHT else f"the patient is {patient.sex}"
            bench.add(sentence, token.start, token.end, c.DEMOGRAPHICS, verdict, "sex", reason)


def _is_sex_letter(sentence: Sentence, at: int) -> bool:
    """M or F right after the age: "67 M", "67 yo F"."""
    before = sentence.between(max(0, at - 2), at)
    upper = sentence.text[sentence.tokens[at].start].isupper()
    aged = bool(before) and before[-1].isdigit() and int(before[-1]) < _OLDEST
    return upper and bool(before) and (aged or before[-1] in ("yo", "old", "o"))


def judge_decades(bench: Bench, sentence: Sentence) -> None:
    """Ages by the decade: in his 60s."""
    age = bench.known.patient.age
    for start, stop, decade in decades(sentence.text):
        verdict = c.RIGHT if decade <= age < decade + 10 else c.WRONG
        bench.add(sentence, start, stop, c.DEMOGRAPHICS, verdict, "age", f"the age is {age}")
