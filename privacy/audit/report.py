"""What the audit of a claim found, for machines as JSON and for people in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from policies.errors import TrainingError
from privacy.audit.inversion import Inversion
from privacy.audit.membership import Membership
from privacy.audit.one_run import OneRun

PRIVATE_AUC, PLAIN_AUC = 0.6, 0.7
_DIGITS = 4


@dataclass(frozen=True)
class Drill:
    """The three attacks on one model.

    Attributes:
        one_run: whoever sees every update guesses which canaries were in.
        loss: membership by the model's loss alone.
        reference: the same, less the loss of a model that never saw these people.
        inversion: the note behind the update of one patient alone.
    """

    one_run: OneRun
    loss: Membership
    reference: Membership
    inversion: Inversion


@dataclass(frozen=True)
class AuditReport:
    """The claim, the attacks on its twin, and the same attacks on a model without privacy.

    Attributes:
        plan: its hash.
        encoder: its name.
        settings: sigma, clip, sampling rate and rounds.
        patients: declared, by site.
        epsilon: the claim, for each patient of each site.
        private: attacks on the twin of the plan.
        plain: attacks on twins without noise and clipping; inversion without noise only.
    """

    plan: str
    encoder: str
    settings: Mapping[str, str]
    patients: Mapping[str, int]
    epsilon: float
    delta: float
    private: Drill
    plain: Drill
    seconds: float

    def as_details(self) -> dict[str, Any]:
        """The form that is signed and embedded: numbers with four decimals."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded

    def rows(self) -> list[tuple[str, ...]]:
        """A table: what was tried, how it went on the twin, and on the model without privacy."""
        pair = (self.private, self.plain)
        return [
            ("canaries guessed right", *(f"{d.one_run.right} of {d.one_run.guesses}" for d in pair)),
            ("epsilon is at least", *(f"{d.one_run.lower:.2f}" for d in pair)),
            ("... and could have been shown to be", *(f"{d.one_run.ceiling:.2f}" for d in pair)),
            ("membership by loss, AUC", *(_auc(d.loss) for d in pair)),
            ("membership by a reference model, AUC", *(_auc(d.reference) for d in pair)),
            ("members found at 1 % false alarms", *(f"{d.reference.found:.1%}" for d in pair)),
            (
                f"note found among {self.private.inversion.candidates:,}",
                *(f"{d.inversion.retrieved:.1%} of {d.inversion.updates}" for d in pair),
            ),
            ("label found", *(f"{d.inversion.labels:.1%}" for d in pair)),
        ]

    def words(self) -> list[str]:
        """What it means, in sentences."""
        found = self.private.one_run
        sight = (
            f"{found.canaries} canaries could have shown {found.ceiling:.2f}."
            if found.ceiling > self.epsilon
            else f"{found.canaries} canaries cannot show more than {found.ceiling:.2f}, so they cannot refute "
            "this claim; a fault of the program shows in a twin with a smaller epsilon."
        )
        return [
            f"Claimed is epsilon {self.epsilon:.3f} at delta {self.delta:g}; whoever watched every update could prove "
            f"that it is at least {found.lower:.2f} (95 % sure). {sight}",
            f"Who has the model tells its patients from others with AUC {_auc(self.private.loss)} by the loss and "
            f"{_auc(self.private.reference)} by a reference model, where 0.5 is guessing.",
            "Without privacy the same attacks "
            + ("succeed, so they are not blind." if self.sees else "fail too, so that they fail here says nothing."),
        ]

    @property
    def sees(self) -> bool:
        """Whether the attacks catch the model without privacy."""
        return self.plain.loss.interval[0] > PLAIN_AUC and self.plain.one_run.lower > self.private.one_run.lower

    def check(self) -> None:
        """Raises TrainingError where the audit refutes the claim."""
        if self.private.one_run.lower > self.epsilon:
            raise TrainingError(
                f"the audit refutes the claim: epsilon is at least {self.private.one_run.lower:.2f} and not "
                f"{self.epsilon:.2f}",
                "Train nothing under this plan, run the audit once more, and report it to the makers of Confide.",
            )


def _auc(found: Membership) -> str:
    return f"{found.auc:.3f} ({found.interval[0]:.3f}-{found.interval[1]:.3f})"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) if value > 10**-_DIGITS else value  # delta keeps its digits
    if isinstance(value, Mapping):
        return {key: _rounded(own) for key, own in value.items()}
    return [_rounded(own) for own in value] if isinstance(value, list | tuple) else value
