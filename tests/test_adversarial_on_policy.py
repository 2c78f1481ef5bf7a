"""The model's own summaries in pairs: what is rejected, chosen over it, refused, and how they are mixed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adversarial.on_policy.mix import choose_mix
from adversarial.on_policy.own_pairs import OnPolicy, count_kinds, first_rows, pair_samples, screen_samples
from adversarial.on_policy.samples import alike, check_sample, check_words, stems_of
from adversarial.on_policy.sampling import Sampling, sample_summaries
from adversarial.operators.edits import Edit, apply_edits
from adversarial.operators.kinds import OPERATORS_OF
from adversarial.operators.table import FAMILIES
from adversarial.pairs import Factual, note_id
from adversarial.rows import texts_of
from clinical.screen.support import has_unsupported
from tests.tiny import note_and_summary
from utils.cli import PROJECT_ROOT
from utils.generation import Generated

NOTE = (
    "A 63-year-old man presented with a cough for 5 days. He denies fever. Past medical history: hypertension and "
    "gout. Medications: lisinopril 10 mg once daily. Naproxen 250 mg was stopped. BP 150/90 mmHg."
)
GOLD = "A 63-year-old man with hypertension and gout had a cough for 5 days. Naproxen was stopped."
ROW = Factual("row-1", note_id(NOTE), NOTE, GOLD)
CLEAN = "A man of 63, with a five-day history of cough, came off naproxen and takes lisinopril 10 mg."
MENDABLE = "A man of 63, with a cough for 5 days, takes lisinopril 40 mg for hypertension."
HOPELESS = "A man of 63, with a five-day history of cough, was advised of a stroke and takes lisinopril."

WORDS = stems_of(texts_of(PROJECT_ROOT / "phase1_data_medhal" / "sft" / "validation_set_processed.csv"))


def written(*texts: str) -> list[Generated]:
    return [Generated(text, "eos", 100, 30) for text in texts]


def text(message: list[dict[str, str]]) -> str:
    return message[0]["content"]


def pairs_of(*samples: list[Generated], row: Factual = ROW) -> OnPolicy:
    """What becomes of the samples of one note."""
    return pair_samples(screen_samples([row], list(samples), WORDS), seed=1)


def own_errors(made: OnPolicy) -> list:
    """The pairs whose rejected summary the model wrote itself."""
    return [pair for pair in made.pairs if pair["strategy"] == "on_policy"]


def edits_of(pair) -> list[Edit]:
    return [Edit(**edit) for edit in pair["edits"]]


# ---------------------------------------------------------------------------------------- which samples are whole
@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Generated(CLEAN, "eos", 1, 1), None),
        (Generated(" ", "eos", 1, 0), "sample is empty"),
        (Generated(CLEAN, "length", 1, 1), "sample did not end by itself"),
        (Generated("A man, 63.", "eos", 1, 1), "sample of fewer than 5 words"),
        (Generated("A man of 63 had a cough and", "eos", 1, 1), "sample ends in the middle of a sentence"),
        (Generated("A man of 63 had \ufffd\ufffd a cough.", "eos", 1, 1), "sample is garbled"),
        (Generated("A man had a history of a history of cough.", "eos", 1, 1), "sample repeats itself"),
        (Generated("A man had had a cough for days.", "eos", 1, 1), "sample repeats itself"),
        (
            Generated("He had a sodium of 120 mmol/L. He left, and he had a sodium of 120 mmol/L.", "eos", 1, 1),
            "sample repeats itself",
        ),
        (Generated("Hemoglobin was falling, now 9.9 x10^9/L, in a man.", "eos", 1, 1), None),  # 9 and 9 are one number
    ],
)
def test_a_sample_is_refused_with_its_reason(sample, reason):
    assert check_sample(sample) == reason


def test_near_duplicates_count_once():
    longer = CLEAN.replace("takes", "still takes")
    assert alike(CLEAN, longer)
    assert not alike(CLEAN, MENDABLE)
    (screened,) = screen_samples([ROW], [written(CLEAN, longer, MENDABLE, CLEAN)], WORDS)
    assert [(sample.text, sample.number) for sample in screened.clean] == [(CLEAN, 0)]
    assert [(sample.text, sample.number) for sample in screened.flagged] == [(MENDABLE, 2)]
    assert [refusal["reason"] for refusal in screened.refusals] == ["nearly the same sample twice"] * 2


def test_a_clean_sample_is_kept_beside_one_that_is_nearly_it_but_wrong():
    wrong = CLEAN.replace("10 mg", "40 mg")
    assert alike(CLEAN, wrong)
    (screened,) = screen_samples([ROW], [written(wrong, CLEAN)], WORDS)
    assert (len(screened.flagged), len(screened.clean)) == (1, 1)


# ------------------------------------------------------------------------------------------------- chosen, rejected
def test_a_repair_of_the_same_sample_is_chosen_where_there_is_one():
    made = pairs_of(written(CLEAN, MENDABLE))
    (pair,) = own_errors(made)
    assert (pair["strategy"], pair["chosen_from"], pair["severity"]) == ("on_policy", "repair", "minor")
    assert pair["sample"] == 1
    assert text(pair["rejected"]) == MENDABLE
    assert text(pair["chosen"]) == MENDABLE.replace("40 mg", "10 mg")
    assert pair["edits"] == [{"start": 55, "end": 57, "old": "10", "new": "40", "type": "dose"}]
    assert (made.samples, made.flagged, made.clean) == (2, 1, 1)


def test_else_a_clean_sample_of_the_note_of_like_length():
    (pair,) = own_errors(pairs_of(written(CLEAN, HOPELESS)))
    assert (pair["chosen_from"], text(pair["chosen"]), text(pair["rejected"])) == ("sample", CLEAN, HOPELESS)
    assert apply_edits(CLEAN, edits_of(pair)) == HOPELESS


def test_a_clean_sample_that_says_much_less_is_not_chosen():
    short = "A man of 63 had a cough."
    (pair,) = own_errors(pairs_of(written(short, HOPELESS)))
    assert pair["chosen_from"] == "gold"


def test_a_clean_sample_that_does_not_name_what_note_and_sample_name_is_not_chosen():
    other = "A man of 63, with a five-day history of cough, came off naproxen 250 mg because of gout."
    (pair,) = own_errors(pairs_of(written(other, HOPELESS)))
    assert "lisinopril" in HOPELESS and "lisinopril" not in other
    assert pair["chosen_from"] == "gold"


def test_else_the_factual_summary():
    (pair,) = pairs_of(written(HOPELESS)).pairs
    assert (pair["chosen_from"], text(pair["chosen"])) == ("gold", GOLD)


def test_nothing_to_choose_is_a_refusal_with_its_reason():
    row = Factual("row-1", ROW.note_id, NOTE, "A man had a cough for 5 days.")
    made = pairs_of(written(HOPELESS), row=row)
    assert made.pairs == []
    assert {refusal["reason"] for refusal in made.refusals} == {
        "not repaired: no repair of unsupported condition",
        "nothing to choose over it: factual summary much longer",
    }


def test_a_clean_sample_is_chosen_over_itself_with_a_fact_made_wrong():
    """It is rejected nowhere, and both sides are in the model's words."""
    made = pairs_of(written(CLEAN))
    (pair,) = made.pairs
    assert (pair["chosen_from"], text(pair["chosen"])) == ("clean", CLEAN)
    assert set(pair["strategy"].split("+")) <= set(FAMILIES)
    assert apply_edits(CLEAN, edits_of(pair)) == text(pair["rejected"])
    assert has_unsupported(NOTE, text(pair["rejected"]))
    assert (made.refusals, made.clean) == ([], 1)


