"""Reading tables for the importer: one reader for each format, the same rows from all, damaged text told, the hub."""

from __future__ import annotations

import csv
import json

import pyarrow
import pytest
from pyarrow import parquet

from phase1_data_medhal.importing.sources import DAMAGED, Columns, find_tables, read_rows
from utils.cli import UserError

COLUMNS = Columns(note="text", summary="brief", label="ok")
ROWS = [
    {"text": "37 °C\nBP “stable” µ", "brief": 'a, "b"', "ok": True, "age": 3},
    {"text": "x\x1b[2J\x00y", "brief": None, "ok": False, "age": None},
]


def write(path, rows=ROWS, encoding="utf-8"):
    if path.suffix == ".csv":
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding=encoding)
    else:
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def read(place, columns=COLUMNS):
    return list(read_rows(find_tables(str(place), "--input"), columns))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_same_rows_come_from_every_format(tmp_path, suffix):
    rows = read(write(tmp_path / f"t{suffix}"))
    assert [row[1:] for row in rows] == [
        (1, "37 °C\nBP “stable” µ", 'a, "b"', "True", ""),
        (2, "x\x1b[2J\x00y", "", "False", ""),  # control bytes are text
    ]
    assert rows[0].table == f"t{suffix}"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path, suffix):
    path = write(tmp_path / f"t{suffix}")
    with pytest.raises(UserError, match="no column 'note'; found: text, brief, ok, age"):
        read(path, Columns("note", "brief"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_encodings_of_windows(tmp_path, suffix, encoding):
    path = tmp_path / f"t{suffix}"
    lines = {".csv": "text,brief,ok\r\n37 °C “ok”,b,1\r\n", ".jsonl": '{"text":"37 °C “ok”","brief":"b","ok":1}\r\n'}
    path.write_bytes(lines[suffix].encode(encoding))
    [row] = read(path)
    assert row[2:5] == ("37 °C “ok”", "b", "1")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_of_spreadsheets(tmp_path, delimiter):
    path = tmp_path / "t.csv"
    path.write_text("text,brief,ok\n37,b,1\n".replace(",", delimiter).replace("37", '"HbA1c 6,5 %; stable"'))
    assert [row[2:5] for row in read(path)] == [("HbA1c 6,5 %; stable", "b", "1")]


def test_bytes_that_are_no_character_damage_their_own_row_alone(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_bytes("text,brief,ok\n37 °C,b,1\n".encode() + b"38 \xb0C,b,1\n" + "39 °C,b,1\n".encode())
    assert [row.note for row in read(path)] == ["37 °C", f"38 {DAMAGED}C", "39 °C"]
    assert capsys.readouterr().err == f"note: {path}, line 3: byte 0xb0 is not UTF-8; the rest is read\n"
    path.write_bytes(b"text,brief,ok\n37 \xb0C,b,1\n38 \x81C,b,1\n")  # Windows-1252, but for one byte that it lacks
    assert [row.note for row in read(path)] == ["37 °C", f"38 {DAMAGED}C"]


def test_half_a_surrogate_pair_and_damaged_parquet_text_are_damage_too(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a \\ud83d b \\ud83d\\ude00", "brief": "b", "ok": 1}\n')
    assert read(path)[0].note == f"a {DAMAGED} b \U0001f600"
    broken = pyarrow.array([b"38 \xb0C"], pyarrow.binary()).view(pyarrow.string())
    table = {"text": broken, "brief": pyarrow.array(["b"], pyarrow.large_string()), "ok": [1]}
    parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0][2:5] == (f"38 {DAMAGED}C", "b", "1")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_line_ends_are_one_and_missing_values_are_empty(tmp_path, suffix):
    rows = [{"text": "a\r\nb\rc", "brief": "NaN", "ok": "N/A"}, {"text": "None", "brief": " b ", "ok": "yes"}]
    found = read(write(tmp_path / f"t{suffix}", rows))
    assert [row[2:5] for row in found] == [("a\nb\nc", "", ""), ("", "b", "yes")]


def test_a_key_may_be_missing_in_one_object_and_a_float_may_be_nan(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "b", "brief": "c", "ok": NaN}\n')
    assert [row[2:5] for row in read(path)] == [("a", "", ""), ("b", "c", "")]


def test_a_folder_is_read_file_by_file_and_rows_are_found_again(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "b.parquet")
    write(tmp_path / "a.csv")
    (tmp_path / "README.md").write_text("not a table")
    assert [row[:2] for row in read(tmp_path)] == [
        ("a.csv", 1),
        ("a.csv", 2),
        ("data/b.parquet", 1),
        ("data/b.parquet", 2),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.xlsx", b"", "t.xlsx is none of .csv, .jsonl, .parquet"),
        ("t.parquet", b"text,brief\n", "t.parquet cannot be read as parquet"),
        ("t.jsonl", b'{"text": ["Doctor: hello"], "brief": "b", "ok": 1}\n', "row 1: expected text, found a list"),
        ("t.jsonl", b'["Mr Doe"]\n', r"line 1: not a JSON object but a list$"),
        ("t.jsonl", b'{"text": "a"}\n{"te', "line 2: not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read(tmp_path / name)


def test_a_place_without_tables_is_refused_and_the_hub_is_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no \.csv, \.jsonl, \.parquet file in"):
        find_tables(str(tmp_path), "--input")
    with pytest.raises(UserError, match=r"--medhal: no such file or folder: GM07/medhal; .* write hub:GM07/medhal"):
        find_tables("GM07/medhal", "--medhal")


def test_only_the_hub_prefix_downloads_and_only_tables(tmp_path, monkeypatch):
    asked = {}
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train-00000-of-00001.parquet")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # put back after the test
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda name, **options: asked.update(name=name, **options) or str(tmp_path)
    )
    assert [row.number for row in read("hub:GM07/medhal")] == [1, 2]
    assert asked == {"name": "GM07/medhal", "repo_type": "dataset", "allow_patterns": ["*.csv", "*.jsonl", "*.parquet"]}


def test_a_hub_that_cannot_be_reached_is_one_message(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*args, **options):
        raise LocalEntryNotFoundError("no connection\nand more")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(UserError, match=r"hub:GM07/medhal cannot be downloaded: no connection; .* name their folder"):
        find_tables("hub:GM07/medhal", "--medhal")
