"""Questions to the log that an account keeps; what was typed may name a patient, so it is sealed."""

from __future__ import annotations

import json

import sqlalchemy as sql

from policies.auditindex import Search
from policies.database import Database
from policies.errors import InputError
from policies.files import canonical_json, sha256_hex
from policies.keys import KeyRing
from policies.typed import checked_words
from policies.workspace import Home

MOST, LONGEST_NAME = 50, 80
_CONTEXT = "saved query"
_metadata = sql.MetaData()
_queries = sql.Table(
    "queries",
    _metadata,
    sql.Column("key", sql.String(64), primary_key=True),
    sql.Column("account", sql.Text, nullable=False, index=True),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
)


class SavedQueries:
    """The queries of one account at one hospital, in the file of the log's index.

    Raises:
        StorageError: the disk or the database refuses.
    """

    def __init__(self, home: Home, keys: KeyRing, account: str) -> None:
        self._database = Database(home.audit_index_url, "list of saved queries")
        self._keys, self._account = keys, account
        with self._database.transaction() as link:
            _metadata.create_all(link)

    def every(self) -> dict[str, Search]:
        """By name; raises IntegrityError where one was altered."""
        own = sql.select(_queries.c.sealed).where(_queries.c.account == self._account)
        with self._database.transaction() as link:
            kept = [json.loads(self._keys.unseal(one, self._context)) for one in link.execute(own).scalars()]
        return {one["name"]: Search(**one["asked"]) for one in sorted(kept, key=lambda one: str(one["name"]))}

    def save(self, name: str, asked: Search) -> None:
        """Keep a query under a name; another of that name goes.

        Raises:
            InputError: the name is empty or too long, or there are 50 others.
        """
        name = checked_words(name, "name")
        others = self.every().keys() - {name}
        if len(name) > LONGEST_NAME or len(others) >= MOST:
            raise InputError(f"a name has up to {LONGEST_NAME} characters, and {MOST} can be saved", "Delete some.")
        self.delete(name)
        sealed = self._keys.seal(canonical_json({"name": name, "asked": asked.words()}), self._context)
        with self._database.transaction() as link:
            link.execute(sql.insert(_queries).values(key=self._key(name), account=self._account, sealed=sealed))

    def delete(self, name: str) -> None:
        with self._database.transaction() as link:
            link.execute(sql.delete(_queries).where(_queries.c.key == self._key(name)))

    @property
    def _context(self) -> str:
        return f"{_CONTEXT}\0{self._account}"

    def _key(self, name: str) -> str:
        return sha256_hex(canonical_json([self._account, name]))
