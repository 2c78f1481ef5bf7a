"""The sentences of a note on what was found: vital signs, examination, laboratory and studies."""

from __future__ import annotations

import re

from clinical.patient import Study
from phase1_data_medhal.notes.phrases import bare, with_article
from phase1_data_medhal.notes.sentences import Speaker, frames

PRESSURES = ("systolic blood pressure", "diastolic blood pressure")


class Findings(Speaker):
    """Values, signs and studies."""

    def vitals(self, bare_frames: bool = False) -> list[str]:
        """Vital signs; the two blood pressures as ``142/88`` where both are there."""
        values = {value.name: value for value in self.patient.vitals}
        high, low = (values.get(name) for name in PRESSURES)
        items = []
        if high and low and bool(high.earlier) == bool(low.earlier):
            earlier = f"{high.earlier}/{low.earlier}" if high.earlier else None
            name = "BP" if self.voice.terse or self.voice.abbreviates() else "blood pressure"
            items = [self.voice.measured(name, f"{high.value}/{low.value}", earlier, "mmHg").replace("changed", "now")]
            items = [re.sub(r"\(now from (\S+)\)", r"(from \1)", item).replace("now from", "from") for item in items]
            values = {name: value for name, value in values.items() if name not in PRESSURES}
        items += [self.voice.value(value, alone=False) for value in values.values()]
        return [self.say("vitals", self.bank("vitals", bare_frames), **self.group(items))]

    def labs(self, bare_frames: bool = False) -> list[str]:
        """Laboratory values."""
        items = [self.voice.value(value, alone=len(self.patient.labs) == 1) for value in self.patient.labs]
        return [self.say("labs", self.bank("labs", bare_frames), **self.group(items))]

    def signs(self, bare_frames: bool = False) -> list[str]:
        """Findings of the examination."""
        items = self.voice.findings(self.patient.signs)
        return [self.say("signs", self.bank("signs", bare_frames), **self.group(items))]

    def absent(self, bare_frames: bool = False) -> list[str]:
        """Findings that the examination did not show."""
        slots = self.group(self.words(self.patient.absent_signs))
        return [self.say("absent signs", self.bank("absent signs", bare_frames), **slots)]

    def signs_absent(self, bare_frames: bool = False) -> list[str]:
        """Both in one sentence."""
        absent = self.group(self.words(self.patient.absent_signs))
        slots = self.both(self.voice.findings(self.patient.signs), absent)
        return [self.say("signs absent", self.bank("signs absent", bare_frames), **slots)]

    def studies(self) -> list[str]:
        """One sentence for each study."""
        return [self._study(study) for study in self.patient.studies]

    def _study(self, study: Study) -> str:
        voice = self.voice
        name = bare(voice.word(study.procedure))
        kind = {(True, True): "both", (True, False): "found", (False, True): "absent"}.get(
            (bool(study.findings), bool(study.absent)), "bare"
        )
        subject = f"the {name}" if not voice.terse and voice.chance(0.4) else name
        slots = {"s": name, "S": subject, "as": with_article(name)}
        if study.absent:
            slots |= self.group(self.words(study.absent))
        if study.findings:
            slots = self.both(voice.findings(study.findings), slots)
        return self.say(f"study {kind}", frames()["study"][kind][self.tone], **slots)
