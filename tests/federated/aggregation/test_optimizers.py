"""The server's step: momentum and Adam by hand, shapes kept, and going on from a memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from federated.aggregation import ServerOptimizer, optimizer_named
from federated.aggregation.optimizers import AdamServer, MomentumServer
from policies.errors import TrainingError
from tests.contracts import close, made

BOTH = pytest.mark.parametrize("name", ["momentum", "adam"])


def started(name: str, weights: dict[str, np.ndarray], **changes: Any) -> ServerOptimizer:
    return optimizer_named(name)(dict(weights), **{"learning_rate": 0.1, "momentum": 0.5} | changes)


def test_momentum_adds_up_what_came_before() -> None:
    server = MomentumServer({"w": np.zeros(2, np.float32)}, learning_rate=0.5, momentum=0.9)
    gradient = {"w": np.array([1.0, -2.0], np.float32)}
    np.testing.assert_allclose(server.step(gradient)["w"], [-0.5, 1.0])
    np.testing.assert_allclose(server.step(gradient)["w"], [-0.5 - 0.95, 1.0 + 1.9], rtol=1e-6)


def test_adam_divides_by_the_root_of_the_mean_square() -> None:
    """Two steps by the formulas of Reddi et al. 2021, algorithm 2, for one number."""
    server = AdamServer({"w": np.zeros((), np.float32)}, learning_rate=0.1, momentum=0.9)
    weight, first, second, tau = 0.0, 0.0, 1e-6, 1e-3
    for gradient in (0.5, -2.0):
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        weight -= 0.1 * first / (second**0.5 + tau)
        server.step({"w": np.array(gradient, np.float32)})
        assert float(server.weights["w"]) == pytest.approx(weight, rel=1e-5)


@BOTH
def test_a_step_keeps_shapes_and_leaves_the_given_weights_alone(name: str) -> None:
    start = made(1)
    server = started(name, start)
    server.step(made(2))
    after = server.step(made(3))
    close(start, made(1))
    assert all(isinstance(after[part], np.ndarray) and after[part].shape == start[part].shape for part in start)
    assert all(array.dtype == np.float32 for array in after.values())


@BOTH
def test_with_weights_and_memory_it_goes_on_as_if_it_had_never_stopped(name: str) -> None:
    through = started(name, made(1))
    for seed in (2, 3):
        through.step(made(seed))
    first = started(name, made(1))
    first.step(made(2))
    second = started(name, first.weights, memory=first.memory)
    second.step(made(3))
    assert all(np.array_equal(second.weights[part], through.weights[part]) for part in through.weights)
    forgetful = started(name, first.weights)
    forgetful.step(made(3))
    assert not np.array_equal(forgetful.weights["matrix"], through.weights["matrix"])


def test_a_memory_of_another_server_or_shape_is_refused() -> None:
    for memory in (started("adam", made(1)).memory, {"velocity": {"matrix": made(1)["matrix"]}}):
        with pytest.raises(TrainingError, match="of the rounds before"):
            started("momentum", made(1), memory=memory)


@BOTH
@pytest.mark.parametrize(
    "gradient",
    [{}, {"w": np.ones((1, 3), np.float32)}, {"w": np.ones((2, 3), np.float32), "v": np.ones(1, np.float32)}],
)
def test_a_gradient_of_another_shape_is_refused_and_not_stretched(name: str, gradient: dict[str, np.ndarray]) -> None:
    server = started(name, {"w": np.zeros((2, 3), np.float32)})
    with pytest.raises(TrainingError, match="shape"):
        server.step(gradient)
    assert not server.weights["w"].any()


@pytest.mark.parametrize(("name", "why"), [("prox", "that pull is zero"), ("sgd", "there are momentum, adam")])
def test_what_is_not_offered_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(TrainingError, match=why):
        optimizer_named(name)
