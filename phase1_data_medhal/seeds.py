"""Random sources that follow from names alone: one row never depends on another, nor on the order."""

from __future__ import annotations

import hashlib
import random


def seeded(*parts: object) -> random.Random:
    """A random source that depends on ``parts`` alone, on every platform and in every process."""
    return random.Random(int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big"))
