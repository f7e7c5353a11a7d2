"""Epsilon of private releases: of one plan by two accountants that must agree, of several by a filter.

Noise and sampling of a plan's releases are fixed before any of them is made, though what is asked in each may follow
from those before it. PRV (Gopi, Lee and Wutschitz 2021, theorem 5.1; Opacus) and PLD (Doroshenko et al. 2022;
dp-accounting) both compose such a list numerically, and the larger of the two is reported. To stop early is a function
of the whole list, so it costs nothing.

A second plan is drawn up by people who have seen what came of the first, so its very parameters depend on the data, and
neither theorem covers that. A Renyi filter does (Feldman and Zrnic 2021, whose bound for each person is taken here at
its worst; Lecuyer 2021).

GDP's central limit is not used: it is an approximation and no bound.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from policies.errors import BudgetError, TrainingError
from policies.releases import GaussianRelease, PoissonSampled, Release

_AGREEMENT = 0.05  # relative; PRV's own error bound is 0.01 absolute
_PRV_ERROR = 0.01
_FILTER_ORDERS = (3, 5, 9, 20)  # near the best ones for epsilon 15, 8, 3 and 1 at a delta of 1e-5
_SIGMA_HUNDREDTHS = (30, 20_000)  # the range that is searched

Groups = tuple[tuple[float, float, int], ...]
"""Releases of one kind together: `(sigma, rate, times)`, sorted."""


class Accountant(Protocol):
    """Gives an upper bound of the epsilon at `delta` of releases that are all made; 0 where there is none."""

    def __call__(self, releases: Sequence[Release], delta: float) -> float: ...


def epsilon(plans: Sequence[Sequence[Release]], delta: float) -> float:
    """The epsilon at `delta` of everything that was released under these plans; 0 where nothing was.

    For several plans it is the smallest cap with which the filter would have let all of them pass. What is proven is
    about that cap: whoever goes on only while this stays within one that was fixed beforehand gives (cap, delta). It is
    no odometer: what it reads at some moment is not itself proven to bound what was lost until then.

    A ledger asks for the first plan by the composition and from the second on by the filter, under one cap. Endings
    with one plan fail with at most delta, and so do those with several, so all in all it gives (cap, 2 delta): with
    delta alone where the filter would have borne the first plan as well, or where the cap admits no second one.

    Raises:
        TrainingError: PRV and PLD differ by more than 5 %.
    """
    made = [releases for releases in plans if releases]
    if len(made) > 1:
        return filter_epsilon([release for releases in made for release in releases], delta)
    return _agreed(_grouped(made[0]), delta) if made else 0.0


def prv_epsilon(releases: Sequence[Release], delta: float) -> float:
    """Opacus' PRV accountant."""
    return _prv(_grouped(releases), delta) if releases else 0.0


def pld_epsilon(releases: Sequence[Release], delta: float) -> float:
    """dp-accounting's PLD accountant."""
    return _pld(_grouped(releases), delta) if releases else 0.0


def filter_epsilon(releases: Sequence[Release], delta: float) -> float:
    """A Renyi filter of few orders, for releases each of which was decided after looking at those before it.

    For one order fixed beforehand, going on while the sum of Renyi divergences of that order stays within a bound gives
    that bound, whatever decides on each release and its noise (Feldman and Zrnic 2021). dp-accounting gives the
    divergences (Mironov, Talwar and Zhang 2019) and turns the bound into epsilon (Canonne, Kamath and Steinke 2020,
    proposition 12). Which order serves best is not known beforehand, so delta is shared among a few.

    Proof of that step, which is not in the papers: sort endings by the first order whose sum is within its bound. The
    sums only grow, so that order's filter would have let the whole path pass, and the endings of one order are an event
    of its filtered process: their chance obeys (cap, share). Added up over the orders, any event obeys (cap, delta).
    """
    return _filter(_grouped(releases), delta) if releases else 0.0


def sigma_for(target: float, *, rate: str, steps: int, delta: float, beside: Sequence[Release] = ()) -> str:
    """The smallest noise multiplier, to two decimals and at least 0.30, that keeps `steps` releases within a target.

    Args:
        beside: what else the same plan releases.

    Raises:
        BudgetError: no noise multiplier up to 200 does.
    """

    def plan(hundredths: int) -> list[Release]:
        return [*beside, PoissonSampled(rate, GaussianRelease(_text(hundredths), steps))]

    low, high = _SIGMA_HUNDREDTHS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if prv_epsilon(plan(middle), delta) <= target else (middle + 1, high)
    # PLD is slower and may ask for a little more.
    while epsilon([plan(low)], delta) > target:
        low += 1
        if low > _SIGMA_HUNDREDTHS[1]:
            raise BudgetError(f"no noise up to {_text(low)} keeps {steps} steps within epsilon {target:g}")
    return _text(low)


def _grouped(releases: Sequence[Release]) -> Groups:
    times: Counter[tuple[float, float]] = Counter()
    for release in releases:
        if isinstance(release, PoissonSampled):
            times[float(release.release.sigma), float(release.rate)] += release.release.times
        else:
            times[float(release.sigma), 1.0] += release.times
    return tuple(sorted((*kind, count) for kind, count in times.items()))


def _agreed(groups: Groups, delta: float) -> float:
    prv, pld = _prv(groups, delta), _pld(groups, delta)
    if not abs(prv - pld) <= max(_AGREEMENT * pld, 2 * _PRV_ERROR):  # so that NaN is no agreement
        raise TrainingError(
            f"two accountants disagree on epsilon (PRV {prv:.3f}, PLD {pld:.3f}), so neither is believed",
            "Report this plan's sigma, rate and rounds to the makers of Confide.",
        )
    return max(prv, pld)


@lru_cache(maxsize=1024)
def _prv(groups: Groups, delta: float) -> float:
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = list(groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log(0) at rate 1, where its formula's limit is right
        return float(accountant.get_epsilon(delta=delta, eps_error=_PRV_ERROR))


@lru_cache(maxsize=1024)
def _pld(groups: Groups, delta: float) -> float:
    from dp_accounting.pld import PLDAccountant

    return _composed(PLDAccountant(), groups, delta)


@lru_cache(maxsize=1024)
def _filter(groups: Groups, delta: float) -> float:
    from dp_accounting.rdp import RdpAccountant

    share = delta / len(_FILTER_ORDERS)
    return min(_composed(RdpAccountant(orders=[order]), groups, share) for order in _FILTER_ORDERS)


def _composed(accountant: Any, groups: Groups, delta: float) -> float:
    """What one of dp-accounting's accountants says of all groups together."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent

    for sigma, rate, times in groups:
        accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(sigma)), times)
    return float(accountant.get_epsilon(delta))


def _text(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"
