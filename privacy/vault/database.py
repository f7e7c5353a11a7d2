"""The one database of a vault's folder, where every change is whole and what is deleted is overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.errors import StorageError
from policies.files import OWNER_ONLY, storage_errors

_FILE = "originals.sqlite"
_SECONDS = 60  # to wait for another process


class Database:
    """An SQLite file for its owner alone; any number of processes may use it at once.

    Args:
        folder: where the file lies; made where there is none.
        schema: statements that do nothing where the tables are there.
    """

    def __init__(self, folder: Path, schema: str) -> None:
        self.path = folder / _FILE
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(OWNER_ONLY)
            self.path.chmod(OWNER_ONLY)
        with self._connected() as rows:
            rows.executescript(schema)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the tables, whatever others write meanwhile."""
        with self._connected() as rows, rows:
            rows.execute("BEGIN")
            yield rows

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at the end; who reads before writing here is alone from the start."""
        with self._connected() as rows, rows:
            rows.execute("BEGIN IMMEDIATE")
            yield rows

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        rows = None
        try:
            rows = sqlite3.connect(self.path, timeout=_SECONDS)
            rows.execute("PRAGMA secure_delete = ON")
            yield rows
        except sqlite3.DatabaseError as error:
            why = "the disk is full" if error.sqlite_errorname == "SQLITE_FULL" else error.sqlite_errorname
            raise StorageError(f"{self.path}: the vault cannot be used ({why})") from error
        finally:
            if rows is not None:
                rows.close()
