"""Starts the Streamlit pages as a child process on a free or chosen port of this machine alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

from policies.errors import StorageError
from policies.workspace import WORKSPACE_VARIABLE, Workspace

HOST = "127.0.0.1"
DEFAULT_PORT = 8501
_START_S = 60.0


def start(workspace: Workspace, port: int, url: str | None = None) -> subprocess.Popen[bytes]:
    """Start the dashboard and wait until it answers.

    Args:
        url: under which browsers reach it, where a proxy stands before it.

    Raises:
        StorageError: the port is busy, or the pages did not start.
    """
    _check_port(port)
    command = [sys.executable, "-m", "dashboard.server", str(port), url or address(port)]
    environment = {**os.environ, WORKSPACE_VARIABLE: str(workspace.root.resolve())}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  # all of it is ours
    until = time.monotonic() + _START_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            process.terminate()
            raise StorageError(f"the dashboard did not start on port {port}", "Choose another one with --port.")
        time.sleep(0.1)
    return process


def address(port: int) -> str:
    return f"http://{HOST}:{port}"


def free_port(first: int = DEFAULT_PORT) -> int:
    """The first free port from here on."""
    for port in range(first, first + 100):
        try:
            _check_port(port)
        except StorageError:
            continue
        return port
    raise StorageError(f"no free port from {first} to {first + 99}", "Choose one with --port.")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StorageError(f"port {port} is busy", "Choose another one with --port.") from None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0
