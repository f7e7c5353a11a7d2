"""A whole federation over TLS on this machine: SuperLink, three SuperNodes and their executors, each its own process.

The ServerApp and ClientApp are those of the simulation. Each hospital has a workspace of its own. Processes are killed
with `kill -9` at whatever point: the same plan goes on, and ends with the same numbers.
"""

from __future__ import annotations

import io
import signal
import ssl
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from flwr.app import Message
from flwr.common.constant import ErrorCode

import federated.node.link
from federated.asking import Asking
from federated.exchange import Exchange
from federated.machines import by_keys, members_of
from federated.messages import TrainOrder, pack_fields, pack_order, unpack_fields, unpack_reply
from federated.node.bundle import app_bundle
from federated.node.link import Link, online_nodes, run_of_installed_code
from federated.node.service import free_port
from federated.node.state import read_state
from federated.plan import Plan
from federated.proposals import offer, proposed
from federated.provision.authority import make_authority
from federated.provision.founding import admit, dismiss, read_roster
from federated.provision.membership import make_node
from federated.provision.probe import why_unreachable
from federated.recompute import recomputed
from federated.secagg.fields import fields_of
from federated.secagg.messages import UnmaskRequest
from federated.server_app import Rounds
from policies.errors import ConfideError, InputError, IntegrityError, StorageError, TrainingError
from policies.events import Event
from policies.models import list_models
from policies.policy import Aggregation
from policies.workspace import FederationFolder
from tests.clinical.notes import LABELS
from tests.federated.hospitals import SITES, plan_for
from tests.federated.node.machines import HERE, PARTIES, Machines, can_be_apart, start_of, wait_for

EVIL = "from pathlib import Path\nPath({marker!r}).write_text(__name__)\n"


def test_a_bundle_with_its_own_federated_is_refused_and_nothing_of_it_ran(
    federation: Machines, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "it-ran"
    monkeypatch.setattr(federated.node.link, "app_bundle", lambda: evil_bundle(marker))
    order = pack_order(TrainOrder(plan.digest, 1, start_of(plan)))
    before = {name: len(federation.events(name)) for name in SITES}
    with run_of_installed_code(federation.link) as grid:
        orders = [Message(order, dst_node_id=node, message_type="train") for node in grid.get_node_ids()]
        replies = list(grid.send_and_receive(orders, timeout=300))
    assert len(replies) == len(SITES) == len(orders)
    assert {reply.error.code for reply in replies} == {ErrorCode.INVALID_FAB}
    assert not marker.exists()
    assert not list(federation.flower_home.glob("**/federated*"))
    for name in SITES:
        assert federation.events(name)[before[name] :] == [Event.RUN_REFUSED]


def evil_bundle(marker: Path) -> bytes:
    """What a server could send: the honest project file, and modules of the installed names that leave a mark."""
    code = EVIL.format(marker=str(marker))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(app_bundle())) as honest, zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pyproject.toml", honest.read("pyproject.toml"))
        for name in ("federated/__init__.py", "federated/client_app.py", "federated/server_app.py", "sitecustomize.py"):
            archive.writestr(name, code)
    return buffer.getvalue()


def test_a_plan_that_a_site_has_not_approved_is_refused_there_and_logged(federation: Machines, plan: Plan) -> None:
    roster, order = read_roster(federation.joined.server), pack_order(TrainOrder(plan.digest, 1, start_of(plan)))
    with run_of_installed_code(federation.link) as grid:
        answers = Exchange(grid, by_keys(roster)).ask(
            "train", dict.fromkeys(SITES, order), 200, lambda name, answer: answer and unpack_reply(answer).refusal
        )
    assert answers == dict.fromkeys(SITES, 9)
    for name in SITES:
        refused = [e.details for e in federation.entries(name) if e.event is Event.RUN_REFUSED]
        assert refused[-1]["plan"] == plan.digest


class _LyingAsking(Asking):
    """Shows north another list of survivors, and asks river for its shares with what both signed."""

    def ask(self, kind, contents, read, *, seconds, enough):  # type: ignore[no-untyped-def]
        if kind != "query.sign":
            return super().ask(kind, contents, read, seconds=seconds, enough=enough)
        shown = contents["north"]["config"]
        of_summit = shown["inputs_of"].index(list(SITES).index("summit"))
        shown["inputs"] = [*shown["inputs"][:of_summit], bytes(32), *shown["inputs"][of_summit + 1 :]]
        signed = dict[int, bytes]()

        def keep(name, content):  # type: ignore[no-untyped-def]
            signed[list(SITES).index(name)] = unpack_fields(content)[1]["signature"]
            return read(name, content)

        answers = super().ask(kind, contents, keep, seconds=seconds, enough=enough)
        request = fields_of(UnmaskRequest(shown["session"], signed, (0, 1, 2), ()))
        content = pack_fields(shown["plan"].hex(), {**request, "round": shown["round"], "attempt": shown["attempt"]})
        self.rivers.append(super().ask("query.unmask", {"river": content}, read, seconds=seconds, enough=1).faults)
        return answers

    rivers: ClassVar[list[Mapping[str, ConfideError]]] = []


class _Liar(Rounds):
    def _asking(self, grid, number):  # type: ignore[no-untyped-def]
        honest = super()._asking(grid, number)
        return _LyingAsking(honest.exchange, honest.wrong)


