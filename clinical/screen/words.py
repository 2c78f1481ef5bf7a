"""The words of a text that tell something, as the screen compares them where it knows no name for what is said."""

from __future__ import annotations

from collections.abc import Sequence

from clinical.rewording import stem_of
from clinical.sentences import Span, word_key, word_spans

# Words of grammar, and the one whom everything is about. Denials are among them: they are judged as such, not as words.
_SAYS_NOTHING = """
a an the this that these those it its he his him she her they their them we our i my you your who whom whose which what
there here of in on at to by with from for as into over under about after before since until during through between
and or but nor than then if while when where because so also too both either is are was were be been being am has have
had having do does did will would can could should may might must no not none never any patient
"""
_GRAMMAR = frozenset(_SAYS_NOTHING.split())


def telling_stems(text: str, span: Span, aside: Sequence[Span] = ()) -> list[str]:
    """The stems of the words in a span, without words of grammar and those that begin in a span of ``aside``."""
    words = [Span(span.start + word.start, span.start + word.end) for word in word_spans(text[span.start : span.end])]
    outside = [word for word in words if not any(other.start <= word.start < other.end for other in aside)]
    return [stem_of(key) for word in outside if (key := word_key(text[word.start : word.end])) not in _GRAMMAR]
