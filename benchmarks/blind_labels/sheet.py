"""The blind sheet: the arms' summaries among sound and spoilt references, in an order that tells nothing, and its key.

The sheet is a CSV for manual_assessment_tool.py with opaque ids. The key, a file apart, says who wrote what.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from adversarial.checks import check_chosen
from adversarial.operators.donors import Donors
from adversarial.pairs import SEVERITIES, Factual, make_negatives, note_id
from assessment.session import Item as Question
from assessment.session import shuffled
from assessment.store import load_rows
from manual_assessment_tool import DEFAULT_SEED
from utils.cli import UserError
from utils.files import make_output_dir, sha256_text
from utils.records import write_csv

if TYPE_CHECKING:
    import pandas as pd

SHEET = "summaries.csv"
COLUMNS = ("example_id", "clinical_note", "generated_summary")
GOLD, PLANTED = "gold", "planted"  # who else wrote summaries, beside the arms: references, and references made wrong
_NEGATIVES = 6  # made of a reference, so that one of them has a single wrong fact
_DRAWS = 1000  # of an order; one in twenty keeps four summaries of each note apart


class Written(NamedTuple):
    """One summary to judge, and all who wrote it."""

    note: str
    clinical_note: str
    summary: str
    writers: tuple[str, ...]


class Controls(NamedTuple):
    """Summaries whose verdict is known, by note: references, references with one wrong fact, and the kind of each."""

    gold: Mapping[str, str]
    planted: Mapping[str, str]
    kinds: Mapping[str, str]


def references(frame: pd.DataFrame) -> list[Factual]:
    """The references in results of step 3."""
    columns = (frame["example_id"], frame["clinical_note"], frame["ground_truth"])
    return [Factual(name, note_id(note), note, text) for name, note, text in zip(*columns, strict=True) if text]


def draw_controls(rows: Iterable[Factual], donors: Donors, *, gold: int, planted: int, seed: int) -> Controls:
    """At most so many references, and so many others with one fact made wrong, in a seeded order.

    References that the screen cannot square with their note are left out: not all are right. Those in which a fact can
    be made wrong, the longer ones, are shared out in turns, so that both kinds are alike; others fill up the sound.
    """
    sound = [row for row in rows if check_chosen(row.note, row.summary) is None]
    sound.sort(key=lambda row: sha256_text(f"{seed}\0{row.note_id}"))
    wrong: dict[str, tuple[str, str]] = {}
    for row in sound:
        made = make_negatives(row, donors, seed=seed, wanted=_NEGATIVES).negatives
        single = next((negative for negative in made if negative.severity == SEVERITIES[1]), None)
        if single:
            wrong[row.row_id] = single.text, single.edits[0].type
    spoilt = list(wrong)[::2][:planted]
    left = sorted((row for row in sound if row.row_id not in spoilt), key=lambda row: row.row_id not in wrong)
    return Controls(
        gold={row.row_id: row.summary for row in left[:gold]},
        planted={note: wrong[note][0] for note in spoilt},
        kinds={note: wrong[note][1] for note in spoilt},
    )


def collate(notes: Mapping[str, str], writers: Mapping[str, Mapping[str, str]]) -> list[Written]:
    """Each text that was written of a note, once, with all who wrote it.

    ``notes`` are texts by name, ``writers`` what each wrote, by the note's name.
    """
    by_text: dict[tuple[str, str], list[str]] = {}
    for writer, summaries in writers.items():
        for note, summary in summaries.items():
            by_text.setdefault((note, summary), []).append(writer)
    return [Written(note, notes[note], summary, tuple(who)) for (note, summary), who in by_text.items()]


def in_blind_order(written: Sequence[Written], seed: int) -> list[Written]:
    """A random order in which no note comes twice in a row, every such order as likely as another.

    Raises UserError where too few notes leave none.
    """
    rng, order = random.Random(seed), list(written)
    for _ in range(_DRAWS):
        rng.shuffle(order)
        if all(one.note != other.note for one, other in pairwise(order)):
            return order
    raise UserError(f"{len(written)} summaries of too few notes: those of one note cannot be kept apart; more --notes")


def ids_in_order(count: int) -> list[str]:
    """Numbers that tell nothing, in the order in which the labelling tool will show their items."""
    numbers = [Question(f"{number:0{len(str(count))}d}", "", ("",)) for number in range(1, count + 1)]
    return [question.example_id for question in shuffled(numbers, DEFAULT_SEED)]


def write_sheet(folder: Path, order: Sequence[Written]) -> list[dict[str, Any]]:
    """Write the sheet so that the labelling tool shows the summaries in this order; returns the items of its key."""
    numbered = sorted(zip(ids_in_order(len(order)), order, strict=True))
    rows = [(name, written.clinical_note, written.summary) for name, written in numbered]
    path = make_output_dir(folder) / SHEET
    write_csv(path, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows))
    return [
        {"example_id": name, "text_sha256": row.key[1], "note": written.note, "writers": list(written.writers)}
        for (name, written), row in zip(numbered, load_rows(path), strict=True)
    ]


def counted(controls: Controls) -> dict[str, Any]:
    """How many controls of each sort there are, how long they are, and how many wrong facts of each kind."""
    sorts = {GOLD: controls.gold, PLANTED: controls.planted}
    lengths = {sort: [len(text.split()) for text in texts.values()] for sort, texts in sorts.items()}
    return {
        **{sort: len(words) for sort, words in lengths.items()},
        "median_words": {sort: median(words or [0]) for sort, words in lengths.items()},
        "kinds": dict(Counter(controls.kinds.values()).most_common()),
    }
