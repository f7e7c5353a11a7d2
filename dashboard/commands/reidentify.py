"""confide reidentify: who a pseudonym is, for a purpose, after a second person agreed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_purpose, chosen_site, site_with
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.guard import Site
    from privacy.vault.person import Person
    from privacy.vault.reidentification import Request

_SHORT = 12
app = typer.Typer(
    no_args_is_help=True, help="Learn who a pseudonym is: one person asks, another agrees, and each step is logged."
)
RequestArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The request, as 'confide reidentify list' names it.")
]


@app.command()
def request(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    purpose: Annotated[str, typer.Option(help="Purpose of use by its HL7 code: TREAT, PATSFTY, PATRQT or HLEGAL.")],
    reason: Annotated[str, typer.Option(help="Why; whoever approves reads it. It is kept sealed, never in the log.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Ask to learn who one patient is. A compliance officer with another account decides.

    [dim]Example: confide reidentify request 0f3c51d2a7b84e6690c1d2e3f4a5b6c7 --purpose TREAT --reason "late result"[/]
    """
    from dashboard.console import say
    from policies.access import Action
    from privacy.vault import reidentification

    place = Workspace.existing(workspace)
    wanted = chosen_purpose(place, purpose, Action.REQUEST_REIDENTIFICATION)
    asked = reidentification.request(chosen_site(place, site), patient, wanted, reason)
    say(f"request {asked.id}: now another person runs 'confide reidentify approve {asked.id}' or refuses it")


@app.command()
def approve(request_id: RequestArgument, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Agree to another person's request; it then holds for as many hours as the policy says.

    [dim]Example: confide reidentify approve 5f0c2a9be417[/]
    """
    from dashboard.console import say
    from privacy.vault import reidentification

    asked = reidentification.approve(_opened(request_id, site, workspace), request_id)
    say(f"request {asked.id} approved: {asked.requester} may see the patient until {asked.expires}")


@app.command()
def refuse(
    request_id: RequestArgument,
    reason: Annotated[str, typer.Option(help="Why; the requester reads it. It is kept sealed, never in the log.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Refuse another person's request.

    [dim]Example: confide reidentify refuse 5f0c2a9be417 --reason "the chart has it"[/]
    """
    from dashboard.console import say
    from privacy.vault import reidentification

    asked = reidentification.refuse(_opened(request_id, site, workspace), request_id, reason)
    say(f"request {asked.id} refused")


@app.command()
def show(
    request_id: RequestArgument,
    text: Annotated[
        typer.FileText | None,
        typer.Option(
            encoding="utf-8", help="A de-identified text with \\[NAME:...] of this patient ('-' reads it from stdin)."
        ),
    ] = None,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show who the patient of an approved request is, or a text with this patient's values; each time is logged.

    [dim]Example: confide reidentify show 5f0c2a9be417[/]
    """
    from dashboard.console import say, table
    from privacy.vault import reidentification

    opened = _opened(request_id, site, workspace)
    if text is None:
        table(f"request {request_id}", ("what", "value"), _rows(reidentification.open_patient(opened, request_id)))
    else:
        say(reidentification.open_tokens(opened, request_id, text.read()))


@app.command("list")
def list_all(as_json: JsonOption = False, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Your own requests; everybody's, if you may approve them.

    [dim]Example: confide reidentify list[/]
    """
    import json
    from dataclasses import asdict

    from dashboard.console import say, table
    from privacy.vault.reidentification import list_requests

    found = list_requests(chosen_site(Workspace.existing(workspace), site))
    if as_json:
        typer.echo(json.dumps([asdict(asked) for asked in found]))
    elif not found:
        say("no request")
    else:
        columns = ("request", "patient", "purpose", "asked by", "state", "until (UTC)", "reason")
        table("re-identification", columns, [_row(asked) for asked in found])


def _opened(request_id: str, site: str | None, workspace: Path | None) -> Site:
    place = Workspace.existing(workspace)
    return site_with(place, site, f"a request '{request_id}'", lambda home: home.request(request_id).exists())


def _row(asked: Request) -> tuple[str, ...]:
    state = f"{asked.state} by {asked.decider}" if asked.decider else str(asked.state)
    until = asked.expires[:16] + " (over)" * asked.expired
    reason = f"{asked.reason} (refused: {asked.refusal})" if asked.refusal else asked.reason
    return asked.id, asked.patient[:_SHORT], asked.purpose, asked.requester, state, until, reason


def _rows(person: Person) -> list[tuple[str, str]]:
    single = [("name", person.name), ("birth date", person.birth_date), ("gender", person.gender)]
    several = (("identifier", person.identifiers), ("contact", person.telecom), ("address", person.addresses))
    rows = [*single, *((what, value) for what, values in several for value in values)]
    return [(what, value) for what, value in rows if value]
