"""confide serve: decision support for record systems (CDS Hooks)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError, PolicyError, StorageError

if TYPE_CHECKING:
    import socket


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine it wants --cert.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8443,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate with its chain (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve CDS Hooks (patient-view) for the record systems under \\[hooks.clients] of the policy, until Ctrl-C.

    [dim]Example: confide serve --site north --host 0.0.0.0 --cert cds.pem --key cds.key[/]
    """
    import logging
    import signal

    import uvicorn

    from dashboard.console import say
    from dashboard.hooks.app import create_app
    from dashboard.hooks.service import Service
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    hooks = opened.guard.policy.hooks
    if not hooks.clients:
        hint = "Name one under [hooks.clients] of the policy file; docs/policy.md says how."
        raise PolicyError("no record system is trusted, so every call would be refused", hint)
    _check_transport(host, cert, key)
    base = (hooks.url or f"{'https' if cert else 'http'}://{host}:{port}").rstrip("/")
    service = Service(place, opened, base)
    logging.getLogger("uvicorn").disabled = True  # a trace could show text of a record
    logging.getLogger("uvicorn.error").disabled = True
    config = uvicorn.Config(
        create_app(service), ssl_certfile=cert, ssl_keyfile=key, log_config=None, access_log=False, server_header=False,
        limit_concurrency=64, timeout_keep_alive=5, timeout_graceful_shutdown=10,
    )  # fmt: skip
    listener = _listener(host, port)
    try:
        config.load()
    except (OSError, ValueError):  # ssl.SSLError is one
        raise InputError(
            "certificate and key cannot be used", "Name PEM files that belong together.", file=cert
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a plain kill ends it as Ctrl-C does
    service.warm_up()
    say(f"CDS Hooks for {', '.join(sorted(hooks.clients))}: {base}/cds-services   (Ctrl-C ends it)")
    try:
        with opened.guard.log.running("cds-hooks"):
            uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        say("stopped")


def _check_transport(host: str, cert: Path | None, key: Path | None) -> None:
    """CDS Hooks wants TLS; without it nothing leaves this machine, where a proxy may add it."""
    import ipaddress

    if (cert is None) != (key is None):
        raise InputError("a certificate needs its key, and a key its certificate", "Give both --cert and --key.")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if cert is None and not loopback:
        raise InputError(f"notes would go to and from '{host}' in the clear", "Give --cert and --key.")


def _listener(host: str, port: int) -> socket.socket:
    import socket

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        raise StorageError(
            f"{host}, port {port}: cannot listen here", "Choose another with --port or --host."
        ) from None
    return listener
