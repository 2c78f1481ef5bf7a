"""The importer, Stage A and the four steps on tiny notes in one process, each begun as a person begins it.

Run this file as a script in a folder that :func:`prepare` has made; what step 4 asks is answered by standard input.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVALUATE = "evaluation_stage_a/evaluate_stage_a.py"
STAGE_A = "models/sft_specialist_fast_fp16/final_model"
FEW = ("--max_new_tokens", "8", "--device", "cpu")
OWN_ERRORS = ("--on_policy", "--samples_per_note", "1", "--num_proc", "2", "--rejects", "refused/refused.jsonl")
OWN = ("--note_column", "clinical_note", "--summary_column", "model_summary", "--label_column", "label")
SHARES = ("--validation_share", "0.2", "--test_share", "0.2")
COMMANDS = (
    ("phase1_data_medhal/import_notes.py", "--input", "phase1_data_medhal/sft", *OWN, *SHARES),
    ("models/train_stage_a.py", "--num_epochs", "1", "--device", "cpu"),
    ("generate_phase2_data.py", *OWN_ERRORS),
    ("stage_b_dpo_training.py", "--num_epochs", "1", "--merge", "--device", "cpu"),
    (EVALUATE, "--model_path", STAGE_A, "--output_dir", "evaluation_results_stage_a", *FEW),
    (EVALUATE, "--compare_with", "evaluation_results_stage_a", "--pairs", "phase2_data/dpo/val_dpo.jsonl", *FEW),
    ("manual_assessment_tool.py",),
    # Once more, with another beta: another model takes the place of the first, whose results and labels are set aside.
    ("stage_b_dpo_training.py", "--num_epochs", "1", "--beta", "0.2", "--device", "cpu"),
    (EVALUATE, *FEW),
)
COMMENT = "both of the knees hurt"
ANSWERS = f"c {COMMENT}\ny\n1\n2\n\nn\nq\n"


def prepare(folder: Path) -> Path:
    """Notes and a base model, where the steps look for them."""
    from tests.tiny import build_tiny_model, write_phase1

    write_phase1(folder / "phase1_data_medhal" / "sft", train=4, validation=3, test=4)
    build_tiny_model(folder / "models" / "SmolLM2-135M-Instruct")
    return folder


def run(script: str, *words: str) -> None:
    """One step, to its end; ends this process where the step fails."""
    path = ROOT / script
    sys.argv, sys.path[0] = [str(path), *words], str(path.parent)
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    for command in COMMANDS:
        run(*command)
