"""The rules by which a round's updates become one gradient: a mean, and three that bear bad sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from federated.aggregation.rule import Aggregate, Rule, Update
from federated.aggregation.weights import flat, weighted_mean
from policies.errors import TrainingError
from policies.policy import Aggregation


class Mean(Rule):
    """The plan's weighted mean, each update within its norm bound (Sun et al. 2019: norm thresholding).

    It bears no bad site: one that stays within the bound still moves the model by weight times bound. One patient of a
    site with weight w moves it by w C / (q N): with weights by size, w in proportion to N, by the same at every site;
    with uniform weights by more at a small site.
    """

    title = "a mean"
    needs = "there is nothing to put together otherwise"
    words = (
        "The server sees each site's noisy update, shortens one that is over the norm bound, and takes the mean by the "
        "plan's weights; a site that sends wrong numbers within the bound is not noticed."
    )

    @property
    def fewest(self) -> int:
        return 1

    def _check_bad_sites(self) -> None:
        if self.bad_sites:
            raise TrainingError(
                f"{self.title} bears no bad site; bad_sites is {self.bad_sites}",
                "Set it to 0, or take the trimmed mean, the median or multi-Krum.",
            )

    def sensitivity(self, sites: int, weight: float, reach: float, norm_bound: float) -> float:
        return weight * reach

    def _of(self, updates: Sequence[Update]) -> Aggregate:
        return Aggregate(weighted_mean([(update.weight, update.gradient) for update in updates]))


class SecureMean(Mean):
    """The same mean where the server learns the masked sum alone (`federated.secagg`).

    Here it is for runs of one process. Each honest site enforces the norm bound on itself, and nobody on a bad one.
    """

    shortens = False
    title = "secure aggregation"
    needs = "of two sites, each knows the other's update from the sum"
    words = (
        "Updates are summed under masks, by the plan's weights: the server sees no site's update. A site refuses to "
        "send one over the norm bound; nobody can check that it does, and no rule against bad sites is possible."
    )

    @property
    def fewest(self) -> int:
        return 3


class TrimmedMean(Rule):
    """Of each number the f largest and the f smallest are left out, and the others averaged (Yin et al. 2018,
    definition 2). Every site counts alike, whatever its weight.

    One patient moves it by at most C / (q N (n - 2 f)) where n sites take part: a sorted list moves by no more than the
    number that moved, and n - 2 f places of it are averaged.
    """

    title = "the trimmed mean"
    needs = "more than twice as many as are bad (n > 2f), or nothing is left after trimming"
    words = (
        "The server sees each site's noisy update and of each number leaves out as many of the largest and of the "
        "smallest as the plan names bad sites; the others are averaged, every site counting alike."
    )

    @property
    def fewest(self) -> int:
        return 2 * self.bad_sites + 1

    def cut(self, sites: int) -> int:
        """How many numbers go at each end."""
        return self.bad_sites

    def sensitivity(self, sites: int, weight: float, reach: float, norm_bound: float) -> float:
        return reach / (sites - 2 * self.cut(sites))

    def _of(self, updates: Sequence[Update]) -> Aggregate:
        from flwr.serverapp.strategy.fedtrimmedavg import trim_mean

        # It takes a share and rounds it down, where 1 / 49 of 49 would be 0: the quarter keeps clear of the edge.
        share = (self.cut(len(updates)) + 0.25) / len(updates)
        return Aggregate(
            {name: np.asarray(trim_mean(stacked, share), np.float32) for name, stacked in _stacked(updates).items()}
        )


class Median(TrimmedMean):
    """Of each number the one in the middle, or the mean of the two in the middle (Yin et al. 2018, definition 1).

    It is the trimmed mean with the most that can be cut, so one patient moves it by at most C / (q N) with an odd
    number of sites, and by half of that with an even one.
    """

    title = "the median"
    needs = "the one in the middle is a good site's only with more than twice as many as are bad (n > 2f)"
    words = (
        "The server sees each site's noisy update and of each number takes the one in the middle, every site "
        "counting alike."
    )

    def cut(self, sites: int) -> int:
        return (sites - 1) // 2


class MultiKrum(Rule):
    """The mean of those n - f - 2 updates that lie closest to their n - f - 2 nearest (Blanchard et al. 2017; that no
    more may be taken: Damaskinos et al. 2019, AggregaThor). Every chosen site counts alike.

    One patient may decide which updates are taken, so what it moves is not bounded by the clip but by the norm bound B
    alone: m = n - f - 2 are taken, at most k = min(m, n - m) of them change, and the mean moves by at most
    2 B k / m + C / (q N m).
    """

    title = "multi-Krum"
    needs = "an update is judged by n - f - 2 others, of which bad ones must be the fewer (n >= 2f + 3)"
    words = (
        "The server sees each site's noisy update and averages those that lie closest together, every one of them "
        "counting alike; the others are left out of the round."
    )

    @property
    def fewest(self) -> int:
        return 2 * self.bad_sites + 3

    def taken(self, sites: int) -> int:
        return sites - self.bad_sites - 2

    def sensitivity(self, sites: int, weight: float, reach: float, norm_bound: float) -> float:
        taken = self.taken(sites)
        return (2 * norm_bound * min(taken, sites - taken) + reach) / taken

    def _of(self, updates: Sequence[Update]) -> Aggregate:
        from flwr.app import ArrayRecord, RecordDict
        from flwr.serverapp.strategy.multikrum import select_multikrum

        # In double precision: Flower's distances are differences of squares.
        records = [RecordDict({"update": ArrayRecord([flat(update.gradient)])}) for update in updates]
        chosen = {id(one) for one in select_multikrum(records, self.bad_sites, self.taken(len(updates)))}
        kept = [update for update, record in zip(updates, records, strict=True) if id(record) in chosen]
        mean = weighted_mean([(1 / len(kept), update.gradient) for update in kept])
        left_out = {update.site for update in updates} - {update.site for update in kept}
        return Aggregate(mean, left_out=tuple(sorted(left_out)))


_RULES: dict[Aggregation, type[Rule]] = {
    Aggregation.MEAN: Mean,
    Aggregation.SECURE: SecureMean,
    Aggregation.TRIMMED_MEAN: TrimmedMean,
    Aggregation.MEDIAN: Median,
    Aggregation.MULTI_KRUM: MultiKrum,
}


def rule_named(name: Aggregation, bad_sites: int) -> Rule:
    """The rule of a plan."""
    return _RULES[name](bad_sites)


def _stacked(updates: Sequence[Update]) -> dict[str, NDArray[np.float64]]:
    """By name, `[n, ...]`."""
    return {
        name: np.stack([update.gradient[name].astype(np.float64) for update in updates]) for name in updates[0].gradient
    }
