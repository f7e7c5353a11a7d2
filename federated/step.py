"""One private step of a plan over prepared patients: what a site does in a round, and a twin or a baseline as well."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clinical.classifier import PatientStates, loss_of, note_rows
from clinical.encoder import Classifier
from federated.plan import Plan
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
