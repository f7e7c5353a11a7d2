"""Integers give back numbers to half a step, twenty sites never overflow, and what is over the bound stays at home."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.secagg.quantise import MOST_SITES, Quantiser
from policies.errors import TrainingError

numbers = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8)


@given(numbers, st.sampled_from([1e-6, 0.5, 3.0, 1e9]), st.floats(0.01, 1))
def test_a_number_is_off_by_half_a_step_at_most(values: list[float], bound: float, weight: float) -> None:
    quantiser = Quantiser(len(values), bound)
    update = np.array(values) * bound / np.sqrt(len(values))
    total = quantiser.total(quantiser.quantise(update, weight), (0,))
    assert np.abs(total.update - weight * update).max() <= quantiser.error(1) * (1 + 1e-6)
    assert total.weight == pytest.approx(weight, abs=5e-9)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_sum_of_the_largest_updates_of_all_sites_does_not_overflow(sign: int) -> None:
    quantiser = Quantiser(1, 2.5)
    one = quantiser.quantise(np.array([sign * 2.5]), 1.0)
    words = np.zeros(2, np.uint32)
    for _ in range(MOST_SITES):
        words += one
    total = quantiser.total(words, tuple(range(MOST_SITES)))
    assert total.update[0] == pytest.approx(sign * 2.5 * MOST_SITES, rel=1e-9)
    assert total.weight == pytest.approx(MOST_SITES, rel=1e-9)


def test_the_error_is_the_one_that_the_documents_state() -> None:
    assert Quantiser(5, 3.0).error(10) == pytest.approx(4.7e-9 * 10 * 3.0, rel=0.01)


@pytest.mark.parametrize("update", [[3.0, 4.1], [np.nan, 0.0], [np.inf, 0.0], [-np.inf, np.inf]])
def test_an_update_over_the_norm_bound_or_not_finite_is_not_sent(update: list[float]) -> None:
    with pytest.raises(TrainingError, match="norm bound of 5 or not finite, so it was not sent"):
        Quantiser(2, 5.0).quantise(np.array(update), 1.0)


def test_an_update_at_the_norm_bound_is_sent() -> None:
    Quantiser(2, 5.0).quantise(np.array([3.0, 4.0], np.float32), 1.0)


@pytest.mark.parametrize("weight", [0.0, -0.5, 1.01, np.nan])
def test_a_weight_outside_its_range_is_refused(weight: float) -> None:
    with pytest.raises(TrainingError, match="over 0 and at most 1"):
        Quantiser(1, 5.0).quantise(np.zeros(1), weight)


def test_an_update_of_another_length_is_refused_and_not_stretched() -> None:
    with pytest.raises(TrainingError, match="shape"):
        Quantiser(2, 5.0).quantise(np.zeros(1), 1.0)


@pytest.mark.parametrize(("length", "bound"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, np.nan), (1, np.inf)])
def test_a_quantiser_that_can_hold_nothing_is_refused(length: int, bound: float) -> None:
    with pytest.raises(TrainingError, match="cannot be summed securely"):
        Quantiser(length, bound)
