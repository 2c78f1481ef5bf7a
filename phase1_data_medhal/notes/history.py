"""The sentences of a note's history: why the patient came, what else there is, and what was before."""

from __future__ import annotations

from clinical.patient import Located, Operation, Problem
from phase1_data_medhal.notes.phrases import bare, is_plural, words
from phase1_data_medhal.notes.sentences import Speaker, frames
from phase1_data_medhal.wording import listed

SITES = {
    "emergency": ["the emergency department", "the ED", "the emergency room"],
    "inpatient": ["hospital", "the hospital"],
    "clinic": ["the clinic", "the office", "our clinic"],
}


def is_recent(operation: Operation) -> bool:
    """Whether an operation belongs to this episode."""
    return operation.ago is not None and operation.ago.unit in ("hours", "days")


class History(Speaker):
    """Complaint, symptoms, problems, operations, family and habits."""

    def opening(self, kind: str, course: str | None, **slots: str) -> list[str]:
        """Who came and why; ``kind`` is the bank of frames, ``course`` what of the complaint's course is told here."""
        bank = frames()["opening"][self.style] if kind == "opening" else self.bank(kind)
        place = self.voice.rng.choice(SITES[self.patient.setting])
        return [self.say(kind, bank, c=self._complaint(course), place=place, **slots)]

    def _complaint(self, course: str | None) -> str:
        complaint, voice = self.patient.complaint, self.voice
        noun = voice.located(Located(complaint.finding, complaint.side))
        kind, slots = "plain", {}
        if complaint.duration:
            n, unit = complaint.duration.n, complaint.duration.unit.removesuffix("s")
            kind, slots = "timed", {"time": voice.time(complaint.duration), "adj": f"{n}-{unit}"}
            if course == "sudden" and voice.chance(0.6):
                kind, course = "sudden", None
        if course:
            adjective = voice.pick(frames()["course"][course], f"course {course}")
            article = "a(n) " if noun.startswith("a(n) ") else ""
            noun = f"{article}{adjective} {bare(noun.removeprefix('a(n) '))}"
        bank = self.bank("complaint")[kind]
        if complaint.duration and complaint.duration.n == 1:
            bank = [frame for frame in bank if "past" not in frame]  # not "over the past 1 day"
        return self.say(f"complaint {kind}", bank, c=noun, bare=bare(noun.removeprefix("a(n) ")), **slots)

    def course(self) -> list[str]:
        """A sentence on how the complaint goes."""
        complaint = self.patient.complaint
        noun = bare(self.voice.located(Located(complaint.finding, complaint.side)).removeprefix("a(n) "))
        many = is_plural(noun)
        verbs = {"has": "have", "is": "are", "was": "were", "comes": "come", "goes": "go", "occurs": "occur"}
        agreed = {verb: plural if many else verb for verb, plural in verbs.items()}
        return [self.say(f"course {complaint.course}", frames()["course sentence"][complaint.course], c=noun, **agreed)]

    def symptoms(self) -> list[str]:
        """What the patient reports besides."""
        return [self.say("symptoms", self.bank("symptoms"), **self.group(self.words(self.patient.symptoms)))]

    def denied(self) -> list[str]:
        """What the patient denies."""
        slots = self.group(self.words(self.patient.denied))
        del slots["x"]
        return [self.say("denied", self.bank("denied"), **slots)]

    def symptoms_denied(self) -> list[str]:
        """Both in one sentence."""
        absent = self.group(self.words(self.patient.denied))
        slots = self.both(self.words(self.patient.symptoms), absent)
        return [self.say("symptoms denied", self.bank("symptoms denied"), **slots)]

    def problem_list(self) -> list[str]:
        """Conditions: those with a time or resolved in brackets, so that neither can be read as another's."""
        order = sorted(self.patient.problems, key=lambda p: p.status == "resolved")
        alone = len(order) == 1
        return [self._problem(problem, alone) for problem in order]

    def _problem(self, problem: Problem, alone: bool) -> str:
        voice = self.voice
        noun, time = voice.word(problem.condition), voice.time(problem.ago) if problem.ago else None
        if problem.status == "resolved":
            if time is None:
                return voice.rng.choice([f"{noun} (resolved)", f"{noun} (now resolved)", f"previous {noun} (resolved)"])
            return voice.rng.choice([f"{noun} {time} ago (resolved)", f"{noun} ({time} ago, resolved)",
                                     f"resolved {noun} ({time} ago)", f"{noun} (resolved, {time} ago)"])  # fmt: skip
        if time is None:
            return noun
        if voice.terse:
            return voice.rng.choice([f"{noun} ({time})", f"{noun} (x{time})", f"{noun} (dx {time} ago)"])
        forms = [f"{noun} (for {time})", f"{noun} (diagnosed {time} ago)"]
        return voice.rng.choice([*forms, f"{noun} for {time}", f"{noun} diagnosed {time} ago"] if alone else forms)

    def problems(self, bare_frames: bool = False) -> list[str]:
        """The known conditions."""
        return [self.say("problems", self.bank("problems", bare_frames), **self.group(self.problem_list()))]

    def _operation(self, operation: Operation, alone: bool) -> str:
        voice = self.voice
        noun = voice.word(operation.procedure, plain=operation.side is not None)
        if operation.side:
            side = {"left": "L", "right": "R"}.get(operation.side) if voice.terse and voice.abbreviates() else None
            noun = f"{side or operation.side} {bare(noun)}"
        if not operation.ago:
            return noun
        time = voice.time(operation.ago)
        if alone or voice.chance(0.5):
            return f"{noun} {time} ago" if alone else f"{noun} ({time} ago)"
        return f"{noun} ({time} ago)"

    def _operations(self, recent: bool) -> list[Operation]:
        return [o for o in self.patient.operations if is_recent(o) == recent]

    def operations(self, bare_frames: bool = False) -> list[str]:
        """Operations as history."""
        done = sorted(self._operations(False), key=lambda operation: operation.side is not None)
        items = [self._operation(operation, len(done) == 1) for operation in done]
        return [self.say("operations", self.bank("operations", bare_frames), **self.group(items))]

    def episode(self) -> list[str]:
        """Operations of this episode."""
        done = sorted(self._operations(True), key=lambda operation: operation.side is not None)
        items = [self._operation(operation, len(done) == 1) for operation in done]
        return [self.say("episode", self.bank("episode"), **self.group(items))]

    def family(self) -> list[str]:
        """What runs in the family."""
        voice, his = self.voice, self.people["his"]
        pairs = [(r.relative, voice.word(r.condition)) for r in self.patient.family]
        if not voice.terse and len(pairs) == 1 and voice.chance(0.5):
            return [self.say("family clause", frames()["family"]["clause"], r=pairs[0][0], d=pairs[0][1])]
        if voice.terse:
            form = voice.pick(["{r} - {d}", "{d} ({r})", "{d} in {r}", "{r} w/ {d}"], "relative")
        else:
            form = voice.pick(["{d} ({r})", f"{{d}} in {his} {{r}}", "a {r} with {d}"], "relative")
        items = [form.format(r=words()["relatives"].get(r, r) if voice.terse and voice.abbreviates() else r, d=d)
                 for r, d in pairs]  # fmt: skip
        return [self.say("family", self.bank("family"), x=self.voice.listed(items))]

    def social(self) -> list[str]:
        """Smoking and alcohol."""
        told, patient, voice = [], self.patient, self.voice
        if patient.smoking:
            told.append(voice.pick(frames()["smoking"][patient.smoking][self.tone], f"smoking {patient.smoking}"))
            if patient.pack_years is not None:
                told[0] += " " + self.say("pack", frames()["smoking"]["pack"][self.tone], n=str(patient.pack_years))
        elif patient.pack_years is not None:
            told.append(self.say("pack only", frames()["smoking"]["pack only"][self.tone], n=str(patient.pack_years)))
        if patient.alcohol:
            told.append(voice.pick(frames()["alcohol"][patient.alcohol][self.tone], f"alcohol {patient.alcohol}"))
        x = ", ".join(told) if voice.terse else listed(told)
        return [self.say("social", self.bank("social"), x=x)]
