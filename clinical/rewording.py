"""Other wordings of a name of the lexicon: reordered, in other endings, shortened, wider or narrower."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache

from clinical.lexicon import broader_notions
from clinical.mentions import Concept, concepts, keys_of, related
from clinical.reading.claims import PART_KEYS

# Words of a name that say little: the rest of it is enough where nothing else is called so (Crohn's flare, bipolar).
_SAYS_LITTLE = """
a an the of in on at to by with and acute chronic attack condition disease disorder episode examination exam flare
illness level scan syndrome study test type
"""
_GENERIC = frozenset(_SAYS_LITTLE.split())
_ANY_SERVICE = frozenset(
    ("clinic", "service", "specialist", "team", "doctor", "general", "medical", "medicine", "care", "provider")
)
# A Latin and an English word for the same, in whatever name they stand.
_SAME_WORD = {
    **{"carcinoma": "cancer", "cardiac": "heart", "cerebral": "brain", "cranial": "head", "cutaneous": "skin"},
    **{"dermal": "skin", "discomfort": "pain", "ache": "pain", "gastric": "stomach", "hepatic": "liver"},
    **{"nasal": "nose", "ocular": "eye", "oral": "mouth", "pulmonary": "lung", "renal": "kidney", "thoracic": "chest"},
    **{"radiograph": "ray", "film": "ray", "x": "ray", "scan": "", "stone": "calculus", "calculi": "calculus"},
    **dict.fromkeys(("sonogram", "sonography", "ultrasonography"), "ultrasound"),
}
# Endings of one stem: abdomen and abdominal, epigastrium and epigastric, unsteady and unsteadiness.
_ENDING = re.compile(r"(?:iness|ness|inal|ium|ial|en|ic|al|um|us|is|ly|ing|ed|y|a|e)$")
_STEM_LENGTH = 4  # letters that must be left
_TELLING_LENGTH = 5  # a shorter word does not stand for a name by itself


@lru_cache(maxsize=2**14)
def stem_of(word: str) -> str:
    """What a word shares with others of one stem, and with the other language's word for the same."""
    word = _SAME_WORD.get(word, word)
    stem = _ENDING.sub("", word)
    return stem if len(stem) >= _STEM_LENGTH else word


@cache
def telling_words(concept: Concept) -> tuple[frozenset[str], ...]:
    """What each name of a concept says beyond generic words, if several words or one that no other entry has."""
    bags = []
    for name in concept.names:
        keys = [key for key in keys_of(name) if key not in _GENERIC]
        stems = frozenset(stem_of(key) for key in keys) - {""}
        alone = len(keys) == 1 and len(keys[0]) >= _TELLING_LENGTH and _users()[keys[0]] == {concept.name}
        if len(stems) > 1 or alone:
            bags.append(stems)
    return tuple(bags)


@lru_cache(maxsize=2**12)
def sounds_like(one: Concept, other: Concept) -> bool:
    """Whether a telling word of one begins like one of the other: psoriasis, psoriatic arthritis."""
    ours, theirs = (
        {key[:_TELLING_LENGTH] for name in concept.names for key in keys_of(name) if key not in _GENERIC}
        for concept in (one, other)
    )
    return bool(ours & theirs)


@cache
def wider_words(concept: Concept) -> frozenset[str]:
    """The one word that a name leaves beyond generic words, if it is more than a part of the body."""
    left = [[key for key in keys_of(name) if key not in _GENERIC] for name in concept.names]
    return frozenset(keys[0] for keys in left if len(keys) == 1 and len(keys[0]) > _TELLING_LENGTH) - PART_KEYS


@cache
def _users() -> dict[str, set[str]]:
    """The entries in whose names a word occurs."""
    users: dict[str, set[str]] = defaultdict(set)
    for concept in concepts():
        for name in concept.names:
            for key in keys_of(name):
                users[key].add(concept.name)
    return users


def words_of_service(service: Concept) -> frozenset[str]:
    """The words that tell one clinic or specialist from another."""
    return frozenset(key for name in service.names for key in keys_of(name)) - _ANY_SERVICE


def begins_alike(short: str, word: str) -> bool:
    """Whether two words share their first letters, up to a few at the end of the shorter one."""
    return len(short) >= _STEM_LENGTH and word.startswith(short[: max(_STEM_LENGTH, len(short) - 4)])


@lru_cache(maxsize=2**16)
def akin(one: Concept, other: Concept) -> bool:
    """Whether one is a narrower or wider name of the other."""
    wider = broader_notions()
    return related(one, other) or other.name in wider.get(one.name, ()) or one.name in wider.get(other.name, ())
