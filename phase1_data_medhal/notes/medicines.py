"""The sentences of a note on medicines, their changes and allergies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clinical.patient import DrugUse, Patient
from phase1_data_medhal.notes.phrases import is_plural
from phase1_data_medhal.notes.sentences import Speaker, frames
from phase1_data_medhal.wording import capital, listed

SUBJECT = re.compile(r"\{sig\} (?:was|is|has|\[)|prescription|which was|\{sig\}:")  # a verb agrees with one drug
WHY = {
    "started": [" for {r}", " to treat {r}", " because of {r}", " given {r}"],
    "changed": [" because of {r}", " given {r}", " due to {r}", " in view of {r}", " on account of {r}"],
    "started terse": [" for {r}", " given {r}", " ({r})"],
    "changed terse": [" due to {r}", " d/t {r}", " given {r}", " ({r})", " 2/2 {r}"],
}  # fmt: skip


def kept(patient: Patient) -> list[DrugUse]:
    """The medicines that nobody changes."""
    return [use for use in patient.drugs if use.change == "continued"]


def _kind(use: DrugUse) -> tuple[str, str | None]:
    return use.change, use.reason


class Medicines(Speaker):
    """What is taken, what changes and why, and what is not tolerated."""

    def drugs(self, bare_frames: bool = False) -> list[str]:
        """The medicines that go on unchanged."""
        items = [f"{self.voice.word(u.name)}{self.voice.sig(u, u.dose)}{self._purpose(u)}" for u in kept(self.patient)]
        return [self.say("drugs", self.bank("drugs", bare_frames), **self.group(items))]

    def changes(self, lines: bool = False) -> list[str]:
        """What happens to the others, each with its reason; ``lines``: each on a line of its own."""
        changed = [use for use in self.patient.drugs if use.change != "continued"]
        alike = [use for use in changed if changed and _kind(use) == _kind(changed[-1])]
        clauses = []
        if len(alike) > 1 and alike[0].change in ("started", "held", "stopped") and self.voice.chance(0.5):
            clauses = [self._together(alike)]  # two of a kind, for one reason or none, in one clause
            changed = [use for use in changed if use not in alike]
        clauses = [*(self._change(use) for use in changed), *clauses]
        if lines:
            return ["\n".join(f"- {capital(clause)}" for clause in clauses)]
        if self.voice.terse:
            return ["; ".join(clauses) + "."]
        if len(clauses) > 1 and self.voice.chance(0.45):
            first = f"{clauses[0]}{self.voice.rng.choice([', and ', '; ', ', while '])}{clauses[1]}"
            clauses = [first, *clauses[2:]]
        return [f"{clause}." for clause in clauses]

    def _together(self, uses: Sequence[DrugUse]) -> str:
        bank = [frame for frame in self.bank(uses[0].change) if not SUBJECT.search(frame)]
        items = [f"{self.voice.word(use.name)}{self.voice.sig(use, use.dose or use.new_dose)}" for use in uses]
        return self.say(f"{uses[0].change} together", bank, sig=listed(items), why=self._why(uses[0]))

    def _purpose(self, use: DrugUse) -> str:
        return f" (for {self.voice.word(use.reason)})" if use.reason else ""

    def _why(self, use: DrugUse) -> str:
        if not use.reason:
            return ""
        kind = "started" if use.change == "started" else "changed"
        forms = WHY[f"{kind} terse" if self.voice.terse else kind]
        return self.voice.pick(forms, f"why {kind}").format(r=self.voice.word(use.reason))

    def _change(self, use: DrugUse) -> str:
        voice, why, drug = self.voice, self._why(use), self.voice.word(use.name)
        if use.change not in ("increased", "decreased"):
            sig = f"{drug}{voice.sig(use, use.dose or use.new_dose)}"
            bank = self.bank(use.change)
            if is_plural(drug):  # eye drops
                bank = [frame for frame in bank if not SUBJECT.search(frame)]
            return self.say(use.change, bank, sig=sig, why=why)
        old, new = use.dose, use.new_dose
        told = "both" if old and new else "new" if new else "old" if old else "none"
        slots = {"drug": drug, "sig": voice.sig(use, None), "why": why}
        slots |= {"span": voice.span(old, new)} if old and new else {}
        slots |= {name: dose for name, dose in (("old", old), ("new", new)) if dose}
        return self.say(f"{use.change} {told}", frames()[use.change][told][self.tone], **slots)

    def allergies(self, bare_frames: bool = False) -> list[str]:
        """Allergies, or that there are none."""
        if not self.patient.allergies:
            return [self.say("no allergies", self.bank("no allergies", bare_frames))]
        form = self.voice.pick(["{s} ({r})", "{s} ({r})", "{s} (reaction: {r})", "{s} - {r}"], "reaction")
        items = [
            form.format(s=self.voice.word(a.substance), r=self.voice.word(a.reaction)) if a.reaction
            else self.voice.word(a.substance) for a in self.patient.allergies
        ]  # fmt: skip
        return [self.say("allergies", self.bank("allergies", bare_frames), **self.group(items))]
