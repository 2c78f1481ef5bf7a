"""What the annotator can say: each command with its key and its word, the lines that show them, the guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assessment.session import SEVERITIES, TYPES

# Commands, by what may be typed for them: the first is the key, the rest are words.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "hallucinated": ("y", "yes"),
    "clean": ("n", "no"),
    "skip": ("s",),
    "flag": ("f",),
    "undo": ("u",),
    "back": ("b",),
    "comment": ("c",),
    "search": ("/",),
    "guidelines": ("?", "help"),
    "stats": ("t",),
    "quit": ("q", "exit"),
}
COMMANDS = {word: command for command, words in _SPELLINGS.items() for word in (command, *words)}

# What may be typed for an answer to a question that offers a choice.
TYPE_WORDS = {str(number): name for number, name in enumerate(TYPES, start=1)} | {name: name for name in TYPES}
SEVERITY_WORDS = {str(number): name for number, name in enumerate(SEVERITIES, start=1)} | {s: s for s in SEVERITIES}
BETTER_WORDS: Mapping[str, int | None] = {"1": 0, "first": 0, "2": 1, "second": 1, "0": None, "=": None, "equal": None}

COMMON_KEYS = ("? guidelines", "t stats", "q save and quit")
REVIEW_KEYS = ("s skip", "f flag", "u undo", "b back", "c comment", "/ search", *COMMON_KEYS)
KEYS: Mapping[str, tuple[str, ...]] = {
    "judge": ("y hallucinated", "n clean", *REVIEW_KEYS),
    "hallucination_type": (*(f"{n} {name}" for n, name in enumerate(TYPES, start=1)), "Enter pass over", "u undo"),
    "severity": ("1 minor", "2 major (could change care)", "Enter pass over", "u undo"),
    "sentences": ("Enter done", "Enter alone: pass over", "u and Enter: undo"),
    "better": ("1 first", "2 second", "0 equal", *REVIEW_KEYS),
    "done": ("u undo", "b back", "? guidelines", "Enter or q save and quit"),
}
SCROLL_KEYS = ("space page", "arrows line", "Tab other text")
ENTRY_KEYS = ("Enter done", "Esc leave it")
PAGE_KEYS = ("space next page", "arrows scroll", "any other key: back")

GUIDELINES = """\
GUIDELINES
Judge the summary against the note alone, not against what is likely.
y  hallucinated: at least one statement that the note does not support
n  clean: everything in it is in the note. Leaving something out is not
   a hallucination, nor is another wording.
s  skip: you cannot tell. Skipped items come back after a restart.

After y, the kind; where several fit, take the gravest statement:
1  fabricated            nothing in the note speaks of it
   note: "BP 120/80."                summary: "BP 120/80. Takes aspirin."
2  incorrect_inference   a conclusion that the note does not draw
   note: "Started on metformin."     summary: "Poorly controlled diabetes."
3  contradiction         the note says otherwise
   note: "Denies chest pain."        summary: "Presents with chest pain."
4  unsupported_details   the matter is in the note, the detail is not
   note: "Chest pain."               summary: "A 3-day history of chest pain."
Then how grave it is, and the numbers of all sentences that are wrong:
1  minor   a reader would treat the patient the same
   note: "Pain for 2 days."          summary: "Pain for 3 days."
2  major   it could change diagnosis or treatment
   note: "Allergic to penicillin."   summary: "No known allergies."

f  flags the item to come back to, c writes a comment; neither decides.
u  takes back the last answer, as often as you like, also after a restart.
b  looks at the item before; answer it anew, or press Enter to go on.
/  finds words in the note; / and Enter goes to the next place.
t  (stats) shows the rate so far.
Each answer is on disk before the next item shows."""


def parse_details(line: str, asked: Sequence[str], sentences: int) -> dict[str, Any]:
    """The details in a line that answers the first of ``asked``, and maybe those after it: ``1 major 2 3``.

    ``asked`` are the open questions in their order, ``sentences`` is how many there are. An empty line passes over all.
    Raises ValueError saying which word is no answer.
    """
    words = line.replace(",", " ").lower().split()
    if not words:
        return dict.fromkeys(asked)
    details: dict[str, Any] = {}
    if asked[0] == "hallucination_type":
        details[asked[0]] = _chosen(words.pop(0), TYPE_WORDS, "a kind: 1 to 4, or its name")
    elif asked[0] == "severity":
        details[asked[0]] = _chosen(words.pop(0), SEVERITY_WORDS, "a severity: minor or major")
    if words and words[0] in SEVERITIES and "severity" in asked[1:]:
        details["severity"] = words.pop(0)
    for word in words:
        if not (word.isdecimal() and 1 <= int(word) <= sentences):
            raise ValueError(f"'{word}' is not the number of a sentence (1 to {sentences})")
    return details | ({"sentences": sorted({int(word) for word in words})} if words else {})


def _chosen(word: str, choices: Mapping[str, str], what: str) -> str:
    if word not in choices:
        raise ValueError(f"'{word}' is not {what}")
    return choices[word]
