"""A release keeps its digits, and epsilon is never shown smaller than it is."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.files import canonical_json
from policies.releases import GaussianRelease, PoissonSampled, epsilon_text, from_details

RATES = st.decimals("0.0001", 1, places=4).map(str)
SIGMAS = st.decimals("0.01", 1000, places=3).map(str)
SAMPLED = PoissonSampled("0.5", GaussianRelease("1.0"))


@given(SIGMAS, RATES, st.integers(1, 10**6))
def test_round_trip_through_details(sigma: str, rate: str, times: int) -> None:
    alone = GaussianRelease(sigma, times)
    for release in (alone, PoissonSampled(rate, alone)):
        assert from_details(release.as_details()) == release
        assert from_details(json.loads(canonical_json(release.as_details()))) == release
        assert f'"{sigma}"'.encode() in canonical_json(release.as_details())  # the very digits, as text


@pytest.mark.parametrize("sigma", ["0", "-1", "NaN", "Infinity", "one", None, 1.0])
def test_noise_that_is_none_is_refused(sigma: Any) -> None:
    with pytest.raises(IntegrityError):
        GaussianRelease(sigma)


@pytest.mark.parametrize("times", [0, -1, 1.5, "3", True])
def test_a_number_of_times_that_is_none_is_refused(times: Any) -> None:
    with pytest.raises(IntegrityError):
        GaussianRelease("1.0", times)


@pytest.mark.parametrize("rate", ["0", "1.0001", "NaN", "-0.5", None, 0.5])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(IntegrityError):
        PoissonSampled(rate, GaussianRelease("1.0"))


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"kind": "laplace"},
        {"kind": None},
        {"kind": "gaussian", "sigma": "1.0"},
        {"kind": "poisson-sampled", "rate": "0.5"},
        {"kind": "poisson-sampled", "rate": "0.5", "release": "gaussian"},
        {"kind": "poisson-sampled", "rate": "0.5", "release": SAMPLED.as_details()},
    ],
)
def test_an_unknown_kind_or_a_missing_part_is_refused(details: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        from_details(details)


def test_the_largest_rate_is_one() -> None:
    assert PoissonSampled("1", GaussianRelease("1")).rate == "1"


@given(st.floats(0, allow_nan=False, allow_infinity=False))
@example(1e-300)
@example(7.9990000000000006)
@example(1e300)
def test_epsilon_text_never_rounds_down_and_is_at_most_a_thousandth_over(epsilon: float) -> None:
    assert 0 <= Fraction(epsilon_text(epsilon)) - Fraction(repr(epsilon)) < Fraction(1, 1000)


def test_epsilon_text_of_special_values() -> None:
    assert epsilon_text(0) == "0.000"
    assert epsilon_text(float("inf")) == "infinite"
    assert epsilon_text(np.float64(1.2345)) == "1.235"
