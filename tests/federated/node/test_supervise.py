"""Children that end, hang, chatter or will not end: each is a small process of its own here."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import federated.node.child
import federated.node.state
import federated.node.supervise
from federated.node.child import Child
from federated.node.service import was_touched
from federated.node.state import ChildState, State, read_state, stop_supervisor
from federated.node.supervise import start_detached, supervise
from policies.errors import StorageError
from policies.workspace import FederationFolder

SLEEP = "import time; time.sleep(60)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TICK_S", 0.02), ("UPKEEP_S", 0.05), ("RETRY_S", 0.05), ("GRACE_S", 1.0)):
        monkeypatch.setattr(federated.node.supervise, name, value)
    for name, value in (("CHECK_S", 0.02), ("STARTING_S", 0.2), ("PATIENCE", 3)):
        monkeypatch.setattr(federated.node.child, name, value)


@pytest.fixture
def folder(tmp_path: Path) -> FederationFolder:
    return FederationFolder(tmp_path / "federation")


def child(code: str, healthy: Callable[[], bool] = lambda: True, name: str = "child") -> Child:
    return Child(name, (sys.executable, "-c", code), dict(os.environ), healthy)


@contextmanager
def running(folder: FederationFolder, *children: Child, upkeep: Callable[[], str] = lambda: "") -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=supervise, args=(folder, children, {"port": 7}, upkeep, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def soon(folder: FederationFolder, wanted: Callable[[State], bool], seconds: float = 20) -> State:
    until = time.monotonic() + seconds
    while (state := read_state(folder)) is None or not wanted(state):
        assert time.monotonic() < until, state
        time.sleep(0.02)
    return state


def alive(pid: int | None) -> bool:
    try:
        os.kill(pid or -1, 0)
    except OSError:
        return False
    return True


def test_children_are_started_and_ended(folder: FederationFolder) -> None:
    with running(folder, child(SLEEP, name="one"), child(SLEEP, name="two")):
        state = soon(folder, lambda state: state.healthy)
        assert state.facts == {"port": 7}
        assert [one.name for one in state.children if alive(one.pid)] == ["one", "two"]
    assert not any(alive(one.pid) for one in state.children)
    assert read_state(folder) is None


def test_one_that_ends_is_started_again_after_a_growing_while(folder: FederationFolder) -> None:
    began = time.monotonic()
    with running(folder, child("raise SystemExit(3)")):
        state = soon(folder, lambda state: state.children[0].restarts == 2)
    assert state.children[0].last_exit == 3
    assert time.monotonic() - began > 1 + 2


def test_one_that_does_not_answer_is_killed_and_started_again(folder: FederationFolder) -> None:
    with running(folder, child(SLEEP, healthy=lambda: False)):
        state = soon(folder, lambda state: state.children[0].restarts == 1)
    assert state.children[0].last_exit == -9
    assert not state.healthy


def test_one_that_ignores_the_signal_is_ended_all_the_same(folder: FederationFolder) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    with running(folder, child(deaf)):
        state = soon(folder, lambda state: state.healthy and "deaf" in folder.log("child").read_text())
    assert not alive(state.children[0].pid)


def test_what_a_child_says_is_kept_within_bounds(folder: FederationFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.node.child, "LOG_BYTES", 1000)
    with running(folder, child(f"print('\\x1b[31mred\\x1b[0m'); [print('x' * 50) for _ in range(200)]; {SLEEP}")):
        soon(folder, lambda _: len(list(folder.log("child").parent.iterdir())) == 6)
    logs = list(folder.log("child").parent.iterdir())
    assert all(log.stat().st_size <= 1000 for log in logs)
    assert all("\x1b" not in log.read_text() for log in logs)


def test_what_is_wrong_beside_the_children_is_told(folder: FederationFolder) -> None:
    said = ["nobody answers"]
    with running(folder, child(SLEEP), upkeep=lambda: said[0]):
        soon(folder, lambda state: state.note == "nobody answers")
        said[0] = ""
        soon(folder, lambda state: state.note == "")


def test_one_that_is_stopped_beats_no_more_and_is_started_again(folder: FederationFolder) -> None:
    beats = f"import time, pathlib\nwhile True: pathlib.Path({str(folder.beat)!r}).touch(); time.sleep(0.02)"
    folder.root.mkdir(parents=True)
    with running(folder, child(beats, healthy=lambda: was_touched(folder.beat, 0.5))):
        state = soon(folder, lambda state: state.healthy)
        os.kill(state.children[0].pid or 0, signal.SIGSTOP)
        state = soon(folder, lambda state: state.children[0].restarts == 1 and state.healthy)
    assert state.children[0].last_exit == -9


def test_one_in_another_container_is_not_taken_for_a_process_of_this_one(
    folder: FederationFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(folder, child(SLEEP)):
        soon(folder, lambda state: state.healthy)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(federated.node.state, "_namespace", lambda: 0)
            elsewhere.setattr(os, "kill", lambda *_: pytest.fail("a signal to a process of another container"))
            for ask in (read_state, stop_supervisor):
                with pytest.raises(StorageError, match="another container"):
                    ask(folder)


def test_only_one_runs_in_a_folder(folder: FederationFolder) -> None:
    with running(folder, child(SLEEP)):
        soon(folder, lambda state: state.healthy)
        with pytest.raises(StorageError, match="runs already"):
            supervise(folder, [], {}, lambda: "", threading.Event())


def test_a_state_that_a_killed_supervisor_left_is_not_believed(folder: FederationFolder) -> None:
    folder.root.mkdir(parents=True)
    folder.lock.touch()
    folder.state.write_text('{"pid": 1}')
    assert read_state(folder) is None
    assert not stop_supervisor(folder)


def test_a_detached_supervisor_that_fails_says_why(folder: FederationFolder) -> None:
    with pytest.raises(StorageError, match="port 9092 is busy"):
        start_detached(folder, [sys.executable, "-c", "print('error: port 9092 is busy')"])


def test_healthy_is_all_of_them() -> None:
    well, ill = ChildState("a", 1, True, 0, None), ChildState("b", None, False, 1, 2)
    assert State(1, "", {}, "", (well,)).healthy
    assert not State(1, "", {}, "", (well, ill)).healthy
    assert not State(1, "", {}, "", ()).healthy
