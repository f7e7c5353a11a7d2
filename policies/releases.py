"""A private release is frozen data; an accountant only reads it.

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
class GaussianRelease:
    """A sum or a count over everybody, plus Gaussian noise; the neighbouring cohort has one patient more or less.

    Attributes:
        sigma: standard deviation of the noise in units of the sum's L2 sensitivity, a decimal string over 0.
        times: how often it is released, each time with noise of its own.
    """

    sigma: str
    times: int = 1

    def __post_init__(self) -> None:
        if not _decimal(self.sigma) > 0:
            raise IntegrityError(f"no release has sigma {self.sigma}", "sigma is over 0.")
        if type(self.times) is not int or self.times < 1:
            raise IntegrityError("a release is made once or more often, a whole number of times")

    def as_details(self) -> dict[str, Any]:
        """The form in the ledger and the audit log."""
        return {"kind": "gaussian", "sigma": self.sigma, "times": self.times}


@dataclass(frozen=True, order=True)
class PoissonSampled:
    """A release over a Poisson sample: each time, every patient is taken on their own with probability `rate`.

    Abadi et al. 2016, algorithm 1; Mironov, Talwar and Zhang 2019, definition 3.

    Attributes:
        rate: a decimal string in (0, 1].
        release: what is made of the sample; each of its times has a sample of its own.
    """

    rate: str
    release: GaussianRelease

    def __post_init__(self) -> None:
        if not 0 < _decimal(self.rate) <= 1:
            raise IntegrityError(f"no release has rate {self.rate}", "The rate is in (0, 1].")

    def as_details(self) -> dict[str, Any]:
        """The form in the ledger and the audit log."""
        return {"kind": "poisson-sampled", "rate": self.rate, "release": self.release.as_details()}


Release = GaussianRelease | PoissonSampled


def from_details(details: Mapping[str, Any]) -> Release:
    """The release that `as_details` wrote down.

    Raises:
        IntegrityError: this version does not know such a kind of release, or a part is missing.
    """
    try:
        match details["kind"]:
            case "gaussian":
                return GaussianRelease(details["sigma"], details["times"])
            case "poisson-sampled":
                release = from_details(details["release"])
                if isinstance(release, GaussianRelease):
                    return PoissonSampled(details["rate"], release)
    except (KeyError, TypeError):
        raise IntegrityError("a release without one of its parts") from None
    raise IntegrityError(f"unknown kind of release '{details['kind']}'")


def _decimal(text: str) -> Decimal:
    """Raises IntegrityError for what is no finite decimal number."""
    try:
        number = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        number = Decimal("NaN")
    if not isinstance(text, str) or not number.is_finite():
        raise IntegrityError("a release's sigma and rate are decimal numbers")
    return number


def epsilon_text(epsilon: float) -> str:
    """Epsilon with three decimals, rounded up, or 'infinite'."""
    if epsilon == float("inf"):
        return "infinite"
    # float(): an accountant may answer with numpy's. The precision holds the largest float, of 309 digits.
    digits = Decimal(repr(float(epsilon)))
    return str(digits.quantize(Decimal("0.001"), rounding=ROUND_CEILING, context=Context(prec=320)))


# A hospital's count of its training patients, which a plan rests on. A constant of the program, so that nothing about
# it is decided after looking at a patient. Much less noise would cost the training, much more the count's use.
PATIENT_COUNT = GaussianRelease("20")
