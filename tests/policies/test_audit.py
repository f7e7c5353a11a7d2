"""What was logged stays, what was altered is named, and a crash at any point leaves a log that goes on."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from policies import audit
from policies.audit import AuditLog, Event, read_entries
from policies.errors import IntegrityError, StorageError
from policies.keys import KeyRing
from policies.tlog import Frontier, leaf_hash
from tests.policies.logs import filled, lines_of, numbers, put

# Appends to a log from a process of its own until it is done, or dead.
PROGRAM = """if True:
    import sys
    from pathlib import Path
    from policies.audit import AuditLog, Event
    from policies.keys import open_keys
    log = AuditLog(Path(sys.argv[1]), open_keys(Path(sys.argv[2]), "north"), sys.argv[3])
    print("ready", flush=True); input()
    for number in range(int(sys.argv[4])):
        log.append(Event.EXPORT_READ, number=number)
        print(number, flush=True)
"""


class Crash(BaseException):
    """The process ends here."""


# Writing


def test_entries_come_back_as_they_were_appended(tmp_path: Path, keys: KeyRing) -> None:
    assert read_entries(tmp_path / "audit", keys.public) == []
    log = AuditLog(tmp_path / "audit", keys, "alice")
    appended = [log.append(Event.EXPORT_READ), log.append(Event.EXPORT_READ, notes=3, hashes=["ab"], epsilon="1.000")]
    entries = read_entries(tmp_path / "audit", keys.public)
    assert entries == appended
    assert [entry.sequence for entry in entries] == [0, 1]
    assert entries[1].details == {"notes": 3, "hashes": ["ab"], "epsilon": "1.000"}
    assert entries[0].time.endswith("+00:00")


def test_the_checkpoint_is_a_signed_note_as_c2sp_writes_it(folder: Path, keys: KeyRing) -> None:
    text, signature = (folder / "checkpoint").read_bytes().split(b"\n\n")
    frontier = Frontier()
    for line in lines_of(folder):
        frontier = frontier.with_leaf(leaf_hash(line.rstrip(b"\n")))
    assert text.decode().split("\n") == ["north", "4", base64.b64encode(frontier.root()).decode()]
    dash, name, encoded = signature.decode().rstrip("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, len(raw)) == ("\u2014", "north", 68)
    assert raw[:4] == hashlib.sha256(b"north\n\x01" + keys.public.raw).digest()[:4]
    keys.public.verify(raw[4:], text + b"\n")


def test_equal_entries_have_different_leaves(tmp_path: Path, keys: KeyRing) -> None:
    filled(tmp_path / "a", keys, 20)
    salts = {json.loads(line)["salt"] for line in lines_of(tmp_path / "a")}
    assert {len(base64.b64decode(salt)) for salt in salts} == {16}
    assert len(salts) == 20


@pytest.mark.parametrize("value", [1.0, float("nan"), np.float64(1), [1, [2.0]], {"a": {"b": 0.1}}, ("x", 0.5)])
def test_floats_are_refused_wherever_they_hide(folder: Path, keys: KeyRing, value: object) -> None:
    with pytest.raises(IntegrityError, match="float") as caught:
        AuditLog(folder, keys, "alice").append(Event.EVALUATED, value=value)
    assert "decimal string" in caught.value.hint
    assert numbers(folder, keys) == [0, 1, 2, 3]


def test_an_entry_over_64_kib_is_refused_and_the_largest_is_not(folder: Path, keys: KeyRing) -> None:
    log = AuditLog(folder, keys, "alice")
    log.append(Event.EXPORT_READ, number=4, text="")
    room = 64 * 1024 - len(lines_of(folder)[-1].rstrip(b"\n"))
    log.append(Event.EXPORT_READ, number=5, text="x" * room)
    with pytest.raises(IntegrityError, match="65537 bytes is over 65536"):
        log.append(Event.EXPORT_READ, number=6, text="x" * (room + 1))
    log.append(Event.EXPORT_READ, number=6)
    assert numbers(folder, keys) == list(range(7))


def test_the_line_is_on_the_disk_before_its_checkpoint_is_signed(
    folder: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync = os.fsync

    def flushed(handle: int) -> None:
        steps.append(Path(f"/proc/self/fd/{handle}").resolve().name.split(".")[0] or "checkpoint")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flushed)
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=4)
    assert steps == ["entries", "checkpoint", "audit"]


def test_two_logs_on_one_folder_take_turns(tmp_path: Path, keys: KeyRing) -> None:
    logs = [AuditLog(tmp_path / "audit", keys, "alice") for _ in range(2)]
    for number in range(10):
        assert logs[number % 2].append(Event.EXPORT_READ, number=number).sequence == number
    assert numbers(tmp_path / "audit", keys) == list(range(10))


def test_processes_that_append_at_once_make_one_log(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder, each = tmp_path / "audit", 25
    processes = [start(PROGRAM, folder, tmp_path / "keys", f"p{number}", each) for number in range(4)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
    seen = 0
    while any(process.poll() is None for process in processes):
        now = len(read_entries(folder, keys.public))  # a reader finds a whole log at any moment
        assert now >= seen
        seen = now
    assert [process.returncode for process in processes] == [0] * 4
    entries = read_entries(folder, keys.public)
    for number in range(4):
        assert [entry.details["number"] for entry in entries if entry.actor == f"p{number}"] == list(range(each))


# Crashes and full disks


def test_killed_at_any_point_it_verifies_and_goes_on(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder, held = tmp_path / "audit", 0
    for turn in range(5):
        process = start(PROGRAM, folder, tmp_path / "keys", "child", 10**6)
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        time.sleep(random.uniform(0, 0.05))
        process.kill()
        said = len(process.stdout.readlines())
        entries = read_entries(folder, keys.public)
        assert held + said <= len(entries) <= held + said + 1  # one may have been signed and not yet said
        assert AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=turn).sequence == len(entries)
        held = len(entries) + 1
    assert len(read_entries(folder, keys.public)) == held


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("torn", [False, True])
def test_a_line_whose_checkpoint_was_never_written_does_not_count(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, before: int, torn: bool
) -> None:
    folder = filled(tmp_path / "audit", keys, before)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(audit, "write_whole", crash)
        AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=99)
    *whole, last = lines_of(folder)
    assert len(whole) == before
    if torn:
        put(folder, [*whole, last[:40]])
    assert numbers(folder, keys) == list(range(before))
    AuditLog(folder, keys, "alice").append(Event.EXPORT_READ, number=before)
    assert numbers(folder, keys) == list(range(before + 1))


@pytest.mark.parametrize("fails", [0, 1, 2], ids=["entries", "checkpoint", "folder"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_full_disk_is_said_and_the_next_append_works(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, fails: int, before: int
) -> None:
    folder = filled(tmp_path / "audit", keys, before)
    log, calls, fsync = AuditLog(folder, keys, "alice"), iter(range(10)), os.fsync

    def full(handle: int) -> None:
        if next(calls) == fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patched, pytest.raises(StorageError, match="disk is full"):
        patched.setattr(os, "fsync", full)
        log.append(Event.EXPORT_READ, number=before)
    held = numbers(folder, keys)
    assert held == list(range(before + (fails == 2)))  # after the rename the entry stands
    log.append(Event.EXPORT_READ, number=len(held))
    assert numbers(folder, keys) == list(range(len(held) + 1))
    assert {path.name for path in folder.iterdir()} == {"entries.ndjson", "checkpoint"}


def test_a_disk_that_fills_up_in_the_middle_of_a_line(
    tmp_path: Path, keys: KeyRing, start: Callable[..., subprocess.Popen[str]]
) -> None:
    program = """if True:
        import resource, signal, sys
        from pathlib import Path
        from policies.audit import AuditLog, Event, read_entries
        from policies.errors import StorageError
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
            size = (log.folder / "entries.ndjson").stat().st_size
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
