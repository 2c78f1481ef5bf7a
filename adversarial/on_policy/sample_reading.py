"""A sampled summary beside its note, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from clinical.mentions import Mention, find_mentions
from clinical.reading.claims import Claim, extract_claims
from clinical.screen.note_reading import Note, read_note


@dataclass(frozen=True)
class Sample:
    """A sampled summary beside the note that it is of, each read once."""

    note_text: str
    text: str

    @cached_property
    def note(self) -> Note:
        """The note with its shorthand written out."""
        return read_note(self.note_text).full

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """The summary's claims."""
        return extract_claims(self.text)

    @cached_property
    def mentions(self) -> list[Mention]:
        """Everything of the lexicon that the summary names."""
        return find_mentions(self.text)

    @cached_property
    def named(self) -> frozenset[str]:
        """The names of what the summary names."""
        return frozenset(mention.concept.name for mention in self.mentions)
