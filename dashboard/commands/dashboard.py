"""confide dashboard: the pages for clinicians, hospital IT and compliance officers."""

from __future__ import annotations

from typing import Annotated

import typer

from dashboard.options import WorkspaceOption


def dashboard(
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65535, help="Port on this machine. \\[default: the first free one from 8501]"),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Under which browsers reach it, where a proxy stands before it (deploy/).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the dashboard on this machine until Ctrl-C; 'confide users add NAME' makes an account to sign in with.

    [dim]Example: confide dashboard --port 8600[/]
    """
    import signal

    from dashboard.console import say
    from dashboard.launch import address, free_port, start
    from dashboard.signin import accounts
    from policies.policy import load_policy
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    load_policy(place.policy)
    chosen = port or free_port()
    process = start(place, chosen, url)
    say(f"dashboard: {url or address(chosen)}   (Ctrl-C ends it)")
    if not accounts(place).all() and not place.openid.exists():
        say("there is no account to sign in with yet: confide users add NAME")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a plain kill ends the pages as Ctrl-C does
    try:
        process.wait()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        process.terminate()
