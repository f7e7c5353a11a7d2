"""Gaussian noise on a lattice, so that the low bits of a double say nothing of what is under the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from privacy.training.randomness import SecureRandom

_FINENESS = 2.0**-30  # step of the lattice, in clipping norms
_LARGEST = 2.0**52  # steps; beyond it a double holds no halves


def noisy_sum(total: NDArray[np.float64], *, clip: float, sigma: float, random: SecureRandom) -> NDArray[np.float64]:
    """A sum of clipped rows plus Gaussian noise of `sigma` times its sensitivity, in multiples of g = clip / 2^30.

    A double with noise added in double precision can betray what was under the noise: not every number can be made by
    adding noise to a given one (Mironov 2012; Jin et al. 2022). Here both are rounded to whole multiples of g and
    whole numbers are added, so each sum can give each multiple.

    Proof. Let k = round(total / g) and Z normal. round(k + Z / g) = k + round(Z / g), since k is whole; so what comes
    out is a function of the Gaussian mechanism k g + Z and no less private. One patient moves `total` by at most the
    clip in L2 norm, and rounding moves each of d coordinates by at most g / 2 on each side, as does the error of a sum
    that was added up in double precision. So k g moves by at most clip + 2 g sqrt(d), and Z has sigma times that as
    its standard deviation. What is left is that Z / g is drawn as a double: its 53 bits are finer than whole numbers
    by 2^20 and more at any sigma below 1000, and the tails end beyond 8 standard deviations (a mass under 2^-50).

    Args:
        total: `[d]`, rows each clipped to `clip` and added up in double precision.
        clip: L2 norm that a patient's row has at most.
        sigma: noise multiplier; 0 only rounds, for baselines.

    Returns:
        `[d]`, multiples of g.

    Raises:
        ValueError: clip or sigma is no size, or the sum is not finite.
    """
    if not (0 < clip < math.inf and 0 <= sigma < math.inf and np.isfinite(total).all()):
        raise ValueError("noise needs a finite sum, a clip over 0 and a sigma of 0 or more")
    step = clip * _FINENESS
    scale = sigma * (clip + 2 * step * math.sqrt(total.size))
    whole, noise = (
        np.clip(np.rint(part / step), -_LARGEST, _LARGEST).astype(np.int64)
        for part in (total, scale * random.gaussian(total.size))
    )
    return (whole + noise).astype(np.float64) * step
