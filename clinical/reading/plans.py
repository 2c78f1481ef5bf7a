"""Where a patient goes, and whether a study was done or is only planned, as a text tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import PROCEDURE, find_mentions
from clinical.sentences import sentence_spans, small_letters

ADMITTED, INTENSIVE, OBSERVED = "admitted", "intensive", "observed"
HOME, REHABILITATION = "home", "rehabilitation"
# What the note may say where a summary says the key. One admits to intensive care, and some for observation.
AGREES = {
    ADMITTED: (ADMITTED, INTENSIVE, OBSERVED),
    INTENSIVE: (INTENSIVE,),
    OBSERVED: (OBSERVED, ADMITTED),
    HOME: (HOME,),
    REHABILITATION: (REHABILITATION,),
}
DONE, PLANNED = "done", "planned"

_ICU = r"(?:the )?(?:icu|intensive care(?: unit)?|critical care)"
_REHAB = r"(?:an? )?(?:inpatient )?rehab(?:ilitation)?\b"
_OUT = r"(?:discharged?|d/?c(?:['’]?d)?|sent|released|allowed|transfer(?:red)?)"
_TO_HOME = rf"{_OUT}(?: (?:was|is|to|back|her|his|their))* home"
_WORDS = {
    INTENSIVE: rf"(?:admi(?:t|ts|tted|ssion)|goes|went|taken|transferred)(?: to)? {_ICU}|"
    rf"(?:icu|intensive care) admission|(?:dispo|disposition): (?:admit(?:ted)? )?(?:to )?{_ICU}",
    REHABILITATION: rf"{_OUT}(?: (?:was|is|on|to|discharge))* {_REHAB}|(?:goes|went)(?: on)? to {_REHAB}|"
    rf"(?:dispo|disposition): (?:to )?{_REHAB}|disposition (?:is|was) to {_REHAB}",
    HOME: rf"{_TO_HOME}|(?:go(?:es|ing)?|went|returns|returned|left for) home|now (?:back )?home|"
    rf"disposition (?:is|was) (?:to )?home|(?:dispo|disposition): (?:d/c )?home|(?<=\n)home\.|(?<=[.;] )home\.",
    OBSERVED: r"(?:kept|placed|held|keeping|stays?|stayed|remained)(?: him| her)? (?:under|for|in) "
    r"(?:obs\b|observation)|(?:obs|observation) (?:status|stay)|(?:dispo|disposition): obs(?:ervation)?|"
    r"(?:is|was) observed\b(?! (?:on|in|with))|"
    r"(?:an? )?(?:period of )?observation (?:is|was)? ?(?:arranged|chosen|the disposition|as the disposition)",
    ADMITTED: r"(?:admitted|hospitali[sz]ed)(?! to (?!the (?:hospital|ward|floor)|hospital|floor))|"
    r"admit(?:s|ted)?(?: (?:him|her))? to (?:the )?(?:hospital|floor|ward|medicine)|"
    r"(?:dispo|disposition): admit(?:ted)?(?! to (?:the )?(?:ICU|intensive|critical))|(?<=[.;] )admit\.|"
    r"(?:hospital |inpatient )?admission (?:is |was )?(?:arranged|decided on|(?:as )?the disposition)|"
    r"(?:now an|as an) inpatient|goes to the hospital ward",
}
_PLACE = re.compile(  # of a text in small letters
    rf"(?<![\w-])(?:{'|'.join(f'(?P<{kind}>{words})' for kind, words in _WORDS.items())})"
)
# What may tell of the place in words that are not read. At home one also has medicines and measures one's sugar; "obs"
# before figures are vital signs, and "d/c" may stand for a medicine that was stopped.
_MAY_TELL_PLACE = re.compile(
    r"\bhome\b(?! ?(?:rx|meds?|medic\w+|regimen|list|drugs?|dose|insulin|o2|oxygen|bp|bg|blood|glucose|sugars?|"
    r"monitoring|exercises?))(?<!at home)|"
    r"\bdischarg|\badmi(?:t|ss)|\bobs\b(?!:? (?:bp|hr|p|t|rr?|temp\w*|pulse|sats?|spo2|o2|oxygen|"
    r"heart|resp\w*|body|bmi)\b)|\bobserv|\bICU\b|\bintensive|"
    r"\brehab|(?<!- )\bd/?c\b(?! (?:d/t|due)\b)|\bdispo(?!sition and plan)|(?<!came to )(?<!came to the )"
    r"(?<!presented to )(?<!presented to the )\bhospital|\bward\b|"
    r"\bfloor\b|\binpatient|\btransfer|\bemergency|\bnursing\b|\bhospice",
    re.IGNORECASE,
)
_NOT_NOW = re.compile(r"\b(?:not|never|if|previously|last|ago|refused|declined)\b[^.;]{0,20}$", re.IGNORECASE)

_TO_DO = (
    r"obtain(?:ed)?|arrang(?:e|ed|ing)|order(?:ed)?|schedul(?:e|ed)|request(?:ed)?|get|"
    r"plans?(?: for| to (?:obtain|get|have|do))?|planned for|"
    r"will (?:have|undergo|get|obtain)|(?:is|due) to (?:have|undergo|get)|due for|awaits?|awaiting|pending"
)
_PLANNED_BEFORE = re.compile(rf"\b(?<!was )(?<!we )(?:{_TO_DO})\s+(?:an?\s+|the\s+|his\s+|her\s+)*$", re.IGNORECASE)
_PLANNED_AFTER = re.compile(
    r"\s*(?:is|are|was|to be|will be|has been)?\s*(?:planned|ordered|due\b|requested|pending|scheduled|to follow|"
    r"to be (?:done|obtained)|will (?:follow|be (?:done|obtained|carried out)))",
    re.IGNORECASE,
)
_DONE_BEFORE = re.compile(
    r"\b(?:underwent|undergone|had had|s/p|status post|had|having had|following|performed|carried out)\s+"
    r"(?:an?\s+|the\s+|left\s+|right\s+)*$",
    re.IGNORECASE,
)
_DONE_AFTER = re.compile(
    r"\s*(?:,\s*)?(?:(?:which|that|also|on \w+)\s+)*(?:show(?:s|ed|ing)?|reveal(?:s|ed|ing)?|demonstrat(?:es|ed|ing)|"
    r"found|finds|identif(?:ies|ied|ying)|disclos(?:es|ed|ing)|document(?:s|ed|ing)|"
    r"(?:(?:is|was|were)\s+)?(?:notable|remarkable|positive|negative|sig|neg|pos|significant)\b|"
    r"(?:was|were|had been)\s+(?:done|performed|carried out|completed|undertaken|obtained|read as|reported as|without)|"
    r"(?:done|performed|completed|obtained)\b|w/|:\s)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Place:
    """Where the patient goes, told by the words at ``text[start:end]``."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Stage:
    """A procedure that was done or is planned; ``text[start:end]`` names it."""

    start: int
    end: int
    procedure: str
    kind: str


