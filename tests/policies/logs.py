"""A small audit log and its lines, for the tests of what is written and of what is tampered with."""

from __future__ import annotations

from pathlib import Path

from policies.audit import AuditLog, Event, read_entries
from policies.keys import KeyRing


def filled(folder: Path, keys: KeyRing, count: int) -> Path:
    log = AuditLog(folder, keys, "alice")
    for number in range(count):
        log.append(Event.EXPORT_READ, number=number)
    return folder


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "entries.ndjson").read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes]) -> None:
    (folder / "entries.ndjson").write_bytes(b"".join(lines))


def numbers(folder: Path, keys: KeyRing) -> list[int]:
    return [entry.details["number"] for entry in read_entries(folder, keys.public)]
