"""Intervals by resampling patients or documents (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_SEED = 0


def draws(count: int) -> NDArray[np.int64]:
    """Places of `count` things drawn with replacement, a thousand times, `[R, count]`; the same at every call."""
    return np.random.default_rng(_SEED).integers(count, size=(RESAMPLES, count))


def resampled(groups: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Rows of as many groups as there are, drawn with replacement, a thousand times; the same at every call."""
    return [np.concatenate([groups[pick] for pick in own]) for own in draws(len(groups))]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of values."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def interval_of(measure: Callable[[NDArray[np.int64]], float], count: int) -> tuple[float, float]:
    """The interval of a measure of rows, each a group of its own."""
    return interval([measure(rows) for rows in resampled([np.array([row]) for row in range(count)])])


def pivotal_interval_of(measure: Callable[[NDArray[np.int64]], float], count: int) -> tuple[float, float]:
    """The same of a measure that chance makes larger and never smaller, as an error in absolute terms is.

    Resampling adds to it what sampling had added already, so the interval is reflected about the measure (the basic
    bootstrap of Davison and Hinkley 1997, section 5.2), and does not go below 0.
    """
    whole, (low, high) = measure(np.arange(count)), interval_of(measure, count)
    return max(0.0, 2 * whole - high), max(0.0, 2 * whole - low)
