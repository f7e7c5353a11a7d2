"""What every arrow of the road goes through: the policy is asked first, and the log holds what happened."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.access import Action, Purpose, decide
from policies.audit import AuditLog, Event
from policies.errors import AccessDenied, PolicyError
from policies.keys import KeyRing, create_keys
from policies.policy import Policy, load_policy
from policies.workspace import Home, ServerHome, SiteHome, Workspace


@dataclass(frozen=True)
class Guard:
    """A policy, the log beside it, and the account that acts."""

    policy: Policy
    log: AuditLog
    actor: str

    def permit(self, action: Action, purpose: Purpose) -> None:
        """Go on only if the access policy permits it.

        Raises:
            AccessDenied: it does not; the denial stands in the log.
        """
        roles = self.policy.people.get(self.actor, frozenset())
        decision = decide(self.actor, roles, action, purpose)
        if not decision.permitted:
            self.record(Event.ACCESS_DENIED, action=action, purpose=purpose, policy_set=decision.policy_set)
            raise AccessDenied(
                f"no policy lets '{self.actor}' (roles: {', '.join(sorted(roles)) or 'none'}) {action} for {purpose}",
                f"Ask {self.policy.contact.compliance_officer}; roles stand under [people] in the policy file.",
            )

    def record(self, event: Event, **details: Any) -> None:
        """Write what happened, with the hash of the policy in force."""
        self.log.append(event, policy=self.policy.digest, **details)


@dataclass(frozen=True)
class Site:
    """One hospital, opened: its home, its keys and its guard."""

    home: SiteHome
    keys: KeyRing
    guard: Guard

    @property
    def name(self) -> str:
        return self.home.name


@dataclass(frozen=True)
class Server:
    """The server, opened."""

    home: ServerHome
    keys: KeyRing
    guard: Guard


def open_site(workspace: Workspace, name: str, actor: str | None = None) -> Site:
    """Open a hospital's home, making it and its keys where there is none.

    Args:
        actor: the account that acts; the one of the operating system by default.

    Raises:
        PolicyError: there is no policy, or it is not valid; nothing is made then.
        IntegrityError: a key cannot be used.
    """
    home = workspace.site(name)
    keys, guard = _open(workspace, home, actor)
    return Site(home, keys, guard)


def open_server(workspace: Workspace, actor: str | None = None) -> Server:
    """Open the server's home; as `open_site`."""
    keys, guard = _open(workspace, workspace.server, actor)
    return Server(workspace.server, keys, guard)


def account_name(people: Container[str] = ()) -> str:
    """Who acts: the account of this process by the operating system, not by $USER or $LOGNAME, which anyone may set.

    Where a hospital gives its workspace to a service account that is no person, people come to it by sudo, which sets
    $SUDO_UID itself. It counts only if the process's own account is none of the `people`, so that nobody who is named
    in the policy can pose as another.
    """
    own, caller = _name_of(os.getuid()), os.environ.get("SUDO_UID", "")
    return _name_of(int(caller)) if own not in people and caller.isdecimal() else own


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without a name
        return f"uid-{uid}"


def _open(workspace: Workspace, home: Home, actor: str | None) -> tuple[KeyRing, Guard]:
    policy = load_policy(workspace.policy)
    _refuse_foreign(workspace.policy)
    keys = create_keys(home.keys, home.name)
    account = actor or account_name(policy.people)
    return keys, Guard(policy, AuditLog(home.audit, keys, account), account)


def _refuse_foreign(policy: Path) -> None:
    """A policy that somebody else could have written decides nothing: it says who may do what."""
    found = policy.stat()
    if found.st_uid not in (os.getuid(), 0) or stat.S_IMODE(found.st_mode) & 0o022:
        raise PolicyError(
            f"{policy}: another account owns this file or may write to it",
            f"Run 'chown {_name_of(os.getuid())} {policy}; chmod go-w {policy}' after reading it.",
        )
