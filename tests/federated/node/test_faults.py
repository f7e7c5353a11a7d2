"""Faults of processes, network and TLS over a real federation: each is survived with the same numbers, or refused.

Two sites reach the server through an HTTPS proxy, which a test can cut off. With CHAOS_FEDERATION set, server and
sites are killed in every phase of a round, the server is away for 90 seconds and the network for 30; otherwise the
server is killed in three phases, one site in one, and the network is cut for 5 seconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from federated.node.link import online_nodes
from federated.node.service import free_port
from federated.node.state import read_state
from federated.node.superlink import LARGEST_REQUEST
from federated.plan import Plan
from federated.provision.authority import issue_certificate, make_authority
from federated.provision.founding import read_roster
from federated.receipt import read_receipt
from policies.events import Event
from policies.policy import Aggregation
from policies.workspace import FederationFolder
from tests.federated.hospitals import SITES, plan_for
from tests.federated.node.machines import PHASES, Machines, wait_for

LONG = "CHAOS_FEDERATION" in os.environ
CUT_S = 30.0 if LONG else 5.0


only_long = pytest.mark.skipif(not LONG, reason="takes minutes; 'make chaos' runs it")


def secure_plan(federation: Machines, encoder: Path, seed: int, seconds: int = 60) -> Plan:
    """A plan of one round that every site approved."""
    plan = plan_for(encoder, seed=seed, rounds=1, aggregation=Aggregation.SECURE, round_seconds=seconds, sigma="20.0")
    federation.approve(plan)
    return plan


def counted_once(federation: Machines, plan: Plan, rounds: subprocess.Popen[bytes]) -> None:
    """The training goes on by itself, and no site books a release twice."""
    federation.finish(plan, rounds, ended=())
    federation.check(plan)
    assert [federation.spent(plan, name) for name in SITES] == [[1]] * 3


@pytest.mark.parametrize(
    "faults",
    [[(phase, part) for phase in PHASES for part in ("superlink", "training")]]
    if LONG
    else [[("train", "training"), ("mask", "superlink"), ("receipt", "training")]],
    ids=lambda faults: f"{len(faults)} times",
)
def test_the_server_is_killed_in_a_phase_and_the_training_goes_on(
    federation: Machines, encoder: Path, faults: list[tuple[str, str]]
) -> None:
    plan = secure_plan(federation, encoder, 200)
    rounds = federation.rounds(plan)
    for phase, part in faults:
        assert federation.comes_to(plan, phase, 1, rounds)
        if part == "superlink":
            federation.kill("server", part)
        else:
            rounds.kill()
            assert rounds.wait() == -9
            rounds = federation.rounds(plan)
        federation.forget_phases(plan)
    counted_once(federation, plan, rounds)


@only_long
@pytest.mark.parametrize("child", ["supernode", "executor"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_site_is_killed_in_a_phase_and_counted_once(
    federation: Machines, encoder: Path, phase: str, child: str
) -> None:
    plan = secure_plan(federation, encoder, 210 + PHASES.index(phase) * 2 + (child == "executor"))
    rounds = federation.rounds(plan)
    assert federation.comes_to(plan, phase, 1, rounds)
    federation.kill("river", child)
    federation.finish(plan, rounds, ended=())
    federation.check(plan)


def test_a_site_that_drops_after_sending_shares_voids_the_attempt_and_is_counted_in_the_next(
    federation: Machines, encoder: Path
) -> None:
    plan = secure_plan(federation, encoder, 230, seconds=10)
    rounds = federation.rounds(plan)
    assert federation.comes_to(plan, "mask", 1, rounds)
    federation.stop("river")
    federation.forget_phases(plan)  # on a busy machine it was asked to train more than once before
    assert federation.comes_to(plan, "train", 1, rounds)
    federation.start("river")
    counted_once(federation, plan, rounds)
    server = federation.joined.server
    receipt = read_receipt(server.keys.public, server.home.receipt(plan.digest, 1).read_bytes())
    assert receipt.attempt > 1
    failed = [e.details for e in federation.entries("server") if e.event is Event.ROUND_FAILED]
    assert plan.digest in [details["plan"] for details in failed]


def test_a_network_that_is_cut_in_a_round_and_comes_back(federation: Machines, encoder: Path) -> None:
    plan = secure_plan(federation, encoder, 231)
    rounds = federation.rounds(plan)
    assert federation.comes_to(plan, "share", 1, rounds)
    with federation.proxies["river"].cut():
        time.sleep(CUT_S)
    counted_once(federation, plan, rounds)


@only_long
def test_a_server_that_is_stopped_in_a_round_for_longer_than_a_run_lives_and_comes_back(
    federation: Machines, encoder: Path
) -> None:
    plan = secure_plan(federation, encoder, 232)
    rounds = federation.rounds(plan)
    assert federation.comes_to(plan, "mask", 1, rounds)
    federation.stop("server", signal.SIGTERM)
    time.sleep(90)
    federation.start("server")
    counted_once(federation, plan, rounds)


def test_sites_join_through_an_https_proxy_where_there_is_one(federation: Machines) -> None:
    address = read_roster(federation.joined.server).address
    for proxy in federation.proxies.values():
        assert set(proxy.asked) == {address}
    assert "north" not in federation.proxies
    assert sum(online_nodes(federation.link).values()) == len(SITES)


def test_a_server_with_a_wrong_certificate_is_told_nothing_and_sites_come_back_when_it_is_right(
    federation: Machines, tmp_path: Path
) -> None:
    own, host = federation.joined.server.home.federation, read_roster(federation.joined.server).host
    kept, expired, another = (FederationFolder(tmp_path / name) for name in ("kept", "expired", "another"))
    make_authority(another, "another")
    expired.root.mkdir()
    for name in ("authority", "authority_key"):
        shutil.copy(getattr(own, name), getattr(expired, name))
    issue_certificate(another, host)
    issue_certificate(expired, host, days=-1)
    kept.root.mkdir()
    show(own, kept)
    try:
        for folder, fault in ((expired, "has expired"), (another, "not signed by this federation's authority")):
            show(folder, own)
            federation.kill("server", "superlink")
            wait_for(lambda fault=fault: all(fault in note_of(federation, name) for name in SITES))  # type: ignore[misc]
    finally:
        show(kept, own)
        federation.kill("server", "superlink")
    wait_for(federation.whole)
    wait_for(lambda: not any(note_of(federation, name) for name in SITES))


def show(folder: FederationFolder, at: FederationFolder) -> None:
    shutil.copy(folder.certificate, at.certificate)
    shutil.copy(folder.certificate_key, at.certificate_key)


def note_of(federation: Machines, name: str) -> str:
    state = read_state(federation.home(name).federation)
    return state.note if state else ""


def test_a_node_that_is_in_no_roster_is_not_let_in(federation: Machines, tmp_path: Path) -> None:
    known = set(online_nodes(federation.link))
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    north, address = federation.home("north").federation, read_roster(federation.joined.server).address
    words = ["--superlink", address, "--root-certificates", str(north.authority), "--isolation", "process"]
    words += ["--auth-supernode-private-key", str(tmp_path / "key"), "--host", "127.0.0.1", "--port", str(free_port())]
    words += ["--superexec-auth-secret-file", str(north.executor_secret), "--parent", str(os.getpid())]
    stranger = federation.python("-m", "federated.node.supernode", *words, output=subprocess.PIPE)
    said, _ = stranger.communicate(timeout=60)
    assert b"Failed to activate SuperNode" in said
    assert stranger.returncode != 0
    assert set(online_nodes(federation.link)) == known


def test_a_huge_message_stays_outside_and_the_server_stays_up(federation: Machines) -> None:
    trusting = ssl.create_default_context(cafile=str(federation.joined.server.home.federation.authority))
    roster = read_roster(federation.joined.server)
    said = f"POST /v1/fleet/push-object HTTP/1.1\r\nHost: {roster.address}\r\nContent-Length: {LARGEST_REQUEST + 1}"
    plain = socket.create_connection((roster.host, roster.port))
    with trusting.wrap_socket(plain, server_hostname=roster.host) as door:
        door.sendall(said.encode() + b"\r\n\r\n" + bytes(1000))
        assert door.recv(100).startswith(b"HTTP/1.1 413")
    assert federation.whole()


def test_a_server_that_shows_two_sites_two_plans_is_refused_and_nothing_is_spent_there(
    federation: Machines, encoder: Path
) -> None:
    shown = {
        sigma: plan_for(encoder, seed=233, sigma=sigma, aggregation=Aggregation.SECURE, round_seconds=20, rounds=1)
        for sigma in ("20.0", "21.0")
    }
    plan, other = shown.values()
    federation.approve(plan, "north", "summit")
    federation.approve(other, "river")
    assert federation.rounds(plan).wait(60) == 1
    refused = [e.details for e in federation.entries("river") if e.event is Event.RUN_REFUSED]
    assert refused[-1]["plan"] == plan.digest
    assert federation.spent(plan, "river") == federation.spent(other, "river") == []
    assert not federation.joined.server.home.receipt(plan.digest, 1).exists()
