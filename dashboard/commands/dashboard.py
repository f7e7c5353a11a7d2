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
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the dashboard on this machine until Ctrl-C.

    [dim]Example: confide dashboard --port 8600[/]
    """
    import signal

    from dashboard.console import say
    from dashboard.launch import address, free_port, start
    from policies.policy import load_policy
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    load_policy(place.policy)
    chosen = port or free_port()
    process = start(place, chosen)
    say(f"dashboard: {address(chosen)}   (Ctrl-C ends it)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a plain kill ends the pages as Ctrl-C does
    try:
        process.wait()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        process.terminate()
