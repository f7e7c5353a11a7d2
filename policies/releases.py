"""A private release is frozen data; the accountant only reads it.

What an accountant may be asked about is a list of these. Real numbers are kept as decimal strings, so that the audit
log and the ledger hold the very digits from which epsilon is recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation
from typing import Any

from policies.errors import IntegrityError


@dataclass(frozen=True, order=True)
class PoissonSampledGaussian:
    """`steps` releases of a clipped sum with Gaussian noise, over a Poisson sample of patients.

    Each step takes every patient with probability `rate`, on its own, and adds noise of standard deviation `sigma`
    times the clipping norm (Abadi et al. 2016, algorithm 1; Mironov, Talwar and Zhang 2019, definition 3). The
    neighbouring cohort has one patient more or less.

    Attributes:
        sigma: noise multiplier, a decimal string, more than 0.
        rate: sampling rate, a decimal string in (0, 1].
        steps: how often.
    """

    sigma: str
    rate: str
    steps: int

    def __post_init__(self) -> None:
        try:
            sigma, rate = Decimal(self.sigma), Decimal(self.rate)
        except (InvalidOperation, TypeError, ValueError):
            raise IntegrityError("a release's sigma and rate are decimal numbers") from None
        if type(self.steps) is not int:
            raise IntegrityError("a release's steps are a whole number")
        if not (sigma.is_finite() and sigma > 0 and rate.is_finite() and 0 < rate <= 1 and self.steps > 0):
            raise IntegrityError(
                f"no release has sigma {self.sigma}, rate {self.rate} and {self.steps} steps",
                "sigma is over 0, the rate in (0, 1], the steps at least 1.",
            )

    def as_details(self) -> dict[str, Any]:
        """The form in the ledger and the audit log."""
        return {"kind": "poisson-sampled-gaussian", "sigma": self.sigma, "rate": self.rate, "steps": self.steps}

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> PoissonSampledGaussian:
        """Raises IntegrityError for a kind of release that this version does not know, or one with a part missing."""
        if details.get("kind") != "poisson-sampled-gaussian":
            raise IntegrityError(f"unknown kind of release '{details.get('kind')}'")
        try:
            return cls(details["sigma"], details["rate"], details["steps"])
        except KeyError as missing:
            raise IntegrityError(f"a release without {missing}") from None


def epsilon_text(epsilon: float) -> str:
    """Epsilon with three decimals, rounded up, or 'infinite'."""
    if epsilon == float("inf"):
        return "infinite"
    # float(): an accountant may answer with numpy's. The precision holds the largest float, of 309 digits.
    digits = Decimal(repr(float(epsilon)))
    return str(digits.quantize(Decimal("0.001"), rounding=ROUND_CEILING, context=Context(prec=320)))
