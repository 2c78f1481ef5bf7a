"""Reading and sampling of rows: other spellings and encodings, clear refusals, samples by note."""

from __future__ import annotations

import pytest

from utils import records
from utils.cli import UserError
from utils.records import read_csv, read_jsonl, sample_by_note, write_csv


def csv_file(tmp_path, data: bytes):
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    return path


def test_other_spellings_are_renamed_and_further_columns_kept(tmp_path):
    path = csv_file(tmp_path, b"id,clinical_note,predicted_summary,extra\n7,note,text,more\n")
    assert read_csv(path, ("example_id", "clinical_note", "generated_summary")) == [
        {"example_id": "7", "clinical_note": "note", "generated_summary": "text", "extra": "more"}
    ]


def test_the_proper_spelling_wins_over_the_other_one(tmp_path):
    path = csv_file(tmp_path, b"id,model_summary,summary\n1,proper,other\n")
    assert read_csv(path, ("model_summary",))[0]["model_summary"] == "proper"


def test_an_optional_column_that_is_missing_reads_as_empty(tmp_path):
    assert read_csv(csv_file(tmp_path, b"id\n1\n"), ("id",), optional=("label",)) == [{"id": "1", "label": ""}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_with_a_byte_order_mark_and_windows_line_ends(tmp_path, encoding):
    path = csv_file(tmp_path, 'id,note\r\n1,"37 °C\r\nstable"\r\n'.encode(encoding))
    assert read_csv(path, ("id", "note")) == [{"id": "1", "note": "37 °C\r\nstable"}]


def test_that_a_file_is_read_as_windows_1252_is_said(tmp_path, capsys):
    path = csv_file(tmp_path, "note\nfine\n37 °C – “stable”\n".encode("cp1252"))
    assert read_csv(path, ("note",))[1] == {"note": "37 °C – “stable”"}
    assert capsys.readouterr().err == f"note: {path} is not UTF-8 (line 3: byte 0xb0); read as Windows-1252\n"


def test_a_character_across_two_blocks_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "_BLOCK", 3)
    path = csv_file(tmp_path, "note\n°°°° µ\n".encode())
    assert read_csv(path, ("note",)) == [{"note": "°°°° µ"}]
    assert records._first_fault(csv_file(tmp_path, b"note\n\n1234\xb0\n"), "utf-8-sig").where == "line 3: byte 0xb0"


def test_a_form_feed_or_line_separator_inside_a_cell_is_no_line_end(tmp_path):
    path = csv_file(tmp_path, "id,note\n1,a\x0cb\u2028c\n".encode())
    assert read_csv(path, ("note",))[0]["note"] == "a\x0cb\u2028c"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"id,note\n1,x\n", "no column 'label'; found: id, note"),
        (b"", "found: an empty file"),
        (b"label\n", "no rows"),
        (b"label\nfine\n\x81 cold\n", "line 3: byte 0x81 is not UTF-8"),  # nor Windows-1252
        ("label\n37 °C\n".encode() + b"38 \xb0C\n", "line 3: byte 0xb0 is not UTF-8"),  # two encodings in one file
        ("label\nfine°".encode()[:-1], "line 2: the last character is not UTF-8"),  # cut off
        ("label\nfine\n".encode("utf-16")[:-1], "line .: the last character is not UTF-16"),
        (b"id,label\n1,a\n2,a,b\n", r"row 2 \(up to line 3\): more cells than the 2 columns"),
    ],
)
def test_refusals_name_the_file_and_what_was_found(tmp_path, data, said):
    path = csv_file(tmp_path, data)
    with pytest.raises(UserError, match=said) as refusal:
        read_csv(path, ("label",))
    assert str(path) in str(refusal.value)


def test_a_cell_of_a_million_characters_is_read(tmp_path):
    path = csv_file(tmp_path, b"note\n" + b"x" * 1_000_000 + b"\n")
    assert len(read_csv(path, ("note",))[0]["note"]) == 1_000_000


def test_written_csv_reads_back(tmp_path):
    rows = [
        {"id": "1", "note": 'quoted "x", and\na line'},
        {"id": "2", "note": "a lone \r and"},
    ]
    write_csv(tmp_path / "out.csv", ("id", "note"), rows)
    assert read_csv(tmp_path / "out.csv", ("id", "note")) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "line 1: no 'prompt'"),
        ('\n{"prompt": 1}\nnot\n', "line 3: not JSON"),
        ("[1]\n", "line 1"),
        ("", "no rows"),
    ],
)
def test_jsonl_refusals_name_the_line(tmp_path, text, said):
    path = tmp_path / "pairs.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_jsonl(path, ("prompt",))


def test_a_sample_keeps_notes_together_and_does_not_depend_on_the_order():
    notes = [f"note {i // 3}" for i in range(60)]
    taken = [notes[i] for i in sample_by_note(notes, 12, seed=1)]
    assert len(taken) == 12
    assert all(taken.count(note) == 3 for note in taken)
    turned = list(reversed(notes))
    assert {turned[i] for i in sample_by_note(turned, 12, seed=1)} == set(taken)


def test_a_sample_is_seeded_grows_by_adding_and_is_not_the_first_rows():
    notes = [str(i) for i in range(100)]
    small, large = sample_by_note(notes, 10, seed=1), sample_by_note(notes, 20, seed=1)
    assert small == sorted(small)
    assert set(small) < set(large)
    assert small != list(range(10))
    assert small != sample_by_note(notes, 10, seed=2)
    assert sample_by_note(notes, None, seed=1) == list(range(100))
