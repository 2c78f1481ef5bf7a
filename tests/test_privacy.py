"""All four steps where no network is: nothing tries to connect, nothing is kept elsewhere, others can read no note."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.four_steps import ANSWERS, COMMENT, prepare
from utils.cli import PROJECT_ROOT
from utils.records import read_csv, read_jsonl

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")

# Python imports this at its start, in every process, and nothing can take an audit hook away again.
WATCH = """
import os, sys
log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
REACHING_OUT = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.send", "socket.bind", "urllib.")
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def watch(event, arguments):
    if event.startswith(REACHING_OUT):
        os.write(log, f"network {event} {arguments[1:]!r}\\n".encode())
    elif event == "open" and isinstance(arguments[0], str) and arguments[2] & CHANGING:
        os.write(log, f"file {os.path.abspath(arguments[0])}\\n".encode())

sys.addaudithook(watch)
"""
# A network of its own without an interface that is up, and in the end what the kernel had to turn away there.
ISOLATED = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c", '"$@" && cat /proc/net/snmp', "sh")
FONTS = "fontlist-"  # matplotlib's list of the fonts of this machine
COMPLETE = {
    *("train_dpo.jsonl", "val_dpo.jsonl", "train_samples.jsonl", "generated.journal.jsonl", "evaluation_results.csv"),
    *("train_set_processed.csv", "evaluation_report.html", "manual_assessment.json", "manual_assessment.journal.jsonl"),
}


def can_isolate() -> bool:
    """Whether this system lets a user make a network of their own."""
    unshare = shutil.which("unshare")
    return bool(unshare) and subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode == 0


def watched(folder: Path, *command: str, typed: str = "") -> SimpleNamespace:
    """A command in ``folder / "work"`` with a home of its own; what it tried, wrote and could not send."""
    for name in ("work", "home", "temporary", "watch"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder / "watch"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WATCHED": str(folder / "watched.log"),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"),
        "OMP_NUM_THREADS": "1",
    }
    isolated = can_isolate()
    done = subprocess.run(
        [*(ISOLATED if isolated else ()), sys.executable, *command],
        cwd=folder / "work", env=environment, umask=0o022, input=typed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:]
    seen = [line.partition(" ") for line in (folder / "watched.log").read_text().splitlines()]
    return SimpleNamespace(
        folder=folder,
        attempts=[what for kind, _, what in seen if kind == "network"],
        written={Path(what) for kind, _, what in seen if kind == "file"},
        turned_away=turned_away(done.stdout) if isolated else None,
    )


def turned_away(printed: str) -> int:
    """How many packets of a network, Python's or not, had no way to go."""
    names, values = (line.split() for line in printed.splitlines() if line.startswith("Ip: "))
    return int(values[names.index("OutNoRoutes")])


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """All steps, once; the folder for the pairs was there before, for everybody to read."""
    folder = tmp_path_factory.mktemp("private")
    work = prepare(folder / "work")
    (work / "phase2_data" / "dpo").mkdir(parents=True)
    (work / "phase2_data" / "dpo").chmod(0o755)
    return watched(folder, str(PROJECT_ROOT / "tests" / "four_steps.py"), typed=ANSWERS)


def test_nothing_tries_to_connect(steps):
    assert steps.attempts == []


@pytest.mark.skipif(not can_isolate(), reason="needs the unshare command and user namespaces")
def test_nothing_had_to_be_turned_away(steps):
    assert steps.turned_away == 0


@pytest.mark.parametrize(
    ("attempt", "event"),
    [
        ("socket.create_connection(('203.0.113.1', 443), 1)", "socket.connect"),
        ("socket.getaddrinfo('example.org', 443)", "socket.getaddrinfo"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.1', 53))", "socket.sendto"),
    ],
)
@pytest.mark.skipif(not can_isolate(), reason="without a network of its own, this would reach out")
def test_an_attempt_that_is_swallowed_is_seen(tmp_path, attempt, event):
    swallowed = f"import socket\ntry:\n    {attempt}\nexcept OSError:\n    pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {swallowed!r}], check=True)"
    seen = watched(tmp_path, "-c", child)
    assert any(line.startswith(event) for line in seen.attempts)
    assert seen.turned_away


def clinical_texts(work: Path) -> set[str]:
    """Sentences of the notes and summaries, what the models wrote, and the annotator's comment."""
    texts = {COMMENT}
    for path in (work / "phase1_data_medhal" / "sft").glob("*.csv"):
        for row in read_csv(path, ("clinical_note", "model_summary")):
            texts.update(sentence for name in ("clinical_note", "model_summary") for sentence in row[name].split(". "))
    for path in work.glob("evaluation_results_*/evaluation_results.csv"):
        texts.update(row["generated_summary"] for row in read_csv(path, ("generated_summary",)))
    for path in work.glob("phase2_data/dpo/*_samples.jsonl"):
        texts.update(text["text"] for row in read_jsonl(path, ("texts",)) for text in row["texts"].values())
    return {json.dumps(text, ensure_ascii=False)[1:-1] for text in texts if len(text) > 12}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_holds_clinical_text_is_its_owner_s_alone(steps):
    work = steps.folder / "work"
    texts = [text.encode() for text in clinical_texts(work)]
    made = [path for path in files(work) if work / "phase1_data_medhal" not in path.parents]
    telling = [path for path in made if any(text in path.read_bytes() for text in texts)]
    assert {path.name for path in telling} >= COMPLETE
    assert [path for path in telling if stat.S_IMODE(path.stat().st_mode) != 0o600] == []
    own = {path.parent for path in telling} - {work / "phase2_data" / "dpo"}
    assert [folder for folder in own if stat.S_IMODE(folder.stat().st_mode) != 0o700] == []


def test_nothing_is_kept_anywhere_else(steps):
    places = tuple(steps.folder / name for name in ("work", "home", "temporary"))
    elsewhere = {path for path in steps.written if not any(map(path.is_relative_to, places))}
    assert {str(path) for path in elsewhere} <= {os.devnull}
    left = [path for place in places[1:] for path in files(place)]
    assert [path for path in left if not path.name.startswith(FONTS)] == []