def test_what_is_put_into_a_clean_sample_comes_from_the_models_samples_never_from_factual_summaries():
    """Gold and own words are told apart at a glance; here each note's gold names a drug and a value of its own."""
    rows = [
        Factual(f"row-{n}", note_id(note), note, summary)
        for n, (note, summary) in enumerate(
            (
                f"A man of 63 came for review. Takes lisinopril 10 mg. Seen on day {n}. Weight 8{n} kg.",
                f"ZQ{n} statement of the factual summary. He weighs 8{n} kg and takes lisinopril 10 mg.",
            )
            for n in range(6)
        )
    ]
    drawn = [written(f"A man of 63 takes lisinopril 10 mg. He weighs 8{n} kg.") for n in range(6)]
    made = pair_samples(screen_samples(rows, drawn, WORDS), seed=1)
    assert len(made.pairs) == 6
    assert not any("ZQ" in text(pair[side]) for pair in made.pairs for side in ("chosen", "rejected"))


def test_every_sample_gives_a_pair_in_the_order_in_which_they_were_drawn():
    samples = written(
        HOPELESS,
        MENDABLE,
        "This 36-year-old man reported a cough and a history of gout; naproxen was stopped.",
        "Presenting with cough, the patient, a man aged 63, was started on naproxen 250 mg.",
    )
    made = pairs_of(samples)
    assert [pair["sample"] for pair in made.pairs] == [0, 1, 2, 3]
    assert [pair["chosen_from"] for pair in made.pairs][1:] == ["repair", "repair", "repair"]


