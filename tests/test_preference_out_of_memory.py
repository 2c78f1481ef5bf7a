"""Out of memory: the same step with fewer pairs at once, no trace of the attempt, and no second attempt that fails."""

from __future__ import annotations

import copy
import errno
from itertools import accumulate

import pytest
import torch
from safetensors import SafetensorError
from torch.profiler import ProfilerActivity, profile

import stage_b_dpo_training
from preference.data.pairs import encode_pairs, read_pairs
from preference.data.reference import ReferenceLogProbs
from preference.memory.out_of_memory import PairsAtOnce
from preference.packing.micro_batches import joined
from preference.policy import build_policy
from preference.remembered import Remembered
from preference.runs.folder import RunFolder
from preference.trainer import PairsTrainer
from preference.training import build_trainer
from tests.tiny import find, stage_b_command, write_pairs
from utils.cli import RunError
from utils.models import load_tokenizer
from utils.out_of_memory import is_out_of_memory

CPU = torch.device("cpu")
PAIRS = 5
ERRORS = {
    "a card": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CUDA": RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "a CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
    "Python": MemoryError(),
    "Linux": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "safetensors on Windows": SafetensorError("I/O error: The paging file is too small (os error 1455)"),
    "torch, of a file": RuntimeError("unable to mmap 538090408 bytes from file <x>: Cannot allocate memory (12)"),
}


def build(sft, folder, *options):
    """A trainer that has its reference, with all pairs in one batch."""
    folder.mkdir(exist_ok=True)
    pairs = write_pairs(folder / "pairs.jsonl", PAIRS)
    argv = stage_b_command(sft, pairs, pairs, folder / "out", "--batch_size", "5", *options)
    args = stage_b_dpo_training.build_parser().parse_args(argv)
    checkpoint = find(sft)
    tokenizer = load_tokenizer(checkpoint)
    encoded = encode_pairs(tokenizer, read_pairs(pairs, None, seed=0), max_length=1024)
    policy = build_policy(checkpoint, CPU, lora_r=4, quantization=None)
    run = RunFolder(folder, "run")
    run.checkpoints.mkdir(parents=True)
    reference = ReferenceLogProbs(folder / "reference", "one")
    measured = Remembered(reference.folder, CPU)
    trainer = build_trainer(policy, tokenizer, encoded, encoded, args, run, measured, save_best=print)
    trainer.add_reference(reference)
    return trainer


@pytest.fixture
def trained(tiny_adapter, tmp_path):
    """Such a trainer with a policy that is no longer the reference, in the midst of an update of two batches."""

    def trained(*options):
        trainer = build(tiny_adapter, tmp_path, *options)
        generator = torch.Generator().manual_seed(0)
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
        trainer.current_gradient_accumulation_steps = 2
        return trainer

    return trained


def fail_forward(model, most, error):
    """Have the model run out of memory with more than ``most`` rows; returns the rows of all calls."""
    seen = []

    def check(module, args, inputs):
        seen.append(len(inputs["input_ids"]))
        if seen[-1] > most:
            raise error

    model.register_forward_pre_hook(check, with_kwargs=True)
    return seen


def fail_backward(model, most, error):
    """The same in the first layer's backward pass, when later layers have their gradients; returns how many had."""
    seen = []

    def fail(gradient):
        seen.append(sum(parameter.grad is not None for parameter in model.parameters()))
        raise error

    def watch(module, args, output):
        if len(output) > most and output.requires_grad:
            output.register_hook(fail)

    model.get_submodule("base_model.model.model.layers.0.mlp").register_forward_hook(watch)
    return seen


def two_micro_batches(trainer):
    """Losses, figures, tokens counted and gradients of one update's two batches."""
    trainer.model.zero_grad(set_to_none=True)
    trainer._metrics["train"].clear()
    trainer._total_train_tokens = 0
    rows = [trainer.train_dataset[index] for index in range(PAIRS)]
    losses = [trainer.training_step(trainer.model, trainer.data_collator(part)) for part in (rows[:2], rows)]
    gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    return torch.stack(losses), copy.deepcopy(dict(trainer._metrics["train"])), trainer._total_train_tokens, gradients


@pytest.mark.parametrize(
    ("fail", "loss"),
    [
        (fail_forward, "sigmoid"),
        (fail_backward, "sigmoid"),
        (fail_backward, "sigmoid sft"),  # a mean over tokens
        (fail_forward, "apo_zero"),
        (fail_backward, "aot"),  # sorts over the batch
    ],
)
def test_a_step_in_parts_is_the_step(fail, loss, trained):
    trainer = trained("--loss_type", *loss.split())
    losses, figures, tokens, gradients = two_micro_batches(trainer)
    seen = fail(trainer.model, 2, ERRORS["a CPU"])
    losses_in_parts, figures_in_parts, tokens_in_parts, gradients_in_parts = two_micro_batches(trainer)
    assert max(seen) > 2  # rows of a batch that failed; or the weights that had a gradient already
    torch.testing.assert_close(losses_in_parts, losses, atol=1e-6, rtol=1e-6)
    assert figures_in_parts.keys() == figures.keys()
    assert figures["rewards/margins"][0] != 0
    for name, values in figures.items():
        assert figures_in_parts[name] == pytest.approx(values, abs=1e-5), name
    assert tokens_in_parts == tokens
    assert gradients_in_parts.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_in_parts[name], gradient, atol=1e-6, rtol=1e-4)


