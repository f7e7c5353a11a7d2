"""Local accounts of the dashboard: a password under Argon2id for each, and a lock after failed tries.

What an account may do stands in the policy file under [people]; here is only who it is. Nothing says whether a name
exists: an unknown one costs as much time, and gets the same answer.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore

import sqlalchemy as sql
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from policies.database import Database
from policies.errors import AccessDenied, InputError
from policies.policy import SignIn

_LONGEST = 256  # characters of a password, and of a name
_FEWEST_DIFFERENT = 5  # characters of a password
# As RFC 9106, section 4, recommends where memory is scarce, on one lane: several at once on more lanes fail in OpenSSL.
_ITERATIONS, _LANES, _MEMORY_KIB = 3, 1, 64 * 1024
_SALT_BYTES, _TAG_BYTES = 16, 32
_AT_ONCE = BoundedSemaphore(4)  # each takes 64 MiB: however many try, no more than this

metadata = sql.MetaData()
_accounts = sql.Table(
    "accounts",
    metadata,
    sql.Column("name", sql.String(_LONGEST), primary_key=True),
    sql.Column("password", sql.String(256), nullable=False),  # PHC string
    sql.Column("changed", sql.String(40), nullable=False),
    sql.Column("tries", sql.Integer, nullable=False),
    sql.Column("tried", sql.String(40), nullable=False),
)

_REAL = _accounts.c.name != ""  # one row is nobody's


class SignInRefused(AccessDenied):
    """Nobody was signed in; `account` is the one that was tried, or empty where there is none of that name."""

    def __init__(self, account: str, rules: SignIn) -> None:
        super().__init__(
            "name or password is wrong, or the account is locked",
            f"After {rules.tries} wrong passwords an account is locked for {rules.locked_minutes} minutes; "
            "hospital IT can unlock it with 'confide users unlock NAME'.",
        )
        self.account = account


@dataclass(frozen=True)
class Account:
    """One account.

    Attributes:
        changed: when its password was set.
        tries: wrong passwords since the last right one.
        locked_until: None where it is not locked.
    """

    name: str
    changed: datetime
    tries: int
    locked_until: datetime | None


class Accounts:
    """The accounts of a workspace.

    Args:
        database: their tables, made where there are none.
        clock: gives the time; of this machine by default.
    """

    def __init__(self, database: Database, rules: SignIn, clock: Callable[[], datetime] | None = None) -> None:
        self._database, self._rules = database, rules
        self._now = clock or (lambda: datetime.now(UTC))
        with database.transaction() as link:
            metadata.create_all(link)
            if not link.execute(sql.select(_accounts.c.name).where(~_REAL)).first():
                link.execute(sql.insert(_accounts).values(name="", password="", **self._fresh()))

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._database.transaction() as link:
            return [
                self._account(row)
                for row in link.execute(sql.select(_accounts).where(_REAL).order_by(_accounts.c.name))
            ]

    def add(self, name: str, password: str) -> None:
        """A new account.

        Raises:
            InputError: there is one of this name, or the password is too weak.
        """
        kept = _hashed(self._checked(name, password))
        with self._database.transaction() as link:
            if link.execute(sql.select(_accounts.c.name).where(_accounts.c.name == name)).first():
                raise InputError(f"there is an account '{name}' already", "Use 'confide users password' to change it.")
            link.execute(sql.insert(_accounts).values(name=name, password=kept, **self._fresh()))

    def change(self, name: str, password: str) -> None:
        """Another password, which also unlocks; raises InputError as `add`, or where there is no such account."""
        self._update(name, password=_hashed(self._checked(name, password)), **self._fresh())

    def unlock(self, name: str) -> None:
        """Forget the wrong passwords of an account; raises InputError where there is no such account."""
        self._update(name, tries=0)

    def remove(self, name: str) -> None:
        """Raises InputError where there is no such account."""
        with self._database.transaction() as link:
            _one(name, link.execute(sql.delete(_accounts).where(_accounts.c.name == name, _REAL)).rowcount)

    def check(self, name: str, password: str) -> None:
        """Whether this is the password of that account; each try counts before it is made, so none is made aside.

        Raises:
            SignInRefused: it is not, there is no such account, or it is locked.
        """
        name = "" if "\0" in name or len(name) > _LONGEST else name
        with self._database.transaction() as link:
            row = link.execute(sql.select(_accounts).where(_accounts.c.name == name, _REAL)).first()
            locked = row is not None and self._account(row).locked_until is not None
            counts = row.name if row and not locked else ""  # nobody's row is written instead: it costs as much
            tried = {"tries": _accounts.c.tries + 1, "tried": self._now().isoformat()}
            link.execute(sql.update(_accounts).where(_accounts.c.name == counts).values(**tried))
        right = _is(password, row.password if row else _nobodys())
        if not row or locked or not right:
            raise SignInRefused(row.name if row else "", self._rules)
        self._update(name, tries=0)

    def _update(self, name: str, **values: str | int) -> None:
        with self._database.transaction() as link:
            _one(
                name,
                link.execute(sql.update(_accounts).where(_accounts.c.name == name, _REAL).values(**values)).rowcount,
            )

    def _fresh(self) -> dict[str, str | int]:
        now = self._now().isoformat()
        return {"changed": now, "tries": 0, "tried": now}

    def _account(self, row: sql.Row[tuple[str, str, str, int, str]]) -> Account:
        until = datetime.fromisoformat(row.tried) + timedelta(minutes=self._rules.locked_minutes)
        locked = row.tries >= self._rules.tries and self._now() < until
        return Account(row.name, datetime.fromisoformat(row.changed), row.tries, until if locked else None)

    def _checked(self, name: str, password: str) -> str:
        """A password by NIST SP 800-63B-4, section 3.1.1.2: long, and nothing else is asked of it."""
        shortest = self._rules.shortest_password
        if not name or "\0" in name or len(name) > _LONGEST:
            raise InputError("this is no name of an account", f"Use 1 to {_LONGEST} characters.")
        if not shortest <= len(password) <= _LONGEST:
            raise InputError(f"the password has not {shortest} to {_LONGEST} characters", "A sentence is a good one.")
        if (len(name) >= _FEWEST_DIFFERENT and name.lower() in password.lower()) or len(
            set(password)
        ) < _FEWEST_DIFFERENT:
            raise InputError("the password holds the name, or one character over and over", "Choose another one.")
        return password


def _one(name: str, rows: int) -> None:
    if rows != 1:
        raise InputError(f"there is no account '{name}'", "'confide users list' shows them.")


def _hashed(password: str) -> str:
    with _AT_ONCE:
        kdf = Argon2id(
            salt=os.urandom(_SALT_BYTES),
            length=_TAG_BYTES,
            iterations=_ITERATIONS,
            lanes=_LANES,
            memory_cost=_MEMORY_KIB,
        )
        return kdf.derive_phc_encoded(password.encode())


def _is(password: str, kept: str) -> bool:
    with _AT_ONCE, suppress(InvalidKey):
        Argon2id.verify_phc_encoded(password[: _LONGEST + 1].encode(), kept)
        return True
    return False


def _nobodys() -> str:
    """What no password gives, at the cost of any other: its tag is nothing but chance."""
    salt, tag = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (_SALT_BYTES, _TAG_BYTES))
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_ITERATIONS},p={_LANES}${salt}${tag}"
