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
    """A page: its file under pages/, its name for people, and what whoever opens it must be permitted to do."""

    name: str
    title: str
    icon: str
    address: str
    action: Action


# Of several pages that a role may open it meets the first one first: those of care, of compliance, of IT.
# The addresses differ from the names of the files: Streamlit would run a file of that name in pages/ without this one.
PAGES = (
    PageView("patients", "Patients", ":material/groups:", "patient-list", Action.VIEW_NOTE),
    PageView("note", "Note", ":material/clinical_notes:", "patient-note", Action.VIEW_NOTE),
    PageView("record", "Record", ":material/timeline:", "patient-record", Action.VIEW_NOTE),
    PageView("look", "Look at a note", ":material/upload_file:", "one-look", Action.EXTRACT),
    PageView("audit", "Audit log", ":material/fact_check:", "audit-log", Action.VIEW_AUDIT),
    PageView("access", "Who saw this patient", ":material/visibility:", "patient-access", Action.VIEW_AUDIT),
    PageView("glass", "Broken glass", ":material/e911_emergency:", "broken-glass", Action.REVIEW_BREAK_GLASS),
    PageView("disclosures", "Disclosures", ":material/outbound:", "patient-disclosures", Action.RECORD_DISCLOSURE),
    PageView("certificates", "Certificates", ":material/verified:", "deid-certificates", Action.CERTIFY),
    PageView("training", "Training", ":material/model_training:", "training-run", Action.VIEW_TRAINING),
    PageView("federation", "Federation", ":material/hub:", "federation-status", Action.VIEW_TRAINING),
    PageView("plans", "Plans", ":material/contract:", "study-plans", Action.VIEW_TRAINING),
    PageView("models", "Models", ":material/neurology:", "signed-models", Action.VIEW_MODELS),
    PageView("jobs", "De-identification", ":material/shield_person:", "deid-jobs", Action.DEIDENTIFY),
    PageView("keys", "Keys", ":material/key:", "key-list", Action.MANAGE_KEYS),
    PageView("settings", "Settings", ":material/settings:", "policy-file", Action.VIEW_POLICY),
    PageView("accounts", "Accounts", ":material/group:", "account-list", Action.MANAGE_ACCOUNTS),
    PageView("budget", "Privacy budget", ":material/savings:", "privacy-budget", Action.VIEW_BUDGET),
    PageView("policy", "Policy", ":material/gavel:", "policy-in-words", Action.VIEW_POLICY),
    PageView("review", "Review", ":material/rate_review:", "review-queue", Action.REVIEW),
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
