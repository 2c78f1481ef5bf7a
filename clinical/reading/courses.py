"""How a symptom goes, as a text tells it: improved, resolved, unchanged, worse; intermittent or constant.

Only words right beside the name count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.mentions import CONDITION, FINDING, find_mentions
from clinical.sentences import sentence_spans

IMPROVED, RESOLVED, UNCHANGED, WORSENED = "improved", "resolved", "unchanged", "worsened"
INTERMITTENT, CONSTANT = "intermittent", "constant"
# What cannot be said where the note says only the others. What has resolved has improved before.
CONTRARY = {
    IMPROVED: (UNCHANGED, WORSENED),
    RESOLVED: (IMPROVED, UNCHANGED, WORSENED),
    UNCHANGED: (IMPROVED, RESOLVED, WORSENED),
    WORSENED: (IMPROVED, RESOLVED, UNCHANGED),
    INTERMITTENT: (CONSTANT,),
    CONSTANT: (INTERMITTENT,),
}
_BEFORE = {
    UNCHANGED: r"no change in|unchanged",
    IMPROVED: r"improving|improved|easing|lessening|improvement (?:in|of)|better(?=:)",
    RESOLVED: r"resolution of|resolved|gone(?=:)|cleared(?=:)",
    WORSENED: r"worsening(?: of)?|worsened|progressive(?:ly worse)?|progressively worsening|increasing",
    INTERMITTENT: r"intermittent|episodic|on-and-off",
    CONSTANT: r"constant|continuous|nonstop",
}
_AFTER = {
    UNCHANGED: r"unchanged|the same|no different|as before|did not change|not changed|no change|same|"
    r"not improved or worsened",
    IMPROVED: r"improved|improving|got better|gotten better|getting better|better|eased|easing|lessened|on the mend|"
    r"begun to improve",
    RESOLVED: r"resolved|cleared|gone|went away|settled(?: completely)?",
    WORSENED: r"worse(?:ned)?|worsening|got worse|getting worse|becom(?:e|ing) worse|gotten worse",
    INTERMITTENT: r"intermittent|comes? and goes?|came and went|occurs? on and off|episodic",
    CONSTANT: r"constant|continuous",
}
_SIDES = r"(?:(?:the|an?|his|her|their|left|right|bilateral|[\w]+-sided)\s+)*"
_LINKS = (
    r"(?:(?:that|which|is|was|are|were|has|have|had|been|becomes?|became|remain(?:s|ed)?|stayed|now|also|then|throughout|"
    r"completely)\s+)*"
)


def _one_of(words: dict[str, str]) -> str:
    return "|".join(rf"(?P<{kind}>{pattern})" for kind, pattern in words.items())


_WORD_BEFORE = re.compile(rf"(?<![\w-])(?<!not )(?<!no )(?:{_one_of(_BEFORE)})(?:\s+|:\s*){_SIDES}$", re.IGNORECASE)
_WORD_AFTER = re.compile(rf"\s*[:(–-]?\s*{_LINKS}(?:{_one_of(_AFTER)})(?![\w-])", re.IGNORECASE)
_REACH = 50


@dataclass(frozen=True)
class Course:
    """A symptom or condition with its course, told by the words at ``text[start:end]``."""

    start: int
    end: int
    concept: str
    kind: str


@lru_cache(maxsize=512)
def find_courses(text: str) -> tuple[Course, ...]:
    """All courses, in order of the symptoms; one may have several."""
    courses = []
    mentions = [m for m in find_mentions(text) if m.concept.kind in (FINDING, CONDITION)]
    for span in sentence_spans(text):
        for mention in (m for m in mentions if span.start <= m.start < span.end):
            before = _WORD_BEFORE.search(text[: mention.start], max(span.start, mention.start - _REACH))
            after = _WORD_AFTER.match(text, mention.end, span.end)
            for match, kinds in ((before, _BEFORE), (after, _AFTER)):
                if match:
                    kind = next(kind for kind in kinds if match[kind])
                    courses.append(Course(match.start(kind), match.end(kind), mention.concept.name, kind))
    return tuple(courses)
