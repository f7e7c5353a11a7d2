"""Epsilon of a list of releases, by two independent accountants that must agree.

PRV (Gopi, Lee and Wutschitz 2021, theorem 5.1; Opacus) and PLD (Doroshenko et al. 2022; dp-accounting) both compose the
privacy loss numerically. The larger of the two is reported. GDP is not used: it is an approximation and no bound.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from policies.errors import BudgetError, TrainingError
from policies.releases import PoissonSampledGaussian

_AGREEMENT = 0.05  # relative; PRV's own error bound is 0.01 absolute
_PRV_ERROR = 0.01
_SIGMA_HUNDREDTHS = (30, 20_000)  # the range that is searched


def epsilon(releases: Sequence[PoissonSampledGaussian], delta: float) -> float:
    """The epsilon of all releases together at this delta; 0 where there is none.

    Raises:
        TrainingError: PRV and PLD differ by more than 5 %.
    """
    steps: Counter[tuple[str, str]] = Counter()
    for release in releases:
        steps[release.sigma, release.rate] += release.steps
    if not steps:
        return 0.0
    grouped = tuple(sorted((float(sigma), float(rate), count) for (sigma, rate), count in steps.items()))
    prv, pld = prv_epsilon(grouped, delta), pld_epsilon(grouped, delta)
    if not abs(prv - pld) <= max(_AGREEMENT * pld, 2 * _PRV_ERROR):  # so that NaN is no agreement
        raise TrainingError(
            f"two accountants disagree on epsilon (PRV {prv:.3f}, PLD {pld:.3f}), so neither is believed",
            "Report this plan's sigma, rate and steps to the makers of Confide.",
        )
    return max(prv, pld)


@lru_cache(maxsize=1024)
def prv_epsilon(grouped: tuple[tuple[float, float, int], ...], delta: float) -> float:
    """Upper bound of epsilon by Opacus' PRV accountant for groups of (sigma, rate, steps)."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = list(grouped)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log(0) at rate 1, where its formula's limit is right
        return float(accountant.get_epsilon(delta=delta, eps_error=_PRV_ERROR))


@lru_cache(maxsize=1024)
def pld_epsilon(grouped: tuple[tuple[float, float, int], ...], delta: float) -> float:
    """Upper bound of epsilon by dp-accounting's PLD accountant for groups of (sigma, rate, steps)."""
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant()
    for sigma, rate, steps in grouped:
        event = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(sigma))
        accountant.compose(event, steps)
    return float(accountant.get_epsilon(delta))


def sigma_for(target: float, *, rate: str, steps: int, delta: float) -> str:
    """The smallest noise multiplier, to two decimals and at least 0.30, that keeps `steps` releases within a target.

    Raises:
        BudgetError: no noise multiplier up to 200 does.
    """
    low, high = _SIGMA_HUNDREDTHS
    while low < high:
        middle = (low + high) // 2
        within = prv_epsilon(((middle / 100, float(rate), steps),), delta) <= target
        low, high = (low, middle) if within else (middle + 1, high)
    # PLD is slower and may ask for a little more.
    while epsilon([PoissonSampledGaussian(_text(low), rate, steps)], delta) > target:
        low += 1
        if low > _SIGMA_HUNDREDTHS[1]:
            raise BudgetError(f"no noise up to {_text(low)} keeps {steps} steps within epsilon {target:g}")
    return _text(low)


def _text(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"
