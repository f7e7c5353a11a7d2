"""confide audit: verify and query the logs; what is handed out and what is examined stand in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.commands import audit_exports, audit_reviews
from dashboard.logs import (
    ActorOption,
    EventOption,
    LogOption,
    OutcomeOption,
    PatientOption,
    PurposeOption,
    SinceOption,
    UntilOption,
    found,
    key_of,
    permitted,
)
from dashboard.options import JsonOption, WorkspaceOption, chosen_homes
from policies.errors import InputError
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.events import Entry
    from policies.keys import PublicKey
    from policies.workspace import SiteHome

_SHORT = 110
app = typer.Typer(no_args_is_help=True, help="Verify, query, export and review the audit logs.")


@app.command()
def verify(
    witnesses: Annotated[
        bool, typer.Option("--witnesses", help="Also check that as many other hospitals signed as the policy wants.")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(help="The log's key, got by another way, for one --site. \\[default: the one beside it]"),
    ] = None,
    site: LogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Check every entry and the signed tree head of one log, or of all logs; exits with 7 where one fails.

    What verifies and yet wants a look (a gap, a silent process, a clock that went back) is printed as a warning.

    [dim]Example: confide audit verify[/]
    """
    from dashboard.console import say
    from policies.audit import verify as check
    from policies.notes import Verifier, read_key
    from policies.workspace import SiteHome
    from privacy.training.budget import check_bookings

    if key and not site:
        raise InputError("a key is that of one log", "Name it with --site.")
    place = Workspace.existing(workspace)
    for home in chosen_homes(place, site):
        own = read_key(key, home.name) if key else key_of(home)
        findings = check(home.audit, own)
        if isinstance(home, SiteHome):
            check_bookings(home, own)
        for warning in findings.warnings:
            say(f"warning: {home.name}: {warning}")
        size, head = findings.signed.size, findings.signed.root.hex()[:16] if findings.signed.size else "none"
        pruned = f" (those before {findings.first} were pruned)" if findings.first else ""
        say(f"{home.name}: {size} entries verified{pruned}, tree head {head}, key {Verifier(own).id.hex()}")
        if witnesses and isinstance(home, SiteHome):
            say(f"{home.name}: {_vouched(place, home, own)}")


@app.command()
def query(
    since: SinceOption = "",
    until: UntilOption = "",
    event: EventOption = "",
    actor: ActorOption = "",
    patient: PatientOption = "",
    purpose: PurposeOption = "",
    outcome: OutcomeOption = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
    site: LogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show entries of the logs, verified first.

    [dim]Example: confide audit query --event budget.spent --site north[/]
    """
    import json

    from dashboard.console import table
    from policies.access import Action
    from policies.exports.query import Filter

    asked = Filter(since, until, event, actor, patient, purpose, outcome)
    entries = found(permitted(Workspace.existing(workspace), site, Action.VIEW_AUDIT), asked)[-limit:]
    if as_json:
        typer.echo(json.dumps([{"log": name, **_row(entry)} for name, entry in entries]))
        return
    rows = [(name, entry.sequence, entry.time[:19], entry.actor, entry.event, _short(entry)) for name, entry in entries]
    table(f"{len(entries)} entries", ("log", "number", "time (UTC)", "actor", "event", "details"), rows)


def _vouched(workspace: Workspace, home: SiteHome, key: PublicKey) -> str:
    from datetime import UTC, datetime

    from policies.logview import look
    from policies.policy import load_policy
    from policies.witness import check_quorum

    view, rule = look(home.audit, key), load_policy(workspace.policy).witnesses
    found = check_quorum(view, home.cosigned, key, rule)
    if not found.names:
        return f"nobody signed it; {rule.needed} are needed"
    oldest = f"{datetime.fromtimestamp(found.oldest, UTC):%Y-%m-%d %H:%M} UTC"
    return (
        f"{', '.join(found.names)} signed its first {found.size} entries, the oldest signature is of {oldest}; "
        f"{view.size - found.size} entries came after; {rule.needed} are needed"
    )


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


app.command()(audit_exports.export)
app.command()(audit_exports.check)
app.command()(audit_exports.send)
app.command()(audit_exports.accounting)
app.command()(audit_reviews.review)
app.command()(audit_reviews.reviews)
app.command()(audit_reviews.prune)
