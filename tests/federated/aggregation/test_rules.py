"""The rules: what holds of each in any order, what a bad site can and cannot do, and where they are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from flwr.server.strategy.aggregate import aggregate_krum, aggregate_median, aggregate_trimmed_avg
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.aggregation import Aggregate, Rule, Update, rule_named, weighted_mean
from federated.aggregation.weights import flat, norm
from policies.errors import TrainingError
from policies.policy import Aggregation
from tests.contracts import Arrays, close, made

SITES = 7
BORNE = {Aggregation.TRIMMED_MEAN: 2, Aggregation.MEDIAN: 2, Aggregation.MULTI_KRUM: 2}
EVERY = pytest.mark.parametrize("name", list(Aggregation))
ROBUST = pytest.mark.parametrize("name", list(BORNE))
COORDINATES = pytest.mark.parametrize("name", [Aggregation.TRIMMED_MEAN, Aggregation.MEDIAN])
SEEDS = st.integers(0, 2**31)


def rule(name: Aggregation, bad: int | None = None) -> Rule:
    return rule_named(name, BORNE.get(name, 0) if bad is None else bad)


def updates(gradients: Sequence[Arrays], bound: float = math.inf) -> list[Update]:
    weights = np.arange(1, len(gradients) + 1) / sum(range(1, len(gradients) + 1))
    return [
        Update(f"site {place}", float(weight), gradient, bound)
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True))
    ]


def gradients(seed: int, sites: int = SITES) -> list[Arrays]:
    return [made(seed + place) for place in range(sites)]


def combined(name: Aggregation, given_: Sequence[Arrays], bad: int | None = None) -> Aggregate:
    return rule(name, bad).combine(updates(given_))


@EVERY
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, order=st.permutations(range(SITES)))
def test_the_order_of_sites_changes_nothing(name: Aggregation, seed: int, order: list[int]) -> None:
    sent = updates(gradients(seed), bound=3.0)
    one, other = rule(name).combine(sent), rule(name).combine([sent[place] for place in order])
    close(one.gradient, other.gradient)
    assert (one.shortened, one.left_out) == (other.shortened, other.left_out)


@EVERY
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_updates_that_are_all_the_same_are_given_back_in_their_own_shapes(name: Aggregation, seed: int) -> None:
    found = combined(name, [made(seed)] * SITES).gradient
    close(found, made(seed))
    assert all(
        isinstance(array, np.ndarray) and array.dtype == np.float32 and array.shape == made(seed)[part].shape
        for part, array in found.items()
    )


@pytest.mark.parametrize("name", [Aggregation.MEAN, Aggregation.SECURE])
def test_the_mean_is_exactly_the_weighted_one(name: Aggregation) -> None:
    sent = updates(gradients(3))
    exact = weighted_mean([(update.weight, update.gradient) for update in sent])
    found = rule(name).combine(sent).gradient
    assert all(np.array_equal(found[part], exact[part]) for part in exact)


def test_the_robust_rules_are_flowers() -> None:
    """Flower's older API computes the same by code of its own."""
    for sites in range(SITES, SITES + 2):
        given_ = gradients(5, sites)
        lists = [(list(own.values()), 1) for own in given_]
        for name, theirs in (
            (Aggregation.MEDIAN, aggregate_median(lists)),
            (Aggregation.TRIMMED_MEAN, aggregate_trimmed_avg(lists, 2.1 / sites)),
            (Aggregation.MULTI_KRUM, aggregate_krum(lists, 2, sites - 4)),
        ):
            for mine, their in zip(combined(name, given_).gradient.values(), theirs, strict=True):
                np.testing.assert_allclose(mine, their, rtol=1e-5, atol=1e-6)


@COORDINATES
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, bad=st.floats(-(2.0**100), 2.0**100, width=32), sites=st.integers(5, 9))
def test_bad_sites_cannot_move_a_number_outside_the_range_of_the_good_ones(
    name: Aggregation, seed: int, bad: float, sites: int
) -> None:
    good = gradients(seed, sites - 2)
    thrown = {part: np.full_like(array, bad) for part, array in made(0).items()}
    found = flat(combined(name, [*good, thrown, thrown]).gradient)
    stacked = np.stack([flat(own) for own in good])
    assert (found >= stacked.min(0) - 1e-6).all()
    assert (found <= stacked.max(0) + 1e-6).all()


def test_one_bad_site_of_three_cannot_move_the_median_outside_the_two_good_ones() -> None:
    good = gradients(8, 2)
    found = flat(combined(Aggregation.MEDIAN, [*good, {k: a * 1e6 for k, a in made(1).items()}], bad=1).gradient)
    low, high = np.sort(np.stack([flat(own) for own in good]), axis=0)
    assert ((low <= found) & (found <= high)).all()


@pytest.mark.parametrize("sites", [5, 49, 50])
def test_the_trimmed_mean_cuts_as_many_as_it_says(sites: int) -> None:
    """A share of 1 / 49 of 49 is 0.9999999999999999, and Flower rounds down."""
    spread = [{"w": np.array([float(place)], np.float32)} for place in range(sites - 1)]
    found = combined(Aggregation.TRIMMED_MEAN, [*spread, {"w": np.array([1e9], np.float32)}], bad=1)
    assert float(found.gradient["w"][0]) == pytest.approx((sites - 1) / 2)


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, far=st.floats(50, 1e4))
def test_multi_krum_takes_none_that_lies_far_away_and_says_whom(seed: int, far: float) -> None:
    good = gradients(seed, 4)
    found = combined(Aggregation.MULTI_KRUM, [*good, {k: a + np.float32(far) for k, a in made(seed).items()}], bad=1)
    assert len(found.left_out) == 3
    assert "site 4" in found.left_out
    kept = [own for place, own in enumerate(good) if f"site {place}" not in found.left_out]
    close(found.gradient, weighted_mean([(0.5, own) for own in kept]))


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_voids_the_round(name: Aggregation, bad: float) -> None:
    broken = made(2)
    broken["scalar"] = np.array(bad, np.float32)
    with pytest.raises(TrainingError, match="not finite"):
        combined(name, [*gradients(1, SITES - 1), broken])


