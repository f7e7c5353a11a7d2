"""Originals, encrypted per patient, so that a patient is erased by destroying one wrapped key."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.errors import IntegrityError
from policies.files import sha256_hex
from policies.sealing import key_id
from privacy.vault.database import Database
from privacy.vault.sealing import seal, sealing_key, unseal

FEEDBACK = "feedback/"  # begins the name of what somebody said of a patient's notes: kept with them, and none of them
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (patient TEXT PRIMARY KEY, wrapping TEXT NOT NULL, wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS originals
    (patient TEXT NOT NULL, record TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (patient, record));
CREATE VIEW IF NOT EXISTS records AS SELECT patient, record FROM originals WHERE record NOT GLOB 'feedback/*';
"""


@dataclass(frozen=True)
class Holding:
    """What a vault holds of one patient.

    Args:
        key_sha256: of the wrapped data key; names the key and tells nothing of it.
        originals: how many records.
    """

    key_sha256: str
    originals: int


class Vault:
    """Records under AES-256-GCM (NIST SP 800-38D) with one data key per patient, itself wrapped the same way.

    Key, patient and record stand in the associated data, so that a ciphertext moved elsewhere does not open.

    Args:
        folder: where the file lies; made with rights for its owner only.
        kek: 32 bytes, the key that wraps data keys.
    """

    def __init__(self, folder: Path, kek: bytes) -> None:
        self._kek, self._kek_id = kek, key_id(kek)
        self._database = Database(folder, _SCHEMA)

    def put(self, originals: Iterable[tuple[str, str, bytes]], *, known: bool = False) -> None:
        """Keep a batch of (patient, record, original) in one durable transaction; a record kept before is replaced.

        Args:
            known: only of patients who have a key: who was erased gets none again.

        Raises:
            StorageError: the disk is full; the vault stands as it was.
            IntegrityError: a patient is not known, and should be.
        """
        with self._database.writing() as rows:
            keys: dict[str, bytes] = {}
            for patient, record, original in originals:
                key = keys.get(patient) or keys.setdefault(patient, self._key(rows, patient, create=not known))
                sealed = seal(key, original, f"{patient}\0{record}")
                rows.execute("INSERT OR REPLACE INTO originals VALUES (?, ?, ?)", (patient, record, sealed))

    def get(self, patient: str, record: str) -> bytes:
        """The original of one record.

        Raises:
            IntegrityError: it was altered, is under another key, was erased, or was never kept.
        """
        with self._database.reading() as rows:
            key = self._key(rows, patient)
            found = rows.execute(
                "SELECT sealed FROM originals WHERE patient = ? AND record = ?", (patient, record)
            ).fetchone()
        if not found:
            raise IntegrityError(f"{self._database.path}: no original of record {record}")
        return self._open(key, found[0], f"{patient}\0{record}")

    def keys_of(self, patients: Iterable[str]) -> Mapping[str, bytes]:
        """The key under which each patient's values are sealed in text; a patient without a key gets one.

        A worker that holds it can seal and open tokens of this patient, but no original.
        """
        with self._database.writing() as rows:
            return {patient: sealing_key(self._key(rows, patient, create=True)) for patient in patients}

    def key_of(self, patient: str) -> bytes:
        """The key that opens this patient's tokens.

        Raises:
            IntegrityError: it was erased, never made, or is under another wrapping key.
        """
        with self._database.reading() as rows:
            return sealing_key(self._key(rows, patient))

    def kept(self) -> list[tuple[str, str]]:
        """Every (patient, record) that can still be read, in order; feedback is no record."""
        with self._database.reading() as rows:
            found = rows.execute("SELECT patient, record FROM records JOIN keys USING (patient) ORDER BY 1, 2")
            return [(patient, record) for patient, record in found]

    def names(self, patient: str) -> list[str]:
        """The names of all that can be read of one patient, feedback as well, in order."""
        with self._database.reading() as rows:
            kept = "SELECT record FROM originals JOIN keys USING (patient) WHERE patient = ? ORDER BY 1"
            return [record for (record,) in rows.execute(kept, (patient,))]

    def counts(self) -> dict[str, int]:
        """How many records each patient has, beside the one that says who the patient is."""
        counted = (
            "SELECT patient, sum(record IS NOT NULL AND record != patient) FROM keys LEFT JOIN records USING (patient) "
            "GROUP BY patient"
        )
        with self._database.reading() as rows:
            return dict(rows.execute(counted))

    def selves(self, without: Container[str] = ()) -> dict[str, bytes]:
        """Who each patient is, of all at once; raises IntegrityError as `get`.

        Args:
            without: patients who are left sealed.
        """
        kept = (
            "SELECT patient, wrapping, wrapped, sealed FROM keys JOIN originals USING (patient) WHERE record = patient"
        )
        with self._database.reading() as rows:
            found = [row for row in rows.execute(kept) if row[0] not in without]
        opened = {}
        for patient, wrapping, wrapped, sealed in found:
            self._refuse_other(wrapping)
            key = self._open(self._kek, wrapped, f"{wrapping}\0{patient}")
            opened[patient] = self._open(key, sealed, f"{patient}\0{patient}")
        return opened

    def patients(self) -> list[str]:
        """Every patient who has a key, in order."""
        with self._database.reading() as rows:
            return [patient for (patient,) in rows.execute("SELECT patient FROM keys ORDER BY 1")]

    def holding(self, patient: str) -> Holding | None:
        """What is held of a patient; None where there is no key, so that nothing can be read."""
        with self._database.reading() as rows:
            return _holding(rows, patient)

    def erase(self, patient: str) -> Holding | None:
        """Destroy the patient's wrapped key, and the originals that nobody can read without it.

        Returns:
            What was destroyed, or None where there was no key.
        """
        with self._database.writing() as rows:
            destroyed = _holding(rows, patient)
            rows.execute("DELETE FROM keys WHERE patient = ?", (patient,))
            rows.execute("DELETE FROM originals WHERE patient = ?", (patient,))
        return destroyed

    def rewrap(self, kek: bytes) -> int:
        """Wrap every patient's data key by another key, all or none; what is wrapped by it already stays.

        Returns:
            How many data keys the vault holds.

        Raises:
            IntegrityError: a data key was altered, or is under a third key; the vault stands as it was.
        """
        new = Vault(self._database.path.parent, kek)
        with self._database.writing() as rows:
            kept = rows.execute("SELECT patient, wrapping FROM keys").fetchall()
            for patient, wrapping in kept:
                if wrapping != new._kek_id:
                    again = new._wrapped(patient, self._key(rows, patient))
                    rows.execute("REPLACE INTO keys VALUES (?, ?, ?)", (patient, new._kek_id, again))
        return len(kept)

    def _key(self, rows: sqlite3.Connection, patient: str, create: bool = False) -> bytes:
        found = rows.execute("SELECT wrapping, wrapped FROM keys WHERE patient = ?", (patient,)).fetchone()
        if found:
            self._refuse_other(found[0])
            return self._open(self._kek, found[1], f"{self._kek_id}\0{patient}")
        if not create:
            raise IntegrityError(
                f"{self._database.path}: the key of patient {patient} was erased or never made",
                "What was erased cannot be read again; a proof of it lies in the folder of erasures.",
            )
        # All keys of a vault change together: a process that still holds the old one must not add to them.
        for (wrapping,) in rows.execute("SELECT wrapping FROM keys LIMIT 1"):
            self._refuse_other(wrapping)
        key = AESGCM.generate_key(256)
        rows.execute("INSERT INTO keys VALUES (?, ?, ?)", (patient, self._kek_id, self._wrapped(patient, key)))
        return key

    def _wrapped(self, patient: str, key: bytes) -> bytes:
        return seal(self._kek, key, f"{self._kek_id}\0{patient}")

    def _refuse_other(self, wrapping: str) -> None:
        if wrapping != self._kek_id:
            raise IntegrityError(
                f"{self._database.path}: a data key is wrapped by another key than this site's",
                "If a change of the wrapping key was interrupted, run 'confide keys rotate --wrapping' again.",
            )

    def _open(self, key: bytes, sealed: bytes, associated: str) -> bytes:
        try:
            return unseal(key, sealed, associated)
        except IntegrityError as error:
            raise IntegrityError(f"{self._database.path}: {error.message}") from None


def rewrap_all(folders: Iterable[Path], old: bytes, new: bytes) -> int:
    """Wrap the data keys of several vaults by another key, in each all or none; what is wrapped by it already stays.

    Returns:
        How many data keys they hold; raises as `Vault.rewrap`.
    """
    return sum(Vault(folder, old).rewrap(new) for folder in folders if folder.is_dir())


def _holding(rows: sqlite3.Connection, patient: str) -> Holding | None:
    key = rows.execute("SELECT wrapped FROM keys WHERE patient = ?", (patient,)).fetchone()
    (originals,) = rows.execute("SELECT count(*) FROM originals WHERE patient = ?", (patient,)).fetchone()
    return Holding(sha256_hex(key[0]), originals) if key else None
