"""Plans that the federation's server proposed: in plain words, what they cost, and what this hospital decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dashboard.view.logged import logged, when
from federated.approval import approve
from federated.parties import check_known
from federated.plan import Plan, check_caps
from federated.proposals import is_approved, offered, proposed
from policies.access import Action, Purpose
from policies.decisions import permissions, purpose_text, role_text
from policies.errors import ConfideError, InputError
from policies.events import Entry, Event
from policies.guard import Site
from policies.policy import Role
from policies.releases import epsilon_text

# A person's reason for a refusal is one of these, and no text of their own: it stands in the log for all who read it.
REASONS = (
    "it costs too much of the privacy budget",
    "it protects patients less than this hospital wants",
    "its labels, or this hospital's data, are not for this study",
    "the other hospitals or the server are not agreed on",
    "for a reason that was told to the server's administrator",
)

_DECIDE = Action.APPROVE_PLAN


class Standing(StrEnum):
    """What became of a plan here."""

    WAITS = "waits for a decision"
    APPROVED = "approved, and its cohort is prepared"
    LAPSED = "approved, but not prepared, or under another version or policy: it has to be approved again"
    REFUSED = "refused"


@dataclass(frozen=True)
class Proposal:
    """A plan that the server signed, and what became of it here."""

    plan: Plan
    standing: Standing

    @property
    def name(self) -> str:
        return f"{self.plan.study}, plan {self.plan.digest[:16]}: {self.standing}"

    def words(self, site: str) -> list[str]:
        """What the hospital would agree to."""
        return self.plan.in_words(site).splitlines()


@dataclass(frozen=True)
class Cost:
    """What a plan does to the budget of this hospital's patients.

    Attributes:
        before, after: epsilon of each patient, rounded up; left: of the cap, then.
        obstacle: why this hospital could not train by it, or nothing.
    """

    before: str
    after: str
    left: str
    obstacle: str


def proposals(site: Site) -> tuple[tuple[Proposal, ...], tuple[str, ...]]:
    """Every plan that was proposed, the newest first; and why others are not believed, a sentence for each."""
    found, refused = list[Proposal](), list[str]()
    newest = sorted(site.home.proposals.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    said = {entry.details["plan"] for entry in _decisions(site) if entry.event is Event.PLAN_REFUSED}
    for path in newest:
        try:
            found.append(Proposal(proposed(site, path.stem), _standing(site, path.stem, said)))
        except ConfideError as error:
            refused.append(f"{path.stem[:16]}: {error.message}.")
    return tuple(found), tuple(refused)


def _standing(site: Site, digest: str, refused: set[str]) -> Standing:
    if is_approved(site, digest):
        return Standing.APPROVED
    if site.home.plan(digest).exists():
        return Standing.LAPSED
    return Standing.REFUSED if digest in refused else Standing.WAITS


def data_of(site: Site) -> str:
    """The folder that a plan would train on; raises TrainingError where none was offered."""
    return str(offered(site))


def cost(site: Site, plan: Plan) -> Cost:
    """Compute what a plan costs; the accountant takes a few seconds."""
    from federated.study import budget_after  # brings torch

    before, after = map(epsilon_text, budget_after([site], plan))
    cap = Decimal(repr(site.guard.policy.training.epsilon))
    obstacle = f"it would bring epsilon to {after}, over the policy's {cap}" if Decimal(after) > cap else ""
    try:
        check_known(site, plan)
        check_caps(plan, site.guard.policy.training, site.guard.policy.federation)
    except ConfideError as error:
        obstacle = error.message
    return Cost(before, after, str(max(cap - Decimal(after), Decimal("0.000"))), obstacle)


def may_decide(site: Site) -> bool:
    """Whether the buttons are offered; the act itself asks again, and logs the answer."""
    return site.guard.decide(_DECIDE, Purpose.RESEARCH).permitted


def agree(site: Site, plan: Plan, show: Callable[[int, int], None]) -> None:
    """Approve a plan on the data that was offered, and prepare its cohort, as 'confide site approve' does.

    Args:
        show: told how many windows of notes were read, of how many.

    Raises:
        ConfideError: this account may not, or this hospital cannot train by the plan; the refusal is logged.
    """
    from federated.site_round import plan_classifier, prepare  # brings torch

    read, total = 0, 0

    def count(windows: int) -> None:
        nonlocal total
        total = windows
        show(read, total)

    def advance(windows: int) -> None:
        nonlocal read
        read += windows
        show(read, total)

    approve(site, plan, offered(site))
    prepare(site, plan, plan_classifier(plan), count, advance)


def who_decides(site: Site) -> str:
    """Who approves or refuses plans here, by role and name, in a sentence."""
    guard, told = site.guard, list[str]()
    for role in Role:
        if any(Purpose.RESEARCH in own.purposes for own in permissions([role], guard.access) if own.action is _DECIDE):
            holders = sorted(name for name, held in guard.policy.people.items() if role in held)
            told.append(f"{role_text(role).lower()} ({', '.join(holders) or 'nobody is named in the policy file'})")
    who = " or ".join(told) or f"nobody: ask {guard.policy.contact.compliance_officer}"
    return (
        f"Who approves or refuses plans, in a session for {purpose_text(Purpose.RESEARCH)}: {who}. "
        "If that is you, choose it with 'Change role or purpose'."
    )


def refuse(site: Site, plan: Plan, reason: str) -> None:
    """Say no to a plan; it stands in the log, and the server goes on waiting until its time is over.

    Raises:
        AccessDenied: this account may not decide about plans.
        InputError: it was approved before, so that a run may go on.
    """
    site.guard.permit(_DECIDE, Purpose.RESEARCH)
    if site.home.plan(plan.digest).exists():
        raise InputError("this plan was approved here already", "'confide site stop' ends what runs of it.")
    site.guard.record(Event.PLAN_REFUSED, plan=plan.digest, reason=reason, refused_by=site.guard.actor)


def decisions(site: Site) -> list[dict[str, str]]:
    """What people of this hospital decided, the newest first."""
    return [
        {
            "When": when(entry),
            "Who": entry.actor,
            "Plan": entry.details["plan"][:16],
            "Decision": "approved" if entry.event is Event.PLAN_APPROVED else "refused",
            "Reason": entry.details.get("reason", ""),
        }
        for entry in reversed(_decisions(site))
    ]


def _decisions(site: Site) -> list[Entry]:
    """By people: a plan that this hospital's software refuses is logged by the same event."""
    found = logged(site, Event.PLAN_APPROVED, Event.PLAN_REFUSED)
    return [entry for entry in found if entry.event is Event.PLAN_APPROVED or "refused_by" in entry.details]
