"""What every accountant and every aggregator must hold; a test module names one and inherits the suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from policies.errors import TrainingError
from policies.releases import GaussianRelease, PoissonSampled, Release

Arrays = dict[str, NDArray[np.float32]]
Accountant = Callable[[Sequence[Release], float], float]
Aggregator = Callable[[Sequence[tuple[float, Mapping[str, NDArray[np.float32]]]]], Arrays]

DELTA = 1e-5
PHI = NormalDist().cdf


class AccountantContract:
    """Set `accountant`; releases are `(sigma, rate, times)`."""

    accountant: Accountant

    def epsilon(self, *releases: tuple[str, str, int], delta: float = DELTA) -> float:
        return type(self).accountant([sampled(*release) for release in releases], delta)

    def test_no_event_costs_nothing(self) -> None:
        assert self.epsilon() == 0

    def test_an_event_costs_something(self) -> None:
        assert self.epsilon(("4.0", "0.5", 1)) > 0

    def test_more_steps_never_cost_less(self) -> None:
        spent = [self.epsilon(("2.0", "0.5", steps)) for steps in (1, 4, 16)]
        assert spent == sorted(spent)
        assert spent[-1] > 2 * spent[0]

    def test_more_noise_never_costs_more(self) -> None:
        spent = [self.epsilon((sigma, "0.5", 4)) for sigma in ("2.0", "4.0", "20.0")]
        assert spent == sorted(spent, reverse=True)
        assert spent[0] > 5 * spent[-1]

    def test_a_larger_sample_never_costs_less(self) -> None:
        spent = [self.epsilon(("2.0", rate, 4)) for rate in ("0.1", "0.5", "1")]
        assert spent == sorted(spent)

    def test_a_smaller_delta_never_costs_less(self) -> None:
        spent = [self.epsilon(("2.0", "0.5", 4), delta=delta) for delta in (1e-4, 1e-5, 1e-7)]
        assert spent == sorted(spent)

    def test_another_release_never_costs_less(self) -> None:
        parts = (("2.0", "0.5", 4), ("1.0", "0.1", 2))
        spent = [self.epsilon(*parts[:count]) for count in range(3)]
        assert all(less < more for less, more in pairwise(spent))

    def test_order_and_grouping_are_nothing(self) -> None:
        once = self.epsilon(("2.0", "0.5", 4), ("1.0", "0.1", 2))
        assert self.epsilon(("1.0", "0.1", 2), ("2.0", "0.5", 4)) == pytest.approx(once, abs=1e-9)
        assert self.epsilon(("2.0", "0.5", 1), ("1.0", "0.1", 2), ("2.0", "0.5", 3)) == pytest.approx(once, abs=1e-9)

    @pytest.mark.parametrize(("sigma", "times"), [("1.0", 1), ("3.0", 1), ("6.0", 16)])
    def test_it_is_never_under_the_exact_epsilon_of_a_gaussian(self, sigma: str, times: int) -> None:
        """So many Gaussian releases are one with sigma over the square root of their number."""
        exact = gaussian_epsilon(float(sigma) / math.sqrt(times), DELTA)
        assert type(self).accountant([GaussianRelease(sigma, times)], DELTA) >= exact - 1e-6
        assert self.epsilon((sigma, "1", times)) == type(self).accountant([GaussianRelease(sigma, times)], DELTA)


def sampled(sigma: str, rate: str, times: int) -> PoissonSampled:
    return PoissonSampled(rate, GaussianRelease(sigma, times))


def gaussian_epsilon(sigma: float, delta: float) -> float:
    """Epsilon of one Gaussian release of sensitivity 1 (Balle and Wang 2018, theorem 8), by bisection."""

    def delta_of(eps: float) -> float:
        return PHI(1 / (2 * sigma) - eps * sigma) - math.exp(eps) * PHI(-1 / (2 * sigma) - eps * sigma)

    low, high = 0.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if delta_of(middle) <= delta else (middle, high)
    return high


class AggregatorContract:
    """Set `aggregate`; `weights` of the clients must sum to 1."""

    aggregate: Aggregator

    def of(self, *clients: tuple[float, Arrays]) -> Arrays:
        return type(self).aggregate(clients)

    @settings(deadline=None)
    @given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
    def test_order_of_clients_is_nothing(self, seed: int, order: list[int]) -> None:
        clients = [(weight, made(seed + place)) for place, weight in enumerate((0.1, 0.2, 0.3, 0.4))]
        close(self.of(*clients), self.of(*(clients[place] for place in order)))

    def test_one_client_is_given_back(self) -> None:
        close(self.of((1.0, made(1))), made(1))

    def test_the_weights_are_those_that_were_given(self) -> None:
        one, other = made(1), made(2)
        expected = {name: (0.25 * one[name] + 0.75 * other[name]).astype(np.float32) for name in one}
        close(self.of((0.25, one), (0.75, other)), expected)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("name", ["matrix", "scalar"])
    def test_a_number_that_is_not_finite_is_refused(self, bad: float, name: str) -> None:
        broken = made(2)
        broken[name][(0,) * broken[name].ndim] = bad
        with pytest.raises(TrainingError, match="not finite"):
            self.of((0.5, made(1)), (0.5, broken))

    @pytest.mark.parametrize("weights", [(0.5, 0.6), (0.5, 0.4), (1.0, 1.0), (0.0, 0.0)])
    def test_weights_that_do_not_sum_to_one_are_refused(self, weights: tuple[float, float]) -> None:
        with pytest.raises(TrainingError, match="sum to 1"):
            self.of((weights[0], made(1)), (weights[1], made(2)))

    def test_no_client_is_refused(self) -> None:
        with pytest.raises(TrainingError):
            self.of()

    def test_clients_of_other_shapes_or_names_are_refused(self) -> None:
        for change in ({"matrix": np.zeros((1, 3), np.float32)}, {"more": np.zeros(1, np.float32)}):
            with pytest.raises(TrainingError, match="shape"):
                self.of((0.5, made(1)), (0.5, made(2) | change))
        with pytest.raises(TrainingError, match="shape"):
            self.of((0.5, made(1)), (0.5, {"matrix": made(2)["matrix"]}))

    def test_arrays_without_dimensions_and_without_elements_stay_arrays(self) -> None:
        mean = self.of((0.5, made(1)), (0.5, made(2)))
        assert {name: (type(array), array.shape, array.dtype) for name, array in mean.items()} == {
            name: (np.ndarray, array.shape, np.dtype(np.float32)) for name, array in made(1).items()
        }

    @settings(deadline=None)
    @given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99), st.floats(0.1, 1.0), st.integers(10, 500))
    def test_the_stated_sensitivity_holds(self, seed: int, weight: float, rate: float, patients: int) -> None:
        """One patient moves a client's mean by at most C / (q N), and so the aggregate by at most w C / (q N)."""
        reach, client, direction = 1.0 / (rate * patients), made(seed), made(seed + 1)
        length = norm(direction)
        moved = {name: client[name] + np.float32(reach / length) * direction[name] for name in client}
        before = self.of((weight, client), (1 - weight, made(seed + 2)))
        after = self.of((weight, moved), (1 - weight, made(seed + 2)))
        change = norm({name: after[name] - before[name] for name in before})
        assert change <= weight * reach * 1.001 + 1e-5


def made(seed: int) -> Arrays:
    """A matrix, a number and an array of nothing."""
    random = np.random.default_rng(seed)
    return {
        "matrix": random.normal(size=(2, 3)).astype(np.float32),
        "scalar": np.array(random.normal(), np.float32),
        "empty": np.zeros((0, 3), np.float32),
    }


def norm(arrays: Mapping[str, NDArray[np.float32]]) -> float:
    """L2 norm over all arrays together."""
    return float(np.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in arrays.values())))


def close(one: Mapping[str, NDArray[np.float32]], other: Mapping[str, NDArray[np.float32]]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=1e-5, atol=1e-6)
