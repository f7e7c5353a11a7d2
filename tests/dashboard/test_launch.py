"""The dashboard as a child process: a busy port, and a real answer over HTTP on this machine alone."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest

from dashboard.launch import HOST, address, free_port, start
from policies.errors import StorageError
from policies.files import write_whole
from policies.guard import account_name
from policies.policy import default_policy_text
from policies.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path)
    write_whole(place.policy, default_policy_text(account_name()).encode())
    return place


def test_a_busy_port_is_named(workspace: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=f"port {port} is busy") as refused:
            start(workspace, port)
        assert "--port" in refused.value.hint
        assert free_port(port) != port


def test_it_answers_on_this_machine_alone(workspace: Workspace) -> None:
    port = free_port(8700)
    process = start(workspace, port)
    try:
        with urllib.request.urlopen(address(port), timeout=30) as answer:
            assert answer.status == 200
        own = socket.gethostbyname(socket.gethostname())
        with socket.socket() as probe:
            probe.settimeout(2)
            assert own.startswith("127.") or probe.connect_ex((own, port)) != 0
    finally:
        process.terminate()
        process.wait(timeout=20)
