"""Numbers of the release path have the distribution that the accountants assume, and nobody can repeat them."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

from privacy.training.randomness import CHACHA20, UNSAFE, SecureRandom

MANY = 200_000


def distance(drawn: NDArray[np.float64], cdf: NDArray[np.float64]) -> float:
    """Kolmogorov and Smirnov's distance times the square root of the count; over 3 has a chance of 3e-8."""
    ranks = np.arange(len(drawn)) / len(drawn)
    return float(np.abs(cdf - ranks).max() * math.sqrt(len(drawn)))


def test_uniform_numbers_are_uniform_and_under_one() -> None:
    drawn = np.sort(SecureRandom().uniform(MANY))
    assert drawn[0] >= 0 and drawn[-1] < 1
    assert distance(drawn, drawn) < 3
    assert (drawn * 2**53 == np.rint(drawn * 2**53)).all()


def test_gaussian_numbers_are_standard_normal_and_independent() -> None:
    drawn = SecureRandom().gaussian(MANY)
    ordered = np.sort(drawn)
    assert distance(ordered, np.array([NormalDist().cdf(value) for value in ordered])) < 3
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 6 / math.sqrt(MANY)
    assert abs(np.corrcoef(drawn[: MANY // 2], drawn[MANY // 2 :])[0, 1]) < 6 / math.sqrt(MANY / 2)


def test_a_number_is_half_the_sum_of_four_draws_of_their_own() -> None:
    """By hand, from the very keystream."""
    random, same = SecureRandom.unsafe(1), SecureRandom.unsafe(1)
    u = same.uniform(12).reshape(6, 2)
    radius, angle = np.sqrt(-2 * np.log1p(-u[:3].ravel())), 2 * math.pi * u[3:].ravel()
    by_hand = np.array([*(radius * np.cos(angle)), *(radius * np.sin(angle))]).reshape(4, 3).sum(0) / 2
    assert random.gaussian(3) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_as_many_numbers_come_as_were_asked_for(count: int) -> None:
    random = SecureRandom()
    assert len(random.gaussian(count)) == len(random.uniform(count)) == count


def test_the_keystream_is_chacha20() -> None:
    key = hashlib.sha256(repr((5,)).encode()).digest()
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(80))
    words = np.frombuffer(stream, "<u8")
    assert (SecureRandom.unsafe(5).uniform(10) == [int(word) // 2**11 / 2**53 for word in words]).all()


def test_the_size_of_a_sample_is_binomial_and_patients_are_taken_on_their_own() -> None:
    """A shuffle into batches of fixed size has the same mean and no variance at all."""
    random, runs = SecureRandom(), 20_000
    taken = np.zeros((runs, 6))
    for row in taken:
        row[random.choose(6, 0.4)] = 1
    sizes = taken.sum(1)
    assert abs(sizes.mean() - 2.4) < 6 * math.sqrt(1.44 / runs)
    assert abs(sizes.var() - 1.44) < 6 * 1.44 * math.sqrt(2 / runs)
    assert np.abs(taken.mean(0) - 0.4).max() < 6 * math.sqrt(0.24 / runs)
    next_step = np.corrcoef(taken[:-1].T, taken[1:].T)[:6, 6:]
    assert max(np.abs(np.corrcoef(taken.T) - np.eye(6)).max(), np.abs(next_step).max()) < 6 / math.sqrt(runs)


def test_at_rate_one_everybody_is_taken() -> None:
    assert SecureRandom().choose(7, 1.0) == list(range(7))


def test_whole_numbers_are_all_as_likely() -> None:
    random = SecureRandom()
    counts = np.bincount([random.integers(7) for _ in range(14_000)], minlength=7)
    assert len(counts) == 7
    assert ((counts - 2000) ** 2 / 2000).sum() < 50  # chi-square with 6 degrees: a chance of 5e-9


def test_no_seed_of_any_library_repeats_it_and_it_says_its_source() -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        np.random.seed(5)
        drawn.append(SecureRandom().gaussian(100))
    assert (drawn[0] != drawn[1]).all()
    assert SecureRandom().source == CHACHA20


def test_a_seeded_one_repeats_and_says_that_it_is_unsafe() -> None:
    one, same, other = (SecureRandom.unsafe("north", number) for number in (1, 1, 2))
    assert one.source == UNSAFE
    drawn = one.gaussian(10)
    assert (drawn == same.gaussian(10)).all()
    assert (drawn != other.gaussian(10)).all()
