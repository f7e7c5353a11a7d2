"""A whole federation over TLS on this machine: SuperLink, three SuperNodes and their executors, each its own process.

The ServerApp and ClientApp are those of the simulation. Each hospital has a workspace of its own. Processes are killed
with `kill -9` at whatever point: the same plan goes on, and ends with the same numbers.
"""

from __future__ import annotations

import io
import os
import random
import ssl
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flwr.app import Message
from flwr.common.constant import ErrorCode

import federated.node.link
from federated.exchange import Exchange
from federated.machines import by_keys, members_of
from federated.messages import TrainOrder, pack_order, unpack_fields, unpack_reply
from federated.node.bundle import app_bundle
from federated.node.link import Link, online_nodes, run_of_installed_code
from federated.node.service import free_port
from federated.node.state import read_state
from federated.plan import Plan
from federated.proposals import offer, proposed
from federated.provision.authority import make_authority
from federated.provision.founding import dismiss, read_roster
from federated.provision.probe import why_unreachable
from federated.secagg.fields import fields_of
from federated.secagg.messages import UnmaskRequest
from federated.server_app import Rounds
from policies.errors import InputError, IntegrityError, StorageError, TrainingError
from policies.events import Event
from policies.models import list_models
from policies.policy import Aggregation
from policies.workspace import FederationFolder
from tests.clinical.notes import LABELS
from tests.federated.hospitals import SITES, plan_for
from tests.federated.node.machines import HERE, Machines, machines, start_of, wait_for

SCHEDULES = int(os.environ.get("CHAOS", "2"))
VICTIMS = [("server", "superlink"), *((site, child) for site in SITES for child in ("supernode", "executor"))]
EVIL = "from pathlib import Path\nPath({marker!r}).write_text(__name__)\n"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines")) as made:
        yield made


