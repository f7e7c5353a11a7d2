"""A bundle is compared before anything else: another one is refused with nothing of it, or of ours, loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.supercore import heartbeat

import federated.client_app
from federated.node import executor
from federated.node.bundle import app_bundle, approved_bundle
from federated.node.executor import answer
from federated.provision.membership import make_node
from policies.audit import read_entries
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site

SECRET = "Mrs. Miller of ward 7"


@pytest.fixture
def context() -> Context:
    return Context(1, 1, {}, RecordDict(), {})


@pytest.fixture
def message(flower: None) -> Message:
    return Message(RecordDict({"config": ConfigRecord({"round": 1})}), dst_node_id=1, message_type="train")


def test_the_installed_app_answers_a_run_of_the_approved_bundle(
    site: Site, message: Message, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federated.client_app, "app", lambda message, context: Message(RecordDict(), reply_to=message))
    assert not answer(site, message, context, app_bundle()).has_error()


@pytest.mark.parametrize("bundle", [b"", b"PK", app_bundle() + b"\0", app_bundle()[:-1]])
def test_any_other_bundle_is_refused_and_logged(
    site: Site, message: Message, context: Context, monkeypatch: pytest.MonkeyPatch, bundle: bytes
) -> None:
    def must_not_run(**_: object) -> Message:
        raise AssertionError("it ran")

    monkeypatch.setattr(federated.client_app, "app", must_not_run)
    error = answer(site, message, context, bundle).error
    assert error.code == ErrorCode.INVALID_FAB
    entry = read_entries(site.home.audit, site.keys.public)[-1]
    assert (entry.event, entry.details["bundle"]) == (Event.RUN_REFUSED, sha256_hex(bundle))


def test_the_text_of_an_error_stays_here(
    site: Site,
    message: Message,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(**_: object) -> Message:
        raise ValueError(SECRET)

    monkeypatch.setattr(federated.client_app, "app", fails)
    error: Error = answer(site, message, context, app_bundle()).error
    assert SECRET not in str(error.reason)
    assert capsys.readouterr().out == "ValueError\n"


def test_it_beats_while_it_waits_for_a_task_and_while_it_works(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make_node(site)
    stop, beat, seen = threading.Event(), site.home.federation.beat, list[bool]()

    def acquire(_: object) -> SimpleNamespace:
        """One task, and then none."""
        seen.append(beat.exists())
        beat.unlink(missing_ok=True)
        if len(seen) == 3:
            stop.set()
        return SimpleNamespace(token="" if len(seen) > 1 else "task")

    def sender(tell: Callable[[], bool]) -> SimpleNamespace:
        return SimpleNamespace(start=lambda: seen.append(tell() and beat.exists()), stop=lambda: None)

    client = SimpleNamespace(AcquireTask=acquire, close=lambda: None)
    monkeypatch.setattr(executor, "_client", lambda *_: client)
    monkeypatch.setattr(heartbeat, "HeartbeatSender", sender)
    monkeypatch.setattr(heartbeat, "make_task_heartbeat_fn_http", lambda _: lambda: True)
    executor.serve(site, "127.0.0.1:1", stop)
    assert seen == [True, True, True]


def test_no_app_and_no_torch_is_loaded_before_the_first_message() -> None:
    code = "import federated.node.executor, sys; print({'torch', 'federated.client_app'} & set(sys.modules))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "set()"


def test_the_approved_bundle_is_that_of_the_installed_version() -> None:
    assert approved_bundle() == sha256_hex(app_bundle())
