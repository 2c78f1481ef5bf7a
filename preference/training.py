"""A Stage B run: what the arguments mean to TRL, who watches it, and its figures at the end."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from tqdm import tqdm
from transformers import set_seed
from trl import DPOConfig

from preference.averaging import AverageWeights
from preference.callbacks import KeepBest, ReferenceCheck, StopOnDivergence, WarnOfDisplacement
from preference.memory.preflight import checkpoints_gradients
from preference.policy import Policy, adapter_weights, keep_trainable_fp32
from preference.runs.folder import METRICS, RunFolder
from preference.summary_lengths import WarnOfShortSummaries
from preference.trainer import PairsTrainer
from utils.cli import RunError
from utils.cpu_head import keep_probabilities
from utils.cpu_speed import reuse_freed_memory, score_in_small_tiles, score_labelled_tokens_only
from utils.models import autocast_flags
from utils.resumable_training import SaveByTheClock
from utils.trainer_progress import MetricsJournal, use_progress_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from transformers import PreTrainedTokenizerBase, TrainerCallback

    from preference.data.pairs import EncodedPairs
    from preference.remembered import Remembered

# Steps over which the learning rate rises; fixed, so that a longer run begins exactly as a shorter one.
WARMUP_STEPS = 10

# |reward| before the first update. It is 0 in exact arithmetic, and was 0 to the last bit on a CPU in fp32 where the
# two roles scored the same batch; half precision may run them through different kernels.
TOLERANCE = {"fp32": 1e-4, "half": 5e-2}


def build_trainer(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    train: EncodedPairs,
    val: EncodedPairs,
    args: argparse.Namespace,
    run: RunFolder,
    measured: Remembered,
    save_best: Callable[[Any], object],
) -> PairsTrainer:
    """TRL's DPOTrainer with the losses of ``--loss_type``, by default sigmoid DPO (arXiv 2305.18290, equation 7); with
    ``--reference_free`` and SFT beside it, CPO (arXiv 2401.08417).

    The learning rate is constant after a short warm-up: a second or third epoch teaches as much as the first, and a
    finished run can go on. ``measured`` is what earlier runs found of this model; ``save_best`` gets the model whenever
    its validation loss is the lowest so far.
    """
    reuse_freed_memory()
    score_labelled_tokens_only()
    device = policy.model.device
    if device.type == "cpu":
        score_in_small_tiles()
        keep_probabilities()
    flags = autocast_flags(device)
    set_seed(args.seed)  # LoRA's random half is drawn while the trainer is built, before it sets its own seed
    config = DPOConfig(
        output_dir=str(run.path),
        beta=args.beta,
        loss_type=args.loss_type,
        loss_weights=args.loss_weights,
        precompute_ref_log_probs=policy.full_fine_tuning,  # else TRL would load a second model to be the reference
        learning_rate=args.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=WARMUP_STEPS,
        num_train_epochs=args.num_epochs,
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=args.batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        gradient_checkpointing=checkpoints_gradients(device),
        ddp_find_unused_parameters=False,  # every weight that is trained is used
        max_length=None,  # pairs that are too long were left out and counted; nothing is cut
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="no",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        report_to="none",
        seed=args.seed,
        **flags,
    )
    config._n_gpu = min(config.n_gpu, 1)  # several cards in sight of one process: use the first, as --device says
    original = adapter_weights(policy)
    trainer = PairsTrainer(
        model=policy.model,
        args=config,
        train_dataset=train.dataset,
        eval_dataset=val.dataset,
        processing_class=tokenizer,
        peft_config=policy.lora,
        max_length=args.max_length,
        checkpoints=run.checkpoints,
        measured=measured,
        reference_free=args.reference_free,
    )
    keep_trainable_fp32(trainer.model, original)
    # int8 rounds activations as well, by what else is in the batch.
    rounded = flags["bf16"] or flags["fp16"] or getattr(policy.model, "is_loaded_in_8bit", False)
    use_progress_line(trainer, unit="pairs")
    for callback in (
        MetricsJournal(run.path / METRICS),
        ReferenceCheck(TOLERANCE["half" if rounded else "fp32"]),
        StopOnDivergence(scaled=flags["fp16"]),
        WarnOfDisplacement(args.beta, tqdm.write),
        WarnOfShortSummaries(tokenizer, val.dataset, args.batch_size, tqdm.write),
        KeepBest(args.early_stopping_patience, save_best),
        SaveByTheClock(each_epoch=True),
    ):
        trainer.add_callback(callback)
    if args.average_steps > 1:
        trainer.add_callback(AverageWeights(args.average_steps))
    if args.report_to == "tensorboard":
        trainer.add_callback(log_for_tensorboard(run.path / "tensorboard"))
    return trainer


def log_for_tensorboard(folder: Path) -> TrainerCallback:
    """Have all figures written into ``folder``; the stock callback would name one after this machine and the time."""
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = str(folder)
    return callback


def final_figures(log: list[dict[str, float]]) -> dict[str, float]:
    """Loss and margin at the first and the last step, and on validation after the last epoch.

    Raises RunError where one is not finite: such a model is not worth saving over an earlier one.
    """
    steps = [entry for entry in log if "loss" in entry]
    validation = next(entry for entry in reversed(log) if "eval_loss" in entry)
    figures = {
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
        "last_margin": steps[-1]["rewards/margins"],
        "val_loss": validation["eval_loss"],
        "val_margin": validation["eval_rewards/margins"],
        "val_accuracy": validation["eval_rewards/accuracies"],
        "val_chosen_reward": validation["eval_rewards/chosen"],
    }
    if not all(math.isfinite(value) for value in figures.values()):
        raise RunError(f"training diverged ({figures}); nothing was saved. Try a lower --learning_rate")
    return figures
