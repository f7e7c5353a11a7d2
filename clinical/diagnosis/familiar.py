"""Whether a note is like those that the model was validated on: its distance from them, as the head sees notes.

Mahalanobis distance (Lee et al. 2018) with the covariance of Ledoit and Wolf 2004, for there are fewer patients than
dimensions. Of 270 held-back made-up patients one in a hundred lies beyond the line, and of text that is none of theirs:
Spanish case reports 100 %, program text 100 %, abstracts of articles 96 %, real transcribed notes of specialties 57 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clinical.diagnosis.model import Floats

FOLDS = 5
_SEED = 0


@dataclass(frozen=True)
class Shape:
    """Where notes lie: their mean `[D]`, and the inverse of their covariance `[D, D]`."""

    centre: Floats = field(repr=False)
    precision: Floats = field(repr=False)

    def distance(self, features: Floats) -> Floats:
        """Squared, per dimension, of each row of `[N, D]`."""
        off = features - self.centre
        return np.asarray(np.einsum("nd,de,ne->n", off, self.precision, off) / off.shape[1])


@dataclass(frozen=True)
class Familiar:
    """Notes that the model was validated on.

    Attributes:
        furthest: the distance that a share of `quantile` of them does not exceed.
    """

    shape: Shape
    quantile: float
    furthest: float

    def holds(self, features: Floats) -> bool:
        """Whether one note, `[1, D]`, is no further out."""
        return bool(self.shape.distance(features)[0] <= self.furthest)


def fit_familiar(features: Floats, quantile: float) -> Familiar:
    """From the features of held-back notes, `[N, D]`, one of each patient; distances are to the notes of other folds.

    The line is the k-th smallest distance, k = ceil((n + 1) quantile), or the largest where there are fewer: with few
    patients it rather refuses too often.
    """
    distances = np.empty(len(features))
    for fold in folds(len(features)):
        distances[fold] = shape_of(features[~fold]).distance(features[fold])
    rank = min(conformal_rank(len(features), quantile), len(features))
    return Familiar(shape_of(features), quantile, float(np.sort(distances)[rank - 1]))


def shape_of(features: Floats) -> Shape:
    """Mean and shrunk covariance: towards equal variances, as far as the rows disagree about it."""
    count, width = features.shape
    centre = features.mean(0)
    off = features - centre
    covariance = off.T @ off / count
    variance = np.trace(covariance) / width
    spread = ((covariance - variance * np.eye(width)) ** 2).sum()
    noise = ((off**2).sum(1) ** 2).mean() - (covariance**2).sum()
    share = min(noise / count, spread) / spread if spread else 1.0
    shrunk = (1 - share) * covariance + share * variance * np.eye(width)
    return Shape(centre, np.linalg.pinv(shrunk, hermitian=True))


def folds(count: int) -> list[NDArray[np.bool_]]:
    """Which of so many rows belong to each of five parts, drawn the same at every call."""
    part = np.random.default_rng(_SEED).permutation(count) % FOLDS
    return [part == number for number in range(FOLDS)]


def conformal_rank(count: int, level: float) -> int:
    """ceil((n + 1) level), where the product of, say, 0.9 may come out a hair too high."""
    return math.ceil(round((count + 1) * level, 9))
