"""What other notes' summaries lend: whole sentences, and the values they give for a drug, a test or a duration."""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from adversarial.operators.clauses import clause_spans
from adversarial.operators.frames import match_frame
from adversarial.operators.opposites import COURSE_WORD, LEVEL_WORD
from adversarial.operators.turn_words import turnable_words
from clinical.mentions import find_mentions
from clinical.reading.claims import NUMBER, Claim, extract_claims
from clinical.sentences import Span, sentence_spans

_SEX_WORDS = re.compile(
    r"\b(?:(he|his|him|man|male|gentleman|boy)|(she|her|hers|woman|female|lady|girl))\b", re.IGNORECASE
)
TURNED = (COURSE_WORD, LEVEL_WORD)  # counted, so that each way is turned into the other equally often
_RING = 2**64


@dataclass(frozen=True)
class DonorSentence:
    """A sentence of a factual summary, and the note that it is true of."""

    text: str
    note: str
    sexes: frozenset[str]


@dataclass(frozen=True)
class Donors:
    """Everything that one split's factual summaries lend. Built once, read only."""

    rings: dict[tuple[str, ...], tuple[list[int], list[DonorSentence]]]
    amounts: dict[tuple[str, str], Counter[str]]
    words: Counter[str]
    frames: Counter[str]

    def weights(self, options: Iterable[str]) -> dict[str, float]:
        """How often the summaries use each wording; a half where they never do."""
        return {option: self.words[option.lower()] or 0.5 for option in options}

    def sentences(self, rng: random.Random, kinds: tuple[str, ...]) -> Iterator[DonorSentence]:
        """Sentences that make claims of these kinds, from a random point of a hash ring onwards, each once.

        With a link before the kinds, clauses that follow this link: ("; ", "number").

        Consistent hashing: a summary more or less in the corpus changes what other rows draw only where its
        sentence comes first.
        """
        keys, sentences = self.rings.get(kinds, ([], []))
        begin = bisect_left(keys, rng.randrange(_RING))
        for step in range(len(sentences)):
            yield sentences[(begin + step) % len(sentences)]


def collect_donors(factual: Iterable[tuple[str, str]]) -> Donors:
    """Read the (note, summary) pairs once. First sentences are not lent: they introduce the patient."""
    sentences: dict[tuple[str, ...], dict[str, DonorSentence]] = defaultdict(dict)
    amounts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    words: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for note, summary in factual:
        claims = extract_claims(summary)
        words.update(mention.text.lower() for mention in find_mentions(summary))
        words.update(claim.text.lower() for claim in claims if not claim.concept)
        words.update(match[0].lower() for words_of in TURNED for match in words_of.finditer(summary))
        words.update(turnable_words(summary))
        for claim in claims:
            if claim.quantity and not claim.quantity.implied:
                amounts[amount_key(claim)][summary[claim.start : claim.quantity.number_end]] += 1
        for span in sentence_spans(summary)[1:]:
            text = summary[span.start : span.end]
            frame = match_frame(text)
            if frame:
                frames[frame.template] += 1
            kinds = sentence_kinds(claims, span)
            if kinds and text[-1:] in ".!" and text[:1].isupper():
                sentences[kinds].setdefault(text, DonorSentence(text, note, sexes_of(text)))
        for clause in clause_spans(summary):
            kinds = sentence_kinds(claims, clause.span)
            text = summary[clause.span.start : clause.span.end]
            if kinds:
                sentences[(clause.link, *kinds)].setdefault(text, DonorSentence(text, note, sexes_of(text)))
    rings = {}
    for kinds, found in sentences.items():
        placed = sorted((_place(text), text) for text in found)
        rings[kinds] = ([place for place, _ in placed], [found[text] for _, text in placed])
    return Donors(rings, dict(amounts), words, frames)


def amount_key(claim: Claim) -> tuple[str, str]:
    """What a value is of, and its unit. Durations are taken together: days are days, whatever lasted them."""
    assert claim.quantity is not None
    about = claim.type if claim.quantity.measures == "time" else claim.about
    return about, claim.quantity.unit


def sentence_kinds(claims: Iterable[Claim], span: Span) -> tuple[str, ...]:
    """The kinds of claims in a sentence, by which it is exchanged for one of its like; empty where it must stay."""
    inside = [claim for claim in claims if span.start <= claim.start < span.end]
    if any(claim.type == NUMBER and not claim.about for claim in inside):
        return ()  # a number of nobody knows what makes sense in its own place only
    return tuple(sorted({f"{claim.type}:{claim.polarity}" if claim.concept else claim.type for claim in inside}))


@lru_cache(maxsize=1024)  # most operators ask it of the same summary
def sexes_of(text: str) -> frozenset[str]:
    """The sexes that a text's pronouns and nouns tell."""
    return frozenset("male" if match[1] else "female" for match in _SEX_WORDS.finditer(text))


def _place(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