def test_the_stock_layout_is_split_too(trained):
    """For a model that cannot take packed pairs: two rows a pair, each part as wide as its own longest row."""
    trainer = trained()
    trainer.unshared = "this is a test"
    losses, _, _, gradients = two_micro_batches(trainer)
    fail_forward(trainer.model, 4, ERRORS["a card"])
    losses_in_parts, _, _, gradients_in_parts = two_micro_batches(trainer)
    torch.testing.assert_close(losses_in_parts, losses, atol=1e-6, rtol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_in_parts[name], gradient, atol=1e-6, rtol=1e-4)


def test_one_part_alone_is_in_memory(trained):
    trainer = trained()
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(PAIRS)])

    def peak():
        """Bytes above those at the start, of what PyTorch allocates in one step."""
        trainer.model.zero_grad(set_to_none=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as measured:
            trainer.training_step(trainer.model, batch)
        events = [event for event in measured.profiler.kineto_results.events() if event.name() == "[memory]"]
        return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))

    whole = peak()
    fail_forward(trainer.model, 1, ERRORS["a CPU"])
    trainer.training_step(trainer.model, batch)
    assert peak() < 0.4 * whole  # a fifth, and the gradients


def test_figures_per_token_go_back_to_the_rows_that_they_are_of():
    parts = [torch.tensor([[1, 1], [2, 2], [3, 3], [4, 4]]), torch.tensor([[5], [6]])]  # chosen above rejected
    assert joined(parts, 3).tolist() == [[1, 1, 0], [2, 2, 0], [5, 0, 0], [3, 3, 0], [4, 4, 0], [6, 0, 0]]
    assert joined([torch.tensor([[True], [False]])] * 2, 2).tolist() == [[True, False]] * 2 + [[False, False]] * 2


def test_a_whole_run_goes_on_and_says_it_once_for_each_role(tiny_adapter, tmp_path, monkeypatch, capsys):
    """Reference pass, training and validation run out; order, steps and figures are those of a run that did not."""
    more = ("--num_epochs", "2", "--learning_rate", "9e-5", "--batch_size", "4", "--gradient_accumulation_steps", "2")

    def run(name):
        trainer = build(tiny_adapter, tmp_path / name, *more)
        trainer.train()
        return [entry for entry in trainer.state.log_history if "train_loss" not in entry]

    whole = run("whole")
    assert "out of memory" not in capsys.readouterr().out
    reference_of = PairsTrainer.add_reference

    def with_less_memory(trainer, reference):
        fail_forward(trainer.model, 3, ERRORS["a CPU"])
        reference_of(trainer, reference)

    monkeypatch.setattr(PairsTrainer, "add_reference", with_less_memory)
    in_parts = run("parts")
    said = [line for line in capsys.readouterr().out.splitlines() if "out of memory" in line]
    roles = ("the reference pass", "training", "validation")
    assert said == [
        f"out of memory in {role} with 4 pairs at once; going on with 2, in the same batches" for role in roles
    ]
    assert [entry["step"] for entry in in_parts] == [entry["step"] for entry in whole] == [1, 1, 2, 2]
    for one, other in zip(in_parts, whole, strict=True):
        for name in ("loss", "rewards/margins", "grad_norm", "eval_loss", "eval_rewards/margins"):
            assert one.get(name) == pytest.approx(other.get(name), abs=1e-5), name


def test_what_did_not_fit_is_not_tried_again_at_that_length():
    said, tried = [], []
    sizes = PairsAtOnce(said.append)

    def attempt(at_once):
        tried.append(at_once)
        if at_once * length > 1000:
            raise ERRORS["a card"]
        return at_once

    for length, expected in ((300, [8, 4, 2]), (300, [2]), (310, [2]), (260, [2]), (600, [2, 1]), (239, [8, 4])):
        tried.clear()
        assert sizes.run("training", 8, length, attempt) == expected[-1]
        assert tried == expected
    assert sizes.of("validation", 8, 300) == 8
    assert [line.split("going on with ")[1][0] for line in said] == ["4", "2", "1"]
    with pytest.raises(RunError, match=r"single pair of 1001 tokens.*--max_length 800, or .*--load_in_4bit"):
        length = 1001
        sizes.run("training", 8, length, attempt)


@pytest.mark.parametrize("kind", ERRORS)
def test_only_a_lack_of_memory_is_mended(kind):
    assert is_out_of_memory(ERRORS[kind])
    assert not is_out_of_memory(OSError(errno.ENOENT, "No such file"))
    other = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not is_out_of_memory(other)

    def attempt(at_once):
        raise other

    with pytest.raises(RuntimeError, match="mat1"):
        PairsAtOnce(print).run("training", 4, 100, attempt)


def test_several_processes_and_balanced_experts_cannot_be_split(trained):
    trainer = trained()
    fail_forward(trainer.model, 2, ERRORS["a card"])
    trainer.aux_loss_enabled = True
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(PAIRS)])
    with pytest.raises(RunError, match=r"5 pairs at once, and the model's experts.*--gradient_accumulation_steps"):
        trainer.training_step(trainer.model, batch)


def test_validation_figures_are_means_over_pairs(trained):
    trainer = trained()
    at_once = trainer.evaluate()
    trainer.args.per_device_eval_batch_size = 2  # 2, 2 and 1
    in_batches = trainer.evaluate()
    for name in ("loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen"):
        assert in_batches[f"eval_{name}"] == pytest.approx(at_once[f"eval_{name}"], abs=1e-5), name
