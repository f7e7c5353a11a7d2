"""confide database: ledger, accounts and sessions in PostgreSQL."""

from __future__ import annotations

import typer

from dashboard.options import WorkspaceOption

app = typer.Typer(no_args_is_help=True, help="Ledger, accounts and sessions: in files, or in PostgreSQL.")


@app.callback()
def _root() -> None:
    pass


@app.command()
def move(workspace: WorkspaceOption = None) -> None:
    """Move the files of ledger, accounts and sessions into the PostgreSQL database that $CONFIDE_DATABASE names.

    Stop what runs before. Each file stays beside, under its name with '.moved'.

    [dim]Example: confide database move[/]
    """
    import os

    from dashboard.console import say
    from dashboard.options import chosen_homes, opened
    from policies.access import Action, Purpose
    from policies.database import VARIABLE, load
    from policies.errors import InputError
    from policies.events import Event
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    if not os.environ.get(VARIABLE):
        raise InputError(f"${VARIABLE} names no database", "Set it to postgresql+psycopg://USER@HOST/NAME.")
    holders = [opened(place, home) for home in chosen_homes(place, None)]
    for holder in holders:
        holder.guard.permit(Action.MANAGE_KEYS, Purpose.OPERATIONS)
    tables = dict(place.tables)
    for home in place.sites():
        tables |= home.tables
    files = {file: url for file, url in tables.items() if file.exists()}
    for file, url in files.items():
        rows = load(file, url)
        file.rename(file.with_name(f"{file.name}.moved"))
        say(f"{file.relative_to(place.root)}: {rows} rows moved")
    for holder in holders:
        holder.guard.record(Event.DATABASE_MOVED, files=len(files))
    say(f"{len(files)} files moved; from now on every command and service needs ${VARIABLE}")
