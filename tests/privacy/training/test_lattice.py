"""Noise has the scale that was accounted for, and no low bit says what is under it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from privacy.training.lattice import noisy_sum
from privacy.training.randomness import SecureRandom

CLIP = 1.0
STEP = CLIP * 2.0**-30
Mechanism = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def ours(total: NDArray[np.float64]) -> NDArray[np.float64]:
    return noisy_sum(total, clip=CLIP, sigma=1.0, random=SecureRandom())


def naive(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Box and Muller's noise added in double precision."""
    radius, angle = np.split(SecureRandom().uniform(2 * total.size), 2)
    return total + np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * math.pi * angle)


def whole(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    return numbers == np.rint(numbers)


@pytest.mark.parametrize(("sigma", "clip"), [(0.5, 1.0), (2.0, 0.3), (40.0, 1e-3)])
def test_the_noise_is_normal_with_sigma_times_clip_as_its_standard_deviation(sigma: float, clip: float) -> None:
    """Kolmogorov and Smirnov's distance of 100,000 numbers; over 3 has a chance of 3e-8."""
    total = np.linspace(-3, 3, 100_000) * clip
    noise = np.sort((noisy_sum(total, clip=clip, sigma=sigma, random=SecureRandom()) - total) / (sigma * clip))
    gap = np.abs([NormalDist().cdf(value) for value in noise] - np.arange(noise.size) / noise.size).max()
    assert gap * math.sqrt(noise.size) < 3


def test_the_scale_covers_what_rounding_adds_to_the_sensitivity() -> None:
    class Ones(SecureRandom):
        def gaussian(self, count: int) -> NDArray[np.float64]:
            return np.ones(count)

    released = noisy_sum(np.zeros(10**6), clip=CLIP, sigma=2.0, random=Ones())
    assert (released == np.rint(2.0 * (CLIP + 2 * STEP * 1000) / STEP) * STEP).all()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.sampled_from([1e-3, 0.3, 1.0]))
def test_a_row_more_or_less_moves_the_rounded_sum_by_no_more_than_is_covered(seed: int, size: int, clip: float) -> None:
    random = np.random.default_rng(seed)
    total, row = random.normal(size=size), random.normal(size=size)
    neighbour = total + row * clip / np.linalg.norm(row)
    one, other = (noisy_sum(part, clip=clip, sigma=0.0, random=SecureRandom()) for part in (total, neighbour))
    assert np.linalg.norm(one - other) <= clip * (1 + 2.0**-29 * math.sqrt(size))
    assert np.abs(one - total).max() <= clip * 2.0**-31 * 1.01


def test_only_multiples_of_one_step_come_out_whatever_the_sum() -> None:
    for total in (0.0, 1 / 3, 1e-12, 57.1):
        released = ours(np.full(10_000, total)) / STEP
        assert whole(released).all()
        counts = np.bincount(np.rint(released).astype(np.int64) % 64, minlength=64)
        assert ((counts - 10_000 / 64) ** 2 / (10_000 / 64)).sum() < 170  # chi-square with 63 degrees: 1e-11


def attack(mechanism: Mechanism) -> float:
    """How often the attacker is right about which of two neighbouring sums, 0 or 1, a number near 0 came from.

    0 plus noise may be any double; 1 plus noise is rounded to a multiple of 2^-53, and finer bits near 0 cannot come
    from it (Mironov 2012; Jin, McMurtry, Rubinstein and Ohrimenko 2022).
    """
    right = []
    for truth in (0.0, 1.0):
        released = mechanism(np.full(200_000, truth))
        near = released[np.abs(released) < 2.0**-4][:5000]
        assert len(near) == 5000
        right.append(np.mean(whole(near * 2.0**53) == (truth == 1.0)))
    return float(np.mean(right))


def test_low_bits_betray_noise_that_was_added_to_a_double_and_not_ours() -> None:
    assert attack(naive) > 0.9
    assert attack(ours) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_sum_or_no_size_is_refused(bad: float) -> None:
    good = {"clip": 1.0, "sigma": 1.0, "random": SecureRandom()}
    with pytest.raises(ValueError, match="finite sum"):
        noisy_sum(np.array([0.0, bad]), **good)
    for change in ({"clip": bad}, {"clip": 0.0}, {"sigma": bad}, {"sigma": -1.0}):
        with pytest.raises(ValueError, match="a clip over 0"):
            noisy_sum(np.zeros(2), **(good | change))


def test_a_sum_beyond_every_double_integer_is_held_at_the_edge() -> None:
    released = noisy_sum(np.array([1e200, -1e200]), clip=1.0, sigma=1.0, random=SecureRandom())
    assert np.abs(released) == pytest.approx([2.0**22] * 2, rel=1e-4)
