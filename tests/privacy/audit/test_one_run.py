"""The bound from one run, held against the paper's own numbers and against mechanisms whose epsilon is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from privacy.audit.one_run import audit, lower_bound, p_value

EPSILON = 1.5
TRUTHFUL = 1 / (1 + math.exp(-EPSILON))


@pytest.mark.parametrize(
    ("canaries", "guesses", "right", "delta", "printed"),
    [(1000, 100, 75, 1e-4, 0.673), (100_000, 1510, 1439, 1e-5, 2.675)],  # appendix D; section 7, figure 11
)
def test_the_numbers_that_the_paper_prints(
    canaries: int, guesses: int, right: int, delta: float, printed: float
) -> None:
    """Without the delta term the first would be 0.70, with the guesses in place of the canaries 0.70 too."""
    assert lower_bound(canaries, guesses, right, delta) == pytest.approx(printed, abs=1e-3)


def test_randomized_response_is_never_refuted_more_often_than_said_and_nearly_found() -> None:
    """Warner's randomized response tells each canary's coin with this epsilon exactly."""
    random = np.random.default_rng(0)
    right = random.binomial(2000, TRUTHFUL, 400)
    bounds = np.array([lower_bound(2000, 2000, int(count), 0.0) for count in right])
    assert (bounds <= EPSILON).mean() >= 0.93  # 0.95 but for 400 runs
    assert (bounds <= EPSILON).mean() <= 0.98  # and no more cautious than that
    assert bounds.mean() > 0.9 * EPSILON


def test_taking_the_best_of_several_shares_of_guesses_is_paid_for() -> None:
    """Every coin is told as randomized response would, so each share of guesses is a try of its own."""
    random, bounds = np.random.default_rng(1), []
    for _ in range(500):
        inside = random.random(2000) < 0.5
        told = np.where(random.random(2000) < TRUTHFUL, inside, ~inside)
        scores = np.where(told, 1.0, -1.0) + random.normal(0, 1e-6, 2000)
        bounds.append(audit(scores, inside, 0.0).lower)
    assert np.mean(np.array(bounds) > EPSILON) <= 0.06  # 0.05 but for 500 runs
    assert np.mean(bounds) > 0.8 * EPSILON


@pytest.mark.parametrize("right", [14, 17, 19, 20])
def test_a_mechanism_that_tells_all_with_probability_delta_is_allowed_for(right: int) -> None:
    """Each coin is laid bare with probability delta; the chance of so many right ones is exact."""
    delta = 0.02
    exact = float(binom.sf(right - 1, 20, delta + (1 - delta) * TRUTHFUL))
    assert binom.sf(right - 1, 20, TRUTHFUL) < exact <= p_value(20, 20, right, EPSILON, delta)


def test_guessing_blindly_shows_nothing_and_knowing_all_shows_the_ceiling() -> None:
    random = np.random.default_rng(2)
    inside = random.random(500) < 0.5
    blind = audit(random.normal(size=500), inside, 1e-5)
    assert blind.lower < 0.2
    knowing = audit(np.where(inside, 1.0, -1.0) + random.normal(0, 0.01, 500), inside, 1e-5)
    assert knowing.guesses == knowing.right
    assert 3 < knowing.lower <= knowing.ceiling == blind.ceiling
    assert audit(np.where(inside, -1.0, 1.0), inside, 1e-5).lower == 0.0  # always wrong is not always right


@given(st.integers(2, 300), st.data())
def test_more_right_guesses_never_show_less_and_a_larger_delta_never_more(guesses: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, guesses - 1))
    canaries = guesses + data.draw(st.integers(0, 300))
    assert lower_bound(canaries, guesses, right, 1e-5) <= lower_bound(canaries, guesses, right + 1, 1e-5)
    assert lower_bound(canaries, guesses, right, 1e-3) <= lower_bound(canaries, guesses, right, 1e-5)
    assert 0 <= p_value(canaries, guesses, right, 1.0, 1e-5) <= 1