def test_a_sample_with_a_word_of_no_text_is_refused():
    vocabulary = stems_of(["A man takes lisinopril 10 mg.", "He started naproxen."])
    refused = "sample with a word that no note and no factual summary has"
    assert check_words("A man starts lisinopril 40 mg.", "", vocabulary) is None  # by stem, and whatever the number
    assert check_words("A man takes lisinopram 10 mg.", "", vocabulary) == refused
    assert check_words("A man takes Prazosin.", "Prazosin 1 mg.", vocabulary) is None
    made = pairs_of(written(CLEAN.replace("naproxen", "naproxipam")))
    assert not made.pairs
    assert [refusal["reason"] for refusal in made.refusals] == [refused]


def test_severity_counts_the_wrong_facts():
    sample = "A man of 36, with a cough for 9 days, takes lisinopril 40 mg for hypertension."
    (pair,) = pairs_of(written(sample)).pairs
    assert (pair["severity"], len(pair["edits"])) == ("major", 3)


def test_the_figures_tell_what_became_of_the_samples():
    figures = pairs_of(written(CLEAN, MENDABLE, "")).figures()
    assert figures == {
        "samples": 3,
        "in which the screen finds something": 1,
        "in which the screen finds nothing": 1,
        "pairs": 2,
        "chosen from": {"clean": 1, "repair": 1},
        "refused": {"sample is empty": 1},
    }


# --------------------------------------------------------------------------------------------- the kinds of its errors
def test_the_errors_are_counted_by_kind():
    """MENDABLE has a wrong dose; HOPELESS a condition that the note does not mention."""
    screened = screen_samples([ROW], [written(CLEAN, MENDABLE, HOPELESS)], WORDS)
    assert count_kinds(screened) == {"dose": 1, "condition": 1, "invention": 1}


def test_clean_samples_are_made_wrong_in_the_kinds_that_are_asked_for():
    only_dose = {kind: 1.0 if kind == "dose" else 1e-9 for kind in OPERATORS_OF}
    screened = screen_samples([ROW], [written(CLEAN)], WORDS)
    types = {
        edit["type"]
        for seed in range(20)
        for pair in pair_samples(screened, seed=seed, kinds=only_dose).pairs
        if pair["severity"] == "minor"
        for edit in pair["edits"]
    }
    assert types == {"dose"}


# ------------------------------------------------------------------------------------------------------------ mixing
def make_pair(number: int, note: int, chosen_from: str | None = None) -> dict:
    kind = "own" if chosen_from else "edited"
    pair = {
        "id": f"{kind}-{number}",
        "note_id": f"note-{note}",
        "prompt": "p",
        "chosen": f"{kind} chosen {number}",
        "rejected": f"{kind} rejected {number}",
    }
    return pair | ({"chosen_from": chosen_from, "sample": number % 2} if chosen_from else {})


