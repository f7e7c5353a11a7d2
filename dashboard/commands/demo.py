"""confide demo: the whole road with one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Stop before the dashboard starts.")] = False,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Made anew at each run.")] = Path("confide-demo"),
    patients: Annotated[int, typer.Option(min=150, help="Patients of each hospital.")] = 500,
    workers: Annotated[int, typer.Option(min=1, help="Processes that de-identify.")] = 2,
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65535, help="Of the dashboard. \\[default: the first free one from 8501]"),
    ] = None,
) -> None:
    """Three synthetic hospitals de-identify, train together under differential privacy, and a clinician reads a note.

    [dim]Example: confide demo --headless[/]
    """
    import time

    from dashboard.commands.dashboard import dashboard
    from dashboard.console import say
    from dashboard.demo import run, step
    from dashboard.signin import accounts, new_password
    from policies.guard import account_name
    from policies.workspace import Workspace

    began = time.monotonic()
    run(workspace, patients, workers)
    say(f"\nthe road took {time.monotonic() - began:.0f} s; its workspace is {workspace}")
    say(f"look into it with, for instance: confide audit verify -w {workspace}")
    if not headless:
        step(7, "the pages for clinicians, hospital IT and compliance officers")
        account, password = account_name(), new_password()
        accounts(Workspace(workspace)).add(account, password)
        say(f"sign in as {account} with the password {password}")
        dashboard(port, workspace=workspace)
