"""README's own commands, one after the other, as a newcomer copies them: on a tiny model, in an empty folder."""

from __future__ import annotations

import importlib
import io
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import torch

from tests.tiny import build_tiny_model, write_phase1
from utils.cli import PROJECT_ROOT, UserError

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = {
    "generate_phase2_data.py": "generate_phase2_data",
    "stage_b_dpo_training.py": "stage_b_dpo_training",
    "evaluation_stage_a/evaluate_stage_a.py": "evaluation_stage_a.evaluate_stage_a",
    "manual_assessment_tool.py": "manual_assessment_tool",
    "models/train_stage_a.py": "models.train_stage_a",
    "phase1_data_medhal/import_notes.py": "phase1_data_medhal.import_notes",
}


def commands(shell: str) -> list[tuple[str, ...]]:
    """The words of every python command in README's blocks of one shell, set-up aside."""
    found = []
    for block in re.findall(rf"```{shell}\n(.*?)```", README, flags=re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("python "):
                found.append(tuple(shlex.split(line)[1:]))
    return found


def script(words: tuple[str, ...]):
    return importlib.import_module(SCRIPTS[words[0]])


BASH = [words for words in commands("bash") if words[0] != "models/train_stage_a.py"]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """An empty folder with Phase 1 notes, a base model, and the Stage A that README's command trains from them."""
    folder = tmp_path_factory.mktemp("new comer ä")
    write_phase1(folder / "phase1_data_medhal" / "sft", train=6, validation=4, test=4)
    build_tiny_model(folder / "models" / "SmolLM2-135M-Instruct")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rebuild = next(words for words in commands("bash") if words[0] == "models/train_stage_a.py")
        assert script(rebuild).main([*rebuild[1:], "--num_epochs", "1"]) == 0
    return folder


def run(words, monkeypatch, folder, typed="y\n1\nn\nq\n"):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return script(words).main(list(words[1:]))


def test_readme_has_every_step_in_order():
    steps = [words[0] for words in BASH]
    evaluate, label = "evaluation_stage_a/evaluate_stage_a.py", "manual_assessment_tool.py"
    generate, train = "generate_phase2_data.py", "stage_b_dpo_training.py"
    assert steps == [evaluate, label, generate, generate, train, evaluate, evaluate, label]
    assert ["--on_policy" in words for words in BASH if words[0] == generate] == [False, True]


def test_readme_has_no_blank_left_to_fill_in():
    assert not re.findall(r"\{[A-Z_]+\}", README)


def test_readme_s_values_are_the_defaults():
    varied = {"evaluation_results_stage_a", "models/sft_specialist_fast_fp16/final_model"}
    for words in BASH:
        parser = script(words).build_parser()
        given, default = vars(parser.parse_args(list(words[1:]))), vars(parser.parse_args([]))
        for name, value in given.items():
            stage_a = words[0].startswith("evaluation") and (str(value) in varied or name == "compare_with")
            its_labels = str(value).startswith("evaluation_results_stage_a/")
            if not stage_a and not its_labels and name not in ("device", "on_policy"):
                assert value == default[name], f"{words[0]} --{name}"


def test_the_steps_run_as_written(newcomer, monkeypatch, capsys):
    for words in BASH:
        if "cuda" in words and not torch.cuda.is_available():
            with pytest.raises(UserError, match="--device cuda: this machine has none"):
                run(words, monkeypatch, newcomer)
        else:
            assert run(words, monkeypatch, newcomer) == 0
    printed = capsys.readouterr().out
    for line in ("✓ Training triplets: ", "✓ Validation triplets: ", "✓ Stage B: ", "Before and after, on the same 4"):
        assert line in printed
    for made in (
        "phase2_data/dpo/train_dpo.jsonl",
        "models/dpo_hallucination_resistant/final_model/adapter_model.safetensors",
        "evaluation_results_stage_a/manual_assessment.json",
        "evaluation_results_stage_b/manual_assessment.json",
        "evaluation_results_stage_b/evaluation_report.txt",
    ):
        assert (newcomer / made).is_file()


def test_the_steps_run_without_any_argument(newcomer, monkeypatch, capsys):
    """After the commands as written, so each finds its work done: no argument means the values that README shows."""
    assert run(("stage_b_dpo_training.py",), monkeypatch, newcomer) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run(("generate_phase2_data.py",), monkeypatch, newcomer) == 0  # the last pairs were made with --on_policy
    assert run(("generate_phase2_data.py",), monkeypatch, newcomer) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run(("evaluation_stage_a/evaluate_stage_a.py",), monkeypatch, newcomer) == 0
    assert "4 reused" in capsys.readouterr().out
    assert run(("manual_assessment_tool.py",), monkeypatch, newcomer, typed="q\n") == 0


def test_the_measuring_commands_run_as_written(capsys):
    """Rebuilding the notes is the one that takes long; test_phase1_corpus.py writes a part of them again."""
    measuring = [words for words in commands("sh") if words[0].startswith("benchmarks/")]
    assert [words[0] for words in measuring] == ["benchmarks/corpus_variety.py", "benchmarks/oracle_accuracy.py"]
    for path, *words in measuring:
        assert importlib.import_module(path.removesuffix(".py").replace("/", ".")).main(words) == 0
    printed = capsys.readouterr().out
    assert "distinct masked sentences" in printed
    assert "specificity" in printed


def test_the_importing_commands_are_ones_that_the_importer_takes():
    importing = [words for words in commands("sh") if words[0].endswith("import_notes.py")]
    assert [words[1] for words in importing] == ["--input", "--medhal"]
    for words in importing:
        script(words).choose_columns(script(words).build_parser().parse_args(list(words[1:])))


@pytest.mark.parametrize("path", sorted(SCRIPTS))
def test_help_needs_no_heavy_import_and_works_from_any_folder(path, tmp_path):
    watch = (
        "import runpy, sys\n"
        "sys.argv = [sys.argv[1], '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'transformers', 'pandas', 'scipy', 'datasets'} & set(sys.modules)\n"
    )
    # A script's own folder comes first on its path, as when it is run by name.
    target = PROJECT_ROOT / path
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target.parent)!r})\n{watch}", str(target)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "usage: " in found.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("generate_phase2_data.py", "--phase1_dir", "gone"), "python phase1_data_medhal/write_notes.py"),
        (("stage_b_dpo_training.py", "--train_data_path", "gone"), "python generate_phase2_data.py"),
        (("evaluation_stage_a/evaluate_stage_a.py", "--test_data", "gone"), "no such file: gone"),
        (("manual_assessment_tool.py", "--results_csv", "gone"), "evaluate_stage_a.py"),
    ],
)
def test_a_missing_input_is_one_message_and_exit_code_2(words, said, tmp_path):
    found = subprocess.run(
        [sys.executable, str(PROJECT_ROOT / words[0]), *words[1:]],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_demo_runs_commands_that_the_scripts_accept(tmp_path):
    """The demo's own lines, dry: every option is one that the script has."""
    printed = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", " ")
    lines = [shlex.split(line)[1:] for line in printed.splitlines() if line.startswith(".venv/bin/python ")]
    ran = [(words[0], words[1:]) for words in lines if words[0] in SCRIPTS]
    assert [name for name, _ in ran] == [
        "generate_phase2_data.py",
        "stage_b_dpo_training.py",
        "evaluation_stage_a/evaluate_stage_a.py",
        "evaluation_stage_a/evaluate_stage_a.py",
    ]
    for name, argv in ran:
        importlib.import_module(SCRIPTS[name]).build_parser().parse_args(argv)
