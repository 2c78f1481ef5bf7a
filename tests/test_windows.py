"""What would not run on Windows: in the code, in the commands that README shows, and while the steps run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.four_steps import ANSWERS, prepare
from utils.cli import PROJECT_ROOT

SHIPPED = [
    *PROJECT_ROOT.glob("*.py"),
    *(path for folder in PROJECT_ROOT.glob("[!.]*/") if folder.name != "tests" for path in folder.rglob("*.py")),
]
PYTHON_FILES = {path.relative_to(PROJECT_ROOT).as_posix(): path.read_text("utf-8") for path in SHIPPED}
PAGES = [PROJECT_ROOT / "README.md", *PROJECT_ROOT.glob("Guides/*.md")]

OWN_TO_A_SYSTEM = ("asyncio", "fcntl", "multiprocessing", "os", "resource", "select", "shutil", "signal", "socket")
IMPORTS = re.compile(rf"^\s*(?:import|from) (?:{'|'.join(OWN_TO_A_SYSTEM)}|time|termios|tty|pty|pwd|grp)\b", re.M)

# Line continuation, variables, and commands that are others there or none; "-" and "/" are fine.
POSIX_ONLY = re.compile(
    r"\\\n|&&|\|\||<<|[$'~]|/dev/|\.venv/bin|\bpython3\b|^\w+=|^(source|export|\.|rm|cp|mv|mkdir|touch|chmod|sudo|cat)\s",
    re.MULTILINE,
)

# What stands where Windows does not come, or what it does as well.
ALLOWED = {
    ("utils/files.py", "rename"): "the name is free: what had it was moved aside in the line before",
    ("utils/resumable_training.py", "rename"): "the name is free: what had it was removed in the line before",
    ("evaluation_stage_a/set_aside.py", "rename"): "only where there is no such file",
    ("utils/cpu_speed.py", "'/sys/...'"): "Linux alone has it, and it is read where it is",
    ("preference/memory/preflight.py", "'/sys/...'"): "Linux alone has it, and it is read where it is",
    ("benchmarks/side_by_side/turns.py", "'/proc/...'"): "only on Linux",
}


def faults(tree: ast.AST) -> Iterator[str]:
    """What Windows lacks or does otherwise, as far as one can see it in a module's syntax."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            unix = re.match(r"/(tmp|dev|proc|sys|etc|var|usr|bin|home)/", node.value)
            if unix:
                yield f"'{unix[0]}...'"
        if isinstance(node, ast.Call):
            yield from faults_of_call(node)


def faults_of_call(call: ast.Call) -> Iterator[str]:
    of, _, name = ast.unparse(call.func).rpartition(".")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if (of and name in ("symlink", "symlink_to", "rename")) or (of == "os" and name in ("system", "popen")):
        yield name
    for option in ("shell", "preexec_fn", "start_new_session", "pass_fds"):
        if option in keywords:
            yield f"{option}="
    if name in ("get_context", "set_start_method") and [ast.unparse(word) for word in call.args] != ["'spawn'"]:
        yield name
    mode = text_mode(name, call, keywords) if (of, name) not in (("os", "open"), ("record", "open")) else ""
    if mode and "encoding" not in keywords:
        yield f"{name} without encoding"
    if mode and set(mode) & set("wax+") and "newline" not in keywords:
        yield f"{name} without newline"
    if name in ("run", "Popen", "check_output") and "text" in keywords and "encoding" not in keywords:
        yield f"{name} without encoding"


def text_mode(name: str, call: ast.Call, keywords: dict[str | None, ast.expr]) -> str:
    """The mode in which a call opens a text file; empty where it opens none, or bytes."""
    if name in ("read_text", "write_text"):
        has_encoding = name == "read_text" and call.args
        return "" if has_encoding else name[0]
    place = {"open": 1 if isinstance(call.func, ast.Name) else 0, "fdopen": 1}.get(name, 0)
    if name not in ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile"):
        return ""
    given = keywords.get("mode", call.args[place] if len(call.args) > place else None)
    default = "r" if name in ("open", "fdopen") else "w+b"
    mode = given.value if isinstance(given, ast.Constant) else default
    return mode if isinstance(mode, str) and "b" not in mode else ""


