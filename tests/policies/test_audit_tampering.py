"""Whatever is altered, removed, moved or rolled back is found, named, and never built upon."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.audit import AuditLog, entries, read_entries, verify
from policies.errors import IntegrityError
from policies.events import Event
from policies.keys import KeyRing, create_keys
from policies.logview import read_checkpoint, read_note
from policies.notes import Checkpoint, sign_note
from policies.tiles import WIDTH, decode_bundle, encode_bundle
from policies.tlog import leaf_hash, root_of
from tests.policies.logs import filled, lines_of, put

BIG = 3 * WIDTH + 40


def resigned(folder: Path, keys: KeyRing, lines: list[bytes]) -> None:
    """What somebody who holds the key could write."""
    put(folder, lines)
    root = root_of([leaf_hash(line.rstrip(b"\n")) for line in lines])
    (folder / "checkpoint").write_bytes(sign_note(Checkpoint("north", len(lines), root).text(), keys))


def bad(folder: Path, keys: KeyRing, says: str) -> None:
    with pytest.raises(IntegrityError, match=says) as caught:
        read_entries(folder, keys.public)
    assert caught.value.message.startswith(str(folder)) and caught.value.message.count(str(folder)) == 1


@pytest.fixture
def big(tmp_path: Path, keys: KeyRing) -> Path:
    """Three full tiles and 40 entries at the edge."""
    folder = filled(tmp_path / "big", keys, BIG - 1)
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=BIG - 1)
    assert len(lines_of(folder)) == 40
    return folder


# The edge


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
@pytest.mark.parametrize("torn", [b"", b'{"v":2,'])
def test_a_log_cut_short_is_found(folder: Path, keys: KeyRing, keep: int, torn: bytes) -> None:
    put(folder, [*lines_of(folder)[:keep], torn])
    bad(folder, keys, f"entry {keep} of 4 is missing or cut short")


def test_a_torn_line_inside_is_named(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    put(folder, [lines[0], lines[1][:60] + b"\n", *lines[2:]])
    bad(folder, keys, "entry 1 is no entry of this version")


def test_a_log_whose_edge_is_gone_is_found(folder: Path, keys: KeyRing) -> None:
    (folder / "edge.ndjson").unlink()
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


# Bundles and tiles


def altered_bundle(folder: Path, index: int, entry: int, old: bytes, new: bytes) -> list[bytes]:
    path = folder / f"tile/entries/00{index}"
    lines = decode_bundle(path.read_bytes())
    lines[entry] = lines[entry].replace(old, new)
    path.write_bytes(encode_bundle(lines))
    return lines


@pytest.mark.parametrize("number", [0, 1, 255, 256, 300, 767])
def test_an_altered_entry_of_a_bundle_is_named_and_those_before_it_are_not_lost(
    big: Path, keys: KeyRing, number: int
) -> None:
    altered_bundle(big, number // WIDTH, number % WIDTH, b"alice", b"malle")
    bad(big, keys, rf"entry {number} was altered after it was signed")
    read = []
    with pytest.raises(IntegrityError, match=f"entry {number} was"):
        for entry in entries(big, keys.public):
            read.append(entry.sequence)
    assert read == list(range(number))


@pytest.mark.parametrize("number", [1, 300, 700])
def test_an_entry_altered_together_with_its_tile_is_named_by_the_chain(big: Path, keys: KeyRing, number: int) -> None:
    lines = altered_bundle(big, number // WIDTH, number % WIDTH, b"alice", b"malle")
    (big / f"tile/0/00{number // WIDTH}").write_bytes(b"".join(map(leaf_hash, lines)))
    bad(big, keys, rf"entry {number} was altered, or entry {number + 1} was")


def test_the_same_with_every_tile_above_it(big: Path, keys: KeyRing) -> None:
    lines = altered_bundle(big, 1, 9, b"alice", b"malle")
    leaves = list(map(leaf_hash, lines))
    (big / "tile/0/001").write_bytes(b"".join(leaves))
    above = big / "tile/1/000.p/3"
    above.write_bytes(above.read_bytes()[:32] + root_of(leaves) + above.read_bytes()[64:])
    bad(big, keys, "entry 265 was altered, or entry 266 was")


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/3"])
def test_an_altered_hash_is_not_blamed_on_an_entry(big: Path, keys: KeyRing, path: str) -> None:
    data = (big / path).read_bytes()
    (big / path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    bad(big, keys, "tile/0/001 is altered|a tile of hashes was altered; the entries are those that were signed")


@pytest.mark.parametrize(("path", "first"), [("tile/0/001", 256), ("tile/1/000.p/3", 0), ("tile/entries/001", 256)])
@pytest.mark.parametrize("cut", [0, 31, 40, 8000, None])
def test_a_tile_or_bundle_that_is_cut_short_or_missing_is_named(
    big: Path, keys: KeyRing, path: str, first: int, cut: int | None
) -> None:
    data = (big / path).read_bytes()
    if cut is None:
        (big / path).unlink()
    else:
        (big / path).write_bytes(data[: min(cut, len(data) - 1)])
    bundle = decode_bundle(data[: cut or 0]) if "entries" in path else []
    bad(big, keys, rf"entry {first + len(bundle)} (of {BIG} is|or one after it: {path} is) missing or cut short")


def test_the_last_tile_that_is_gone_is_found(big: Path, keys: KeyRing) -> None:
    """Its entries might stand at the edge still, but do not."""
    (big / "tile/0/002").unlink()
    (big / "tile/1/000.p/2").write_bytes((big / "tile/1/000.p/3").read_bytes()[:64])
    bad(big, keys, "entry 512 is not in its place, which holds number 768")


def test_no_log_with_a_bad_tile_is_appended_to(big: Path, keys: KeyRing) -> None:
    data = (big / "tile/1/000.p/3").read_bytes()
    (big / "tile/1/000.p/3").write_bytes(bytes(32) + data[32:])
    with pytest.raises(IntegrityError, match="a tile of hashes was altered"):
        AuditLog(big, keys, "alice").append(Event.EXPORT_READ)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_any_file_is_found(big: Path, keys: KeyRing, data: st.DataObject) -> None:
    files = sorted(path for path in big.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    try:
        bad(big, keys, "entry|tile|checkpoint")
    finally:
        path.write_bytes(whole)
    assert len(read_entries(big, keys.public)) == BIG


# What is sealed


def test_a_ciphertext_that_is_altered_or_missing_is_named(folder: Path, keys: KeyRing) -> None:
    entry = AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, sealed=b"ciphertext")
    path = folder / "sealed" / entry.sealed
    path.write_bytes(b"Ciphertext")
    with pytest.raises(IntegrityError, match="entry 4 sealed is missing or was altered"):
        verify(folder, keys.public)
    path.unlink()
    with pytest.raises(IntegrityError, match="entry 4 sealed is missing or was altered"):
        verify(folder, keys.public)


# The checkpoint


def test_every_altered_byte_of_the_checkpoint_is_found(folder: Path, keys: KeyRing) -> None:
    note = (folder / "checkpoint").read_bytes()
    for place in range(len(note)):
        (folder / "checkpoint").write_bytes(note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :])
        bad(folder, keys, "checkpoint: the (note|signature)")


def test_a_torn_checkpoint_is_found(folder: Path, keys: KeyRing) -> None:
    note = (folder / "checkpoint").read_bytes()
    for length in range(1, len(note)):
        (folder / "checkpoint").write_bytes(note[:length])
        bad(folder, keys, "checkpoint: the note")
    with pytest.raises(IntegrityError):
        AuditLog(folder, keys, "alice").append(Event.EXPORT_READ)


def test_a_checkpoint_of_another_key_is_refused(tmp_path: Path, folder: Path, keys: KeyRing) -> None:
    signed = read_checkpoint(folder, keys.public)
    assert signed
    other = create_keys(tmp_path / "other", "north")
    (folder / "checkpoint").write_bytes(sign_note(signed.text(), other))
    bad(folder, keys, "the note is signed by an unknown key")
    note = read_note(folder)
    forged = note.split(b" ")[-1]
    own_id = hashlib.sha256(b"north\n\x01" + keys.public.raw).digest()[:4]
    mine = base64.b64encode(own_id + base64.b64decode(forged)[4:]) + b"\n"
    (folder / "checkpoint").write_bytes(note.replace(forged, mine))
    bad(folder, keys, "signature of 'north' does not verify")


def test_a_note_that_the_key_signed_for_another_log_is_refused(folder: Path, keys: KeyRing) -> None:
    signed = read_checkpoint(folder, keys.public)
    assert signed
    (folder / "checkpoint").write_bytes(sign_note(Checkpoint("other", signed.size, signed.root).text(), keys))
    bad(folder, keys, "that of another log, 'other'")


# What was put back


@pytest.mark.parametrize(("old", "new"), [(2, 4), (3, 300), (255, 258), (256, 600), (300, 800), (700, 701)])
def test_an_older_checkpoint_does_not_hide_newer_entries(tmp_path: Path, keys: KeyRing, old: int, new: int) -> None:
    folder = filled(tmp_path / "audit", keys, old)
    kept, running = read_note(folder), AuditLog(folder, keys, "alice")
    for number in range(old, new, 200):
        running.append_all([(Event.EXPORT_READ, {"number": number})] * min(200, new - number))
    running.append(Event.EXPORT_READ, number=new)
    (folder / "checkpoint").write_bytes(kept)
    refuses(folder, keys, running, rf"entry {old} and those after it are not signed")
    bad(folder, keys, rf"entry {old} and those after it are not signed")


@pytest.mark.parametrize("size", [4, 300, 512])
def test_without_its_checkpoint_a_log_is_not_begun_anew(tmp_path: Path, keys: KeyRing, size: int) -> None:
    folder = filled(tmp_path / "audit", keys, size)
    running = AuditLog(folder, keys, "alice")
    running.append(Event.EXPORT_READ, number=size)
    (folder / "checkpoint").unlink()
    refuses(folder, keys, running, "entry 0 and those after it are not signed")
    bad(folder, keys, "entry 0 and those after it are not signed")


@pytest.mark.parametrize("keep", [0, 2, 4])
def test_nothing_is_appended_to_a_log_that_was_cut(folder: Path, keys: KeyRing, keep: int) -> None:
    running = AuditLog(folder, keys, "alice")
    running.append(Event.EXPORT_READ, number=4)
    put(folder, lines_of(folder)[:keep])
    refuses(folder, keys, running, f"entry {keep} of 5 is missing")


@pytest.mark.parametrize("size", [3, 300])
def test_a_process_that_runs_notices_that_an_older_copy_of_the_log_was_put_back(
    tmp_path: Path, keys: KeyRing, size: int
) -> None:
    folder, backup = filled(tmp_path / "audit", keys, size), tmp_path / "backup"
    shutil.copytree(folder, backup)
    running = AuditLog(folder, keys, "alice")
    running.append(Event.EXPORT_READ, number=size)
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    with pytest.raises(IntegrityError, match=f"{size + 1} entries cannot begin one of {size}; nothing may be appended"):
        running.append(Event.EXPORT_READ)
    AuditLog(folder, keys, "mallory").append_all([(Event.EXPORT_READ, {})] * 5)
    with pytest.raises(IntegrityError, match="the log was rewritten; nothing may be appended"):
        running.append(Event.EXPORT_READ)


def refuses(folder: Path, keys: KeyRing, running: AuditLog, says: str) -> None:
    """Neither a new process nor one that already knows the log appends, and the evidence stays as it is."""
    before = lines_of(folder)
    for log in (AuditLog(folder, keys, "alice"), running):
        with pytest.raises(IntegrityError, match=says):
            log.append(Event.EXPORT_READ)
    assert lines_of(folder) == before


# What whoever holds the key could do


def test_what_a_later_version_wrote_is_refused_even_if_signed(folder: Path, keys: KeyRing) -> None:
    *lines, last = lines_of(folder)
    resigned(folder, keys, [*lines, last.replace(b'"v":2', b'"v":3', 1)])
    bad(folder, keys, "entry 3 has the unknown version 3")


def test_a_chain_that_was_rewritten_and_signed_anew_is_found_by_its_hashes(folder: Path, keys: KeyRing) -> None:
    lines = lines_of(folder)
    resigned(folder, keys, [lines[0], lines[1].replace(b"alice", b"malle"), *lines[2:]])
    bad(folder, keys, "entry 1 was altered, or entry 2 was")
