"""A lower bound on epsilon from one training run (Steinke, Nasr and Jagielski 2023, arXiv:2305.08846v1).

Each of m canaries was in the training or out of it by a fair coin of its own. Whoever watched the training gives each
canary a score, guesses "in" for the highest and "out" for the lowest, and abstains from the rest. Under
(epsilon, delta)-differential privacy too many right guesses are improbable; the epsilons for which they are too
improbable are refuted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

CONFIDENCE = 0.95
# Which share of the canaries is guessed is settled beforehand; trying each of these costs its part of the confidence.
# Half are guessed in and half out, so never all: fair coins seldom fall half and half.
SHARES = (0.05, 0.2, 0.9)
_PRECISION = 1e-4


@dataclass(frozen=True)
class OneRun:
    """What the audit of one run shows.

    Attributes:
        canaries: m, those in and those out together.
        guesses: how many the auditor did not abstain from, where the bound is best.
        right: how many of these guesses were right.
        lower: no epsilon below this is consistent with that, at 95 % confidence; 0 refutes nothing.
        ceiling: the lower bound if every guess had been right: the most that so many canaries can ever show.
    """

    canaries: int
    guesses: int
    right: int
    lower: float
    ceiling: float


def audit(scores: NDArray[np.float64], inside: NDArray[np.bool_], delta: float) -> OneRun:
    """The best lower bound over the settled shares of guesses, with Bonferroni's correction for taking the best.

    Args:
        scores: of each canary, `[m]`; high for "in".
        inside: whether the coin put it in, `[m]`.
        delta: of the claim that is audited.
    """
    order, canaries = np.argsort(scores), len(scores)
    failure = (1.0 - CONFIDENCE) / len(SHARES)
    found = []
    for share in SHARES:
        half = max(round(share * canaries / 2), 1)
        right = int(inside[order[-half:]].sum() + (~inside[order[:half]]).sum())
        lower, ceiling = (lower_bound(canaries, 2 * half, count, delta, failure) for count in (right, 2 * half))
        found.append((lower, ceiling, 2 * half, right))
    lower, _, guesses, right = max(found)
    return OneRun(canaries, guesses, right, lower, max(ceiling for _, ceiling, _, _ in found))


def lower_bound(canaries: int, guesses: int, right: int, delta: float, failure: float = 1.0 - CONFIDENCE) -> float:
    """The largest epsilon that is refuted at this failure probability, or 0 (appendix D of the paper)."""
    if p_value(canaries, guesses, right, 0.0, delta) >= failure:
        return 0.0
    low, high = 0.0, 1.0
    while p_value(canaries, guesses, right, high, delta) < failure:
        low, high = high, 2 * high
    while high - low > _PRECISION:
        middle = (low + high) / 2
        refuted = p_value(canaries, guesses, right, middle, delta) < failure
        low, high = (middle, high) if refuted else (low, middle)
    return low


def p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """How probable so many right guesses are at most, under (epsilon, delta)-differential privacy.

    With B ~ Binomial(guesses, e^epsilon / (1 + e^epsilon)) it is
    P[B >= right] + 2 canaries delta max over i of P[right > B >= right - i] / i (corollary 5.4 and appendix D).
    """
    accuracy = float(expit(epsilon))
    tail = float(binom.sf(right - 1, guesses, accuracy))
    if delta == 0 or right == 0:
        return min(tail, 1.0)
    below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, accuracy))
    worst = float((below / np.arange(1, right + 1)).max())
    return min(tail + 2 * canaries * delta * worst, 1.0)
