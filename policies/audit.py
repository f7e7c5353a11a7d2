"""The append-only log: one entry for every arrow of the road, hashed into a tree whose head is signed.

An append holds the folder, writes its lines to the edge, flushes them, and then signs the new tree head: the checkpoint
makes them count. A crash before that leaves lines that the next append cuts off.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any

from policies.errors import IntegrityError
from policies.events import NO_ENTRY, Entry, Event, encode
from policies.files import OWNER_ONLY, READABLE, sha256_hex, storage_errors, write_whole
from policies.findings import Findings, Watch
from policies.keys import KeyRing, PublicKey
from policies.logview import (
    CHECKPOINT,
    EDGE,
    NOTHING_SIGNED,
    SEALED,
    LogView,
    held,
    look,
    read_note,
)
from policies.notes import Checkpoint, Verifier, open_note, sign_note
from policies.tiles import ENTRIES, WIDTH, encode_bundle, write_tile
from policies.tlog import Frontier, check_consistency, consistency_proof, leaf_hash

LARGEST_GROUP = WIDTH
_QUIET = 600.0  # seconds after which a heartbeat is worth an entry
_SESSION_BYTES = 8


@dataclass(frozen=True)
class _End:
    """Where the log ends: its checkpoint, its tree, the last leaf hash, and the edge's signed bytes and entries."""

    note: bytes
    signed: Checkpoint
    frontier: Frontier
    leaf: bytes
    edge: int
    lines: int


class AuditLog:
    """The log of one site or server in a folder, written to by one session of one account.

    Appends are durable (fsync) before the action that they record goes on. Several processes, and several threads of
    one, may append.
    """

    def __init__(self, folder: Path, keys: KeyRing, actor: str) -> None:
        self.folder, self._keys, self._actor = folder, keys, actor
        self._session, self._count = token_hex(_SESSION_BYTES), 0
        self._service, self._said = "", 0.0
        self._end: _End | None = None
        self._turn = Lock()

    @property
    def key(self) -> PublicKey:
        """What verifies this log."""
        return self._keys.public

    def append(self, event: Event, *, sealed: bytes | None = None, **details: Any) -> Entry:
        """Write one entry and sign the new tree head.

        Args:
            sealed: ciphertext to keep beside the log; the entry holds its digest.

        Raises:
            IntegrityError: the log on disk is not what was signed, or the entry holds a float or is over 64,511 bytes.
            StorageError: the disk is full; the log stands as it was.
        """
        return self._append([(event, details)], sealed)[0]

    def append_all(self, group: Sequence[tuple[Event, Mapping[str, Any]]]) -> list[Entry]:
        """Write up to 256 entries at once, all of them or none; raises as `append`."""
        if not 0 < len(group) <= LARGEST_GROUP:
            raise IntegrityError(f"a group of {len(group)} audit entries is not between 1 and {LARGEST_GROUP}")
        return self._append(group, None)

    def start(self, service: str) -> None:
        """Say that something that runs long has begun; what is silent for an hour without a stop shows in `verify`."""
        self._service = service
        self.append(Event.PROCESS_STARTED, service=service)

    @contextmanager
    def running(self, service: str) -> Iterator[None]:
        """`start` before and `stop` after; a process that is killed leaves no stop."""
        self.start(service)
        try:
            yield
        finally:
            self.stop()

    def heartbeat(self) -> None:
        """Say that it still runs, unless this session wrote something in the last ten minutes."""
        if time.monotonic() - self._said > _QUIET:
            self.append(Event.PROCESS_ALIVE, service=self._service)

    def stop(self) -> None:
        """Say that it has ended."""
        self.append(Event.PROCESS_STOPPED, service=self._service)

    def _append(self, group: Sequence[tuple[Event, Mapping[str, Any]]], sealed: bytes | None) -> list[Entry]:
        with self._turn:
            number = self._count
            self._count += len(group)  # an attempt that fails leaves a gap, which says that there was one
            with storage_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                with held(self.folder, fcntl.LOCK_EX):
                    digest = self._keep(sealed)
                    end, now = self._found(), _now()
                    entries = [
                        Entry(end.signed.size + at, now, self._actor, self._session, number + at, *one, digest)
                        for at, one in enumerate(group)
                    ]
                    self._write(end, entries)
            self._said = time.monotonic()
        return entries

    def _write(self, end: _End, entries: Sequence[Entry]) -> None:
        frontier, leaf, lines = end.frontier, end.leaf, list[bytes]()
        for entry in entries:
            lines.append(encode(entry, leaf))
            leaf = leaf_hash(lines[-1])
            frontier = frontier.with_node(leaf)
        data = b"".join(line + b"\n" for line in lines)
        with (self.folder / EDGE).open("ab") as stream:
            stream.truncate(end.edge)  # what follows is of an append that never finished
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        signed = Checkpoint(self._keys.name, frontier.size, frontier.root())
        note = sign_note(signed.text(), self._keys)
        write_whole(self.folder / CHECKPOINT, note, READABLE)
        self._end = _End(note, signed, frontier, leaf, end.edge + len(data), end.lines + len(lines))

    def _keep(self, sealed: bytes | None) -> str:
        if sealed is None:
            return ""
        digest = sha256_hex(sealed)
        write_whole(self.folder / SEALED / digest, sealed, OWNER_ONLY)
        return digest

    def _found(self) -> _End:
        """Where the log ends now, verified anew if anybody else appended, and with room at the edge."""
        end = self._end
        if end and end.lines < WIDTH and (end.note, end.edge) == (read_note(self.folder), self._edge_bytes()):
            return end
        view = LogView(self.folder, self.key)
        self._refuse_another_past(view)
        if view.doubled or len(view.lines) >= WIDTH:
            _roll(view)
            view = LogView(self.folder, self.key)
        leaf = view.leaf(view.size - 1) if view.size else NO_ENTRY
        return _End(view.note, view.signed, view.tree.frontier(), leaf, view.edge, len(view.lines))

    def _edge_bytes(self) -> int:
        path = self.folder / EDGE
        return path.stat().st_size if path.exists() else 0

    def _refuse_another_past(self, view: LogView) -> None:
        """This process remembers what it signed, and so notices a log that was put back or written anew."""
        known = self._end.signed if self._end else NOTHING_SIGNED
        try:
            proof = consistency_proof(known.size, view.size, view.tree.node)
            check_consistency(known.size, known.root, view.size, view.signed.root, proof)
        except IntegrityError as error:
            raise IntegrityError(f"{self.folder}: {error.message}; nothing may be appended") from None