EDITED = [make_pair(number, number // 2) for number in range(20)]
OWN = [make_pair(number, number // 2, "repair" if number % 3 else "gold") for number in range(12)]


def test_the_share_is_of_as_many_pairs_as_there_were():
    mix = choose_mix(EDITED, OWN, 0.4, seed=1)
    assert Counter(pair["id"].split("-")[0] for pair in mix.pairs) == {"edited": 12, "own": 8}
    assert mix.remarks == []
    assert all(pair["chosen_from"] == "repair" for pair in mix.pairs if "chosen_from" in pair)  # 8 of 12 are repairs


@pytest.mark.parametrize("share", [0.8, 1.0])
def test_edited_pairs_make_up_for_a_shortage_and_it_is_said(share):
    mix = choose_mix(EDITED, OWN, share, seed=1)
    assert Counter(pair["id"].split("-")[0] for pair in mix.pairs) == {"edited": 8, "own": 12}
    assert mix.remarks == [
        f"12 on-policy pairs where {20 * share:.0f} were wanted: no more of the samples could be paired, and edited "
        "ones make up for the rest; more --samples_per_note give more"
    ]


def test_a_pair_that_makes_up_for_a_missing_one_clashes_with_none():
    clash = make_pair(99, 0, "repair") | {"rejected": EDITED[0]["chosen"]}
    mix = choose_mix(EDITED, [clash], 1.0, seed=1)
    assert clash in mix.pairs
    assert EDITED[0] not in mix.pairs
    assert len(mix.pairs) == len(EDITED)


def test_every_note_comes_once_before_any_comes_twice():
    own = [make_pair(number, number % 6, "repair") for number in range(12)]
    taken = [pair for pair in choose_mix(EDITED, own, 0.3, seed=1).pairs if "chosen_from" in pair]
    assert len({pair["note_id"] for pair in taken}) == len(taken) == 6


def test_the_greedy_sample_comes_before_others_as_good_and_a_better_pair_before_both():
    made = [("repair", 1), ("clean", 0), ("repair", 0), ("gold", 0), ("sample", 0), ("clean", 2)]
    own = [make_pair(number, 50 + number, source) | {"sample": drawn} for number, (source, drawn) in enumerate(made)]
    order = [
        {
            made[int(pair["id"].split("-")[1])]
            for pair in choose_mix(EDITED, own, share / 20, seed=1).pairs
            if "sample" in pair
        }
        for share in range(7)
    ]
    best_first = [("repair", 0), ("repair", 1), ("clean", 0), ("clean", 2), ("sample", 0), ("gold", 0)]
    assert order == [set(best_first[:count]) for count in range(7)]


def test_no_text_is_chosen_here_and_rejected_there():
    clash = make_pair(99, 0, "repair") | {"rejected": EDITED[0]["chosen"]}
    twice = make_pair(98, 0, "repair") | {"rejected": EDITED[0]["rejected"]}
    mix = choose_mix(EDITED, [clash, twice], 0.1, seed=1)
    assert not {"own-99", "own-98"} & {pair["id"] for pair in mix.pairs}
    assert mix.remarks[0] == "2 on-policy pairs left out: another pair says the same or the reverse"


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        choose_mix(EDITED, OWN, share, seed=1)


@settings(deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 5), own=st.permutations(OWN), edited=st.permutations(EDITED))
def test_a_mix_never_repeats_and_does_not_depend_on_the_order(share, seed, own, edited):
    mix = choose_mix(edited, own, share, seed)
    ids = [pair["id"] for pair in mix.pairs]
    assert len(ids) == len(set(ids))
    assert len(ids) <= len(EDITED)
    assert set(ids) == {pair["id"] for pair in choose_mix(EDITED, OWN, share, seed).pairs}


# ----------------------------------------------------------------------------------------------- with a (tiny) model
SAMPLING = Sampling(samples_per_note=2, temperature=1.0, seed=3, max_new_tokens=12, batch_size=3)


def notes_of(count: int) -> list[str]:
    return [note_and_summary(number)[0] for number in range(count)]


def test_the_greedy_summary_is_the_first_and_another_seed_or_temperature_does_not_change_it(
    tiny_adapter, tmp_path, monkeypatch
):
    drawn = sample_summaries(notes_of(3), str(tiny_adapter), SAMPLING, tmp_path / "journal")
    assert [len(texts) for texts in drawn] == [2, 2, 2]
    alone = replace(SAMPLING, samples_per_note=1, seed=9, temperature=2.0)
    monkeypatch.setattr("utils.models.load_model", lambda *args: pytest.fail("the model was loaded again"))
    greedy = sample_summaries(notes_of(3), str(tiny_adapter), alone, tmp_path / "journal")
    assert greedy == [texts[:1] for texts in drawn]
    assert all(first.text != other.text for first, other in drawn)


def test_a_note_is_sampled_once_however_many_summaries_it_has():
    again = Factual("row-again", ROW.note_id, NOTE, "Another summary of the note.")
    assert first_rows([ROW, again]) == [ROW]


def test_a_second_run_draws_nothing(tiny_adapter, tmp_path, monkeypatch):
    first = sample_summaries(notes_of(3), str(tiny_adapter), SAMPLING, tmp_path / "journal")
    monkeypatch.setattr("utils.models.load_model", lambda *args: pytest.fail("the model was loaded again"))
    assert sample_summaries(notes_of(3), str(tiny_adapter), SAMPLING, tmp_path / "journal") == first


def test_killed_and_started_again_it_ends_with_the_same_bytes(tiny_adapter, tmp_path):
    """SIGKILL before the second of two groups is on disk; the journal then holds the first, the greedy ones."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from pathlib import Path
from adversarial.on_policy.sampling import sample_summaries
from tests.test_adversarial_on_policy import SAMPLING, notes_of
import utils.generation
write, count = utils.generation.append_journal, 0
def write_and_die(file, entry):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, entry)
utils.generation.append_journal = write_and_die
sample_summaries(notes_of(6), {str(tiny_adapter)!r}, SAMPLING, Path(sys.argv[1]))
"""
    killed = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", program, str(killed)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9
    assert len(killed.read_text("utf-8").splitlines()) == 1
    resumed = sample_summaries(notes_of(6), str(tiny_adapter), SAMPLING, killed)
    whole = sample_summaries(notes_of(6), str(tiny_adapter), SAMPLING, tmp_path / "whole")
    assert resumed == whole
    assert killed.read_bytes() == (tmp_path / "whole").read_bytes()
