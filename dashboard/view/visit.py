"""Whoever is before the screen: as what, for what, and which pages that opens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from policies.access import Action, Purpose, decide
from policies.guard import Site, access_of, open_site
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
    """An account that acts in one role, for one purpose, at one hospital."""

    workspace: Workspace
    account: str
    choice: Choice

    @property
    def role(self) -> Role:
        return self.choice.role

    @property
    def purpose(self) -> Purpose:
        return self.choice.purpose

    @cached_property
    def site(self) -> Site:
        """The hospital, opened for this account in this role."""
        return open_site(self.workspace, self.choice.site, self.account, self.role)

    @cached_property
    def pages(self) -> tuple[PageView, ...]:
        """What the access policy lets this account open."""
        return tuple(_open_to(self.workspace, self.account, self.role, self.purpose))


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
