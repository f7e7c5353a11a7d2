"""A release keeps its digits, and epsilon is never shown smaller than it is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.files import canonical_json
from policies.releases import PoissonSampledGaussian, epsilon_text

RATES = st.decimals("0.0001", 1, places=4).map(str)
SIGMAS = st.decimals("0.01", 1000, places=3).map(str)


@given(SIGMAS, RATES, st.integers(1, 10**6))
def test_round_trip_through_details(sigma: str, rate: str, steps: int) -> None:
    release = PoissonSampledGaussian(sigma, rate, steps)
    assert PoissonSampledGaussian.from_details(release.as_details()) == release
    assert b"." in canonical_json(release.as_details())  # the very digits, as text


@pytest.mark.parametrize(
    ("sigma", "rate", "steps"),
    [
        ("0", "0.5", 1),
        ("-1", "0.5", 1),
        ("NaN", "0.5", 1),
        ("Infinity", "0.5", 1),
        ("one", "0.5", 1),
        (None, "0.5", 1),
        ("1", "0", 1),
        ("1", "1.0001", 1),
        ("1", "NaN", 1),
        ("1", "0.5", 0),
        ("1", "0.5", 1.5),
        ("1", "0.5", "3"),
        ("1", "0.5", True),
    ],
)
def test_what_is_no_release_is_refused(sigma: Any, rate: Any, steps: Any) -> None:
    with pytest.raises(IntegrityError):
        PoissonSampledGaussian(sigma, rate, steps)


@pytest.mark.parametrize("change", [{"kind": "laplace"}, {"kind": None}, {"sigma": None}])
def test_an_unknown_kind_or_a_missing_part_is_refused(change: dict[str, Any]) -> None:
    details = PoissonSampledGaussian("1.0", "0.5", 3).as_details() | change
    with pytest.raises(IntegrityError):
        PoissonSampledGaussian.from_details({key: value for key, value in details.items() if value is not None})


def test_the_largest_rate_is_one() -> None:
    assert PoissonSampledGaussian("1", "1", 1).rate == "1"


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
