"""The wordings that a repair exchanges, as data: changes of a medicine, sexes, frequencies, denials, certainty."""

from __future__ import annotations

from clinical.reading.changes import CONTINUED, LOWERED, RAISED, STARTED, STOPPED

# Each row: (the words to find, what the opposite of them is). The first row that matches wins, so longer ones come
# first.
STOPPED_FOR_STARTED: tuple[tuple[str, str], ...] = (
    (r"(?<=\bhe )(?:started|began|commenced) on", "came off"),
    (r"(?<=\bthey )(?:started|began|commenced) on", "came off"),
    (r"(?:newly )?(?:started|begun|commenced|initiated|placed|put) on(?! hold)", "taken off"),
    (r"(?:was|is|were|are) newly on", "was taken off"),
    (r"newly on", "off"),
    (r"(?<=\bis )(?:newly )?prescribed(?= [a-z0-9])(?! for| owing| due| because)", "taken off"),
    (r"(?<=\bwas )(?:newly )?prescribed(?= [a-z0-9])(?! for| owing| due| because)", "taken off"),
    (r"(?:added|introduced|prescribed) (?:to|into) (?:his|her|their|the) regimen", "stopped"),
    (r"(?:newly )?(?:started|began|begun|initiated|added|introduced|commenced|prescribed)", "stopped"),
    (r"(?:starts|begins|initiates|adds|introduces|commences|prescribes)", "stops"),
    (r"(?:starting|beginning|initiating|adding|introducing|commencing|prescribing)", "stopping"),
    (r"initiation of", "discontinuation of"),
    (r"(?:start|begin|initiate|add|introduce|commence|prescribe)", "stop"),
)
STARTED_FOR_STOPPED: tuple[tuple[str, str], ...] = (
    (r"a (?:hold|pause) (?:on|in)", "initiation of"),
    (r"(?:put |placed )?on hold", "started"),
    (r"taken off", "started on"),
    (r"(?:comes|goes) off", "starts"),
    (r"(?:came|went) off", "started"),
    (r"coming off", "starting"),
    (r"no longer on", "newly on"),
    (r"no longer (?:takes|uses)", "now takes"),
    (
        r"(?:stopped|discontinued|held back|held|withheld|paused|suspended|ceased|withdrawn|withdrew|interrupted)",
        "started",
    ),
    (r"(?:stops|discontinues|holds|withholds|pauses|suspends|ceases|withdraws|interrupts)", "starts"),
    (r"(?:stopping|discontinuing|holding|withholding|pausing|suspending|ceasing|interrupting)", "starting"),
    (r"discontinuation of", "initiation of"),
    (r"(?:stop|discontinue|hold|withhold|pause|suspend|cease|interrupt)", "start"),
    (r"off", "newly on"),
)
LOWERED_FOR_RAISED: tuple[tuple[str, str], ...] = (
    (r"went up on", "went down on"),
    (r"goes up on", "goes down on"),
    (r"going up on", "going down on"),
    (r"stepped up", "stepped down"),
    (r"turned up", "turned down"),
    (r"(?:increased|raised|up-?titrated|escalated)", "lowered"),
    (r"(?:increases|raises|up-?titrates|escalates)", "lowers"),
    (r"(?:increasing|raising|up-?titrating|escalating)", "lowering"),
    (r"(?:increase|raise|up-?titrate|escalate)", "decrease"),
)
RAISED_FOR_LOWERED: tuple[tuple[str, str], ...] = (
    (r"went down on", "went up on"),
    (r"goes down on", "goes up on"),
    (r"going down on", "going up on"),
    (r"stepped down", "stepped up"),
    (r"turned down", "turned up"),
    (r"scaled back", "raised"),
    (r"(?:decreased|reduced|lowered|tapered|down-?titrated|cut)", "increased"),
    (r"(?:decreases|reduces|lowers|tapers|cuts)", "increases"),
    (r"(?:decreasing|reducing|lowering|tapering|cutting)", "increasing"),
    (r"(?:reduction|decrease|reduce|lower|taper)", "increase"),
)
_BEGUN = r"(?:newly )?(?:started|began|begun|initiated|added|introduced|commenced|prescribed)(?: taking)?"
_BEGUN_ON = r"(?:was|is) (?:newly )?(?:started|begun|commenced|initiated|placed|put) on(?! hold)"
_HE_BEGAN = r"(?<=\bhe )(?:started|began|commenced)(?: on| taking)?"
_BEGINS = r"(?:starts|begins|initiates|adds|introduces|commences|prescribes)"
RAISED_FOR_STARTED: tuple[tuple[str, str], ...] = (
    (_BEGUN_ON, "went up on"),
    (_HE_BEGAN, "went up on"),
    (_BEGUN, "increased"),
    (_BEGINS, "increases"),
)
LOWERED_FOR_STARTED: tuple[tuple[str, str], ...] = (
    (_BEGUN_ON, "went down on"),
    (_HE_BEGAN, "went down on"),
    (_BEGUN, "lowered"),
    (_BEGINS, "lowers"),
)
CONTINUED_FOR_STARTED: tuple[tuple[str, str], ...] = (
    (r"(?<=\bwas )(?:newly )?(?:started|begun|commenced|initiated|placed|put) on(?! hold)", "kept on"),
    (r"(?<=\bis )(?:newly )?(?:started|begun|commenced|initiated|placed|put) on(?! hold)", "kept on"),
    (_BEGUN, "continued"),
    (_BEGINS, "continues"),
)
CONTINUED_FOR_STOPPED: tuple[tuple[str, str], ...] = (
    (r"taken off", "kept on"),
    (r"(?:stopped|discontinued|held|withheld|paused|suspended|ceased|withdrawn|withdrew|interrupted)", "continued"),
    (r"(?:stops|discontinues|holds|withholds|pauses|suspends|ceases|withdraws)", "continues"),
)
_HELD = r"(?:stopped|discontinued|held|withheld|paused|suspended|ceased|withdrawn|interrupted|dropped|put on hold)"
RAISED_FOR_STOPPED: tuple[tuple[str, str], ...] = (
    (r"had a hold placed on", "went up on"),
    (r"has a hold placed on", "goes up on"),
    (_HELD, "increased"),
)
LOWERED_FOR_STOPPED: tuple[tuple[str, str], ...] = (
    (r"had a hold placed on", "went down on"),
    (r"has a hold placed on", "goes down on"),
    (_HELD, "lowered"),
)
STOPPED_FOR_HELD: tuple[tuple[str, str], ...] = (
    (r"had a hold placed on", "came off"),
    (r"has a hold placed on", "comes off"),
    (r"a (?:hold|pause) (?:on|in)", "discontinuation of"),
    (r"(?:put on hold|held back|held|withheld|paused|suspended|interrupted)", "stopped"),
    (r"(?:holds|withholds|pauses|suspends|interrupts)", "stops"),
    (r"(?:holding|withholding|pausing|suspending|interrupting)", "stopping"),
)
# Not before the old and the new dose, which only a change of dose has.
_NO_DOSES = r"(?! (?:[a-z]+ ){0,3}(?:from|to) \d)"
_CHANGED = r"(?:dose )?(?:increased|raised|uptitrated|decreased|lowered|reduced|tapered)"
STOPPED_FOR_CHANGED: tuple[tuple[str, str], ...] = (
    (rf"went (?:up|down) on{_NO_DOSES}", "came off"),
    (rf"goes (?:up|down) on{_NO_DOSES}", "comes off"),
    (rf"{_CHANGED}{_NO_DOSES}", "stopped"),
)
STARTED_FOR_CHANGED: tuple[tuple[str, str], ...] = (
    (rf"went (?:up|down) on{_NO_DOSES}", "began"),
    (rf"goes (?:up|down) on{_NO_DOSES}", "begins"),
    (rf"{_CHANGED}{_NO_DOSES}", "started"),
)
STOPPED_FOR_CONTINUED: tuple[tuple[str, str], ...] = (
    (r"kept on", "taken off"),
    (r"(?:continued|maintained)(?! on)", "stopped"),
    (r"continues(?! on)", "stops"),
)
# (what the summary says was done, what the note says was done): the wordings of the one in those of the other.
REWORDED: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    (STARTED, STOPPED): STOPPED_FOR_STARTED,
    (STOPPED, STARTED): STARTED_FOR_STOPPED,
    (RAISED, LOWERED): LOWERED_FOR_RAISED,
    (LOWERED, RAISED): RAISED_FOR_LOWERED,
    (STARTED, RAISED): RAISED_FOR_STARTED,
    (STARTED, LOWERED): LOWERED_FOR_STARTED,
    (STARTED, CONTINUED): CONTINUED_FOR_STARTED,
    (STOPPED, CONTINUED): CONTINUED_FOR_STOPPED,
    (STOPPED, STOPPED): STOPPED_FOR_HELD,
    (STOPPED, RAISED): RAISED_FOR_STOPPED,
    (STOPPED, LOWERED): LOWERED_FOR_STOPPED,
    (RAISED, STOPPED): STOPPED_FOR_CHANGED,
    (LOWERED, STOPPED): STOPPED_FOR_CHANGED,
    (RAISED, STARTED): STARTED_FOR_CHANGED,
    (LOWERED, STARTED): STARTED_FOR_CHANGED,
    (CONTINUED, STOPPED): STOPPED_FOR_CONTINUED,
}
# What a person is called; a pronoun follows the noun, or the sentence contradicts itself.
OTHER_SEX: dict[str, str] = {
    **{"man": "woman", "male": "female", "gentleman": "lady", "boy": "girl"},
    **{"woman": "man", "female": "male", "lady": "gentleman", "girl": "boy"},
}
# "her" is both: his before a noun, him elsewhere.
OTHER_PRONOUN: dict[str, str] = {
    "he": "she",
    "she": "he",
    "his": "her",
    "him": "her",
    "himself": "herself",
    "herself": "himself",
}
MALE_PRONOUNS, FEMALE_PRONOUNS = ("he", "his", "him", "himself"), ("she", "her", "herself")
# How often a day, in the wordings that summaries use: the same column is the same style.
FREQUENCY_STYLES: dict[str, tuple[str, ...]] = {
    "once daily": ("once daily", "daily", "once a day", "every day", "QD"),
    "twice daily": ("twice daily", "twice daily", "twice a day", "twice a day", "BID"),
    "three times daily": ("three times daily", "three times daily", "three times a day", "three times a day", "TID"),
    "four times daily": ("four times daily", "four times daily", "four times a day", "four times a day", "QID"),
    "six times daily": ("six times daily", "six times daily", "six times a day", "six times a day", "every 4 hours"),
    "once weekly": ("once weekly", "weekly", "once a week", "every week", "once weekly"),
}
# What makes a report of a denial, and a denial of a report: tried on the words right before the name.
REPORT_FOR_DENIAL: tuple[tuple[str, str], ...] = (
    (r"no longer any ", ""),
    (r"\bthere was no ", "there was "),
    (r"\b(?:did|does) not (?:have|report|mention) (?:any |an? )?", "had "),
    (r"\bdenied (?:any |having (?:any )?)?", "reported "),
    (r"\bdenies (?:any |having (?:any )?)?", "reports "),
    (r"\bdenying (?:any )?", "reporting "),
    (r"\bwithout (?:any )?", "with "),
    (r"\bnegative for ", "positive for "),
    (r"\bno (?:associated |evidence of |signs? of |history of )?", ""),
)
DENIAL_FOR_REPORT: tuple[tuple[str, str], ...] = (
    (
        r"\b(had|has|have|having|with) (?:an? |some )?((?:history|diagnosis) of )(?:an? )?",
        r"\1 no \2",
    ),
    (
        r"\b(had|has|have|having|with|showed|shows|showing|found|revealed|there was|there were) (?:an? |some |also )?",
        r"\1 no ",
    ),
    (r"\b(?:was|were) found to have (?:an? |some )?", "had no "),
    (r"\breported (?:an? |some |also )?", "denied "),
    (r"\breports (?:an? |some |also )?", "denies "),
    (r"\breporting (?:an? |some )?", "denying "),
    (r"\bcomplained of (?:an? )?", "denied "),
    (r"\bpositive for ", "negative for "),
    (r"\baccompanied by (?:an? )?", "without "),
)
# A diagnosis that the note only suspects.
SUSPECTED_FOR_CONFIRMED: tuple[tuple[str, str], ...] = (
    (r"\bturned out to (?:be|have)\b", "was thought to have"),
    (r"\bturns out to (?:be|have)\b", "is thought to have"),
    (r"\b(?:confirmed|established|proven)\b", "suspected"),
    (r"\b(?:definite|final)\b", "presumed"),
)
# The same where no word calls it certain, in the words right before the name.
SUSPECTED_FOR_STATED: tuple[tuple[str, str], ...] = (
    (r"\bthe diagnosis (was|is) (?:an? )?", r"the suspected diagnosis \1 "),
    (r"\b(?:judged|found|noted|seen) to have (?:an? )?", "suspected of having "),
    (r"\bdiagnosed with (?:an? )?", "suspected of having "),
    (r"\b(an? |the )?(?:final )?diagnosis of (?:an? )?", r"\1presumed diagnosis of "),
    (r"\b(the (?:assessment|conclusion|impression) (?:was|is)) (?:an? )?", r"\1 suspected "),
    (r"\b(?:had|has|with) (?:an? )?", r"\g<0>suspected "),
)
STATED_FOR_SUSPECTED: tuple[tuple[str, str], ...] = (
    (r"\b(?:suspected|likely|possible|probable|presumed) ", ""),
    (r"\bsuspected of having (?:an? )?", "found to have "),
    (r"\blikely (had|has) ", r"\1 "),
)
