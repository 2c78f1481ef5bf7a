"""The shipped notes as files: sizes, splits, variety, and summaries that say nothing but their notes' facts."""

import csv
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corpus_variety import variety_of
from clinical.oracle import judge
from clinical.patient import from_json
from phase1_data_medhal import write_notes as script
from phase1_data_medhal.alter import ALTERATIONS, alter_one_fact
from phase1_data_medhal.authors import AUTHORS, STYLES, all_authors, draw_author
from phase1_data_medhal.drawing.draw import draw_patient
from phase1_data_medhal.drawing.facts import fact_count
from phase1_data_medhal.seeds import seeded
from phase1_data_medhal.summaries.writer import choose_facts
from phase1_data_medhal.wording import expand, fill, listed, tidy
from utils.cli import RunError
from utils.records import PHASE1_COLUMNS

SHIPPED = Path(script.__file__).parent / "sft"
LEAST = {"train": 3500, "validation": 500, "test": 500}


def read(split):
    with (SHIPPED / f"{split}_set_processed.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = {split: read(split) for split in script.DEFAULT_SIZES}
ALL = [row for rows in ROWS.values() for row in rows]
FACTUAL = [row for row in ALL if row["label"] == "factual"]
HALLUCINATED = [row for row in ALL if row["label"] == "hallucinated"]
STATES = {row["id"]: from_json(row["evidence_stats"]) for row in ALL}


# ------------------------------------------------------------------------------------------------ the files
@pytest.mark.parametrize("split", LEAST)
def test_the_script_writes_the_shipped_rows(split):
    """Every fortieth note anew: a row depends on seed, split and number alone."""
    shipped = {row["id"]: row for row in ROWS[split]}
    for number in range(11, script.DEFAULT_SIZES[split], 40):
        for row in script.rows_of_note(7, split, number):
            assert shipped[row["id"]] == row, f"{row['id']}: run write_notes.py again"


def test_the_script_runs_from_any_folder(tmp_path):
    sizes = ["--train", "2", "--validation", "1", "--test", "1"]
    done = subprocess.run(
        [sys.executable, script.__file__, "--output_dir", "here", *sizes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "here" / "train_set_processed.csv").read_text(encoding="utf-8")
    assert (SHIPPED / "train_set_processed.csv").read_text(encoding="utf-8").startswith(written)


def test_sizes_columns_and_ids():
    for split, rows in ROWS.items():
        assert sum(row["label"] == "factual" for row in rows) == script.DEFAULT_SIZES[split] >= LEAST[split]
        assert tuple(rows[0]) == PHASE1_COLUMNS
    assert len({row["id"] for row in ALL}) == len(ALL)
    assert all(row["hallucination_type"] == "" for row in FACTUAL)
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.csv")) <= 16e6


def test_no_two_factual_rows_share_a_note_in_any_split():
    assert len({row["clinical_note"] for row in FACTUAL}) == len(FACTUAL)


def test_a_repeated_note_is_refused():
    row = {"id": "a", "clinical_note": "One.", "label": "factual"}
    seen = {}
    script.refuse_repeated_notes(seen, [row, {**row, "label": "hallucinated", "id": "a-h"}])
    with pytest.raises(RunError, match="b repeats the note of a"):
        script.refuse_repeated_notes(seen, [{**row, "id": "b"}])


def test_evidence_is_compact():
    for row in ALL:
        facts = json.loads(row["evidence_stats"])
        assert row["evidence_stats"] == json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    assert sum(len(row["evidence_stats"]) for row in ALL) < sum(len(row["clinical_note"]) for row in ALL)


# ------------------------------------------------------------------------------------------- notes and summaries
def test_lengths_and_fact_counts():
    notes = [len(row["clinical_note"].split()) for row in FACTUAL]
    summaries = [len(row["model_summary"].split()) for row in FACTUAL]
    facts = [fact_count(STATES[row["id"]]) for row in FACTUAL]
    assert 60 <= min(notes) <= max(notes) <= 300
    assert 95 <= statistics.median(notes) <= 120
    assert 20 <= min(summaries) <= max(summaries) <= 70
    assert 20 <= min(facts) <= max(facts) <= 35


def test_specialties_and_openings_are_many():
    assert len({patient.specialty for patient in STATES.values()}) >= 13
    openings = Counter(re.sub(r"\d+", "#", " ".join(row["clinical_note"].split()[:5])) for row in FACTUAL)
    assert openings.most_common(1)[0][1] / len(FACTUAL) < 0.05


def test_summaries_are_as_varied_as_real_ones():
    """Yardstick: 20 to 70 word summaries of MTS-Dialog, 88 to 93 % of masked sentences distinct, zlib ratio 2.9."""
    variety = variety_of([row["model_summary"] for row in FACTUAL], seed=7)
    assert variety.distinct >= 0.88
    assert max(share for share, _ in (*variety.top, *variety.top_first)) <= 0.02
    assert variety.ratio <= 3.5


def names_in(value):
    if isinstance(value, str):
        return {value}
    if isinstance(value, tuple):
        return set().union(*map(names_in, value))
    if hasattr(value, "__dataclass_fields__"):
        return set().union(*(names_in(getattr(value, name)) for name in value.__dataclass_fields__))
    return set()


def test_some_entities_occur_in_the_test_split_alone():
    def entities(rows):
        found = set().union(*(names_in(STATES[row["id"]]) for row in rows))
        return {name for name in found if not name[:1].isdigit()}

    seen = entities(ROWS["train"]) | entities(ROWS["validation"])
    test = entities(ROWS["test"])
    assert 0.08 <= len(test - seen) / len(test) <= 0.18


# ------------------------------------------------------------------------------------------------ both labels
def test_factual_summaries_say_only_what_is_true_of_the_patient():
    flagged = [row["id"] for row in FACTUAL if judge(STATES[row["id"]], row["model_summary"]).hallucinated]
    assert len(flagged) <= 0.01 * len(FACTUAL), flagged


def test_hallucinated_rows_pair_with_a_factual_row_of_their_split_and_are_wrong():
    for split, rows in ROWS.items():
        factual = {row["clinical_note"]: row["model_summary"] for row in rows if row["label"] == "factual"}
        wrong = [row for row in rows if row["label"] == "hallucinated"]
        assert 0.06 <= len(wrong) / len(factual) <= 0.10, split
        assert all(factual[row["clinical_note"]] != row["model_summary"] for row in wrong)
    assert {row["hallucination_type"] for row in HALLUCINATED} == set(ALTERATIONS)
    found = [row for row in HALLUCINATED if judge(STATES[row["id"]], row["model_summary"]).hallucinated]
    assert len(found) >= 0.95 * len(HALLUCINATED)


def test_an_alteration_changes_what_is_told():
    kinds = Counter()
    for number in range(300):
        rng = seeded("altered", number)
        patient = draw_patient(rng, held_out=False)
        facts = choose_facts(patient, rng)
        altered, kind = alter_one_fact(facts, patient, rng)
        assert altered != facts
        kinds[kind] += 1
    assert min(kinds[kind] for kind in ALTERATIONS) >= 30


# --------------------------------------------------------------------------------------------- authors and wording
def test_authors_have_habits_and_some_write_for_the_test_split_alone():
    everyday = {draw_author(seeded("a", n), held_out=False).name for n in range(2000)}
    test = {draw_author(seeded("b", n), held_out=True).name for n in range(2000)}
    assert len(test) == AUTHORS
    assert len(test - everyday) == 12
    assert {author.styles[0] for author in all_authors()} == set(STYLES)
    options, (one, other) = [str(n) for n in range(8)], all_authors()[:2]
    picks = [[author.pick(options, seeded("p", n), "key") for n in range(400)] for author in (one, other)]
    assert Counter(picks[0]).most_common(1) != Counter(picks[1]).most_common(1)
    assert picks[0] == [one.pick(options, seeded("p", n), "key") for n in range(400)]


@pytest.mark.parametrize(
    ("raw", "tidied"),
    [
        ("he had a(n) MRI and a(n) 8-day cough , a(n) UTI", "He had an MRI and an 8-day cough, a UTI"),
        ("a(n) 18-year-old; a(n) 80 and a(n) 1-week, a(n) hour", "An 18-year-old; an 80 and a 1-week, an hour"),
        ("a(n) unknown one.. next  line,. end", "An unknown one. Next line. End"),
        ("eGFR fell", "eGFR fell"),
        ("stable. pH 7.3", "Stable. pH 7.3"),
    ],
)
def test_tidy(raw, tidied):
    assert tidy(raw) == tidied


def test_fill_chooses_innermost_first_and_never_expands_what_it_fills_in():
    author, rng = all_authors()[0], seeded("f")
    assert expand("[a[b|b]|ab]", author, rng) == "ab"
    assert fill("{x} [is|is] here", {"x": "[one|two]"}, author, rng) == "[one|two] is here"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
