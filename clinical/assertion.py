"""Whether a mention is affirmed, negated or only considered, and of whom: the NegEx/ConText idea (Chapman 2001).

A trigger reaches over the words after it until the clause ends or another verb takes over. In a dialogue a question
asserts nothing by itself; its answer does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clinical.sentences import Span

AFFIRMED, NEGATED, CONSIDERED, UNCLEAR = "affirmed", "negated", "considered", "unclear"
PATIENT, FAMILY = "patient", "family"

_FLAGS = re.IGNORECASE
_NEGATION = re.compile(
    r"\b(?:neg(?:ative)?\s*(?:for\b|as far as\b|:)|"
    r"(?:den(?:y|ies|ied|ying)(?: any| having)?|no evidence of|no signs? of|no history of|"
    r"(?:absence|free|lack) (?:of|from)|without|never|neither|nor|cannot|can't|no(?![,.]|t\b)|not|"
    r"(?:do|does|did|is|was|are|were|has|have|had|wo|would|ca|could)n['’]t)\b)",
    _FLAGS,
)
# These say that a thing is there: no relief, not improving, not only.
_PSEUDO = re.compile(
    r"\s+(?:(?:significant|further|much|any|really|very|been|be|well|fully|completely|yet)\s+)*"
    r"(?:chang|improv|reliev|relief|resol|respond|response|help|worsen|increas|better|worse|controlled|"
    r"only|sure|certain|necessarily|doubt|respon)",
    _FLAGS,
)
_CONSIDERATION = re.compile(
    r"\b(?:if|rule out|rules out|r/o|evaluat(?:e|ion) (?:for|of)|concern(?:ing|ed)? (?:for|about)|suspicious for|"
    r"suspicion of|suspected|suspect|possibl[ey]|probabl[ey]|likely|risk (?:of|for|factors for)|to prevent|"
    r"prevention of|screen(?:ing)? for|monitor for|watch for|return for|versus|vs|in case of|allerg(?:ic|y|ies) to|"
    r"may|might|could|consider)\b",
    _FLAGS,
)
_END_OF_SCOPE = re.compile(
    r"[;:?]|\s[-–—]\s|,?\s*\b(?:but|however|although|though|except|apart from|aside from|other than|which|who|because|"
    r"despite|still|instead|just|only)\b|"
    r",\s*(?:and\s+|but\s+)?(?:he|she|they|there|the patient|patient|his|her|with|on|for which)\b|"
    r",\s*and\s(?=[\w\s'’-]{2,50}?\s(?:was|were|is|are)\b)|"  # no hydronephrosis, and kidney injury was diagnosed
    r"(?<!\bor )\b(?:has|had|reports?|reported|reporting|endors(?:es|ed|ing)|admits|complain(?:s|ed|ing)|"
    r"present(?:s|ed|ing)|developed|started|takes|taking|took|is|was|are|were|positive for|not(?:es|ed)|stat(?:es|ed)|"
    r"continues|describ(?:es|ed)|experienc(?:es|ed)|underwent|given|received|treated|due to|attributed to|"
    r"secondary to)\b",
    _FLAGS,
)
_DENIED_AFTER = re.compile(
    r"\s*(?:\(|:|-|–)?\s*(?:(?:is|are|was|were|has been|have been)\s+)?"
    r"(?:negative|absent|denied|ruled out|excluded|not (?:present|seen|noted|found|reported|identified)|none\b|"
    r"no\b(?!\s+\w))",
    _FLAGS,
)
_RELATIVE = re.compile(
    r"\b(?:family history|(?:mother|father|mom|dad|parents?|brother|sister|sibling|sons?|daughters?|aunt|uncle|cousin|"
    r"grand(?:mother|father|parents?)|relatives?|wife|husband|spouse)s?\b"
    r"(?!['’]?s?\s+(?:reports?|states?|says|said|notes|noted|brought|denies|denied|is concerned)))",
    _FLAGS,
)
_SPEAKER = re.compile(r"^\s*[A-Z][\w ]{0,20}:\s*")
_FILLER = r"(?:(?:um+|uh+|well|oh|ah|hmm|actually|and|so|honestly|okay)[,. ]+)*"
_NO = re.compile(
    _FILLER + r"(?:no|nope|nah|none|never|negative|neither|nothing|not|i (?:don|haven|didn|wasn|am not)\S*)\b", _FLAGS
)
_YES = re.compile(
    _FILLER + r"(?:yes|yeah|yep|yup|sure|correct|right|i do|i have|i did|absolutely|definitely)\b", _FLAGS
)
_LISTED = re.compile(r"\s*(?:,|,?\s*\b(?:and|or|nor)\b)\s*(?:an?\s+|any\s+)?", _FLAGS)
_ADJACENT_WORDS = 4  # "did not undergo a colonoscopy": how far a negation reaches a procedure or a medicine


@dataclass(frozen=True)
class Scope:
    """A trigger and how far it reaches, as offsets into the text."""

    trigger: Span
    end: int


class SentenceAssertions:
    """What the triggers of one sentence say about the mentions in it."""

    def __init__(self, text: str, span: Span, answer: str = "") -> None:
        """``answer`` is what follows a question, up to the end of the next sentence that is none."""
        self._text, self._span = text, span
        self._negations = [
            scope for scope in _scopes(text, span, _NEGATION) if not _PSEUDO.match(text, scope.trigger.end, span.end)
        ]
        self._considered = _scopes(text, span, _CONSIDERATION)
        self._is_question = text[span.start : span.end].rstrip("\"')]").endswith("?")
        self._answer = _SPEAKER.sub("", answer.strip())
        self.about_family = bool(_RELATIVE.search(text, span.start, span.end))

    def polarity(
        self, start: int, end: int, *, adjacent: bool = False, alone: bool = True, before: int = 0, listed: bool = False
    ) -> str:
        """Affirmed, negated, considered (if, possible, allergic to) or unclear (a question without a plain answer).

        ``adjacent`` asks for a negation close by, as procedures and medicines need: in "no fever since starting
        amoxicillin" only the fever is negated. ``before`` is where the mention before this one ends, ``listed``
        whether that one is negated, so that its list may go on. ``alone``: a question asks about this one thing.
        """
        if self._is_question:
            return self._answered(alone)
        if any(scope.trigger.end <= start < scope.end for scope in self._considered):
            return CONSIDERED
        negations = [scope for scope in self._negations if scope.trigger.end <= start < scope.end]
        if adjacent and not (listed and _LISTED.fullmatch(self._text, before, start)):
            negations = [
                scope
                for scope in negations
                if scope.trigger.end >= before and len(self._text[scope.trigger.end : start].split()) < _ADJACENT_WORDS
            ]
        elif _DENIED_AFTER.match(self._text, end, self._span.end):
            return NEGATED
        return NEGATED if negations else AFFIRMED

    def negation_before(self, start: int) -> Scope | None:
        """The nearest negation that reaches the mention at ``start``."""
        reaching = [scope for scope in self._negations if scope.trigger.end <= start < scope.end]
        return reaching[-1] if reaching else None

    def _answered(self, alone: bool) -> str:
        if self._negations:
            return UNCLEAR  # "No chest pain?" "Right." could mean either
        if _NO.match(self._answer):
            return NEGATED
        return AFFIRMED if alone and _YES.match(self._answer) else UNCLEAR


def _scopes(text: str, span: Span, trigger: re.Pattern[str]) -> list[Scope]:
    """Each trigger of a sentence with its reach: to the next end of scope, which may not be the very next word."""
    scopes = []
    for match in trigger.finditer(text, span.start, span.end):
        end = span.end
        for stop in _END_OF_SCOPE.finditer(text, match.end(), span.end):
            if stop.start() > match.end() and text[match.end() : stop.start()].strip():
                end = stop.start()
                break
        scopes.append(Scope(Span(match.start(), match.end()), end))
    return scopes
