"""The places of Flower's SuperNode that are ours are taken, and a message of a run that is over is given up."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flwr.supercore import heartbeat
from flwr.supercore.corestate import in_memory_corestate as state
from flwr.supercore.retry import http_retry as retry
from flwr.supercore.run import RunNotRunningException
from flwr.supernode import fleet_http_connection as connection
from flwr.supernode import start_client_internal as loop

from federated.node.supernode import LONGEST_RETRY_S, NODE_BEAT_S, change_flower


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts back in the end what is changed."""
    for module in (state, connection, heartbeat):
        monkeypatch.setattr(module, "HEARTBEAT_DEFAULT_INTERVAL", 30)
    monkeypatch.setattr(retry, "MAX_RETRY_DELAY", 20)
    for name in ("time", "get_fused_config_from_fab", "_pull_and_store_message"):
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
