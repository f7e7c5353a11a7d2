"""Ledger, log, keys, approvals and policies of one moment in one file; `policies.restore` puts them back.

Each holder, a site or the server, signs a manifest with the SHA-256 of every file of its own and of those that all
share. Patients' data is left out: the vault is kept apart and not for long, and the cache is made anew.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from fcntl import LOCK_SH
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policies.access import Action, Purpose
from policies.database import image_of, there
from policies.errors import InputError
from policies.events import Event
from policies.files import OWNER_ONLY, file_sha256, flush_folder, sha256_hex, storage_errors
from policies.guard import Server, Site
from policies.keys import alone_in
from policies.logview import LogView, held
from policies.signed import signed
from policies.workspace import Home, SiteHome, Workspace

MANIFESTS, BACKUP = "manifests", "backup"
_PATIENTS = frozenset({"vault", "cache", "problems"})
_MADE_ANEW = frozenset({"federation/logs", "federation/state.json", "federation/superlink.sqlite", "index.sqlite"})


@dataclass(frozen=True)
class Backup:
    """What a backup file holds of one holder: when it was made, how many entries its log had, and its files' names."""

    holder: str
    made: str
    entries: int
    files: tuple[str, ...]

    @property
    def open_secrets(self) -> tuple[str, ...]:
        """Keys and secrets of processes that run unattended, which no passphrase protects."""
        return tuple(name for name in self.files if "/federation/" in name and name.endswith((".key", ".secret")))


def back_up(workspace: Workspace, holders: Sequence[Server | Site], out: Path) -> list[Backup]:
    """Write one file, whole or not at all, while others append: keys and logs are held, and the ledger is read last.

    So every booking that the log calls spent stands in the ledger, and the ledger calls none spent that the log lacks.

    Raises:
        AccessDenied: whoever asks may not manage keys.
        InputError: the file exists.
        IntegrityError: a log is not what its checkpoint signed.
    """
    for holder in holders:
        holder.guard.permit(Action.MANAGE_KEYS, Purpose.OPERATIONS)
    if out.exists():
        raise InputError("there is a file already", "Name a new one.", file=out)
    beside, made = out.with_name(f".{out.name}.part"), datetime.now(UTC).isoformat(timespec="seconds")
    with storage_errors(out), ExitStack() as stack:
        stack.callback(beside.unlink, missing_ok=True)
        stream = stack.enter_context(os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb"))
        for holder in holders:
            stack.enter_context(alone_in(holder.home.keys))
            stack.enter_context(held(holder.home.audit, LOCK_SH))
        with tarfile.open(fileobj=stream, mode="w") as archive:
            found = _add_all(archive, workspace, holders, made)
        stream.flush()
        os.fsync(stream.fileno())
        beside.replace(out)
        flush_folder(out.parent)
    digest = file_sha256(out)
    for holder, one in zip(holders, found, strict=True):
        holder.guard.record(Event.BACKUP_MADE, sha256=digest, entries=one.entries, files=len(one.files))
    return found


def _add_all(
    archive: tarfile.TarFile, workspace: Workspace, holders: Sequence[Server | Site], made: str
) -> list[Backup]:
    shared, found = {path: _add(archive, workspace, path) for path in shared_files(workspace)}, []
    for holder in holders:
        home, view = holder.home, LogView(holder.home.audit, holder.keys.public)
        tables = home.tables if isinstance(home, SiteHome) else {}
        files = shared | {path: _add(archive, workspace, path) for path in _own(home) if path not in tables}
        images = {path: image_of(url) for path, url in tables.items() if there(url)}
        files |= {path: _add(archive, workspace, path, image) for path, image in images.items()}
        body: dict[str, Any] = {
            "holder": home.name,
            "made": made,
            "confide": version("confide"),
            "entries": view.size,
            "files": {name_in(workspace, path): digest for path, digest in files.items()},
        }
        document = signed(holder.keys, BACKUP, body)
        _add(archive, workspace, workspace.root / MANIFESTS / f"{home.name}.json", document)
        found.append(Backup(home.name, made, view.size, tuple(body["files"])))
    return found


def _add(archive: tarfile.TarFile, workspace: Workspace, path: Path, data: bytes | None = None) -> str:
    """Put a file into the archive; returns its SHA-256."""
    entry = tarfile.TarInfo(name_in(workspace, path))
    entry.mode = path.stat().st_mode & 0o777 if path.exists() else OWNER_ONLY
    data = path.read_bytes() if data is None else data
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
    return sha256_hex(data)


def _own(home: Home) -> Iterator[Path]:
    """The files of a holder that are backed up."""
    for path in sorted(home.root.rglob("*")):
        inside = path.relative_to(home.root)
        left_out = inside.parts[0] in _PATIENTS or any(inside.as_posix().startswith(name) for name in _MADE_ANEW)
        passing = path.name.startswith(".") or path.name.endswith((".lock", "-journal"))  # of a write in hand
        if path.is_file() and not path.is_symlink() and not left_out and not passing:
            yield path


def shared_files(workspace: Workspace) -> list[Path]:
    """The files of a workspace that belong to no holder alone."""
    folders = [path for folder in (workspace.trusted, workspace.models) for path in sorted(folder.rglob("*"))]
    return [path for path in (workspace.policy, workspace.access, *folders) if path.is_file()]


def name_in(workspace: Workspace, path: Path) -> str:
    """What a file is called in the archive and in the manifests."""
    return path.relative_to(workspace.root).as_posix()
