"""The screen: what it reads from a text, and what it says of a summary, on notes and summaries written by hand."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.levels import is_level, levels_of
from clinical.lexicon import DATA_DIR, load_lexicon
from clinical.mentions import concepts, find_mentions
from clinical.numbers import Quantity, find_frequencies, find_quantities, number_from_words, same_amount
from clinical.reading.assertion import AFFIRMED, CONSIDERED, FAMILY, NEGATED, PATIENT, UNCLEAR
from clinical.reading.changes import LOWERED, RAISED, STARTED, STOPPED, find_changes
from clinical.reading.claims import extract_claims
from clinical.screen.support import CONTRADICTED, FLAGGED, SUPPORTED, UNKNOWN, UNSUPPORTED, screen, unsupported_claims
from clinical.sentences import sentence_spans
from clinical.shorthand import write_out

NOTE = """Triage: 61-year-old woman with right calf pain for 3 days and dyspnea. Neg: fever, hemoptysis.
PMH: HTN, type 2 diabetes. Father with colon cancer.
Meds: metformin 1000 mg BID, lisinopril 10 mg daily. BP 142/88 mmHg. Creatinine 1.2 mg/dL, potassium 4.4 mmol/L.
CTPA shows a right lower lobe embolism. Dx: pulmonary embolism. Start apixaban 5 mg BID. Suspected anemia.
Possible pneumonia cannot be told. Allergic to aspirin."""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("She takes Tylenol.", ["acetaminophen"]),  # brand
        ("SOB and HTN", ["dyspnea", "hypertension"]),  # abbreviations
        ("unstable angina", ["unstable angina"]),  # the longest name, not angina alone
        ("kidney stones, a kidney stone", ["nephrolithiasis", "nephrolithiasis"]),  # plural
        ("shortness\nof breath", ["dyspnea"]),  # wrapped line
        ("a C T head, a c t head", ["head CT"]),  # spoken letters, in capitals only
        ("as ms wrote, mr lee may", []),  # AS, MS, MR count in capitals only
        ("COVID-19", ["COVID-19"]),
        ("chest, pain", []),  # a comma parts words
    ],
)
def test_mentions(text, names):
    assert [mention.concept.name for mention in find_mentions(text)] == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for five days", [((5.0,), "day")]),
        ("0.5 mg and .5 mg", [((0.5,), "mg"), ((0.5,), "mg")]),
        ("1,000 mg", [((1000.0,), "mg")]),
        ("BP 120/80 mmHg", [((120.0, 80.0), "mmHg")]),
        ("one twenty over eighty", [((120.0, 80.0), "")]),
        ("3 to 4 days", [((3.0,), "day"), ((4.0,), "day")]),
        ("a 3-day history", [((3.0,), "day")]),
        ("81mg", [((81.0,), "mg")]),
        ("C-reactive protein 12 mg/L", [((12.0,), "mg/L")]),
        ("for 3d, x4d, 28h or 9 wks", [((3.0,), "day"), ((4.0,), "day"), ((28.0,), "hour"), ((9.0,), "week")]),
        ("two point one point hundred", [((2.1,), ""), ((100.0,), "")]),
        ("10 -> 20 mg", [((10.0,), "mg"), ((20.0,), "mg")]),
        ("Augmentin 500 mg", [((500.0,), "mg")]),  # begins like August
        ("L4-5, B12, COVID-19, T2", []),  # codes
        ("on 1/12/95 and in 9/95, May 3, the 2nd", []),  # dates and ordinals
        ("1. Gout\n2. Asthma", []),  # list numbers
    ],
)
def test_quantities(text, expected):
    assert [(quantity.values, quantity.unit) for quantity in find_quantities(text)] == expected


@pytest.mark.parametrize(
    "text", ["a 76-year-old man", "76M", "76 y/o", "aged 76", "a woman of 76", "seventy six years old"]
)
def test_ages(text):
    assert [(quantity.values, quantity.is_age) for quantity in find_quantities(text)] == [((76.0,), True)]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("seventy six", 76),
        ("one hundred twenty", 120),
        ("two thousand eight", 2008),
        ("nineteen ninety five", 1995),
        ("two point five", 2.5),
        ("two three", None),  # two numbers, not one
    ],
)
def test_number_words(words, value):
    assert number_from_words(words.split()) == value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("1", "g"), ("1000", "mg"), True),
        (("2", "week"), ("14", "day"), True),
        (("4", "week"), ("1", "month"), True),  # people's months
        (("5", "day"), ("2", "week"), False),
        (("48", "hour"), ("2", "day"), True),
        (("13", "day"), ("2", "week"), False),
        (("20", ""), ("20", "mg"), True),  # "twenty daily"
        (("5", "mg"), ("5", "day"), False),
        (("120", "mmHg"), ("120/80", "mmHg"), True),
        (("1.2", "mg/dL"), ("2.1", "mg/dL"), False),
    ],
)
def test_same_amount(one, other, same):
    first, second = (
        Quantity(0, 0, tuple(float(part) for part in value.split("/")), unit) for value, unit in (one, other)
    )
    assert same_amount(first, second) is same
    assert same_amount(second, first) is same


def test_frequencies_in_words_and_letters():
    found = find_frequencies("5 mg BID, then twice daily, q8h, at bedtime")
    assert [frequency.name for frequency in found] == ["twice daily", "twice daily", "three times daily", "once daily"]


def test_sentences_end_neither_after_titles_nor_in_numbers():
    text = "Seen by Dr. Lee at 3 p.m. today for 0.5 mg.\nFever: no. He is\nwell."
    assert [text[span.start : span.end] for span in sentence_spans(text)] == [
        "Seen by Dr. Lee at 3 p.m. today for 0.5 mg.",
        "Fever: no.",
        "He is\nwell.",
    ]


@pytest.mark.parametrize(
    ("text", "polarities"),
    [
        ("Denies fever, chills or cough.", [NEGATED] * 3),
        ("Denies fever but has cough.", [NEGATED, AFFIRMED]),
        ("No fever; cough for 5 days.", [NEGATED, AFFIRMED]),
        ("Negative for fever. Cough present.", [NEGATED, AFFIRMED]),
        ("Neg: fever, cough", [NEGATED, NEGATED]),
        ("Cough without fever, she has chills.", [AFFIRMED, NEGATED, AFFIRMED]),
        ("Fever was ruled out.", [NEGATED]),
        ("Fever: no", [NEGATED]),
        ("There was no improvement of cough.", [AFFIRMED]),
        ("Has not had any fever.", [NEGATED]),
        ("No difficulty swallowing.", [NEGATED]),
        ("No hydronephrosis, and acute kidney injury was diagnosed.", [AFFIRMED]),
        ("Possible pneumonia.", [CONSIDERED]),
        ("Return if fever or cough.", [CONSIDERED, CONSIDERED]),
        ("No fever since starting amoxicillin.", [NEGATED, AFFIRMED]),  # the fever, not the drug
        ("Not taking aspirin or ibuprofen.", [NEGATED, NEGATED]),
        ("No fracture on foot X-ray.", [AFFIRMED]),  # the X-ray was taken
        ("Doctor: Any fever? Patient: No.", [NEGATED]),
        ("Doctor: Any fever? Patient: Yes, I do.", [AFFIRMED]),
        ("Doctor: Any fever?\nDoctor: Cough?\nPatient: Nope.", [NEGATED, NEGATED]),
        ("Doctor: Any fever or cough? Patient: Yes.", [UNCLEAR, UNCLEAR]),  # which of the two?
        ("Had the flu shot.", []),
        ("(-) fever, w/o cough", [NEGATED, NEGATED]),
        ("Pertinent negatives include fever and cough.", [NEGATED, NEGATED]),
        ("Excluded: pneumonia. Pneumonia was excluded and fever resolved.", [NEGATED, NEGATED, AFFIRMED]),
        ("With no fever, this man has cough.", [NEGATED, AFFIRMED]),
        ("He denied fever and also admitted to cough.", [NEGATED, AFFIRMED]),
        ("Fever was denied, and cough was treated.", [NEGATED, AFFIRMED]),
        ("Fever, chills and cough were absent.", [NEGATED] * 3),
        ("Gout is in the background and cough absent.", [AFFIRMED, NEGATED]),  # one thing is denied, not the list
        ("No change in vision.", [NEGATED]),  # a name, and no "no change"
        ("She is no longer on aspirin.", [CONSIDERED]),
        ("The anti-gout agent colchicine.", [AFFIRMED]),  # the colchicine, not gout
    ],
)
def test_polarity(text, polarities):
    assert [claim.polarity for claim in extract_claims(text) if claim.concept] == polarities


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("L foot pain, right-sided headache", [("right", "headache")]),  # L is written out before
        ("pleural effusion on the left", [("left", "effusion")]),
        ("left leg swelling, swelling of the left leg", [("left", "lower extremity"), ("left", "lower extremity")]),
        ("left ventricular hypertrophy", []),  # the name of one thing, not a side
        ("right now he left", []),
    ],
)
def test_sides(text, sides):
    assert [(claim.value, claim.about) for claim in extract_claims(text) if claim.type == "laterality"] == sides


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("R abd pain, L-sided weakness, (R) knee", "right abdominal pain, left-sided weakness, right knee"),
        ("2 L nasal cannula, K 3.2 mmol/L and SOB", "2 L nasal cannula, K 3.2 mmol/L and SOB"),
        ("RUQ pain, hip fx, HA; b/l edema", "right upper quadrant pain, hip fracture, headache; bilateral edema"),
    ],
)
def test_shorthand_is_written_out(text, words):
    assert write_out(text).text == words


def test_shorthand_leads_back_to_its_place():
    written = write_out("He has L hip fx and HA.")
    start = written.text.index("left hip fracture")
    assert written.origin(start, start + len("left hip fracture")) == (7, 15)
    assert written.origin(0, len(written.text)) == (0, len("He has L hip fx and HA."))


def test_levels_are_of_the_lexicon_and_follow_its_ranges():
    names, labs = {concept.name for concept in concepts()}, {lab.name for lab in load_lexicon().labs}
    with (DATA_DIR / "levels.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["name"], row["lab"], row["level"]) for row in csv.DictReader(file)]
    assert [row for row in rows if row[0] not in names or row[1] not in labs or row[2] not in ("low", "high")] == []
    assert levels_of("hyponatremia") == (("sodium", "low"),)
    (sodium,) = find_quantities("129 mmol/L")
    assert (is_level("sodium", "low", sodium), is_level("sodium", "high", sodium)) == (True, False)
    assert not is_level("glucose", "low", find_quantities("22 mmol/L")[0])  # in mg/dL in the lexicon


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Start aspirin 81 mg and lisinopril.", [("aspirin", STARTED), ("lisinopril", STARTED)]),
        ("Naproxen (held); new: apixaban", [("naproxen", STOPPED), ("apixaban", STARTED)]),
        ("had a hold placed on zolpidem", [("zolpidem", STOPPED)]),
        ("Ibuprofen 600 mg was put on hold.", [("ibuprofen", STOPPED)]),
        ("begins the loop diuretic torsemide", [("torsemide", STARTED)]),
        (
            "Prednisone, previously 40 mg, was lowered; goes up on albuterol",
            [("prednisone", LOWERED), ("albuterol", RAISED)],
        ),
        ("consider adding aspirin; takes metformin", []),
        ("Started apixaban, and naproxen was taken away.", [("apixaban", STARTED)]),
        (
            "lisinopril 10 -> 20 mg; allopurinol 100 mg instead of 200 mg",
            [("lisinopril", RAISED), ("allopurinol", LOWERED)],
        ),
        (
            "The metformin dose went up. Her insulin glargine dose went down.",
            [("metformin", RAISED), ("insulin glargine", LOWERED)],
        ),
    ],
)
def test_changes_of_medicines(text, changes):
    assert [(change.drug, change.kind) for change in find_changes(text)] == changes


SHORT_NOTE = """54F c/o R foot pain x 9 wks, HA. (-) fever. PMH: RA, Crohn's. Labs Na 129, Hgb 14.0 g/dL, K 4.1.
CT abd: no abscess. Suspected pneumonia, not confirmed.
Lisinopril 10 -> 20 mg; naproxen 500 mg (held); prednisone 40 mg (new).
Pancreatitis in 2019. LVH on ECG. F/u endo in 2 wks."""


@pytest.mark.parametrize(
    "summary",
    [
        "She has had right foot pain for nine weeks, or 63 days.",
        "She has a headache, rheumatoid arthritis and Crohn's disease.",
        "There is hyponatremia.",  # the sodium says so
        "Abdominal CT showed no abscess.",
        "Lisinopril was raised from 10 mg to 20 mg, naproxen was stopped and prednisone started.",
        "With no fever, she has acute pancreatitis in her history.",  # perhaps narrower than the note
        "An electrocardiogram showed left ventricular hypertrophy.",
        "Pneumonia is suspected; the endocrinologist will see her in two weeks.",
    ],
)
def test_shorthand_and_other_wordings_are_not_flagged(summary):
    assert unsupported_claims(SHORT_NOTE, summary) == []


@pytest.mark.parametrize(
    ("summary", "text", "kind", "verdict"),
    [
        ("Left foot pain.", "Left", "laterality", CONTRADICTED),
        ("There is anemia.", "anemia", "condition", UNSUPPORTED),  # the hemoglobin is normal
        ("She denies headache.", "headache", "negation", CONTRADICTED),
        ("She started naproxen.", "started", "medication", CONTRADICTED),
        ("Prednisone was stopped.", "stopped", "medication", CONTRADICTED),
        ("She turned out to have pneumonia.", "pneumonia", "certainty", CONTRADICTED),
        ("Cardiology will see her.", "Cardiology", "procedure", UNSUPPORTED),
    ],
)
def test_what_shorthand_contradicts_is_flagged(summary, text, kind, verdict):
    flagged = unsupported_claims(SHORT_NOTE, summary)
    assert [(claim.text, claim.type, claim.verdict) for claim in flagged] == [(text, kind, verdict)]


def test_family_is_not_the_patient():
    claims = [c for c in extract_claims("Mother had asthma. The mother reports that he has a cough.") if c.concept]
    assert [claim.subject for claim in claims] == [FAMILY, PATIENT]


def test_values_belong_to_what_they_stand_with():
    text = "Metformin 1000 mg BID, lisinopril 10 mg; carisoprodol 750 mg. Na 138, creatinine rose from 1.2 to 2.1."
    about = {claim.text: claim.about for claim in extract_claims(text) if claim.quantity or claim.value}
    assert about == {
        "1000 mg": "metformin",
        "BID": "metformin",
        "10 mg": "lisinopril",
        "750 mg": "",
        "138": "sodium",
        "1.2": "creatinine",
        "2.1": "creatinine",
    }


@pytest.mark.parametrize(
    "summary",
    [
        "A 61-year-old woman has right calf pain for three days and shortness of breath.",
        "She denies fever and hemoptysis.",
        "History of hypertension; her father had colon cancer.",
        "Glucophage 1 g twice daily and Zestril 10 mg once daily.",
        "BP 142/88, creatinine 1.2, potassium of 4.4 mmol/L.",
        "CT pulmonary angiogram showed pulmonary embolism; apixaban 5 mg twice daily was started.",
        "No chest pain.",  # the note does not say, but nothing speaks against it
        "She takes 3 medicines.",  # counted, not read
        "Pneumonia is possible.",
    ],
)
def test_what_the_note_says_is_not_flagged(summary):
    assert unsupported_claims(NOTE, summary) == []


@pytest.mark.parametrize(
    ("summary", "text", "kind", "verdict"),
    [
        ("She has gout.", "gout", "condition", UNSUPPORTED),
        ("She has fever.", "fever", "negation", CONTRADICTED),
        ("She denies dyspnea.", "dyspnea", "negation", CONTRADICTED),
        ("She takes warfarin.", "warfarin", "medication", UNSUPPORTED),
        ("An echocardiogram was done.", "echocardiogram", "procedure", UNSUPPORTED),
        ("Metformin 500 mg.", "500 mg", "dose", CONTRADICTED),
        ("Lisinopril 1000 mg.", "1000 mg", "dose", CONTRADICTED),  # the other drug's dose, which is in the note
        ("Metformin 1000 mg once daily.", "once daily", "dose", CONTRADICTED),
        ("Creatinine 4.4 mg/dL.", "4.4 mg/dL", "number", CONTRADICTED),
        ("Sodium was 131 mmol/L.", "Sodium was 131 mmol/L", "number", UNSUPPORTED),
        ("Calf pain for 5 days.", "5 days", "time", CONTRADICTED),
        ("Follow-up in 6 weeks.", "6 weeks", "time", UNSUPPORTED),
        ("Left calf pain.", "Left", "laterality", CONTRADICTED),
        ("A 16-year-old girl.", "16-year-old", "demographics", CONTRADICTED),
        ("The man is well.", "man", "demographics", CONTRADICTED),
        ("She has colon cancer.", "colon cancer", "experiencer", CONTRADICTED),  # her father has
        ("Pneumonia was found.", "Pneumonia", "certainty", CONTRADICTED),  # only possible in the note
    ],
)
def test_what_the_note_does_not_say_is_flagged(summary, text, kind, verdict):
    flagged = unsupported_claims(NOTE, summary)
    assert [(claim.text, claim.type, claim.verdict) for claim in flagged] == [(text, kind, verdict)]
    assert summary[flagged[0].start : flagged[0].end] == text


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        ("She has pleuritic chest pain.", UNSUPPORTED),
        ("She takes aspirin.", UNKNOWN),  # allergic to it
        ("She has exertional dyspnea.", UNKNOWN),  # narrower than dyspnea
    ],
)
def test_what_cannot_be_told(summary, verdict):
    assert [claim.verdict for claim in screen(NOTE, summary) if claim.type != "demographics"] == [verdict]


def test_evidence_points_into_the_note():
    dyspnea, fever = screen(NOTE, "Shortness of breath, fever.")
    assert dyspnea.verdict == SUPPORTED
    assert NOTE[dyspnea.evidence.start : dyspnea.evidence.end] == "dyspnea"
    assert fever.verdict == CONTRADICTED
    assert NOTE[fever.evidence.start : fever.evidence.end] == "fever"
    missing = screen(NOTE, "He takes warfarin as meds.")[-1]
    assert "Meds" in NOTE[missing.evidence.start : missing.evidence.end]  # the nearest sentence by its words


def test_a_note_in_speech_supports_a_summary_in_writing():
    note = "Doctor: Your age? Patient: I am seventy six. Doctor: Any chest pain? Patient: No. I take five of apixaban."
    assert unsupported_claims(note, "A 76-year-old denies chest pain and takes Eliquis 5 mg.") == []
    assert [claim.type for claim in unsupported_claims(note, "She has chest pain.")] == ["negation"]


def test_shipped_factual_summaries_are_hardly_flagged():
    path = Path(__file__).parent.parent / "phase1_data_medhal/sft/validation_set_processed.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "factual"][:100]
    flagged = [row["id"] for row in rows if unsupported_claims(row["clinical_note"], row["model_summary"])]
    assert len(flagged) <= 2, flagged  # a summary that is refused is lost for training: at most 2 %


@given(note=st.text(max_size=300), summary=st.text(max_size=200))
def test_any_text_can_be_screened(note, summary):
    for claim in screen(note, summary):
        assert summary[claim.start : claim.end] == claim.text
        assert claim.verdict in (SUPPORTED, UNKNOWN, *FLAGGED)


WORDS = """No denies fever , . ; ? cough without 5 mg days of apixaban but has left knee 120/80 two point one hundred
year-old man mother Patient: Yes possible MI 3-4 1,000 % history x-ray M R I"""
CLINICAL = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join)


@given(note=CLINICAL, summary=CLINICAL)
def test_any_clinical_words_can_be_screened(note, summary):
    for claim in screen(note, summary):
        assert summary[claim.start : claim.end] == claim.text
        assert claim.evidence is None or 0 <= claim.evidence.start < claim.evidence.end <= len(note)


@given(summary=CLINICAL)
def test_a_text_never_contradicts_itself_in_what_it_names(summary):
    named = [claim for claim in screen(summary, summary) if claim.type in ("condition", "medication", "procedure")]
    assert all(claim.verdict != UNSUPPORTED for claim in named)


def test_shorthand_is_neat():
    with (DATA_DIR / "shorthand.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["short", "long"]
    assert [row for row in rows if len(row) != 2 or not all(row) or row[0] == row[1]] == []
    assert len({row[0] for row in rows}) == len(rows)
