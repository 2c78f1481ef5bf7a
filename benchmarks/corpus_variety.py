"""Measure how varied the summaries of Phase 1 files are: distinct masked sentences, top skeletons, compressibility.

    python benchmarks/corpus_variety.py phase1_data_medhal/sft/train_set_processed.csv
    python benchmarks/corpus_variety.py CSV [CSV ...] --yardstick real_summaries.csv --words 20 70

A skeleton is a sentence whose clinical terms and numbers are masked: what is left is the author's frame. Text written
from few frames repeats its skeletons and compresses well.
"""

from __future__ import annotations

import random
import re
import statistics
import sys
import zlib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clinical.lexicon import load_lexicon
from clinical.mentions import find_mentions
from clinical.sentences import sentence_spans
from utils.cli import EXIT_OK, UserError, new_parser, positive_int, run_script
from utils.records import read_csv

SAMPLE = 279  # summaries in the compressed sample: as many as the yardstick corpus had within the word limits
TOP = 5
_NUMBER = re.compile(
    r"\b\d[\d.,/^]*(?:st|nd|rd|th)?\b|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"# ?(?:mg|mcg|g|mL|units|mmol|mEq|ng|pg|U|IU|mm|cm|mIU|fL|umol|mOsm|bpm|mmHg|kg|L|C|%)(?:/\w+)*\b|# ?%"
)


@dataclass(frozen=True)
class Variety:
    """What is measured of some summaries; shares lie between 0 and 1, ``ratio`` is raw over compressed size."""

    summaries: int
    sentences: int
    words: tuple[float, float, float]  # lower quartile, median, upper quartile
    distinct: float
    top: tuple[tuple[float, str], ...]
    top_first: tuple[tuple[float, str], ...]
    ratio: float


def mask(sentence: str) -> str:
    """The skeleton of a sentence: clinical terms become ``X``, numbers with their units ``#``."""
    pieces, at = [], 0
    for mention in find_mentions(sentence):
        pieces += [sentence[at : mention.start], "X"]
        at = mention.end
    text = _other_names().sub("X", "".join([*pieces, sentence[at:]])).lower()
    return " ".join(_UNIT.sub("#", _NUMBER.sub("#", text)).split())


@cache
def _other_names() -> re.Pattern[str]:
    """Services, advice and allergens, longest first: mentions need not find these kinds."""
    lexicon = load_lexicon()
    found = {name for service in lexicon.services for name in (service.name, *service.synonyms)}
    found |= {name for advice in lexicon.advice for name in (advice.name, *advice.synonyms)}
    found |= {name for allergen in lexicon.allergens for name in (allergen.name, *allergen.synonyms)}
    names = sorted(found, key=lambda name: (-len(name), name))
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b", re.IGNORECASE)


def sentences_of(text: str) -> list[str]:
    """The sentences of a summary."""
    return [text[span.start : span.end] for span in sentence_spans(text)]


def compression_ratio(texts: Sequence[str], seed: int, sample: int = SAMPLE) -> float:
    """Raw over zlib-compressed size (level 9) of at most ``sample`` texts, drawn by ``seed``."""
    chosen = random.Random(seed).sample(list(texts), k=min(sample, len(texts)))
    raw = "\n".join(chosen).encode()
    return len(raw) / len(zlib.compress(raw, 9))


def shares(skeletons: Sequence[str], most: int = TOP) -> tuple[tuple[float, str], ...]:
    """The most frequent skeletons with their share."""
    return tuple((count / len(skeletons), text) for text, count in Counter(skeletons).most_common(most))


def variety_of(texts: Sequence[str], seed: int) -> Variety:
    """All figures of some summaries."""
    masked = [[mask(sentence) for sentence in sentences_of(text)] for text in texts]
    every = [skeleton for skeletons in masked for skeleton in skeletons]
    lengths = [len(text.split()) for text in texts]
    low, middle, high = statistics.quantiles(lengths, n=4) if len(lengths) > 1 else [float(lengths[0])] * 3
    return Variety(
        summaries=len(texts),
        sentences=len(every),
        words=(low, middle, high),
        distinct=len(set(every)) / len(every),
        top=shares(every),
        top_first=shares([skeletons[0] for skeletons in masked if skeletons]),
        ratio=compression_ratio(texts, seed),
    )


def report(name: str, found: Variety) -> str:
    """The figures as lines to print."""
    low, middle, high = found.words
    lines = [
        f"{name}: {found.summaries} summaries, {found.sentences} sentences",
        f"  words: median {middle:.0f}, quartiles {low:.0f} to {high:.0f}",
        f"  distinct masked sentences: {found.distinct:.1%}",
        f"  zlib ratio of {min(SAMPLE, found.summaries)} summaries: {found.ratio:.2f}",
    ]
    for title, rows in (("all sentences", found.top), ("first sentences", found.top_first)):
        lines += [f"  most frequent skeletons, {title}:", *(f"    {share:6.2%}  {text[:100]}" for share, text in rows)]
    return "\n".join(lines)


def read_summaries(path: Path, words: tuple[int, int]) -> list[str]:
    """The factual summaries of a CSV whose length lies within ``words``."""
    rows = read_csv(path, ["model_summary"], ["label"])
    texts = [row["model_summary"] for row in rows if row.get("label", "factual") in ("factual", "")]
    kept = [text for text in texts if words[0] <= len(text.split()) <= words[1]]
    if not kept:
        raise UserError(f"{path} has no summary of {words[0]} to {words[1]} words; give --words other limits")
    return kept


def build_parser() -> ArgumentParser:
    """The script's options."""
    parser = new_parser(__doc__ or "")
    here = Path(__file__).resolve().parent.parent
    default = here / "phase1_data_medhal" / "sft" / "train_set_processed.csv"
    parser.add_argument("csv", nargs="*", type=Path, default=[default], help="Phase 1 files to measure")
    parser.add_argument("--yardstick", type=Path, help="a CSV of real summaries, measured in the same way")
    parser.add_argument("--words", nargs=2, type=positive_int, default=[20, 70], help="shortest and longest summary")
    parser.add_argument("--seed", type=int, default=7, help="draws the sample that is compressed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures of every file; returns the exit code."""
    args = build_parser().parse_args(argv)
    for path in [*args.csv, *([args.yardstick] if args.yardstick else [])]:
        print(report(str(path), variety_of(read_summaries(path, tuple(args.words)), args.seed)))
    return EXIT_OK


if __name__ == "__main__":
    run_script(main)
