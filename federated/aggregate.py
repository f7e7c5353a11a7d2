"""How the server makes one step of many noisy gradients. Numbers in, numbers out; nothing here knows a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policies.errors import TrainingError

Weights = dict[str, NDArray[np.float32]]


def weighted_mean(gradients: Sequence[tuple[float, Mapping[str, NDArray[np.float32]]]]) -> Weights:
    """The mean of gradients with the plan's own weights, which sum to 1.

    One patient of a site with weight w, declared patients N, sampling rate q and clip C moves it by at most w C / (q N)
    in L2 norm; the noise of that site, sigma C w / (q N), is scaled alike, so its epsilon holds for any weights.

    Raises:
        TrainingError: there is none, the weights do not sum to 1, shapes differ, or a number is not finite.
    """
    if not gradients or abs(sum(weight for weight, _ in gradients) - 1.0) > 1e-6:
        raise TrainingError("a round needs an update of every site of the plan, with weights that sum to 1")
    shapes = {name: array.shape for name, array in gradients[0][1].items()}
    for _, gradient in gradients:
        if {name: array.shape for name, array in gradient.items()} != shapes:
            raise TrainingError("the updates of a round are not of one shape")
        if not all(np.isfinite(array).all() for array in gradient.values()):
            raise TrainingError("an update holds a number that is not finite, so the round is void")
    return {
        name: np.asarray(sum(weight * gradient[name].astype(np.float64) for weight, gradient in gradients), np.float32)
        for name in shapes
    }


class MomentumServer:
    """Gradient descent with momentum at the server (FedAvgM, Hsu, Qi and Brown 2019, section 4.3).

    It works on what was released already, so it costs no budget (post-processing; Dwork and Roth 2014,
    proposition 2.1).
    """

    def __init__(self, weights: Weights, *, learning_rate: float, momentum: float) -> None:
        self.weights = weights
        self._rate, self._momentum = learning_rate, momentum
        self._velocity = {name: np.zeros_like(array) for name, array in weights.items()}

    def step(self, gradient: Mapping[str, NDArray[np.float32]]) -> Weights:
        """Move the weights against an aggregated gradient and return them.

        Raises:
            TrainingError: it is not of the weights' shape; numpy would stretch it.
        """
        if {name: array.shape for name, array in gradient.items()} != {
            name: array.shape for name, array in self.weights.items()
        }:
            raise TrainingError("the gradient of a round is not of the weights' shape")
        for name, array in gradient.items():
            self._velocity[name] = np.asarray(self._momentum * self._velocity[name] + array, np.float32)
            self.weights[name] = np.asarray(self.weights[name] - self._rate * self._velocity[name], np.float32)
        return self.weights