@EVERY
def test_updates_of_other_shapes_are_refused(name: Aggregation) -> None:
    with pytest.raises(TrainingError, match="shape"):
        combined(name, [*gradients(1, SITES - 1), made(2) | {"matrix": np.zeros((1, 3), np.float32)}])


@EVERY
def test_an_update_over_its_norm_bound_is_shortened_to_it_and_named(name: Aggregation) -> None:
    one = {"w": np.array([3.0, 4.0], np.float32)}
    sent = [Update(str(place), 1 / SITES, one, 5.0) for place in range(SITES - 1)]
    far = {"w": np.array([3e20, 4e20], np.float32)}
    found = rule(name).combine([*sent, Update("far", 1 / SITES, far, 5.0)])
    if name is Aggregation.SECURE:  # the server sees no update, so it can hold none to a bound
        assert (found.shortened, norm(found.gradient) > 1e19) == ((), True)
        return
    close(found.gradient, one)
    assert found.shortened == ("far",)


@EVERY
@settings(deadline=None, max_examples=50)
@given(
    seed=SEEDS,
    place=st.integers(0, SITES),
    reach=st.floats(0.001, 5),
    sites=st.integers(SITES, SITES + 1),
    bound=st.floats(0.5, 5),
)
def test_the_stated_sensitivity_holds(
    name: Aggregation, seed: int, place: int, reach: float, sites: int, bound: float
) -> None:
    """One site's update moves by at most the reach of one patient, in any direction."""
    given_, place = gradients(seed, sites), place % sites
    length = norm(made(seed + 99))
    moved = {part: given_[place][part] + np.float32(reach / length) * step for part, step in made(seed + 99).items()}
    before = updates(given_, bound)
    after = updates([*given_[:place], moved, *given_[place + 1 :]], bound)
    change = flat(rule(name).combine(after).gradient) - flat(rule(name).combine(before).gradient)
    stated = rule(name).sensitivity(sites, before[place].weight, reach, bound)
    assert np.linalg.norm(change) <= stated * 1.001 + 1e-5


def test_sensitivities_are_those_of_the_weights_or_of_the_places_that_are_averaged() -> None:
    told = {name: rule(name, BORNE.get(name) and 1).sensitivity(5, 0.4, 0.01, 2.0) for name in Aggregation}
    assert told == pytest.approx(
        {
            Aggregation.MEAN: 0.004,
            Aggregation.SECURE: 0.004,
            Aggregation.TRIMMED_MEAN: 0.01 / 3,
            Aggregation.MEDIAN: 0.01,
            Aggregation.MULTI_KRUM: (2 * 2.0 * 2 + 0.01) / 2,
        }
    )
    assert rule(Aggregation.MEDIAN).sensitivity(6, 0.4, 0.01, 2.0) == pytest.approx(0.005)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, sites=st.integers(3, 8))
def test_the_medians_sensitivity_is_reached_and_so_not_too_large(seed: int, sites: int) -> None:
    """Numbers lie one apart; the one in the middle moves by less than that."""
    given_ = [{"w": np.array([float(place)], np.float32)} for place in range(sites)]
    middle = (sites - 1) // 2
    moved = [*given_[:middle], {"w": given_[middle]["w"] - np.float32(0.5)}, *given_[middle + 1 :]]
    change = (
        combined(Aggregation.MEDIAN, given_, 1).gradient["w"] - combined(Aggregation.MEDIAN, moved, 1).gradient["w"]
    )
    assert abs(float(change[0])) == pytest.approx(rule(Aggregation.MEDIAN, 1).sensitivity(sites, 0.1, 0.5, 1.0))


@pytest.mark.parametrize(
    ("name", "bad", "fewest", "why"),
    [
        (Aggregation.MEAN, 0, 1, "put together"),
        (Aggregation.SECURE, 0, 3, "knows the other's update"),
        (Aggregation.TRIMMED_MEAN, 1, 3, "n > 2f"),
        (Aggregation.TRIMMED_MEAN, 2, 5, "n > 2f"),
        (Aggregation.MEDIAN, 1, 3, "n > 2f"),
        (Aggregation.MEDIAN, 2, 5, "n > 2f"),
        (Aggregation.MULTI_KRUM, 1, 5, r"n >= 2f \+ 3"),
        (Aggregation.MULTI_KRUM, 2, 7, r"n >= 2f \+ 3"),
    ],
)
def test_a_rule_is_refused_where_it_promises_nothing(name: Aggregation, bad: int, fewest: int, why: str) -> None:
    rule(name, bad).check(fewest)
    rule(name, bad).combine(updates(gradients(1, fewest)))
    with pytest.raises(TrainingError, match=why):
        rule(name, bad).check(fewest - 1)
    with pytest.raises(TrainingError, match=f"needs {fewest} sites"):
        rule(name, bad).combine(updates(gradients(1, fewest - 1)))


@EVERY
def test_bad_sites_are_named_for_the_rules_that_bear_them_and_for_no_other(name: Aggregation) -> None:
    with pytest.raises(TrainingError, match="bad_sites is"):
        rule(name, 0 if name in BORNE else 1).check(99)
