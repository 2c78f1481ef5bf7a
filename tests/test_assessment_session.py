"""The labelling session: every transition, undo across restarts, and labels that stick to the text that was judged."""

from __future__ import annotations

import json

import pytest

from assessment.session import (
    COMMENT,
    DETAILS,
    FLAG,
    Item,
    State,
    apply,
    decided,
    labels,
    new_event,
    next_item,
    remarks,
    row_key,
    shuffled,
    stale_ids,
    undo_target,
)

A, B, C = (Item(name, f"note {name}", (f"summary {name}",)) for name in "ABC")
ITEMS = [A, B, C]


def start():
    return new_event("start", "t")


def label(item, hallucinated):
    return new_event("label", "t", item.key, has_hallucination=hallucinated, seconds=1.5)


def skip(item):
    return new_event("skip", "t", item.key, seconds=1.0)


def kind(item, name):
    """All questions after a y answered at once, of the kind only."""
    return new_event("detail", "t", item.key, hallucination_type=name, severity=None, sentences=None)


def flag(item, on=True):
    return new_event("flag", "t", item.key, flagged=on)


def comment(item, text):
    return new_event("comment", "t", item.key, comment=text)


def undo(item):
    return new_event("undo", "t", item.key)


def replay(*events):
    """The state after the events, each written to JSON and read back as the journal does it."""
    state = State()
    for event in events:
        state = apply(state, json.loads(json.dumps(event)))
    return state


def given(state, items=ITEMS):
    return [(a.key[0], a.value, a.details.get("hallucination_type")) for a in labels(state, items)]


def test_a_clean_label_leads_to_the_next_item():
    state = replay(start(), label(A, False))
    assert given(state) == [("A", False, None)]
    assert next_item(state, ITEMS) == B
    assert state.in_question is None


def test_a_hallucination_stays_open_until_its_kind_is_asked():
    state = replay(start(), label(A, True))
    assert given(state) == [("A", True, None)]  # already counted: the y itself is never lost
    assert next_item(state, ITEMS) == A
    named = apply(state, kind(A, "contradiction"))
    assert given(named) == [("A", True, "contradiction")]
    assert next_item(named, ITEMS) == B
    unnamed = apply(state, kind(A, None))
    assert given(unnamed) == [("A", True, None)]
    assert next_item(unnamed, ITEMS) == B


def test_the_question_for_the_kind_survives_a_restart():
    state = replay(start(), label(A, True), start())
    assert next_item(state, ITEMS) == A
    assert state.in_question.key == A.key
    assert state.in_question.open_details == list(DETAILS)


def test_a_skipped_item_is_no_label_and_comes_again_after_a_restart_behind_the_unseen():
    state = replay(start(), skip(A), label(B, False))
    assert given(state) == [("B", False, None)]
    assert next_item(state, ITEMS) == C
    assert next_item(apply(state, label(C, False)), ITEMS) is None
    restarted = apply(state, start())
    assert next_item(restarted, ITEMS) == C
    assert next_item(apply(restarted, label(C, False)), ITEMS) == A


def test_undo_goes_back_any_number_of_steps_and_shows_what_was_undone():
    state = replay(start(), label(A, True), kind(A, "fabricated"), skip(B), label(C, False))
    for expected in (C, B, A):
        assert undo_target(state, ITEMS).key == expected.key
        state = apply(state, undo(expected))
        assert next_item(state, ITEMS) == expected
    assert undo_target(state, ITEMS) is None
    assert state.answers == ()


def test_what_was_undone_is_shown_first_also_in_another_order():
    state = replay(start(), label(A, False), undo(A), start())
    assert next_item(state, [B, C, A]) == A
    assert next_item(apply(state, label(A, False)), [B, C, A]) == B


def test_undo_works_on_decisions_of_an_earlier_run():
    state = replay(start(), label(A, False), label(B, True), kind(B, "fabricated"), start())
    assert undo_target(state, ITEMS).key == B.key
    state = replay(start(), label(A, False), label(B, True), kind(B, "fabricated"), start(), undo(B), start())
    assert next_item(state, ITEMS) == B
    assert given(state) == [("A", False, None)]


def test_undo_of_the_y_takes_the_question_for_its_kind_with_it():
    state = replay(start(), label(A, True), undo(A))
    assert state.in_question is None
    assert given(state) == []


def test_undo_of_a_second_opinion_brings_the_first_back():
    state = replay(start(), skip(A), start(), label(A, True), kind(A, "fabricated"))
    assert given(state) == [("A", True, "fabricated")]
    undone = apply(state, undo(A))
    assert given(undone) == []
    assert undo_target(undone, ITEMS).key == A.key  # the skip


def test_after_an_undo_and_a_new_answer_the_order_goes_on():
    state = replay(start(), label(A, False), label(B, False), undo(B), undo(A), label(A, True), kind(A, None))
    assert next_item(state, ITEMS) == B


