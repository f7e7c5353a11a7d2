"""The server's arithmetic: the plan's weights and nothing else, in any order, for arrays of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from federated.aggregate import MomentumServer, weighted_mean
from policies.errors import TrainingError
from tests.contracts import AggregatorContract, close, made


class TestWeightedMean(AggregatorContract):
    aggregate = staticmethod(weighted_mean)


def test_momentum_adds_up_what_came_before() -> None:
    server = MomentumServer({"w": np.zeros(2, np.float32)}, learning_rate=0.5, momentum=0.9)
    gradient = {"w": np.array([1.0, -2.0], np.float32)}
    np.testing.assert_allclose(server.step(gradient)["w"], [-0.5, 1.0])
    np.testing.assert_allclose(server.step(gradient)["w"], [-0.5 - 0.95, 1.0 + 1.9], rtol=1e-6)


def test_a_step_keeps_shapes_and_leaves_the_given_weights_alone() -> None:
    start = made(1)
    server = MomentumServer(dict(start), learning_rate=0.1, momentum=0.5)
    server.step(made(2))
    after = server.step(made(3))
    close(start, made(1))
    assert all(isinstance(after[name], np.ndarray) and after[name].shape == start[name].shape for name in start)
    assert all(array.dtype == np.float32 for array in after.values())


@pytest.mark.parametrize(
    "gradient",
    [{}, {"w": np.ones((1, 3), np.float32)}, {"w": np.ones((2, 3), np.float32), "v": np.ones(1, np.float32)}],
)
def test_a_gradient_of_another_shape_is_refused_and_not_stretched(gradient: dict[str, np.ndarray]) -> None:
    server = MomentumServer({"w": np.zeros((2, 3), np.float32)}, learning_rate=1.0, momentum=0.0)
    with pytest.raises(TrainingError, match="shape"):
        server.step(gradient)
    assert not server.weights["w"].any()
