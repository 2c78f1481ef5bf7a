"""What could stand in place of a wrong word on a laboratory value: its opposite, or the value without it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adversarial.on_policy.removals import without_words
from adversarial.operators.edits import Edit, replace_span
from clinical.levels import HIGH, LOW
from clinical.reading.claims import NUMBER
from clinical.reading.lab_words import LabWord

# Each word and what says the reverse in its place.
_OPPOSITES = dict(
    (
        *(("high", "low"), ("elevated", "low"), ("raised", "low"), ("above", "below"), ("up", "down")),
        *(("rise", "fall"), ("climb", "decline"), ("increase", "decrease"), ("rising", "falling")),
        *(("climbing", "declining"), ("rose", "fell"), ("risen", "fallen"), ("climbed", "declined")),
        *(("increased", "decreased"), ("increasing", "decreasing")),
        *(("low", "high"), ("depressed", "high"), ("below", "above"), ("down", "up")),
        *(("fall", "rise"), ("drop", "rise"), ("decline", "climb"), ("decrease", "increase"), ("falling", "rising")),
        *(("declining", "climbing"), ("dropping", "rising"), ("fell", "rose"), ("fallen", "risen")),
        *(("declined", "climbed"), ("dropped", "rose"), ("decreased", "increased"), ("decreasing", "increasing")),
    )
)
_FIRST_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_TURNED = re.compile(rf"\b(?:{'|'.join(_OPPOSITES)})\b", re.IGNORECASE)
# What tells the earlier value after the present one: " (up from 143 mmol/L)", ", fallen from 25".
_EARLIER_AFTER = re.compile(r"(?: \((?P<opened>)|, | )$")
_NOW_AFTER = re.compile(r"(?:, (?:now|most recently|currently|now at))? ", re.IGNORECASE)
_TO_VALUE = re.compile(r" (?:from \S+(?: \S+)? )?(?:to|at) $", re.IGNORECASE)
_IS_MOVING = re.compile(
    r"(?P<verb>is|was|are|were) (?:rising|climbing|falling|declining|dropping|trending up|trending down)$",
    re.IGNORECASE,
)
_WENT_TO = re.compile(
    r"(?P<word>rose|climbed|increased|fell|declined|dropped|decreased) (?:from \S+(?: \S+)? )?to $", re.IGNORECASE
)


def other_lab_words(text: str, word: LabWord) -> Iterator[tuple[Edit, ...]]:
    """The opposite word; the two numbers in the other order; the value with no such word. None is checked here."""
    turned = _TURNED.search(text, word.start, word.end)
    if turned:
        new = _OPPOSITES[turned[0].lower()]
        yield (replace_span(text, turned.start(), turned.end(), new, NUMBER),)
    if word.kind in (HIGH, LOW):
        yield from _without_level(text, word)
        return
    if len(word.values) > 1:
        one, two = (claim.quantity for claim in word.values)
        assert one and two
        first, second = text[one.start : one.number_end], text[two.start : two.number_end]
        yield (
            Edit(one.start, one.number_end, first, second, NUMBER),
            Edit(two.start, two.number_end, second, first, NUMBER),
        )
    yield from _without_course(text, word)


def _without_level(text: str, word: LabWord) -> Iterator[tuple[Edit, ...]]:
    """A white cell count at 6.8 for a raised white cell count at 6.8."""
    if text[word.end : word.end + 1] == " ":
        yield (without_words(text, word.start, word.end + 1, NUMBER),)


def _without_course(text: str, word: LabWord) -> Iterator[tuple[Edit, ...]]:
    """The present value alone: 4.2 for 4.2 (down from 5), of 4.2 for a fall to 4.2, is 4.2 for is falling, now 4.2."""
    value = word.values[0] if word.values else None
    last = word.values[-1] if word.values else None
    if value and last and value.end <= word.start:
        yield from _without_earlier(text, word, last.end)
    elif last and word.start < last.start:
        moving = _IS_MOVING.search(text[: word.end], max(0, word.start - len("were ")))
        now = _NOW_AFTER.match(text, word.end, last.start)
        if moving and now:
            yield (Edit(moving.end("verb"), now.end(), text[moving.end("verb") : now.end()], " ", NUMBER),)
        went = _WENT_TO.search(text[: last.start], word.start)
        if went:
            yield (Edit(went.start(), last.start, went[0], "was ", NUMBER),)
        to_value = _TO_VALUE.search(text[: last.start], word.end)
        if to_value and text[word.end : word.end + 1] == " ":
            without = without_words(text, word.start, word.end + 1, NUMBER)
            yield (without, Edit(to_value.start(), last.start, to_value[0], " of ", NUMBER))
        elif text[word.end : word.end + 1] == " ":
            yield (without_words(text, word.start, word.end + 1, NUMBER),)


def _without_earlier(text: str, word: LabWord, end: int) -> Iterator[tuple[Edit, ...]]:
    """Without the words and the earlier value after the present one, and the brackets around them."""
    before = _EARLIER_AFTER.search(text[: word.start])
    if before is None or end <= word.start:
        return
    if before.groupdict().get("opened") is not None:
        if text[end : end + 1] != ")":
            return
        end += 1
    yield (Edit(before.start(), end, text[before.start() : end], "", NUMBER),)
