"""confide audit: verify, query and export the logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.options import JsonOption, SitesOption, WorkspaceOption
from policies.errors import InputError
from policies.workspace import SERVER

if TYPE_CHECKING:
    from policies.audit import Entry
    from policies.guard import Server, Site
    from policies.workspace import Home, Workspace

_SHORT = 110
app = typer.Typer(no_args_is_help=True, help="Verify, query and export the audit logs.")
EventOption = Annotated[str | None, typer.Option(help="Only this kind of event, for instance budget.spent.")]
ActorOption = Annotated[str | None, typer.Option(help="Only what this account did.")]
SinceOption = Annotated[str | None, typer.Option(help="Only from this day on (YYYY-MM-DD, UTC).")]


@app.command()
def verify(site: SitesOption = None, workspace: WorkspaceOption = None) -> None:
    """Check every entry and the signed tree head of one site's log, or of all logs; exits with 7 where one fails.

    [dim]Example: confide audit verify[/]
    """
    from dashboard.console import say
    from policies.audit import read_checkpoint, read_entries
    from policies.keys import open_keys
    from policies.workspace import SiteHome, Workspace
    from privacy.training.budget import check_bookings

    for home in _homes(Workspace.find(workspace), site):
        key = open_keys(home.keys, home.name).public
        entries, checkpoint = read_entries(home.audit, key), read_checkpoint(home.audit, key)
        root = checkpoint.root.hex()[:16] if checkpoint else "none"
        if isinstance(home, SiteHome):
            check_bookings(home, key)
        say(f"{home.name}: {len(entries)} entries verified, tree head {root}")


@app.command()
def query(
    event: EventOption = None,
    actor: ActorOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
    site: SitesOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show entries of the logs, verified first.

    [dim]Example: confide audit query --event budget.spent --site north[/]
    """
    import json

    from dashboard.console import table
    from policies.access import Action, Purpose
    from policies.workspace import Workspace

    place = Workspace.find(workspace)
    for home in _homes(place, site):
        _opened(place, home).guard.permit(Action.VIEW_AUDIT, Purpose.OPERATIONS)
    found = _found(place, site, event, actor, since)[-limit:]
    if as_json:
        typer.echo(json.dumps([{"log": name, **_row(entry)} for name, entry in found]))
        return
    rows = [(name, entry.sequence, entry.time[:19], entry.actor, entry.event, _short(entry)) for name, entry in found]
    table(f"{len(found)} entries", ("log", "number", "time (UTC)", "actor", "event", "details"), rows)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write: .ndjson or .csv.")],
    event: EventOption = None,
    actor: ActorOption = None,
    since: SinceOption = None,
    site: SitesOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write verified entries to a file; the export is itself logged.

    [dim]Example: confide audit export audit.csv --since 2026-01-01[/]
    """
    from dashboard.console import say
    from policies.access import Action, Purpose
    from policies.audit import Event
    from policies.files import write_whole
    from policies.workspace import Workspace

    place = Workspace.find(workspace)
    found = _found(place, site, event, actor, since)
    data = rendered(out.suffix, found)
    for home in _homes(place, site):
        opened = _opened(place, home)
        opened.guard.permit(Action.EXPORT_AUDIT, Purpose.OPERATIONS)
        opened.guard.record(
            Event.AUDIT_EXPORTED, format=out.suffix, filters={"event": event, "actor": actor, "since": since}
        )
    write_whole(out, data)
    say(f"wrote {len(found)} entries to {out}")


def rendered(suffix: str, found: list[tuple[str, Entry]]) -> bytes:
    """Entries as NDJSON or CSV.

    Raises:
        InputError: another suffix.
    """
    import csv
    import io

    from policies.files import canonical_json

    if suffix == ".ndjson":
        return b"".join(canonical_json({"log": name, **_row(entry)}) + b"\n" for name, entry in found)
    if suffix != ".csv":
        raise InputError(f"no export to '{suffix}'", "Name a file that ends in .ndjson or .csv.")
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["log", "sequence", "time", "actor", "event", "details"])
    for name, entry in found:
        details = canonical_json(entry.details).decode()
        writer.writerow([name, entry.sequence, entry.time, entry.actor, entry.event, details])
    return stream.getvalue().encode()


def _found(
    workspace: Workspace, site: str | None, event: str | None, actor: str | None, since: str | None
) -> list[tuple[str, Entry]]:
    from datetime import date

    from policies.audit import Event, read_entries
    from policies.keys import open_keys

    if since is not None:
        try:
            date.fromisoformat(since)
        except ValueError:
            raise InputError(f"'{since}' is no day", "Write it as YYYY-MM-DD.") from None
    if event is not None and event not in list(Event):
        raise InputError(f"no event '{event}'", f"Use one of: {', '.join(Event)}.")
    found = [
        (home.name, entry)
        for home in _homes(workspace, site)
        for entry in read_entries(home.audit, open_keys(home.keys, home.name).public)
        if event in (None, entry.event) and actor in (None, entry.actor) and (since is None or entry.time >= since)
    ]
    return sorted(found, key=lambda pair: pair[1].time)


def _opened(workspace: Workspace, home: Home) -> Server | Site:
    from policies.guard import open_server, open_site

    return open_server(workspace) if home.name == SERVER else open_site(workspace, home.name)


def _homes(workspace: Workspace, site: str | None) -> list[Home]:
    homes: list[Home] = [*workspace.sites()]
    if workspace.server.keys.is_dir():
        homes.append(workspace.server)
    chosen = [home for home in homes if site in (None, home.name)]
    if not chosen:
        known = ", ".join(home.name for home in homes) or "none yet"
        raise InputError(f"no log{f' of {site!r}' if site else ''} in {workspace.root}", f"Logs here: {known}.")
    return chosen


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "time": entry.time,
        "actor": entry.actor,
        "event": entry.event,
        "details": entry.details,
    }


def _short(entry: Entry) -> str:
    parts = (f"{key}={str(value)[:32]}" for key, value in sorted(entry.details.items()) if key != "policy")
    line = ", ".join(parts)
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"
