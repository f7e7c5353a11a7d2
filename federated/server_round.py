"""The server's side of a round in numbers: how long an update may be, what the sites sent together, and the step."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from federated.aggregation import Aggregate, ServerOptimizer, Update, Weights, optimizer_named
from federated.plan import Plan
from federated.secagg import Total
from policies.errors import TrainingError
from policies.releases import PATIENT_COUNT

_ALMOST_NEVER = 6.5  # standard deviations; a Gaussian goes beyond with a probability of 4e-11


def norm_bound(plan: Plan, site: str, length: int) -> float:
    """The longest noisy gradient of an honest site, in L2 norm; a longer one has a probability of 1e-9 at most.

    All of the site's patients at the clip, C n / (q N), who are more than the N declared by the noise of their count at
    most; and noise of sigma C / (q N) in each of so many numbers, whose norm is under sqrt(length) + t with probability
    1 - exp(-t^2 / 2) (Boucheron, Lugosi and Massart 2013, theorem 5.6). It is made of the plan's numbers alone, and so
    tells nothing of a patient.

    Args:
        length: numbers in an update.
    """
    patients = plan.share(site).patients + _ALMOST_NEVER * float(PATIENT_COUNT.sigma)
    return plan.reach(site) * (patients + float(plan.sigma) * (math.sqrt(length) + _ALMOST_NEVER))


def largest_norm_bound(plan: Plan, length: int) -> float:
    """That of the site that may send the longest update: one bound for all, as secure aggregation wants it."""
    return max(norm_bound(plan, share.name, length) for share in plan.sites)


def aggregate(plan: Plan, sent: Mapping[str, Weights]) -> Aggregate:
    """One gradient of what the sites of a round sent, by the plan's rule; weights are of those that are there.

    Raises:
        TrainingError: fewer sites than the plan needs, one that is none of it, or an update that cannot be used.
    """
    if len(sent) < plan.needed:
        raise TrainingError(
            f"{len(sent)} of {len(plan.sites)} sites answered, and the plan needs {plan.needed}",
            "Look into the log of a site that is missing; the weights of the last finished round were kept.",
        )
    weights = {site: float(plan.share(site).weight) for site in sorted(sent)}
    total = sum(weights.values())
    return plan.rule.combine(
        [
            Update(site, weight / total, sent[site], norm_bound(plan, site, sum(a.size for a in sent[site].values())))
            for site, weight in weights.items()
        ]
    )


def mean_of(total: Total, like: Weights) -> Weights:
    """The weighted mean of a secure sum, in the shapes of the weights; vectors have arrays in the order of names."""
    mean, found, at = total.update / total.weight, Weights(), 0
    for name in sorted(like):
        size, shape = like[name].size, like[name].shape
        found[name] = np.asarray(mean[at : at + size].reshape(shape), np.float32)
        at += size
    return found


def sensitivity(plan: Plan, names: Collection[str], length: int) -> dict[str, float]:
    """The most that one patient of each of these sites moves the aggregate of their round, in L2 norm."""
    total, largest = sum(float(plan.share(name).weight) for name in names), largest_norm_bound(plan, length)
    return {
        name: plan.rule.sensitivity(len(names), float(plan.share(name).weight) / total, plan.reach(name), largest)
        for name in names
    }


def server_of(plan: Plan, weights: Weights, memory: Mapping[str, Weights] | None = None) -> ServerOptimizer:
    """The plan's server at these weights; with the memory of a finished round it goes on from there."""
    return optimizer_named(plan.server)(
        dict(weights), learning_rate=plan.learning_rate, momentum=plan.momentum, memory=memory
    )
