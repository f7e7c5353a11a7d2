"""The public door: what a site needs comes in, and nothing else; control asks for this machine's secret."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, RecordDict
from flwr.common.constant import ACCESS_TOKEN_KEY
from flwr.supercore.corestate import sql_corestate as state
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.object_store import ObjectStoreFactory

import federated.node.superlink
from federated.node.superlink import UPLOAD_S, MachineSecret, PublicDoor, Sizes, change_flower

LARGEST = 1000
FLEET = "/v1/fleet/pull-messages"


def knock(
    path: str,
    length: bytes | None = b"10",
    method: str = "POST",
    kind: str = "http",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> int | None:
    """The status of the answer, or None where there is none."""
    said: list[Any] = []

    async def inside(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [*more, *([] if length is None else [(b"content-length", length)])]
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


def test_a_request_of_two_lengths_stays_outside() -> None:
    assert knock(FLEET, more=((b"transfer-encoding", b"chunked"),)) == 411


def test_no_more_than_so_many_are_inside_and_one_that_takes_too_long_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(federated.node.superlink, "LONGEST_S", 0.05)
    inside = {"now": 0, "most": 0, "came": 0}

    async def slow(*_: Any) -> None:
        inside["now"], inside["came"] = inside["now"] + 1, inside["came"] + 1
        inside["most"] = max(inside["most"], inside["now"])
        try:
            await asyncio.Event().wait()
        finally:
            inside["now"] -= 1

    async def many() -> None:
        door = PublicDoor(slow, LARGEST, most=2)
        scope = {"type": "http", "path": FLEET, "method": "POST", "headers": [(b"content-length", b"1")]}
        await asyncio.gather(*(door(scope, asyncio.Event().wait, lambda _: asyncio.sleep(0)) for _ in range(5)))

    asyncio.run(asyncio.wait_for(many(), 5))
    assert inside == {"now": 0, "most": 2, "came": 5}


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
        _cleanup_push_session = None

        def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
            return False

    monkeypatch.setattr(state, "SqlCoreState", Refuses)
    monkeypatch.setattr(state, "OBJECT_PUSH_SESSION_TTL_SECONDS", 180)
    change_flower()
    assert Refuses().store_object(1, "session", "id", b"part") is taken
    assert state.OBJECT_PUSH_SESSION_TTL_SECONDS == UPLOAD_S


def test_a_member_that_pushes_too_many_parts_is_refused_and_what_it_pushed_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flower's own tables and objects, in a file."""
    for owner, name in ((state.SqlCoreState, "store_object"), (state, "OBJECT_PUSH_SESSION_TTL_SECONDS")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(federated.node.superlink, "LARGEST_MESSAGE", 10_000)
    monkeypatch.setattr(state.SqlCoreState, "__abstractmethods__", frozenset())
    change_flower()
    objects = ObjectStoreFactory(str(tmp_path / "link.sqlite")).store()
    link = state.SqlCoreState(str(tmp_path / "link.sqlite"), objects)
    link.initialize()

    def pushed(arrays: int) -> list[bool]:
        message = RecordDict({"arrays": ArrayRecord([np.random.default_rng().random(500) for _ in range(arrays)])})
        parts = {name: part.deflate() for name, part in get_all_nested_objects(message).items()}
        session = link.start_session(1)
        missing = link.preregister_object_tree(get_object_tree(message), session)
        return [link.store_object(1, session, name, parts[name]) for name in missing]

    assert all(pushed(2))
    kept = len(objects)
    assert not all(pushed(5))
    assert len(objects) == kept


def test_the_sizes_of_old_uploads_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.node.superlink, "_SESSIONS", 2)
    sizes = Sizes()
    assert [sizes.add(name, 1) for name in ("a", "b", "a", "c", "a", "b")] == [1, 1, 2, 1, 3, 1]
