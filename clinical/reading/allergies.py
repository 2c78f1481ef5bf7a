"""What a text says of allergies: that there is one, or that there are none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import DRUG, find_mentions
from clinical.sentences import sentence_spans

# Diseases and clinics that have their name from allergies tell of none: allergic rhinitis, the allergist.
_NAMED_AFTER = re.compile(
    r"\ballergic (?:rhinit|conjunctiv|asthma|bronch|contact|dermat|reaction|cascade|shiner)\w*|"
    r"\ballergists?\b|\ballergy (?:and|&|clinic|testing|shots?|specialist|season|immun)\w*|\bseasonal allerg\w+",
    re.IGNORECASE,
)
_HEADING = r"\ball(?:erg(?:y|ies|ic))?(?: to)? ?[:–-] ?"  # All: penicillin
_NO_ALLERGY = r"none|nil|no\b|nothing|any|nkd?a|denie[ds]|unknown|negative"
_MAY_TELL = re.compile(
    rf"allerg|{_HEADING}|\bNK(?:D?A|MA)\b|anaphyla|\breact|\bhives\b|intoleran|\bsensitiv", re.IGNORECASE
)
_SORT = r"(?:known|documented|recorded|reported|stated|listed|other|any|history of|(?P<drug>drug|medication|med))"
_NONE = re.compile(
    rf"\b(?:no|den(?:ies|ied|ying)|without|not have(?: any)?|nor) (?:{_SORT} ){{0,3}}"
    r"allerg(?:y|ies)\b(?! to (?!any|medic|drug|report|note))|"
    rf"\bNK(?P<of_drugs>D|M)?A\b|{_HEADING}(?:{_NO_ALLERGY})|\ballergic to nothing\b|\bnot allergic to any",
    re.IGNORECASE,
)
_ONE = re.compile(rf"(?:\ballerg(?:ic|y|ies) to |{_HEADING})(?:the )?(?!{_NO_ALLERGY})(?=\w)", re.IGNORECASE)
_NOT_SAID = re.compile(
    r"\b(?:no|not|denies|denied|without|if|whether|mother|father|brother|sister|son|daughter|family)\b[^.;,]{0,30}$",
    re.IGNORECASE,
)
_NEXT_TO = 3  # characters between the words and what the allergy is to


@dataclass(frozen=True)
class Allergies:
    """Words at ``text[start:end]`` by which a text says that there are allergies or, where ``none``, that not.

    ``of_drugs`` is true where it speaks of those to drugs alone, or names one.
    """

    start: int
    end: int
    none: bool
    of_drugs: bool


@lru_cache(maxsize=512)
def find_allergies(text: str) -> tuple[Allergies, ...]:
    """All statements on the patient's allergies; what is asked tells nothing."""
    found = []
    drugs = {mention.start: mention for mention in find_mentions(text) if mention.concept.kind == DRUG}
    for span in sentence_spans(text):
        sentence = text[span.start : span.end]
        if sentence.rstrip().endswith("?"):
            continue
        for none in _NONE.finditer(sentence):
            of_drugs = bool(none["drug"] or none["of_drugs"])
            found.append(Allergies(span.start + none.start(), span.start + none.end(), True, of_drugs))
        for one in _ONE.finditer(sentence):
            if not _NOT_SAID.search(sentence[: one.start()]):
                start, end = span.start + one.start(), span.start + one.end()
                drug = next((drugs[at] for at in range(end, end + _NEXT_TO) if at in drugs), None)
                found.append(Allergies(start, drug.end if drug else end, False, drug is not None))
    return tuple(found)


@lru_cache(maxsize=512)
def may_tell_allergies(text: str) -> bool:
    """Whether a text may speak of allergies, in whatever words."""
    return bool(_MAY_TELL.search(_NAMED_AFTER.sub(" ", text)))
