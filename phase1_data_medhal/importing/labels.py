"""What a label of any table says, factual or hallucinated: by two lists of words, never by a guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from utils.cli import UserError

FACTUAL, HALLUCINATED = "factual", "hallucinated"
FACTUAL_WORDS = (FACTUAL, "true", "1", "1.0", "yes")
HALLUCINATED_WORDS = (HALLUCINATED, "false", "0", "0.0", "no")

# In a column of such a name, a plain yes says that the summary is wrong.
_NAMES_A_FAULT = re.compile(r"halluc|error|wrong|fabricat|unsupported|unfaithful", re.IGNORECASE)
_SHOWN = 10  # unknown values that a message lists


def label_table(factual: Sequence[str], hallucinated: Sequence[str]) -> dict[str, str]:
    """Each word, in small letters, with the Phase 1 label that it stands for. Raises UserError for a word in both."""
    first, second = ([word.strip().lower() for word in words] for words in (factual, hallucinated))
    both = sorted(set(first) & set(second))
    if both:
        raise UserError(
            f"'{both[0]}' stands in --factual_labels and in --hallucinated_labels (which have words of their own where "
            f"they are not given); give both, without a word in common"
        )
    return dict.fromkeys(first, FACTUAL) | dict.fromkeys(second, HALLUCINATED)


def check_labels(seen: Mapping[str, int], meanings: Mapping[str, str], column: str) -> None:
    """Raise UserError for a word without a meaning, and for a yes or no in a column that asks for the fault.

    ``seen`` counts the words of the column, in small letters.
    """
    unknown = Counter({word: count for word, count in seen.items() if word not in meanings})
    if unknown:
        listed = ", ".join(f"{word[:40]!r} ({count:,} rows)" for word, count in unknown.most_common(_SHOWN))
        more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
        raise UserError(
            f"column '{column}' holds {listed}{more}; known are {', '.join(meanings)}. Say which words mean what with "
            f"--factual_labels and --hallucinated_labels"
        )
    default = meanings == label_table(FACTUAL_WORDS, HALLUCINATED_WORDS)
    plain = sorted(set(seen) - {FACTUAL, HALLUCINATED})
    if default and plain and _NAMES_A_FAULT.search(column):
        raise UserError(
            f"column '{column}' holds {', '.join(plain)}: by its name, '{plain[-1]}' could mean that the summary is "
            f"wrong. Say what they mean, such as: --factual_labels no --hallucinated_labels yes"
        )