def test_no_module_is_written_for_posix_alone():
    found = {(name, fault) for name, source in PYTHON_FILES.items() for fault in faults(ast.parse(source))}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("open(path)", "open without encoding"),
        ("path.open('a', encoding='utf-8')", "open without newline"),
        ("os.fdopen(handle, 'w', newline='')", "fdopen without encoding"),
        ("path.write_text(text, encoding='utf-8')", "write_text without newline"),
        ("subprocess.run(words, text=True)", "run without encoding"),
        ("subprocess.run(words, shell=True)", "shell="),
        ("multiprocessing.get_context('fork')", "get_context"),
        ("path.rename(other)", "rename"),
        ("Path('/tmp/notes')", "'/tmp/...'"),
    ],
)
def test_a_fault_is_seen(line, fault):
    assert list(faults(ast.parse(line))) == [fault]


def test_no_module_asks_python_for_what_it_lacks_there(tmp_path):
    """The type checker knows Python's library on each system, and what stands behind a check of the system."""
    lacking = tmp_path / "lacking.py"
    lacking.write_text("import os, signal\nos.fork()\nsignal.SIGKILL\n")
    asking = [str(PROJECT_ROOT / name) for name, source in PYTHON_FILES.items() if IMPORTS.search(source)]
    options = ("--platform", "win32", "--follow-imports", "skip", "--cache-dir", os.devnull)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *asking, str(lacking)],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.findall(r"(\S+\.py):\d+: error: Module.* has no attribute \"(\w+)\"", checked.stdout)
    assert {Path(file).name: name for file, name in found} == {"lacking.py": "SIGKILL"}
    assert len(found) == 2


def blocks(page: str) -> list[tuple[str, str]]:
    """Commands for a POSIX shell, and those of the PowerShell block right behind them, if there is one."""
    return re.findall(r"```(?:sh|bash)\n(.*?)```(?:\n\n```powershell\n(.*?)```)?", page, flags=re.DOTALL)


def python_commands(block: str) -> list[list[str]]:
    """The words of each command that is no set-up, however many lines it takes."""
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("python ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_has_a_form_for_powershell(page):
    text = page.read_text("utf-8")
    found = blocks(text)
    assert found
    assert text.count("```powershell") == sum(bool(twin) for _, twin in found)
    for commands, twin in found:
        if twin:
            assert python_commands(twin) == python_commands(commands)
            assert not POSIX_ONLY.search(twin)
        elif not commands.startswith("make "):
            assert not POSIX_ONLY.search(commands)
    in_the_text = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    named = [words for words in in_the_text if words.startswith(("python", "accelerate", "pip"))]
    assert [words for words in named if POSIX_ONLY.search(words)] == []


@pytest.mark.parametrize(
    "line",
    ["python a.py \\\n    --b 1", "OMP_NUM_THREADS=1 python a.py", "rm -rf out", "source .venv/bin/activate", "a && b"],
)
def test_a_command_for_posix_alone_is_seen(line):
    assert POSIX_ONLY.search(line)


@pytest.fixture
def like_windows(tmp_path):
    """Run Python in a folder with a space and letters beyond ASCII, as Windows would; returns what it printed."""
    folder = tmp_path / "Völlig neue Nötizen ü"
    folder.mkdir()
    shown = {"PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(PROJECT_ROOT / "tests" / "like_windows")}

    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words], cwd=folder, env={**os.environ, **shown, "OMP_NUM_THREADS": "1"},
            input=typed, capture_output=True, encoding="cp1252", check=False,
        )  # fmt: skip

    run.folder = folder
    return run


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux which files are open")


@on_linux
def test_the_steps_run_where_windows_would_refuse(like_windows):
    work = prepare(like_windows.folder)
    done = like_windows(str(PROJECT_ROOT / "tests" / "four_steps.py"), typed=ANSWERS)
    assert done.returncode == 0, done.stderr[-6000:]
    [former] = (work / "evaluation_results_stage_b" / "set_aside").iterdir()
    assert (former / "manual_assessment.json").is_file()
    assert len(list((work / "models" / "dpo_hallucination_resistant" / "runs").iterdir())) == 2


@on_linux
@pytest.mark.parametrize(
    "refused",
    [
        "file = open('a', 'w'); os.remove('a')",
        "file = open('a', 'w'); open('b', 'w').close(); os.replace('b', 'a')",
        "os.mkdir('c'); file = open('c/a', 'w'); os.rename('c', 'd')",
        "open('a', 'wb').write(b'a'); file = mmap.mmap(os.open('a', os.O_RDWR), 1); os.remove('a')",
        "open('a', 'w').close(); open('b', 'w').close(); os.rename('a', 'b')",
        "open('12:30.csv', 'w')",
        "os.mkdir('aux')",
        "os.open('.', os.O_RDONLY)",
        "os.symlink('a', 'b')",
    ],
)
def test_what_windows_refuses_is_refused(like_windows, refused):
    done = like_windows("-c", f"import mmap, os\n{refused}")
    assert "as on Windows" in done.stderr
