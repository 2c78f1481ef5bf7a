"""Values of the options with which Stage B is known to go wrong: refused, or said before the run."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from utils.cli import UserError

BETA = (0.05, 0.5)  # below, nothing holds the model to the reference; above, nothing moves it
# From where a learning rate is said, and from where it is refused. Stage A's size wrecks the language while loss and
# accuracy look splendid. All weights of a model move further on the same rate than a LoRA adapter does.
LORA_RATES, FULL_RATES = (5e-5, 1e-4), (5e-6, 2e-5)
# Losses in which the reference counts by its margin alone, and SFT, in which it does not count.
OF_THE_MARGIN = ("sigmoid", "hinge", "robust", "exo_pair", "discopop", "sft")


def check_options(args: argparse.Namespace) -> list[str]:
    """What to warn of. Raises UserError for a learning rate of Stage A's size, unless ``--force`` was given."""
    said, refused = LORA_RATES if args.lora_r else FULL_RATES
    warnings = []
    if args.learning_rate >= refused and not args.force:
        raise UserError(
            f"--learning_rate {args.learning_rate:g} is of Stage A's size; Stage B only shifts preferences: "
            f"from {refused:g} on the summaries fall apart while the loss looks good. Take 5e-6 (for all weights, "
            "5e-7), or say --force if you know better"
        )
    if args.learning_rate > said:
        warnings.append(f"--learning_rate {args.learning_rate:g} is high for Stage B: read some summaries afterwards")
    if not BETA[0] <= args.beta <= BETA[1]:
        warnings.append(f"--beta {args.beta:g} is outside the usual {BETA[0]:g} to {BETA[1]:g}")
    if args.report_to == "tensorboard" and find_spec("tensorboard") is None:
        raise UserError("--report_to tensorboard: TensorBoard is not installed; pip install tensorboard")
    if args.loss_weights and len(args.loss_weights) != len(args.loss_type):
        raise UserError(f"--loss_weights needs a number for each of --loss_type {' '.join(args.loss_type)}")
    if args.reference_free and not set(args.loss_type) <= set(OF_THE_MARGIN):
        raise UserError(f"--reference_free goes with these of --loss_type: {', '.join(OF_THE_MARGIN)}")
    return warnings
