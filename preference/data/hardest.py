"""Which training pairs are worth their time: those whose rejected summary the reference finds likely.

A pair can teach only what the model might write. Where the reference finds the rejected summary far less likely than
the chosen one, DPO's loss still falls as the two drift further apart, though the model would have written neither.
Keeping the pairs with a small margin is known as difficulty-based selection (Qi et al., arXiv 2508.04149, by the
implicit reward gap; before training that is 0 for every pair, and the reference's own margin, from which Chen et al.,
arXiv 2405.19534, derive how hard a pair is to learn, takes its place). Too hard is no use either (Gao et al., arXiv
2502.09650): the smallest margins of all have a factual summary over the model's own, which differ in style. Step 1
makes few such pairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import median
from typing import TYPE_CHECKING

from preference.data.pairs import EncodedPairs

if TYPE_CHECKING:
    from datasets import Dataset

    from preference.trainer import PairsTrainer


def keep_hardest(trainer: PairsTrainer, train: EncodedPairs, share: float) -> EncodedPairs:
    """Have the trainer train on a share of its pairs, at least one, and say so; those pairs, the others left out.

    Each note's pair with the smallest reference margin comes before any note's second, so that no note of many pairs
    crowds others out. The choice depends on the pairs and their reference alone: all processes choose alike, and a run
    that goes on as before. Call it after ``trainer.add_reference``.
    """
    pairs = trainer.train_dataset
    margins = reference_margins(pairs)
    chosen = hardest(margins, [tuple(ids) for ids in pairs["prompt_ids"]], kept_count(len(pairs), share))
    trainer.train_dataset = pairs.select(sorted(chosen))  # in their order
    print(
        f"Hardest      {len(chosen):,} of {len(pairs):,} pairs kept; median margin of the reference "
        f"{median(margins[index] for index in chosen):.1f} nats, of all {median(margins):.1f}",
        flush=True,
    )
    easier = Counter({f"easier than those of --keep_hardest {share:g}": len(pairs) - len(chosen)})
    return EncodedPairs(trainer.train_dataset, train.left_out + easier)


def reference_margins(pairs: Dataset) -> list[float]:
    """How much likelier the reference finds chosen than rejected, in nats: the difference of their log-probs."""
    columns = (pairs[name] for name in ("ref_chosen_logps", "ref_rejected_logps"))
    return [chosen - rejected for chosen, rejected in zip(*columns, strict=True)]


def kept_count(pairs: int, share: float) -> int:
    """How many of so many pairs are kept: at least one."""
    return max(1, math.floor(share * pairs + 1e-9))  # 0.29 x 100 is a little less than 29


def hardest(margins: Sequence[float], notes: Sequence[Hashable], count: int) -> list[int]:
    """The indices of the ``count`` smallest margins, every note's smallest before any note's second."""
    turns: Counter[Hashable] = Counter()
    places = []
    for index in sorted(range(len(margins)), key=margins.__getitem__):
        places.append((turns[notes[index]], margins[index], index))
        turns[notes[index]] += 1
    return [index for *_, index in sorted(places)[:count]]
