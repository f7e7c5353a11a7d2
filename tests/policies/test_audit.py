"""What was logged stays, and a crash or a full disk at any point leaves a log that goes on."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from policies import audit
from policies.audit import AuditLog, add_signatures, entries, publish, read_entries, verify
from policies.errors import IntegrityError, StorageError
from policies.events import Event
from policies.files import sha256_hex
from policies.keys import KeyRing, create_keys
from policies.logview import look, read_checkpoint, read_note
from policies.notes import Kind, Verifier, cosignature_line, open_note, signature_line
from policies.tiles import WIDTH, decode_bundle
from policies.tlog import leaf_hash, root_of
from tests.policies.logs import files_of, filled, lines_of, numbers, put

# Appends to a log, one by one or in groups, from a process of its own until it is done, or dead.
PROGRAM = """if True:
    import sys
    from pathlib import Path
    from policies.audit import AuditLog
    from policies.events import Event
    from policies.keys import open_keys
    log = AuditLog(Path(sys.argv[1]), open_keys(Path(sys.argv[2]), "north"), sys.argv[3])
    most, group = int(sys.argv[4]), int(sys.argv[5])
    print("ready", flush=True); input()
    for first in range(0, most, group):
        log.append_all([(Event.EXPORT_READ, {"number": number}) for number in range(first, first + group)])
        print(first, flush=True)