def test_a_bundle_with_its_own_federated_is_refused_and_nothing_of_it_ran(
    federation: Machines, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "it-ran"
    monkeypatch.setattr(federated.node.link, "app_bundle", lambda: evil_bundle(marker))
    order = pack_order(TrainOrder(plan.digest, 1, start_of(plan)))
    with run_of_installed_code(federation.link) as grid:
        orders = [Message(order, dst_node_id=node, message_type="train") for node in grid.get_node_ids()]
        replies = list(grid.send_and_receive(orders, timeout=300))
    assert len(replies) == len(SITES) == len(orders)
    assert {reply.error.code for reply in replies} == {ErrorCode.INVALID_FAB}
    assert not marker.exists()
    assert not list(federation.flower_home.glob("**/federated*"))
    for name in SITES:
        assert Event.RUN_REFUSED in federation.events(name)
        assert Event.BUDGET_SPENT not in federation.events(name)


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
        answers = Exchange(grid, by_keys(roster)).ask("train", dict.fromkeys(SITES, order), 40)
    assert {name: unpack_reply(answer).refusal for name, answer in answers.items() if answer} == dict.fromkeys(SITES, 9)
    for name in SITES:
        refused = [e.details for e in federation.entries(name) if e.event is Event.RUN_REFUSED]
        assert refused[-1]["plan"] == plan.digest


class _Liar(Rounds):
    """Shows north another list of survivors, and asks river for its shares with what both signed."""

    river = 0

    def _ask(self, exchange, kind, contents, seconds, enough):  # type: ignore[no-untyped-def]
        if kind != "query.sign":
            return super()._ask(exchange, kind, contents, seconds, enough)
        shown = contents["north"]["config"]
        shown["inputs"] = [*shown["inputs"][:2], bytes(32)]
        answers = super()._ask(exchange, kind, contents, seconds, enough)
        signed = {place: unpack_fields(answers[name])[1]["signature"] for place, name in enumerate(SITES)}
        request = fields_of(UnmaskRequest(shown["session"], signed, (0, 1, 2), ()))
        content = self._packed({**request, "round": shown["round"], "attempt": shown["attempt"]})
        answer = super()._ask(exchange, "query.unmask", {"river": content}, seconds, 0)["river"]
        self.river = unpack_fields(answer)[1].get("refusal", 0)
        return answers


def test_a_server_that_shows_two_lists_of_survivors_gets_no_share(federation: Machines, encoder: Path) -> None:
    plan = plan_for(encoder, seed=50, aggregation=Aggregation.SECURE, round_seconds=60, sigma="8.0")
    federation.approve(plan)
    server = federation.joined.server
    liar = _Liar(server, plan, start_of(plan), members_of(read_roster(server)), tries=1)
    with pytest.raises(TrainingError, match="signed one and the same"), run_of_installed_code(federation.link) as grid:
        liar.run(grid)
    assert liar.river == IntegrityError.exit_code
    failed = [e.details for e in federation.entries("river") if e.event is Event.ROUND_FAILED]
    assert (failed[-1]["error"], failed[-1]["place"].partition(":")[0]) == ("IntegrityError", "survivors.py")
    assert not server.home.receipt(plan.digest, 1).exists()


def test_a_study_by_commands_goes_on_after_the_server_was_killed_in_the_middle_of_a_round(
    federation: Machines, encoder: Path
) -> None:
    labels = federation.joined.root / "labels.toml"
    labels.write_text(f"labels = {list(LABELS)}\n")
    words = ["train", "--federation", "cardio", "--labels", str(labels), "--label-source", "category"]
    words += ["--epsilon", "5", "--rounds", "2", "--aggregation", "secure", "--encoder", str(encoder), "--watch"]
    words += ["--deadline", "60", "--workspace", str(federation.joined.workspace("server").root)]
    for name in SITES:
        offer(federation.joined.site(name), federation.joined.workspace(name).deidentified(name), counts=1)
    first = federation.python(str(HERE / "train.py"), *words)
    plan = proposed_everywhere(federation)
    federation.approve(plan)
    wait_for(lambda: all(federation.joined.site(name).home.update(plan.digest, 1).exists() for name in SITES))
    first.kill()
    assert first.wait() == -9
    assert federation.python(str(HERE / "train.py"), *words).wait(120) == 0
    federation.check(plan)
    assert [federation.spent(plan, name) for name in SITES] == [[1, 2]] * 3
    (model,) = list_models(federation.joined.workspace("server").models, federation.joined.workspace("server").trusted)
    assert model.card["plan_sha256"] == plan.digest


def proposed_everywhere(federation: Machines) -> Plan:
    def there() -> bool:
        try:
            return all(proposed(federation.joined.site(name)) for name in SITES)
        except InputError:
            return False

    wait_for(there)
    return proposed(federation.joined.site("north"))


@pytest.mark.parametrize("schedule", range(SCHEDULES))
def test_whoever_is_killed_whenever_the_plan_ends_and_nothing_is_counted_twice(
    federation: Machines, encoder: Path, schedule: int
) -> None:
    chance = random.Random(schedule)
    aggregation = (Aggregation.SECURE, Aggregation.MEAN)[schedule % 2]
    plan = plan_for(encoder, seed=100 + schedule, aggregation=aggregation, round_seconds=60, sigma="8.0")
    federation.approve(plan)
    rounds = federation.rounds(plan)
    for _ in range(chance.randint(1, 2)):
        time.sleep(chance.uniform(0.5, 6))
        if chance.random() < 0.4:
            rounds.kill()
            rounds.wait()
            rounds = federation.rounds(plan)
        else:
            federation.kill(*chance.choice(VICTIMS))
    while (code := rounds.wait(200)) != 0:
        assert code in (-9, 9)
        rounds = federation.rounds(plan)
    federation.check(plan)
    for name in SITES:
        assert set(federation.spent(plan, name)) == {1, 2}
        refused = [e.details for e in federation.entries(name) if e.event is Event.RUN_REFUSED]
        assert plan.digest not in [details["plan"] for details in refused if "plan" in details]


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


def test_a_site_that_was_dismissed_is_let_in_no_more_and_told_why(federation: Machines) -> None:
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
