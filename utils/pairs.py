"""Preference pairs as step 1 writes them and other tools do: JSONL with prompt, chosen and rejected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.cli import UserError
from utils.prompts import text_of
from utils.records import read_jsonl, sample_by_note

MAKE_PAIRS = "python generate_phase2_data.py"


def read_pairs(path: Path, limit: int | None, seed: int) -> list[dict[str, Any]]:
    """Pairs of a JSONL file: prompt, chosen, rejected as plain strings or as TRL's conversational form.

    At most ``limit`` of them, a seeded sample by note. Raises UserError naming file and line.
    """
    if not path.is_file():
        raise UserError(f"no preference pairs at {path}; make them with: {MAKE_PAIRS}")
    rows = read_jsonl(path, required=("prompt", "chosen", "rejected"), fault=fault_of)
    notes = [str(row.get("note_id") or text_of(row["prompt"])) for row in rows]
    return [rows[index] for index in sample_by_note(notes, limit, seed)]


def fault_of(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the form of a pair; None when all three are text, or all three are messages.

    Chosen and rejected are then one assistant message each: a repeated prompt in them would be learned as summary.
    """
    values = [row[key] for key in ("prompt", "chosen", "rejected")]
    if all(isinstance(value, str) for value in values):
        return None
    for key in ("prompt", "chosen", "rejected"):
        if not _are_messages(row[key]):
            return f"'{key}' is not a list of messages with role and content, and the three are not all text"
    for key in ("chosen", "rejected"):
        if [message["role"] for message in row[key]] != ["assistant"]:
            return f"'{key}' is not one single assistant message; what comes before it belongs to 'prompt'"
    return None


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(message, dict) for message in value)
        and all(isinstance(message.get(part), str) for message in value for part in ("role", "content"))
    )
