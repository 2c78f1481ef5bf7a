"""Options of steps 1 and 2 on a benchmark's command line, and which of them are not as the steps have them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import generate_phase2_data
import stage_b_dpo_training
from benchmarks.arms.plan import OF_LOSS, OF_PAIRS, OF_TRAINING, PAIRS, TRAIN


def add_setting(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of pairs and training, with their defaults and their help."""
    take_over(parser, generate_phase2_data.build_parser(), f"pairs, see {PAIRS}", OF_PAIRS)
    take_over(parser, stage_b_dpo_training.build_parser(), f"training, see {TRAIN}", (*OF_TRAINING, *OF_LOSS))


def take_over(
    parser: argparse.ArgumentParser, other: argparse.ArgumentParser, title: str, names: Iterable[str]
) -> None:
    """Give a parser options of another one, as they are there."""
    group = parser.add_argument_group(title)
    for name in names:
        group._add_action(other._option_string_actions[f"--{name}"])


def unusual(args: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Of the settings that decide the outcome those that are not the scripts' own defaults."""
    names = ("rounds", *OF_PAIRS, *OF_TRAINING, *OF_LOSS)
    return {name: getattr(args, name) for name in names if getattr(args, name) != parser.get_default(name)}
