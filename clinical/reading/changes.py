"""What a text says was done with a medicine: started, stopped or held, resumed, continued, raised, lowered.

Only words that stand right before or after the medicine count; a text may say several of one medicine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import DRUG, Mention, find_mentions
from clinical.reading.assertion import LISTED
from clinical.sentences import sentence_spans

STARTED, STOPPED, RAISED, LOWERED = "started", "stopped", "raised", "lowered"
CONTINUED, RESUMED = "continued", "resumed"
TAKEN = "taken"  # on a list of what the patient takes, with no word on a change
# What cannot be said where the note says only these of the same medicine.
CONTRARY = {
    STARTED: (STOPPED, CONTINUED, TAKEN, RAISED, LOWERED),
    STOPPED: (STARTED, CONTINUED, RESUMED, RAISED, LOWERED),
    CONTINUED: (STARTED, STOPPED),
    RESUMED: (STOPPED, STARTED),
    RAISED: (LOWERED, STOPPED, STARTED),
    LOWERED: (RAISED, STOPPED, STARTED),
    TAKEN: (),
}

# What is put on hold is not put on: stopping is looked for first.
_WORDS = {
    STOPPED: r"stop(?:s|ped|ping)?|discontinu(?:e|ed|es|ing|ation)|d/c(?:['’]?e?d)?|(?:put|placed) on hold|on hold|"
    r"holds? placed on|held|hold(?:s|ing)?|withh(?:eld|old|olds|olding)|paus(?:e|ed|es|ing)|suspend(?:s|ed|ing)?|"
    r"ceas(?:e|es|ed|ing)|(?:came|comes|come|coming|taken|took|goes|went) off|off|withdr(?:ew|awn)|"
    r"no longer (?:on|takes?|taking|uses?)|interrupt(?:s|ed|ing|ion)?|suspension|drop(?:s|ped)|ended",
    RESUMED: r"resum(?:e|ed|es|ing)|re-?start(?:s|ed|ing)?|re-?initiat(?:e|ed|es|ing)",
    CONTINUED: r"continu(?:e|ed|es|ing|ation)|kept on|keeps? on|maintain(?:ed)?(?: on)?|remain(?:s|ed|ing)? on|"
    r"stay(?:s|ed|ing)? (?:on|in place|as before)|carr(?:y|ies|ied) on(?: with)?|"
    r"still (?:on|taking|takes?)|ongoing|unchanged|as before",
    STARTED: r"start(?:s|ed|ing)?|beg[aiu]n(?:s|ning)?|initiat(?:e|ed|es|ing|ion)|add(?:s|ed|ing)?|"
    r"commenc(?:e|es|ed|ing)|introduc(?:e|es|ed|ing)|"
    r"new(?:ly)?(?: placed on| put on| prescribed| rx| med(?:ication)?s?)?|(?:put|placed) on(?! hold)|"
    r"prescrib(?:e|es|ed|ing)",
    RAISED: r"increas(?:e|es|ed|ing)|incr|rais(?:e|es|ed|ing)|up-?titrat(?:e|es|ed|ing)|(?:stepp|turn)ed up|"
    r"(?:went|goes|going|gone) up on|dose (?:went|goes|has gone) up|escalat(?:e|es|ed|ing)",
    LOWERED: r"decreas(?:e|es|ed|ing)|decr|reduc(?:e|es|ed|ing|tion)|lower(?:s|ed|ing)?|cut|"
    r"down-?titrat(?:e|es|ed|ing)|taper(?:s|ed|ing)?|stepped down|scaled back|turned down|"
    r"(?:went|goes|going|gone) down on|dose (?:went|goes|has gone) down",
}
_PAUSE = re.compile(r"hold|held|paus|suspen|interrupt", re.IGNORECASE)
_FOR_NOW = re.compile(r"\b(?:for now|temporar\w+|until|till|while|short[- ]term|briefly)\b", re.IGNORECASE)
_NEXT_TO = 60  # characters after a change in which it may be called temporary
CHANGE_WORDS = "|".join(_WORDS.values())
_KIND = "|".join(rf"(?P<{kind}>{words})" for kind, words in _WORDS.items())
_AMOUNT = r"\(?(?<![\d.,/])\d[\d.,/]*(?![\d.,/])(?:\s?(?:mg|mcg|µg|units?|mEq|mL|g|%))?\)?"
_FILLER = (
    r"(?:\s|:|\b(?:on|the|an?|of|with|his|her|their|home|usual|dose|to take|taking|use|treatment|therapy|oral|in)\b|"
    rf"{_AMOUNT})*"
    r"(?:\bthe\s+(?:(?!and\b|or\b)[\w-]+\s+){1,4})?"  # starts the loop diuretic torsemide
)
_BEFORE = re.compile(rf"(?<![\w-])(?:{_KIND}){_FILLER}$", re.IGNORECASE)
_AFTER = re.compile(
    rf"\s*(?:{_AMOUNT}\s*)?(?:doses?\s+)?(?:,\s*(?:previously|formerly|before|until now|earlier)\s*{_AMOUNT}\s*,\s*)?"
    rf"(?:(?:orally|po|daily|once|twice|a day|prn|when needed|as needed|bid|tid|qd|q\d+h|every \w+ hours)\s*)*"
    rf"[:(–-]?\s*(?:(?:was|is|were|are|has been|have been|being|been|"
    rf"will be|has gone|to be|newly|now|also|then|temporarily)\s+)*"
    rf"(?:{_KIND})(?![\w-])",
    re.IGNORECASE,
)
# The old and the new dose tell the direction without a word: 16 -> 22 units; now 20 mg, was 10 mg.
_PER_DAY = r"(?:\s*(?:daily|once daily|twice daily|bid|tid|qd|qhs|at bedtime|po))*"
_DOSE = r"(\d+(?:\.\d+)?)\s?(?:mg|mcg|g|units?|mEq|mL|%)?"
_OLD_TO_NEW = re.compile(rf"\s*:?\s*(?:from\s+)?{_DOSE}\s*(?:-+>|→|\bto\b)\s*{_DOSE}", re.IGNORECASE)
_NEW_THEN_OLD = re.compile(
    rf"\s*:?\s*(?:is\s+|now\s+|(?:up|down)\s+to\s+)*{_DOSE}{_PER_DAY}[\s,;(]*"
    r"(?:(?:up|down|increased|raised|decreased|reduced|lowered)\s+)?"
    rf"(?:was|from|previously|prev|formerly|instead of|before this)\s+{_DOSE}",
    re.IGNORECASE,
)
_BETWEEN_ITEMS = re.compile(rf"\s*(?:{_AMOUNT})?\s*")
# A list of what is taken, at the start of its sentence or line: "Home meds:", "She takes".
_LIST_OF_TAKEN = re.compile(
    r"\W*(?:at home,?\s+)?(?:(?:s?he|the patient|patient|pt|this \w+|his|her|current|usual|home|regular|prior|outpt|"
    r"outpatient|prescribed|past|existing)\s+)*(?:(?:is|was)\s+)?"
    r"(?:meds?|medications?|medicines?|rx|regimen|takes?|taking|uses?|maintained on|treated with|(?<=is )on|on(?=:))\b",
    re.IGNORECASE,
)
# "stopped smoking; started on", "without new": who denies or only plans it does not do it.
_OWN_WORDS = re.compile(
    rf"\s*(?:{_AMOUNT}\s*)?(?:every \w+ hours\s*|when needed\s*)?(?:[:–-]\s|\b(?:was|is|were|are|has|had|will)\b)",
    re.IGNORECASE,
)
_NOT_DONE = re.compile(
    r"\b(?:not|never|without|if|consider(?:ed|ing)?|declined|refused|may|might)\s+(?:to\s+)?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Change:
    """What was done with a medicine, told by the words at ``text[start:end]``."""

    start: int
    end: int
    drug: str
    kind: str


@lru_cache(maxsize=512)
def find_changes(text: str) -> tuple[Change, ...]:
    """All changes in order of the medicines."""
    mentions = [mention for mention in find_mentions(text) if mention.concept.kind == DRUG]
    changes: list[Change] = []
    for span in sentence_spans(text):
        inside = [m for m in mentions if span.start <= m.start < span.end]
        taken = _LIST_OF_TAKEN.match(text, span.start, span.end)
        previous: Mention | None = None
        led: Change | None = None  # what stands before the first of a list holds for all of it
        for mention in inside:
            begin = previous.end if previous else span.start
            found = _BEFORE.search(text, begin, mention.start)
            after = _AFTER.match(text, mention.end, span.end)
            if found and not _NOT_DONE.search(text[: found.start()][-20:]):
                led = _change(found, mention)
            elif not (led and previous and _goes_on(text, previous.end, mention.start)):
                led = None
            if after:
                changes.append(_change(after, mention))
            elif found is None and (by_dose := _by_dose(text, mention, span.end)):
                changes.append(by_dose)
            elif led and not _OWN_WORDS.match(text, mention.end, span.end):
                changes.append(Change(led.start, led.end, mention.concept.name, led.kind))
            elif taken:
                changes.append(Change(mention.start, mention.end, mention.concept.name, TAKEN))
            previous = mention
    return tuple(changes)


def is_pause(text: str, change: Change) -> bool | None:
    """Whether what is stopped is only held; None for other changes, and where "for now" makes a stop the same."""
    if change.kind != STOPPED:
        return None
    if _PAUSE.search(text, change.start, change.end):
        return True
    return None if _FOR_NOW.search(text, change.end, change.end + _NEXT_TO) else False


def _by_dose(text: str, mention: Mention, end: int) -> Change | None:
    order = _OLD_TO_NEW.match(text, mention.end, end)
    reverse = None if order else _NEW_THEN_OLD.match(text, mention.end, end)
    doses = order or reverse
    if doses is None:
        return None
    old, new = (float(doses[1]), float(doses[2])) if order else (float(doses[2]), float(doses[1]))
    if old == new:
        return None
    return Change(doses.start(1), doses.end(2), mention.concept.name, RAISED if new > old else LOWERED)


def _change(found: re.Match[str], mention: Mention) -> Change:
    kind = next(kind for kind in _WORDS if found[kind])
    return Change(found.start(kind), found.end(kind), mention.concept.name, kind)


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether nothing but an amount and a comma or an "and" stands between two items of a list."""
    amount = _BETWEEN_ITEMS.match(text, start, end)
    return bool(LISTED.fullmatch(text, amount.end() if amount else start, end))
