"""Messages that come twice, from another run, or too large, through the apps of server and sites in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from safetensors.numpy import load_file

from clinical.classifier import trained_weights
from federated.approval import approve
from federated.client_app import app
from federated.exchange import Federation
from federated.messages import TrainReply, pack_reply, unpack_reply
from federated.parties import SIMULATED_SITES, simulated_parties
from federated.plan import Plan
from federated.receipt import read_receipt
from federated.server_app import Rounds
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.events import Event
from policies.guard import open_server
from policies.policy import Aggregation
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training.budget import open_ledger
from tests.federated.hospitals import SITES, hospital, plan_for
from tests.federated.same_process import SameProcess, context_of, nodes_of

pytestmark = pytest.mark.usefixtures("flower")


@pytest.fixture
def hospitals(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(SITES))
    open_server(workspace)
    for name in SITES:
        hospital(workspace, name)
    return workspace


def agreed(workspace: Workspace, plan: Plan) -> Plan:
    for name in SITES:
        approve(hospital(workspace, name), plan, workspace.deidentified(name))
        prepare(hospital(workspace, name), plan, plan_classifier(plan))
    return plan


def train(workspace: Workspace, plan: Plan, grid: SameProcess) -> None:
    parties = simulated_parties(workspace, list(SITES))
    federation = Federation(parties.federation, parties.sites, lambda _: nodes_of(SITES))
    start = trained_weights(plan_classifier(plan))
    Rounds(open_server(workspace), plan, start, federation, tries=1).run(grid)  # type: ignore[arg-type]


def counted(workspace: Workspace, plan: Plan, name: str) -> list[bool]:
    site = hospital(workspace, name)
    entries = read_entries(site.home.audit, site.keys.public)
    checked = [entry.details for entry in entries if entry.event is Event.RECEIPT_CHECKED]
    return [details["counted"] for details in checked if details["plan"] == plan.digest]


def booked(workspace: Workspace, plan: Plan, name: str) -> list[int]:
    return [one.round for one in open_ledger(hospital(workspace, name)).bookings() if one.plan == plan.digest]


@pytest.mark.parametrize("aggregation", [Aggregation.SECURE, Aggregation.MEAN])
def test_messages_that_come_once_more_change_nothing_and_cost_nothing(
    hospitals: Workspace, encoder: Path, aggregation: Aggregation
) -> None:
    plan = agreed(hospitals, plan_for(encoder, aggregation=aggregation, round_seconds=1))
    before: dict[int, list[Message]] = {}

    def replay(place: int, message: Message) -> Message:
        for old in before.setdefault(place, [])[:1] + before[place][-2:]:
            app(old, context_of(place))
        before[place].append(message)
        return message

    train(hospitals, plan, SameProcess(replay))
    for name in SITES:
        assert booked(hospitals, plan, name) == [1, 2]
        assert counted(hospitals, plan, name) == [True, True]


def test_messages_of_another_run_are_not_taken_for_those_of_this_one(hospitals: Workspace, encoder: Path) -> None:
    one, other = (
        agreed(hospitals, plan_for(encoder, aggregation=Aggregation.SECURE, round_seconds=1, rounds=1, seed=seed))
        for seed in (7, 8)
    )
    kept: dict[tuple[int, str], Message] = {}

    def keep(place: int, message: Message) -> Message:
        kept[place, message.metadata.message_type] = message
        return message

    def stray(place: int, message: Message) -> Message:
        app(kept[place, message.metadata.message_type], context_of(place))
        return message

    train(hospitals, one, SameProcess(keep))
    after = load_file(open_server(hospitals).home.weights(one.digest, 1))
    train(hospitals, other, SameProcess(stray))
    for name in SITES:
        assert booked(hospitals, one, name) == booked(hospitals, other, name) == [1]
        assert counted(hospitals, one, name) == counted(hospitals, other, name) == [True]
    for name, array in load_file(open_server(hospitals).home.weights(one.digest, 1)).items():
        np.testing.assert_array_equal(array, after[name])


def test_an_update_over_the_norm_bound_is_shortened_and_the_receipt_says_so(
    hospitals: Workspace, encoder: Path
) -> None:
    plan = agreed(hospitals, plan_for(encoder, round_seconds=1, rounds=1))

    def forge(place: int, reply: Message) -> RecordDict | None:
        if place != list(SITES).index("river") or reply.metadata.message_type != "train":
            return None
        sent = unpack_reply(reply.content)
        larger = {name: array * np.float32(1e6) for name, array in sent.gradient.items()}
        return pack_reply(TrainReply(sent.plan, sent.round, larger), reply).content

    train(hospitals, plan, SameProcess(forge=forge))
    server = open_server(hospitals)
    receipt = read_receipt(server.keys.public, server.home.receipt(plan.digest, 1).read_bytes())
    assert receipt.shortened == ("river",)
    assert max(float(abs(array).max()) for array in load_file(server.home.weights(plan.digest, 1)).values()) < 1e3
    assert counted(hospitals, plan, "north") == [True]
    assert counted(hospitals, plan, "river") == []  # it sees that it was not its own update that was counted
