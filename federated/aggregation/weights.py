"""Arrays by name, what must hold of those of one round, and their weighted mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policies.errors import TrainingError

Weights = dict[str, NDArray[np.float32]]
Arrays = Mapping[str, NDArray[np.float32]]


def shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def check_alike(gradients: Sequence[Arrays]) -> None:
    """Raises TrainingError where shapes differ or a number is not finite: one such number would void the model."""
    for gradient in gradients:
        if shapes(gradient) != shapes(gradients[0]):
            raise TrainingError("the updates of a round are not of one shape")
        if not all(np.isfinite(array).all() for array in gradient.values()):
            raise TrainingError("an update holds a number that is not finite, so the round is void")


def flat(arrays: Arrays) -> NDArray[np.float64]:
    """All arrays one behind the other, `[D]`."""
    return np.concatenate([array.ravel() for array in arrays.values()]).astype(np.float64)


def norm(arrays: Arrays) -> float:
    """L2 norm of all arrays together; in double precision, where no square of a finite number is infinite."""
    return float(np.linalg.norm(flat(arrays)))


def weighted_mean(gradients: Sequence[tuple[float, Arrays]]) -> Weights:
    """The mean of gradients with the plan's own weights, which sum to 1.

    One patient of a site with weight w, declared patients N, sampling rate q and clip C moves it by at most w C / (q N)
    in L2 norm; the noise of that site, sigma C w / (q N), is scaled alike, so its epsilon holds for any weights.

    Raises:
        TrainingError: there is none, the weights do not sum to 1, shapes differ, or a number is not finite.
    """
    if not gradients or abs(sum(weight for weight, _ in gradients) - 1.0) > 1e-6:
        raise TrainingError("a round needs updates with weights that sum to 1")
    check_alike([gradient for _, gradient in gradients])
    return {
        name: np.asarray(sum(weight * gradient[name].astype(np.float64) for weight, gradient in gradients), np.float32)
        for name in gradients[0][1]
    }
