"""What was measured of a model on this machine, kept beside its reference log-probs: a rerun need not measure again."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utils.distributed import is_main_process
from utils.files import sha256_text, write_json

PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes")


class Remembered:
    """Figures by name, in one file of a reference's folder.

    They hold for one set of weights in one precision, which names the folder, for one device with so many threads and
    for the versions of the libraries; a figure taken under others is taken anew.
    """

    def __init__(self, folder: Path, device: Any) -> None:
        self.path = folder / "measured.json"
        self.device = device

    def get(self, name: str, measure: Callable[[], Any], **circumstances: Any) -> Any:
        """The figure, measured where it is not known under the same ``circumstances``; None is a figure, too."""
        key = f"{name} {self._key(circumstances)}"
        known = self._read()
        if key not in known:
            known[key] = measure()
            if is_main_process():
                write_json(self.path, {**self._read(), key: known[key]})
        return known[key]

    def _key(self, circumstances: dict[str, Any]) -> str:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        here = [name, torch.get_num_threads(), *map(version, PACKAGES)]
        return sha256_text(json.dumps([here, circumstances], sort_keys=True, default=str))[:16]

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):  # never measured, or cut off by hand: it is only measured again
            return {}
        return known if isinstance(known, dict) else {}
