"""Epsilon by two libraries, against each other, against gold numbers and against the formula of a single Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import pytest

from policies.errors import BudgetError, TrainingError
from policies.releases import GaussianRelease, Release
from privacy.training import accounting
from privacy.training.accounting import epsilon, filter_epsilon, pld_epsilon, prv_epsilon, sigma_for
from tests.contracts import DELTA, PHI, AccountantContract, gaussian_epsilon, sampled

DEMONSTRATION = sampled("1.95", "0.9", 12)


def one_plan(releases: Sequence[Release], delta: float) -> float:
    return epsilon([releases], delta)


def a_plan_each(releases: Sequence[Release], delta: float) -> float:
    return epsilon([[release] for release in releases], delta)


class TestPrv(AccountantContract):
    accountant = staticmethod(prv_epsilon)


class TestPld(AccountantContract):
    accountant = staticmethod(pld_epsilon)


class TestFilter(AccountantContract):
    accountant = staticmethod(filter_epsilon)


class TestOnePlan(AccountantContract):
    accountant = staticmethod(one_plan)


# The libraries


@pytest.mark.parametrize(
    ("accountant", "gold"),
    [
        # opacus 1.6: PRVAccountant().history = [(s, q, n)]; .get_epsilon(delta=1e-5, eps_error=0.01)
        (prv_epsilon, (7.857, 3.302, 2.848, 1.525, 0.936)),
        # dp-accounting 0.6: PLDAccountant().compose(PoissonSampledDpEvent(q, GaussianDpEvent(s)), n).get_epsilon(1e-5)
        (pld_epsilon, (7.847, 3.292, 2.838, 1.515, 0.926)),
    ],
)
def test_gold_numbers_of_both_libraries(
    accountant: Callable[[Sequence[Release], float], float], gold: Sequence[float]
) -> None:
    settings = [("1.95", "0.9", 12), ("1.0", "0.2", 3), ("8.0", "1", 30), ("1.1", "0.01", 1000), ("4.0", "1", 1)]
    assert [accountant([sampled(*one)], DELTA) for one in settings] == pytest.approx(gold, abs=0.002)


def test_the_larger_of_the_two_is_reported() -> None:
    both = [accountant([DEMONSTRATION], DELTA) for accountant in (prv_epsilon, pld_epsilon)]
    assert one_plan([DEMONSTRATION], DELTA) == max(both)


@pytest.mark.parametrize("answer", [1.0, 100.0, math.nan, math.inf])
def test_two_that_disagree_are_not_believed(monkeypatch: pytest.MonkeyPatch, answer: float) -> None:
    monkeypatch.setattr(accounting, "_prv", lambda groups, delta: answer)
    with pytest.raises(TrainingError, match="disagree"):
        one_plan([DEMONSTRATION], DELTA)


def test_the_central_limit_of_gdp_is_under_both_and_so_no_bound() -> None:
    """Dong, Roth and Su 2022, corollary 5.4: mu = q sqrt(T (exp(1 / sigma^2) - 1))."""
    sigma, rate, steps = 1.0, 0.02, 500
    mu = rate * math.sqrt(steps * (math.exp(sigma**-2) - 1))
    exact = prv_epsilon([sampled("1.0", "0.02", 500)], DELTA)
    assert gaussian_epsilon(1 / mu, DELTA) < 0.9 * exact


# Several plans


def test_plans_that_were_drawn_up_one_after_the_other_cost_more_than_one_that_was_fixed() -> None:
    both = [DEMONSTRATION, DEMONSTRATION]
    fixed, adaptive = one_plan(both, DELTA), a_plan_each(both, DELTA)
    assert fixed < adaptive < 2 * one_plan([DEMONSTRATION], DELTA)
    assert adaptive == filter_epsilon(both, DELTA)


def test_a_plan_without_releases_is_no_plan() -> None:
    assert epsilon([], DELTA) == epsilon([[], []], DELTA) == 0
    assert epsilon([[], [DEMONSTRATION]], DELTA) == one_plan([DEMONSTRATION], DELTA)


@pytest.mark.parametrize("delta", [1e-5, 1e-7])
@pytest.mark.parametrize("sigma", [0.5, 2.0, 10.0])
def test_the_filter_is_a_bound_of_renyi_divergences_by_hand(sigma: float, delta: float) -> None:
    """Of a Gaussian, whose divergence of order a is a / (2 sigma^2); delta is shared among the orders."""
    share = delta / len(accounting._FILTER_ORDERS)
    by_hand = min(
        a / (2 * sigma**2) + math.log1p(-1 / a) - math.log(share * a) / (a - 1) for a in accounting._FILTER_ORDERS
    )
    assert filter_epsilon([GaussianRelease(str(sigma))], delta) == pytest.approx(by_hand, rel=1e-6)


def test_going_on_only_after_a_telling_result_stays_within_the_filter() -> None:
    """Two Gaussian releases, and a third only where they spoke for the patient; the exact delta of that, by a sum."""
    sigma, spread, middle = 2.0, 2.0 / math.sqrt(2), 0.5
    promised = filter_epsilon([GaussianRelease("2.0", 3)], DELTA)

    def third(eps: float) -> float:
        return PHI(1 / (2 * sigma) - eps * sigma) - math.exp(eps) * PHI(-1 / (2 * sigma) - eps * sigma)

    seen = np.linspace(-12, 13, 20_001)  # the mean of the two
    present, absent = (np.array([NormalDist(mean, spread).pdf(value) for value in seen]) for mean in (1, 0))
    after = present * [third(promised - (value - middle) / spread**2) for value in seen]
    stopped = np.maximum(0, present - math.exp(promised) * absent)
    failed = float(np.where(seen < middle, stopped, after).sum() * (seen[1] - seen[0]))
    assert 0 < failed <= DELTA


# Noise for a target


def test_sigma_is_the_smallest_that_keeps_the_target() -> None:
    sigma = sigma_for(7.9, rate="0.9", steps=12, delta=DELTA)
    assert one_plan([sampled(sigma, "0.9", 12)], DELTA) <= 7.9
    assert one_plan([sampled(f"{float(sigma) - 0.02:.2f}", "0.9", 12)], DELTA) > 7.9


def test_what_a_plan_releases_beside_its_steps_asks_for_more_noise() -> None:
    beside = [GaussianRelease("4.0")]
    sigma = sigma_for(3.0, rate="0.9", steps=12, delta=DELTA, beside=beside)
    assert one_plan([*beside, sampled(sigma, "0.9", 12)], DELTA) <= 3.0
    assert float(sigma) > float(sigma_for(3.0, rate="0.9", steps=12, delta=DELTA))


def test_a_target_that_no_noise_reaches_is_refused() -> None:
    with pytest.raises(BudgetError, match="no noise"):
        sigma_for(1e-4, rate="1", steps=60, delta=DELTA)
