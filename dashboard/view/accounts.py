"""The accounts of the dashboard: who has which roles, and whose is locked."""

from __future__ import annotations

from typing import Any

from dashboard.signin import account_changed, accounts
from dashboard.view.visit import Visit
from policies.access import Action, Purpose
from policies.decisions import role_text


def account_rows(visit: Visit) -> list[dict[str, Any]]:
    """Every account, by name."""
    policy = visit.site.guard.policy
    return [
        {
            "Account": own.name,
            "Password of": f"{own.changed:%Y-%m-%d}",
            "Wrong passwords": own.tries,
            "Locked until (UTC)": f"{own.locked_until:%Y-%m-%d %H:%M}" if own.locked_until else "",
            "Roles": ", ".join(map(role_text, sorted(policy.people.get(own.name, ())))) or "none: no page opens",
        }
        for own in accounts(visit.workspace, policy).all()
    ]


def locked(visit: Visit) -> list[str]:
    """Names of the accounts that are locked now."""
    return [own.name for own in accounts(visit.workspace, visit.site.guard.policy).all() if own.locked_until]


def unlock(visit: Visit, name: str) -> None:
    """Let a locked account try again, as 'confide users unlock' does.

    Raises:
        AccessDenied: this account may not, in this role.
        InputError: there is no such account.
    """
    visit.site.guard.permit(Action.MANAGE_ACCOUNTS, Purpose.OPERATIONS)
    accounts(visit.workspace, visit.site.guard.policy).unlock(name)
    account_changed(visit.workspace, visit.account, name, "unlocked")
