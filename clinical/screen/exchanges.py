"""Values, sides and denials of a summary that its note has too, but beside other words: swapped inside the note.

Nothing is looked up in the lexicon, so this also reads what the screen has no name for; it is too crude to flag a
claim by, and good enough to rank summaries that are flagged alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.numbers import Quantity, find_quantities, same_amount
from clinical.screen.note_reading import read_note
from clinical.screen.words import telling_stems
from clinical.sentences import Span, sentence_spans

_BETWEEN_CLAUSES = re.compile(r"[,;:](?=\s)|\s(?:and|but|then|while|with)\s|\s-\s")
_SIDE = re.compile(r"\b(?:left|right)\b", re.IGNORECASE)
_DENIAL = re.compile(
    r"\b(?:no|not|none|nor|neither|never|nope|without|den(?:y|ies|ied|ying)|negative|absent)\b|n['’]t\b", re.IGNORECASE
)
_ANSWERED_NO = re.compile(
    r"(?:\w+:)?[\s,.]*(?:(?:um|uh|oh|well|so)[\s,.]+)*(?:no|nope|not|never|none)\b", re.IGNORECASE
)
SIDE, DENIAL = "side", "denial"


@dataclass(frozen=True)
class Stated:
    """A value, a side, or whether something is denied, in one clause of a text.

    Only what is of one ``kind`` can be exchanged: two ages, two masses, two sides, a denial and a report. ``beside``
    are the stems of the clause's other words, ``around`` those of its sentence and the one before it.
    """

    kind: str
    value: Quantity | str | bool
    beside: frozenset[str]
    around: frozenset[str]

    def shares(self, other: Stated) -> tuple[int, int]:
        """How many words two places share: those of the clause first, those around it where these decide nothing."""
        return len(self.beside & other.beside), len(self.beside & other.around)


def exchanged(note: str, summary: str) -> int:
    """How many values, sides and denials of a summary have their words in the note beside another one.

    One is counted where a place of the note that says otherwise shares more words with it than any place that says the
    same. What the note says nowhere is not exchanged, and not counted.
    """
    known = _stated(read_note(note).full.text)
    count = 0
    for claim in _stated(summary):
        alike = [other for other in known if other.kind == claim.kind]
        same = [claim.shares(other) for other in alike if _is_same(claim.value, other.value)]
        otherwise = [claim.shares(other) for other in alike if not _is_same(claim.value, other.value)]
        count += bool(same and otherwise and max(otherwise) > max(same))
    return count


def _is_same(one: Quantity | str | bool, other: Quantity | str | bool) -> bool:
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return same_amount(one, other)
    return one == other


@lru_cache(maxsize=64)  # the summaries of one note follow one another
def _stated(text: str) -> tuple[Stated, ...]:
    """All values and sides of a text, and of each clause whether it denies."""
    sentences = sentence_spans(text)
    amounts = [amount for amount in find_quantities(text) if not amount.implied]
    found = []
    for index, sentence in enumerate(sentences):
        context = Span(sentences[max(0, index - 1)].start, sentence.end)
        answered_no = _is_answered_no(text, sentences, index)
        for clause in _clauses(text, sentence):
            values: list[tuple[str, Quantity | str | bool, Span]] = [
                (f"{amount.measures} {amount.is_age}", amount, Span(amount.start, amount.end))
                for amount in amounts
                if clause.start <= amount.start < clause.end
            ]
            for side in _SIDE.finditer(text, clause.start, clause.end):
                values.append((SIDE, side[0].lower(), Span(*side.span())))
            denials = [Span(*denial.span()) for denial in _DENIAL.finditer(text, clause.start, clause.end)]
            values.append((DENIAL, bool(denials) or answered_no, denials[0] if denials else Span(0, 0)))
            for kind, value, span in values:
                beside = frozenset(telling_stems(text, clause, [span]))
                found.append(Stated(kind, value, beside, frozenset(telling_stems(text, context, [span]))))
    return tuple(found)


def _clauses(text: str, sentence: Span) -> list[Span]:
    cuts = list(_BETWEEN_CLAUSES.finditer(text, sentence.start, sentence.end))
    starts = [sentence.start, *(cut.end() for cut in cuts)]
    ends = [*(cut.start() for cut in cuts), sentence.end]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def _is_answered_no(text: str, sentences: list[Span], index: int) -> bool:
    """Whether a sentence is a question to which the next sentence that is none says no."""
    if not text[sentences[index].start : sentences[index].end].endswith("?"):
        return False
    answers = (text[span.start : span.end] for span in sentences[index + 1 :])
    answer = next((words for words in answers if not words.endswith("?")), "")
    return bool(_ANSWERED_NO.match(answer))
