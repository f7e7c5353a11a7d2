"""A membership test: can somebody who has the model tell its patients from others of the same kind?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm, rankdata

from policies.errors import InputError

FEWEST_OUTSIDE = 1000  # so that a false positive rate of 1 % is ten people and not one
FALSE_POSITIVES = 0.01
_TAIL = 0.025

Interval = tuple[float, float]


@dataclass(frozen=True)
class Membership:
    """How well a score tells members from others.

    Attributes:
        members: how many were in the training.
        others: how many were not.
        auc: the chance that a member scores higher than somebody else; 0.5 is guessing.
        interval: of the AUC, 95 % (DeLong, DeLong and Clarke-Pearson 1988).
        found: share of members who score higher than all but 1 % of the others.
        found_interval: of that share, 95 % (Clopper and Pearson 1934).
    """

    members: int
    others: int
    auc: float
    interval: Interval
    found: float
    found_interval: Interval


def membership(members: NDArray[np.float64], others: NDArray[np.float64]) -> Membership:
    """Judge a score that is meant to be high for members, `[M]` and `[N]`.

    Raises:
        InputError: fewer than two members or than 1,000 others.
    """
    if len(members) < 2 or len(others) < FEWEST_OUTSIDE:
        raise InputError(f"a membership test needs 2 members and {FEWEST_OUTSIDE} others, not {len(others)}")
    # Of each member the share of the others that score lower, and the other way round; a tie counts half.
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[: len(members)] - rankdata(members)) / len(others)
    below = 1.0 - (ranks[len(members) :] - rankdata(others)) / len(members)
    auc = float(above.mean())
    spread = float(norm.isf(_TAIL) * np.sqrt(above.var(ddof=1) / len(members) + below.var(ddof=1) / len(others)))
    allowed = int(FALSE_POSITIVES * len(others))
    caught = int((members > np.sort(others)[-allowed - 1]).sum())
    return Membership(
        members=len(members),
        others=len(others),
        auc=auc,
        interval=(max(auc - spread, 0.0), min(auc + spread, 1.0)),
        found=caught / len(members),
        found_interval=exact_interval(caught, len(members)),
    )


def exact_interval(hits: int, trials: int) -> Interval:
    """The exact 95 % interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(_TAIL, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.isf(_TAIL, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high
