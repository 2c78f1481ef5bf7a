"""When, on what machine and by which command a benchmark's figures were taken."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from utils.processes import available_processors

PACKAGES = ("torch", "transformers", "trl", "peft")


def measured_on(script: str, argv: Sequence[str] | None, *, packages: Sequence[str] = ()) -> dict[str, Any]:
    """The head of a benchmark's record; ``argv`` as its ``main`` got it, ``packages`` are what they hang on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "processors_used": available_processors(),
            "system": platform.system(),
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "command": ["python", f"benchmarks/{script}", *(sys.argv[1:] if argv is None else argv)],
    }
