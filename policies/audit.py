"""The append-only log: one line for every arrow of the road, hashed into a tree whose head is signed.

Each entry carries the tree's root over all entries before it, so the first altered line can be named; the checkpoint
(C2SP tlog-checkpoint, a signed note) fixes the whole. Entries hold hashes, counts and pseudonyms, never text of a
record and never a float: numbers that matter later, such as epsilon, are decimal strings.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from policies.errors import IntegrityError
from policies.files import READABLE, canonical_json, storage_errors, write_whole
from policies.keys import KeyRing, PublicKey
from policies.tlog import EMPTY_ROOT, Frontier, leaf_hash

ENTRY_VERSION = 1
LARGEST_ENTRY = 64 * 1024
_SALT_BYTES = 16


class Event(StrEnum):
    """What can stand in the log, at least one for every arrow of the road."""

    ACCESS_DENIED = "access.denied"
    EXPORT_READ = "export.read"
    RECORDS_DEIDENTIFIED = "records.deidentified"
    REIDENTIFICATION_REQUESTED = "reidentification.requested"
    REIDENTIFICATION_APPROVED = "reidentification.approved"
    REIDENTIFICATION_REFUSED = "reidentification.refused"
    PATIENT_REIDENTIFIED = "patient.reidentified"
    PATIENT_ERASED = "patient.erased"
    REVIEW_DRAWN = "review.drawn"
    NOTE_REVIEWED = "note.reviewed"
    CERTIFICATE_SIGNED = "certificate.signed"
    COHORT_PREPARED = "cohort.prepared"
    PLAN_APPROVED = "plan.approved"
    PLAN_REFUSED = "plan.refused"
    BUDGET_REFUSED = "budget.refused"
    BUDGET_SPENT = "budget.spent"
    BUDGET_REFUNDED = "budget.refunded"
    UPDATE_RELEASED = "update.released"
    ROUND_FAILED = "round.failed"
    ROUND_AGGREGATED = "round.aggregated"
    MODEL_SIGNED = "model.signed"
    MODEL_LOADED = "model.loaded"
    NOTE_EXTRACTED = "note.extracted"
    NOTE_VIEWED = "note.viewed"
    EVALUATED = "evaluation.made"
    PAGE_VIEWED = "page.viewed"
    AUDIT_EXPORTED = "audit.exported"


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        sequence: its place, from 0.
        time: UTC, ISO 8601.
        actor: the account, or the process, that acted.
        details: hashes, counts, pseudonyms and decimal strings.
    """

    sequence: int
    time: str
    actor: str
    event: Event
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A signed tree head: so many entries, with this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """The three lines that are signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


_NOTHING_SIGNED = Checkpoint("", 0, EMPTY_ROOT)


class AuditLog:
    """The log of one site or server in a folder: entries.ndjson and checkpoint.

    Appends are durable (fsync) before the action that they record goes on, and several processes may append.
    """

    def __init__(self, folder: Path, keys: KeyRing, actor: str) -> None:
        self.folder, self._keys, self._actor = folder, keys, actor
        self._frontier, self._offset = Frontier(), 0

    def append(self, event: Event, **details: Any) -> Entry:
        """Write one entry and sign the new tree head.

        Raises:
            IntegrityError: the log on disk does not continue what its checkpoint signed, or the entry holds a float
                or is over 64 KiB.
            StorageError: the disk is full; the log stands as it was.
        """
        _refuse_floats(details)
        with storage_errors(self.folder), self._locked() as stream:
            self._catch_up(stream)
            entry = Entry(self._frontier.size, _now(), self._actor, event, details)
            line = _encode(entry, self._frontier.root())
            frontier = self._frontier.with_leaf(leaf_hash(line))
            # A line whose checkpoint was never written (full disk, crash) is cut off by the next append.
            stream.write(line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
            write_whole(self.folder / "checkpoint", self._signed(frontier), READABLE)
            self._frontier, self._offset = frontier, self._offset + len(line) + 1
        return entry

    def _signed(self, frontier: Frontier) -> bytes:
        return sign_note(Checkpoint(self._keys.name, frontier.size, frontier.root()).text(), self._keys)

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "entries.ndjson").open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield stream

    def _catch_up(self, stream: Any) -> None:
        """Read what other processes appended, and stand on what the checkpoint signed."""
        signed = read_checkpoint(self.folder, self._keys.public) or _NOTHING_SIGNED
        whole = stream.seek(0, os.SEEK_END) >= self._offset
        stream.seek(self._offset)
        frontier, offset = self._frontier, self._offset
        while frontier.size < signed.size:
            line = stream.readline()
            if not line.endswith(b"\n"):
                break
            frontier, offset = frontier.with_leaf(leaf_hash(line[:-1])), offset + len(line)
        stream.seek(offset)
        follows = (frontier.size, frontier.root()) == (signed.size, signed.root) and not _lines_follow(stream.read())
        if not (whole and follows):
            raise IntegrityError(f"{self.folder}: the log is not what its checkpoint signed; nothing may be appended")
        stream.truncate(offset)  # a line after the checkpoint is one whose append never finished
        stream.seek(offset)
        self._frontier, self._offset = frontier, offset


def read_entries(folder: Path, key: PublicKey) -> list[Entry]:
    """Every entry of a log, verified.

    Raises:
        IntegrityError: naming the first bad entry; nothing is returned then, since nothing after it can be trusted.
    """
    signed, data = _snapshot(folder, key)
    entries, frontier, offset = [], Frontier(), 0
    for line in data.split(b"\n")[:-1][: signed.size]:
        entries.append(_decode(line, frontier, folder))
        frontier, offset = frontier.with_leaf(leaf_hash(line)), offset + len(line) + 1
    if frontier.size < signed.size:
        raise IntegrityError(f"{folder}: entry {frontier.size} of {signed.size} is missing or cut short")
    if frontier.root() != signed.root:
        raise IntegrityError(f"{folder}: entry {frontier.size - 1} was altered after it was signed")
    if _lines_follow(data[offset:]):
        raise IntegrityError(f"{folder}: entry {frontier.size} and those after it are not signed by the checkpoint")
    return entries


def _snapshot(folder: Path, key: PublicKey) -> tuple[Checkpoint, bytes]:
    """Checkpoint and lines as one and the same append left them."""
    path = folder / "entries.ndjson"
    with storage_errors(folder):
        signed = read_checkpoint(folder, key) or _NOTHING_SIGNED
        if not path.exists():
            return signed, b""
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            return read_checkpoint(folder, key) or _NOTHING_SIGNED, stream.read()


def _lines_follow(rest: bytes) -> bool:
    """Whether more follows the signed lines than the one, whole or torn, that a crash can leave behind."""
    return b"\n" in rest[:-1]


def _decode(line: bytes, before: Frontier, folder: Path) -> Entry:
    try:
        raw = json.loads(line)
        root, sequence = base64.b64decode(raw["tree"]), raw["seq"]
        entry = Entry(sequence, raw["time"], raw["actor"], Event(raw["event"]), raw["details"])
        version = raw["v"]
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"{folder}: entry {before.size} is no entry of this version") from None
    if version != ENTRY_VERSION:
        raise IntegrityError(f"{folder}: entry {before.size} has the unknown version {version}")
    if sequence != before.size:
        raise IntegrityError(f"{folder}: entry {before.size} is not in its place, which holds number {sequence}")
    if root != before.root():
        raise IntegrityError(f"{folder}: entry {max(before.size - 1, 0)} was altered, or entry {before.size} was")
    return entry


def _encode(entry: Entry, tree: bytes) -> bytes:
    line = canonical_json(
        {
            "v": ENTRY_VERSION,
            "seq": entry.sequence,
            "time": entry.time,
            "actor": entry.actor,
            "event": entry.event,
            "details": entry.details,
            "tree": base64.b64encode(tree).decode(),
            # A salt, so that nobody who holds a leaf hash can guess the entry behind it.
            "salt": base64.b64encode(os.urandom(_SALT_BYTES)).decode(),
        }
    )
    if len(line) > LARGEST_ENTRY:
        raise IntegrityError(f"an audit entry of {len(line)} bytes is over {LARGEST_ENTRY}")
    return line


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise IntegrityError("an audit entry may not hold a float", "Write the number as a decimal string.")
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _refuse_floats(part)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def sign_note(text: bytes, keys: KeyRing) -> bytes:
    """A signed note (C2SP signed-note): the text, an empty line, and a line with name, key id and signature."""
    signature = base64.b64encode(_key_id(keys.public) + keys.sign(text)).decode()
    return text + f"\n\u2014 {keys.name} {signature}\n".encode()


def _key_id(key: PublicKey) -> bytes:
    # First four bytes of SHA-256 over name, newline, algorithm 0x01 (Ed25519) and key (C2SP signed-note).
    return hashlib.sha256(key.name.encode() + b"\n\x01" + key.raw).digest()[:4]


def read_checkpoint(folder: Path, key: PublicKey) -> Checkpoint | None:
    """The signed tree head of a log, or None where there is none yet.

    Raises:
        IntegrityError: the checkpoint is torn, not signed by this key, or of another log.
    """
    try:
        note = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        return None
    try:
        text, signatures = note.split(b"\n\n", 1)
        origin, size, root = text.decode().split("\n")
        mark, signer, signature = signatures.decode().removesuffix("\n").split(" ")
        raw = base64.b64decode(signature, validate=True)
        if (mark, signer, raw[:4]) != ("\u2014", key.name, _key_id(key)):
            raise IntegrityError(f"{folder}: the checkpoint is signed by an unknown key")
        key.verify(raw[4:], text + b"\n")
        if origin != key.name:
            raise IntegrityError(f"{folder}: the checkpoint is that of another log, '{origin}'")
        return Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except ValueError:
        raise IntegrityError(f"{folder}: the checkpoint is torn") from None
