"""What the commands of the audit logs share: options that choose entries, and the verified entries that they choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import chosen_homes, opened
from policies.errors import InputError

if TYPE_CHECKING:
    from policies.access import Action
    from policies.guard import Server, Site
    from policies.keys import PublicKey
    from policies.workspace import Home, Workspace

LogOption = Annotated[
    str | None, typer.Option("--site", help="Only the log of this hospital, or of 'server'. \\[default: all of them]")
]
OneLogOption = Annotated[
    str | None,
    typer.Option("--site", help="The hospital whose log it is, or 'server'; not needed where there is only one log."),
]
SinceOption = Annotated[str, typer.Option(help="Only from this day on (YYYY-MM-DD, UTC).", show_default=False)]
UntilOption = Annotated[str, typer.Option(help="Only up to this day, with it (YYYY-MM-DD, UTC).", show_default=False)]
EventOption = Annotated[
    str, typer.Option(help="Only this kind of event, for instance budget.spent.", show_default=False)
]
ActorOption = Annotated[str, typer.Option(help="Only what this account did.", show_default=False)]
PatientOption = Annotated[str, typer.Option(help="Only what concerns this patient, by pseudonym.", show_default=False)]
PurposeOption = Annotated[
    str, typer.Option(help="Only for this purpose of use, for instance TREAT.", show_default=False)
]
OutcomeOption = Annotated[str, typer.Option(help="Only success, refused or failed.", show_default=False)]


def permitted(workspace: Workspace, name: str | None, action: Action) -> list[Server | Site]:
    """The holders of the logs that were asked for; raises AccessDenied where this account may not do this."""
    from policies.access import Purpose

    holders = [opened(workspace, home) for home in chosen_homes(workspace, name)]
    for holder in holders:
        holder.guard.permit(action, Purpose.OPERATIONS)
    return holders


def one_permitted(workspace: Workspace, name: str | None, action: Action) -> Server | Site:
    """The holder of one log; raises InputError where there are several to choose from."""
    homes = chosen_homes(workspace, name)
    if len(homes) > 1:
        raise InputError(f"there are several logs ({', '.join(home.name for home in homes)})", "Name one with --site.")
    return permitted(workspace, homes[0].name, action)[0]


def key_of(home: Home) -> PublicKey:
    """What verifies a log, without any secret."""
    from policies.keys import open_public

    return open_public(home.keys, home.name)
