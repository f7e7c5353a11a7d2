"""The privacy certificate of a signed model at one hospital: what was done, and the epsilon that follows from it.

It holds every number from which epsilon is computed, so that whoever has the file and the hospital's public key can
compute it again. What cannot be computed from the file (how many steps were taken, where the noise came from) is what
the hospital's ledger and log say, and the hospital signs for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import ConfideError, InputError, IntegrityError, TrainingError
from policies.files import file_sha256
from policies.keys import KeyRing, PublicKey
from policies.releases import PATIENT_COUNT, GaussianRelease, PoissonSampled, Release, epsilon_text
from policies.signed import read_signed, signed
from privacy.training.accounting import epsilon, pld_epsilon, prv_epsilon
from privacy.training.randomness import CHACHA20

KIND = "confide-dp-certificate-v1"
PUBLIC_CHECK = "per-patient gradients on public rows"
POISSON, OTHER_SAMPLER = "Poisson", "not Poisson"
NEIGHBOURING = "add or remove one patient"
_LAST_DIGIT = 1.5e-3  # another machine's library may round the third decimal the other way
_DECIMAL = r"^\d+(\.\d+)?(e-\d+)?$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuditBound(_Frozen):
    """What the attack with canaries showed on the synthetic twin of the plan.

    Attributes:
        lower: epsilon is at least this, 95 % sure; ceiling: the most that so many canaries could have shown.
        report_sha256: of the whole report.
    """

    canaries: int
    guesses: int
    right: int
    lower: float
    ceiling: float
    report_sha256: str

    @classmethod
    def read(cls, path: Path, plan: str) -> AuditBound:
        """From a report that 'confide privacy audit --out' wrote.

        Raises:
            InputError: it is no such report.
            TrainingError: it is about another plan.
        """
        import json

        try:
            report = json.loads(path.read_bytes())
            audited, found = report["plan"], cls(**report["private"]["one_run"], report_sha256=file_sha256(path))
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                "no report of an audit", "Name a file of 'confide privacy audit --out'.", file=path
            ) from None
        if audited != plan:
            raise TrainingError(
                f"{path}: the audit is of another plan than {plan[:16]}, so it says nothing of this model",
                f"Run 'confide privacy audit --plan {plan} --out FILE'.",
            )
        return found


class DpCertificate(_Frozen):
    """What a hospital certifies of a model; real numbers of the accounting are decimal strings.

    Attributes:
        q, sigma, steps: of the Poisson-sampled Gaussian releases; a step whose update was lost and which was taken
            again counts twice, so there may be more steps than rounds.
        count_sigma: noise of the one count of training patients that the plan rests on.
        epsilon_prv, epsilon_pld: of the count and all steps, by two accountants, rounded up.
        epsilon_all: of everything that the ledger holds, in so many studies.
    """

    model: str
    weights_sha256: str
    study: str
    plan: str
    site: str
    encoder: str
    encoder_sha256: str
    unit: str
    neighbouring: str
    sampler: str
    q: str = Field(pattern=_DECIMAL)
    sigma: str = Field(pattern=_DECIMAL)
    clip: str = Field(pattern=_DECIMAL)
    rounds: int = Field(ge=1)
    steps: int = Field(ge=1)
    count_sigma: str = Field(pattern=_DECIMAL)
    delta: str = Field(pattern=_DECIMAL)
    epsilon_prv: str = Field(pattern=_DECIMAL)
    epsilon_pld: str = Field(pattern=_DECIMAL)
    epsilon_all: str = Field(pattern=_DECIMAL)
    studies: int = Field(ge=1)
    noise: str
    guards: tuple[str, ...]
    audit: AuditBound | None
    date: str

    @property
    def epsilon(self) -> float:
        """The larger of the two accountants' figures: the claim."""
        return max(float(self.epsilon_prv), float(self.epsilon_pld))

    def check(self) -> None:
        """Whether this can be certified, by what the certificate says of itself.

        Raises:
            TrainingError: with the first reason why not.
            IntegrityError: the accountants give another epsilon.
        """
        missing = {PUBLIC_CHECK} - set(self.guards)
        reasons = {
            "its patients were not drawn by Poisson sampling": self.sampler != POISSON,
            f"its noise is not from the cryptographic generator ({self.noise})": self.noise != CHACHA20,
            f"a guard did not pass: {', '.join(missing)}": bool(missing),
            f"{self.steps} steps are fewer than its {self.rounds} rounds": self.steps < self.rounds,
        }
        for reason, holds in reasons.items():
            if holds:
                raise _refused(reason)
        stated = (self.epsilon_prv, self.epsilon_pld)
        found = epsilons(self.q, self.sigma, self.steps, self.delta, self.count_sigma)
        for name, said, own in zip(("PRV", "PLD"), stated, found, strict=True):
            if not abs(float(said) - float(own)) <= _LAST_DIGIT:
                raise IntegrityError(
                    f"the certificate says epsilon {said} by {name}, and {self.steps} steps with sigma {self.sigma} "
                    f"and q {self.q} and a count with sigma {self.count_sigma} cost {own}",
                    "Believe neither, and ask the hospital.",
                )
        if self.audit and not self.audit.lower <= self.epsilon:
            raise _refused(f"its audit refutes the claim: epsilon is at least {self.audit.lower:.2f}")

    def rows(self) -> list[tuple[str, str]]:
        """The certificate as a table in plain words."""
        bound = self.audit
        found = (
            f"at least {bound.lower:.2f}, 95 % sure; {bound.canaries:,} canaries could have shown {bound.ceiling:.2f}"
            if bound
            else "no audit was handed in"
        )
        return [
            ("model", self.model),
            ("study, plan", f"{self.study}, {self.plan[:16]}"),
            ("encoder", f"{self.encoder}, {self.encoder_sha256[:16]}"),
            ("whose presence is hidden", self.unit),
            ("neighbouring cohorts", self.neighbouring),
            ("sampler", f"{self.sampler}, rate {self.q}"),
            ("noise, clip", f"sigma {self.sigma} times a clip of {self.clip}"),
            ("steps", f"{self.steps} for {self.rounds} rounds, by ledger and log"),
            ("count of the patients, for the plan", f"once, with noise of standard deviation {self.count_sigma}"),
            ("epsilon of this model", f"{self.epsilon_prv} by PRV, {self.epsilon_pld} by PLD, at delta {self.delta}"),
            ("epsilon of all at this hospital", f"{self.epsilon_all}, studies: {self.studies}"),
            ("noise from", self.noise),
            ("guards passed", ", ".join(self.guards)),
            ("attack on the synthetic twin", found),
        ]

    def words(self) -> str:
        """What it means, in one sentence."""
        return (
            f"Whoever sees the model, its plan and every update of {self.site} may change the odds that a patient's "
            f"notes were in the training by at most a factor of exp({self.epsilon:.3f}), save for a chance of "
            f"{self.delta}. The number of patients in the plan is counted in."
        )


