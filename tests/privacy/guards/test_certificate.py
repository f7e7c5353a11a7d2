"""Bounds against an independent truth: the tails of the distributions themselves, and simulated samples."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from privacy.guards.certificate import (
    CONFIDENCE,
    Bound,
    Sample,
    Stratum,
    agreement,
    allocate,
    bound_of,
    bounds,
    united,
    upper_rate,
    upper_share,
)

SIMPLE = Sample((Stratum("all", 1000, 100),))


@given(st.integers(1, 300), st.data())
def test_at_the_bound_so_few_would_be_found_in_one_of_twenty_samples(drawn, data):
    found = data.draw(st.integers(0, drawn - 1))
    assert binom.cdf(found, drawn, upper_share(found, drawn)) == pytest.approx(1 - CONFIDENCE, rel=1e-6)
    assert poisson.cdf(found, drawn * upper_rate(found, drawn)) == pytest.approx(1 - CONFIDENCE, rel=1e-6)


def test_known_figures():
    assert upper_share(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))  # the "rule of three"
    assert upper_share(5, 5) == 1.0
    assert bound_of(SIMPLE, [0] * 100) == Bound(0, 0, "29.6", "30.0")
    assert bound_of(SIMPLE, [3, 1] + [0] * 98) == Bound(4, 2, "61.7", "91.6")


def test_a_stratum_drawn_thinly_raises_the_bound():
    thin = Sample((Stratum("long", 500, 25), Stratum("short", 500, 75)))
    assert SIMPLE.thinnest == 1 and thin.thinnest == 2
    assert float(bound_of(thin, [0] * 100).notes_per_1000) == pytest.approx(2 * 29.51, abs=0.1)


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 5000), min_size=1, max_size=20), st.integers(40, 400))
def test_the_allocation_is_proportional_or_more(sizes, notes):
    drawn = allocate(sizes, notes)
    assert sum(drawn.values()) <= notes
    assert all(min(2, sizes[name]) <= count <= sizes[name] for name, count in drawn.items())
    sample = Sample(tuple(Stratum(name, sizes[name], drawn[name]) for name in sizes))
    assert sample.thinnest >= 1 - 1e-9
    if sum(sizes.values()) <= notes:
        assert drawn == sizes


def test_too_few_notes_are_refused():
    with pytest.raises(ValueError, match="too few"):
        allocate(dict.fromkeys("abc", 10), 5)


@pytest.mark.parametrize("shares", [(0.0, 0.3), (0.02, 0.02), (0.1, 0.0)])
def test_the_bound_holds_in_nineteen_of_twenty_stratified_samples(shares):
    chance, sizes = random.Random(7), {"few": 9000, "many": 1000}
    drawn = allocate(sizes, 100)
    sample = Sample(tuple(Stratum(name, size, drawn[name]) for name, size in sizes.items()))
    truth = 1000 * sum(share * size for share, size in zip(shares, sizes.values(), strict=True)) / 10_000
    draws = [[chance.random() < share for share, name in zip(shares, sizes, strict=True) for _ in range(drawn[name])]
             for _ in range(1000)]  # fmt: skip
    held = sum(float(bound_of(sample, list(map(int, draw))).notes_per_1000) >= truth for draw in draws)
    assert held >= 940


def test_marks_of_two_reviewers_are_united():
    first, second = [(0, 4, "NAME"), (10, 14, "DATE")], [(2, 8, "ID"), (14, 20, "DATE")]
    assert united([first, second]) == [{"NAME", "ID"}, {"DATE"}, {"DATE"}]
    assert united([[], []]) == []
    total, each = bounds(SIMPLE, [united([first, second])] + [[]] * 99, ("NAME", "DATE", "PHONE"))
    assert (total.leaks, total.notes) == (3, 1)
    assert [(each[name].leaks, each[name].notes) for name in ("NAME", "DATE", "PHONE")] == [(1, 1), (2, 1), (0, 0)]


def test_agreement_beyond_chance():
    assert agreement([True, False], [True, False]) == (1.0, 1.0)
    assert agreement([False] * 3, [False] * 3) == (1.0, None)
    # Cohen's own kind of table: 20 both, 15 neither, 5 and 10 one of them.
    first, second = [True] * 25 + [False] * 25, [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert agreement(first, second) == (pytest.approx(0.7), pytest.approx(0.4))