@lru_cache(maxsize=512)
def find_places(text: str) -> tuple[Place, ...]:
    """All places to which the patient goes at the end of this visit or stay."""
    places = []
    for match in _PLACE.finditer(small_letters(text)):
        if not _NOT_NOW.search(text[max(0, match.start() - 40) : match.start()]):
            kind = next(kind for kind in _WORDS if match[kind])
            places.append(Place(match.start(), match.end(), kind))
    return tuple(places)


@lru_cache(maxsize=512)
def may_tell_place(text: str) -> bool:
    """Whether a text may say where the patient goes, in whatever words."""
    return bool(find_places(text) or _MAY_TELL_PLACE.search(text))


@lru_cache(maxsize=512)
def find_stages(text: str) -> tuple[Stage, ...]:
    """Every named procedure whose stage the words beside it tell."""
    stages = []
    mentions = [m for m in find_mentions(text) if m.concept.kind == PROCEDURE]
    for span in sentence_spans(text):
        for mention in (m for m in mentions if span.start <= m.start < span.end):
            lead = text[span.start : mention.start]
            planned = _PLANNED_BEFORE.search(lead) or _PLANNED_AFTER.match(text, mention.end, span.end)
            done = _DONE_BEFORE.search(lead) or _DONE_AFTER.match(text, mention.end, span.end)
            if bool(planned) != bool(done):
                kind = PLANNED if planned else DONE
                stages.append(Stage(mention.start, mention.end, mention.concept.name, kind))
    return tuple(stages)
