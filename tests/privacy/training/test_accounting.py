"""Epsilon by two libraries, against each other, against gold numbers and against the formula of a single Gaussian."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import NormalDist

import pytest

from policies.errors import BudgetError, TrainingError
from policies.releases import PoissonSampledGaussian
from privacy.training import accounting
from privacy.training.accounting import epsilon, pld_epsilon, prv_epsilon, sigma_for
from tests.contracts import DELTA, Accountant, AccountantContract

PHI = NormalDist().cdf


def of(grouped: Callable[[tuple[tuple[float, float, int], ...], float], float]) -> Accountant:
    """An accountant of releases from one of groups of (sigma, rate, steps)."""

    def accountant(releases: Sequence[PoissonSampledGaussian], delta: float) -> float:
        steps: Counter[tuple[float, float]] = Counter()
        for one in releases:
            steps[float(one.sigma), float(one.rate)] += one.steps
        return grouped(tuple(sorted((*kind, count) for kind, count in steps.items())), delta) if steps else 0.0

    return accountant


class TestReported(AccountantContract):
    accountant = staticmethod(epsilon)
    other = staticmethod(of(prv_epsilon))


class TestPrv(AccountantContract):
    accountant = staticmethod(of(prv_epsilon))
    other = staticmethod(of(pld_epsilon))


class TestPld(AccountantContract):
    accountant = staticmethod(of(pld_epsilon))
    other = staticmethod(of(prv_epsilon))


def analytic_gaussian(sigma: float, delta: float) -> float:
    """Epsilon of one Gaussian release of sensitivity 1 (Balle and Wang 2018, theorem 8), by bisection."""

    def delta_of(eps: float) -> float:
        return PHI(1 / (2 * sigma) - eps * sigma) - math.exp(eps) * PHI(-1 / (2 * sigma) - eps * sigma)

    low, high = 0.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if delta_of(middle) <= delta else (middle, high)
    return high


@pytest.mark.parametrize("accountant", [prv_epsilon, pld_epsilon])
def test_gold_number_of_the_demonstration(accountant: Callable[..., float]) -> None:
    assert accountant(((1.95, 0.9, 12),), DELTA) == pytest.approx(7.86, abs=0.03)


@pytest.mark.parametrize(("sigma", "steps"), [("1.0", 1), ("3.0", 1), ("6.0", 16)])
def test_without_sampling_it_is_the_analytic_gaussian_mechanism(sigma: str, steps: int) -> None:
    """So many Gaussian releases are one with sigma over the square root of their number."""
    exact = analytic_gaussian(float(sigma) / math.sqrt(steps), DELTA)
    reported = epsilon([PoissonSampledGaussian(sigma, "1", steps)], DELTA)
    assert exact <= reported + 1e-6
    assert reported == pytest.approx(exact, rel=0.01, abs=0.02)


def test_the_larger_of_the_two_is_reported() -> None:
    release = PoissonSampledGaussian("1.95", "0.9", 12)
    both = [accountant(((1.95, 0.9, 12),), DELTA) for accountant in (prv_epsilon, pld_epsilon)]
    assert epsilon([release], DELTA) == max(both)


@pytest.mark.parametrize("answer", [1.0, 100.0, math.nan, math.inf])
def test_two_that_disagree_are_not_believed(monkeypatch: pytest.MonkeyPatch, answer: float) -> None:
    monkeypatch.setattr(accounting, "prv_epsilon", lambda grouped, delta: answer)
    with pytest.raises(TrainingError, match="disagree"):
        epsilon([PoissonSampledGaussian("1.95", "0.9", 12)], DELTA)


def test_sigma_is_the_smallest_that_keeps_the_target() -> None:
    sigma = sigma_for(7.9, rate="0.9", steps=12, delta=DELTA)
    assert epsilon([PoissonSampledGaussian(sigma, "0.9", 12)], DELTA) <= 7.9
    assert epsilon([PoissonSampledGaussian(f"{float(sigma) - 0.02:.2f}", "0.9", 12)], DELTA) > 7.9


def test_a_target_that_no_noise_reaches_is_refused() -> None:
    with pytest.raises(BudgetError, match="no noise"):
        sigma_for(1e-4, rate="1", steps=60, delta=DELTA)
