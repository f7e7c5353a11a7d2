"""The places of Flower's SuperNode that are ours are taken, and a message of a run that is over is given up."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, Metadata, RecordDict
from flwr.app.message.message import make_message
from flwr.supercore import heartbeat
from flwr.supercore.corestate import in_memory_corestate as state
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.supercore.retry import http_retry as retry
from flwr.supercore.run import RunNotRunningException
from flwr.supernode import fleet_http_connection as connection
from flwr.supernode import start_client_internal as loop
from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState, TimeEntry

from federated.node import supernode
from federated.node.supernode import LONGEST_RETRY_S, NODE_BEAT_S, change_flower


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts back in the end what is changed."""
    for module in (state, connection, heartbeat):
        monkeypatch.setattr(module, "HEARTBEAT_DEFAULT_INTERVAL", 30)
    monkeypatch.setattr(retry, "MAX_RETRY_DELAY", 20)
    for name in ("time", "get_fused_config_from_fab", "_pull_and_store_message", "_push_messages"):
        monkeypatch.setattr(loop, name, getattr(loop, name))


@pytest.mark.usefixtures("flower")
def test_a_message_whose_run_ended_meanwhile_is_given_up_like_any_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(**given: Any) -> str:
        try:
            return str(given["pull_object"](1, "object"))
        except Exception:
            return "given up"

    def over(run: int, which: str) -> bytes:
        raise RunNotRunningException

    monkeypatch.setattr(loop, "_pull_and_store_message", pull)
    change_flower()
    assert loop._pull_and_store_message(pull_object=over, confirm_message_received=over) == "given up"
    here = {"pull_object": lambda run, which: which, "confirm_message_received": over}
    assert loop._pull_and_store_message(**here) == "object"


@pytest.mark.usefixtures("flower")
def test_an_answer_whose_second_half_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"run_id": 1, "message_id": "", "src_node_id": 2, "dst_node_id": 1, "reply_to_message_id": "question"}
    about |= {"group_id": "", "created_at": time.time(), "ttl": 60.0, "message_type": "query"}
    answer = make_message(Metadata(**about), RecordDict({"given": ConfigRecord({"round": 1})}))
    answer.metadata.__dict__["_message_id"] = answer.object_id
    store, held, said = InMemoryObjectStore(), InMemoryNodeState(InMemoryObjectStore()), list[str]()
    missing = store.preregister(1, get_object_tree(answer))
    held.store_message(answer)
    held.time_store["question"] = TimeEntry(0.0, 1.0)

    def send(message: Message, tree: Any, seconds: float) -> tuple[set[str], str]:
        said.append("announced")
        return set(missing), "session"

    monkeypatch.setattr(supernode, "LONGEST_HALF_S", 0.2)
    change_flower()
    given = {"state": held, "object_store": store, "send": send, "push_object": lambda *_: said.append("pushed")}
    pushing = threading.Thread(target=loop._push_messages, kwargs=given, daemon=True)
    pushing.start()
    pushing.join(10)
    assert not pushing.is_alive()
    assert said == ["announced"] and held.msg_store == {}


@pytest.mark.usefixtures("flower")
def test_it_beats_and_tries_again_more_often_and_reads_no_bundle() -> None:
    change_flower()
    assert heartbeat.HEARTBEAT_DEFAULT_INTERVAL == connection.HEARTBEAT_DEFAULT_INTERVAL == NODE_BEAT_S
    assert retry.MAX_RETRY_DELAY == LONGEST_RETRY_S
    run = type("Run", (), {"override_config": {"a": 1}})
    assert loop.get_fused_config_from_fab(b"no bundle at all", run) == {"a": 1}


@pytest.mark.usefixtures("flower")
def test_the_executors_answer_is_waited_for_shortly() -> None:
    change_flower()
    began = time.monotonic()
    loop.time.sleep(0.5)
    assert time.monotonic() - began < 0.4


@pytest.mark.usefixtures("flower")
def test_another_flower_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(retry, "MAX_RETRY_DELAY")
    with pytest.raises(SystemExit, match="another than the one"):
        change_flower()
