"""One sentence of a summary cut into names, cues and amounts, with the helpers that tell what stands between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from clinical.numbers import Quantity, find_quantities
from clinical.oracle.state import PATIENT
from clinical.oracle.surface import CLASS, DRUG, LAB, PROBLEM, PROCEDURE, Named, named_at
from clinical.oracle.words import Cue, Token, cue_at, forms, tokens_of, words
from clinical.sentences import Span

BE = frozenset([
    "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "also", "both", "all", "now", "then",
    "currently", "still", "since", "recently",
])  # fmt: skip
_CLAUSE_WORDS = frozenset(["but", "while", "whereas", "although", "though", "however", "yet", "except"])
_CLAUSE_MARKS = re.compile(r"[;:]|\s[-–—]+\s|—|\.\s")
_STUDIED = frozenset(["on", "by", "per", "via", "the"])
_TOLD = frozenset(["to", "on", "of", "for", "about", "advised", "counseled", "encouraged", "recommended"])
_TIME_WORD = re.compile(r"(minute|hour|day|week|month|year)s?$")
_DECADE = re.compile(r"\b([1-9]0)['’]?s\b")
COORDINATION = frozenset([
    "and", "or", "nor", "plus", "as", "well", "both", "the", "a", "an", "his", "her", "their", "home", "also",
    "mg", "mcg", "g", "units", "unit",
])  # fmt: skip

_IN_LISTS = frozenset(["dose", "doses", "notably", "specifically", "likewise", "type", "kind"])


@dataclass(eq=False)
class Mention:
    """A name in a sentence and all that the words around it say about it."""

    named: Named
    start: int
    stop: int
    text: str
    absent: bool = False
    suspected: bool = False
    neutral: bool = False
    soft: bool = False
    confirmed: bool = False
    who: str = PATIENT
    past: bool = False
    resolved: bool = False
    active: bool = False
    flare: Cue | None = None
    sides: list[tuple[str, Token]] = field(default_factory=list)
    changes: list[tuple[str, Cue]] = field(default_factory=list)
    trends: list[tuple[str, Cue]] = field(default_factory=list)
    levels: list[tuple[str, Cue]] = field(default_factory=list)
    outcomes: list[tuple[str, Cue]] = field(default_factory=list)
    courses: list[tuple[str, Cue]] = field(default_factory=list)
    allergy: bool = False

    @property
    def first(self) -> int:
        """The first token."""
        return self.named.first

    @property
    def end(self) -> int:
        """The token after the last."""
        return self.named.end

    def is_a(self, *kinds: str) -> bool:
        """Whether it may be of one of these kinds."""
        return any(kind in kinds for kind, _ in self.named.meanings)

    @property
    def is_drug(self) -> bool:
        """Whether it names a drug or a class of drugs."""
        return self.is_a(DRUG, CLASS)


@dataclass(frozen=True)
class Amount:
    """A quantity with what is said about its precision: about, more, less, or vague (several days)."""

    quantity: Quantity
    first: int
    end: int
    precision: str = ""


class Sentence:
    """A sentence ``text[span.start:span.end]`` with its tokens, names, cues and amounts, in order."""

    def __init__(self, text: str, span: Span) -> None:
        self.text = text[span.start : span.end]
        self.offset = span.start
        self.tokens = tokens_of(self.text)
        self.mentions: list[Mention] = []
        self.cues: list[Cue] = []
        self._cut()
        self.clauses = self._clause_numbers()
        self.amounts = self._amounts()
        self.covered: set[int] = {at for m in self.mentions for at in range(m.first, m.end)}

    def _cut(self) -> None:
        position = 0
        while position < len(self.tokens):
            named = named_at(self.text, self.tokens, position)
            cue = cue_at(self.text, self.tokens, position)
            if cue and named is None:  # "no change in vision": the name inside a cue is longer than the cue
                inner = (named_at(self.text, self.tokens, at) for at in range(position + 1, cue.end))
                cut = next((name.first for name in inner if name and name.literal and name.end > cue.end), None)
                cue = cue if cut is None else cue_at(self.text, self.tokens[:cut], position)
            if named and (cue is None or named.end >= cue.end) and not self._is_verb(named, cue):
                start, stop = self.tokens[named.first].start, self.tokens[named.end - 1].end
                self.mentions.append(Mention(named, start, stop, self.text[start:stop]))
                position = named.end
            elif cue:
                self.cues.append(cue)
                position = cue.end
            else:
                position += 1

    def _is_verb(self, named: Named, cue: Cue | None) -> bool:
        """Whether a name that is also a cue ("pauses") is the cue here: a drug follows."""
        if cue is None:
            return False
        if {"smoking", "alcohol"} & set(
            cue.senses
        ) and cue.end == named.end:  # quit smoking: a habit, unless one is told to
            return named.first == 0 or self.tokens[named.first - 1].low not in _TOLD
        if self.tokens[named.first].low not in forms()["ambiguous"] or named.end >= len(self.tokens):
            return False
        before = self.mentions[-1] if self.mentions else None
        following = self.tokens[named.end].low
        if before and before.is_a(DRUG, CLASS, LAB) and following in ("from", "to", "by"):
            return True
        ahead = [named_at(self.text, self.tokens, at) for at in range(named.end, min(named.end + 2, len(self.tokens)))]
        return any(found is not None and found.name_of(DRUG, CLASS) is not None for found in ahead)

    def _clause_numbers(self) -> list[int]:
        numbers, clause = [], 0
        inside = {at for m in self.mentions for at in range(m.first, m.end)}
        for at, token in enumerate(self.tokens):
            gap = self.text[self.tokens[at - 1].end : token.start] if at else ""
            if (at and at not in inside and (_CLAUSE_MARKS.search(gap) or token.low in _CLAUSE_WORDS)) or (
                at and _CLAUSE_MARKS.search(gap)
            ):
                clause += 1
            numbers.append(clause)
        return numbers

    def _amounts(self) -> list[Amount]:
        named = [(m.start, m.stop) for m in self.mentions]
        named += [
            (self.tokens[cue.first].start, self.tokens[cue.end - 1].end)
            for cue in self.cues
            if {"frequency", "no_allergy"} & set(cue.senses)
        ]
        found = []
        for quantity in find_quantities(self.text):
            if any(start <= quantity.start < stop for start, stop in named):
                continue
            if quantity.implied and quantity.measures != "time":
                continue
            inside = [at for at, t in enumerate(self.tokens) if t.start < quantity.end and t.end > quantity.start]
            if inside:
                found.append(Amount(quantity, inside[0], inside[-1] + 1, self._precision(inside[0])))
        for at, token in enumerate(self.tokens[1:], 1):
            unit = _TIME_WORD.match(token.low)
            cue = next((c for c in self.cues if "vague" in c.senses and c.end == at), None)
            if unit and cue and not any(a.first <= at < a.end for a in found):
                spelt = self.text[self.tokens[cue.first].start : token.end]
                least = 2.0 if "couple" in spelt or "few" in spelt else 3.0
                quantity = Quantity(self.tokens[cue.first].start, token.end, (least,), unit[1])
                found.append(Amount(quantity, cue.first, at + 1, "vague"))
        return sorted(found, key=lambda amount: amount.first)

    def _precision(self, first: int) -> str:
        for cue in self.cues:
            if cue.end == first and not self._is_span(cue):
                for kind in ("about", "more", "less"):
                    if kind in cue.senses:
                        return kind
        return ""

    def _is_span(self, cue: Cue) -> bool:
        """Whether "over" says how long and not "more than": pain over 12 weeks, but pain for over 12 weeks."""
        return self.words_of(cue).lower() == "over" and any(m.end == cue.first for m in self.mentions)

    def cues_of(self, kind: str) -> list[Cue]:
        """The cues that have a sense of this kind."""
        return [cue for cue in self.cues if kind in cue.senses]

    def gap(self, left: int, right: int) -> str:
        """The characters between the end of token ``left - 1`` and the start of token ``right``."""
        return self.text[self.tokens[left - 1].end : self.tokens[right].start]

    def between(self, left: int, right: int) -> list[str]:
        """The words from token ``left`` up to token ``right``, exclusive."""
        return [token.low for token in self.tokens[left:right]]

    def words_of(self, cue: Cue) -> str:
        """The text of a cue."""
        return self.text[self.tokens[cue.first].start : self.tokens[cue.end - 1].end]

    def reach(self, position: int, extra_stops: frozenset[str] = frozenset()) -> int:
        """How far a trigger that ends before token ``position`` reaches: the token at which it stops."""
        stops = _ends_negation() | extra_stops
        inside = {at for m in self.mentions for at in range(m.first, m.end)}
        clause = self.clauses[position - 1] if position else 0
        labs = {m.first for m in self.mentions if m.is_a(LAB) and not m.is_a(PROBLEM)}
        studies = {m.end for m in self.mentions if m.is_a(PROCEDURE) and self.tokens[m.first - 1].low in _STUDIED}
        for at in range(position, len(self.tokens)):
            if at in studies and at > position + 1 and (self.tokens[at].low == "and" or "," in self.gap(at, at)):
                return at  # no free air on chest X-ray and tenderness on examination
            if at in labs and at > position + 1:
                return at
            if at > position and ")" in self.gap(at, at):
                return at
            if self.clauses[at] != clause:
                return at
            gap = self.gap(at, at) if at else ""
            low = self.tokens[at].low
            if at > position and low in ("with", "on") and "," in gap:
                return at
            if at > position and at not in inside:
                if low in stops:
                    return at
                if low in ("a", "an") and self.tokens[at - 1].low == "and":
                    return at
                if "," in gap and (low in ("a", "an", "the", "this", "our") or low.endswith("ed")):
                    return at
                if low == "and" and self.told_of_next(at):
                    return at
                if ")" in gap or (low == "and" and "," in gap and self._new_clause(at, stops)):
                    return at
        return len(self.tokens)

    def told_of_next(self, at: int) -> bool:
        """Whether a verb of its own follows the next name: no mass and depression was likely."""
        following = next((m for m in self.mentions if 1 <= m.first - at <= 2), None)
        ahead = self.between(following.end, following.end + 1) if following and following.end < len(self.tokens) else []
        return bool(ahead) and ahead[0] in ("was", "is")

    def _new_clause(self, at: int, stops: frozenset[str]) -> bool:
        """Whether ", and" begins a clause of its own: a verb follows before another comma."""
        for ahead in range(at + 1, min(at + 8, len(self.tokens))):
            if ahead > at + 1 and "," in self.gap(ahead, ahead):
                return False
            if self.tokens[ahead].low in stops:
                return True
        return False

    def list_before(self, position: int, among: list[Mention]) -> list[Mention]:
        """The mentions that end right before a token, as one name or a list (fever, chills and cough)."""
        found: list[Mention] = []
        at = position
        skip = COORDINATION | BE | _IN_LISTS
        for mention in reversed([m for m in among if m.end <= position]):
            gap_words = self._plain(mention.end, at)
            if not found and (
                "," in self.text[mention.stop : self.tokens[position].start]
                or {"and", "or", "nor", "plus"} & set(gap_words)
            ):
                break
            if any(mention.end <= amount.first < at for amount in self.amounts):
                gap_words = [word for word in gap_words if word not in ("of", "at")]
            if (
                not all(word in skip for word in gap_words)
                or self.clauses[mention.end - 1] != self.clauses[position - 1]
            ):
                break
            if found and any(word in BE for word in gap_words):
                break
            found.append(mention)
            at = mention.first
        return found

    def _plain(self, left: int, right: int) -> list[str]:
        """The words between that belong to no amount and no frequency, route or side."""
        busy = {at for amount in self.amounts for at in range(amount.first, amount.end)}
        for cue in self.cues:
            if {"frequency", "route"} & set(cue.senses):
                busy |= set(range(cue.first, cue.end))
        return [self.tokens[at].low for at in range(left, right) if at not in busy]


def _ends_negation() -> frozenset[str]:
    return frozenset(words()["ends_negation"])


def decades(text: str) -> list[tuple[int, int, int]]:
    """Ages told by the decade, "in his 60s": (start, end, 60)."""
    return [(match.start(), match.end(), int(match[1])) for match in _DECADE.finditer(text)]
