"""The progress line: the figures of the last step, its speed and memory; nothing where there is nothing to show."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
import torch
from tqdm import tqdm

from utils import trainer_progress
from utils.trainer_progress import ProgressLine, memory_in_use, use_progress_line

ARGS = SimpleNamespace(train_batch_size=4, gradient_accumulation_steps=2, world_size=1, device=torch.device("cpu"))


class Line(ProgressLine):
    """Two steps logged on a bar that a test can read, each as long as said, with a pause between them."""

    def __init__(self, monkeypatch, *seconds, unit="pairs"):
        super().__init__(unit)
        clock = [0.0]
        monkeypatch.setattr(trainer_progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        monkeypatch.setattr(trainer_progress, "memory_in_use", lambda device: 5_340_000_000)
        self.screen = io.StringIO()
        self.state = SimpleNamespace(is_world_process_zero=True, global_step=0)
        self.training_bar, self.current_step = tqdm(total=10, file=self.screen, ncols=200), 0
        for duration in seconds:
            self.on_step_begin(ARGS, self.state, None)
            clock[0] += duration
            self.state.global_step += 1
            self.on_step_end(ARGS, self.state, None)
            clock[0] += 1000.0  # a validation pass, a checkpoint

    def log(self, **logs):
        self.on_log(ARGS, self.state, None, logs=logs)
        return self.training_bar.postfix


def test_speed_is_that_of_the_steps_alone(monkeypatch):
    line = Line(monkeypatch, 3.0, 5.0)
    shown = line.log(**{"loss": 0.65432, "rewards/margins": 0.0123, "rewards/accuracies": 0.75, "grad_norm": 9.0})
    assert shown == "loss=0.6543, margin=0.0123, accuracy=0.75, pairs/s=2, memory=5.3 GB"  # 2 x 8 pairs in 8 s
    assert "loss=0.6543" in line.screen.getvalue()
    assert "2/10" in line.screen.getvalue()


def test_validation_figures_stand_alone_and_other_logs_change_nothing(monkeypatch):
    line = Line(monkeypatch, 4.0, unit="rows")
    assert line.log(loss=0.5) == "loss=0.5, rows/s=2, memory=5.3 GB"
    assert line.log(**{"eval_loss": 0.6, "eval_rewards/margins": 0.1}) == "val loss=0.6, val margin=0.1"
    assert line.log(train_runtime=12.0) == "val loss=0.6, val margin=0.1"


def test_a_figure_that_is_no_number_is_said_in_a_line_of_its_own(monkeypatch):
    line = Line(monkeypatch, 4.0)
    said = []
    line.training_bar.write = said.append
    line.log(loss=float("nan"))
    assert said == ["warning: step 1: a figure is not finite: {'loss': nan}"]


def test_a_trainer_gets_one_line_and_no_dumped_figures():
    removed, added = [], []
    use_progress_line(SimpleNamespace(remove_callback=removed.append, add_callback=added.append), unit="pairs")
    assert [callback.__name__ for callback in removed] == ["ProgressCallback", "PrinterCallback"]
    [line] = added
    assert isinstance(line, ProgressLine)
    assert line.unit == "pairs"


def test_memory_on_a_cpu_is_what_the_process_holds():
    before = memory_in_use(torch.device("cpu"))
    held = torch.ones(50_000_000)  # 200 MB, written to
    grown = memory_in_use(torch.device("cpu")) - before
    assert grown == pytest.approx(held.nbytes, rel=0.1)
