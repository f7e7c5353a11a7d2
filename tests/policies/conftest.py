"""What the tests of the ground floor share: keys, a workspace with a policy, and processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from policies.keys import KeyRing, create_keys
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.policies.logs import filled

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return create_keys(tmp_path / "keys", "north")


@pytest.fixture
def folder(tmp_path: Path, keys: KeyRing) -> Path:
    """An audit log of four entries."""
    return filled(tmp_path / "audit", keys, 4)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.root.mkdir()
    made.policy.write_text(default_policy_text("alice"))
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python program in a process of its own, with pipes to it and from it."""
    running: list[subprocess.Popen[str]] = []

    def begin(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        running.append(
            subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()
