"""Who is before the screen: signing in and out, and what is chosen for a session; all of it stands in the logs."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from policies.accounts import Accounts, SignInRefused
from policies.database import Database
from policies.errors import PolicyError
from policies.events import Event
from policies.files import canonical_json, sha256_hex
from policies.guard import Guard, open_server, open_site
from policies.policy import Policy, load_policy
from policies.sessions import Choice, Session, Sessions
from policies.workspace import Workspace

COOKIE = "confide-session"
_NOBODY = "nobody"  # what was typed as a name may be a password, so it stands in no log


def cookie_of(url: str) -> str:
    """The name of the cookie at an address.

    Over HTTPS it has the prefix with which browsers take it from this host alone and over HTTPS alone, so that no
    neighbour under the same domain can put its own there (RFC 6265bis, section 4.1.3.2).
    """
    return f"__Host-{COOKIE}" if url.startswith("https://") else COOKIE


def new_password() -> str:
    """One that is made up, of 96 random bits."""
    return "-".join(secrets.token_hex(2) for _ in range(6))


def accounts(workspace: Workspace, policy: Policy | None = None) -> Accounts:
    """The accounts of a workspace; raises PolicyError where there is no policy."""
    rules = (policy or load_policy(workspace.policy)).signin
    return Accounts(Database(workspace.people_url, "list of accounts"), rules)


def sessions(workspace: Workspace, policy: Policy | None = None) -> Sessions:
    """The sessions of a workspace; raises PolicyError where there is no policy."""
    return Sessions(Database(workspace.people_url, "list of sessions"), policy or load_policy(workspace.policy))


def guards(workspace: Workspace, account: str) -> Iterable[Guard]:
    """Of every hospital of a workspace, or of its server where there is no hospital yet."""
    sites = workspace.sites()
    return [open_site(workspace, home.name, account).guard for home in sites] or [open_server(workspace, account).guard]


def note(workspace: Workspace, actor: str, event: Event, **details: Any) -> None:
    """Write into every log of the workspace that something about an account happened."""
    for guard in guards(workspace, actor):
        guard.record(event, **details)


def account_changed(workspace: Workspace, actor: str, account: str, change: str) -> None:
    """Write into every log that somebody made, unlocked, removed or otherwise changed an account."""
    note(workspace, actor, Event.ACCOUNT_CHANGED, account=account, change=change)


def sign_in(workspace: Workspace, name: str, password: str) -> str:
    """The token of a new session.

    Raises:
        SignInRefused: name or password is wrong, or the account is locked.
        PolicyError: the policy gives the account no role.
    """
    policy = load_policy(workspace.policy)
    try:
        accounts(workspace, policy).check(name, password)
    except SignInRefused as refused:
        note(workspace, refused.account or _NOBODY, Event.SIGNIN_FAILED, method="password")
        raise
    if not policy.people.get(name):
        note(workspace, name, Event.SIGNIN_FAILED, method="password", reason="no role")
        raise _roleless(policy)
    token = sessions(workspace, policy).begin(name)
    note(workspace, name, Event.SIGNIN, method="password", roles=sorted(policy.people[name]))
    return token


def token_of(claims: Mapping[str, Any]) -> str:
    """What stands for one sign-in by OpenID Connect: the same claims, with their times, are the same sign-in."""
    return "openid:" + sha256_hex(canonical_json({name: str(value) for name, value in claims.items()}))


def sign_in_with(workspace: Workspace, claims: Mapping[str, Any]) -> None:
    """Begin the session of somebody whom the hospital's directory signed in, unless it began, or ended, before.

    Args:
        claims: of the identity token, verified.

    Raises:
        PolicyError: the claims name nobody, or the policy gives neither the account nor its groups a role.
    """
    policy = load_policy(workspace.policy)
    rules, token = policy.signin.openid, token_of(claims)
    account, found = claims.get(rules.name_claim), claims.get(rules.groups_claim)
    if not isinstance(account, str) or not account:
        raise PolicyError(
            f"the hospital's directory gave no '{rules.name_claim}'",
            "Ask hospital IT: 'name_claim' stands under [signin.openid] in the policy file.",
        )
    if account in {own.name for own in accounts(workspace, policy).all()}:
        raise PolicyError(
            "the hospital's directory names an account that signs in with a password here",
            "Use the password, or ask hospital IT to remove the account with 'confide users remove'.",
        )
    groups = [str(group) for group in found] if isinstance(found, list | tuple) else [str(found)] if found else []
    open_ = sessions(workspace, policy)
    if not open_.begin_with(token, account, groups):
        return
    session = open_.find(token)
    if session is None or not session.roles:
        note(workspace, account, Event.SIGNIN_FAILED, method="openid", reason="no role")
        raise _roleless(policy)
    note(workspace, account, Event.SIGNIN, method="openid", roles=sorted(session.roles))


def choose(workspace: Workspace, token: str, session: Session, choice: Choice) -> None:
    """As what, for what and where the person acts from now on; raises PolicyError for a role that was not given."""
    if choice.role not in session.roles:
        raise _roleless(load_policy(workspace.policy))
    sessions(workspace).choose(token, choice)
    details = {"role": choice.role, "purpose": choice.purpose}
    open_site(workspace, choice.site, session.account, choice.role).guard.record(Event.PURPOSE_CHOSEN, **details)


def forget_choice(workspace: Workspace, token: str) -> None:
    """The person is asked again as what, for what and where."""
    sessions(workspace).choose(token, None)


def sign_out(workspace: Workspace, token: str) -> None:
    """End a session."""
    found = sessions(workspace)
    if session := found.find(token, active=False):
        found.end(token)
        note(workspace, session.account, Event.SIGNOUT)


class Roleless(PolicyError):
    """Nobody was signed in: no role, so no page."""


def _roleless(policy: Policy) -> Roleless:
    return Roleless(
        "the policy file gives this account no role, so there is no page to show",
        f"Ask {policy.contact.compliance_officer}; roles stand under [people] in the policy file.",
    )
