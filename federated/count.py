"""How many training patients a hospital has, as a number that may stand in a plan: counted with noise, and booked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from clinical.manifest import read_manifest
from federated.approval import check_terms
from federated.cohort import training_part
from federated.plan import Plan
from federated.releasing import log_release, site_random
from policies.access import Action, Purpose
from policies.errors import TrainingError
from policies.files import canonical_json, sha256_hex, write_whole
from policies.guard import Site
from policies.ledger import COHORT
from policies.releases import PATIENT_COUNT
from privacy.training.budget import one_training, open_ledger, spending
from privacy.training.lattice import noisy_sum

FEWEST = 10  # whatever the noise makes of a count
_TENS, _ONLY = 10, 0  # rounded to tens; kept as the only round of what was counted
_WHO = {"labels", "label_source", "label_mapping", "split_key", "held_back"}  # of a plan: who is a training patient


def count_patients(site: Site, draft: Plan, data: Path, most: int | None = None) -> int:
    """The training patients of a folder, counted with noise, rounded to tens, and at least ten.

    One patient more or less changes the count by one, so `PATIENT_COUNT` is what the Gaussian mechanism costs here. It
    is booked before it is drawn and kept before it is told: the same data and labels give the same number ever after.

    Args:
        most: counts that this site allows in all; any number by default.

    Nothing here is refused for want of patients: who asks could learn from refusals, as often as they like, how many
    there are exactly. Whether they are enough is found at the approval, by people of the site.

    Raises:
        TrainingError: all of these are used.
        BudgetError: count and draft together would exceed the budget; nothing was counted.
        ConfideError: as `approve`, or the kept count was altered.
    """
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    whom = {"data": read_manifest(data, site.keys.public), **draft.model_dump(mode="json", include=_WHO)}
    counted = sha256_hex(canonical_json(whom))
    kept = site.home.update(counted, _ONLY)
    check_terms(site, draft, data, beside=() if kept.exists() else (PATIENT_COUNT,))
    with one_training(site):
        if not kept.exists():
            _check_most(site, most)
            patients = training_part(site, draft, data).patients
            random = site_random(site, counted, _ONLY)
            with spending(site, COHORT, _ONLY, PATIENT_COUNT, random.source):
                sigma = float(PATIENT_COUNT.sigma)
            noisy = noisy_sum(np.array([float(len(patients))]), clip=1.0, sigma=sigma, random=random)
            write_whole(kept, save({"patients": noisy}))
        told = kept.read_bytes()
        log_release(site, counted, _ONLY, sha256_hex(told), sigma=PATIENT_COUNT.sigma)
    number = float(load(told)["patients"][0])
    return max(round(number / _TENS) * _TENS, FEWEST)


def times_counted(site: Site) -> int:
    """How often a site has counted its patients so far."""
    return sum(booking.plan == COHORT and booking.counts for booking in open_ledger(site).bookings())


def _check_most(site: Site, most: int | None) -> None:
    if most is not None and (booked := times_counted(site)) >= most:
        raise TrainingError(
            f"site '{site.name}' has counted its patients {booked} times, as often as was allowed",
            "Run 'confide site offer DEID' to allow one more.",
        )
