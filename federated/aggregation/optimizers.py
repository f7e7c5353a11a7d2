"""The server's step against an aggregated gradient. It works on what was released already, so it costs no budget
(post-processing; Dwork and Roth 2014, proposition 2.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federated.aggregation.weights import Arrays, Weights, shapes
from policies.errors import TrainingError

Array = NDArray[np.float32]
_SECOND_DECAY, _ADAPTIVITY = 0.99, 1e-3  # beta_2 and tau of Reddi et al. 2021, section 5 and appendix D


class ServerOptimizer(ABC):
    """Weights, and what the server remembers of the rounds before.

    Attributes:
        weights: as they stand after the last step.
        memory: running means by name, each in the weights' shapes; with weights and memory of a finished round a
            server goes on as if it had never stopped.
    """

    means: ClassVar[Mapping[str, float]]
    """The running means it keeps, and where each number of them starts."""

    def __init__(
        self,
        weights: Weights,
        *,
        learning_rate: float,
        momentum: float,
        memory: Mapping[str, Weights] | None = None,
    ) -> None:
        self.weights = weights
        self.memory = dict(memory) if memory else {mean: _full(weights, at) for mean, at in self.means.items()}
        self._rate, self._momentum = learning_rate, momentum
        if self.memory.keys() != self.means.keys() or any(shapes(m) != shapes(weights) for m in self.memory.values()):
            raise TrainingError("what the server kept of the rounds before is not of this plan's server")

    def step(self, gradient: Arrays) -> Weights:
        """Move the weights against an aggregated gradient and return them.

        Raises:
            TrainingError: it is not of the weights' shape; numpy would stretch it.
        """
        if shapes(gradient) != shapes(self.weights):
            raise TrainingError("the gradient of a round is not of the weights' shape")
        for name, array in gradient.items():
            self.weights[name] = np.asarray(self.weights[name] - self._rate * self._direction(name, array), np.float32)
        return self.weights

    @abstractmethod
    def _direction(self, name: str, gradient: Array) -> Array:
        """Bring the running means of one array up to date, and say which way it goes."""


class MomentumServer(ServerOptimizer):
    """Gradient descent with momentum at the server (FedAvgM, Hsu, Qi and Brown 2019, section 4.3)."""

    means: ClassVar[Mapping[str, float]] = {"velocity": 0.0}

    def _direction(self, name: str, gradient: Array) -> Array:
        velocity = np.asarray(self._momentum * self.memory["velocity"][name] + gradient, np.float32)
        self.memory["velocity"][name] = velocity
        return velocity


class AdamServer(ServerOptimizer):
    """FedAdam: each number has a rate of its own, by the mean of its squares (Reddi et al. 2021, algorithm 2).

    As there, the means are not corrected for their start, and the mean of squares starts at tau squared. The squares
    hold the noise as well, which is the same in each number: under much noise all rates become alike.
    """

    means: ClassVar[Mapping[str, float]] = {"first": 0.0, "second": _ADAPTIVITY**2}

    def _direction(self, name: str, gradient: Array) -> Array:
        first, second = self.memory["first"], self.memory["second"]
        first[name] = _running(first[name], gradient, self._momentum)
        second[name] = _running(second[name], np.square(gradient), _SECOND_DECAY)
        return np.asarray(first[name] / (np.sqrt(second[name]) + _ADAPTIVITY), np.float32)


_OPTIMIZERS: dict[str, type[ServerOptimizer]] = {"momentum": MomentumServer, "adam": AdamServer}
_NO_PROX = (
    "FedProx pulls a site's local steps back to the round's weights; a site of a plan takes one step, at these very "
    "weights, where that pull is zero, so it would be the mean with momentum"
)


def optimizer_named(name: str) -> type[ServerOptimizer]:
    """The server's step of a plan.

    Raises:
        TrainingError: there is none of that name; of FedProx (Li et al. 2020) the reason is said.
    """
    if name in ("prox", "fedprox"):
        raise TrainingError(_NO_PROX, "Take 'momentum'.")
    if name not in _OPTIMIZERS:
        raise TrainingError(f"no server's step is named '{name}'; there are {', '.join(_OPTIMIZERS)}")
    return _OPTIMIZERS[name]


def _full(weights: Weights, value: float) -> Weights:
    return {name: np.full_like(array, value) for name, array in weights.items()}


def _running(mean: Array, new: Array, decay: float) -> Array:
    return np.asarray(decay * mean + (1 - decay) * new, np.float32)
