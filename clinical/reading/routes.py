"""By which route a text says that a medicine is given: orally, IV, by inhalation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import DRUG, find_mentions

_WORDS = {
    "oral": r"orally|by mouth|oral|p\.?o\.?",
    "intravenous": r"intravenous(?:ly)?|i\.?v\.?|by infusion",
    "subcutaneous": r"subcutaneous(?:ly)?|subcut|sc|sq",
    "intramuscular": r"intramuscular(?:ly)?|im",
    "inhaled": r"by inhalation|inhaled|nebuli[sz]ed",
    "topical": r"topical(?:ly)?",
    "sublingual": r"sublingual(?:ly)?",
}
_ROUTE = re.compile(
    rf"(?<![\w.])(?:{'|'.join(f'(?P<{name}>{words})' for name, words in _WORDS.items())})(?!\w)", re.IGNORECASE
)
_BETWEEN = re.compile(r"[\s,(]*(?:at\s+)?(?:\d[\d.,/]*\s*[\w%]*[\s,(]*)?")  # enoxaparin (80 mg) subcutaneously


@dataclass(frozen=True)
class Route:
    """How a medicine is given, by the words at ``text[start:end]``."""

    start: int
    end: int
    drug: str
    name: str


@lru_cache(maxsize=512)  # a note is compared with several summaries
def find_routes(text: str) -> tuple[Route, ...]:
    """The routes that stand right before a medicine, or right after it and its dose."""
    drugs = [mention for mention in find_mentions(text) if mention.concept.kind == DRUG]
    routes = []
    for match in _ROUTE.finditer(text):
        owner = next(
            (m for m in drugs if text[match.end() : m.start] == " " or _BETWEEN.fullmatch(text, m.end, match.start())),
            None,
        )
        if owner and not owner.start <= match.start() < owner.end:
            routes.append(Route(match.start(), match.end(), owner.concept.name, str(match.lastgroup)))
    return tuple(routes)
