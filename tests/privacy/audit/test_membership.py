"""The membership test, held against counting pairs and against people drawn from known curves."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from policies.errors import InputError
from privacy.audit.membership import exact_interval, membership


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(0)
    members, others = random.integers(0, 30, 50).astype(float), random.integers(0, 25, 1000).astype(float)
    pairs = (members[:, None] > others).mean() + (members[:, None] == others).mean() / 2
    assert membership(members, others).auc == pytest.approx(pairs)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random, shift = np.random.default_rng(1), 0.5
    truth = NormalDist().cdf(shift / math.sqrt(2))
    found = [membership(random.normal(shift, 1, 60), random.normal(0, 1, 1000)) for _ in range(400)]
    assert 0.92 <= np.mean([low <= truth <= high for low, high in (one.interval for one in found)]) <= 0.98
    assert np.mean([one.auc for one in found]) == pytest.approx(truth, abs=0.01)


def test_one_in_a_hundred_of_the_others_may_be_called_a_member_and_no_more() -> None:
    others = np.arange(1000.0)
    assert membership(np.array([989.0, 988.0, 0.0, 5.0]), others).found == 0.0
    found = membership(np.array([989.5, 998.0, 0.0, 5.0]), others)
    assert found.found == 0.5
    assert (others > 989.0).sum() == 10
    assert found.found_interval == pytest.approx((0.0676, 0.9324), abs=1e-4)


def test_members_who_score_lower_are_not_found() -> None:
    assert membership(np.zeros(5), np.ones(1000)).interval == (0.0, 0.0)
    assert membership(np.ones(5), np.zeros(1000)).auc == 1.0


@pytest.mark.parametrize(("hits", "trials", "expected"), [(0, 10, (0.0, 0.3085)), (10, 10, (0.6915, 1.0))])
def test_the_exact_interval_of_a_share(hits: int, trials: int, expected: tuple[float, float]) -> None:
    assert exact_interval(hits, trials) == pytest.approx(expected, abs=1e-4)


def test_few_others_are_too_few() -> None:
    with pytest.raises(InputError, match="1000 others, not 999"):
        membership(np.zeros(5), np.zeros(999))
