"""Precision, recall and F1 of what was found, with an interval by document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical.evaluation.bootstrap import RESAMPLES, draws, interval


@dataclass(frozen=True)
class Score:
    """What was marked, what was found, and what of it is right.

    Attributes:
        interval: of F1, 95 %, by bootstrap over documents (Efron 1979).
    """

    marked: int
    found: int
    right: int
    precision: float
    recall: float
    f1: float
    interval: tuple[float, float]


def score(counts: NDArray[np.int64]) -> Score:
    """The score of counts `[D, 3]`: marked, found and right of each of D documents."""
    marked, found, right = (int(number) for number in counts.sum(0))
    return Score(
        marked,
        found,
        right,
        right / found if found else 1.0,
        right / marked if marked else 1.0,
        float(f1(counts.sum(0, keepdims=True))[0]),
        interval(f1(counts[draws(len(counts))].sum(1)).tolist()),
    )


def f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each row of counts `[N, 3]`; 1 where nothing was marked and nothing found."""
    both = counts[:, 0] + counts[:, 1]
    return np.divide(2.0 * counts[:, 2], both, out=np.ones(len(counts)), where=both > 0)


def share(right: NDArray[Any], total: NDArray[np.int64]) -> tuple[float, tuple[float, float]]:
    """`sum(right) / sum(total)` over documents `[D]`, and its interval, 95 %, by bootstrap over documents."""
    drawn = draws(len(total))
    totals = total[drawn].sum(1)
    shares = np.divide(right[drawn].sum(1), totals, out=np.ones(RESAMPLES), where=totals > 0)
    return float(right.sum() / max(1, total.sum())), interval(shares.tolist())