def _roll(view: LogView) -> None:
    """Move the first 256 entries of the edge into a bundle and its tile, and cut the edge."""
    replaced, kept = list[Path](), view.lines
    if len(view.lines) >= WIDTH:
        leaves = [leaf_hash(line) for line in view.lines[:WIDTH]]
        replaced, kept = view.tree.add_tile(view.folder, view.lines[:WIDTH], leaves), view.lines[WIDTH:]
    write_whole(view.folder / EDGE, b"".join(line + b"\n" for line in kept), READABLE)
    for path in replaced:
        path.unlink(missing_ok=True)


def read_entries(folder: Path, key: PublicKey) -> list[Entry]:
    """Every entry of a log that was not pruned, verified.

    Raises:
        IntegrityError: naming the first bad entry.
    """
    return list(look(folder, key).entries())


def entries(folder: Path, key: PublicKey) -> Iterator[Entry]:
    """The same one after the other, each verified before it is given out, for logs larger than the memory."""
    return look(folder, key).entries()


def verify(folder: Path, key: PublicKey) -> Findings:
    """Check every entry, hash and ciphertext, and look for what is missing or odd.

    Raises:
        IntegrityError: naming the first bad entry.
    """
    view = look(folder, key)
    watch = Watch(view)
    for entry in view.entries():
        watch.see(entry)
    return watch.findings(datetime.now(UTC))


def publish(folder: Path, key: PublicKey, out: Path) -> Checkpoint:
    """Write the log as static files that any tlog-tiles client can read, down to the last partial tile.

    Raises:
        IntegrityError: it is not what its checkpoint signed.
    """
    view = look(folder, key)
    with storage_errors(out):
        if (folder / "tile").is_dir():
            shutil.copytree(folder / "tile", out / "tile", dirs_exist_ok=True)
        lines, tree = view.lines, view.tree
        leaves = [leaf_hash(line) for line in lines]
        first = tree.base // WIDTH
        if len(lines) >= WIDTH:
            tree.add_tile(out, lines[:WIDTH], leaves[:WIDTH])
            first, lines, leaves = first + 1, lines[WIDTH:], leaves[WIDTH:]
        if lines:
            write_tile(out, ENTRIES, first, encode_bundle(lines), len(lines))
            write_tile(out, 0, first, b"".join(leaves), len(leaves))
        write_whole(out / CHECKPOINT, view.note)
    return view.signed


def add_signatures(folder: Path, key: PublicKey, text: bytes, lines: bytes) -> bool:
    """Put further signatures under the checkpoint, if it still is the one with this text.

    Args:
        lines: signature lines of this text, as `notes.signature_line` and `cosignature_line` make them.

    Raises:
        IntegrityError: the checkpoint is not signed by `key`.
    """
    with storage_errors(folder), held(folder, fcntl.LOCK_EX):
        note = read_note(folder)
        if open_note(note, [Verifier(key)])[0] != text:
            return False
        write_whole(folder / CHECKPOINT, note + lines, READABLE)
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
