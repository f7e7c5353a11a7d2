"""A small audit log and its lines, for the tests of what is written and of what is tampered with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from policies.audit import AuditLog, read_entries
from policies.events import Entry, Event
from policies.keys import KeyRing, PublicKey
from policies.logview import EDGE


def filled(folder: Path, keys: KeyRing, count: int) -> Path:
    """A log whose entries are numbered, the first few appended one by one and the others in groups."""
    log = AuditLog(folder, keys, "alice")
    for number in range(min(count, 4)):
        log.append(Event.EXPORT_READ, number=number)
    rest = ((Event.EXPORT_READ, {"number": number}) for number in range(4, count))
    while group := list(islice(rest, 200)):
        log.append_all(group)
    return folder


def lines_of(folder: Path) -> list[bytes]:
    return (folder / EDGE).read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes]) -> None:
    (folder / EDGE).write_bytes(b"".join(lines))


def numbers(folder: Path, keys: KeyRing) -> list[int]:
    return [entry.details["number"] for entry in read_entries(folder, keys.public)]


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def happened(folder: Path, key: PublicKey) -> list[Entry]:
    """What was done and denied: every entry but those of decisions that let somebody in, of starts, and of policies."""
    quiet = (Event.ACCESS_DECIDED, Event.PROCESS_STARTED, Event.PROCESS_STOPPED, Event.POLICY_CHANGED)
    return [entry for entry in read_entries(folder, key) if entry.event not in quiet]


def unlogged() -> None:
    """In the place of an entry, where the test is about the keys alone."""


def after_policy(folder: Path, key: PublicKey) -> list[Entry]:
    """Every entry but those about the policy."""
    return [entry for entry in read_entries(folder, key) if entry.event is not Event.POLICY_CHANGED]
