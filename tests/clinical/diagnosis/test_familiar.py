"""Notes that lie where the validated ones lie are let through, others are not."""

from __future__ import annotations

import numpy as np
import pytest

from clinical.diagnosis.familiar import fit_familiar, folds, shape_of


def cloud(seed: int, rows: int, width: int = 60) -> np.ndarray:
    """Rows that vary in some directions much more than in others."""
    return np.random.default_rng(seed).normal(size=(rows, width)) * np.geomspace(3, 0.05, width)


@pytest.mark.parametrize("rows", [40, 120])
def test_as_many_as_the_policy_says_are_let_through(rows: int) -> None:
    let = [
        np.mean([fit.holds(row[None]) for row in cloud(seed + 1000, 100)])
        for seed in range(15)
        for fit in (fit_familiar(cloud(seed, rows), 0.9),)
    ]
    assert 0.88 <= np.mean(let) <= 0.97  # the line is drawn with fewer rows than are used later: rather more


def test_what_differs_in_a_direction_that_never_varied_is_far_away() -> None:
    fit = fit_familiar(cloud(0, 120), 0.99)
    inside, strange = np.zeros((1, 60)), np.zeros((1, 60))
    inside[0, 0] = strange[0, -1] = 6.0  # as far off, but the last direction varies sixty times less
    assert fit.holds(inside)
    assert not fit.holds(strange)


def test_with_few_patients_the_furthest_of_them_is_the_line() -> None:
    rows = cloud(3, 30)
    own = [shape_of(rows[~fold]).distance(rows[fold]).max() for fold in folds(30)]
    assert fit_familiar(rows, 0.99).furthest == pytest.approx(max(own))


def test_the_shrunk_covariance_is_the_published_one() -> None:
    """Ledoit and Wolf 2004, against the rows written out: b2 is the mean squared distance of x x' from S, over n."""
    rows = cloud(5, 25, 8)
    off = rows - rows.mean(0)
    s = off.T @ off / 25
    m = np.trace(s) / 8
    d2 = ((s - m * np.eye(8)) ** 2).sum()
    b2 = min(sum(((np.outer(x, x) - s) ** 2).sum() for x in off) / 25**2, d2)
    expected = b2 / d2 * m * np.eye(8) + (1 - b2 / d2) * s
    np.testing.assert_allclose(np.linalg.inv(shape_of(rows).precision), expected, rtol=1e-6, atol=1e-9)


def test_rows_that_are_all_alike_give_numbers_still() -> None:
    fit = fit_familiar(np.ones((30, 4)), 0.99)
    assert fit.holds(np.ones((1, 4)))


def test_every_row_is_in_one_fold() -> None:
    assert (np.sum(folds(33), axis=0) == 1).all()
