"""The server averages what every site of the plan sent, logs it, and stops where one is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message
from safetensors.numpy import load_file, save

from federated import server_app
from federated.messages import TrainOrder, TrainReply, pack_order, pack_reply, unpack_order
from federated.plan import Plan
from federated.server_app import PrivateAveraging
from policies.errors import IntegrityError, TrainingError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Server, open_server
from policies.workspace import Workspace
from tests.contracts import close, made
from tests.policies.logs import happened

pytestmark = pytest.mark.usefixtures("flower")


@pytest.fixture
def server(workspace: Workspace) -> Server:
    return open_server(workspace)


@pytest.fixture
def strategy(server: Server, plan: Plan) -> PrivateAveraging:
    return PrivateAveraging(server, plan, made(0))


def order(plan: Plan) -> Message:
    return Message(content=pack_order(TrainOrder(plan.digest, 1, made(0))), dst_node_id=1, message_type="train")


def reply(of: Plan, place: int, **changes: object) -> Message:
    values = {"plan": of.digest, "round": 1, "site": place, "gradient": made(place + 1)} | changes
    return pack_reply(TrainReply(**values), order(of))  # type: ignore[arg-type]


class Grid:
    def __init__(self, nodes: list[int]) -> None:
        self.nodes = nodes

    def get_node_ids(self) -> list[int]:
        return self.nodes


def test_every_node_gets_the_plan_the_round_and_the_weights(strategy: PrivateAveraging, plan: Plan) -> None:
    messages = list(strategy.configure_train(1, ArrayRecord({}), ConfigRecord({}), Grid([9, 4, 7])))  # type: ignore[arg-type]
    assert [message.metadata.dst_node_id for message in messages] == [4, 7, 9]
    for message in messages:
        found = unpack_order(message.content)
        assert (found.plan, found.round) == (plan.digest, 1)
        close(found.weights, made(0))


def test_too_few_nodes_end_the_run(strategy: PrivateAveraging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_app, "WAIT_FOR_SITES_S", 0.2)
    with pytest.raises(TrainingError, match="2 of 3 sites"):
        list(strategy.configure_train(1, ArrayRecord({}), ConfigRecord({}), Grid([1, 2])))  # type: ignore[arg-type]


def test_a_round_is_the_plans_mean_in_any_order_and_stands_on_disk_and_in_the_log(
    strategy: PrivateAveraging, server: Server, plan: Plan
) -> None:
    strategy.aggregate_train(1, [reply(plan, site) for site in (2, 0, 1)])
    expected = {
        name: made(0)[name] - 0.5 * (0.2 * made(1)[name] + 0.3 * made(2)[name] + 0.5 * made(3)[name])
        for name in made(0)
    }
    close(strategy.weights, expected)
    run = server.home.run(plan.digest)
    close(load_file(run / "round-0001.safetensors"), expected)
    assert json.loads((run / "rounds.ndjson").read_text())["round"] == 1
    (entry,) = happened(server.home.audit, server.keys.public)
    assert entry.event == Event.ROUND_AGGREGATED
    assert entry.details["updates"] == {
        name: sha256_hex(save(made(place + 1))) for place, name in enumerate(("north", "river", "summit"))
    }


def test_a_refusal_ends_the_run_with_site_and_code(strategy: PrivateAveraging, plan: Plan) -> None:
    with pytest.raises(TrainingError, match=r"round 1: site 'river' refused \(code 5\)") as caught:
        strategy.aggregate_train(1, [reply(plan, 0), reply(plan, 1, gradient={}, refusal=5), reply(plan, 2)])
    assert "'river'" in caught.value.hint
    close(strategy.weights, made(0))


@pytest.mark.parametrize("sites", [(), (0, 1), (0, 1, 1)])
def test_a_missing_or_repeated_site_ends_the_run(
    strategy: PrivateAveraging, plan: Plan, sites: tuple[int, ...]
) -> None:
    with pytest.raises(TrainingError, match=f"{len(sites)} of 3 sites answered"):
        strategy.aggregate_train(1, [reply(plan, site) for site in sites])


@pytest.mark.parametrize("change", [{"plan": "cd" * 32}, {"round": 2}, {"site": 3}, {"site": -1}])
def test_an_answer_to_something_else_is_refused(
    strategy: PrivateAveraging, plan: Plan, change: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError, match="another plan or round"):
        strategy.aggregate_train(1, [reply(plan, 0), reply(plan, 1), reply(plan, 2, **change)])


def test_a_failed_site_ends_the_run_without_its_words(strategy: PrivateAveraging, plan: Plan) -> None:
    failed = Message(Error(1, "Zebulon was seen"), reply_to=order(plan))
    with pytest.raises(TrainingError, match="a site failed") as caught:
        strategy.aggregate_train(1, [reply(plan, 0), reply(plan, 1), failed])
    assert "Zebulon" not in caught.value.message + caught.value.hint


def test_a_gradient_that_is_not_finite_or_not_of_the_model_is_refused(strategy: PrivateAveraging, plan: Plan) -> None:
    broken = made(9) | {"scalar": np.array(np.nan, np.float32)}
    with pytest.raises(TrainingError, match="not finite"):
        strategy.aggregate_train(1, [reply(plan, 0), reply(plan, 1), reply(plan, 2, gradient=broken)])
    other = {"another": np.zeros(1, np.float32)}
    with pytest.raises(TrainingError, match="shape"):
        strategy.aggregate_train(1, [reply(plan, site, gradient=other) for site in range(3)])
    close(strategy.weights, made(0))


def test_nothing_is_asked_of_the_sites_patients_for_scores(strategy: PrivateAveraging) -> None:
    assert list(strategy.configure_evaluate(1, ArrayRecord({}), ConfigRecord({}), Grid([1, 2, 3]))) == []  # type: ignore[arg-type]
