"""A note made ready to be searched for what supports or contradicts a claim."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from functools import cached_property, lru_cache

from clinical.levels import is_level, levels_of
from clinical.mentions import Concept, Mention, find_mentions, keys_of
from clinical.numbers import Quantity, find_quantities
from clinical.reading.changes import Change, find_changes
from clinical.reading.claims import DEMOGRAPHICS, DOSE, LATERALITY, Claim, extract_claims
from clinical.rewording import akin, begins_alike, stem_of, telling_words, words_of_service
from clinical.sentences import Span, sentence_spans, word_key, word_spans
from clinical.shorthand import write_out


class Note:
    """A note's claims, ready to be searched."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.claims = extract_claims(text)
        self.mentions: dict[str, list[Claim]] = defaultdict(list)
        for claim in self.claims:
            if claim.concept:
                self.mentions[claim.concept.name].append(claim)
        self.amounts = [claim for claim in self.claims if claim.quantity]
        self.frequencies = [claim for claim in self.claims if claim.type == DOSE and claim.value]
        self.sides = [claim for claim in self.claims if claim.type == LATERALITY]
        self.sexes = [claim for claim in self.claims if claim.type == DEMOGRAPHICS and claim.value]
        self._kin: dict[Concept, list[Claim]] = {}

    def kin(self, concept: Concept) -> list[Claim]:
        """The claims on a concept, a narrower or a wider one, in order."""
        if concept not in self._kin:
            self._kin[concept] = [claim for claim in self.claims if claim.concept and akin(claim.concept, concept)]
        return self._kin[concept]

    @cached_property
    def found(self) -> list[Mention]:
        """Everything of the lexicon that the note names."""
        return find_mentions(self.text)

    def names_in_short(self, concept: Concept) -> bool:
        """Whether a word of the note begins like a word of a service's names: endo, psychiatric."""
        keys = words_of_service(concept)
        return any(
            word == key or begins_alike(word, key) or begins_alike(key, word) for key in keys for _, word in self.words
        )

    @cached_property
    def quantities(self) -> list[Quantity]:
        """All quantities of the note, those within names too."""
        return find_quantities(self.text)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What the note says was done with medicines."""
        return find_changes(self.text)

    @cached_property
    def words(self) -> list[tuple[int, str]]:
        """Where each word begins, with the word as it is compared."""
        return [(start, word_key(self.text[start:end])) for start, end in word_spans(self.text)]

    @cached_property
    def loose_words(self) -> frozenset[str]:
        """The words that belong to no name of the lexicon, as they are compared."""
        named = [(claim.start, claim.end) for claim in self.claims if claim.concept]
        ends = [0, *(end for _, end in named)]  # names are in order and do not overlap
        starts = [start for start, _ in named]
        return frozenset(word for start, word in self.words if start >= ends[bisect_right(starts, start)])

    @cached_property
    def sentences(self) -> list[tuple[Span, frozenset[str]]]:
        """Each sentence with its words as they are compared."""
        found = []
        for span in sentence_spans(self.text):  # no word goes on from one to the next: white space parts them
            first, last = (bisect_left(self.words, (place,)) for place in span)
            found.append((span, frozenset(word for _, word in self.words[first:last])))
        return found

    @cached_property
    def spellings(self) -> frozenset[str]:
        """The words with an i for each y: dizzy, dizziness."""
        return frozenset(word.replace("y", "i") for _, word in self.words)

    @cached_property
    def stems(self) -> list[tuple[Span, frozenset[str]]]:
        """Each sentence with the stems of its words."""
        return [(span, frozenset(stem_of(word) for word in held)) for span, held in self.sentences]

    def sentence_with(self, words: tuple[str, ...]) -> Span | None:
        """A sentence that holds all these words, in whatever order."""
        return next((span for span, held in self.sentences if held.issuperset(words)), None)

    def sentence_naming(self, concept: Concept) -> Span | None:
        """A sentence that holds, in whatever order and ending, what a name of the concept says beyond generic words."""
        bags = telling_words(concept)
        return next((span for span, held in self.stems if any(held.issuperset(bag) for bag in bags)), None)

    def value_telling(self, concept: Concept) -> Claim | None:
        """A laboratory value or vital sign out of range that says the same as the concept: sodium 129, hyponatremia."""
        for lab, level in levels_of(concept.name):
            for claim in self.amounts:
                if claim.about == lab and claim.quantity and is_level(lab, level, claim.quantity):
                    return claim
        return None

    def has_word_like(self, concept: Concept) -> bool:
        """Whether a word begins like one of the concept's one-word names: nauseous, coughing, dizzy."""
        stems = [keys[0][: max(4, len(keys[0]) - 4)] for keys in map(keys_of, concept.names) if len(keys) == 1]
        long = tuple(stem.replace("y", "i") for stem in stems if len(stem) >= 4)
        return any(word.startswith(long) for word in self.spellings)

    def nearest_sentence(self, words: frozenset[str]) -> Span | None:
        """The sentence that shares most words; None if none shares any."""
        best = max(self.sentences, key=lambda item: len(item[1] & words), default=None)
        return best[0] if best and best[1] & words else None


class Readings:
    """A note as it stands, and with its shorthand written out.

    ``flagged`` holds what was found of parts of summaries: those that are compared with one note share most of theirs.
    """

    def __init__(self, text: str) -> None:
        self.flagged: dict[str, bool] = {}
        self.plain = Note(text)
        self.written = write_out(text)
        self.full = self.plain if self.written.text == text else Note(self.written.text)


@lru_cache(maxsize=64)  # the summaries of one note follow one another
def read_note(note: str) -> Readings:
    """Both readings of a note."""
    return Readings(note)
