"""One private step of a plan over prepared patients: what a site does in a round, and a twin or a baseline as well.

Of these the rounds run in one process, without ledger and log, so they are for made-up or benchmark patients alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from clinical.classifier import PatientStates, loss_of, note_rows, set_trained_weights
from clinical.encoder import Classifier
from federated.aggregation import Weights
from federated.plan import Plan
from federated.server_round import aggregate, server_of
from privacy.training.dpsgd import PrivateGradient, StepSettings, private_gradient
from privacy.training.randomness import SecureRandom


def step_settings(plan: Plan, site: str) -> StepSettings:
    """What a plan says about one step at a site."""
    return StepSettings(float(plan.sigma), float(plan.clip), float(plan.sampling_rate), plan.share(site).patients)


def private_step(
    plan: Plan, site: str, classifier: Classifier, patients: Sequence[PatientStates], random: SecureRandom
) -> PrivateGradient:
    """Sample the patients, clip each one's gradient at the classifier's weights, add up, add noise.

    Args:
        random: decides about sample, notes and noise.
    """
    settings = step_settings(plan, site)
    sample = random.choose(len(patients), settings.rate)
    rows = note_rows(patients, plan.notes_per_step, random)
    # Half the memory and twice the speed on a GPU; what is clipped and noised is in double precision all the same.
    precision = torch.bfloat16 if classifier.device.type == "cuda" else None
    return private_gradient(
        classifier.tail, loss_of(classifier.design), rows, sample, settings, random=random, precision=precision
    )


def update_of(result: PrivateGradient) -> Weights:
    """What leaves of a step: the noisy gradient as arrays."""
    return {name: array.numpy() for name, array in result.gradient.items()}


def rounds(
    plan: Plan,
    classifier: Classifier,
    cohorts: Mapping[str, Sequence[PatientStates]],
    start: Weights,
    random: SecureRandom,
    *,
    sends: Callable[[str, Weights], Weights] = lambda site, update: update,
    ends: Callable[[int, Weights], bool] = lambda number, weights: False,
) -> Iterator[tuple[Mapping[str, Weights], Weights]]:
    """All rounds of a plan in this process: of each, what its sites sent, and the weights after the server's step.

    Args:
        sends: what a site sends, given its own update; another one where an attack is tried.
        ends: whether a round is the last one already (`EarlyStop.after`).
    """
    server = server_of(plan, start)
    for number in range(1, plan.rounds + 1):
        sent = {}
        for share in plan.sites:
            set_trained_weights(classifier, server.weights)
            step = private_step(plan, share.name, classifier, cohorts[share.name], random)
            sent[share.name] = sends(share.name, update_of(step))
        server.step(aggregate(plan, sent).gradient)
        yield sent, dict(server.weights)
        if ends(number, server.weights):
            return
