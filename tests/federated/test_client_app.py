"""What travels when a hospital refuses or fails: a code, and not one word."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from clinical.classifier import trained_weights
from federated import client_app, site_round
from federated.client_app import NO_PLAN, locate_site, train
from federated.messages import TrainOrder, pack_order, unpack_reply
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.site_round import plan_classifier
from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training.budget import open_ledger
from tests.policies.logs import happened

pytestmark = pytest.mark.usefixtures("flower")
CANARY = "Zebulon was seen on 3/14/2019"


@pytest.fixture(autouse=True)
def at(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, "north,river,summit")


def context(**config: Any) -> Context:
    return Context(run_id=1, node_id=1, node_config=config or {"partition-id": 0}, state=RecordDict(), run_config={})


def message(plan: Plan, round_number: int = 1) -> Message:
    content = pack_order(TrainOrder(plan.digest, round_number, trained_weights(plan_classifier(plan))))
    return Message(content=content, dst_node_id=1, message_type="train")


def nowhere(site: Site, reply: Message) -> bool:
    """Whether the canary is in no part of the reply and no line of the log."""
    logged = site.home.audit / "edge.ndjson"
    return "Zebulon" not in repr(reply.content) + (logged.read_text() if logged.exists() else "")


def test_an_order_is_answered(prepared: Site, plan: Plan) -> None:
    reply = unpack_reply(train(message(plan), context()).content)
    assert (reply.plan, reply.round, reply.refusal) == (plan.digest, 1, 0)
    assert reply.gradient.keys() == trained_weights(plan_classifier(plan)).keys()


def test_a_refusal_travels_as_its_code_and_is_logged_once(site: Site, plan: Plan) -> None:
    reply = unpack_reply(train(message(plan), context()).content)
    assert (reply.refusal, reply.gradient) == (9, {})  # not approved here
    (refused,) = happened(site.home.audit, site.keys.public)
    assert (refused.event, refused.details["plan"]) == (Event.RUN_REFUSED, plan.digest)
    assert refused.details["reason"] == f"site 'north' has not approved plan {plan.digest[:16]}"


def test_what_fails_later_is_logged_by_kind_and_place(prepared: Site, plan: Plan) -> None:
    reply = unpack_reply(train(message(plan, plan.rounds + 1), context()).content)
    assert (reply.refusal, reply.gradient) == (9, {})
    entry = happened(prepared.home.audit, prepared.keys.public)[-1]
    assert (entry.event, entry.details["error"]) == (Event.ROUND_FAILED, "TrainingError")
    assert entry.details["place"].startswith("site_round.py:")
    assert entry.details["reason"] == "round 3 of a plan with 2"


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError, MemoryError])
def test_the_text_of_an_unexpected_error_neither_travels_nor_is_logged(
    prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error(CANARY)

    monkeypatch.setattr(site_round, "private_step", failing)
    answer = train(message(plan), context())
    assert not answer.has_error()
    reply = unpack_reply(answer.content)
    assert (reply.refusal, reply.gradient) == (1, {})
    assert nowhere(prepared, answer)
    last = happened(prepared.home.audit, prepared.keys.public)[-1]
    assert (last.event, last.details["error"]) == (Event.ROUND_FAILED, error.__name__)
    assert "reason" not in last.details
    assert len(open_ledger(prepared).bookings()) == 1  # what was booked stays booked


def test_not_even_when_the_failure_cannot_be_logged(site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Context) -> Site:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(client_app, "locate_site", failing)
    answer = train(message(plan), context())
    assert unpack_reply(answer.content).refusal == 1
    assert nowhere(site, answer)


def test_what_is_no_order_is_refused_under_no_plan(site: Site) -> None:
    content = RecordDict({"config": ConfigRecord({"plan": b"short", "round": 1})})
    reply = unpack_reply(train(Message(content=content, dst_node_id=1, message_type="train"), context()).content)
    assert (reply.plan, reply.refusal) == (NO_PLAN, IntegrityError.exit_code)


def test_a_node_is_named_by_its_configuration_or_by_its_place() -> None:
    assert locate_site(context(site="river")).name == "river"
    assert locate_site(context(**{"partition-id": 2})).name == "summit"
    with pytest.raises(IntegrityError, match="does not know"):
        locate_site(context(**{"partition-id": 3}))


def test_what_does_not_train_loads_no_torch() -> None:
    code = "import sys, federated.client_app, federated.machines; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
