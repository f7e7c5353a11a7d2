"""Probabilities and sets, against simulations of which the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from clinical.diagnosis.calibration import (
    Scaling,
    calibration_error,
    conformal_threshold,
    coverage_interval,
    fit_scaling,
)

Drawn = tuple[np.ndarray, np.ndarray]


def drawn(random: np.random.Generator, notes: int, slope: float = 1.0, shift: float = 0.0, labels: int = 6) -> Drawn:
    """Log-odds, and labels that hold with the probability of those log-odds scaled; at least one in each note."""
    odds = random.normal(-1, 2, (notes, labels))
    truth = random.random(odds.shape) < expit(slope * odds + shift)
    truth[np.arange(notes), odds.argmax(1)] |= ~truth.any(1)
    return odds, truth


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.0), (2.5, 0.0), (1.5, 1.0), (0.8, -1.0)])
def test_the_scaling_that_made_the_labels_is_found(slope: float, shift: float) -> None:
    random = np.random.default_rng(1)
    odds = random.normal(0, 2, (4000, 5))
    found = fit_scaling(odds, random.random(odds.shape) < expit(slope * odds + shift))
    assert (found.slope, found.shift) == pytest.approx((slope, shift), abs=0.1)


def test_labels_that_are_told_apart_without_error_give_numbers_still() -> None:
    odds = np.array([[9.0, -9.0], [-9.0, 9.0]] * 20)
    found = fit_scaling(odds, odds > 0)
    assert 0 < found.slope < 20
    assert math.isfinite(found.shift)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 5))
def test_no_other_scaling_nearby_is_likelier(seed: int, notes: int, labels: int) -> None:
    odds, truth = drawn(np.random.default_rng(seed), notes, labels=labels)

    def loss(slope: float, shift: float) -> float:
        x = slope * odds + shift
        return float((np.logaddexp(0, x) - truth * x).sum()) + ((slope - 1) ** 2 + shift**2) / 2

    found = fit_scaling(odds, truth)
    best = loss(found.slope, found.shift)
    assert all(
        best <= loss(found.slope + a, found.shift + b) + 1e-6 for a in (-0.05, 0, 0.05) for b in (-0.05, 0, 0.05)
    )


def test_scaling_leaves_the_order_and_gives_probabilities() -> None:
    given_, made = np.array([-800.0, -1.0, 0.0, 2.0, 800.0]), Scaling(1.5, 0.3).probability
    assert (np.diff(made(given_)) >= 0).all()
    assert made(given_).min() >= 0 and made(given_).max() <= 1


def test_the_threshold_by_hand() -> None:
    """Nine notes, scores 1 to 9: at 0.9 the ninth highest of nine, at 0.8 the eighth; 0.95 asks for a tenth."""
    odds = np.stack([np.arange(1.0, 10.0), np.full(9, 50.0)], 1)
    truth = np.tile([True, False], (9, 1))
    assert conformal_threshold(odds, truth, 0.9) == 1.0
    assert conformal_threshold(odds, truth, 0.8) == 2.0
    assert conformal_threshold(odds, truth, 0.95) == -math.inf


def test_the_least_likely_of_a_notes_labels_decides() -> None:
    odds, truth = np.tile([5.0, -3.0, 9.0], (9, 1)), np.tile([True, True, False], (9, 1))
    assert conformal_threshold(odds, truth, 0.9) == -3.0


@pytest.mark.parametrize(("notes", "level"), [(9, 0.9), (19, 0.9), (39, 0.9), (19, 0.8), (30, 0.75), (99, 0.95)])
def test_sets_cover_as_often_as_promised_and_hardly_more(notes: int, level: float) -> None:
    """Over many hospitals coverage is ceil((n + 1) level) / (n + 1); off by one it would be off by 1 / (n + 1)."""
    random, tries = np.random.default_rng(7), 4000
    expected = math.ceil(round((notes + 1) * level, 9)) / (notes + 1)
    covered = np.empty(tries)
    for number in range(tries):
        odds, truth = drawn(random, notes + 20)
        threshold = conformal_threshold(odds[:notes], truth[:notes], level)
        covered[number] = ((odds[notes:] >= threshold) | ~truth[notes:]).all(1).mean()
    assert covered.mean() == pytest.approx(expected, abs=4 * covered.std() / math.sqrt(tries))
    assert 4 * covered.std() / math.sqrt(tries) < 1 / (notes + 1)
    low, high = coverage_interval(notes, level)
    assert low < expected < high


def test_the_interval_of_coverage_is_that_of_the_paper() -> None:
    """Angelopoulos and Bates 2021, section 3.2: with 1,000 patients at 0.9 coverage lies between 0.88 and 0.92."""
    low, high = coverage_interval(1000, 0.9)
    assert (round(low, 2), round(high, 2)) == (0.88, 0.92)
    assert coverage_interval(9, 0.99) == (1.0, 1.0)


def test_the_error_by_hand() -> None:
    sure = np.array([0.95, 0.95, 0.15, 0.15])
    assert calibration_error(sure, np.array([True, True, False, False])) == pytest.approx(0.1)
    assert calibration_error(sure, np.array([True, False, True, False])) == pytest.approx(0.4)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0.0
