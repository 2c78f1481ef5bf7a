"""A shipped note written again with one fact changed, by the same author, in the same words but for that fact."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.changed_facts.facts import KINDS, Option
from benchmarks.changed_facts.reading import differ_in_that_alone
from clinical.patient import Patient, from_json
from phase1_data_medhal.authors import draw_author
from phase1_data_medhal.drawing.draw import draw_patient
from phase1_data_medhal.notes.writer import write_note
from phase1_data_medhal.seeds import seeded
from phase1_data_medhal.summaries.writer import choose_facts
from utils.cli import UserError

MOST_ATTEMPTS = 40  # at one note, which is drawn anew while it is too short or too long: seldom more than two


@dataclass(frozen=True)
class Change:
    """A note as shipped and with one fact changed, told apart by nothing but ``old`` and ``new``."""

    example_id: str
    kind: str
    about: str
    old: str
    new: str
    note: str
    changed: str


def note_writer(example_id: str, note: str, evidence_stats: str, seed: int) -> Callable[[Patient], str]:
    """What writes a shipped note anew with other facts: the same author, style and phrases, from the same seed.

    Raises UserError where the corpus' seed does not write the very note.
    """
    split, _, number = example_id.partition("-")
    held_out = split == "test"
    for attempt in range(MOST_ATTEMPTS if number.isdecimal() else 0):
        rng = seeded(seed, split, int(number), attempt)
        patient = draw_patient(rng, held_out)
        choose_facts(patient, rng)
        state = rng.getstate()

        def write(patient: Patient, rng: random.Random = rng, state: Any = state) -> str:
            rng.setstate(state)
            return write_note(patient, draw_author(rng, held_out), rng)

        if write(patient) == note and patient == from_json(evidence_stats):
            return write
    raise UserError(
        f"{example_id}: this is no note that phase1_data_medhal/write_notes.py writes with --seed {seed}; only those "
        "can be written again with one fact changed"
    )


def changes_of(example_id: str, note: str, evidence_stats: str, seed: int) -> tuple[list[Change], Counter[str]]:
    """A change of every fact that can be changed alone; and of how many, by kind, each change moved something else."""
    write, patient = note_writer(example_id, note, evidence_stats, seed), from_json(evidence_stats)
    changes: list[Change] = []
    discarded: Counter[str] = Counter()
    for name, kind in KINDS.items():
        facts: dict[tuple[str, str], list[Option]] = defaultdict(list)
        for option in kind.options(patient, seeded("counterfactual", example_id, name)):
            facts[option.about, option.old].append(option)
        for (about, old), options in facts.items():
            texts = ((option.new, write(option.patient)) for option in options)
            clean = ((new, text) for new, text in texts if differ_in_that_alone(kind.read, note, text, old, new))
            found = next(clean, None)
            if found is None:
                discarded[name] += 1
            else:
                changes.append(Change(example_id, name, about, old, found[0], note, found[1]))
    return changes, discarded
