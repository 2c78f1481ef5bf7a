"""Files are whole or absent; journals survive a kill; hashes see content and names."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from utils.cli import UserError
from utils.files import (
    append_journal,
    atomic_folder,
    atomic_writer,
    make_output_dir,
    open_journal,
    read_journal,
    sha256_path,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_writer(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with atomic_folder(target) as folder:
        (folder / "one").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "two").write_text("2")
        raise RuntimeError
    assert [entry.name for entry in target.iterdir()] == ["one"]
    with atomic_folder(target) as folder:
        (folder / "three").write_text("3")
    assert [entry.name for entry in target.iterdir()] == ["three"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_take_its_place_is_kept_beside_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("")
    rename = Path.rename

    def held_open(self, to):
        if self.name == "new" and Path(to) == target:
            raise PermissionError("held open")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", held_open)
    with pytest.raises(PermissionError), atomic_folder(target) as folder:
        (folder / "new").write_text("hours of training")
    with pytest.raises(PermissionError), atomic_folder(target) as folder:
        (folder / "new").write_text("more of it")
    assert [entry.name for entry in target.iterdir()] == ["old"]
    assert (tmp_path / "model.new" / "new").read_text() == "hours of training"
    assert (tmp_path / "model.new2" / "new").read_text() == "more of it"


def test_a_folder_that_cannot_be_moved_away_costs_nothing_either(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("")
    rename = Path.rename

    def held_open(self, to):
        if self == target:
            raise PermissionError("held open")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", held_open)
    with pytest.raises(PermissionError), atomic_folder(target) as folder:
        (folder / "new").write_text("hours of training")
    assert [entry.name for entry in target.iterdir()] == ["old"]
    assert (tmp_path / "model.new" / "new").read_text() == "hours of training"


def test_a_journal_survives_a_torn_last_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2')
    assert read_journal(path) == [{"n": 1}]
    with open_journal(path) as file:
        append_journal(file, {"n": 3})
    assert read_journal(path) == [{"n": 1}, {"n": 3}]


def test_a_damaged_journal_is_refused_with_its_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"n": 1}\nnonsense\n{"n": 2}\n')
    with pytest.raises(UserError, match="line 2"):
        read_journal(path)


def test_a_missing_journal_is_an_empty_one(tmp_path):
    assert read_journal(tmp_path / "none.jsonl") == []


def test_hash_of_a_folder_sees_content_and_names_but_no_run_record_or_model_card(tmp_path):
    (tmp_path / "a").write_text("1")
    before = sha256_path(tmp_path)
    for name in ("run.json", "README.md"):
        (tmp_path / name).write_text("about a")
    assert sha256_path(tmp_path) == before
    (tmp_path / "a").write_text("2")
    changed = sha256_path(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, changed, sha256_path(tmp_path)}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_output_folders_are_for_the_owner_only(tmp_path):
    made = make_output_dir(tmp_path / "new" / "folder")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot write to the output folder"):
        make_output_dir(tmp_path / "taken")
