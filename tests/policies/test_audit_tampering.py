"""Whatever is altered, removed, moved or rolled back is found, named, and never built upon."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from policies.audit import AuditLog, Checkpoint, Event, read_checkpoint, read_entries, sign_note
from policies.errors import IntegrityError
from policies.keys import KeyRing, create_keys
from policies.tlog import Frontier, leaf_hash
from tests.policies.logs import filled, lines_of, put


def resigned(folder: Path, keys: KeyRing, lines: list[bytes]) -> None:
    """What somebody who holds the key could write."""
    frontier = Frontier()
    for line in lines:
        frontier = frontier.with_leaf(leaf_hash(line.rstrip(b"\n")))
    put(folder, lines)
    (folder / "checkpoint").write_bytes(sign_note(Checkpoint("north", frontier.size, frontier.root()).text(), keys))


def bad(folder: Path, keys: KeyRing, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        read_entries(folder, keys.public)


def test_every_altered_byte_is_found_and_its_entry_named(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    for number, line in enumerate(lines[1:], 1):
        for place in range(len(line)):
            altered = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
            put(folder, [*lines[:number], altered, *lines[number + 1 :]])
            bad(folder, keys, rf"\bentry {number}\b")


def test_an_altered_value_names_the_first_bad_entry_only(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    for number in (1, 2, 3):
        lines[number] = lines[number].replace(b"alice", b"malle")
    put(folder, lines)
    bad(folder, keys, r"entry 1 was altered")


@pytest.mark.parametrize("number", range(3))
def test_a_removed_entry_is_named(folder: Path, keys: KeyRing, number: int) -> None:
    lines = lines_of(folder)
    del lines[number]
    put(folder, lines)
    bad(folder, keys, rf"entry {number} is not in its place")


@pytest.mark.parametrize("keep", range(4))
def test_a_log_cut_short_is_found(folder: Path, keys: KeyRing, keep: int) -> None:
    put(folder, lines_of(folder)[:keep])
    bad(folder, keys, f"entry {keep} of 4 is missing")


def test_a_log_whose_entries_are_gone_is_found(folder: Path, keys: KeyRing) -> None:
    (folder / "entries.ndjson").unlink()
    bad(folder, keys, "entry 0 of 4 is missing")


@pytest.mark.parametrize("number", range(3))
def test_swapped_entries_are_named(folder: Path, keys: KeyRing, number: int) -> None:
    lines = lines_of(folder)
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    put(folder, lines)
    bad(folder, keys, rf"entry {number} is not in its place, which holds number {number + 1}")


def test_an_inserted_entry_is_named(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    put(folder, [*lines[:2], lines[1], *lines[2:]])
    bad(folder, keys, "entry 2 is not in its place")


def test_every_altered_byte_of_the_checkpoint_is_found(folder: Path, keys: KeyRing) -> None:
    note = (folder / "checkpoint").read_bytes()
    for place in range(len(note)):
        if place == len(note) - 3:
            continue  # the last character before '=' has bits that base64 does not use
        (folder / "checkpoint").write_bytes(note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :])
        bad(folder, keys, "checkpoint|signature")


def test_a_torn_checkpoint_is_found(folder: Path, keys: KeyRing) -> None:
    note = (folder / "checkpoint").read_bytes()
    for length in range(len(note) - 1):
        (folder / "checkpoint").write_bytes(note[:length])
        bad(folder, keys, "checkpoint|signature")
    with pytest.raises(IntegrityError):
        AuditLog(folder, keys, "alice").append(Event.EXPORT_READ)


def test_a_checkpoint_of_another_key_is_refused(tmp_path: Path, folder: Path, keys: KeyRing) -> None:
    signed = read_checkpoint(folder, keys.public)
    assert signed
    other = create_keys(tmp_path / "other", "north")
    (folder / "checkpoint").write_bytes(sign_note(signed.text(), other))
    bad(folder, keys, "unknown key")
    forged = sign_note(signed.text(), other).split(b" ")[-1]
    key_id = base64.b64decode((folder / "checkpoint").read_bytes().split(b" ")[-1])[4:]
    own_id = hashlib.sha256(b"north\n\x01" + keys.public.raw).digest()[:4]
    note = (folder / "checkpoint").read_bytes().replace(forged, base64.b64encode(own_id + key_id) + b"\n")
    (folder / "checkpoint").write_bytes(note)
    bad(folder, keys, "signature of 'north' does not verify")


def test_a_note_that_the_key_signed_for_another_log_is_refused(folder: Path, keys: KeyRing) -> None:
    signed = read_checkpoint(folder, keys.public)
    assert signed
    (folder / "checkpoint").write_bytes(sign_note(Checkpoint("other", signed.size, signed.root).text(), keys))
    bad(folder, keys, "that of another log, 'other'")


def test_an_older_checkpoint_does_not_hide_newer_entries(tmp_path: Path, keys: KeyRing) -> None:
    folder = filled(tmp_path / "audit", keys, 2)
    old = (folder / "checkpoint").read_bytes()
    running = AuditLog(folder, keys, "alice")
    for number in (2, 3):
        running.append(Event.EXPORT_READ, number=number)
    (folder / "checkpoint").write_bytes(old)
    refuses(folder, keys, running)
    bad(folder, keys, "entry 2 and those after it are not signed")


def test_without_its_checkpoint_a_log_is_not_begun_anew(folder: Path, keys: KeyRing) -> None:
    running = AuditLog(folder, keys, "alice")
    running.append(Event.EXPORT_READ, number=4)
    (folder / "checkpoint").unlink()
    refuses(folder, keys, running)
    bad(folder, keys, "entry 0 and those after it are not signed")


@pytest.mark.parametrize("keep", [0, 2, 4])
def test_nothing_is_appended_to_a_log_that_was_cut(folder: Path, keys: KeyRing, keep: int) -> None:
    running = AuditLog(folder, keys, "alice")
    running.append(Event.EXPORT_READ, number=4)
    put(folder, lines_of(folder)[:keep])
    refuses(folder, keys, running)


def refuses(folder: Path, keys: KeyRing, running: AuditLog) -> None:
    """Neither a new process nor one that already knows the log appends, and the evidence stays as it is."""
    before = lines_of(folder)
    for log in (AuditLog(folder, keys, "alice"), running):
        with pytest.raises(IntegrityError, match="nothing may be appended"):
            log.append(Event.EXPORT_READ)
    assert lines_of(folder) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"v":1', b'"v":2', "entry 3 has the unknown version 2"),
        (b'"export.read"', b'"export.lost"', "entry 3 is no entry of this version"),
        (b'"v":1', b'"w":1', "entry 3 is no entry of this version"),
        (b"{", b"[", "entry 3 is no entry of this version"),
    ],
)
def test_what_a_later_version_wrote_is_refused_even_if_signed(
    folder: Path, keys: KeyRing, old: bytes, new: bytes, says: str
) -> None:
    *lines, last = lines_of(folder)
    resigned(folder, keys, [*lines, last.replace(old, new, 1)])
    bad(folder, keys, says)


def test_a_chain_that_was_rewritten_and_signed_anew_is_found_by_its_roots(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    resigned(folder, keys, [lines[0], lines[1].replace(b"alice", b"malle"), *lines[2:]])
    bad(folder, keys, "entry 1 was altered, or entry 2 was")
