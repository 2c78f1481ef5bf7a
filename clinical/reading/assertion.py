"""Whether a mention is affirmed, negated or only considered, and of whom: the NegEx/ConText idea (Chapman 2001).

A trigger reaches over the words after it until the clause ends or another verb takes over. In a dialogue a question
asserts nothing by itself; its answer does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clinical.sentences import Span, small_letters

AFFIRMED, NEGATED, CONSIDERED, UNCLEAR = "affirmed", "negated", "considered", "unclear"
PATIENT, FAMILY = "patient", "family"

# All but LISTED search small letters, so that the alternatives need not be tried in either case.
# What is denied, ruled out or excluded by a passive stands before the word, not after it.
_NO_PASSIVE = r"(?<!\bwas )(?<!\bwere )(?<!\bbeen )(?<!\bis )(?<!\bare )"
_NEGATION = re.compile(
    r"(?:\(\s?[-–−]\s?\)|\bw/o\b|\bneg(?:ative)?\s*(?:for\b|as far as\b|:)|\babsent:|"
    r"\bpertinent negatives?(?:\s+(?:includ\w+|are|were|is|was)\b|\s*[:-])|"
    rf"\b{_NO_PASSIVE}(?:ruled out|rules out|ruling out|exclud(?:es|ed|ing))\b"
    r"(?!\s*(?:by|with|on|after|[.,;]))\s?:?|"
    rf"\b(?:(?:den(?:y|ies|ying)|{_NO_PASSIVE}denied(?! (?:and|but|by|with)\b)(?!\s*[.,;)]))(?: any| having)?|"
    r"r/?o['’]?d|no evidence of|no signs? of|no history of|"
    r"(?:absence|(?<!now )free|lack) (?:of|from)|lack(?:s|ed|ing)|without|never|neither|nor|cannot|can't|"
    r"no(?![,.]|t\b| longer\b)|not|"
    r"(?:do|does|did|is|was|are|were|has|have|had|wo|would|ca|could)n['’]t)\b)"
)
# These say that a thing is there: no relief, not improving, not only.
_PSEUDO = re.compile(
    r"\s+(?:(?:significant|further|much|any|really|very|been|be|well|fully|completely|yet)\s+)*"
    r"(?:chang|improv|reliev|relief|resol|respond|response|help|worsen|increas|better|worse|controlled|"
    r"only|sure|certain|necessarily|doubt|respon)"
)
_CONSIDERATION = re.compile(
    r"\b(?:if|rule out|r/o(?!['’]?d)|evaluat(?:e|ion) (?:for|of)|concern(?:ing|ed)? (?:for|about)|"
    r"suspicious for|suspicion of|suspected|suspect|possibl[ey]|probabl[ey]|likely|risk (?:of|for|factors for)|"
    r"to prevent|prevention of|screen(?:ing)? for|monitor for|watch for|return for|versus|vs|in case of|"
    r"allerg(?:ic|y|ies) to|may|might|could|consider|no longer|now free of)\b"
)
# Who or what comes next has a verb of its own; and a verb that says what was found, felt or done begins afresh.
_END_OF_SCOPE = re.compile(
    r"[;:?]|\s[-–—]\s|\(\+\)|\+\s?(?=[A-Za-z])|,?\s*\b(?:but|however|although|though|except|apart from|aside from|"
    r"other than|which|who|whose|because|despite|still|instead|just|only|while|whereas)\b|"
    r",\s*(?:and\s+|but\s+)?(?:he|she|they|we|it|there|this|these|that|the|an?|patient|pt|his|her|their|with|on|"
    r"for which)\b|"
    # no hydronephrosis, and kidney injury was diagnosed
    r",\s*and\s(?=[\w\s'’-]{2,50}?\s(?:was|were|is|are|accompan(?:ies|ied)|followed|persist(?:s|ed)|developed)\b)|"
    r"\band\s+(?:also|then|now|(?:the\s+|an?\s+)?(?:diagnosis|assessment|impression|plan))\b|\bin (?:this|an?|our)\b|"
    r"(?<!\bor )\b(?:has|had|having|reports?|reported|reporting|endors(?:es|ed|ing)|admit(?:s|ted|ting)|"
    r"complain(?:s|ed|ing)|acknowledg(?:es|ed|ing)|relat(?:es|ed(?! to)|ing)|mention(?:s|ed|ing)|notic(?:es|ed|ing)|"
    r"present(?:s|ed|ing)|attend(?:s|ed|ing)|arriv(?:es|ed|ing)|came|comes|coming|seeks?|sought|seeking|"
    r"visit(?:s|ed|ing)|consult(?:s|ed|ing)|developed|develops|started|starts|begins|began|beginning|takes|taking|took|uses|used|"
    r"is|was|are|were|be|positive for|pos for|not(?:es|ed)|stat(?:es|ed)|continues|remains|remained|"
    r"describ(?:es|ed|ing)|experienc(?:es|ed|ing)|feels|felt|underwent|undergoes|undergoing|given|gives|gave|received|"
    r"receives|receiving|treated|show(?:s|ed|n|ing)|reveal(?:s|ed|ing)|demonstrat(?:es|ed|ing)|disclos(?:es|ed|ing)|"
    r"displays?|displayed|displaying|carries|carried|carrying|turn(?:s|ed) out|went|goes|going|found|finds|diagnosed|"
    r"confirmed|established|identif(?:ies|ied|ying)|suggests|indicates|detected|due to|attributed to|secondary to)\b"
)
_DENIED_AFTER = re.compile(
    r"\s*(?:\(|:|-|–)?\s*(?:(?:is|are|was|were|has been|have been)\s+)?(?:also\s+)?"
    r"(?:considered,?\s+(?:and|but)\s+(?:was\s+)?)?"
    r"(?:negative|absent|denied|ruled out|r/?o['’]?d|excluded|lacking|"
    r"not (?:present|seen|noted|found|reported|identified|described|mentioned|observed|detected|evident|demonstrated|"
    r"endorsed|confirmed|shown|(?:a )?part of|a (?:complaint|feature|problem|symptom))|none\b|no\b(?!\s+\w))"
)
_SEVERAL = re.compile(r"\s*(?:\(|:|-|–)?\s*(?:are|were|have|both|all)\b|\s*:")
_TENTATIVE_BEFORE = re.compile(
    r"(?:\b(?:suspect(?:s|ed|ing)?|suspicion (?:falls on|fell on|is of|of|for)|suspicious for|possibl[ey]|probabl[ey]|"
    r"concern(?:s|ing|ed)? (?:for|about|of|is|was)|c/f|likely|presum(?:ed|ptive|ably)|provisional|"
    r"working (?:diagnosis|dx|impression)|differential(?: includes?)?|may have|might have|could (?:be|have)|"
    r"(?:thought|believed|felt) to|suggest(?:s|ed|ive|ing)|appears to|rule out|r/o(?!['’]?d)|question of|"
    r"cannot exclude)\b|\?)"
    r"\W*(?:(?:is|was|has|have|an?|the|of|to|be|having|acute|diagnosis|dx|flare(?:-up)?|exacerbation|"
    r"attack|episode|\w+(?:ic|al|ous|ary))\b\W*){0,6}$"
)
_TENTATIVE_AFTER = re.compile(
    r"[\s,(]*(?:(?:flare(?:-up)?|exacerbation|attack|episode|relapse|crisis)\s+)?"
    r"(?:(?:is|was|were|are|has been|thought|considered|to be|most|but|as|the|leading)\s+)*"
    r"(?:likely|suspected|suspicion|possible|probable|presumed|provisional|working diagnosis|not (?:yet )?confirmed|"
    r"unconfirmed)\b"
)
_QUERY = re.compile(r"(?:^|[\s:(])\?\s*$")  # "A: ? Pneumonia", which ends no question
_QUERY_LENGTH = 4
_CONFIRMED_BEFORE = re.compile(
    r"\b(?:turn(?:s|ed|ing)? out to (?:have|be)|confirm(?:s|ed|ing)|establish(?:es|ed|ing)|prove[ns]?|definite(?:ly)?|"
    r"final diagnosis(?: (?:is|was|of|being))?)\W*(?:(?:an?|the|of|acute|diagnosis)\b\W*){0,4}$"
)
_CONFIRMED_AFTER = re.compile(
    r"[\s,(]*(?:(?:is|was|were|are|has been|being|now|as)\s+)*(?:confirmed|established|proven|the final diagnosis)\b"
)
_NEAR = 80  # characters in which such words may stand before a name
# In "fever and cough were denied" the end of the sentence denies both.
LISTED = re.compile(r"\s*(?:,|,?\s*(?:\b(?:and|or|nor)\b|&))\s*(?:an?\s+|any\s+|the\s+)?", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\b(?:family history|(?:mother|father|mom|dad|parents?|brother|sister|sibling|sons?|daughters?|aunt|uncle|cousin|"
    r"grand(?:mother|father|parents?)|relatives?|wife|husband|spouse)s?\b"
    r"(?!['’]?s?\s+(?:reports?|states?|says|said|notes|noted|brought|denies|denied|is concerned)))"
)
_SPEAKER = re.compile(r"^\s*[A-Z][\w ]{0,20}:\s*")
_FILLER = r"(?:(?:um+|uh+|well|oh|ah|hmm|actually|and|so|honestly|okay)[,. ]+)*"
_NO = re.compile(
    _FILLER + r"(?:no|nope|nah|none|never|negative|neither|nothing|not|i (?:don|haven|didn|wasn|am not)\S*)\b"
)
_YES = re.compile(_FILLER + r"(?:yes|yeah|yep|yup|sure|correct|right|i do|i have|i did|absolutely|definitely)\b")
_ADJACENT_WORDS = 4  # "did not undergo a colonoscopy": how far a negation reaches a procedure or a medicine


@dataclass(frozen=True)
class Scope:
    """A trigger and how far it reaches, as offsets into the text."""

    trigger: Span
    end: int


class SentenceAssertions:
    """What the triggers of one sentence say about the mentions in it."""

    def __init__(self, text: str, span: Span, answer: str = "", named: Sequence[Span] = ()) -> None:
        """``answer`` is what follows a question, up to the end of the next sentence that is none.

        ``named`` is what the sentence names: "no change in vision" denies that name and is no "no change".
        """
        self._answer = small_letters(_SPEAKER.sub("", answer.strip()))
        text = small_letters(text)
        self._text, self._span = text, span
        self._negations = [
            scope for scope in _scopes(text, span, _NEGATION) if not _is_pseudo(text, scope, span, named)
        ]
        self._considered = _scopes(text, span, _CONSIDERATION)
        self._is_question = text[span.start : span.end].rstrip("\"')]").endswith("?")
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
        if adjacent and not (listed and LISTED.fullmatch(self._text, before, start)):
            negations = [
                scope
                for scope in negations
                if scope.trigger.end >= before and len(self._text[scope.trigger.end : start].split()) < _ADJACENT_WORDS
            ]
        elif self.denied_after(end):
            return NEGATED
        return NEGATED if negations else AFFIRMED

    def denied_after(self, end: int) -> bool:
        """Whether the words that follow deny what ends here: ruled out, was absent, : no."""
        return bool(_DENIED_AFTER.match(self._text, end, self._span.end))

    def denied_together(self, end: int) -> bool:
        """Whether they deny several things at once: were absent, both denied, : no."""
        return self.denied_after(end) and bool(_SEVERAL.match(self._text, end, self._span.end))

    def is_tentative(self, start: int, end: int) -> bool:
        """Whether a diagnosis is only thought likely: suspected pneumonia; pneumonia, not yet confirmed."""
        queried = _QUERY.search(self._text, max(0, start - _QUERY_LENGTH), start)
        return bool(queried) or self._beside(_TENTATIVE_BEFORE, _TENTATIVE_AFTER, start, end)

    def is_confirmed(self, start: int, end: int) -> bool:
        """Whether a diagnosis is called certain: turned out to have pneumonia, pneumonia was confirmed."""
        return self._beside(_CONFIRMED_BEFORE, _CONFIRMED_AFTER, start, end)

    def _beside(self, before: re.Pattern[str], after: re.Pattern[str], start: int, end: int) -> bool:
        lead = self._text[max(self._span.start, start - _NEAR) : start]
        return bool(before.search(lead) or after.match(self._text, end, self._span.end))

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


def _is_pseudo(text: str, scope: Scope, span: Span, named: Sequence[Span]) -> bool:
    pseudo = _PSEUDO.match(text, scope.trigger.end, span.end)
    return bool(pseudo) and not any(name.start < pseudo.end() <= name.end for name in named if pseudo)


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
