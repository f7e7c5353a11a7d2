"""Codes that are derived from nothing (45 CFR 164.514(c)): random ones, remembered in the vault's database."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from privacy.vault.database import Database
from privacy.vault.pseudonyms import PSEUDONYM_BYTES, Pseudonyms

# A lookup is a keyed hash: the table alone names nobody. `owner` is the lookup of the one patient in whose records the
# code stands, or empty where it stands in those of several (a clinician, a ward).
_SCHEMA = """
CREATE TABLE IF NOT EXISTS codes (lookup TEXT PRIMARY KEY, code TEXT NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID;
"""
_KEEP = """
INSERT INTO codes VALUES (?, ?, ?)
ON CONFLICT (lookup) DO UPDATE SET owner = '' WHERE owner NOT IN ('', excluded.owner)
"""
_CODE = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{2 * PSEUDONYM_BYTES}}}(?![0-9a-f])")


class CodeBook:
    """The random code of each keyed pseudonym of one hospital; any number of processes may use it at once.

    Worker processes know keyed pseudonyms alone; whoever writes their output translates it.

    Args:
        folder: the vault's.
        secret: the hospital's secret of pseudonyms.
    """

    def __init__(self, folder: Path, secret: bytes) -> None:
        self._database, self._keyed = Database(folder, _SCHEMA), Pseudonyms(secret)

    def translate(self, seen: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """The code of each keyed pseudonym, made where there is none, in one durable transaction.

        Args:
            seen: pairs of a keyed pseudonym and that of the patient in whose record it stands; "" is of no patient.
        """
        pairs = {(keyed, patient): self._row(keyed, patient) for keyed, patient in seen}
        with self._database.writing() as rows:
            rows.executemany(_KEEP, pairs.values())
            found = "SELECT code FROM codes WHERE lookup = ?"
            return {keyed: rows.execute(found, row[:1]).fetchone()[0] for (keyed, _), row in pairs.items()}

    def known(self, keyed: str) -> str:
        """The code of a keyed pseudonym, or nothing where there is none yet."""
        return self.all_known([keyed]).get(keyed, "")

    def all_known(self, keyed: Iterable[str]) -> dict[str, str]:
        """The codes of those keyed pseudonyms that have one."""
        wanted = "SELECT code FROM codes WHERE lookup = ?"
        with self._database.reading() as rows:
            found = ((one, rows.execute(wanted, (self._lookup(one),)).fetchone()) for one in keyed)
            return {one: str(row[0]) for one, row in found if row}

    def forget(self, code: str) -> int:
        """Destroy the codes of one patient, so that nothing ties them to the identifiers that they stood for.

        Args:
            code: the patient's own.

        Returns:
            How many were destroyed; codes that stand in other patients' records as well stay.
        """
        with self._database.writing() as rows:
            found = rows.execute("SELECT lookup FROM codes WHERE code = ?", (code,)).fetchone()
            return rows.execute("DELETE FROM codes WHERE ? IN (lookup, owner)", found).rowcount if found else 0

    def _row(self, keyed: str, patient: str) -> tuple[str, str, str]:
        return self._lookup(keyed), secrets.token_hex(PSEUDONYM_BYTES), self._lookup(patient) if patient else ""

    def _lookup(self, keyed: str) -> str:
        return self._keyed.of("code", keyed)


def replace_codes(text: str, codes: Mapping[str, str]) -> str:
    """`text` with every known keyed pseudonym replaced, in one pass; other words of 32 digits stay."""
    return _CODE.sub(lambda found: codes.get(found.group(), found.group()), text)
