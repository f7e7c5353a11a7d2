"""The attacks are what the page says, and losses are beside the plain mean that nobody attacks."""

from __future__ import annotations

import numpy as np
import pytest

from bench.robust import ATTACKS, BAD, RULES, SITES, _next_label, _sends, losses
from clinical.classifier import PatientStates
from federated.aggregation import rule_named
from policies.policy import Aggregation


@pytest.mark.parametrize(
    ("attack", "factor"), [("none", 1), ("labels flipped", 1), ("signs flipped", -1), ("scaled", -10)]
)
def test_one_site_alone_sends_something_else(attack: str, factor: float) -> None:
    update = {"w": np.array([1.0, 2.0], np.float32)}
    for site in SITES:
        np.testing.assert_array_equal(_sends(attack)(site, update)["w"], (factor if site == BAD else 1) * update["w"])


def test_a_flipped_label_is_the_next_one() -> None:
    states = np.zeros((1, 1, 1), np.float16)
    patient = PatientStates(states, np.ones((1, 1), np.uint8), np.zeros(1, np.int32), np.eye(3, dtype=np.float32)[[2]])
    np.testing.assert_array_equal(_next_label(patient).targets, [[1, 0, 0]])


def test_losses_are_beside_the_plain_mean_without_an_attack() -> None:
    scores = {rule: {attack: [0.1, 0.3] for attack in ATTACKS} for rule in RULES}
    scores["secure"]["none"] = [0.5, 0.7]
    assert losses(scores)["median"]["scaled"] == pytest.approx(0.4)
    assert losses(scores)["secure"]["none"] == 0


def test_every_rule_bears_the_site_where_it_can() -> None:
    for name, bad in RULES.items():
        rule_named(Aggregation(name), bad).check(len(SITES))
