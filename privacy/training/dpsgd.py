"""One private step: a Poisson sample of patients, clipped gradients, Gaussian noise, and nothing else leaves.

The unit is the patient: a patient contributes one row to a step, so one clipped gradient (DP-SGD, Abadi et al. 2016,
algorithm 1). What comes out is the noisy sum divided by the *expected* batch, a number of the plan and not of the data.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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


def secure_gaussian(count: int) -> NDArray[np.float64]:
    """So many standard normal numbers from the operating system's cryptographic generator (Box and Muller 1958).

    Not from torch's generator: it keeps 32 bits of any seed, so its noise can be found by trying them all.
    """
    pairs = (count + 1) // 2
    bits = np.frombuffer(os.urandom(16 * pairs), np.uint64).reshape(2, pairs)
    first, second = ((bits >> np.uint64(11)) + 0.5) / 2.0**53  # in (0, 1]
    radius, angle = np.sqrt(-2.0 * np.log(first)), 2.0 * math.pi * second
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


class _Optimizer(DPOptimizer):
    """Opacus' optimizer with noise from `noise`, added in double precision."""

    def __init__(self, *args: Any, noise: Callable[[int], NDArray[np.float64]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._noise = noise

    def add_noise(self) -> None:
        for parameter in self.params:
            drawn = torch.from_numpy(self._noise(parameter.numel())).view(parameter.shape)
            noise = self.noise_multiplier * self.max_grad_norm * drawn
            parameter.grad = (parameter.summed_grad.double() + noise).to(parameter.dtype)


def private_gradient(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    rows: Callable[[Sequence[int]], Rows],
    sample: Sequence[int],
    settings: StepSettings,
    *,
    noise: Callable[[int], NDArray[np.float64]] = secure_gaussian,
) -> PrivateGradient:
    """The noisy mean gradient of a sample of patients, by Opacus' hooks and optimizer.

    Args:
        model: takes what `rows` gives except the targets; only its trainable parameters have gradients.
        loss: from logits `[B, K]` and targets to losses `[B]`, one for each row.
        rows: from patients (indices) to one row for each of them.
        sample: the patients of this step; may be empty, then the result is noise alone.
        noise: gives so many standard normal numbers; another than the default is for tests.

    Returns:
        As gradient, (sum of clipped gradients + N(0, (sigma clip)^2)) / (rate patients). What is not finite in a
        patient's gradient counts as zero: to stop because of it would tell that there is such a patient.
    """
    wrapped = GradSampleModule(model, loss_reduction="sum").train()  # in eval mode its hooks stay silent
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = _Optimizer(
        torch.optim.SGD(trained.values(), lr=1.0),
        noise_multiplier=settings.sigma,
        max_grad_norm=settings.clip,
        expected_batch_size=settings.rate * settings.patients,
        noise=noise,
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
            losses.sum().backward()
            for parameter in optimizer.params:
                parameter.grad_sample.nan_to_num_(0.0, 0.0, 0.0)
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
