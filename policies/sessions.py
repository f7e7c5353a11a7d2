"""Who is signed in: since when, with which roles, and for which purpose.

A session ends when it was idle or lasted for longer than the policy lets it, when the account's roles change, and when
somebody ends it. What the browser holds is a random token; here lies its hash alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sql

from policies.access import Purpose
from policies.database import Database
from policies.files import sha256_hex
from policies.policy import Policy, Role

metadata = sql.MetaData()
_sessions = sql.Table(
    "sessions",
    metadata,
    sql.Column("key", sql.String(64), primary_key=True),
    sql.Column("account", sql.String(256), nullable=False, index=True),
    sql.Column("method", sql.String(16), nullable=False),
    sql.Column("groups", sql.Text, nullable=False),
    sql.Column("roles", sql.Text, nullable=False),
    sql.Column("began", sql.String(40), nullable=False),
    sql.Column("seen", sql.String(40), nullable=False),
    sql.Column("ended", sql.Boolean, nullable=False),
    sql.Column("role", sql.String(32), nullable=False),
    sql.Column("purpose", sql.String(16), nullable=False),
    sql.Column("site", sql.String(64), nullable=False),
)
_TOKEN_BYTES = 32
_PASSWORD = "password"  # noqa: S105  # a method


@dataclass(frozen=True)
class Choice:
    """As what, for what and where somebody acts in a session."""

    role: Role
    purpose: Purpose
    site: str


@dataclass(frozen=True)
class Session:
    """One session.

    Attributes:
        method: 'password' or 'openid'.
        roles: that the policy gives to the account, or to its groups.
        choice: None until it was made.
    """

    key: str
    account: str
    method: str
    roles: frozenset[Role]
    began: datetime
    choice: Choice | None


class Sessions:
    """The sessions of a workspace, under its policy as it is now.

    Args:
        database: their tables, made where there are none.
        clock: gives the time; of this machine by default.
    """

    def __init__(self, database: Database, policy: Policy, clock: Callable[[], datetime] | None = None) -> None:
        self._database, self._policy = database, policy
        self._now = clock or (lambda: datetime.now(UTC))
        with database.transaction() as link:
            metadata.create_all(link)

    def begin(self, account: str) -> str:
        """Of somebody who gave the right password; returns the token, which only the browser keeps."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._insert(token, account, _PASSWORD, ())
        return token

    def begin_with(self, token: str, account: str, groups: Iterable[str]) -> bool:
        """Of somebody whom the hospital's own directory signed in (OpenID Connect).

        Args:
            token: of that one sign-in; one that was seen before begins nothing.

        Returns:
            Whether a session began.
        """
        with self._database.transaction() as link:
            known = link.execute(sql.select(_sessions.c.key).where(_sessions.c.key == _key(token))).first()
        if not known:
            self._insert(token, account, "openid", groups)
        return not known

    def find(self, token: str, *, active: bool = True) -> Session | None:
        """The session of a token, or None where there is none that goes on.

        Args:
            active: whether the person did something; a page that merely looks whether it may stay is no activity.
        """
        own = _sessions.c.key == _key(token)
        with self._database.transaction() as link:
            row = link.execute(sql.select(_sessions).where(own)).first()
            if not row or row.ended:
                return None
            roles = self._roles(row.account, row.method, json.loads(row.groups))
            if self._is_over(row) or not roles or sorted(roles) != json.loads(row.roles):
                link.execute(sql.update(_sessions).where(own).values(ended=True))
                return None
            if active:
                link.execute(sql.update(_sessions).where(own).values(seen=self._now().isoformat()))
        return _session(row, roles)

    def choose(self, token: str, choice: Choice | None) -> None:
        """Keep what the person chose; None forgets it."""
        chosen = (choice.role, choice.purpose, choice.site) if choice else ("", "", "")
        values = dict(zip(("role", "purpose", "site"), chosen, strict=True))
        with self._database.transaction() as link:
            link.execute(sql.update(_sessions).where(_sessions.c.key == _key(token)).values(**values))

    def end(self, token: str) -> None:
        """The person signs out."""
        self._end(_sessions.c.key == _key(token))

    def end_all(self, account: str) -> None:
        """Every session of an account."""
        self._end(_sessions.c.account == account)

    def _end(self, which: sql.ColumnElement[bool]) -> None:
        with self._database.transaction() as link:
            link.execute(sql.update(_sessions).where(which).values(ended=True))

    def _insert(self, token: str, account: str, method: str, groups: Iterable[str]) -> None:
        kept, now = sorted(groups), self._now().isoformat()
        row = {
            "key": _key(token), "account": account, "method": method, "groups": json.dumps(kept),
            "roles": json.dumps(sorted(self._roles(account, method, kept))), "began": now, "seen": now, "ended": False,
            "role": "", "purpose": "", "site": "",
        }  # fmt: skip
        with self._database.transaction() as link:
            link.execute(sql.insert(_sessions).values(**row))

    def _roles(self, account: str, method: str, groups: Iterable[str]) -> frozenset[Role]:
        openid = self._policy.signin.openid
        named = method == _PASSWORD or openid.people
        own = self._policy.people.get(account, frozenset()) if named else frozenset()
        return own.union(*(openid.roles.get(group, ()) for group in groups))

    def _is_over(self, row: sql.Row[tuple[str, ...]]) -> bool:
        """Whether it was idle for too long (45 CFR 164.312(a)(2)(iii)), or lasted for too long."""
        rules, now = self._policy.signin, self._now()
        idle = now - datetime.fromisoformat(row.seen) > timedelta(minutes=rules.idle_minutes)
        return idle or now - datetime.fromisoformat(row.began) > timedelta(hours=rules.session_hours)


def _session(row: sql.Row[tuple[str, ...]], roles: frozenset[Role]) -> Session:
    choice = Choice(Role(row.role), Purpose(row.purpose), row.site) if row.role in roles else None
    return Session(row.key, row.account, row.method, roles, datetime.fromisoformat(row.began), choice)


def _key(token: str) -> str:
    return sha256_hex(token.encode())
