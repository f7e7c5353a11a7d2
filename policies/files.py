"""Files that are never written half, and JSON that hashes the same everywhere."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from policies.errors import IntegrityError, StorageError

OWNER_ONLY = 0o600
READABLE = 0o644


def canonical_json(value: Any) -> bytes:
    """One line of JSON with sorted keys and no spaces, in UTF-8.

    Raises:
        ValueError: for NaN or infinity, which have no place in JSON (RFC 8259, section 6).
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


@cache
def table_of(package: str, name: str) -> dict[str, Any]:
    """The TOML table `name`.toml that ships in a package, read once; nobody may change it."""
    return tomllib.loads(files(package).joinpath(f"{name}.toml").read_text("utf-8"))


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, data: bytes, mode: int = READABLE) -> None:
    """Write beside, flush to the disk, then rename: a reader sees the old file or the new one, never a part.

    Raises:
        StorageError: the disk is full or the place cannot be written; the old file stands as it was.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(beside).chmod(mode)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


def refuse_readable(path: Path, what: str) -> None:
    """Raises IntegrityError where others than its owner may read a file that is a secret."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise IntegrityError(f"{path}: others may read this {what} (mode {mode:03o})", f"Run 'chmod 600 {path}'.")


def flush_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"{path}: the disk is full; nothing was half written") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"{path}: no right to read or write here", "Choose a folder that you own, or ask for the right."
            ) from error
        raise StorageError(f"{path}: the machine refused ({os.strerror(error.errno or 0)})") from error