def test_a_label_does_not_count_for_a_changed_text_and_returns_with_the_old_one():
    state = replay(start(), label(A, True), kind(A, "fabricated"), label(B, False))
    rewritten = [Item("A", A.note, ("another summary",)), B, C]
    assert given(state, rewritten) == [("B", False, None)]
    assert stale_ids(state, rewritten) == (["A"], [])
    assert next_item(state, rewritten) == rewritten[0]
    relabelled = apply(state, label(rewritten[0], False))
    assert stale_ids(relabelled, rewritten) == ([], [])
    assert given(relabelled) == [("A", True, "fabricated"), ("B", False, None)]


def test_a_changed_note_changes_the_row_and_no_text_can_pass_for_another():
    assert row_key("A", "x", "y") != row_key("A", "x2", "y")
    assert row_key("A", "x", "y") != row_key("A", "xy", "")
    assert row_key("A", 'x", "y', "z") != row_key("A", "x", 'y", "z')


def test_labels_of_rows_that_are_gone_are_named_and_left_alone():
    state = replay(start(), label(A, True), kind(A, None), label(B, False), label(C, False))
    assert stale_ids(state, [A, B]) == ([], ["C"])
    assert undo_target(state, [A, B]).key == B.key


def test_a_skip_of_a_changed_row_is_not_reported_as_a_lost_label():
    assert stale_ids(replay(start(), skip(A)), [B, C]) == ([], [])


def test_order_is_seeded_and_no_item_depends_on_another():
    many = [Item(str(number), "", ("",)) for number in range(40)]
    order = shuffled(many, 42)
    assert order == shuffled(list(reversed(many)), 42)
    assert order != many
    assert order != shuffled(many, 43)
    assert [item for item in order if int(item.example_id) < 20] == shuffled(many[:20], 42)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "applause", "example_id": "A", "text_sha256": A.key[1], "timestamp": "t"},
        {**flag(A), "flagged": "yes"},
        {**comment(A, ""), "comment": None},
        {**kind(A, None), "severity": "grave"},
        {**kind(A, None), "sentences": [0]},
        {"event": "label", "example_id": "A"},
        {**label(A, False), "has_hallucination": "no"},
        {**kind(A, None), "hallucination_type": "5"},
        {**undo(B)},
        {"example_id": "A"},
        ["label"],
    ],
)
def test_what_is_not_an_event_is_refused(event):
    with pytest.raises((KeyError, TypeError, ValueError)):
        apply(replay(start(), label(A, False)), event)


def test_details_are_asked_one_after_the_other_and_each_answer_is_kept():
    state = replay(start(), label(A, True))
    for name, value in (("hallucination_type", "contradiction"), ("severity", "major"), ("sentences", [2, 3])):
        assert state.in_question.open_details[0] == name
        state = apply(state, new_event("detail", "t", A.key, **{name: value}))
    assert state.in_question is None
    assert labels(state, ITEMS)[0].details == {
        "hallucination_type": "contradiction",
        "severity": "major",
        "sentences": [2, 3],
    }


def test_flags_and_comments_leave_the_item_open_and_are_undone_one_by_one():
    state = replay(start(), flag(A), comment(A, "dose?"), comment(A, "dose and route?"))
    assert next_item(state, ITEMS) == A
    assert decided(state, ITEMS) == {}
    assert remarks(state, ITEMS, FLAG) == {A.key: True}
    assert remarks(state, ITEMS, COMMENT) == {A.key: "dose and route?"}
    state = apply(state, undo(A))
    assert remarks(state, ITEMS, COMMENT) == {A.key: "dose?"}
    state = apply(apply(state, undo(A)), undo(A))
    assert remarks(state, ITEMS, FLAG) == {}
    assert undo_target(state, ITEMS) is None


def test_a_flag_taken_off_and_an_empty_comment_are_no_remarks():
    state = replay(start(), flag(A), flag(A, on=False), comment(A, "x"), comment(A, ""))
    assert remarks(state, ITEMS, FLAG) == remarks(state, ITEMS, COMMENT) == {}


def test_an_answer_given_anew_stands_and_undo_brings_the_old_one_back():
    state = replay(start(), label(A, False), label(B, False), label(A, True), kind(A, "fabricated"))
    assert given(state) == [("B", False, None), ("A", True, "fabricated")]
    assert given(apply(state, undo(A))) == [("A", False, None), ("B", False, None)]


def test_a_label_belongs_to_the_text_wherever_it_is_shown():
    alone = Item("A", "note", ("one",))
    assert Item("A", "note", ("one", "two"), asked=0).key == Item("A", "note", ("two", "one"), asked=1).key == alone.key
    assert Item("A", "note", ("one", "two"), asked=None).key == Item("A", "note", ("two", "one"), asked=None).key
