"""confide audit: query the logs; what verifies, hands out and examines them stands in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.commands import audit_accounting, audit_exports, audit_reviews, audit_verify
from dashboard.logs import (
    ActorOption,
    EventOption,
    LogOption,
    OutcomeOption,
    PatientOption,
    PurposeOption,
    SinceOption,
    UntilOption,
    permitted,
)
from dashboard.options import JsonOption, WorkspaceOption
from policies.wording import counted
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.events import Entry

app = typer.Typer(no_args_is_help=True, help="Verify, query, export and review the audit logs.")
app.command()(audit_verify.verify)


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
    from policies.exports.handing_out import found
    from policies.exports.query import Filter, facts_of

    asked = Filter(since, until, event, actor, patient, purpose, outcome)
    every = found(permitted(Workspace.existing(workspace), site, Action.VIEW_AUDIT), asked)
    shown = every[-limit:]
    if as_json:
        typer.echo(json.dumps([{"log": name, **_row(entry)} for name, entry in shown]))
        return
    rows = [(name, one.sequence, one.time[:19], one.actor, one.event, facts_of(one.details)) for name, one in shown]
    newest = f"the newest {limit} of " if len(shown) < len(every) else ""
    title = f"{newest}{counted(len(every), 'entry')}"
    table(title, ("log", "number", "time (UTC)", "actor", "event", "details"), rows)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "time": entry.time,
        "actor": entry.actor,
        "event": entry.event,
        "details": entry.details,
    }


app.command()(audit_exports.export)
app.command()(audit_exports.check)
app.command()(audit_exports.send)
app.command()(audit_accounting.accounting)
app.command()(audit_accounting.disclosed)
app.command()(audit_reviews.review)
app.command()(audit_reviews.reviews)
app.command()(audit_reviews.prune)
