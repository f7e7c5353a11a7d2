"""A whole federation over TLS on this machine: SuperLink, three SuperNodes and their executors, each its own process.

The ServerApp and ClientApp are those of the simulation. Each hospital has a workspace of its own.
"""

from __future__ import annotations

import io
import os
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.common.constant import ErrorCode
from safetensors.numpy import load_file

import federated.node.link
from clinical.classifier import trained_weights
from federated.messages import TrainOrder, pack_order
from federated.node.bundle import app_bundle
from federated.node.link import Link, online_nodes, run_of_installed_code
from federated.node.service import free_port, running_link
from federated.node.state import read_state
from federated.plan import Plan
from federated.provision.founding import dismiss, read_roster
from federated.server_app import PrivateAveraging, RoundDone
from federated.site_round import approve, plan_classifier, prepare
from policies.audit import read_entries
from policies.errors import StorageError
from policies.events import Event
from policies.workspace import Home
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, SITES, release
from tests.federated.provision.joining import Joined, all_joined

PORT_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
EVIL = "from pathlib import Path\nPath({marker!r}).write_text(__name__)\n"


@dataclass(frozen=True)
class Federation:
    joined: Joined
    plan: Plan
    flower_home: Path

    @property
    def link(self) -> Link:
        return running_link(self.joined.server)

    def site_events(self, name: str) -> list[Event]:
        site = self.joined.site(name)
        return [entry.event for entry in read_entries(site.home.audit, site.keys.public)]


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("machines")
    joined = all_joined(root, port=free_port())
    classifier = plan_classifier(plan)
    for name in SITES:
        site, workspace = joined.site(name), joined.workspace(name)
        release(workspace, name, cohort(PATIENTS, name[0]))
        approve(site, plan, workspace.deidentified(name))
        prepare(site, plan, classifier)
    homes = [joined.server.home, *(joined.site(name).home for name in SITES)]
    started = [start(joined, home, root / "flower") for home in homes]
    made = Federation(joined, plan, root / "flower")
    try:
        wait_until_online(joined, homes, started)
        yield made
    finally:
        for process in started:
            process.terminate()
        assert [process.wait(120) for process in started] == [0] * len(started)


def start(joined: Joined, home: Home, flower_home: Path) -> subprocess.Popen[bytes]:
    """The commands of the server and of a site, from a folder where nothing of ours lies."""
    words = ["server", "start", "--listen", "127.0.0.1"] if home.name == "server" else ["site", "start"]
    workspace = ["--foreground", "--workspace", str(joined.workspace(home.name).root)]
    environment = {name: value for name, value in os.environ.items() if name not in PORT_VARIABLES}
    environment |= {"FLWR_HOME": str(flower_home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "dashboard", *words, *workspace]
    return subprocess.Popen(command, env=environment, cwd=joined.root, stdout=subprocess.DEVNULL)


def wait_until_online(joined: Joined, homes: list[Home], started: list[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + 600
    while True:
        states = [read_state(home.federation) for home in homes]
        assert all(process.poll() is None for process in started)
        if all(state and state.healthy for state in states):
            online = online_nodes(running_link(joined.server))
            if sum(online.values()) == len(SITES):
                return
        assert time.monotonic() < until, states
        time.sleep(0.2)


def test_a_bundle_with_its_own_federated_is_refused_and_nothing_of_it_ran(
    federation: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "it-ran"
    monkeypatch.setattr(federated.node.link, "app_bundle", lambda: evil_bundle(marker))
    with run_of_installed_code(federation.link) as grid:
        nodes = list(grid.get_node_ids())
        orders = [
            Message(order_of_round_one(federation.plan), dst_node_id=node, message_type="train") for node in nodes
        ]
        replies = list(grid.send_and_receive(orders, timeout=300))
    assert len(replies) == len(SITES) == len(nodes)
    assert {reply.error.code for reply in replies} == {ErrorCode.INVALID_FAB}
    assert not marker.exists()
    assert not list(federation.flower_home.glob("**/federated*"))
    for name in SITES:
        assert Event.PLAN_REFUSED in federation.site_events(name)
        assert Event.BUDGET_SPENT not in federation.site_events(name)


def order_of_round_one(plan: Plan) -> RecordDict:
    return pack_order(TrainOrder(plan.digest, 1, trained_weights(plan_classifier(plan))))


def evil_bundle(marker: Path) -> bytes:
    """What a server could send: the honest project file, and modules of the installed names that leave a mark."""
    code = EVIL.format(marker=str(marker))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(app_bundle())) as honest, zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pyproject.toml", honest.read("pyproject.toml"))
        for name in ("federated/__init__.py", "federated/client_app.py", "federated/server_app.py", "sitecustomize.py"):
            archive.writestr(name, code)
    return buffer.getvalue()


def test_a_study_of_the_existing_apps(federation: Federation) -> None:
    server, plan, done = federation.joined.server, federation.plan, list[RoundDone]()
    strategy = PrivateAveraging(server, plan, trained_weights(plan_classifier(plan)), done.append)
    with run_of_installed_code(federation.link) as grid:
        strategy.start(grid, ArrayRecord({}), num_rounds=plan.rounds)
    assert [one.round for one in done] == [1, 2]
    kept = load_file(server.home.weights(plan.digest, plan.rounds))
    assert all((kept[name] == array).all() for name, array in strategy.weights.items())
    for name in SITES:
        assert federation.site_events(name).count(Event.UPDATE_RELEASED) == plan.rounds


def test_the_public_port_is_for_sites_alone(federation: Federation) -> None:
    folder = federation.joined.server.home.federation
    trusting = ssl.create_default_context(cafile=str(folder.authority))
    public = f"https://{read_roster(federation.joined.server).address}"
    for path in ("/v1/control/start-run", "/v1/control/register-node", "/v1/runtime/acquire-task", "/docs"):
        assert httpx.post(public + path, verify=trusting, content=b"").status_code == 404
    headers = {"content-type": "application/protobuf", "accept": "application/protobuf"}
    private = f"https://{federation.link.address}/v1/control/list-nodes"
    assert httpx.post(private, verify=trusting, content=b"", headers=headers).status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{public}/health")  # the world's authorities know nothing of this federation


def test_a_server_that_does_not_answer_gives_a_sentence(federation: Federation) -> None:
    with pytest.raises(StorageError, match="does not answer on port"):
        online_nodes(Link(federation.joined.server.home.federation, free_port()))


def test_a_site_that_was_dismissed_is_let_in_no_more_and_told_why(federation: Federation) -> None:
    server = federation.joined.server
    roster = dismiss(server, "summit")
    known = {member.node.encode() for member in roster.members}
    until = time.monotonic() + 60
    summit = federation.joined.site("summit").home.federation
    while True:
        state = read_state(summit)
        if set(online_nodes(federation.link)) == known and state and "does not know this site" in state.note:
            return
        assert time.monotonic() < until, state
        time.sleep(0.2)
