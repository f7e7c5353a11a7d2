"""confide audit: people examine the log (45 CFR 164.312(b)) and sign off, and what is old is deleted by rule."""

from __future__ import annotations

from typing import Annotated

import typer

from dashboard.logs import (
    ActorOption,
    EventOption,
    OneLogOption,
    OutcomeOption,
    PatientOption,
    PurposeOption,
    SinceOption,
    UntilOption,
    one_permitted,
)
from dashboard.options import JsonOption, WorkspaceOption
from policies.wording import counted
from policies.workspace import Workspace


def review(
    finding: Annotated[
        str | None, typer.Option(help="What you found; kept sealed. \\[default: asked after the sample is shown]")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, max=1000, help="How many entries to look at, drawn at random.")] = 20,
    since: SinceOption = "",
    until: UntilOption = "",
    event: EventOption = "",
    actor: ActorOption = "",
    patient: PatientOption = "",
    purpose: PurposeOption = "",
    outcome: OutcomeOption = "",
    site: OneLogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Look at a random sample of entries and say in writing what you found; your account signs it off in the log.

    [dim]Example: confide audit review --sample 20 --outcome refused --since 2026-01-01[/]
    """
    from dashboard.console import say, table
    from policies.access import Action
    from policies.exports.handing_out import found
    from policies.exports.query import Filter, facts_of
    from policies.exports.reviews import draw, sign_off

    asked = Filter(since, until, event, actor, patient, purpose, outcome)
    holder = one_permitted(Workspace.existing(workspace), site, Action.VIEW_AUDIT)
    entries = [entry for _, entry in found([holder], asked)]
    drawn = draw(entries, sample)
    rows = [(entry.sequence, entry.time[:19], entry.actor, entry.event, facts_of(entry.details)) for entry in drawn]
    title = f"{len(drawn)} of {counted(len(entries), 'entry')}"
    table(title, ("number", "time (UTC)", "actor", "event", "details"), rows)
    text = finding if finding is not None else typer.prompt("What did you find?")
    signed = sign_off(holder, asked, len(entries), drawn, text)
    say(f"the review stands in the log of {holder.home.name} as entry {signed.sequence}")


def reviews(as_json: JsonOption = False, site: OneLogOption = None, workspace: WorkspaceOption = None) -> None:
    """Who reviewed the log, when, which entries, and what was found.

    [dim]Example: confide audit reviews[/]
    """
    import json
    from dataclasses import asdict

    from dashboard.console import say, table
    from policies.access import Action
    from policies.exports.reviews import reviews_of
    from policies.logview import look

    holder = one_permitted(Workspace.existing(workspace), site, Action.VIEW_AUDIT)
    view = look(holder.home.audit, holder.keys.public)
    rows = reviews_of(holder, view, view.entries())
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
    elif not rows:
        say("nobody has reviewed this log yet")
    else:
        shown = [(row.entry, row.time[:19], row.reviewer, f"{len(row.sample)} of {row.found}", row.query, row.finding)
                 for row in rows]  # fmt: skip
        table("reviews", ("entry", "time (UTC)", "reviewer", "looked at", "asked for", "finding"), shown)


def prune(
    before: Annotated[str, typer.Option(help="Delete what is older than this day (YYYY-MM-DD, UTC).")],
    site: OneLogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete old entries, as far as the policy's 'audit.keep_years' lets; releases are carried forward first.

    The hashes stay, so that the log and every proof still verify; that entries were deleted stands in the log.

    [dim]Example: confide audit prune --before 2020-01-01[/]
    """
    from dashboard.console import say
    from policies.access import Action
    from policies.retention import prune as delete
    from policies.typed import day_of

    day = day_of(before)
    holder = one_permitted(Workspace.existing(workspace), site, Action.PRUNE_AUDIT)
    done = delete(holder.guard.log, day, holder.guard.policy.audit.keep_years)
    say(f"{counted(done.until - done.first, 'entry')} deleted, {done.carried} carried forward")
