"""One private step, held against plain arithmetic: who is sampled, what is clipped, how much noise, what divides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.errors import TrainingError
from privacy.training.dpsgd import (
    ROWS_AT_ONCE,
    Rows,
    StepSettings,
    check_gradients,
    poisson_sample,
    private_gradient,
    secure_gaussian,
)

CLIP = 0.5
QUIET = StepSettings(sigma=0.0, clip=CLIP, rate=0.8, patients=50)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


def model_of(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


class Cohort:
    """Rows of made-up patients; a patient's size makes for small and huge gradients."""

    def __init__(self, patients: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        size = 10.0 ** random.uniform(-2, 3, (patients, 1))
        self.inputs = torch.from_numpy((random.normal(size=(patients, 4)) * size).astype(np.float32))
        self.targets = torch.eye(3)[random.integers(3, size=patients)]

    def rows(self, sample: Sequence[int]) -> Rows:
        return self.inputs[list(sample)], self.targets[list(sample)]


def flat(gradient: dict[str, Tensor]) -> Tensor:
    return torch.cat([gradient[name].flatten() for name in sorted(gradient)]).double()


def step(
    cohort: Cohort, sample: Sequence[int], how: StepSettings = QUIET, model: nn.Module | None = None, **more: object
) -> Tensor:
    found = private_gradient(model or model_of(), cross_entropy, cohort.rows, sample, how, **more)  # type: ignore[arg-type]
    return flat(found.gradient)


def noise_free_sum(cohort: Cohort, sample: Sequence[int]) -> Tensor:
    return step(cohort, sample) * QUIET.rate * QUIET.patients


def by_hand(cohort: Cohort, sample: Sequence[int]) -> Tensor:
    """Each patient's gradient on its own, clipped, added up."""
    model = model_of()
    names = sorted(name for name, _ in model.named_parameters())
    total = torch.zeros(sum(p.numel() for p in model.parameters()), dtype=torch.float64)
    for patient in sample:
        inputs, targets = cohort.rows([patient])
        parameters = dict(model.named_parameters())
        parts = torch.autograd.grad(cross_entropy(model(inputs), targets).sum(), [parameters[n] for n in names])
        own = torch.cat([part.flatten() for part in parts]).double()
        total += own * min(1.0, CLIP / float(own.norm() + 1e-6))
    return total


def recorded(noise: float) -> Callable[[int], NDArray[np.float64]]:
    return lambda count: np.full(count, noise)


# Sampling


def test_the_size_of_a_sample_is_binomial() -> None:
    """A shuffle into batches of fixed size has the same mean and no variance at all."""
    random = np.random.default_rng(1)
    sizes = np.array([len(poisson_sample(100, 0.3, random)) for _ in range(20_000)])
    assert abs(sizes.mean() - 30) < 6 * math.sqrt(21 / 20_000)
    assert abs(sizes.var() - 21) < 6 * 21 * math.sqrt(2 / 20_000)


def test_patients_are_taken_independently_of_each_other_and_of_the_step_before() -> None:
    random = np.random.default_rng(2)
    taken = np.zeros((20_000, 6))
    for row in taken:
        row[poisson_sample(6, 0.4, random)] = 1
    assert np.abs(taken.mean(0) - 0.4).max() < 6 * math.sqrt(0.24 / 20_000)
    both = np.corrcoef(taken.T) - np.eye(6)
    next_step = np.corrcoef(taken[:-1].T, taken[1:].T)[:6, 6:]
    assert max(np.abs(both).max(), np.abs(next_step).max()) < 6 / math.sqrt(20_000)


def test_at_rate_one_everybody_is_taken_and_nobody_twice() -> None:
    assert poisson_sample(7, 1.0, np.random.default_rng(0)) == list(range(7))


# Clipping


@pytest.mark.parametrize("count", [1, 5, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE + 20])
def test_the_sum_is_that_of_gradients_clipped_one_by_one_over_any_number_of_chunks(count: int) -> None:
    cohort = Cohort(count)
    torch.testing.assert_close(
        noise_free_sum(cohort, range(count)), by_hand(cohort, range(count)), rtol=1e-4, atol=1e-4
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.data())
def test_a_patient_more_or_less_moves_the_sum_by_at_most_the_clip(seed: int, count: int, data: st.DataObject) -> None:
    cohort, left_out = Cohort(count, seed), data.draw(st.integers(0, count - 1))
    others = [patient for patient in range(count) if patient != left_out]
    moved = noise_free_sum(cohort, range(count)) - noise_free_sum(cohort, others)
    assert moved.norm() <= CLIP * 1.001


def test_a_huge_gradient_moves_the_sum_by_the_clip_and_a_small_one_by_itself() -> None:
    cohort = Cohort(2)
    cohort.inputs[0], cohort.inputs[1] = 1e6, 0.0
    assert noise_free_sum(cohort, [0]).norm() == pytest.approx(CLIP, rel=1e-3)
    small = StepSettings(sigma=0.0, clip=1e6, rate=0.8, patients=50)
    torch.testing.assert_close(step(cohort, [1], small), by_hand_unclipped(cohort, 1) / 40, rtol=1e-4, atol=1e-7)


def by_hand_unclipped(cohort: Cohort, patient: int) -> Tensor:
    model = model_of()
    inputs, targets = cohort.rows([patient])
    cross_entropy(model(inputs), targets).sum().backward()
    return flat({name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None})


@pytest.mark.parametrize("bad", [math.nan, math.inf, 3e38])
def test_a_patient_whose_numbers_are_not_finite_moves_the_sum_no_further_and_stops_nothing(bad: float) -> None:
    cohort = Cohort(5)
    cohort.inputs[3] = bad
    moved = noise_free_sum(cohort, range(5)) - noise_free_sum(cohort, [0, 1, 2, 4])
    assert moved.norm() <= CLIP * 1.001


# The denominator


def test_the_sum_is_divided_by_the_expected_batch_and_not_by_the_sample() -> None:
    cohort = Cohort(30)
    for sample in (range(3), range(30)):
        torch.testing.assert_close(step(cohort, sample) * 0.8 * 50, by_hand(cohort, sample), rtol=1e-4, atol=1e-4)


# Noise


@pytest.mark.parametrize("sample", [(), range(7)])
def test_the_noise_has_sigma_times_clip_as_its_standard_deviation(sample: Sequence[int]) -> None:
    """20,100 numbers know their standard deviation to 0.5 %; 3 % is six times that."""
    wide = nn.Linear(200, 100)
    random = np.random.default_rng(0)
    inputs, targets = torch.from_numpy(random.normal(size=(7, 200))).float(), torch.eye(100)[:7]

    def rows(some: Sequence[int]) -> Rows:
        return inputs[list(some)], targets[list(some)]

    how = StepSettings(sigma=1.7, clip=CLIP, rate=0.8, patients=50)
    quiet = StepSettings(sigma=0.0, clip=CLIP, rate=0.8, patients=50)
    first, second, none = (
        flat(private_gradient(wide, cross_entropy, rows, sample, one).gradient) for one in (how, how, quiet)
    )
    noise = torch.stack([first, second]) - none
    assert noise.std(1).numpy() * 0.8 * 50 == pytest.approx(1.7 * CLIP, rel=0.03)
    assert abs(float(torch.corrcoef(noise)[0, 1])) < 6 / math.sqrt(noise.shape[1])


def test_noise_is_drawn_once_for_each_number_whatever_the_number_of_chunks() -> None:
    cohort, how = Cohort(150), StepSettings(sigma=2.0, clip=CLIP, rate=1.0, patients=1)
    difference = step(cohort, range(150), how, noise=recorded(3.0)) - step(cohort, range(150), how, noise=recorded(0.0))
    torch.testing.assert_close(difference, torch.full_like(difference, 3.0 * 2.0 * CLIP), rtol=1e-4, atol=1e-4)


def test_an_empty_sample_gives_noise_alone() -> None:
    cohort = Cohort(3)
    found = private_gradient(
        model_of(), cross_entropy, cohort.rows, [], StepSettings(2.0, CLIP, 0.5, 4), noise=recorded(1.0)
    )
    assert math.isnan(found.loss)
    torch.testing.assert_close(flat(found.gradient), torch.full((43,), 2.0 * CLIP / 2, dtype=torch.float64))


def test_secure_noise_is_standard_normal() -> None:
    """Kolmogorov and Smirnov's distance of 200,000 numbers from the normal distribution; 3 / sqrt(n) is p = 3e-8."""
    drawn = np.sort(secure_gaussian(200_001))
    assert len(drawn) == 200_001
    grid = np.array([NormalDist().cdf(value) for value in drawn[::100]])
    assert np.abs(grid - np.arange(0, 200_001, 100) / 200_001).max() < 3 / math.sqrt(200_001)


def test_no_seed_of_any_library_repeats_the_noise() -> None:
    cohort, how, runs = Cohort(3), StepSettings(1.0, CLIP, 0.5, 4), []
    for _ in range(2):
        torch.manual_seed(5)
        np.random.seed(5)
        runs.append(step(cohort, [0, 1], how))
    assert (runs[0] != runs[1]).all()


# What a step leaves behind


def test_a_step_leaves_model_and_parameters_clean() -> None:
    cohort, model = Cohort(70), model_of()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    step(cohort, range(70), model=model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None
        assert getattr(parameter, "grad_sample", None) is None
        assert torch.equal(parameter, before[name])
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    torch.testing.assert_close(step(cohort, range(70), model=model), step(cohort, range(70)))


def test_a_frozen_parameter_has_no_gradient_and_a_failure_leaves_no_sum_behind() -> None:
    cohort, model = Cohort(70), model_of()
    model[0].requires_grad_(False)  # type: ignore[index]
    found = private_gradient(model, cross_entropy, cohort.rows, range(70), QUIET)
    assert sorted(found.gradient) == ["2.bias", "2.weight"]

    def failing(sample: Sequence[int]) -> Rows:
        if len(sample) < ROWS_AT_ONCE:
            raise OSError
        return cohort.rows(sample)

    with pytest.raises(OSError):
        private_gradient(model, cross_entropy, failing, range(70), QUIET)
    again = private_gradient(model, cross_entropy, cohort.rows, range(70), QUIET)
    torch.testing.assert_close(flat(again.gradient), flat(found.gradient))


def test_the_loss_is_the_mean_over_the_sample() -> None:
    cohort = Cohort(80)
    found = private_gradient(model_of(), cross_entropy, cohort.rows, range(80), QUIET)
    inputs, targets = cohort.rows(range(80))
    assert found.loss == pytest.approx(float(cross_entropy(model_of()(inputs), targets).mean()), rel=1e-4)


# The check on public rows


def test_a_model_whose_gradients_are_its_rows_own_passes() -> None:
    inputs, targets = torch.randn(3, 4), torch.eye(3)
    check_gradients(model_of(), cross_entropy, (inputs, targets))


def test_a_parameter_without_gradient_is_found() -> None:
    model = model_of()
    with torch.no_grad():
        model[2].weight.zero_()  # type: ignore[index]  # nothing below it can learn
    with pytest.raises(TrainingError, match=r"'0\.weight' has no gradient"):
        check_gradients(model, cross_entropy, (torch.randn(3, 4), torch.eye(3)))


def test_rows_that_are_mixed_are_found() -> None:
    class Mixed(nn.Module):
        """Takes the mean of the batch from each row, as batch normalisation does."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(inputs - inputs.mean(0, keepdim=True) / 2)

    with pytest.raises(TrainingError, match="not that of the patient alone"):
        check_gradients(Mixed(), cross_entropy, (torch.randn(3, 4), torch.eye(3)))
