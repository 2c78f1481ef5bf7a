"""The model card of a run's model: README.md beside the weights, as the Hugging Face hub reads it.

It is made from the run's record alone and names no folder of this machine outside the project, so that it can be
given away with the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from preference.runs.folder import ADAPTER, ASIDE, FINAL_MODEL, RunFolder
from utils.cli import PROJECT_ROOT, from_here_or_project
from utils.files import atomic_writer
from utils.hostile_text import visible
from utils.models import HUB_PREFIX, find_checkpoint, portable_path
from utils.prompts import prompt_messages
from utils.run_record import read_record

MODEL_CARD = "README.md"
TEMPLATE = Path(__file__).with_name("model_card.md")
TAGS = ("trl", "dpo", "clinical", "summarization", "hallucination")
SHOWN_RESULTS = (
    *("first_loss", "last_loss", "last_margin"),
    *("val_loss", "val_margin", "val_accuracy", "val_chosen_reward"),
)
DATA = {"train_data": "train", "val_data": "val"}  # the record's name of a file of pairs, and the results'


def write_model_card(run: RunFolder, model: Path) -> None:
    """Write the card of a complete run into the folder of its model, whichever form that has."""
    made = find_checkpoint(str(run.final_model), "--output_dir", "python stage_b_dpo_training.py")
    card = model_card(
        read_record(run.path),
        base=portable_path(made.base) if made.adapter else None,
        adapter=(model / ADAPTER).is_file(),
        shown=run.output_dir / FINAL_MODEL,
    )
    with atomic_writer(model / MODEL_CARD) as file:
        file.write(card)


def model_card(record: Mapping[str, Any], base: str | None, adapter: bool, shown: Path) -> str:
    """The card, from a run's record; the same record, the same bytes.

    ``base`` is what an adapter was trained on (None: all weights were trained), ``adapter`` whether it is one still,
    ``shown`` where people find the model.
    """
    deciding = {name: argument for name, argument in record["arguments"].items() if name not in ASIDE}
    arguments = {name: argument["value"] for name, argument in deciding.items()}
    results = record["results"]
    figures = {name.replace("_", " "): f"{value:.4f}" for name, value in results.items() if name in SHOWN_RESULTS}
    seconds = round(results["seconds"])
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent, encoding="utf-8"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = as_code
    return environment.get_template(TEMPLATE.name).render(
        front_matter=front_matter(base or str(arguments["sft_model_path"]), adapter),
        adapter=adapter,
        sft=public_path(str(arguments["sft_model_path"])),
        base=public_path(base) if base else "",
        folder=public_path(str(shown)),
        prompt=prompt_messages("...")[0]["content"],
        beta=arguments["beta"],
        results={**figures, "time of the last sitting": timedelta(seconds=seconds)},
        data=[
            {
                "name": Path(record["inputs"][name]["path"]).name,
                "pairs": results[f"{part}_pairs"],
                "sha256": record["inputs"][name]["sha256"],
            }
            for name, part in DATA.items()
        ],
        left_out=[
            f"{part}: {count} {reason}"
            for part, reasons in results["left_out"].items()
            for reason, count in reasons.items()
        ],
        given=[name for name, argument in deciding.items() if argument["from"] != "default"],
        arguments={name: _shown_argument(name, value) for name, value in arguments.items()},
        finished=record["finished"],
        commit=record["git_commit"],
        versions=[f"{package} {version}" for package, version in record["versions"].items()],
    )


def front_matter(base: str, adapter: bool) -> str:
    """What the hub reads, as YAML. No licence: the base's and the notes' are not known here."""
    from huggingface_hub import ModelCardData

    return ModelCardData(
        base_model=model_name(base),
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        tags=[*TAGS, *(["lora"] if adapter else [])],
    ).to_yaml()


def model_name(base: str) -> str:
    """A base as the hub may know it: its id there, or the name of its folder."""
    if base.startswith(HUB_PREFIX):
        return base.removeprefix(HUB_PREFIX)
    folder = from_here_or_project(base).resolve()
    return folder.parent.name if folder.name == FINAL_MODEL else folder.name


def public_path(path: str) -> str:
    """A path as it may be given away: from the project's root where it lies inside, else its last part alone."""
    if path.startswith(HUB_PREFIX):
        return path.removeprefix(HUB_PREFIX)
    folder = from_here_or_project(path).resolve()
    return folder.relative_to(PROJECT_ROOT).as_posix() if folder.is_relative_to(PROJECT_ROOT) else folder.name


def as_code(value: Any) -> str:
    """A value inside a table's cell: literal, on one line."""
    text = visible(str(value)).replace("\n", " ").replace("|", "\\|").replace("`", "'")
    return f"`{text}`"


def _shown_argument(name: str, value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return public_path(value) if isinstance(value, str) and name.endswith(("_path", "_dir")) else str(value)
