"""How a note makes a sentence: frames that can be filled, who is spoken of, and verbs that agree."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from clinical.patient import Patient
from phase1_data_medhal.notes.phrases import Voice, bare, is_plural
from phase1_data_medhal.wording import expand, listed, slot_names

FRAMES = Path(__file__).resolve().parent / "frames.json"
LABEL = re.compile(r"[^{]*(?:: | - )")


@cache
def frames() -> dict[str, Any]:
    """The bank of the notes' frames."""
    loaded: dict[str, Any] = json.loads(FRAMES.read_text(encoding="utf-8"))
    return loaded


def _people(patient: Patient) -> dict[str, str]:
    male = patient.sex == "male"
    return {
        "he": "he" if male else "she", "his": "his" if male else "her", "him": "him" if male else "her",
        "person": "man" if male else "woman", "title": "gentleman" if male else "lady", "sex": patient.sex,
        "letter": "M" if male else "F", "age": str(patient.age), "specialty": patient.specialty,
    }  # fmt: skip


class Speaker:
    """Makes sentences about one patient in one voice and style."""

    def __init__(self, voice: Voice, style: str) -> None:
        self.voice, self.style, self.patient = voice, style, voice.patient
        self.tone = "terse" if voice.terse else "full"
        self.after_heading = False  # whether the next sentence stands right after a heading
        self.people = _people(voice.patient)

    def say(self, kind: str, bank: Any, **slots: str) -> str:
        """One sentence from the frames of ``bank`` that can be filled with ``slots``."""
        people = {**self.people, **self._reference(), **slots}
        options = [frame for frame in bank if slot_names(frame) <= set(people)]
        if self.after_heading and not kind.startswith(("complaint", "order", "pack")):  # no label after a label
            options = [frame for frame in options if not LABEL.match(frame)] or options
            self.after_heading = False
        frame = self.voice.pick(options, kind)
        return expand(frame, self.voice.author, self.voice.rng).format_map(people)

    def _reference(self) -> dict[str, str]:
        voice, he = self.voice, self.people["he"]
        if voice.terse:
            ref = voice.pick(["pt", "patient", he], "reference")
        else:
            ref = voice.pick([he, he, "the patient", f"this {self.people['person']}"], "reference")
        refs = self.people["his"] if ref == he else f"{ref}'s"
        patient = voice.pick(["Pt", "Pt", "Patient"], "Pt")
        return {"ref": ref, "refs": refs, "ref0": "the patient", "Pt": patient}

    def bank(self, kind: str, bare_frames: bool = False) -> Any:
        """The frames of one kind in this note's tone."""
        frame = frames()[kind]
        return frame["bare"] if bare_frames and "bare" in frame else frame[self.tone]

    def group(self, items: Sequence[str]) -> dict[str, str]:
        """The slots that a list of noun phrases fills, with the verbs that agree with it."""
        many = len(items) > 1 or is_plural(items[0])
        absent = [bare(item).replace("a(n) ", "") for item in items]
        slots = {"x": self.voice.listed(items), "or": listed(absent, "or"), "and": listed(absent),
                 "list": ", ".join(absent), "were": "were" if many else "was", "is": "are" if many else "is",
                 "done": "performed", "noted": self.voice.rng.choice(["noted", "found", "present"]),
                 "seen": self.voice.rng.choice(["seen", "noted"]), "recorded": "recorded", "found": "found",
                 }  # fmt: skip
        first, last = is_plural(absent[0]), is_plural(absent[-1])  # a verb agrees with the nearest of "no a or b"
        slots |= {"isno": "are" if first else "is", "hasno": "have" if first else "has"}
        slots |= {"wereno": "were" if first else "was", "werelast": "were" if last else "was"}
        slots["has"] = "have" if many else "has"
        if many:
            slots["many"] = ""
        if len(items) == 1:
            slots["one"] = items[0]
        if len(items) == 2:
            slots["neither"] = f"neither {absent[0]} nor {absent[1]}"
        return slots

    def both(self, items: Sequence[str], absent: dict[str, str]) -> dict[str, str]:
        """The slots of what is there and of what is not, where one sentence tells both."""
        there = self.group(items)
        return {**absent, **{key: there[key] for key in ("x", "were", "is", "has", "noted", "seen")}}

    def words(self, names: Sequence[str]) -> list[str]:
        """Wordings of several concepts."""
        return [self.voice.word(name) for name in names]
