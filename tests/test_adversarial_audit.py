"""The audit of the pairs: what it must notice, on pairs that were made to give themselves away in one known manner."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial import pairs as generator
from adversarial.audit import audit_files, write_report
from adversarial.audit.bars import FAIL, PASS, WARN, hold
from adversarial.audit.pairs import LABELLED, AuditedPair, NoteSample, change_of, pair_of
from adversarial.audit.separation import PairScores, separation, summary_groups
from adversarial.audit.wording import Directions, inserted_strings, log_odds, most_one_sided, most_repeated_template
from utils.cli import UserError

DRUGS = ["aspirin", "heparin", "insulin", "digoxin", "warfarin", "losartan", "codeine", "ibuprofen"]
SIGNS = ["cough", "fever", "rash", "nausea", "oedema", "fatigue", "vertigo", "pallor"]


def record(number, old, new, note=None, **fields):
    """A pair whose summary says ``old`` of one sign; in the negative ``new`` stands there."""
    rng = random.Random(number)
    begin = f"Patient {number} with {rng.choice(SIGNS)} takes "
    chosen = f"{begin}{old} and has {rng.choice(SIGNS)} on the left side."
    return {
        "prompt": [{"role": "user", "content": f"Note {note or number}: {chosen}"}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": chosen.replace(old, new, 1)}],
        "id": f"pair-{number}",
        "note_id": f"note-{number if note is None else note}",
        "strategy": "entity_swap",
        "edits": [{"start": len(begin), "end": len(begin) + len(old), "old": old, "new": new, "type": "medication"}],
        "severity": "minor",
        **fields,
    }


def balanced(count, first=0):
    """Pairs in which every drug comes in about as often as it goes out."""
    return [
        record(number, *random.Random(f"drugs {number}").sample(DRUGS, 2)) for number in range(first, first + count)
    ]


def audit(tmp_path, train, val=(), **options):
    files = {}
    for name, records in (("train", train), ("val", val)):
        if records:
            files[name] = tmp_path / f"{name}_dpo.jsonl"
            files[name].write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    return audit_files(files, **options)


def bars(made):
    return {bar.key: bar for bar in made.bars}


def test_balanced_pairs_clear_every_binding_bar_but_the_small_vocabulary(tmp_path):
    found = bars(audit(tmp_path, balanced(400), balanced(100, first=1000)))
    assert found["response_auc"].value < 0.6
    assert found["length_auc"].value < 0.55
    assert {found[key].status for key in ("length_auc", "insertions", "template", "duplicates", "leakage")} == {PASS}


def test_a_word_that_only_negatives_have_is_told_without_the_note(tmp_path):
    made = audit(tmp_path, [record(number, DRUGS[number % 8], "morphine") for number in range(200)])
    assert bars(made)["response_auc"].value > 0.95
    assert bars(made)["response_auc"].status == FAIL
    assert bars(made)["one_sided"].detail == "“morphine”, in 200, out 0"
    assert made.figures["phrases_gained"][0]["text"] == "morphine"
    assert {bar.key for bar in made.breaches} >= {"response_auc", "one_sided"}


def test_a_template_and_insertions_are_noticed(tmp_path):
    records = [record(number, "aspirin", "aspirin and also reports severe pain") for number in range(200)]
    found = bars(audit(tmp_path, records))
    assert found["insertions"].value == 1.0
    assert found["template"].value == 1.0
    assert "and also reports severe pain" in found["template"].detail
    assert found["length_ratio"].value == 0.0
    assert {found[key].status for key in ("insertions", "template", "length_ratio")} == {FAIL}


def test_duplicates_contradictions_and_leakage_are_counted(tmp_path):
    one, two = record(1, "aspirin", "heparin", note="a"), record(2, "aspirin", "heparin", note="b")
    back = {**one, "chosen": one["rejected"], "rejected": one["chosen"], "id": "back", "edits": []}
    same = {**two, "rejected": two["chosen"], "id": "same", "edits": []}
    found = bars(audit(tmp_path, [one, one, back, two, same], [two], unseen={"test": ["note-a", "note-c"]}))
    assert found["duplicates"].value == 2 + 1  # one again, two again in the other file, and one that says nothing
    assert found["contradictions"].value == 3  # both texts of one, and the chosen text of two, rejected by itself
    assert found["leakage"].value == 2
    assert found["leakage"].detail == "train and val: 1, train and test: 1, val and test: 0"


def test_too_few_pairs_are_said_to_be_too_few(tmp_path):
    made = audit(tmp_path, balanced(5))
    assert bars(made)["response_auc"].value is None
    assert bars(made)["response_auc"].status == WARN
    html, _ = write_report(made, tmp_path)
    assert "too few" in html.read_text("utf-8")


def test_nothing_is_drawn_of_no_pairs(tmp_path):
    (tmp_path / "train_dpo.jsonl").touch()
    html, _ = write_report(audit_files({"train": tmp_path / "train_dpo.jsonl"}), tmp_path)
    assert "<svg" not in html.read_text("utf-8")


def test_sources_are_judged_apart(tmp_path):
    sampled = [record(n, "aspirin", "morphine", strategy="on_policy") for n in range(1000, 1100)]
    made = audit(tmp_path, balanced(200) + sampled)
    assert made.figures["without_the_note"]["on_policy"]["response"]["auc"]["value"] > 0.9
    assert bars(made)["response_auc"].value < 0.65
    assert LABELLED == generator.LABELLED


def test_report_is_the_same_bytes_whatever_the_order_of_the_lines(tmp_path):
    records = balanced(120)
    pages = []
    for name, lines in (("one", records), ("two", records[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        pages.append([path.read_bytes() for path in write_report(audit(folder, lines), folder)])
    assert pages[0] == pages[1]
    assert b"pair-" in pages[0][0]


def test_text_of_a_pair_is_escaped_in_the_page(tmp_path):
    records = [*balanced(60), record(999, "aspirin", "<script>alert(1)</script>", strategy="fabrication")]
    html, _ = write_report(audit(tmp_path, records), tmp_path)
    assert "<script" not in html.read_text("utf-8")
    assert "&lt;script&gt;" in html.read_text("utf-8")


def test_a_line_that_is_no_pair_is_named(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(record(1, "aspirin", "heparin")) + '\n{"prompt": "x"}\n', "utf-8")
    with pytest.raises(UserError, match=r"train\.jsonl, line 2: not a preference pair"):
        audit_files({"train": path})


def test_pairs_of_other_tools_are_read():
    pair, prompt = pair_of({"prompt": "N", "chosen": "He has no fever.", "rejected": "He has fever."}, "train", "t-1")
    assert prompt == "N"
    assert (pair.id, pair.source, pair.strategy) == ("t-1", "edited", "unknown")
    assert [(c.removed, c.inserted) for c in pair.changes] == [(("no",), ())]


def test_auc_and_interval_by_hand():
    # Rejected 3, 1 against chosen 2, 0: 3 beats both, 1 beats one: 3 of 4. Within pairs: 3 > 2, 1 > 0.
    found = separation(PairScores(np.array([2.0, 0.0]), np.array([3.0, 1.0]), np.array([0, 1])))
    assert found.auc.value == 0.75
    assert found.side_by_side.value == 1.0
    # Parts of the pairs: below (1, 0.5), above (0.5, 1); each pair adds 1.5 = 2 AUC: no spread between notes.
    assert (found.auc.low, found.auc.high) == (0.75, 0.75)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30))
def test_auc_is_the_share_of_all_couples(rows):
    chosen, rejected, notes = (np.array(column) for column in zip(*rows, strict=True))
    expected = np.mean([(r > c) + (r == c) / 2 for r in rejected for c in chosen])
    found = separation(PairScores(chosen.astype(float), rejected.astype(float), notes))
    assert found.auc.value == pytest.approx(expected)
    assert 0 <= found.auc.low <= found.auc.value <= found.auc.high <= 1


def made_pair(number, note, chosen, rejected):
    change = change_of(0, len(chosen), chosen, rejected, "dose")
    return AuditedPair(str(number), "train", note, "edited", "entity_swap", "minor", chosen, rejected, (change,))


def test_pairs_that_share_a_note_or_a_summary_stay_together():
    pairs = [
        made_pair(0, "a", "one", "two"),
        made_pair(1, "b", "three", "four"),
        made_pair(2, "a", "five", "six"),
        made_pair(3, "c", "six", "seven"),
    ]
    assert summary_groups(pairs).tolist() == [0, 1, 0, 0]


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20), st.randoms(use_true_random=False))
def test_sample_takes_whole_notes_and_knows_no_order(notes, limit, rng):
    rows = [made_pair(index, str(note), f"c{index}", f"r{index}") for index, note in enumerate(notes)]
    samples = []
    for order in (rows, rng.sample(rows, len(rows))):
        sample = NoteSample(limit, seed=1)
        for pair in order:
            sample.add(pair, f"prompt {pair.note_id}")
        samples.append(sample.pairs)
        taken = {pair.note_id for pair in sample.pairs}
        assert len(sample.pairs) == sum(str(note) in taken for note in notes)
        assert len(sample.pairs) <= limit or len(taken) == 1
        assert sample.prompts.keys() == taken
    assert samples[0] == samples[1]


def test_a_change_is_trimmed_to_the_words_that_differ():
    change = change_of(4, 20, "took 10 mg daily", "took 20 mg daily", "dose")
    assert (change.removed, change.inserted) == (("10",), ("20",))


def test_directions_by_hand():
    directions = Directions()
    turns = (("left", "right"), ("left", "right"), ("right", "left"), ("10", "20"), ("three", "2"), ("denied", "had"))
    for number, (old, new) in enumerate(turns):
        directions.add(made_pair(number, "a", old, new))
    found = {one.name: (one.rate.events, one.rate.total) for one in directions.result()}
    assert found == {"side": (2, 3), "denial": (0, 1), "dose, number": (1, 2)}


def test_strings_are_held_to_the_bar_of_their_length():
    pairs = [made_pair(n, "a", "left", "right") for n in range(5)] + [made_pair(5, "a", "x", "seen in the clinic")]
    strings = inserted_strings([*pairs, *(made_pair(n, "a", "right", "left") for n in range(6, 10))])
    assert most_repeated_template(strings).text == "seen in the clinic"
    assert most_one_sided(strings).text in ("right", "seen in the clinic")
    assert (strings[0].text, strings[0].inserted, strings[0].removed) == ("right", 5, 4)


def test_log_odds_find_nothing_where_both_ways_are_even():
    even = [made_pair(n, "a", *(("left", "right") if n % 2 else ("right", "left"))) for n in range(100)]
    assert log_odds(even, 5) == ([], [])
    uneven = [made_pair(n, "a", "left", "right") for n in range(100)]
    gained, lost = log_odds(uneven, 5)
    assert ([one.text for one in gained], [one.text for one in lost]) == (["right"], ["left"])


@pytest.mark.parametrize(
    ("key", "value", "interval", "status"),
    [
        ("response_auc", 0.58, (0.56, 0.6), PASS),
        ("response_auc", 0.59, (0.57, 0.61), WARN),
        ("response_auc", 0.61, (0.59, 0.63), FAIL),
        ("length_ratio", 0.91, (0.89, 0.93), WARN),
        ("length_ratio", 0.89, (0.87, 0.91), FAIL),
        ("side_by_side", 0.7, None, WARN),
        ("duplicates", 0, None, PASS),
        ("duplicates", 1, None, FAIL),
        ("template", None, None, WARN),
    ],
)
def test_status_of_a_figure_beside_its_limit(key, value, interval, status):
    assert hold(key, value, interval=interval).status == status
