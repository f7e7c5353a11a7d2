"""Keep a few child processes alive: health checks, restarts with back-off, rotated logs, a state file for who asks.

The supervisor itself belongs to systemd, a container or a terminal; it ends with SIGTERM, and its children before it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from federated.node.child import Child, Watched
from federated.node.state import State, only_one, read_state, write_state
from policies.errors import StorageError
from policies.workspace import FederationFolder

TICK_S = 0.25
UPKEEP_S, RETRY_S = 5.0, 1.0
GRACE_S = 20.0
_DETACHED_S = 90.0


def supervise(
    folder: FederationFolder,
    children: Sequence[Child],
    facts: Mapping[str, int],
    upkeep: Callable[[], str],
    stop: threading.Event,
) -> None:
    """Keep the children alive until told to stop, then end the last started first.

    Args:
        upkeep: done every few seconds beside; gives a sentence where something is wrong.

    Raises:
        StorageError: another supervisor runs here.
    """
    since = datetime.now(UTC).isoformat(timespec="seconds")
    watched = [Watched(child, folder.log(child.name)) for child in children]
    note, next_upkeep, written = "", 0.0, None
    with only_one(folder):
        try:
            while not stop.is_set():
                now = time.monotonic()
                for one in watched:
                    one.tick(now)
                if now >= next_upkeep:
                    note = upkeep()
                    next_upkeep = time.monotonic() + (RETRY_S if note else UPKEEP_S)
                state = State(os.getpid(), since, facts, note, tuple(one.seen() for one in watched))
                if state != written:
                    write_state(folder, state)
                    written = state
                stop.wait(TICK_S)
        finally:
            for one in reversed(watched):
                one.stop()
            until = time.monotonic() + GRACE_S
            for one in watched:
                one.reap(until)
            folder.state.unlink(missing_ok=True)


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def start_detached(folder: FederationFolder, command: Sequence[str]) -> State:
    """Start a supervisor that outlives this terminal, and wait until its children are well.

    Args:
        command: what runs `supervise` in the foreground.

    Raises:
        StorageError: it ended, or its children are not well in time; with what it last said.
    """
    log = folder.log("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603  # all of it is ours
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    until = time.monotonic() + _DETACHED_S
    while (state := read_state(folder)) is None or not state.healthy:
        if process.poll() is not None:
            said = log.read_text("utf-8", "replace").partition("error: ")[2].partition("\n")[0]
            raise StorageError(said or f"it ended at once; see {log}")
        if time.monotonic() > until:
            raise StorageError(f"it is not well after {_DETACHED_S:.0f} s", f"Look into {log.parent}.")
        time.sleep(0.1)
    return state
