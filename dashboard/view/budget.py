"""The privacy budget of a hospital's patients over time, what each spending bought, and epsilon computed anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.view.logged import logged
from dashboard.view.training import Budget
from federated.approval import approved
from policies.errors import IntegrityError, TrainingError
from policies.events import Event
from policies.guard import Site
from policies.ledger import COHORT, Booking, State, by_plan
from policies.models import list_models
from policies.releases import epsilon_text, from_details
from policies.retention import logged_releases
from policies.wording import counted, to_the_minute
from policies.workspace import Workspace
from privacy.training import accounting
from privacy.training.budget import open_ledger


@dataclass(frozen=True)
class Study:
    """What one plan took.

    Attributes:
        name: of the study, or what stands in the place of one.
        bought: rounds that were computed, and the model that came of them.
        epsilon: after its newest release, of everything until then; as it was computed and logged.
    """

    name: str
    plan: str
    bought: str
    states: Mapping[str, int]
    first: str
    last: str
    epsilon: str

    @property
    def row(self) -> Mapping[str, Any]:
        """For a table."""
        return {
            "Study": self.name, "Bought": self.bought, "Epsilon of all until then": self.epsilon,
            "From (UTC)": self.first, "Until (UTC)": self.last, "Spent": self.states[State.SPENT],
            "Reserved": self.states[State.RESERVED], "Refunded": self.states[State.REFUNDED], "Plan": self.plan[:16],
        }  # fmt: skip


@dataclass(frozen=True)
class EpsilonCheck:
    """Epsilon from the log alone beside the ledger's."""

    log: str
    ledger: str
    releases: int

    @property
    def equal(self) -> bool:
        return self.log == self.ledger

    @property
    def sentence(self) -> str:
        """What the comparison says."""
        verdict = "equal to" if self.equal else "NOT equal to"
        return f"Epsilon recomputed from the {self.releases} releases in the log is {verdict} the ledger's."


def studies(workspace: Workspace, site: Site) -> list[Study]:
    """What each plan took and bought, the oldest first.

    Raises:
        IntegrityError: ledger and log do not fit, or a model does not verify.
    """
    bookings, after = open_ledger(site).bookings(), _epsilons(site)
    models = {model.card["plan_sha256"]: model.name for model in list_models(workspace.models, workspace.trusted)}
    plans = dict.fromkeys(booking.plan for booking in bookings)
    return [_study(site, [one for one in bookings if one.plan == plan], models.get(plan, ""), after) for plan in plans]


def points(site: Site, bought: Sequence[Study]) -> list[tuple[str, float, str]]:
    """When, epsilon of all releases until then, and the study and round, for a figure."""
    names = {study.plan: study.name for study in bought}
    spent = logged(site, Event.BUDGET_SPENT)
    return [
        (entry.time, float(entry.details["epsilon"]), _what(names, entry.details["plan"], entry.details["round"]))
        for entry in spent
    ]


def epsilon_check(site: Site, spent: Budget) -> EpsilonCheck:
    """Recompute epsilon from the log's releases at the ledger's delta, and from the ledger's; it takes seconds."""
    releases = logged_releases(site.home.audit, site.keys.public)
    booked = [entry.details for entry in releases if entry.event is Event.BUDGET_SPENT]
    said = [(details["plan"], from_details(details["release"])) for details in booked]
    held = [(booking.plan, booking.release) for booking in spent.bookings if booking.state is State.SPENT]
    log, ledger = (epsilon_text(accounting.epsilon(by_plan(made), spent.delta)) for made in (said, held))
    return EpsilonCheck(log, ledger, len(said))


def _study(site: Site, bookings: Sequence[Booking], model: str, after: Mapping[int, str]) -> Study:
    plan, states = bookings[0].plan, Counter[str](booking.state for booking in bookings)
    rounds = counted(states[State.SPENT], "round")
    if plan == COHORT:
        name, bought = "counts of patients", f"{counted(states[State.SPENT], 'noisy count')}, for drafts of plans"
    else:
        name, bought = _name(site, plan), f"{rounds}; model {model}" if model else f"{rounds}; no model yet"
    first, last = (to_the_minute(booking.time) for booking in (bookings[0], bookings[-1]))
    epsilons = [after[booking.id] for booking in bookings if booking.id in after]
    return Study(name, plan, bought, states, first, last, epsilons[-1] if epsilons else "nothing")


def _name(site: Site, plan: str) -> str:
    """The name of a study; the plan's hash where the approval cannot be read."""
    try:
        return approved(site, plan).plan.study
    except (IntegrityError, TrainingError):
        return plan[:16]


def _epsilons(site: Site) -> dict[int, str]:
    spent = logged_releases(site.home.audit, site.keys.public)
    return {one.details["booking"]: one.details["epsilon"] for one in spent if one.event is Event.BUDGET_SPENT}


def _what(names: Mapping[str, str], plan: str, number: int) -> str:
    return names.get(plan, plan[:16]) if plan == COHORT else f"{names.get(plan, plan[:16])}, round {number}"
