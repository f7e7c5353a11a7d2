"""Gradient inversion: what the update of one patient alone gives away of the note behind it.

A linear head's gradient for one example is e f^T in the weights and e in the bias, where f is what the encoder makes of
the note and e the error of each label. Bias and weights together give f exactly, up to its length, and the label is
where e is negative (Zhu, Liu and Han 2019; Zhao, Mopuri and Bilen 2020, section 3). Whoever has candidate notes then
looks for the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.audit.membership import Interval, exact_interval

WEIGHT, BIAS = "head.weight", "head.bias"


@dataclass(frozen=True)
class Inversion:
    """How often the attack was right.

    Attributes:
        updates: how many updates were attacked, each of one patient alone.
        candidates: how many notes the attacker had to choose from; the right one is among them.
        retrieved: share of updates whose very note was named.
        interval: of that share, 95 % (Clopper and Pearson 1934).
        labels: share of updates whose label was named.
    """

    updates: int
    candidates: int
    retrieved: float
    interval: Interval
    labels: float


def invert_head(update: Mapping[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], int]:
    """The direction of the features `[D]` and the label behind a gradient of `[K, D]` weights and `[K]` biases."""
    errors = update[BIAS]
    return errors @ update[WEIGHT], int(errors.argmin())


def inversion(
    updates: Sequence[Mapping[str, NDArray[np.float32]]],
    features: NDArray[np.float32],
    notes: Sequence[int],
    labels: Sequence[int],
) -> Inversion:
    """Attack updates and count.

    Args:
        updates: each of one patient alone.
        features: of the candidate notes, `[N, D]`.
        notes: which candidate each update is of.
        labels: the label of that note.
    """
    found = [invert_head(update) for update in updates]
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    nearest = [int((directions @ direction).argmax()) for direction, _ in found]
    hits = sum(guess == note for guess, note in zip(nearest, notes, strict=True))
    named = sum(guess == label for (_, guess), label in zip(found, labels, strict=True))
    count = len(updates)
    return Inversion(count, len(features), hits / count, exact_interval(hits, count), named / count)
