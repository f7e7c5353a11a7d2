"""What a policy set means, found out by asking it: who may do what, what looks like a mistake, what a change changes.

Nothing here reads Cedar: each answer comes from questions to the engine that decides, so words and decisions agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from policies import cedar
from policies.access import ORDINARY, Access, Action, Conditions, Decision, Purpose, decide, installed_access
from policies.events import Entry, Event
from policies.files import table_of
from policies.policy import Policy, Role

_OWN = Conditions(own_request=True)
_STRANGER = Conditions(care_team=False)
_LIMITS: Mapping[str, Callable[[Purpose], Conditions]] = {
    "only for patients whose care team one is on": lambda _: _STRANGER,
    "not where the patient refused that": lambda purpose: Conditions(frozenset([purpose])),
}
_SOMEBODY = "somebody"  # an account that no rule names
_NOTHING = "nothing"
_TWO_PERSONS = (Action.APPROVE_REIDENTIFICATION, Action.REVIEW_BREAK_GLASS)
_Pairs = set[tuple[Action, Purpose]]
_OF_A_TEAM = (Action.VIEW_NOTE, Action.EXTRACT, Action.CORRECT)
_OF_A_PATIENT = (Action.VIEW_NOTE, Action.EXTRACT, Action.REQUEST_REIDENTIFICATION, Action.REIDENTIFY)


@dataclass(frozen=True)
class Permission:
    """What holders of some roles may do, for which purposes, and what takes it away."""

    action: Action
    purposes: tuple[Purpose, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Change:
    """A decision that a proposed policy set would turn, with the rules that made it and those that would."""

    actor: str
    action: Action
    purpose: Purpose
    permitted: bool
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Replay:
    """What a proposed policy set would have decided.

    Attributes:
        decisions: how many were decided again.
        left_out: denials of the log that no policy set made, such as that of a request which expired.
        changes: each with how often it stands in the log.
    """

    decisions: int
    left_out: int
    changes: Mapping[Change, int]


def words(table: str, code: str) -> str:
    """What people call a role, a purpose or an action."""
    found: str = table_of("policies", "access")[table][code]
    return found


def role_text(role: Role) -> str:
    """A role as people read it."""
    return words("roles", role)


def purpose_text(purpose: Purpose) -> str:
    """A purpose in words, with its code."""
    return f"{words('purposes', purpose)} ({purpose})"


def permissions(roles: Collection[Role], access: Access, person: str = _SOMEBODY) -> tuple[Permission, ...]:
    """Everything that an account with these roles may do; a rule may name the person too."""
    ask = _asking(access, person, roles)
    found = []
    for action in Action:
        purposes = tuple(purpose for purpose in Purpose if ask(action, purpose))
        if purposes:
            found.append(Permission(action, purposes, tuple(_limits(ask, action, purposes))))
    return tuple(found)


def explain(roles: Collection[Role], access: Access, person: str = _SOMEBODY) -> list[str]:
    """What an account with these roles may do, one sentence for each purpose or set of purposes."""
    grouped: dict[tuple[tuple[Purpose, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for found in permissions(roles, access, person):
        grouped[found.purposes, found.limits].append(words("actions", found.action))
    return [
        f"for {_joined(map(purpose_text, purposes), 'or')}: {_joined(actions, 'and')}"
        + "".join(f"; {limit}" for limit in limits)
        for (purposes, limits), actions in grouped.items()
    ] or [_NOTHING]


def explain_policy(policy: Policy, access: Access) -> list[str]:
    """Who may do what for which purpose, by role with the accounts that hold it; then what anybody may."""
    lines = []
    for role in Role:
        holders = sorted(name for name, held in policy.people.items() if role in held)
        lines.append(f"{words('roles', role)} ({', '.join(holders) or 'nobody'}) may")
        lines += [f"  {line}" for line in explain([role], access)]
    for name in named_persons(access):
        roles = policy.people.get(name, frozenset())
        lines.append(f"{name} ({', '.join(sorted(roles)) or 'no role'}), whom a rule names, may")
        lines += [f"  {line}" for line in explain(roles, access, name)]
    return [*lines, "Whoever has no role may", *(f"  {line}" for line in explain([], access))]


def named_persons(access: Access) -> list[str]:
    """The accounts that rules name."""
    return sorted({one.value for one in cedar.literals(access.text) if one.type == "Person"})


def warnings(access: Access) -> list[str]:
    """What a policy set allows and nobody is likely to want; an empty list says nothing about what is missing."""
    return [
        *_unconditional(access), *_unknown(access), *_gained(access), *_own_requests(access), *_refusals(access),
        *_strangers(access),
    ]  # fmt: skip


def people_warnings(policy: Policy, access: Access) -> list[str]:
    """Accounts that the policy file gives so much that two persons become one."""
    asking, deciding = {Action.REQUEST_REIDENTIFICATION, Action.BREAK_GLASS}, set(_TWO_PERSONS)
    found = [f"a rule names '{name}', who has no role" for name in named_persons(access) if name not in policy.people]
    for name, roles in sorted(policy.people.items()):
        allowed = {permission.action for permission in permissions(roles, access, name)}
        if roles == frozenset(Role):
            found.append(f"'{name}' holds every role")
        elif allowed & asking and allowed & deciding:
            found.append(f"'{name}' may ask for access and decide about such requests, though not about an own one")
        elif {Action.VIEW_NOTE, Action.MANAGE_CARE_TEAMS} <= allowed:
            found.append(f"'{name}' may read notes of the patients it treats, and say whom it treats")
    return found


def replay(entries: Iterable[Entry], proposed: Access) -> Replay:
    """Decide again what the log says was decided: same account, roles, action, purpose and conditions."""
    decided, left_out, changes = 0, 0, Counter[Change]()
    for entry in entries:
        if entry.event not in (Event.ACCESS_DECIDED, Event.ACCESS_DENIED):
            continue
        if "policy_set" not in entry.details:
            left_out += 1
            continue
        decided += 1
        was, now = entry.event == Event.ACCESS_DECIDED, _again(entry, proposed)
        if now.permitted != was:
            what = Action(entry.details["action"]), Purpose(entry.details["purpose"])
            changes[Change(entry.actor, *what, now.permitted, tuple(entry.details.get("rules", ())), now.rules)] += 1
    return Replay(decided, left_out, dict(sorted(changes.items())))


def _again(entry: Entry, proposed: Access) -> Decision:
    facts: Mapping[str, Any] = entry.details
    denied = frozenset(map(Purpose, facts.get("consent_denied", ())))
    under = Conditions(
        denied, bool(facts.get("break_glass")), bool(facts.get("own_request")), bool(facts.get("care_team", True))
    )
    roles = [Role(role) for role in facts.get("roles", ())]
    return decide(entry.actor, roles, Action(facts["action"]), Purpose(facts["purpose"]), under, access=proposed)


def _asking(access: Access, person: str, roles: Collection[Role]) -> Callable[..., bool]:
    """What says whether somebody may do something, by action, purpose and conditions."""

    def ask(action: Action, purpose: Purpose, under: Conditions = ORDINARY) -> bool:
        return decide(person, roles, action, purpose, under, access=access).permitted

    return ask


def _limits(ask: Callable[..., bool], action: Action, purposes: tuple[Purpose, ...]) -> Iterator[str]:
    def still(under: Callable[[Purpose], Conditions], *, broken: bool = False) -> bool:
        return all(ask(action, purpose, replace(under(purpose), break_glass=broken)) for purpose in purposes)

    for limit, under in _LIMITS.items():
        if not still(under):
            yield limit + (", unless the glass is broken" if still(under, broken=True) else "")
    if not still(lambda _: _OWN):
        yield "not about an own request"


def _unconditional(access: Access) -> Iterator[str]:
    for rule in cedar.rules(access.text):
        if rule.unconditional:
            yield f"line {rule.line}: the rule '{rule.id}' permits for any purpose: it has no 'when'"


def _unknown(access: Access) -> Iterator[str]:
    """A misspelt name makes a rule that says nothing, and no error."""
    known: dict[str, Collection[str]] = {"Role": list(Role), "": list(Purpose)}
    for one in cedar.literals(access.text):
        if "\\" in one.value:
            yield f"line {one.line}: '{one.value}' is written with an escape, which nothing here reads"
        elif one.value not in known.get(one.type, [one.value]):
            yield f"line {one.line}: there is no {'role' if one.type else 'purpose'} '{one.value}'"


def _gained(access: Access) -> Iterator[str]:
    """What the installed set does not give: to anybody, to a role, to a person whom a rule names."""
    installed, anybody = installed_access(), _allowed(access, [])
    yield from _said("whoever has no role", anybody, _allowed(installed, []))
    of_roles = {role: _allowed(access, [role]) for role in Role}
    for role, allowed in of_roles.items():
        yield from _said(f"the role {role}", allowed, _allowed(installed, [role]) | anybody)
    for name in named_persons(access):
        own = _allowed(access, [], name)
        yield from _said(f"'{name}'", own, anybody)
        for role, allowed in of_roles.items():
            yield from _said(f"'{name}' with the role {role}", _allowed(access, [role], name), allowed | own)


def _allowed(access: Access, roles: Collection[Role], person: str = _SOMEBODY) -> _Pairs:
    ask = _asking(access, person, roles)
    return {(action, purpose) for action, purpose in product(Action, Purpose) if ask(action, purpose)}


def _said(holder: str, may: _Pairs, given: _Pairs) -> Iterator[str]:
    """What somebody may do beyond what was given."""
    if may > given and len(may) == len(Action) * len(Purpose):
        yield f"{holder} may do everything for every purpose"
        return
    for action in Action:
        if gained := [purpose for purpose in Purpose if (action, purpose) in may - given]:
            whole = all((action, purpose) in may for purpose in Purpose)
            told = "every purpose" if whole else ", ".join(gained)
            yield f"{holder} may {words('actions', action)} for {told}; the installed rules do not give that"


def _own_requests(access: Access) -> Iterator[str]:
    for person in (_SOMEBODY, *named_persons(access)):
        ask = _asking(access, person, list(Role))
        for action in _TWO_PERSONS:
            if any(ask(action, purpose, _OWN) for purpose in Purpose):
                yield f"{_one(person)} may {words('actions', action)} about an own request"


def _refusals(access: Access) -> Iterator[str]:
    for person in (_SOMEBODY, *named_persons(access)):
        ask = _asking(access, person, list(Role))
        for action, purpose in product(_OF_A_PATIENT, Purpose):
            if ask(action, purpose, Conditions(frozenset([purpose]))):
                yield f"{_one(person)} may {words('actions', action)} for {purpose} although the patient refused it"


def _strangers(access: Access) -> Iterator[str]:
    for person in (_SOMEBODY, *named_persons(access)):
        ask = _asking(access, person, list(Role))
        for action, purpose in product(_OF_A_TEAM, Purpose):
            if ask(action, purpose, _STRANGER):
                yield f"{_one(person)} may {words('actions', action)} for {purpose} without being on the care team"


def _one(person: str) -> str:
    return "one person" if person == _SOMEBODY else f"'{person}'"


def _joined(parts: Iterable[str], last: str) -> str:
    *rest, end = parts
    return f"{', '.join(rest)} {last} {end}" if rest else end
