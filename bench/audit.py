"""The audit log: durable appends one by one and in groups, whole logs verified, and proofs from them, as a log grows.

Logs to verify are written without flushing by the log's own encoder and tiles; what is timed runs on what that wrote.
"""

from __future__ import annotations

import os
import random
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

from bench.report import Contestant, Work, digits, json_line
from dashboard.console import progress, say, table
from policies.audit import AuditLog, verify
from policies.events import NO_ENTRY, Entry, Event, encode
from policies.keys import KeyRing, PublicKey, create_keys
from policies.logview import CHECKPOINT, EDGE, look
from policies.notes import Checkpoint, sign_note
from policies.tiles import WIDTH, Tree
from policies.tlog import check_inclusion, leaf_hash

SMALLEST, ENTRIES, ENTRIES_QUICK = 10_000, 20_000, 2_000
APPENDS, APPENDS_QUICK = 300, 40
GROUP, PROOFS = 32, 50
DETAILS = {"policy": "0" * 64, "patient": "p-0123456789abcdef", "record": "d-0123456789abcdef", "purpose": "TREAT"}


@dataclass(frozen=True)
class Append:
    """Durable appends: entries in each, and milliseconds of the median one."""

    group: int
    milliseconds: float

    @property
    def rate(self) -> float:
        """Entries a second."""
        return 1000 * self.group / self.milliseconds


@dataclass(frozen=True)
class Size:
    """A log of so many entries.

    Attributes:
        seconds: to verify all of it.
        peak: MiB that the process which did so ever held.
        proof: milliseconds of the median inclusion proof, from opening the log to the proof.
    """

    entries: int
    seconds: float
    peak: float
    proof: float


def appends(folder: Path, keys: KeyRing, group: int, times: int) -> Append:
    """Milliseconds of one append of a group, each flushed to the disk."""
    log, taken = AuditLog(folder, keys, "bench"), list[float]()
    for _ in range(times + 1):
        started = perf_counter()
        log.append_all([(Event.NOTE_VIEWED, DETAILS)] * group)
        taken.append(perf_counter() - started)
    return Append(group, 1000 * median(taken[1:]))


def write_log(folder: Path, keys: KeyRing, size: int) -> None:
    """A log that `verify` believes, of many sessions of a few entries, as commands leave them."""
    leaf, number = NO_ENTRY, 0
    with patch.object(os, "fsync", lambda _: None):
        while True:
            lines, leaves = list[bytes](), list[bytes]()
            for sequence in range(number, min(number + WIDTH, size)):
                session, count = divmod(sequence, 5)
                time = f"2026-01-02T03:04:05.{sequence:07}+00:00"
                entry = Entry(sequence, time, "alice", f"{session:016x}", count, Event.NOTE_VIEWED, DETAILS)
                lines.append(encode(entry, leaf))
                leaf = leaf_hash(lines[-1])
                leaves.append(leaf)
            tree = Tree(folder, number, leaves)
            if len(lines) < WIDTH:
                break
            for path in tree.add_tile(folder, lines, leaves):
                path.unlink()
            number += WIDTH
    (folder / EDGE).write_bytes(b"".join(line + b"\n" for line in lines))
    signed = Checkpoint(keys.name, tree.size, tree.frontier().root())
    (folder / CHECKPOINT).write_bytes(sign_note(signed.text(), keys))


def verifier(folder: Path, key: PublicKey) -> Work:
    """Verifies a whole log, in a process of its own."""
    return lambda _: verify(folder, key).signed.size


def proof(folder: Path, key: PublicKey) -> float:
    """Milliseconds of the median inclusion proof of an entry somewhere in the log."""
    taken, chance = list[float](), random.Random(1)
    for _ in range(PROOFS):
        index = chance.randrange(look(folder, key).size)
        started = perf_counter()
        view = look(folder, key)
        steps = view.inclusion_proof(index)
        taken.append(perf_counter() - started)
        check_inclusion(leaf_hash(view.line(index)), index, view.size, view.signed.root, steps)
    return 1000 * median(taken)


def measured(folder: Path, keys: KeyRing, size: int) -> Size:
    """A log of this size: verified, and proved from."""
    write_log(folder, keys, size)
    with Contestant(verifier, folder, keys.public) as process:
        process.ready()
        turn = process.turn(1)
        assert turn.result == size
        return Size(size, turn.seconds, process.memory().peak, proof(folder, keys.public))


def sizes(most: int) -> list[int]:
    """From `SMALLEST` by tens up to the largest."""
    return [*(SMALLEST * 10**power for power in range(8) if SMALLEST * 10**power < most), most]


def run(chosen: Namespace) -> None:
    """Measure, and print two tables and, if asked, a line of JSON."""
    many, times = sizes(chosen.entries), APPENDS_QUICK if chosen.quick else APPENDS
    with TemporaryDirectory() as place, progress() as bar:
        keys = create_keys(Path(place, "keys"), "bench")
        task = bar.add_task("the audit log", total=2 + len(many))

        def done(work: Callable[..., Any], *given: Any) -> Any:
            result = work(*given)
            bar.advance(task)
            return result

        added = [done(appends, Path(place, f"by-{group}"), keys, group, times) for group in (1, GROUP)]
        grown = [done(measured, Path(place, str(size)), keys, size) for size in many]
    _show(added, grown)
    if chosen.json:
        say(json_line("audit", chosen.quick, appends=added, sizes=grown))


def _show(added: Sequence[Append], grown: Sequence[Size]) -> None:
    rows = [(str(one.group), digits(one.milliseconds), digits(one.rate)) for one in added]
    table("Durable appends, medians", ("entries at once", "milliseconds", "entries a second"), rows)
    sized = [(f"{one.entries:,}", digits(one.seconds), f"{one.peak:.0f}", digits(one.proof)) for one in grown]
    table("Whole logs", ("entries", "verified in s", "peak memory, MiB", "a proof in ms"), sized)


if __name__ == "__main__":
    parser = ArgumentParser(description="The audit log: appends, verification and proofs as it grows.")
    parser.add_argument("--quick", action="store_true", help="a small log: a look, not a measurement")
    parser.add_argument("--entries", type=int, help=f"the largest log, {ENTRIES:,} by default")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    options.entries = options.entries or (ENTRIES_QUICK if options.quick else ENTRIES)
    run(options)
