"""The mean: the plan's weights and nothing else, in any order, for arrays of any shape."""

from __future__ import annotations

import numpy as np

from federated.aggregation import weighted_mean
from federated.aggregation.weights import norm
from tests.contracts import AggregatorContract, made


class TestWeightedMean(AggregatorContract):
    aggregate = staticmethod(weighted_mean)


def test_the_norm_is_of_all_arrays_together() -> None:
    flat = np.concatenate([array.ravel() for array in made(1).values()])
    assert abs(norm(made(1)) - np.linalg.norm(flat)) < 1e-6
    assert norm({"large": np.full(4, 1e30, np.float32)}) > 1e30  # squares in single precision would overflow
