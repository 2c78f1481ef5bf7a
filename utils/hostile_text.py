"""Text that may act on a terminal, made visible."""

from __future__ import annotations

import unicodedata

# Control, format, surrogate, line and paragraph separator: they act on the terminal or on the reading order, or hide.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str) -> str:
    r"""``text`` with everything that would act on a terminal spelt out, e.g. ``\x1b``; line breaks are kept."""
    plain = text.replace("\r\n", "\n").expandtabs(4)
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in _UNSEEN else char.encode("unicode_escape").decode()
        for char in plain
    )
