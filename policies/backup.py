"""Ledger, log, keys, approvals and policies of one moment in one file, and back again.

Each holder, a site or the server, signs a manifest with the SHA-256 of every file of its own and of those that all
share. Patients' data is left out: the vault is kept apart and not for long, and the cache is made anew.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from fcntl import LOCK_SH
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policies.access import Action, Purpose
from policies.audit import verify
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, file_sha256, flush_folder, sha256_hex, storage_errors
from policies.guard import Server, Site, open_server, open_site
from policies.keys import PublicKey, alone_in, open_public
from policies.logview import LogView, held, look, read_note
from policies.notes import Checkpoint
from policies.signed import read_signed, signed
from policies.workspace import SERVER, Home, SiteHome, Workspace

_MANIFESTS, _BACKUP = "manifests", "backup"
_PATIENTS = frozenset({"vault", "cache", "problems"})
_OF_PROCESSES = frozenset({"federation/logs", "federation/state.json", "federation/superlink.sqlite"})


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


def restore(
    workspace: Workspace,
    file: Path,
    check: Callable[[SiteHome, PublicKey], None],
    heads: Iterable[bytes] = (),
) -> list[Backup]:
    """Put back what a backup holds, once all of it was verified; nothing that is there is overwritten.

    What was verified waits under a name of its own until the last of it stands in its place, so that a restore which
    was killed goes on from there.

    Args:
        check: that a site's ledger and its log hold the same bookings (`privacy.training.budget.check_bookings`).
        heads: tree heads that others have seen; those that the hospitals of this workspace cosigned count as well.

    Raises:
        AccessDenied: by the policy in the backup, whoever asks may not manage keys.
        InputError: a holder is here already, a file that all share is another here, or a head is of no log in it.
        IntegrityError: a file is not what was signed, a log does not verify, a ledger is behind its log, or a log is
            behind a tree head that somebody has seen.
    """
    if not file.is_file():
        raise InputError("there is no backup here", "Name the file that 'confide backup' wrote.", file=file)
    verified = Workspace(workspace.root / f".restoring-{file_sha256(file)[:16]}")
    with storage_errors(workspace.root):
        if not verified.root.exists():
            _verify(workspace, file, check, tuple(heads), verified.root)
        found = [_backup_of(body) for body in _manifests(verified, workspace).values()]
        homes = [_home(verified, one.holder).root for one in found]
        for place in [*_missing(workspace, verified), *(home for home in homes if home.exists())]:
            _moved(place, workspace.root / place.relative_to(verified.root))
        shutil.rmtree(verified.root)
    return found


def _verify(
    workspace: Workspace,
    file: Path,
    check: Callable[[SiteHome, PublicKey], None],
    heads: Sequence[bytes],
    verified: Path,
) -> None:
    """Unpack a backup, and give the folder its name once everything in it was verified; raises as `restore`."""
    staged = Workspace(workspace.root / ".restoring")
    with ExitStack() as stack:
        shutil.rmtree(staged.root, ignore_errors=True)
        stack.callback(shutil.rmtree, staged.root, ignore_errors=True)
        staged.root.mkdir(parents=True, mode=0o700)
        found = _unpacked(file, staged)
        logs = set()
        for one in found:
            home = _home(staged, one.holder)
            key = open_public(home.keys, home.name)
            view = look(home.audit, key)
            logs.add(view.signed.origin)
            _refuse_existing(_home(workspace, one.holder), view)
            verify(home.audit, key)
            for note in (*_cosigned(workspace, home), *heads):
                _refuse_behind(view, note)
            if isinstance(home, SiteHome):
                check(home, key)
        _refuse_strange(heads, logs)
        _missing(workspace, staged)
        for one in found:
            _opened(staged, one.holder).guard.record(
                Event.BACKUP_RESTORED, sha256=file_sha256(file), made=one.made, entries=one.entries
            )
        _moved(staged.root, verified)


def _add_all(
    archive: tarfile.TarFile, workspace: Workspace, holders: Sequence[Server | Site], made: str
) -> list[Backup]:
    shared, found = {path: _add(archive, workspace, path) for path in _shared(workspace)}, []
    for holder in holders:
        home, view = holder.home, LogView(holder.home.audit, holder.keys.public)
        ledgers = [home.ledger] if isinstance(home, SiteHome) and home.ledger.exists() else []
        files = shared | {path: _add(archive, workspace, path) for path in _own(home) if path not in ledgers}
        files |= {path: _add(archive, workspace, path, _snapshot(path)) for path in ledgers}
        body: dict[str, Any] = {
            "holder": home.name,
            "made": made,
            "confide": version("confide"),
            "entries": view.size,
            "files": {_name(workspace, path): digest for path, digest in files.items()},
        }
        document = signed(holder.keys, _BACKUP, body)
        _add(archive, workspace, workspace.root / _MANIFESTS / f"{home.name}.json", document)
        found.append(Backup(home.name, made, view.size, tuple(body["files"])))
    return found


def _add(archive: tarfile.TarFile, workspace: Workspace, path: Path, data: bytes | None = None) -> str:
    """Put a file into the archive; returns its SHA-256."""
    entry = tarfile.TarInfo(_name(workspace, path))
    entry.mode = path.stat().st_mode & 0o777 if path.exists() else OWNER_ONLY
    data = path.read_bytes() if data is None else data
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
    return sha256_hex(data)


def _snapshot(ledger: Path) -> bytes:
    """The ledger at one moment, whatever is booked meanwhile (SQLite's online backup)."""
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        return copy.serialize()


def _own(home: Home) -> Iterator[Path]:
    """The files of a holder that are backed up."""
    for path in sorted(home.root.rglob("*")):
        inside = path.relative_to(home.root)
        left_out = inside.parts[0] in _PATIENTS or any(inside.as_posix().startswith(name) for name in _OF_PROCESSES)
        passing = path.name.startswith(".") or path.name.endswith((".lock", "-journal"))  # of a write in hand
        if path.is_file() and not path.is_symlink() and not left_out and not passing:
            yield path


def _shared(workspace: Workspace) -> list[Path]:
    """The files of a workspace that belong to no holder alone."""
    folders = [path for folder in (workspace.trusted, workspace.models) for path in sorted(folder.rglob("*"))]
    return [path for path in (workspace.policy, workspace.access, *folders) if path.is_file()]


def _unpacked(file: Path, staged: Workspace) -> list[Backup]:
    """Write the files of a backup below a folder of its own, each as a holder signed it; raises as `restore`."""
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if not member.isfile():
                    raise IntegrityError(f"{file}: it holds something that is no file, so no backup of ours")
                archive.extract(member, staged.root, filter="data")
    except (tarfile.TarError, EOFError):
        raise IntegrityError(f"{file}: no backup, or one that was cut short") from None
    bodies = _manifests(staged, staged)
    signed_files = {name: digest for body in bodies.values() for name, digest in body["files"].items()}
    inside = [path for path in staged.root.rglob("*") if path.is_file() and path.parent != staged.root / _MANIFESTS]
    there = {_name(staged, path): path for path in inside}
    for name in sorted(signed_files.keys() | there.keys()):
        if name not in there or signed_files.get(name) != file_sha256(there[name]):
            raise IntegrityError(f"{file}: '{name}' is not what was signed", "Take another backup, if there is one.")
    if not bodies:
        raise IntegrityError(f"{file}: no backup, since nobody signed it")
    return [_backup_of(body) for body in bodies.values()]


def _manifests(place: Workspace, moved: Workspace) -> dict[str, dict[str, Any]]:
    """What each holder signed, by its key, which may have been moved already."""
    bodies = {}
    for path in sorted((place.root / _MANIFESTS).glob("*.json")):
        here = _home(place, path.stem)
        home = here if here.root.exists() else _home(moved, path.stem)
        bodies[path.stem] = read_signed(path, _BACKUP, open_public(home.keys, home.name))
    return bodies


def _backup_of(body: Mapping[str, Any]) -> Backup:
    return Backup(body["holder"], body["made"], body["entries"], tuple(body["files"]))


def _refuse_existing(here: Home, view: LogView) -> None:
    if here.root.exists():
        note = read_note(here.audit)
        size = _head(note).size if note else 0
        raise InputError(
            f"'{here.name}' is here already, with a log of {size} entries; the backup has {view.size}",
            f"Move {here.root} away if it is broken, and name its audit/checkpoint with --head.",
        )


def _refuse_strange(heads: Iterable[bytes], logs: Collection[str]) -> None:
    """A head of another log would say nothing, and whoever named it would believe that it was compared."""
    for head in map(_head, heads):
        if head.origin not in logs:
            raise InputError(
                f"'{head.origin}': a tree head of no log in this backup",
                "Name the audit/checkpoint, or a witness's 'cosigned', of a hospital whose backup this is.",
            )


def _refuse_behind(view: LogView, note: bytes) -> None:
    head = _head(note)
    if head.origin == view.signed.origin and not view.continues(head):
        raise IntegrityError(
            f"the log of '{head.origin}' had {head.size} entries when others saw it, and the backup has "
            f"{view.size}, or other ones: what was spent since would be spent twice",
            "Restore a newer backup. With none, this hospital's budget counts as spent: tell the compliance officer.",
        )


def _cosigned(workspace: Workspace, home: Home) -> list[bytes]:
    """Heads of a log that were cosigned: by its own witnesses, and by the hospitals of this workspace."""
    own = [home.cosigned] if isinstance(home, SiteHome) else []
    theirs = [site.witnessed / home.name / "cosigned" for site in workspace.sites()]
    return [path.read_bytes() for path in (*own, *theirs) if path.is_file()]


def _missing(workspace: Workspace, staged: Workspace) -> list[Path]:
    """The shared files of a backup that are not here yet; raises InputError where one is another here."""
    return [path for path in _shared(staged) if not _is_here(workspace, staged, path)]


def _is_here(workspace: Workspace, staged: Workspace, path: Path) -> bool:
    """Whether a shared file stands here with the same bytes; raises InputError where it has others."""
    here = workspace.root / path.relative_to(staged.root)
    if here.exists() and file_sha256(here) != file_sha256(path):
        raise InputError("is another than the backup's", "Move it away, or restore into a new --workspace.", file=here)
    return here.exists()


def _opened(workspace: Workspace, holder: str) -> Server | Site:
    """As whoever restores; raises AccessDenied where the policy of the backup does not let them."""
    opened = open_server(workspace) if holder == SERVER else open_site(workspace, holder)
    opened.guard.permit(Action.MANAGE_KEYS, Purpose.OPERATIONS)
    return opened


def _moved(place: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    place.replace(target)
    flush_folder(target.parent)


def _head(note: bytes) -> Checkpoint:
    """The tree head in a note, whoever signed it: it is believed only where it speaks against a backup."""
    return Checkpoint.parse(note.partition(b"\n\n")[0] + b"\n")


def _home(workspace: Workspace, holder: str) -> Home:
    return workspace.server if holder == SERVER else workspace.site(holder)


def _name(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix()
