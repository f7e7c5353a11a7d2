"""Flower's SuperLink with two doors: sites come in by one, and what runs and admits is behind the other.

In Flower 1.41 the APIs for sites (Fleet), for whoever starts runs (Control) and for ServerApps (Runtime) share one
port, and Control asks nobody who they are. So the public door passes on what a site needs and answers 404 to the rest,
and the whole is served on this machine's loopback alone, where Control asks for this machine's secret.

What a SuperLink or a site was sending when it was killed is given up soon, and what arrived is not asked for twice.
Flower reads a request before it asks whose it is, so the door bounds what strangers can make it hold at one time.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from flwr.common.constant import ACCESS_TOKEN_KEY, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, TRANSPORT_TYPE_GRPC_RERE
from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.corestate import sql_corestate as state
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app

from policies.workspace import FederationFolder, Workspace

LOOPBACK = "127.0.0.1"
LARGEST_REQUEST = 8 * 1024 * 1024  # Flower cuts what is larger than 5 into parts
LARGEST_MESSAGE = 8 * LARGEST_REQUEST  # an adapter has less than one
MOST_REQUESTS = 64  # at one time; with copies that Flower makes, under half of the memory that the unit allows
LONGEST_S = 60  # of a request, so that whoever sends slowly does not keep its place
_SESSIONS = 4096  # whose bytes are remembered; one without another part for 20 s is over
UPLOAD_S = 20  # without another part of a message, before it counts as lost
_FORGET = "_cleanup_push_session"
_FOR_SITES = "/v1/fleet/"
_HEALTH = "/health"

Scope = dict[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class PublicDoor:
    """An ASGI app that passes on what sites ask, up to a size and so many at one time, and nothing else."""

    def __init__(self, inside: Asgi, largest: int = LARGEST_REQUEST, most: int = MOST_REQUESTS) -> None:
        self._inside, self._largest = inside, largest
        self._places = asyncio.Semaphore(most)

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        status = 404 if not scope.get("path", "").startswith((_FOR_SITES, _HEALTH)) else self._too_large(scope)
        if scope["type"] == "http" and not status:
            async with self._places:  # whoever waits here has not been read
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._inside(scope, receive, send), LONGEST_S)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})

    def _too_large(self, scope: Scope) -> int:
        """0, or the status of the refusal; a request that does not say its length is refused as well."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"" if scope["method"] == "POST" else b"0")
        if not length.isdigit() or b"transfer-encoding" in headers:
            return 411
        return 413 if int(length) > self._largest else 0


class MachineSecret(NoOpControlAuthnPlugin):
    """Control for whoever can read this machine's secret: the account that the server runs as."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def validate_tokens_in_metadata(
        self, metadata: Sequence[tuple[str, str | bytes]]
    ) -> tuple[bool, AccountInfo | None]:
        given = str(dict(metadata).get(ACCESS_TOKEN_KEY, ""))
        known = hmac.compare_digest(given.encode(), self._token.encode())
        return known, AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME) if known else None


def _settings(folder: FederationFolder, host: str, port: int) -> SuperLinkLifespanConfig:
    files = (folder.authority, folder.certificate, folder.certificate_key)
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host=host,
        port=port,
        insecure=False,
        certificates=(files[0].read_bytes(), files[1].read_bytes(), files[2].read_bytes()),
        superexec_auth_secret=folder.executor_secret.read_bytes(),
        authn_plugin=MachineSecret(folder.control_secret.read_bytes().hex()),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE,
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=str(files[0]),
        ssl_certfile=str(files[1]),
        ssl_keyfile=str(files[2]),
        database=str(folder.database.resolve()),
        isolation="process",
        runtime_dependency_install=False,
    )


class Sizes:
    """Bytes that came in each upload; the oldest are forgotten."""

    def __init__(self) -> None:
        self._bytes = dict[str, int]()

    def add(self, session: str, count: int) -> int:
        """All bytes of an upload, with these."""
        self._bytes[session] = self._bytes.pop(session, 0) + count
        if len(self._bytes) > _SESSIONS:
            del self._bytes[next(iter(self._bytes))]
        return self._bytes[session]


def change_flower() -> None:
    """Take the two places of Flower that are ours; ends the process where they are not as they were in 1.41.

    A part of a message that is sent again, since its sender was cut off before it heard that it had come, is refused
    there; the sender then gives up the message, and whoever waits for it does so for three minutes. And the parts of a
    message are bounded one by one, not together: one that grows too large is forgotten.
    """
    store = state.SqlCoreState.store_object
    if not hasattr(state, "OBJECT_PUSH_SESSION_TTL_SECONDS") or not hasattr(state.SqlCoreState, _FORGET):
        sys.exit("this Flower is another than the one that Confide was made for")
    sizes = Sizes()

    def stored(self: Any, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
        if sizes.add(session_id, len(object_content)) > LARGEST_MESSAGE:
            getattr(self, _FORGET)(session_id, cleanup_messages=True)
            return False
        known = store(self, run_id, session_id, object_id, object_content)
        return known or self.object_store.get(object_id) == object_content

    state.OBJECT_PUSH_SESSION_TTL_SECONDS = UPLOAD_S
    state.SqlCoreState.store_object = stored


async def _serve(folder: FederationFolder, host: str, port: int, private_port: int) -> None:
    settings = _settings(folder, host, port)
    inside = create_app(settings, SuperLinkLifespan)
    tls = {"ssl_certfile": settings.ssl_certfile, "ssl_keyfile": settings.ssl_keyfile}
    private = uvicorn.Config(inside, LOOPBACK, private_port, access_log=False, lifespan="on", **tls)
    public = uvicorn.Config(PublicDoor(inside), host, port, access_log=False, lifespan="off", **tls)
    await asyncio.gather(uvicorn.Server(private).serve(), uvicorn.Server(public).serve())


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--workspace", "--host"):
        parser.add_argument(name, required=True)
    for name in ("--port", "--private-port", "--parent"):
        parser.add_argument(name, type=int, required=True)
    chosen = parser.parse_args()
    start_parent_process_monitor(chosen.parent)
    change_flower()
    folder = Workspace(Path(chosen.workspace)).server.federation
    asyncio.run(_serve(folder, chosen.host, chosen.port, chosen.private_port))


if __name__ == "__main__":
    main()
