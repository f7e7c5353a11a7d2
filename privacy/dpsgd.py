"""One private step: a Poisson sample of patients, clipped gradients, Gaussian noise, and nothing else leaves.

The unit is the patient: a patient contributes one row to a step, so one clipped gradient (DP-SGD, Abadi et al. 2016,
algorithm 1). What comes out is the noisy sum divided by the *expected* batch, a number of the plan and not of the data.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from policies.errors import TrainingError

# The cached states that come in need no gradient, as torch remarks at every step.
warnings.filterwarnings("ignore", message="Full backward hook is firing")

ROWS_AT_ONCE = 64
Rows = tuple[Tensor, ...]
"""Inputs of a forward pass, each `[B, ...]`, the targets last."""


@dataclass(frozen=True)
class StepSettings:
    """What a plan says about a step.

    Attributes:
        sigma: noise multiplier; 0 is for baselines on synthetic data and is never given by a plan.
        clip: L2 norm to which each patient's gradient is clipped.
        rate: probability with which each patient is taken.
        patients: the declared number of patients, the public denominator.
    """

    sigma: float
    clip: float
    rate: float
    patients: int


@dataclass(frozen=True)
class PrivateGradient:
    """What a step gives.

    Attributes:
        gradient: by parameter name; this may leave the hospital once it was booked.
        loss: mean over the sample, or NaN of an empty one; not private, so it stays at the hospital.
    """

    gradient: dict[str, Tensor]
    loss: float


def poisson_sample(patients: int, rate: float, generator: np.random.Generator) -> list[int]:
    """Take each of `patients` on its own with probability `rate`; the sample may be empty."""
    return np.flatnonzero(generator.random(patients) < rate).tolist()


def private_gradient(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    rows: Callable[[Sequence[int]], Rows],
    sample: Sequence[int],
    settings: StepSettings,
    *,
    generator: torch.Generator | None = None,
) -> PrivateGradient:
    """The noisy mean gradient of a sample of patients, by Opacus' hooks and optimizer.

    Args:
        model: takes what `rows` gives except the targets; only its trainable parameters have gradients.
        loss: from logits `[B, K]` and targets to losses `[B]`, one for each row.
        rows: from patients (indices) to one row for each of them.
        sample: the patients of this step; may be empty, then the result is noise alone.
        generator: source of the noise; seeded by the operating system where none is given.

    Returns:
        As gradient, (sum of clipped gradients + N(0, (sigma clip)^2)) / (rate patients).

    Raises:
        TrainingError: a loss is not finite; the release was booked all the same.
    """
    if generator is None:
        generator = torch.Generator().manual_seed(secrets.randbits(63))
    wrapped = GradSampleModule(model, loss_reduction="sum").train()  # in eval mode its hooks stay silent
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = DPOptimizer(
        torch.optim.SGD(trained.values(), lr=1.0),
        noise_multiplier=settings.sigma,
        max_grad_norm=settings.clip,
        expected_batch_size=settings.rate * settings.patients,
        generator=generator,
    )
    try:
        total = _accumulate(wrapped, optimizer, loss, rows, sample)
        optimizer.pre_step()
        gradient = {name: parameter.grad.detach().clone() for name, parameter in trained.items()}
        return PrivateGradient(gradient, total / len(sample) if sample else math.nan)
    finally:
        optimizer.zero_grad(set_to_none=True)
        wrapped.to_standard_module()


def _accumulate(
    wrapped: GradSampleModule,
    optimizer: DPOptimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
    rows: Callable[[Sequence[int]], Rows],
    sample: Sequence[int],
) -> float:
    """Clip and add up in chunks, so that memory does not grow with the sample; the optimizer adds the last one."""
    total = 0.0
    chunks = [sample[start : start + ROWS_AT_ONCE] for start in range(0, len(sample), ROWS_AT_ONCE)] or [[]]
    for chunk in chunks:
        if chunk:
            *inputs, targets = rows(chunk)
            losses = loss(wrapped(*inputs), targets)
            if not torch.isfinite(losses).all():
                raise TrainingError(
                    "the loss is not finite, so there is no gradient", "Lower the plan's learning rate."
                )
            losses.sum().backward()
            total += float(losses.detach().sum())
        else:  # an empty Poisson batch still counts as a step and still gets its noise
            for parameter in optimizer.params:
                parameter.grad_sample = parameter.new_zeros((0, *parameter.shape))
        if chunk is not chunks[-1]:
            optimizer.signal_skip_step(do_skip=True)
            optimizer.pre_step()
            optimizer.zero_grad()
    return total


def check_gradients(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], public: Rows) -> None:
    """On public rows, each trained parameter must have per-row gradients that equal batches of one and are not zero.

    Raises:
        TrainingError: one has none (Opacus issue 820: the loss falls by the head alone, and noise moves the rest), or
            it differs from the gradient of its row alone.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    alone = [
        torch.autograd.grad(_one(model, loss, public, row), list(trained.values())) for row in range(len(public[-1]))
    ]
    wrapped = GradSampleModule(model, loss_reduction="sum").train()  # in eval mode its hooks stay silent
    try:
        *inputs, targets = public
        loss(wrapped(*inputs), targets).sum().backward()
        for index, (name, parameter) in enumerate(trained.items()):
            expected = torch.stack([gradients[index] for gradients in alone])
            if not expected.abs().sum() > 0:
                raise TrainingError(f"the parameter '{name}' has no gradient, so it would be trained by noise alone")
            if not torch.allclose(parameter.grad_sample, expected, rtol=1e-3, atol=1e-5):
                raise TrainingError(f"the per-patient gradient of '{name}' is not that of the patient alone")
    finally:
        for parameter in trained.values():
            parameter.grad = parameter.grad_sample = None
        wrapped.to_standard_module()


def _one(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], public: Rows, row: int) -> Tensor:
    *inputs, targets = (part[row : row + 1] for part in public)
    return loss(model(*inputs), targets).sum()
