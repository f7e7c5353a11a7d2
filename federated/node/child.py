"""One child process under supervision: its start, its health, its end, and a log that stays within a few megabytes."""

from __future__ import annotations

import logging
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from federated.node.state import ChildState

CHECK_S = 3.0
STARTING_S = 90.0
PATIENCE = 6  # checks in a row that fail before a child is started anew
LONGEST_WAIT_S = 60.0
STEADY_S = 20.0  # a child that lived this long may fail again without waiting long
LOG_BYTES, LOG_FILES = 2_000_000, 5
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Child:
    """One process to keep alive.

    Attributes:
        healthy: whether it answers; asked every few seconds.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]


@dataclass
class Watched:
    """A child, and what was seen of it by the one thread that calls `tick`."""

    child: Child
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    next_start: float = 0.0
    wait_s: float = 1.0
    restarts: int = -1
    next_check: float = 0.0
    failures: int = 0
    was_healthy: bool = False
    last_exit: int | None = None

    def tick(self, now: float) -> None:
        """Start it where it does not run; end it where it runs and does not answer."""
        if self.process is None:
            if now >= self.next_start:
                self._start(now)
        elif (code := self.process.poll()) is not None:
            self._ended(code, now)
        elif now >= self.next_check:
            self._check(now)

    def _check(self, now: float) -> None:
        assert self.process
        if self.child.healthy():
            self.failures, self.was_healthy, self.next_check = 0, True, now + CHECK_S
        elif self.was_healthy or now - self.started > STARTING_S:
            self.failures, self.next_check = self.failures + 1, now + CHECK_S
            if self.failures >= PATIENCE:
                self.process.kill()

    def _start(self, now: float) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # all of it is ours
            self.child.command,
            env=dict(self.child.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.started, self.next_check, self.failures, self.was_healthy = now, now, 0, False
        self.restarts += 1
        assert self.process.stdout
        threading.Thread(target=_pump, args=(self.process.stdout, self.log), daemon=True).start()

    def _ended(self, code: int, now: float) -> None:
        if now - self.started > STEADY_S:
            self.wait_s = 1.0
        self.process, self.last_exit, self.was_healthy = None, code, False
        self.next_start, self.wait_s = now + self.wait_s, min(2 * self.wait_s, LONGEST_WAIT_S)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def reap(self, until: float) -> None:
        """Wait for its end, and end it the hard way where it does not come."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def seen(self) -> ChildState:
        alive = self.process is not None and self.process.poll() is None
        pid = self.process.pid if alive and self.process else None
        return ChildState(self.child.name, pid, alive and self.was_healthy, max(self.restarts, 0), self.last_exit)


def _pump(lines: IO[bytes], log: Path) -> None:
    """Write what a child says into a file that never grows beyond a few megabytes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(log, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    with lines:
        for line in lines:
            text = _COLOURS.sub("", line.decode("utf-8", "replace")).rstrip()
            handler.emit(logging.LogRecord(log.stem, logging.INFO, "", 0, "%s", (text,), None))
    handler.close()
