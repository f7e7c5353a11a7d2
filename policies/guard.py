"""What every arrow of the road goes through: the policy is asked first, and the log holds what happened."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Container
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.access import (
    ORDINARY,
    Access,
    Action,
    Conditions,
    Decision,
    Purpose,
    decide,
    installed_access,
    load_access,
)
from policies.audit import AuditLog
from policies.errors import AccessDenied, PolicyError
from policies.events import Event
from policies.files import storage_errors
from policies.grants import Grant, Grants
from policies.history import note_policy
from policies.keys import KeyRing, create_keys
from policies.layout import refuse_other, say_layout
from policies.policy import Policy, Role, load_policy
from policies.workspace import Home, ServerHome, SiteHome, Workspace

if TYPE_CHECKING:
    from policies.care_team import CareTeams

_OWNERS_FOLDER = 0o700


@dataclass(frozen=True)
class Guard:
    """A policy, who may do what, the log beside them, and the account that acts, in its roles."""

    policy: Policy
    access: Access
    log: AuditLog
    actor: str
    grants: Grants
    roles: frozenset[Role]

    def decide(self, action: Action, purpose: Purpose, under: Conditions = ORDINARY) -> Decision:
        """Ask without consequence: what is only shown or offered is not logged."""
        return decide(self.actor, self.roles, action, purpose, under, access=self.access)

    def purpose_for(self, action: Action, *purposes: Purpose) -> Purpose:
        """The first of these for which this account may do it; the first of all where it may for none."""
        return next((one for one in purposes if self.decide(action, one).permitted), purposes[0])

    def permit(
        self,
        action: Action,
        purpose: Purpose,
        *,
        patient: str = "",
        consent_denied: Collection[Purpose] = (),
        requester: str = "",
    ) -> None:
        """Go on only if the access policy permits it; the decision stands in the log with the rules that made it.

        Args:
            patient: the pseudonym whose data it is, where it is one patient's; its care team and a break-glass grant
                count then. Without it the account counts as one that treats whoever it is about.
            consent_denied: the purposes that this patient refused.
            requester: the account whose request is decided about, where there is one.

        Raises:
            AccessDenied: it does not.
            IntegrityError: a break-glass grant of this account, or a row of its care teams, was edited.
        """
        under, grant = self._about(patient, consent_denied)
        under = replace(under, own_request=requester == self.actor)
        decision = self.decide(action, purpose, under)
        facts = {
            "action": action, "purpose": purpose, "roles": sorted(self.roles), "rules": list(decision.rules),
            "policy_set": decision.policy_set, "patient": patient, "consent_denied": sorted(under.consent_denied),
            "break_glass": grant.id if grant else "", "own_request": under.own_request,
        }  # fmt: skip
        told = {name: value for name, value in facts.items() if value}
        event = Event.ACCESS_DECIDED if decision.permitted else Event.ACCESS_DENIED
        self.record(event, **told, **({} if under.care_team else {"care_team": False}))
        if not decision.permitted:
            raise self._denied(action, purpose, under, decision)

    def would_permit(
        self, action: Action, purpose: Purpose, patient: str, consent_denied: Collection[Purpose] = ()
    ) -> bool:
        """What `permit` would say of one patient's data, without consequence; raises IntegrityError as that."""
        return self.decide(action, purpose, self._about(patient, consent_denied)[0]).permitted

    @property
    def care_teams(self) -> CareTeams:
        """Who treats whom at this site."""
        from policies.care_team import CareTeams  # SQLAlchemy takes its time

        return CareTeams(self.grants.home, self.grants.keys)

    def _about(self, patient: str, consent_denied: Collection[Purpose]) -> tuple[Conditions, Grant | None]:
        """What a decision rests on: about one patient, or about nobody in particular."""
        refused = frozenset(consent_denied)
        if not patient:
            return Conditions(refused), None
        grant = self.grants.active(self.actor, patient)
        return Conditions(refused, grant is not None, care_team=self.care_teams.treats(self.actor, patient)), grant

    def _denied(self, action: Action, purpose: Purpose, under: Conditions, decision: Decision) -> AccessDenied:
        officer, subject = self.policy.contact.compliance_officer, f"'{self.actor}'"
        if not under.care_team and self.decide(action, purpose, replace(under, care_team=True)).permitted:
            return AccessDenied(
                f"no policy lets {subject} {action} for {purpose}: not on the care team of this patient",
                "Hospital IT adds whoever treats the patient with 'confide care-team add'; in an emergency break the "
                f"glass. Questions go to {officer}.",
            )
        held = ", ".join(sorted(self.roles)) or "none"
        rule = f"the rule '{', '.join(decision.rules)}' does not let" if decision.rules else "no policy lets"
        return AccessDenied(
            f"{rule} {subject} (roles: {held}) {action} for {purpose}",
            f"Ask {officer}; roles stand under [people] in the policy file.",
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


def open_site(
    workspace: Workspace, name: str, actor: str | None = None, role: Role | None = None, *, any_layout: bool = False
) -> Site:
    """Open a hospital's home, making it and its keys where there is none.

    Args:
        actor: the account that acts; the one of the operating system by default.
        role: the one in which it acts, of somebody who signed in; by default all that the policy file gives to it.
        any_layout: also a home that another version wrote, to back it up or bring it up to date.

    Raises:
        PolicyError: there is no policy, or it is not valid, or another version wrote this; nothing is made then.
        IntegrityError: a key cannot be used.
    """
    home = workspace.site(name)
    keys, guard = _open(workspace, home, actor, role, any_layout=any_layout)
    return Site(home, keys, guard)


def open_server(
    workspace: Workspace, actor: str | None = None, role: Role | None = None, *, any_layout: bool = False
) -> Server:
    """Open the server's home; as `open_site`."""
    keys, guard = _open(workspace, workspace.server, actor, role, any_layout=any_layout)
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


def _open(
    workspace: Workspace, home: Home, actor: str | None, role: Role | None, *, any_layout: bool
) -> tuple[KeyRing, Guard]:
    policy, access = load_policy(workspace.policy), access_of(workspace)
    _refuse_foreign(workspace.policy)
    _close(home.root)
    if not any_layout:
        refuse_other(home)
    if not home.audit.exists():
        say_layout(home)
    keys = create_keys(home.keys, home.name)
    account = actor or account_name(policy.people)
    log = AuditLog(home.audit, keys, account)
    note_policy(home, log, workspace.policy.read_bytes(), access)
    roles = frozenset({role}) if role else policy.people.get(account, frozenset())
    return keys, Guard(policy, access, log, account, Grants(home, keys), roles)


def _close(root: Path) -> None:
    """Nobody but the owner reaches what lies below, whatever the mode of a single file."""
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        if stat.S_IMODE(root.stat().st_mode) != _OWNERS_FOLDER:
            root.chmod(_OWNERS_FOLDER)


def access_of(workspace: Workspace) -> Access:
    """The hospital's own access policy, or the installed one.

    Raises:
        PolicyError: its own cannot be read, does not fit the schema, or others could have written it.
    """
    if not os.path.lexists(workspace.access):  # a link that leads nowhere is no absence
        return installed_access()
    access = load_access(workspace.access)
    _refuse_foreign(workspace.access)
    return access


def _refuse_foreign(policy: Path) -> None:
    """A policy that somebody else could have written decides nothing: it says who may do what."""
    found = policy.stat()
    if found.st_uid not in (os.getuid(), 0) or stat.S_IMODE(found.st_mode) & 0o022:
        raise PolicyError(
            f"{policy}: another account owns this file or may write to it",
            f"Run 'chown {_name_of(os.getuid())} {policy}; chmod go-w {policy}' after reading it.",
        )
