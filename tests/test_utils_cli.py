"""How scripts end: one message, one exit code, nothing raw on the terminal, nothing sent."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from utils.cli import (
    EXIT_OK,
    PROJECT_ROOT,
    RunError,
    UserError,
    from_here_or_project,
    positive_float,
    positive_int,
    run_script,
    share,
    temperature,
)
from utils.cpu_speed import LARGE_PAGES


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such file: \x1b[2Jx"), 2, r"error: no such file: \x1b[2Jx"),
        (RunError("training diverged"), 1, "error: training diverged"),
        (OSError(28, "No space left on device", "out\x1b.txt"), 1, r"error: No space left on device: out\x1b.txt"),
        (KeyboardInterrupt(), 130, "interrupted; nothing is half-written"),
    ],
)
def test_each_end_has_its_message_and_exit_code(capsys, error, code, said):
    def main(argv):
        raise error

    with pytest.raises(SystemExit) as end:
        run_script(main)
    shown = capsys.readouterr().err
    assert end.value.code == code
    assert said in shown
    assert "\x1b" not in shown


def test_an_error_of_ours_keeps_its_traceback():
    def main(argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_script(main)


def test_nothing_is_sent_and_no_hub_is_asked(monkeypatch):
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "DISABLE_SAFETENSORS_CONVERSION"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(SystemExit):
        run_script(lambda argv: 0)
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["DISABLE_SAFETENSORS_CONVERSION"] == "1"


@pytest.mark.parametrize(
    ("convert", "good", "bad"),
    [
        (positive_int, {"3": 3}, ("0", "-1", "1.5", "x")),
        (positive_float, {"5e-6": 5e-6}, ("0", "-1", "nan", "inf", "x")),
        (temperature, {"0": 0.0, "0.7": 0.7}, ("-1", "nan", "inf", "x")),
        (share, {"1.0": 1.0, "0.2": 0.2}, ("0", "1.1", "nan", "x")),
    ],
)
def test_numbers_out_of_range_are_refused(convert, good, bad):
    assert {text: convert(text) for text in good} == good
    for text in bad:
        with pytest.raises((argparse.ArgumentTypeError, ValueError)):
            convert(text)


def test_paths_of_readme_work_from_any_folder_and_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_here_or_project("README.md") == PROJECT_ROOT / "README.md"
    (tmp_path / "README.md").write_text("mine")
    assert from_here_or_project("README.md").read_text() == "mine"
    assert str(from_here_or_project("not/there")) == str(Path("not", "there"))


def test_every_script_asks_for_large_pages(monkeypatch):
    monkeypatch.delenv(LARGE_PAGES, raising=False)
    with pytest.raises(SystemExit):
        run_script(lambda argv: EXIT_OK)
    assert os.environ[LARGE_PAGES] == "1"
