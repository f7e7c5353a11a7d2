"""The server's side of a round: bounds from the plan, weights of those that are there, and the plan's rule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from federated.aggregation import weighted_mean
from federated.aggregation.optimizers import AdamServer, MomentumServer
from federated.plan import Plan, SiteShare
from federated.server_round import aggregate, largest_norm_bound, norm_bound, sensitivity, server_of
from policies.errors import TrainingError
from policies.policy import Aggregation
from policies.releases import PATIENT_COUNT
from tests.contracts import close, made
from tests.federated.test_plan import made as plan_with

WEIGHTS = {"north": "0.1", "river": "0.2", "summit": "0.3", "alder": "0.2", "birch": "0.2"}


def plan(**changes: object) -> Plan:
    sites = tuple(
        SiteShare(name=name, patients=100 * place, weight=w) for place, (name, w) in enumerate(WEIGHTS.items(), 1)
    )
    return plan_with(**{"sites": sites, "clip": "0.5", "sampling_rate": "0.8", "sigma": "3"} | changes)


def sent(*names: str) -> dict[str, dict[str, np.ndarray]]:
    """Updates of norm under one, where the bounds are about three."""
    return {name: {k: a / np.float32(10) for k, a in made(place).items()} for place, name in enumerate(names)}


def test_the_norm_bound_is_by_hand() -> None:
    patients = 100 + 6.5 * float(PATIENT_COUNT.sigma)
    by_hand = 0.5 / (0.8 * 100) * patients + 3 * 0.5 / (0.8 * 100) * (math.sqrt(10_000) + 6.5)
    assert norm_bound(plan(), "north", 10_000) == pytest.approx(by_hand)
    assert largest_norm_bound(plan(), 10_000) == norm_bound(plan(), "north", 10_000)
    assert norm_bound(plan(), "birch", 10_000) < norm_bound(plan(), "north", 10_000) / 2


@pytest.mark.parametrize("length", [1, 100, 10_000])
def test_an_honest_update_stays_within_it_however_many_patients_the_count_missed(length: int) -> None:
    """All of 220 patients in one direction at the clip, where 100 were declared, and noise upon it."""
    random, reach = np.random.default_rng(length), plan().reach("north")
    for _ in range(50):
        update = reach * 3 * random.normal(size=length)
        update[0] += math.copysign(220 * reach, update[0])
        assert np.linalg.norm(update) < norm_bound(plan(), "north", length)


def test_the_mean_has_the_plans_weights_and_of_those_that_are_there() -> None:
    everyone = sent(*WEIGHTS)
    exact = weighted_mean([(float(WEIGHTS[name]), own) for name, own in everyone.items()])
    close(aggregate(plan(), everyone).gradient, exact)
    some = sent("north", "river", "summit")
    exact = weighted_mean([(float(WEIGHTS[name]) / 0.6, own) for name, own in some.items()])
    close(aggregate(plan(min_sites=3), some).gradient, exact)


def test_a_round_with_too_few_sites_or_a_strange_one_is_refused() -> None:
    with pytest.raises(TrainingError, match="4 of 5 sites answered, and the plan needs 5"):
        aggregate(plan(), sent("north", "river", "summit", "alder"))
    with pytest.raises(TrainingError, match="names no site 'oak'"):
        aggregate(plan(min_sites=1), sent("oak"))


def test_the_plans_rule_is_used_and_each_site_has_its_own_bound() -> None:
    everyone = sent(*WEIGHTS)
    everyone["birch"] = {name: array * np.float32(1e6) for name, array in everyone["birch"].items()}
    told = aggregate(plan(aggregation=Aggregation.MULTI_KRUM, bad_sites=1), everyone)
    assert told.shortened == ("birch",)
    assert "birch" in told.left_out
    assert aggregate(plan(aggregation=Aggregation.SECURE), everyone).shortened == ()


def test_sensitivity_is_of_weights_by_size_the_same_everywhere_and_of_uniform_ones_not() -> None:
    def by(weights: list[str]) -> list[float]:
        sites = tuple(
            SiteShare(name=n, patients=p, weight=w) for n, p, w in zip("ab", (100, 300), weights, strict=True)
        )
        return list(sensitivity(plan(sites=sites), ["a", "b"], 10).values())

    assert by(["0.25", "0.75"]) == pytest.approx([0.5 / (0.8 * 400)] * 2)
    assert by(["0.5", "0.5"]) == pytest.approx([0.5 * 0.5 / 80, 0.5 * 0.5 / 240])


def test_the_server_is_the_plans() -> None:
    start = made(1)
    momentum, adam = server_of(plan(), start), server_of(plan(server="adam"), start)
    assert (type(momentum), type(adam)) == (MomentumServer, AdamServer)
    moved = momentum.step(made(2))["matrix"]
    np.testing.assert_allclose(moved, start["matrix"] - plan().learning_rate * made(2)["matrix"], rtol=1e-5)
    close(start, made(1))