def test_a_server_that_shows_two_lists_of_survivors_gets_no_share(federation: Machines, encoder: Path) -> None:
    plan = plan_for(encoder, seed=50, aggregation=Aggregation.SECURE, round_seconds=60, sigma="8.0")
    federation.approve(plan)
    server = federation.joined.server
    liar = _Liar(server, plan, start_of(plan), members_of(read_roster(server)), tries=1)
    with pytest.raises(TrainingError, match="signed one and the same"), run_of_installed_code(federation.link) as grid:
        liar.run(grid)
    (river,) = _LyingAsking.rivers
    assert f"code {IntegrityError.exit_code}" in river["river"].message
    failed = [e.details for e in federation.entries("river") if e.event is Event.ROUND_FAILED]
    assert (failed[-1]["error"], failed[-1]["place"].partition(":")[0]) == ("IntegrityError", "survivors.py")
    assert not server.home.receipt(plan.digest, 1).exists()


def test_a_study_by_commands_goes_on_after_the_server_was_killed_in_the_middle_of_a_round(
    federation: Machines, encoder: Path
) -> None:
    labels = federation.joined.root / "labels.toml"
    labels.write_text(f"labels = {list(LABELS)}\n")
    words = ["train", "--federation", "cardio", "--labels", str(labels), "--label-source", "category"]
    words += ["--epsilon", "5", "--rounds", "2", "--aggregation", "secure", "--encoder", str(encoder)]
    words += ["--deadline", "60", "--workspace", str(federation.joined.workspace("server").root)]
    for name in SITES:
        offer(federation.joined.site(name), federation.joined.workspace(name).deidentified(name), counts=1)
    first = federation.python(str(HERE / "train.py"), *words)
    plan = proposed_everywhere(federation)
    federation.approve(plan)
    wait_for(lambda: all(federation.joined.site(name).home.update(plan.digest, 1).exists() for name in SITES))
    first.kill()
    assert first.wait() == -9
    for _ in range(2):  # once more it finds all done, and signs no second model
        assert federation.python(str(HERE / "train.py"), *words).wait(120) == 0
    federation.check(plan)
    assert [federation.spent(plan, name) for name in SITES] == [[1, 2]] * 3
    server = federation.joined.server
    said = list(recomputed(server.home, server.keys.public))
    assert f"plan {plan.digest[:16]}: 2 rounds done again from what came under masks" in said
    (model,) = list_models(federation.joined.workspace("server").models, federation.joined.workspace("server").trusted)
    assert model.card["plan_sha256"] == plan.digest


@pytest.mark.skipif(not can_be_apart(), reason="no namespaces can be made here")
def test_nobody_needs_the_folder_of_another(federation: Machines, encoder: Path) -> None:
    """Server and sites run in user and mount namespaces of their own, and train."""
    plan = plan_for(encoder, seed=60, aggregation=Aggregation.SECURE, round_seconds=60, sigma="20.0", rounds=1)
    federation.approve(plan)
    federation.finish(plan, federation.rounds(plan), ended=())
    federation.check(plan)
    users = {Path("/proc/self/ns/user").readlink()}
    for name in PARTIES:
        state = read_state(federation.home(name).federation)
        for process in (federation.started[name].pid, *(one.pid for one in state.children if state)):
            seen = [Path(f"/proc/{process}/root{federation.joined.workspace(one).root}") for one in PARTIES]
            assert [one for one, folder in zip(PARTIES, seen, strict=True) if any(folder.iterdir())] == [name]
        users.add(Path(f"/proc/{federation.started[name].pid}/ns/user").readlink())
    assert len(users) == 1 + len(PARTIES)


def proposed_everywhere(federation: Machines) -> Plan:
    def there() -> bool:
        try:
            return all(proposed(federation.joined.site(name)) for name in SITES)
        except InputError:
            return False

    wait_for(there)
    return proposed(federation.joined.site("north"))


def test_the_public_port_is_for_sites_alone(federation: Machines) -> None:
    folder = federation.joined.server.home.federation
    trusting = ssl.create_default_context(cafile=str(folder.authority))
    address = read_roster(federation.joined.server).address
    public = f"https://{address}"
    for path in ("/v1/control/start-run", "/v1/control/register-node", "/v1/runtime/acquire-task", "/docs"):
        assert httpx.post(public + path, verify=trusting, content=b"").status_code == 404
    headers = {"content-type": "application/protobuf", "accept": "application/protobuf"}
    private = f"https://{federation.link.address}/v1/control/list-nodes"
    assert httpx.post(private, verify=trusting, content=b"", headers=headers).status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{public}/health")  # the world's authorities know nothing of this federation


def test_a_site_does_not_talk_to_a_server_of_another_authority(federation: Machines, tmp_path: Path) -> None:
    other = FederationFolder(tmp_path)
    make_authority(other, "another")
    address = read_roster(federation.joined.server).address
    assert "not signed by this federation's authority" in (why_unreachable(address, other.authority) or "")
    assert why_unreachable(address, federation.joined.site("north").home.federation.authority) is None


def test_a_server_that_does_not_answer_gives_a_sentence(federation: Machines) -> None:
    with pytest.raises(StorageError, match="does not answer on port"):
        online_nodes(Link(federation.joined.server.home.federation, free_port()))


def test_a_site_that_was_dismissed_is_let_in_with_a_new_key_alone_and_told_why(federation: Machines) -> None:
    joined = federation.joined
    known = {member.node.encode() for member in dismiss(joined.server, "summit").members}

    def is_gone() -> bool:
        state = read_state(federation.home("summit").federation)
        told = state is not None and "does not know this site" in state.note
        return told and set(online_nodes(federation.link)) == known

    wait_for(is_gone)
    federation.stop("summit", signal.SIGTERM)
    make_node(joined.site("summit"), new_key=True)
    admit(joined.server, joined.reply("summit"))
    for name in SITES:
        joined.confirm(name)
    federation.start("summit")
    wait_for(federation.whole)
