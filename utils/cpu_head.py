"""TRL's LM head on a CPU: the same figures of each label, with the probabilities kept for the backward pass.

TRL's own (trl/kernels/chunked_logprob.py) is made for a card's memory: it scores the vocabulary tile by tile, folds the
tiles into running sums, and scores all of it again in the backward pass. Here as many labels are scored at once as
``labels_at_once`` allows; those of a usual batch are, and what the backward pass needs of them is still there. With p
the probabilities and W the weight, the gradient of label t's log-prob is (onehot(t) - p) W: one matrix product, and
nothing else as wide as the vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from utils.cpu_speed import labels_at_once

OTHER_FIGURES = ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1")  # in the order in which TRL takes them


def keep_probabilities() -> None:
    """Have TRL score labels on a CPU by :class:`LabelScores`, where that can: in fp32, without softcapping.

    536 labels, 49152 entries, one core: 1.3 -> 0.8 s for both passes, log-probs equal within 2e-6.
    """
    import trl.trainer.utils
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction

    class LabelScoresOrStock:
        @staticmethod
        def apply(
            hidden: torch.Tensor,
            weight: torch.Tensor,
            bias: torch.Tensor | None,
            targets: torch.Tensor,
            temperature: float,
            width: int,
            softcap: float | None,
            logit_scale: float,
            outputs: tuple[str, ...],
        ) -> Any:
            plain = hidden.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
            if hidden.device.type == "cpu" and plain and softcap is None:
                return LabelScores.apply(hidden, weight, bias, targets, logit_scale / temperature, outputs)
            return ChunkedLogProbFunction.apply(
                hidden, weight, bias, targets, temperature, width, softcap, logit_scale, outputs
            )

    trl.trainer.utils._ChunkedLogProbFunction = LabelScoresOrStock  # type: ignore[assignment, misc]


class LabelScores(torch.autograd.Function):
    """In place of TRL's ``ChunkedLogProbFunction``. Log-probs alone have a gradient: DPO only logs the others."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        scale: float,
        outputs: tuple[str, ...],
    ) -> tuple[torch.Tensor | None, ...]:
        """Figures of N labels, (N,) each, from ``hidden`` (N, H) and ``weight`` (V, H); ``scale`` multiplies logits."""
        at_once = labels_at_once(len(weight))
        parts = zip(hidden.split(at_once), targets.split(at_once), strict=True)
        scored = [figures_of(part, weight, bias, labels, scale, outputs) for part, labels in parts]
        figures = {name: torch.cat([part[name] for part, _ in scored]) for name in scored[0][0]}
        kept = [error for _, error in scored] if len(scored) == 1 else []
        ctx.save_for_backward(hidden, weight, bias, targets, *kept)
        ctx.scale, ctx.at_once = scale, at_once
        others = [figures.get(name) for name in OTHER_FIGURES]
        ctx.mark_non_differentiable(*(figure for figure in others if figure is not None))
        return figures["log_probs"], *others

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        """Gradients of ``hidden``, ``weight`` and ``bias``, those that are wanted."""
        hidden, weight, bias, targets, *kept = ctx.saved_tensors
        wanted = zip((hidden, weight, bias), ctx.needs_input_grad, strict=False)
        of_hidden, of_weight, of_bias = (torch.zeros_like(given) if wants else None for given, wants in wanted)
        for start in range(0, len(hidden), ctx.at_once):
            rows = slice(start, start + ctx.at_once)
            part, labels, slope = hidden[rows], targets[rows], gradient[rows, None] * ctx.scale
            error = kept[0] if kept else figures_of(part, weight, bias, labels, ctx.scale, ())[1]
            if of_hidden is not None:
                of_hidden[rows] = (error @ weight) * -slope
            if of_weight is not None:
                of_weight.addmm_(error.T, part * slope, alpha=-1)
            if of_bias is not None:
                of_bias.addmv_(error.T, slope[:, 0], alpha=-1)
        return of_hidden, of_weight, of_bias, None, None, None


def figures_of(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    scale: float,
    outputs: tuple[str, ...],
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The wanted figures of labels, (n,) each, and of all entries, (n, V), the probability, less 1 for the label."""
    logits = logits_of(hidden, weight, bias, scale)
    highest, top = logits.max(-1)  # the first of several
    p = (logits - highest[:, None]).exp_()
    total = p.sum(-1)  # softmax() adds up less exactly: 1 and many small ones remain 1
    p.div_(total[:, None])
    log_sum = highest + total.log()
    figures = {"log_probs": logits.gather(-1, labels[:, None]).squeeze(-1) - log_sum}
    if "log_sum_sq_probs" in outputs:
        figures["log_sum_sq_probs"] = p.square().sum(-1).log()
    if "mean_logits" in outputs:
        figures["mean_logits"] = logits.mean(-1)
    if "is_top1" in outputs:
        figures["is_top1"] = top == labels
    if "entropy" in outputs:
        figures["entropy"] = log_sum - logits.mul_(p).sum(-1)  # in place: nobody needs the logits after this
    return figures, p.scatter_add_(-1, labels[:, None], p.new_full((len(p), 1), -1.0))


def logits_of(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, scale: float) -> torch.Tensor:
    """(n, V) of (n, H)."""
    logits = F.linear(hidden, weight, bias)
    return logits if scale == 1.0 else logits.mul_(scale)
