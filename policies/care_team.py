"""Who treats whom: the accounts on the care team of each patient, who stands in the list by pseudonym alone.

Every row is sealed with the site's own key: whoever can write to the database, but has not the keys, puts nobody on a
team. Such a person can still take rows out, which closes notes, and put back a row that once was there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sql

from policies.database import Database, there
from policies.errors import IntegrityError
from policies.keys import KeyRing
from policies.workspace import Home

EVERY = "*"
_LONGEST = 256  # characters of a name
_metadata = sql.MetaData()
_teams = sql.Table(
    "care_teams",
    _metadata,
    sql.Column("patient", sql.String(_LONGEST), primary_key=True),
    sql.Column("account", sql.String(_LONGEST), primary_key=True, index=True),
    sql.Column("sealed", sql.String(_LONGEST), nullable=False),
)


class Member(NamedTuple):
    """A row: one account or every account treats one patient or every patient."""

    patient: str
    account: str


@dataclass(frozen=True)
class CareTeams:
    """The care teams of one site.

    Raises:
        IntegrityError: a row that is asked for was not written by this site.
        StorageError: the disk or the database refuses.
    """

    home: Home
    keys: KeyRing

    def treats(self, account: str, patient: str) -> bool:
        """Whether this account is on the care team of this patient."""
        either = _teams.c.patient.in_((patient, EVERY)) & _teams.c.account.in_((account, EVERY))
        return bool(self._rows(either))

    def treated(self, account: str, patients: Collection[str]) -> frozenset[str]:
        """Of these patients those for whom `treats` says yes, by one question to the database."""
        own = {row.patient for row in self._rows(_teams.c.account.in_((account, EVERY)))}
        return frozenset(patients if EVERY in own else own.intersection(patients))

    def every(self) -> list[Member]:
        """All rows, in order."""
        return sorted(self._rows(sql.true()))

    def change(self, added: Iterable[Member], removed: Iterable[Member] = ()) -> None:
        """Put rows in and take rows out, all or none; it is not logged."""
        new = [{**row._asdict(), "sealed": self.keys.seal(b"", _context(row)).hex()} for row in added]
        gone = [{"of": row["patient"], "by": row["account"]} for row in (*new, *(one._asdict() for one in removed))]
        same = (_teams.c.patient == sql.bindparam("of")) & (_teams.c.account == sql.bindparam("by"))
        with _database(self.home.care_teams_url).transaction() as link:
            _metadata.create_all(link)
            for statement, rows in ((sql.delete(_teams).where(same), gone), (sql.insert(_teams), new)):
                if rows:
                    link.execute(statement, rows)

    def forget(self, patient: str) -> None:
        """Take out every row of a patient who was erased."""
        if there(self.home.care_teams_url):
            with _database(self.home.care_teams_url).transaction() as link:
                _metadata.create_all(link)
                link.execute(sql.delete(_teams).where(_teams.c.patient == patient))

    def _rows(self, wanted: sql.ColumnElement[bool]) -> list[Member]:
        url = self.home.care_teams_url
        if not there(url):
            return []
        with _database(url).transaction() as link:
            _metadata.create_all(link)
            return [self._verified(*row) for row in link.execute(sql.select(_teams).where(wanted))]

    def _verified(self, patient: str, account: str, sealed: str) -> Member:
        row = Member(patient, account)
        try:
            self.keys.unseal(bytes.fromhex(sealed), _context(row))
        except (IntegrityError, ValueError):
            raise IntegrityError(
                f"{self.home.name}: a row of the care teams was not written by this site",
                "Take it out of the database, or put back a backup; somebody else wrote to it.",
            ) from None
        return row


def _database(url: str) -> Database:
    return Database(url, "list of care teams")


def _context(row: Member) -> str:
    return f"care team\0{row.patient}\0{row.account}"
