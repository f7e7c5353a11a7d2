"""The public door: what a site needs comes in, and nothing else; control asks for this machine's secret."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flwr.common.constant import ACCESS_TOKEN_KEY
from flwr.supercore.corestate import sql_corestate as state

from federated.node.superlink import UPLOAD_S, MachineSecret, PublicDoor, change_flower

LARGEST = 1000
FLEET = "/v1/fleet/pull-messages"


def knock(path: str, length: bytes | None = b"10", method: str = "POST", kind: str = "http") -> int | None:
    """The status of the answer, or None where there is none."""
    said: list[Any] = []

    async def inside(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [] if length is None else [(b"content-length", length)]
    scope = {"type": kind, "path": path, "method": method, "headers": headers}
    asyncio.run(PublicDoor(inside, LARGEST)(scope, receive, send))
    return said[0]["status"] if said else None


@pytest.mark.parametrize(("path", "method"), [(FLEET, "POST"), ("/v1/fleet/get-fab", "POST"), ("/health", "GET")])
def test_what_a_site_needs_comes_in(path: str, method: str) -> None:
    assert knock(path, method=method) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/openapi.json",
        "/v1/control/start-run",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/responses",
        "/v1/fleet",
        "/V1/FLEET/x",
        "//v1/fleet/x",
    ],
)
def test_nothing_else_comes_in(path: str) -> None:
    assert knock(path) == 404


def test_a_huge_request_stays_outside() -> None:
    assert knock(FLEET, b"1000") == 200
    assert knock(FLEET, b"1001") == 413


@pytest.mark.parametrize("length", [None, b"", b"-1", b"many"])
def test_a_request_of_unknown_length_stays_outside(length: bytes | None) -> None:
    assert knock(FLEET, length) == 411


def test_no_websocket() -> None:
    assert knock(FLEET, kind="websocket") is None


def test_control_asks_for_the_secret() -> None:
    plugin = MachineSecret("right")
    assert plugin.validate_tokens_in_metadata([(ACCESS_TOKEN_KEY, "right")])[0]
    for metadata in ([], [(ACCESS_TOKEN_KEY, "")], [(ACCESS_TOKEN_KEY, "wrong")], [("other", "right")]):
        assert plugin.validate_tokens_in_metadata(metadata) == (False, None)


@pytest.mark.parametrize(("kept", "taken"), [(b"part", True), (b"other", False), (None, False)])
def test_a_part_that_is_there_already_counts_as_taken(
    monkeypatch: pytest.MonkeyPatch, kept: bytes | None, taken: bool
) -> None:
    class Refuses:
        object_store = {} if kept is None else {"id": kept}

        def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
            return False

    monkeypatch.setattr(state, "SqlCoreState", Refuses)
    monkeypatch.setattr(state, "OBJECT_PUSH_SESSION_TTL_SECONDS", 180)
    change_flower()
    assert Refuses().store_object(1, "session", "id", b"part") is taken
    assert state.OBJECT_PUSH_SESSION_TTL_SECONDS == UPLOAD_S
