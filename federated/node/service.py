"""What runs at the server and at a site: which processes, and what is looked after beside them."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from federated.node.child import Child
from federated.node.link import Link, admit_nodes
from federated.node.metrics import served_metrics
from federated.node.state import read_state
from federated.node.supervise import supervise
from federated.provision.authority import renew_if_due
from federated.provision.founding import read_roster
from federated.provision.membership import membership
from federated.provision.probe import answers, why_unreachable
from policies.errors import ConfideError, StorageError
from policies.guard import Server, Site
from policies.network import call_nobody
from policies.workspace import WORKSPACE_VARIABLE, Workspace

LOOPBACK = "127.0.0.1"
PRIVATE_PORT = "private_port"
SILENT_S = 30.0  # of an executor that has not stopped: it beats every 7 while it trains, else many times a second
_LAST_BYTES = 8192


def run_server(
    server: Server, workspace: Workspace, listen: str, stop: threading.Event, metrics: int | None = None
) -> None:
    """Keep the SuperLink alive and its list of nodes equal to the roster, until told to stop.

    Args:
        listen: the address of this machine on which sites are served.
        metrics: port of the loopback for Prometheus.

    Raises:
        InputError: there is no federation here.
        StorageError: the port is busy, or the server runs already.
    """
    folder, roster = server.home.federation, read_roster(server)
    renew_if_due(folder, roster.host)
    check_free(listen, roster.port)
    if metrics is not None:
        check_free(LOOPBACK, metrics)
    link = Link(folder, free_port())
    options = {"workspace": workspace.root.resolve(), "host": listen, "port": roster.port, "private-port": link.port}
    child = Child(
        "superlink", _python("federated.node.superlink", options), _environment(workspace, flower=True), link.answers
    )

    def upkeep() -> str:
        server.guard.log.heartbeat()
        return _admit(server, link)

    with server.guard.log.running("superlink"), served_metrics(server, metrics):
        supervise(folder, [child], {PRIVATE_PORT: link.port}, upkeep, stop)


def run_site(site: Site, workspace: Workspace, stop: threading.Event) -> None:
    """Keep the SuperNode and the executor of a site alive until told to stop.

    Raises:
        TrainingError: the site has joined no federation.
        StorageError: it runs already.
    """
    folder, roster = site.home.federation, membership(site)
    address = f"{LOOPBACK}:{free_port()}"
    supernode = {
        "superlink": roster.address,
        "root-certificates": folder.authority,
        "auth-supernode-private-key": folder.node_key,
        "isolation": "process",
        "host": LOOPBACK,
        "port": address.rpartition(":")[2],
        "superexec-auth-secret-file": folder.executor_secret,
        "node-config": f'site="{site.name}"',
    }
    executor = {"workspace": workspace.root.resolve(), "site": site.name, "supernode": address}
    children = [
        Child(
            "supernode",
            _python("federated.node.supernode", supernode),
            _environment(workspace, flower=True),
            lambda: answers(f"http://{address}/health", None),
        ),
        Child(
            "executor",
            _python("federated.node.executor", executor),
            _environment(workspace, flower=False),
            lambda: was_touched(folder.beat, SILENT_S),
        ),
    ]

    def upkeep() -> str:
        site.guard.log.heartbeat()
        return why_unreachable(roster.address, folder.authority) or _why_refused(folder.log("supernode"))

    with site.guard.log.running("supernode"):
        supervise(folder, children, {}, upkeep, stop)


def running_link(server: Server) -> Link:
    """The private door of the SuperLink that runs here; raises StorageError where none does."""
    state = read_state(server.home.federation)
    if state is None:
        raise StorageError("the server does not run", "Run 'confide server start' first.")
    spare_loopback()
    return Link(server.home.federation, state.facts[PRIVATE_PORT])


def was_touched(path: Path, seconds: float) -> bool:
    """Whether a file was touched within so many seconds."""
    return path.exists() and time.time() - path.stat().st_mtime < seconds


def spare_loopback() -> None:
    """A proxy on the way out ($HTTPS_PROXY) is not asked for what stays on this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        spared = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*spared, LOOPBACK, "localhost"]))


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def check_free(host: str, port: int) -> None:
    """Raises StorageError where this address cannot be listened on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        raise StorageError(f"{host}, port {port}: busy, or no address of this machine") from None


def _admit(server: Server, link: Link) -> str:
    try:
        admit_nodes(link, {member.name: member.node.encode() for member in read_roster(server).members})
    except ConfideError as error:
        return error.message
    return ""


def _why_refused(log: Path) -> str:
    """What Flower says to its log alone when the server does not know a node's key."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LAST_BYTES))
        said = stream.read()
    if said.rfind(b"Failed to activate SuperNode") > said.rfind(b"SuperNode ID:"):
        return "the server does not know this site's node (not admitted yet, or dismissed): call its administrator"
    return ""


def _python(module: str, options: Mapping[str, object]) -> tuple[str, ...]:
    """A module of the installed code: -P keeps the folder that this was started in out of the search path."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return (sys.executable, "-P", "-m", module, *words, "--parent", str(os.getpid()))


def _environment(workspace: Workspace, *, flower: bool) -> dict[str, str]:
    """What a child is told; Flower's own processes get nothing of Confide's, such as the passphrase of its keys."""
    call_nobody()
    spare_loopback()
    kept = {name: value for name, value in os.environ.items() if not (flower and name.startswith("CONFIDE_"))}
    here = {} if flower else {WORKSPACE_VARIABLE: str(workspace.root.resolve())}
    return {**kept, **here, "PYTHONUNBUFFERED": "1"}
