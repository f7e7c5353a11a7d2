"""What a supervisor last saw, in a file beside a lock that is held as long as it lives."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from policies.errors import StorageError
from policies.files import canonical_json, storage_errors, write_whole
from policies.workspace import FederationFolder

_STOP_S = 30.0


@dataclass(frozen=True)
class ChildState:
    """One child as the supervisor last saw it.

    Attributes:
        last_exit: the code with which it ended last; negative: by this signal.
    """

    name: str
    pid: int | None
    healthy: bool
    restarts: int
    last_exit: int | None


@dataclass(frozen=True)
class State:
    """What a supervisor last wrote.

    Attributes:
        facts: what others need to find the children, such as a port.
        note: what is wrong beside the children, in a sentence, or nothing.
    """

    pid: int
    since: str
    facts: Mapping[str, int]
    note: str
    children: tuple[ChildState, ...]

    @property
    def healthy(self) -> bool:
        return bool(self.children) and all(child.healthy for child in self.children)


def write_state(folder: FederationFolder, state: State) -> None:
    write_whole(folder.state, canonical_json({**asdict(state), "namespace": _namespace()}) + b"\n")


def read_state(folder: FederationFolder) -> State | None:
    """What the supervisor of this folder last saw; None where none runs.

    Raises:
        StorageError: it runs in another container, where its process numbers and ports mean something else.
    """
    if not _is_held(folder.lock):
        return None
    try:
        raw = json.loads(folder.state.read_bytes())
    except (OSError, ValueError):
        return None
    if raw.pop("namespace") != _namespace():
        raise StorageError("it runs in another container", "Run this command there, by 'docker compose exec'.")
    return State(**{**raw, "children": tuple(ChildState(**child) for child in raw["children"])})


def stop_supervisor(folder: FederationFolder, timeout_s: float = _STOP_S) -> bool:
    """End the supervisor of this folder and wait for it; False where none runs.

    Raises:
        StorageError: it does not end, belongs to another account, or runs in another container.
    """
    state = read_state(folder)
    if state is None:
        return False
    with storage_errors(folder.state):
        os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + timeout_s
    while _is_held(folder.lock):
        if time.monotonic() > until:
            raise StorageError(f"process {state.pid} does not end", f"Look into {folder.root / 'logs'}.")
        time.sleep(0.1)
    return True


@contextmanager
def only_one(folder: FederationFolder) -> Iterator[None]:
    with storage_errors(folder.lock):
        folder.root.mkdir(parents=True, exist_ok=True)
        stream = folder.lock.open("ab")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError("it runs already", "Run 'stop' first, or 'status' to see it.") from None
        yield


def _namespace() -> int:
    """The one in which this process's number counts (Linux's pid_namespaces)."""
    return Path("/proc/self/ns/pid").stat().st_ino


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
