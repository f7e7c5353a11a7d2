"""confide break-glass: read what a refusal or a care team keeps closed, for a reason, for minutes, reviewed after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.grants import Grant
    from policies.guard import Site

_SHORT = 12
app = typer.Typer(
    no_args_is_help=True,
    help="In an emergency: read notes against a refusal, or of another care team's patient; it is logged and reviewed.",
)


@app.command()
def start(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    reason: Annotated[str, typer.Option(help="Why; whoever reviews it reads it. It is kept sealed, never in the log.")],
    minutes: Annotated[int, typer.Option(min=1, max=240, help="How long it holds.")] = 30,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Break the glass: for some minutes your account may read notes that a refusal or another care team closes.

    [dim]Example: confide break-glass start 0f3c51d2a7b84e6690c1d2e3f4a5b6c7 --reason "unconscious, allergies?"[/]
    """
    from dashboard.console import say
    from privacy.vault import break_glass

    opened = chosen_site(Workspace.existing(workspace), site)
    grant = break_glass.start(opened, patient, reason, minutes)
    say(
        f"grant {grant.id}: you may read this patient's notes until {grant.expires}; a review by another person follows"
    )


@app.command("list")
def list_all(as_json: JsonOption = False, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Your own grants; everybody's, if you may review them.

    [dim]Example: confide break-glass list[/]
    """
    import json

    from dashboard.console import say, table
    from privacy.vault.break_glass import visible

    opened = chosen_site(Workspace.existing(workspace), site)
    found = [_told(opened, grant) for grant in visible(opened)]
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        say("nobody broke the glass")
    else:
        table("broken glass", ("grant", "patient", "by", "until (UTC)", "state", "reason"), map(_row, found))


@app.command()
def end(
    grant: Annotated[str, typer.Argument(metavar="ID", help="Your grant, as 'confide break-glass list' names it.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """End your access before its time, once the emergency is over; the review is still owed.

    [dim]Example: confide break-glass end 5f0c2a9be417[/]
    """
    from dashboard.console import say
    from privacy.vault import break_glass

    done = break_glass.end(chosen_site(Workspace.existing(workspace), site), grant)
    say(f"grant {done.id} is over; a review by another person follows")


@app.command()
def review(
    grant: Annotated[str, typer.Argument(metavar="ID", help="The grant, as 'confide break-glass list' names it.")],
    finding: Annotated[str, typer.Option(help="What you found. It is kept sealed, never in the log.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say in writing whether breaking the glass was justified; for a compliance officer who is not the one who did it.

    [dim]Example: confide break-glass review 5f0c2a9be417 --finding "justified: seen in the emergency room"[/]
    """
    from dashboard.console import say
    from privacy.vault import break_glass

    done = break_glass.review(chosen_site(Workspace.existing(workspace), site), grant, finding)
    say(f"grant {done.id} of {done.actor} is reviewed")


def _told(site: Site, grant: Grant) -> dict[str, str]:
    from privacy.vault.break_glass import reveal

    reason, finding = reveal(site, grant)
    state = f"reviewed by {grant.reviewer}" if grant.reviewed else "open" if grant.active else "over, not reviewed"
    return {
        "id": grant.id, "patient": grant.patient, "by": grant.actor, "started": grant.started,
        "until": grant.expires, "state": state, "reason": reason, "finding": finding,
    }  # fmt: skip


def _row(told: dict[str, str]) -> tuple[str, ...]:
    reason = f"{told['reason']} (found: {told['finding']})" if told["finding"] else told["reason"]
    return told["id"], told["patient"][:_SHORT], told["by"], told["until"][:16], told["state"], reason
