"""Originals, encrypted per patient, so that a patient is erased by destroying one wrapped key."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.errors import IntegrityError, StorageError
from policies.files import OWNER_ONLY, sha256_hex, storage_errors

NONCE_BYTES = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (patient TEXT PRIMARY KEY, wrapping TEXT NOT NULL, wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS originals
    (patient TEXT NOT NULL, record TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (patient, record));
"""


class Vault:
    """Records under AES-256-GCM (NIST SP 800-38D) with one data key per patient, itself wrapped the same way.

    Key, patient and record stand in the associated data, so that a ciphertext moved elsewhere does not open.

    Args:
        folder: where the file lies; made with rights for its owner only.
        kek: 32 bytes, the key that wraps data keys.
    """

    def __init__(self, folder: Path, kek: bytes) -> None:
        self._kek, self._kek_id = AESGCM(kek), sha256_hex(b"confide vault\0" + kek)[:16]
        self._path = folder / "originals.sqlite"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(OWNER_ONLY)
            self._path.chmod(OWNER_ONLY)
        with self._transaction() as rows:
            rows.executescript(_SCHEMA)

    def put(self, originals: Iterable[tuple[str, str, bytes]]) -> None:
        """Keep a batch of (patient, record, original) in one durable transaction; a record kept before is replaced.

        Raises:
            StorageError: the disk is full; the vault stands as it was.
        """
        with self._transaction() as rows:
            keys: dict[str, AESGCM] = {}
            for patient, record, original in originals:
                key = keys.get(patient) or keys.setdefault(patient, self._key(rows, patient, create=True))
                sealed = _seal(key, original, f"{patient}\0{record}")
                rows.execute("INSERT OR REPLACE INTO originals VALUES (?, ?, ?)", (patient, record, sealed))

    def get(self, patient: str, record: str) -> bytes:
        """The original of one record.

        Raises:
            IntegrityError: it was altered, is under another key, was erased, or was never kept.
        """
        with self._transaction() as rows:
            found = rows.execute(
                "SELECT sealed FROM originals WHERE patient = ? AND record = ?", (patient, record)
            ).fetchone()
            if not found:
                raise IntegrityError(f"{self._path}: no original of record {record}")
            return _open(self._key(rows, patient), found[0], f"{patient}\0{record}", self._path)

    def kept(self) -> list[tuple[str, str]]:
        """Every (patient, record) that can still be read, in order."""
        with self._transaction() as rows:
            found = rows.execute("SELECT patient, record FROM originals JOIN keys USING (patient) ORDER BY 1, 2")
            return [(patient, record) for patient, record in found]

    def erase(self, patient: str) -> None:
        """Destroy the patient's wrapped key: the originals that stay behind can never be read again."""
        with self._transaction() as rows:
            rows.execute("DELETE FROM keys WHERE patient = ?", (patient,))

    def _key(self, rows: sqlite3.Connection, patient: str, create: bool = False) -> AESGCM:
        found = rows.execute("SELECT wrapping, wrapped FROM keys WHERE patient = ?", (patient,)).fetchone()
        if found:
            if found[0] != self._kek_id:
                raise IntegrityError(f"{self._path}: a data key is wrapped by another key than this site's")
            return AESGCM(_open(self._kek, found[1], f"{self._kek_id}\0{patient}", self._path))
        if not create:
            raise IntegrityError(f"{self._path}: the key of patient {patient} was erased or never made")
        key = AESGCM.generate_key(256)
        wrapped = _seal(self._kek, key, f"{self._kek_id}\0{patient}")
        rows.execute("INSERT INTO keys VALUES (?, ?, ?)", (patient, self._kek_id, wrapped))
        return AESGCM(key)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; what is deleted is overwritten with zeros."""
        rows = None
        try:
            rows = sqlite3.connect(self._path, timeout=60)
            rows.execute("PRAGMA secure_delete = ON")
            with rows:
                yield rows
        except sqlite3.DatabaseError as error:
            why = "the disk is full" if error.sqlite_errorname == "SQLITE_FULL" else error.sqlite_errorname
            raise StorageError(f"{self._path}: the vault cannot be used ({why})") from error
        finally:
            if rows is not None:
                rows.close()


def _seal(key: AESGCM, data: bytes, associated: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, associated.encode())


def _open(key: AESGCM, sealed: bytes, associated: str, place: Path) -> bytes:
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated.encode())
    except InvalidTag:
        raise IntegrityError(f"{place}: an original or a key was altered, or the wrapping key is another") from None
