"""One private step: a Poisson sample of patients, clipped gradients, Gaussian noise, and nothing else leaves.

The unit is the patient: all rows of a patient are added up before they are clipped, so one clipped gradient for each
(DP-SGD, Abadi et al. 2016, algorithm 1). What comes out is the noisy sum divided by the *expected* batch, a number of
the plan and not of the data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from opacus import GradSampleModule
from torch import Tensor, nn

from policies.errors import TrainingError
from privacy.training.lattice import noisy_sum
from privacy.training.randomness import SecureRandom

# The cached states that come in need no gradient, as torch remarks at every step.
warnings.filterwarnings("ignore", message="Full backward hook is firing")

PATIENTS_AT_ONCE = 64
_TOLERANCE = 1e-3  # of a gradient by hooks, as a share of its length: the adapters' gradients may be small
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits `[B, K]` and targets `[B, K]` to one loss for each row, `[B]`."""


@dataclass(frozen=True)
class Rows:
    """Training rows of some patients, each patient with one row or more.

    Attributes:
        inputs: of a forward pass, each `[B, ...]`.
        targets: `[B, K]`.
        owner: which of the patients each row is of, `[B]`.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    owner: Tensor


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
        loss: mean over the rows of the sample, or NaN of an empty one; not private, so it stays at the hospital.
    """

    gradient: dict[str, Tensor]
    loss: float


class PatientGradients:
    """Gradients of whole patients by Opacus' hooks, which sit in the model inside a `with` and only there.

    Args:
        model: only its trainable parameters have gradients.
        precision: of the forward and backward pass where it is less than single (bfloat16 on a GPU).
    """

    def __init__(self, model: nn.Module, loss: Loss, precision: torch.dtype | None = None) -> None:
        self._model, self._loss, self._precision = model, loss, precision
        self.trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def __enter__(self) -> PatientGradients:
        self._wrapped = GradSampleModule(self._model, loss_reduction="sum").train()  # in eval mode its hooks are silent
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        self._wrapped.to_standard_module()
        for module in self._model.modules():
            # Opacus leaves them where a pass was broken off, and would mix them into the next one.
            for left in ("activations", "max_batch_len"):
                module.__dict__.pop(left, None)

    def of(self, rows: Rows, patients: int) -> tuple[Tensor, Tensor]:
        """The gradient of each patient, all rows added up, `[P, D]` in double precision, and the loss of each row.

        What is not finite counts as zero: to stop because of it would tell that there is such a patient.
        """
        device = next(iter(self.trained.values())).device.type
        with torch.autocast(device, self._precision, enabled=self._precision is not None):
            losses = self._loss(self._wrapped(*rows.inputs), rows.targets)
        losses.sum().backward()
        parts = [_by_patient(parameter.grad_sample, rows.owner, patients) for parameter in self.trained.values()]
        self._clear()
        return torch.cat(parts, dim=1).cpu().double().nan_to_num_(0.0, 0.0, 0.0), losses.detach().cpu()

    def _clear(self) -> None:
        for parameter in self.trained.values():
            parameter.grad = parameter.grad_sample = None


def _by_patient(grad_sample: Tensor, owner: Tensor, patients: int) -> Tensor:
    """Gradients of rows, `[B * W, ...]` where a layer saw W parts of each row, added up to `[P, ...]` and flattened."""
    owners = owner.repeat_interleave(len(grad_sample) // len(owner)).to(grad_sample.device)
    return grad_sample.new_zeros(patients, grad_sample[0].numel()).index_add_(0, owners, grad_sample.flatten(1))


def clipped(gradients: Tensor, clip: float) -> Tensor:
    """Each row shortened to the norm if it is longer, `[P, D]`."""
    return gradients * (clip / gradients.norm(dim=1, keepdim=True).clamp(min=clip))


def private_gradient(
    model: nn.Module,
    loss: Loss,
    rows: Callable[[Sequence[int]], Rows],
    sample: Sequence[int],
    settings: StepSettings,
    *,
    random: SecureRandom | None = None,
    precision: torch.dtype | None = None,
) -> PrivateGradient:
    """The noisy mean gradient of a sample of patients, by Opacus' hooks.

    Args:
        model: takes the inputs of `rows`; only its trainable parameters have gradients.
        rows: from patients (indices) to their rows.
        sample: the patients of this step; may be empty, then the result is noise alone.
        random: where the noise comes from; a keystream of its own if none is given.
        precision: of the forward and backward pass where it is less than single (bfloat16 on a GPU). Clipping and
            noise are in double precision whatever stands here.

    Returns:
        As gradient, (sum of clipped gradients + N(0, (sigma clip)^2)) / (rate patients).
    """
    losses = []
    with PatientGradients(model, loss, precision) as gradients:
        total = torch.zeros(sum(parameter.numel() for parameter in gradients.trained.values()), dtype=torch.float64)
        for start in range(0, len(sample), PATIENTS_AT_ONCE):
            chunk = sample[start : start + PATIENTS_AT_ONCE]
            found, lost = gradients.of(rows(chunk), len(chunk))
            total += clipped(found, settings.clip).sum(0)
            losses.append(lost)
    noisy = noisy_sum(total.numpy(), clip=settings.clip, sigma=settings.sigma, random=random or SecureRandom())
    mean = torch.from_numpy(noisy / (settings.rate * settings.patients))
    return PrivateGradient(_shaped(mean, gradients.trained), float(torch.cat(losses).mean()) if losses else math.nan)


def _shaped(flat: Tensor, trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """`[..., D]` by parameter, each `[..., its own shape]`."""
    parts = flat.split([parameter.numel() for parameter in trained.values()], dim=-1)
    return {
        name: part.reshape(*flat.shape[:-1], *parameter.shape).to(parameter.dtype)
        for part, (name, parameter) in zip(parts, trained.items(), strict=True)
    }


def check_gradients(model: nn.Module, loss: Loss, public: Rows) -> None:
    """On public rows, each trained parameter must have per-patient gradients that equal batches of one, and not zero.

    Raises:
        TrainingError: one has none (Opacus issue 820: the loss falls by the head alone, and noise moves the rest), or
            it differs from the gradient of its patient alone.
    """
    patients = int(public.owner.max()) + 1
    gradients = PatientGradients(model, loss)
    trained = list(gradients.trained.values())
    alone = [
        torch.autograd.grad(_alone(model, loss, public, patient), trained, materialize_grads=True)
        for patient in range(patients)
    ]
    expected = {name: torch.stack(each) for name, *each in zip(gradients.trained, *alone, strict=True)}
    for name, gradient in expected.items():
        if not gradient.abs().sum() > 0:
            raise TrainingError(f"the parameter '{name}' has no gradient, so it would be trained by noise alone")
    with gradients:
        found = _shaped(gradients.of(public, patients)[0], gradients.trained)
    for name, gradient in expected.items():
        if not (found[name] - gradient).norm() <= _TOLERANCE * gradient.norm():
            raise TrainingError(f"the per-patient gradient of '{name}' is not that of the patient alone")


def _alone(model: nn.Module, loss: Loss, public: Rows, patient: int) -> Tensor:
    own = public.owner == patient
    return loss(model(*(part[own] for part in public.inputs)), public.targets[own]).sum()
