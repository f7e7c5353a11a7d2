"""Numbers with commas and spaces are read right or not at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.extraction.units import NUMBER, named, plain_number


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("1,000", "1000"),
        ("12,500.5", "12500.5"),
        ("2,5", "2.5"),
        ("0,125", "0.125"),
        ("5 - 10", "5-10"),
        ("<0,5", "<0.5"),
    ],
)
def test_a_number_without_commas(written: str, plain: str) -> None:
    assert plain_number(written) == plain


@given(st.integers(0, 10**9))
def test_thousands_are_what_they_were(number: int) -> None:
    assert re.fullmatch(NUMBER, f"{number:,}") and plain_number(f"{number:,}") == str(number)


def test_a_micro_sign_and_a_greek_letter_are_the_same() -> None:
    assert named("\u03bcmol/l", "value") == named("\u00b5mol/L", "value")
