"""What a plan would take: its noise in plain words, and time and memory measured on a few made-up patients."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from safetensors.numpy import save

from federated.plan import Plan
from federated.twin import Twin
from policies.releases import PATIENT_COUNT
from privacy.training.dp_certificate import epsilons
from privacy.training.dpsgd import PATIENTS_AT_ONCE

_MEASURED = 8  # made-up patients


@dataclass(frozen=True)
class Outlook:
    """A plan as one of its hospitals would meet it.

    Attributes:
        patients: declared.
        prepare_seconds: to read all notes once, before the first round.
        step_seconds: of one round's gradient.
        cache_bytes: of what the frozen layers say of all patients.
        round_bytes: that leave in a round; about as many come in.
    """

    plan: Plan
    patients: int
    epsilon_prv: str
    epsilon_pld: str
    prepare_seconds: float
    step_seconds: float
    cache_bytes: int
    round_bytes: int

    @property
    def noise_share(self) -> float:
        """Standard deviation of the noise on each number of the mean gradient, as a share of the clip."""
        plan = self.plan
        return float(plan.sigma) / (float(plan.sampling_rate) * self.patients)

    @property
    def minutes(self) -> float:
        """Of preparation and all rounds at one hospital."""
        return (self.prepare_seconds + self.plan.rounds * self.step_seconds) / 60

    def as_details(self) -> dict[str, Any]:
        plan = self.plan
        return {
            **{key: getattr(plan, key) for key in ("sigma", "rounds", "sampling_rate", "clip", "delta")},
            "patients": self.patients,
            "count_sigma": PATIENT_COUNT.sigma,
            "trained_layers": plan.trained_layers,
            "epsilon_prv": self.epsilon_prv,
            "epsilon_pld": self.epsilon_pld,
            "noise_share_of_clip": round(self.noise_share, 6),
            "minutes": round(self.minutes, 2),
            "cache_bytes": self.cache_bytes,
            "round_bytes": self.round_bytes,
        }

    def rows(self) -> list[tuple[str, str]]:
        plan = self.plan
        return [
            ("noise: sigma", plan.sigma),
            ("steps, one a round", str(plan.rounds)),
            ("q, the chance that a patient is drawn in a step", plan.sampling_rate),
            ("clip", plan.clip),
            ("delta", plan.delta),
            ("noise on the count of the patients", f"standard deviation {PATIENT_COUNT.sigma}"),
            ("epsilon, the count included", f"{self.epsilon_prv} by PRV, {self.epsilon_pld} by PLD"),
            ("layers that learn, and the head", str(plan.trained_layers)),
            ("minutes at one hospital", f"about {self.minutes:.1f}"),
            ("cache of hidden states", f"about {self.cache_bytes / 1e6:.1f} MB"),
            ("each way in a round", f"{self.round_bytes:,} bytes"),
        ]

    def words(self) -> list[str]:
        """What the noise means, and what the figures rest on."""
        plan = self.plan
        return [
            f"One patient can move the mean gradient by at most {plan.clip} / ({plan.sampling_rate} * {self.patients}),"
            f" and the noise on each of its numbers has {plan.sigma} times that as standard deviation, which is "
            f"{self.noise_share:.2%} of the clip. More patients make it smaller, for the same epsilon.",
            f"Time and memory were measured on this machine with {_MEASURED} made-up patients of the demo, reading and "
            "one short step, and multiplied; longer or more notes take more. Nothing was spent.",
        ]


def outlook(plan: Plan) -> Outlook:
    """Measure a plan on made-up patients of its first site; nothing is booked and no patient's data is read."""
    share, twin = plan.sites[0], Twin(plan)
    few = twin.patients(0, range(1)) * 2
    twin.update(plan, share.name, twin.start, few)  # tables and kernels are loaded at first use
    began = time.monotonic()
    some = twin.patients(0, range(_MEASURED))
    read = time.monotonic()
    many = (some * PATIENTS_AT_ONCE)[:PATIENTS_AT_ONCE]
    update = twin.update(plan, share.name, twin.start, many)
    stepped = time.monotonic()
    prv, pld = epsilons(plan.sampling_rate, plan.sigma, plan.rounds, plan.delta)
    kept = sum(len(save(vars(own))) for own in some)
    return Outlook(
        plan=plan,
        patients=share.patients,
        epsilon_prv=prv,
        epsilon_pld=pld,
        prepare_seconds=(read - began) * share.patients / _MEASURED,
        step_seconds=(stepped - read) * share.patients / len(many),
        cache_bytes=kept * share.patients // _MEASURED,
        round_bytes=len(save(update)),
    )
