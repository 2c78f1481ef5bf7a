"""Turns a clinical text into comparable claims: what is named, of whom, affirmed or not, how much, on which side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice

from clinical import mentions as lexicon
from clinical.mentions import Concept, Mention, find_mentions
from clinical.numbers import Frequency, Quantity, find_frequencies, find_quantities
from clinical.reading.assertion import AFFIRMED, FAMILY, LISTED, NEGATED, PATIENT, SentenceAssertions
from clinical.sentences import Span, sentence_spans, separable_parts, small_letters, word_key

# The kinds of claims. A symptom or sign counts as a condition, as in the published error taxonomies.
MEDICATION, CONDITION, PROCEDURE = "medication", "condition", "procedure"
DOSE, NUMBER, TIME = "dose", "number", "time"
LATERALITY, DEMOGRAPHICS, NEGATION = "laterality", "demographics", "negation"
# A flu shot is no flu, a cancer screening no cancer.
_ABOUT_SOMETHING_ELSE = re.compile(
    r"[\s-]+(?:vaccin|shot|immuni[sz]|screening|test(?:s|ing)?\b|clinic|prophylaxis|precautions|risk)", re.IGNORECASE
)
_BY_MEANS_OF = re.compile(r"\b(?:on|by|per|via|from|after)\s+(?:an?\s+|the\s+)?$", re.IGNORECASE)
_TYPE_OF_KIND = {
    lexicon.DRUG: MEDICATION,
    lexicon.CONDITION: CONDITION,
    lexicon.FINDING: CONDITION,
    lexicon.PROCEDURE: PROCEDURE,
}
_SIDE = re.compile(r"\b(left|right|bilateral(?:ly)?|both)\b(?:[- ]sided?\b)?", re.IGNORECASE)
_PARTS = (
    "abdomen abdominal ankle arm armpit axilla axillary back breast buttock calf carotid cheek chest clavicle ear "
    "elbow extremity eye eyelid face facial femur fibula finger flank foot forearm forehead frontal groin hand "
    "handed heel hemisphere hip humerus inguinal jaw kidney knee leg limb lobe lung maxillary neck nostril ovary "
    "parietal patella pelvic pelvis quadrant radius renal rib scrotum shin shoulder side testicle testicular "
    "temporal thigh thumb tibia toe tonsil ulna ureter ureteral wrist atrial atrium ventricle ventricular wall "
    "iliac effusion hydronephrosis infiltrate consolidation system"
)
PART_KEYS = frozenset(word_key(part) for part in _PARTS.split())
_SAME_PART = {
    **{"arm": "upper extremity", "leg": "lower extremity", "limb": "extremity", "abdominal": "abdomen"},
    **{"facial": "face", "renal": "kidney", "axillary": "axilla", "ureteral": "ureter", "testicular": "testicle"},
    **{"atrial": "atrium", "ventricular": "ventricle", "pelvic": "pelvis", "inguinal": "groin"},
}
_SIDE_LINK = re.compile(r"\s*(?:\(|(?:only\s+)?(?:on|to|in|at|over)\s+(?:the\s+|his\s+|her\s+)?)", re.IGNORECASE)
_SIDED_KINDS = (lexicon.CONDITION, lexicon.FINDING, lexicon.IMAGING_FINDING)
_PART_REACH = 4  # words after a side in which the part of the body must come: "left upper outer breast"
_BIND_REACH = 40  # characters between a name and its value: "creatinine rose from 1.2 to 2.1"
TITLE = "title"  # what a person is called: tells a sex in a note, but may be another person's in a summary
_SEXES = re.compile(  # of a text in small letters
    r"\b(?:(male|man|gentleman|boy)|(female|woman|lady|girl)|(mr|mister|sir)|(mrs|ms|miss|ma'am))\b"
)
# 47F, 60 y/o M; two digits with a 9 in front may be a temperature.
_AGE_AND_SEX = re.compile(r"[MF]\b(?:(?<=\b[1-8]\d[MF])|(?<=yo [MF])|(?<=y/o [MF]))")
# What comes after a comma and is no word of dosing begins another item: "ibuprofen 800 mg, methocarbamol 750 mg".
_NEXT_ITEM = re.compile(
    r";|(?:,|\band\b|\bor\b|\bplus\b)\s+(?!and|or|now|then|taken|given|with|which|from|rose|risen|fell|fallen|down|was|were|"
    r"increased|decreased|currently|started|previously|orally|oral|dose)[A-Za-z-]{4,}",
    re.IGNORECASE,
)
_DURATION_LINK = re.compile(
    r"[\s,]*(?:\((?:dx['’]?d?|diagnosed|known|resolved,?)?\s*)?"
    r"(?:that |which |has |have |had |been |was |started |began |beginning |lasting |present |ongoing )*"
    r"(?:for|x|of|over|since|lasting)?\s*(?:the |about |approximately |around |past |last |at least )*$",
    re.IGNORECASE,
)
_AGO = re.compile(r"\s+ago\b", re.IGNORECASE)
_HISTORY_OF = re.compile(r"\s*(?:history\s+)?of\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
_DOSE_OF = re.compile(r"\s*(?:tablets?\s+|doses?\s+)?(?:of\s+)?(?:oral\s+|IV\s+|intravenous\s+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """One thing that ``text[start:end]`` says.

    ``about`` is what a value, a side or a frequency belongs to (a concept's name, a part of the body); empty where the
    text does not tell. ``value`` is the side, the sex or the frequency.
    """

    start: int
    end: int
    text: str
    type: str
    concept: Concept | None = None
    polarity: str = AFFIRMED
    subject: str = PATIENT
    quantity: Quantity | None = None
    value: str = ""
    about: str = ""
    tentative: bool = False  # a diagnosis: suspected, likely, not yet confirmed
    confirmed: bool = False  # a diagnosis: confirmed, turned out to have

    def moved(self, distance: int) -> Claim:
        """The same claim, ``distance`` characters further on."""
        return Claim(
            self.start + distance,
            self.end + distance,
            self.text,
            self.type,
            self.concept,
            self.polarity,
            self.subject,
            self.quantity.moved(distance) if self.quantity else None,
            self.value,
            self.about,
            self.tentative,
            self.confirmed,
        )


@lru_cache(maxsize=2048)  # a note is compared with several summaries, and those share most of their sentences
def extract_claims(text: str) -> tuple[Claim, ...]:
    """All claims of a text in order of their position."""
    parts = separable_parts(text)
    if len(parts) > 1:
        starts = accumulate(map(len, parts), initial=0)
        return tuple(c.moved(start) for part, start in zip(parts, starts, strict=False) for c in extract_claims(part))
    mentions, quantities, frequencies = find_mentions(text), find_quantities(text), find_frequencies(text)
    claims = [
        Claim(
            match.start(),
            match.end(),
            text[match.start() : match.end()],
            DEMOGRAPHICS,
            value="male" if match[1] or match[3] else "female",
            about="" if match[1] or match[2] else TITLE,
        )
        for match in _SEXES.finditer(small_letters(text))
    ]
    claims += [
        Claim(match.start(), match.end(), match[0], DEMOGRAPHICS, value="male" if match[0] == "M" else "female")
        for match in _AGE_AND_SEX.finditer(text)
    ]
    spans = sentence_spans(text)
    for index, span in enumerate(spans):
        inside = [m for m in mentions if span.start <= m.start < span.end]
        often = [f for f in frequencies if span.start <= f.start < span.end]
        amounts = [q for q in quantities if span.start <= q.start < span.end]
        taken = [*((m.start, m.end) for m in inside), *((f.start, f.end) for f in often)]
        named = [Span(m.start, m.end) for m in inside]
        if any(m.concept.kind in _TYPE_OF_KIND for m in inside):
            claims += _mention_claims(text, inside, SentenceAssertions(text, span, _answer(text, spans, index), named))
        claims += [_frequency_claim(text, frequency, inside) for frequency in often]
        claims += [
            _amount_claim(text, amount, inside)
            for amount in amounts
            if not any(amount.start < end and start < amount.end for start, end in taken)
        ]
        claims += _side_claims(text, span, inside)
    return tuple(sorted(claims, key=lambda claim: (claim.start, claim.end)))


def _answer(text: str, spans: list[Span], index: int) -> str:
    """The first of the next four sentences that is not itself a question: "Fever? Chills?" share one answer."""
    for span in spans[index + 1 : index + 5]:
        if not text[span.start : span.end].endswith("?"):
            return text[span.start : span.end]
    return ""


def _mention_claims(text: str, mentions: list[Mention], assertions: SentenceAssertions) -> list[Claim]:
    named = [
        mention
        for mention in mentions
        if mention.concept.kind in _TYPE_OF_KIND
        and not _ABOUT_SOMETHING_ELSE.match(text, mention.end)
        and not text[: mention.start].endswith(("anti-", "Anti-"))
    ]
    denied = _denied_together(text, named, assertions)
    claims = []
    before, listed = 0, False
    for mention in named:
        polarity = assertions.polarity(
            mention.start,
            mention.end,
            adjacent=mention.concept.kind in (lexicon.DRUG, lexicon.PROCEDURE),
            alone=len(named) == 1,
            before=before,
            listed=listed,
        )
        if mention.concept.kind == lexicon.PROCEDURE and _BY_MEANS_OF.search(text[: mention.start][-12:]):
            polarity = AFFIRMED  # "no fracture on foot X-ray": the X-ray was taken
        if mention in denied and polarity == AFFIRMED:
            polarity = NEGATED
        before = mention.end
        listed = polarity == NEGATED and mention.concept.kind in (lexicon.DRUG, lexicon.PROCEDURE)
        kind = _TYPE_OF_KIND[mention.concept.kind]
        subject = FAMILY if assertions.about_family else PATIENT
        tentative = assertions.is_tentative(mention.start, mention.end)
        claims.append(
            Claim(
                mention.start,
                mention.end,
                mention.text,
                kind,
                mention.concept,
                polarity,
                subject,
                tentative=tentative,
                confirmed=not tentative and assertions.is_confirmed(mention.start, mention.end),
            )
        )
    return claims


def _denied_together(text: str, named: list[Mention], assertions: SentenceAssertions) -> list[Mention]:
    """The items of lists that end in one denial: fever, chills and cough were absent."""
    denied: list[Mention] = []
    problems = [mention for mention in named if mention.concept.kind not in (lexicon.DRUG, lexicon.PROCEDURE)]
    for mention, following in zip(reversed(problems), [None, *reversed(problems)], strict=False):
        joint = LISTED.fullmatch(text, mention.end, following.start) if following in denied and following else None
        # two items without an "and" are no list: loss of smell, changes in vision were not present
        listed = joint and (len(denied) > 1 or joint[0].strip(" ,"))
        if listed or assertions.denied_together(mention.end):
            denied.append(mention)
    return denied


def _frequency_claim(text: str, frequency: Frequency, mentions: list[Mention]) -> Claim:
    drug = _before(text, frequency.start, [m for m in mentions if m.concept.kind == lexicon.DRUG])
    about = drug.concept.name if drug else ""
    words = text[frequency.start : frequency.end]
    return Claim(frequency.start, frequency.end, words, DOSE, value=frequency.name, about=about)


def _amount_claim(text: str, amount: Quantity, mentions: list[Mention]) -> Claim:
    owner = _owner(text, amount, mentions)
    kind = _value_type(amount, owner)
    return Claim(amount.start, amount.end, text[amount.start : amount.end], kind, quantity=amount, about=owner)


def _value_type(quantity: Quantity, owner: str) -> str:
    if quantity.is_age:
        return DEMOGRAPHICS
    if quantity.measures == "time":
        return TIME
    return DOSE if owner in _drug_names() else NUMBER


@lru_cache(maxsize=1)
def _drug_names() -> frozenset[str]:
    return frozenset(concept.name for concept in lexicon.concepts() if concept.kind == lexicon.DRUG)


def _owner(text: str, quantity: Quantity, mentions: list[Mention]) -> str:
    """What a quantity belongs to: a drug, a lab value, what lasted so long or was so long ago; empty if unclear."""
    if quantity.is_age:
        return ""
    if quantity.measures == "time":
        return _owner_of_duration(text, quantity, mentions)
    drugs = [m for m in mentions if m.concept.kind == lexicon.DRUG]
    if len(quantity.values) == 2 and quantity.measures != "mass":
        return "blood pressure"
    following = next((m for m in drugs if m.start >= quantity.end), None)
    if quantity.measures and following and _DOSE_OF.fullmatch(text, quantity.end, following.start):
        return following.concept.name
    nearest = _before(text, quantity.start, [m for m in mentions if m.concept.kind in (lexicon.DRUG, lexicon.LAB)])
    if nearest is None or not _fits(quantity, nearest):
        return ""
    return nearest.concept.name


def _fits(quantity: Quantity, mention: Mention) -> bool:
    """A dose is a mass, a volume or units; a lab value has the lab's unit or none."""
    if mention.concept.kind == lexicon.DRUG:
        return quantity.measures in ("mass", "volume", "unit", "mEq", "%", "tablet")
    return not quantity.unit or quantity.unit == mention.concept.group or quantity.measures not in ("volume", "length")


def _owner_of_duration(text: str, quantity: Quantity, mentions: list[Mention]) -> str:
    kinds = (lexicon.CONDITION, lexicon.FINDING, *([lexicon.PROCEDURE] if _AGO.match(text, quantity.end) else []))
    named = [m for m in mentions if m.concept.kind in kinds]
    following = next((m for m in named if m.start >= quantity.end), None)
    if following and _HISTORY_OF.fullmatch(text, quantity.end, following.start):
        return following.concept.name
    before = _before(text, quantity.start, mentions)
    if before and before in named and _DURATION_LINK.fullmatch(text, before.end, quantity.start):
        return before.concept.name
    return ""


def _before(text: str, position: int, mentions: list[Mention]) -> Mention | None:
    """The last mention that ends before ``position``, within reach and with nothing else named in between."""
    earlier = [m for m in mentions if m.end <= position]
    if not earlier or position - earlier[-1].end > _BIND_REACH or _NEXT_ITEM.search(text, earlier[-1].end, position):
        return None
    return earlier[-1]


def _side_claims(text: str, span: Span, mentions: list[Mention]) -> list[Claim]:
    """Sides with what they belong to, before or after; "right now" and "left the room" are none."""
    claims = []
    for match in _SIDE.finditer(text, span.start, span.end):
        if any(mention.start <= match.start() < mention.end for mention in mentions):
            continue  # part of a name, which is another name on the other side: left ventricular hypertrophy
        about = _sided_part(text, match.end(), span.end, mentions) or _part_before(text, match, mentions)
        if about:
            word = match[1].lower()
            side = word if word in ("left", "right") else "both"
            claims.append(
                Claim(match.start(), match.start() + len(word), match[1], LATERALITY, value=side, about=about)
            )
    return claims


def _sided_part(text: str, start: int, end: int, mentions: list[Mention]) -> str:
    """The part of the body, else the named condition, that follows a side within a few words of the same phrase."""
    upper = False
    words = re.finditer(r"[A-Za-z]+|[.,;:?!]", text[start:end])
    for word in islice(words, _PART_REACH):
        key = word_key(word[0])
        if not key.isalpha() or key in ("left", "right", "and", "or", "but"):
            return ""
        mention = next((m for m in mentions if m.start == start + word.start()), None)
        if mention:
            return _place(mention)
        upper = upper or key == "upper"
        if key in PART_KEYS:
            part = f"{'upper' if upper else 'lower'} extremity" if key == "extremity" else key
            return _SAME_PART.get(part, part)
    return ""


def _part_before(text: str, side: re.Match[str], mentions: list[Mention]) -> str:
    """What is named just before: headache on the right, effusion (left), cyst of the left."""
    before = next(
        (m for m in mentions if m.end <= side.start() and _SIDE_LINK.fullmatch(text, m.end, side.start())), None
    )
    return _place(before) if before and before.concept.kind in _SIDED_KINDS else ""


def _place(mention: Mention) -> str:
    """The part of the body in a name (leg swelling), else the name (headache)."""
    for word in mention.concept.name.split():
        key = word_key(word)
        if key in PART_KEYS:
            return _SAME_PART.get(key, key)
    return mention.concept.name
