"""The sentences of a note by the kind of fact that they tell; here those of the assessment and the plan."""

from __future__ import annotations

import re

from clinical.patient import Diagnosis, PlanItem
from phase1_data_medhal.notes.findings import Findings
from phase1_data_medhal.notes.history import History
from phase1_data_medhal.notes.medicines import Medicines
from phase1_data_medhal.notes.phrases import bare, with_article, words
from phase1_data_medhal.notes.sentences import frames
from phase1_data_medhal.wording import capital, listed

AFTER_LABEL = re.compile(
    r"(^|: ?\??|Dx |Dx'd w/ |[-?] |likely |probable |suspected |presumed |suspect |c/f )a\(n\) ", re.IGNORECASE
)
THERAPY = re.compile(r"therapy|rehabilitation|fluids|dialysis|oxygen|transfusion|ventilation|training|splint")


class Sections(History, Medicines, Findings):
    """Writes the sentences of each kind of fact of one patient in one voice and style."""

    def diagnosis(self, bare_frames: bool = False) -> list[str]:
        """The assessment."""
        diagnosis = self.patient.diagnosis
        assert diagnosis is not None
        bank = frames()["diagnosis"][diagnosis.certainty]
        name = self._diagnosed(diagnosis)
        slots = self.group([name if self.voice.terse else with_article(name)])
        spoken = self.say(f"diagnosis {diagnosis.certainty}", bank["bare" if bare_frames else self.tone], **slots)
        return [AFTER_LABEL.sub(r"\1", spoken)]

    def _diagnosed(self, diagnosis: Diagnosis) -> str:
        voice, name = self.voice, diagnosis.condition
        if not diagnosis.acute:
            return voice.word(name)
        longer, shorter = words()["acute forms"].get(name, ((), ()))
        if not longer:
            word = voice.word(name)
            return word if word.startswith("acute") else f"acute worsening of {word}"
        return voice.pick(shorter if shorter and voice.abbreviates() else longer, f"acute {name}")

    def ruled(self) -> list[str]:
        """What was ruled out."""
        return [self.say("ruled out", self.bank("ruled out"), **self.group(self.words(self.patient.ruled_out)))]

    def outcome(self) -> list[str]:
        """How a symptom went."""
        course = self.patient.outcome
        assert course is not None
        x = bare(self.voice.word(course.finding))
        bank = frames()["outcome"][course.outcome][self.tone]
        return [self.say(f"outcome {course.outcome}", bank, **self.group([x]), the="the")]

    def plan(self, bare_frames: bool = False, lines: bool = False) -> list[str]:
        """What is to be done; items with a time first, so that a time cannot be read as another's."""
        groups: dict[PlanItem, list[str]] = {}
        for item in sorted(self.patient.plan, key=lambda item: item.within is None):
            groups.setdefault(PlanItem(item.order, item.amount or "", item.within), []).append(self._target(item))
        actions = [self._order(key, targets) for key, targets in groups.items()]
        if lines:
            return ["\n".join(f"- {capital(action)}" for action in actions)]
        x = "; ".join(actions) if self.voice.terse else listed(actions)
        letter = self.style == "letter" and not bare_frames
        bank = frames()["plan"]["letter"] if letter else self.bank("plan", bare_frames)
        return [self.say("plan", bank, x=x)]

    def _target(self, item: PlanItem) -> str:
        word = self.voice.word(item.target)
        if item.amount:
            return f"{word}{self.voice.rng.choice([' of {}', ' ({})', ' ({})']).format(item.amount)}"
        return with_article(word) if item.order in ("obtain", "consider") and not self.voice.terse else word

    def _order(self, key: PlanItem, targets: list[str]) -> str:
        voice = self.voice
        when = ""
        if key.within:
            words_of_time = [" in {}"] if key.order == "repeat" else [" in {}", " within {}"]
            when = voice.pick(words_of_time, f"within {key.order}").format(voice.time(key.within))
        bank = frames()["order"][key.order][self.tone]
        if key.order == "obtain" and any(THERAPY.search(target) for target in targets):
            bank = ["[arrange|start|provide] {x}{when}"]
        return self.say(f"order {key.order}", bank, x=listed(targets), when=when)

    def disposition(self) -> list[str]:
        """Where the patient goes."""
        where = self.patient.disposition
        return [self.say(f"disposition {where}", frames()["disposition"][where][self.tone])]

    def follow(self) -> list[str]:
        """The next visit."""
        visit = self.patient.follow_up
        assert visit is not None
        when = f" in {self.voice.time(visit.after)}" if visit.after else ""
        return [self.say("follow up", self.bank("follow up"), s=self.voice.word(visit.service), when=when)]
