"""A two-layer random Llama and a few notes: everything the steps need, built in a second, nothing downloaded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from utils.models import Checkpoint, find_checkpoint

TOKENIZER = Path(__file__).parent / "tiny_tokenizer"

COMPLAINTS = ("cough", "headache", "chest pain", "nausea", "dizziness", "back pain", "fatigue", "fever")
DRUGS = ("lisinopril", "metformin", "apixaban", "sertraline", "omeprazole", "amlodipine", "atorvastatin", "furosemide")
SIDES = ("left", "right")


def build_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Save a random Llama (hidden size 64, 2 layers) with the committed tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_adapter(folder: Path, base: Path, seed: int = 1) -> Path:
    """Save a LoRA adapter with random, non-zero weights on ``base``, as a Stage A checkpoint has."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
    )
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return folder


def note_and_summary(number: int) -> tuple[str, str]:
    """A short note and a summary that it supports; different for every number below 256."""
    complaint, drug, side = COMPLAINTS[number % 8], DRUGS[number // 8 % 8], SIDES[number // 64 % 2]
    age, sex = 30 + number % 50, "woman" if number % 2 else "man"
    note = (
        f"{age}-year-old {sex} with {complaint} for {2 + number % 9} days. Denies vomiting. Pain in the {side} knee. "
        f"History of hypertension. Takes {drug} {10 + number % 4 * 10} mg daily. BP 130/{70 + number % 20} mmHg."
    )
    summary = (
        f"A {age}-year-old {sex} presented with {complaint} for {2 + number % 9} days and {side} knee pain. "
        f"Regular medication is {drug} {10 + number % 4 * 10} mg daily."
    )
    return note, summary


def write_phase1(folder: Path, train: int = 12, validation: int = 6, test: int = 6) -> Path:
    """The three Phase 1 files with tiny notes; the test file also holds one row labelled hallucinated."""
    folder.mkdir(parents=True, exist_ok=True)
    start = 0
    for name, count in (("train", train), ("validation", validation), ("test", test)):
        rows = [(f"{name}-{i}", *note_and_summary(start + i), "factual", "", "") for i in range(count)]
        start += count
        if name == "test":
            rows.append((f"{name}-bad", rows[0][1], "A child with a broken arm.", "hallucinated", "fabricated", ""))
        with (folder / f"{name}_set_processed.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "clinical_note", "model_summary", "label", "hallucination_type", "evidence_stats"))
            writer.writerows(rows)
    return folder


def write_pairs(path: Path, count: int, start: int = 0, conversational: bool = True) -> Path:
    """``count`` pairs that hold nothing but prompt, chosen, rejected; the rejected gives a wrong duration."""
    from utils.prompts import completion_messages, prompt_messages

    with path.open("w", encoding="utf-8") as file:
        for number in range(start, start + count):
            note, summary = note_and_summary(number)
            wrong = summary.replace(f"{2 + number % 9} days", f"{3 + number % 9} weeks")
            if conversational:
                pair = (prompt_messages(note), completion_messages(summary), completion_messages(wrong))
            else:
                pair = (f"Summarize: {note}\nSummary: ", summary, wrong)
            file.write(json.dumps(dict(zip(("prompt", "chosen", "rejected"), pair, strict=True))) + "\n")
    return path


def stage_b_command(sft: Path, train: Path, validation: Path, output_dir: Path, *more: str) -> list[str]:
    """Stage B's arguments on a CPU; runs in sibling output folders share their reference."""
    options = {
        "sft_model_path": sft,
        "train_data_path": train,
        "val_data_path": validation,
        "output_dir": output_dir,
        "reference_dir": output_dir.parent / "reference",
        "device": "cpu",
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))] + list(more)


def find(model_path: Path | str, option: str = "--model_path") -> Checkpoint:
    """The checked checkpoint at a path."""
    return find_checkpoint(str(model_path), option, made_by="python the_step_before.py")
