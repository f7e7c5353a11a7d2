"""Whoever is before the screen: as what, for what, and which pages that opens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from dashboard.signin import sessions
from policies.access import ORDINARY, Action, Conditions, Decision, Purpose, decide
from policies.decisions import purpose_text, words
from policies.errors import AccessDenied
from policies.guard import Guard, Server, Site, access_of, open_server, open_site
from policies.policy import Role
from policies.sessions import Choice, Session
from policies.workspace import Workspace


@dataclass(frozen=True)
class PageView:
    """A page: where it stands in the navigation, its file under pages/, its name for people, and what whoever opens it
    must be permitted to do."""

    section: str
    name: str
    title: str
    icon: str
    address: str
    action: Action


# Of several pages that a role may open it meets the first one first: those of care, of compliance, of IT.
# The addresses differ from the names of the files: Streamlit would run a file of that name in pages/ without this one.
PAGES = (
    PageView("Care", "patients", "Patients", "groups", "patient-list", Action.VIEW_NOTE),
    PageView("Care", "note", "Note", "clinical_notes", "patient-note", Action.VIEW_NOTE),
    PageView("Care", "record", "Record", "timeline", "patient-record", Action.VIEW_NOTE),
    PageView("Care", "look", "Look at a note", "upload_file", "one-look", Action.EXTRACT),
    PageView("Oversight", "audit", "Audit log", "fact_check", "audit-log", Action.VIEW_AUDIT),
    PageView("Oversight", "access", "Who saw this patient", "visibility", "patient-access", Action.VIEW_AUDIT),
    PageView("Oversight", "glass", "Broken glass", "e911_emergency", "broken-glass", Action.REVIEW_BREAK_GLASS),
    PageView("Oversight", "disclosures", "Disclosures", "outbound", "patient-disclosures", Action.RECORD_DISCLOSURE),
    PageView("Oversight", "certificates", "Certificates", "verified", "deid-certificates", Action.CERTIFY),
    PageView("Federation", "training", "Training", "model_training", "training-run", Action.VIEW_TRAINING),
    PageView("Federation", "federation", "Federation", "hub", "federation-status", Action.VIEW_TRAINING),
    PageView("Federation", "plans", "Plans", "contract", "study-plans", Action.VIEW_TRAINING),
    PageView("Federation", "models", "Models", "neurology", "signed-models", Action.VIEW_MODELS),
    PageView("Operation", "jobs", "De-identification", "shield_person", "deid-jobs", Action.DEIDENTIFY),
    PageView("Operation", "keys", "Keys", "key", "key-list", Action.MANAGE_KEYS),
    PageView("Operation", "settings", "Settings", "settings", "policy-file", Action.VIEW_POLICY),
    PageView("Operation", "accounts", "Accounts", "group", "account-list", Action.MANAGE_ACCOUNTS),
    PageView("Rules and reviews", "budget", "Privacy budget", "savings", "privacy-budget", Action.VIEW_BUDGET),
    PageView("Rules and reviews", "policy", "Policy", "gavel", "policy-in-words", Action.VIEW_POLICY),
    PageView("Rules and reviews", "review", "Review", "rate_review", "review-queue", Action.REVIEW),
)


@dataclass(frozen=True)
class Visit:
    """An account that acts in one role, for one purpose, at one hospital, for as long as its session goes on so.

    Attributes:
        token: of the session; it is asked for again before each act, since a button, a download or a part of a page
            that draws itself outlives the run of the script that made it.
    """

    workspace: Workspace
    account: str
    choice: Choice
    token: str = field(repr=False)

    @property
    def role(self) -> Role:
        return self.choice.role

    @property
    def purpose(self) -> Purpose:
        return self.choice.purpose

    @cached_property
    def site(self) -> Site:
        """The hospital, opened for this visit alone."""
        opened = open_site(self.workspace, self.choice.site, self.account, self.role)
        return replace(opened, guard=VisitGuard.of(opened.guard, self))

    @cached_property
    def server(self) -> Server:
        """The server of this workspace, as `site`."""
        opened = open_server(self.workspace, self.account, self.role)
        return replace(opened, guard=VisitGuard.of(opened.guard, self))

    @cached_property
    def pages(self) -> tuple[PageView, ...]:
        """What the access policy lets this account open."""
        return tuple(_open_to(self.workspace, self.account, self.role, self.purpose))

    def still(self) -> None:
        """Whether it goes on.

        Raises:
            AccessDenied: the session ended, or acts in another role, for another purpose or at another hospital now.
        """
        found = sessions(self.workspace).find(self.token, active=False)
        if found is None or (found.account, found.choice) != (self.account, self.choice):
            raise AccessDenied("this session ended, or goes on as something else than when this page was drawn",
                               "Load the page again.")  # fmt: skip


@dataclass(frozen=True)
class VisitGuard(Guard):
    """Lets a visit act while it goes on, and for the purpose that was chosen for it, whatever others the role has."""

    visit: Visit

    @classmethod
    def of(cls, guard: Guard, visit: Visit) -> VisitGuard:
        """The same guard, for one visit."""
        return cls(**{own.name: getattr(guard, own.name) for own in fields(guard)}, visit=visit)

    def decide(self, action: Action, purpose: Purpose, under: Conditions = ORDINARY) -> Decision:
        decision = super().decide(action, purpose, under)
        return decision if purpose == self.visit.purpose else replace(decision, permitted=False, rules=())

    def permit(self, action: Action, purpose: Purpose, **about: Any) -> None:
        self.visit.still()
        if purpose == self.visit.purpose:
            super().permit(action, purpose, **about)
            return
        with suppress(AccessDenied):  # the denial stands in the log; what to do about it is another sentence
            super().permit(action, purpose, **about)
        raise AccessDenied(
            f"'{words('actions', action)}' is for {purpose_text(purpose)}, and this session for "
            f"{purpose_text(self.visit.purpose)}",
            f"Choose that with 'Change role or purpose', or ask {self.policy.contact.compliance_officer}.",
        )


def choices(workspace: Workspace, session: Session) -> list[Choice]:
    """Every role, purpose and hospital that a session may act in: those that open a page.

    Raises:
        PolicyError: the hospital's own access policy cannot be used.
    """
    return [
        Choice(role, purpose, home.name)
        for role in Role
        if role in session.roles
        for purpose in Purpose
        if any(_open_to(workspace, session.account, role, purpose))
        for home in workspace.sites()
    ]


def _open_to(workspace: Workspace, account: str, role: Role, purpose: Purpose) -> Iterator[PageView]:
    access = access_of(workspace)
    return (page for page in PAGES if decide(account, [role], page.action, purpose, access=access).permitted)


def ordered(values: Iterable[str]) -> list[str]:
    """Each once, in the order in which they came."""
    return list(dict.fromkeys(values))
