"""Shared by all tests: no hub, no telemetry, and one tiny model for the whole run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import build_tiny_adapter, build_tiny_model
from utils.cli import quiet_libraries, stay_private

stay_private()
quiet_libraries()


@pytest.fixture(autouse=True)
def stock_trl() -> Iterator[None]:
    """Each test begins with TRL as it was installed: the trainers replace names of its for their process."""
    yield
    if "trl.trainer.utils" in sys.modules:
        from trl.kernels import chunked_logprob

        sys.modules["trl.trainer.utils"]._use_triton = chunked_logprob._use_triton
        sys.modules["trl.trainer.utils"]._CHUNKED_LOGPROB_CHUNK_SIZE = 32768
        sys.modules["trl.trainer.utils"]._ChunkedLogProbFunction = chunked_logprob.ChunkedLogProbFunction


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A full model: two layers, random weights."""
    return build_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory, tiny_model) -> Path:
    """An SFT adapter on the tiny model; its weights are random and not zero."""
    return build_tiny_adapter(tmp_path_factory.mktemp("adapter") / "sft", tiny_model)
