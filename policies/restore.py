"""What `confide backup` wrote, back in its place, once all of it was verified."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from policies.access import Action, Purpose
from policies.audit import verify
from policies.backup import BACKUP, MANIFESTS, Backup, name_in, shared_files
from policies.database import VARIABLE
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import file_sha256, flush_folder, storage_errors
from policies.guard import Server, Site, open_server, open_site
from policies.keys import PublicKey, open_public
from policies.logview import LogView, look, read_note
from policies.notes import Checkpoint
from policies.signed import read_signed
from policies.workspace import SERVER, Home, SiteHome, Workspace


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
    if os.environ.get(VARIABLE):
        raise InputError(
            f"what a backup holds is put back as files, and ${VARIABLE} names a database",
            f"Restore without ${VARIABLE}, then set it and run 'confide database move'.",
        )
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
    inside = [path for path in staged.root.rglob("*") if path.is_file() and path.parent != staged.root / MANIFESTS]
    there = {name_in(staged, path): path for path in inside}
    for name in sorted(signed_files.keys() | there.keys()):
        if name not in there or signed_files.get(name) != file_sha256(there[name]):
            raise IntegrityError(f"{file}: '{name}' is not what was signed", "Take another backup, if there is one.")
    if not bodies:
        raise IntegrityError(f"{file}: no backup, since nobody signed it")
    return [_backup_of(body) for body in bodies.values()]


def _manifests(place: Workspace, moved: Workspace) -> dict[str, dict[str, Any]]:
    """What each holder signed, by its key, which may have been moved already."""
    bodies = {}
    for path in sorted((place.root / MANIFESTS).glob("*.json")):
        here = _home(place, path.stem)
        home = here if here.root.exists() else _home(moved, path.stem)
        bodies[path.stem] = read_signed(path, BACKUP, open_public(home.keys, home.name))
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
    return [path for path in shared_files(staged) if not _is_here(workspace, staged, path)]


def _is_here(workspace: Workspace, staged: Workspace, path: Path) -> bool:
    """Whether a shared file stands here with the same bytes; raises InputError where it has others."""
    here = workspace.root / path.relative_to(staged.root)
    if here.exists() and file_sha256(here) != file_sha256(path):
        raise InputError("is another than the backup's", "Move it away, or restore into a new --workspace.", file=here)
    return here.exists()


def _opened(workspace: Workspace, holder: str) -> Server | Site:
    """As whoever restores; raises AccessDenied where the policy of the backup does not let them."""
    opened = (
        open_server(workspace, any_layout=True) if holder == SERVER else open_site(workspace, holder, any_layout=True)
    )
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
