"""The model's own summaries in pairs: what is rejected, chosen over it, refused, and how they are mixed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adversarial.on_policy.samples import alike, check_sample, distinct
from adversarial.on_policy.sampling import Sampling, choose_mix, make_on_policy, pair_samples
from adversarial.operators.edits import Edit, apply_edits
from adversarial.pairs import Factual, note_id
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


def written(*texts: str) -> list[Generated]:
    return [Generated(text, "eos", 100, 30) for text in texts]


def text(message: list[dict[str, str]]) -> str:
    return message[0]["content"]


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
    assert distinct([CLEAN, longer, MENDABLE, CLEAN]) == [True, False, True, False]


# ------------------------------------------------------------------------------------------------- chosen, rejected
def test_a_repair_of_the_same_sample_is_chosen_where_there_is_one():
    made = pair_samples([ROW], [written(CLEAN, MENDABLE)])
    (pair,) = made.pairs
    assert (pair["strategy"], pair["chosen_from"], pair["severity"]) == ("on_policy", "repair", "minor")
    assert text(pair["rejected"]) == MENDABLE
    assert text(pair["chosen"]) == MENDABLE.replace("40 mg", "10 mg")
    assert pair["edits"] == [{"start": 55, "end": 57, "old": "10", "new": "40", "type": "dose"}]
    assert (made.samples, made.clean) == (2, 1)


def test_else_a_clean_sample_of_the_note_of_like_length():
    (pair,) = pair_samples([ROW], [written(CLEAN, HOPELESS)]).pairs
    assert (pair["chosen_from"], text(pair["chosen"]), text(pair["rejected"])) == ("sample", CLEAN, HOPELESS)
    assert apply_edits(CLEAN, edits_of(pair)) == HOPELESS


def test_a_clean_sample_that_says_much_less_is_not_chosen():
    short = "A man of 63 had a cough."
    (pair,) = pair_samples([ROW], [written(short, HOPELESS)]).pairs
    assert pair["chosen_from"] == "gold"


def test_else_the_factual_summary():
    (pair,) = pair_samples([ROW], [written(HOPELESS)]).pairs
    assert (pair["chosen_from"], text(pair["chosen"])) == ("gold", GOLD)


def test_nothing_to_choose_is_a_refusal_with_its_reason():
    row = Factual("row-1", ROW.note_id, NOTE, "A man had a cough for 5 days.")
    made = pair_samples([row], [written(HOPELESS)])
    assert made.pairs == []
    assert {refusal["reason"] for refusal in made.refusals} == {
        "not repaired: no repair of unsupported condition",
        "nothing to choose over it: factual summary much longer",
    }


def test_what_the_screen_squares_with_the_note_is_never_rejected():
    made = pair_samples([ROW], [written(CLEAN)])
    assert (made.pairs, made.refusals, made.clean) == ([], [], 1)


def test_at_most_so_many_pairs_of_a_note_the_repaired_first():
    samples = written(
        HOPELESS,
        MENDABLE,
        "This 36-year-old man reported a cough and a history of gout; naproxen was stopped.",
        "Presenting with cough, the patient, a man aged 63, was started on naproxen 250 mg.",
    )
    made = pair_samples([ROW], [samples], most=2)
    assert [pair["chosen_from"] for pair in made.pairs] == ["repair", "repair"]
    assert Counter(refusal["reason"] for refusal in made.refusals)["more than 2 pairs of one note"] == 2


def test_severity_counts_the_wrong_facts():
    sample = "A man of 36, with a cough for 9 days, takes lisinopril 40 mg for hypertension."
    (pair,) = pair_samples([ROW], [written(sample)]).pairs
    assert (pair["severity"], len(pair["edits"])) == ("major", 3)


def test_the_figures_tell_what_became_of_the_samples():
    figures = pair_samples([ROW], [written(CLEAN, MENDABLE, "")]).figures()
    assert figures == {
        "samples": 3,
        "in which the screen finds nothing": 1,
        "pairs": 1,
        "chosen from": {"repair": 1},
        "refused": {"sample is empty": 1},
    }


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
    return pair | ({"chosen_from": chosen_from} if chosen_from else {})


EDITED = [make_pair(number, number // 2) for number in range(20)]
OWN = [make_pair(number, number // 2, "repair" if number % 3 else "gold") for number in range(12)]


def test_the_share_is_of_as_many_pairs_as_there_were():
    mix = choose_mix(EDITED, OWN, 0.4, seed=1)
    assert Counter(pair["id"].split("-")[0] for pair in mix.pairs) == {"edited": 12, "own": 8}
    assert mix.remarks == []
    assert all(pair["chosen_from"] == "repair" for pair in mix.pairs if "chosen_from" in pair)  # 8 of 12 are repairs


def test_a_shortage_is_said_and_not_filled_up():
    mix = choose_mix(EDITED, OWN, 0.8, seed=1)
    assert Counter(pair["id"].split("-")[0] for pair in mix.pairs) == {"edited": 4, "own": 12}
    assert mix.remarks == [
        "12 on-policy pairs where 16 were wanted (75% of the written pairs instead of 80%): no more of the samples "
        "could be paired; more --samples_per_note give more"
    ]


def test_every_note_comes_once_before_any_comes_twice():
    own = [make_pair(number, number % 6, "repair") for number in range(12)]
    taken = [pair for pair in choose_mix(EDITED, own, 0.3, seed=1).pairs if "chosen_from" in pair]
    assert len({pair["note_id"] for pair in taken}) == len(taken) == 6


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


def rows_of(count: int) -> list[Factual]:
    notes = [note_and_summary(number) for number in range(count)]
    return [Factual(f"row-{i}", note_id(note), note, summary) for i, (note, summary) in enumerate(notes)]


def test_notes_are_sampled_once_each_and_a_second_run_draws_nothing(tiny_adapter, tmp_path, monkeypatch):
    rows = rows_of(3)
    twice = [*rows, Factual("row-again", rows[0].note_id, rows[0].note, "Another summary of the first note.")]
    journal = tmp_path / "journal"
    first = make_on_policy(twice, str(tiny_adapter), SAMPLING, journal)
    assert first.samples == 6
    monkeypatch.setattr("utils.models.load_model", lambda *args: pytest.fail("the model was loaded again"))
    assert make_on_policy(twice, str(tiny_adapter), SAMPLING, journal) == first


def test_killed_and_started_again_it_ends_with_the_same_bytes(tiny_adapter, tmp_path):
    """SIGKILL before the second of two groups is on disk; the journal then holds the first."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from pathlib import Path
from adversarial.on_policy.sampling import make_on_policy
from tests.test_adversarial_on_policy import SAMPLING, rows_of
import utils.generation
write, count = utils.generation.append_journal, 0
def write_and_die(file, entry):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, entry)
utils.generation.append_journal = write_and_die
make_on_policy(rows_of(6), {str(tiny_adapter)!r}, SAMPLING, Path(sys.argv[1]))
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
    resumed = make_on_policy(rows_of(6), str(tiny_adapter), SAMPLING, killed)
    whole = make_on_policy(rows_of(6), str(tiny_adapter), SAMPLING, tmp_path / "whole")
    assert resumed == whole
    assert killed.read_bytes() == (tmp_path / "whole").read_bytes()