"""


class Crash(BaseException):
    """The process ends here."""


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin and process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")


# Writing


def test_entries_come_back_as_they_were_appended(tmp_path: Path, keys: KeyRing) -> None:
    folder = tmp_path / "audit"
    assert read_entries(folder, keys.public) == [] and verify(folder, keys.public).signed.size == 0
    log = AuditLog(folder, keys, "alice")
    appended = [log.append(Event.EXPORT_READ), log.append(Event.EXPORT_READ, notes=3, hashes=["ab"], epsilon="1.000")]
    found = read_entries(folder, keys.public)
    assert found == appended == list(entries(folder, keys.public))
    assert [entry.sequence for entry in found] == [0, 1]
    assert found[1].details == {"notes": 3, "hashes": ["ab"], "epsilon": "1.000"}
    assert found[0].time.endswith("+00:00")


def test_the_checkpoint_is_a_signed_note_as_c2sp_writes_it(folder: Path, keys: KeyRing) -> None:
    text, signature = (folder / "checkpoint").read_bytes().split(b"\n\n")
    root = root_of([leaf_hash(line.rstrip(b"\n")) for line in lines_of(folder)])
    assert text.decode().split("\n") == ["north", "4", base64.b64encode(root).decode()]
    dash, name, encoded = signature.decode().rstrip("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, len(raw)) == ("\u2014", "north", 68)
    assert raw[:4] == hashlib.sha256(b"north\n\x01" + keys.public.raw).digest()[:4]
    keys.public.verify(raw[4:], text + b"\n")


def test_a_group_shares_its_time_and_stands_whole_or_not_at_all(folder: Path, keys: KeyRing) -> None:
    log = AuditLog(folder, keys, "alice")
    group = log.append_all([(Event.EXPORT_READ, {"number": number}) for number in (4, 5, 6)])
    assert len({entry.time for entry in group}) == 1 and [entry.count for entry in group] == [0, 1, 2]
    with pytest.raises(IntegrityError, match="float"):
        log.append_all([(Event.EXPORT_READ, {"number": 7}), (Event.EXPORT_READ, {"number": 0.5})])
    assert numbers(folder, keys) == list(range(7))
    for size in (0, 257):
        with pytest.raises(IntegrityError, match=f"group of {size} audit entries is not between 1 and 256"):
            log.append_all([(Event.EXPORT_READ, {})] * size)


def test_an_entry_over_64_kib_is_refused_and_the_log_goes_on(folder: Path, keys: KeyRing) -> None:
    log = AuditLog(folder, keys, "alice")
    with pytest.raises(IntegrityError, match="is over 64511"):
        log.append(Event.EXPORT_READ, number=4, text="x" * 65536)
    log.append(Event.EXPORT_READ, number=4)
    assert numbers(folder, keys) == [0, 1, 2, 3, 4]


def test_the_line_is_on_the_disk_before_its_checkpoint_is_signed(
    folder: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync = os.fsync

    def flushed(handle: int) -> None:
        steps.append(Path(f"/proc/self/fd/{handle}").resolve().name.split(".")[0] or "checkpoint")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flushed)
    AuditLog(folder, keys, "alice").append_all([(Event.EXPORT_READ, {"number": number}) for number in (4, 5)])
    assert steps == ["edge", "checkpoint", "audit"]


def test_what_is_sealed_stands_beside_the_log_under_its_digest(folder: Path, keys: KeyRing) -> None:
    entry = AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, sealed=b"ciphertext", number=4)
    assert entry.sealed == sha256_hex(b"ciphertext")
    path = folder / "sealed" / entry.sealed
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"ciphertext", 0o600)
    assert look(folder, keys.public).sealed(entry) == b"ciphertext"
    assert b"ciphertext" not in b"".join(lines_of(folder))


def test_every_256_entries_become_a_bundle_and_a_tile_that_nothing_changes_again(tmp_path: Path, keys: KeyRing) -> None:
    folder = tmp_path / "audit"
    log, tiles = AuditLog(folder, keys, "alice"), dict[str, bytes]()
    for first in range(0, 1100, 100):
        log.append_all([(Event.EXPORT_READ, {"number": number}) for number in range(first, first + 100)])
        assert numbers(folder, keys) == list(range(first + 100))
        for path, data in tiles.items():
            assert (folder / path).read_bytes() == data
        full = {path for path in files_of(folder) if path.startswith("tile") and ".p" not in path}
        tiles = {path: (folder / path).read_bytes() for path in full}
    log.append(Event.EXPORT_READ, number=1100)
    assert files_of(folder) == {
        "checkpoint",
        "edge.ndjson",
        "tile/1/000.p/4",
        *(f"tile/{kind}/00{index}" for kind in ("0", "entries") for index in range(4)),
    }
    assert len(lines_of(folder)) == 1101 - 4 * WIDTH


@pytest.mark.parametrize("size", [0, 1, 256, 300, 511, 512, 700])
def test_what_is_published_has_every_partial_tile_of_the_checkpoint(tmp_path: Path, keys: KeyRing, size: int) -> None:
    folder, out = filled(tmp_path / "audit", keys, size), tmp_path / "out"
    signed, (full, rest) = publish(folder, keys.public, out), divmod(size, WIDTH)
    tiles = {f"{kind}/00{index}" for kind in ("0", "entries") for index in range(full)}
    tiles |= {f"{kind}/00{full}.p/{rest}" for kind in ("0", "entries") if rest} | (
        {f"1/000.p/{full}"} if full else set()
    )
    assert files_of(out) - {"checkpoint"} >= {f"tile/{tile}" for tile in tiles}
    leaves = b"".join((out / "tile" / tile).read_bytes() for tile in sorted(tiles) if tile.startswith("0"))
    bundles = [(out / "tile" / tile).read_bytes() for tile in sorted(tiles) if tile.startswith("entries")]
    hashes = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
    assert hashes == [leaf_hash(line) for bundle in bundles for line in decode_bundle(bundle)]
    assert (signed.size, signed.root) == (size, root_of(hashes))
    assert (out / "checkpoint").read_bytes() == read_note(folder)


# Others' signatures, and another key


def test_others_sign_the_same_checkpoint(tmp_path: Path, folder: Path, keys: KeyRing) -> None:
    river, signed = create_keys(tmp_path / "river", "river"), read_checkpoint(folder, keys.public)
    assert signed
    line = cosignature_line(signed.text(), river, 1700000000)
    assert add_signatures(folder, keys.public, signed.text(), line)
    witness = Verifier(river.public, Kind.COSIGNATURE)
    assert open_note(read_note(folder), [witness])[1] == {witness: 1700000000}
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=4)
    assert not add_signatures(folder, keys.public, signed.text(), line)
    assert numbers(folder, keys) == list(range(5))


def test_a_log_goes_on_under_a_new_key_once_both_signed(tmp_path: Path, folder: Path, keys: KeyRing) -> None:
    new = create_keys(tmp_path / "new", "north")
    old_log, new_log = AuditLog(folder, keys, "alice"), AuditLog(folder, new, "alice")
    old_log.append(Event.KEY_ROTATED, number=4)
    with pytest.raises(IntegrityError, match="unknown key"):
        new_log.append(Event.EXPORT_READ, number=5)
    signed = read_checkpoint(folder, keys.public)
    assert signed and add_signatures(folder, keys.public, signed.text(), signature_line(signed.text(), new))
    new_log.append(Event.EXPORT_READ, number=5)
    assert numbers(folder, new) == list(range(6))
    with pytest.raises(IntegrityError, match="unknown key"):
        old_log.append(Event.EXPORT_READ, number=6)


# Sessions


def test_attempts_are_counted_so_that_what_was_never_written_shows(folder: Path, keys: KeyRing) -> None:
    log, other = AuditLog(folder, keys, "alice"), AuditLog(folder, keys, "alice")
    assert [log.append(Event.EXPORT_READ, number=number).count for number in (4, 5)] == [0, 1]
    with pytest.raises(IntegrityError):
        log.append(Event.EXPORT_READ, number=0.5)
    assert log.append(Event.EXPORT_READ, number=6).count == 3
    one, two = log.append(Event.EXPORT_READ, number=7), other.append(Event.EXPORT_READ, number=8)
    assert (two.count, one.session == two.session, len(two.session)) == (0, False, 16)
    (warning,) = verify(folder, keys.public).warnings
    assert warning == "entry 6: 1 of the entries that 'alice' began before it were never written"


def test_a_service_starts_shows_that_it_lives_and_stops(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, now = tmp_path / "audit", 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    log = AuditLog(folder, keys, "alice")
    log.start("dashboard")
    log.heartbeat()
    now += 500
    log.append(Event.PAGE_VIEWED)
    now += 500
    log.heartbeat()
    now += 101
    log.heartbeat()
    log.stop()
    found = read_entries(folder, keys.public)
    assert [entry.event for entry in found] == [
        Event.PROCESS_STARTED,
        Event.PAGE_VIEWED,
        Event.PROCESS_ALIVE,
        Event.PROCESS_STOPPED,
    ]
    assert found[0].details == found[2].details == found[3].details == {"service": "dashboard"}


# Several at once


def test_two_logs_on_one_folder_take_turns(tmp_path: Path, keys: KeyRing) -> None:
    folder = filled(tmp_path / "audit", keys, 500)
    logs = [AuditLog(folder, keys, name) for name in ("alice", "bob")]
    for number in range(500, 540):
        assert logs[number % 7 % 2].append(Event.EXPORT_READ, number=number).sequence == number
    assert numbers(folder, keys) == list(range(540))
    assert verify(folder, keys.public).warnings == ()


def test_threads_of_one_process_take_turns(tmp_path: Path, keys: KeyRing) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    threads = [Thread(target=lambda: [log.append(Event.EXPORT_READ) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(tmp_path / "audit", keys.public)
    assert (found.signed.size, found.warnings) == (80, ())


def test_four_processes_append_at_once_and_nothing_is_lost(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder, each, seen = tmp_path / "audit", 120, 0
    processes = [start(PROGRAM, folder, tmp_path / "keys", f"p{number}", each, 1 + number) for number in range(4)]
    for process in processes:
        go(process)
    while any(process.poll() is None for process in processes):
        now = len(read_entries(folder, keys.public))  # a reader finds a whole log at any moment
        assert now >= seen
        seen = now
    assert [process.returncode for process in processes] == [0] * 4
    found = read_entries(folder, keys.public)
    for number in range(4):
        assert [entry.details["number"] for entry in found if entry.actor == f"p{number}"] == list(range(each))
    assert verify(folder, keys.public).warnings == ()


# Crashes and full disks


@pytest.mark.parametrize("group", [1, 100])
def test_writers_killed_at_any_point_leave_a_log_that_verifies_and_goes_on(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]], group: int
) -> None:
    folder, held = tmp_path / "audit", 0
    for turn in range(4):
        writers = [start(PROGRAM, folder, tmp_path / "keys", f"child-{one}", 10**6, group) for one in range(3)]
        for writer in writers:
            go(writer)
        time.sleep(random.uniform(0, 0.15))
        for writer in writers:
            writer.kill()
        said = sum(len(writer.stdout.readlines()) for writer in writers if writer.stdout)
        found = read_entries(folder, keys.public)
        # each may have signed one append that it had no time to say
        assert held + said * group <= len(found) <= held + (said + 3) * group
        assert (len(found) - held) % group == 0
        assert AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=turn).sequence == len(found)
        held = len(found) + 1
    assert verify(folder, keys.public).signed.size == held


@pytest.mark.parametrize("before", [0, 1, 3, 256, 300])
@pytest.mark.parametrize("keep", [0, 40, None], ids=["nothing", "torn", "whole"])
@pytest.mark.parametrize("group", [1, 3])
def test_lines_whose_checkpoint_was_never_written_do_not_count(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, before: int, keep: int | None, group: int
) -> None:
    folder = filled(tmp_path / "audit", keys, before)
    write_whole = audit.write_whole

    def crash(path: Path, *rest: object) -> None:
        if path.name == "checkpoint":
            raise Crash
        write_whole(path, *rest)

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(audit, "write_whole", crash)
        AuditLog(folder, keys, "alice").append_all([(Event.EXPORT_READ, {"number": 99})] * group)
    *whole, last = lines_of(folder)
    put(folder, [*whole, last[:keep]])
    assert numbers(folder, keys) == list(range(before))
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=before)
    assert numbers(folder, keys) == list(range(before + 1))


@pytest.mark.parametrize("fails", range(11))
@pytest.mark.parametrize("group", [1, 256])
def test_a_crash_at_any_point_of_the_making_of_a_tile(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, group: int, fails: int
) -> None:
    """Every fsync in turn is the last thing that the process does; the edge holds 256 entries, or 511."""
    folder, size = filled(tmp_path / "audit", keys, 3 * WIDTH - 1), 3 * WIDTH - 1 + group
    AuditLog(folder, keys, "alice").append_all([(Event.EXPORT_READ, {"number": n}) for n in range(size - group, size)])
    calls, fsync = iter(range(100)), os.fsync

    def crash(handle: int) -> None:
        fsync(handle)
        if next(calls) == fails:
            raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(os, "fsync", crash)
        AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=size)
    held = numbers(folder, keys)
    assert held == list(range(len(held))) and len(held) - size in (0, 1)
    publish(folder, keys.public, tmp_path / "out")
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=len(held))
    assert numbers(folder, keys) == list(range(len(held) + 1))
    assert len(lines_of(folder)) <= WIDTH


@pytest.mark.parametrize("fails", range(12))
@pytest.mark.parametrize("before", [0, 2, 256])
def test_a_full_disk_is_said_and_the_next_append_works(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, fails: int, before: int
) -> None:
    folder = filled(tmp_path / "audit", keys, before)
    log, calls, fsync = AuditLog(folder, keys, "alice"), iter(range(100)), os.fsync

    def full(handle: int) -> None:
        if next(calls) == fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        try:
            log.append(Event.EXPORT_READ, number=before)
        except StorageError as error:
            assert "disk is full" in error.message
        else:
            assert next(calls) <= fails  # the append needed fewer flushes than that
    held = numbers(folder, keys)
    assert held in (list(range(before)), list(range(before + 1)))  # after the rename the entry stands
    log.append(Event.EXPORT_READ, number=len(held))
    assert numbers(folder, keys) == list(range(len(held) + 1))
    assert not any("/." in f"/{path}" for path in files_of(folder))


def test_a_disk_that_fills_up_in_the_middle_of_a_line(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]]
) -> None:
    program = """if True:
        import resource, signal, sys
        from pathlib import Path
        from policies.audit import AuditLog, read_entries
        from policies.errors import StorageError
        from policies.events import Event
        from policies.keys import open_keys
        keys = open_keys(Path(sys.argv[2]), "north")
        log = AuditLog(Path(sys.argv[1]), keys, "child")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
        number = 0
        try:
            while True:
                log.append(Event.EXPORT_READ, number=number)
                number += 1
        except StorageError:
            size = (log.folder / "edge.ndjson").stat().st_size
        held = len(read_entries(log.folder, keys.public))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.append(Event.EXPORT_READ, number=number)
        print(number, held, size)
    """
    process = start(program, tmp_path / "audit", tmp_path / "keys")
    assert process.stdout
    appended, held, size = map(int, process.stdout.readline().split())
    assert (appended, size) == (held, 1500)
    assert numbers(tmp_path / "audit", keys) == list(range(appended + 1))
