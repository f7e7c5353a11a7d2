"""Numbers as integers modulo 2^32 and back, so that masks cancel exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.errors import TrainingError

MOST_SITES = 20
_TOP = (2**31 - 1) // MOST_SITES  # the largest integer of one site: a sum of MOST_SITES stays within 31 bits and a sign
_SMALLEST, _LARGEST = 1e-30, 1e30

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Total:
    """What the server learns of a round.

    Attributes:
        update: [length], the sum of weight times update over the survivors.
        weight: the sum of their weights; `update / weight` is the weighted mean.
        survivors: places of the sites whose input is in the sum.
    """

    update: NDArray[np.float64]
    weight: float
    survivors: tuple[int, ...]


@dataclass(frozen=True)
class Quantiser:
    """Fixed-point integers of 32 bits for updates up to a norm.

    No number of a vector is larger than its norm, so the norm bound is the range. One step is norm_bound / 107,374,182;
    the sum of n sites is off by at most half a step each (`error`), 4.7e-9 n norm_bound.

    Attributes:
        length: numbers in an update.
        norm_bound: the largest L2 norm of an update that a site sends.
    """

    length: int
    norm_bound: float

    def __post_init__(self) -> None:
        if self.length < 1 or not _SMALLEST <= self.norm_bound <= _LARGEST:
            raise TrainingError(
                f"updates of {self.length} numbers up to norm {self.norm_bound:g} cannot be summed securely; allowed "
                f"are one number or more, and norms from {_SMALLEST:g} to {_LARGEST:g}"
            )

    @property
    def step(self) -> float:
        return self.norm_bound / _TOP

    @property
    def words(self) -> int:
        """Integers in an input: those of the update, and the weight."""
        return self.length + 1

    def error(self, sites: int) -> float:
        """The most that one number of a sum over so many sites can be off."""
        return sites * self.step / 2

    def quantise(self, update: NDArray[np.floating], weight: float) -> Words:
        """An update times its weight, and the weight behind it, each rounded to the nearest step.

        This is where the norm bound is enforced: under secure aggregation nobody can do it later.

        Args:
            update: [length].
            weight: over 0 and at most 1.

        Returns:
            [length + 1], negative numbers in two's complement.

        Raises:
            TrainingError: the update is of another length, over the norm bound or not finite, or the weight is outside
                its range.
        """
        if update.shape != (self.length,):
            raise TrainingError(f"an update of shape {update.shape} where {self.length} numbers were agreed on")
        if not 0 < weight <= 1:
            raise TrainingError(f"a weight of {weight:g} where one over 0 and at most 1 belongs")
        exact = update.astype(np.float64)
        if not math.sqrt(float(exact @ exact)) <= self.norm_bound:  # not '>': NaN is refused as well
            raise TrainingError(
                f"the update is over the norm bound of {self.norm_bound:g} or not finite, so it was not sent",
                "Nothing of it left this site. The bound stands in the plan; look into the log of this round.",
            )
        whole: NDArray[np.float64] = np.rint(np.append(exact * (weight / self.step), weight * _TOP))
        return whole.astype(np.int32).view(np.uint32)

    def total(self, words: Words, survivors: tuple[int, ...]) -> Total:
        """Read an unmasked sum, [length + 1]."""
        whole = words.view(np.int32).astype(np.float64)
        return Total(whole[:-1] * self.step, float(whole[-1]) / _TOP, survivors)
