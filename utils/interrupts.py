"""Ctrl-C while training: the step is finished and saved, and only then the script stops; a second one stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerState

from utils.distributed import as_main_says, is_main_process, process_count
from utils.resumable_training import ends_epoch

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what schedulers and service managers send
STANDARD_ERROR = 2
SAID = "\nstopping: this step is finished and saved first; once more stops at once\n"


class StopWhenSaved(TrainerCallback):
    """Once ``asked``, have the trainer save after this step, and raise KeyboardInterrupt when it has.

    ``after_evaluation`` tells that an epoch's last step is saved together with its evaluation, by another callback.
    """

    def __init__(self, *, after_evaluation: bool) -> None:
        self.after_evaluation = after_evaluation
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The signal handler; it writes past the streams, which it may have interrupted."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if is_main_process():
            os.write(STANDARD_ERROR, SAID.encode())

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Ask for a checkpoint once a signal came, unless one comes anyway."""
        saved_later = state.global_step >= state.max_steps or (self.after_evaluation and ends_epoch(state))
        if as_main_says(self.asked, args.device) and not saved_later:
            control.should_log = control.should_save = True

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Stop: all is on disk."""
        if as_main_says(self.asked, args.device):
            raise KeyboardInterrupt


@contextlib.contextmanager
def saved_before_stopping(trainer: Any, *, after_evaluation: bool = False) -> Iterator[None]:
    """Train inside: a signal to stop then costs no work. Outside the main thread nothing changes.

    Several processes stop at the same step when their launcher hands a Ctrl-C on. It sends its SIGTERM also to those
    that are left when one has failed, which have nothing to wait for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = StopWhenSaved(after_evaluation=after_evaluation)
    trainer.add_callback(stop)
    awaited = SIGNALS if process_count() == 1 else SIGNALS[:1]
    before = {number: signal.signal(number, stop.ask) for number in awaited}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