def unit_of(site: str) -> str:
    return f"each patient of {site}; a patient of two hospitals adds both up"


def epsilons(rate: str, sigma: str, steps: int, delta: str, count: str = PATIENT_COUNT.sigma) -> tuple[str, str]:
    """Epsilon of so many Poisson-sampled Gaussian releases and one count of the patients by PRV and PLD, rounded up.

    Raises:
        TrainingError: the two disagree.
    """
    releases: list[Release] = [GaussianRelease(count), PoissonSampled(rate, GaussianRelease(sigma, steps))]
    chance = float(delta)
    epsilon([releases], chance)
    return epsilon_text(prv_epsilon(releases, chance)), epsilon_text(pld_epsilon(releases, chance))


def sign_certificate(certificate: DpCertificate, keys: KeyRing) -> bytes:
    """The signed file; raises as `DpCertificate.check`."""
    certificate.check()
    return signed(keys, KIND, certificate.model_dump(mode="json"))


def claimed_site(path: Path) -> str:
    """Which hospital a certificate says that it is of; that hospital's key proves it.

    Raises:
        InputError: it is no certificate.
    """
    import json

    try:
        return str(json.loads(path.read_bytes())[KIND]["site"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            "no privacy certificate", "Name a file of 'confide privacy certificate --out'.", file=path
        ) from None


def verify_certificate(path: Path, key: PublicKey) -> DpCertificate:
    """A certificate whose signature verifies and whose epsilon was computed again; needs nothing but this file.

    Raises:
        ConfideError: it was edited, is not of this key, or does not hold by its own numbers.
    """
    certificate = _parsed(path, read_signed(path, KIND, key))
    try:
        certificate.check()
    except ConfideError as error:
        raise IntegrityError(f"{path}: {error.message}", error.hint) from None
    return certificate


def _parsed(path: Path, body: Mapping[str, Any]) -> DpCertificate:
    try:
        return DpCertificate.model_validate(body)
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise IntegrityError(f"{path}: no certificate of this version; wrong keys: {keys}") from None


def _refused(reason: str) -> TrainingError:
    return TrainingError(f"no privacy certificate: {reason}", "Train the model anew; what was spent stays spent.")
