"""confide users: the accounts with which people sign in to the dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from policies.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Accounts of the dashboard; what each may do stands in the policy file.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As it stands under [people] in the policy file.")]
GenerateOption = Annotated[bool, typer.Option("--generate", help="Make a password up and print it, once.")]


@app.command()
def add(name: NameArgument, generate: GenerateOption = False, workspace: WorkspaceOption = None) -> None:
    """Make an account; the password is asked for, or read from a pipe.

    [dim]Example: confide users add asmith[/]
    """
    from dashboard.console import say
    from dashboard.signin import account_changed, accounts
    from policies.policy import load_policy

    place, actor = _managed(workspace)
    password = _password(name, generate)
    accounts(place).add(name, password)
    account_changed(place, actor, name, "added")
    say(f"account {name}: made" + (f", password {password}" if generate else ""))
    if not load_policy(place.policy).people.get(name):
        say("it has no role yet, so no page opens: name it under [people] in the policy file")


@app.command("list")
def list_all(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Every account, its roles, and which are locked.

    [dim]Example: confide users list[/]
    """
    import json

    from dashboard.console import table
    from dashboard.signin import accounts
    from policies.policy import load_policy

    place, _ = _managed(workspace)
    policy = load_policy(place.policy)
    rows = [
        {
            "name": own.name,
            "roles": sorted(policy.people.get(own.name, ())),
            "password_of": f"{own.changed:%Y-%m-%d}",
            "wrong_passwords": own.tries,
            "locked_until": own.locked_until.isoformat(timespec="minutes") if own.locked_until else "",
        }
        for own in accounts(place, policy).all()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        cells = [[", ".join(value) if isinstance(value, list) else value for value in row.values()] for row in rows]
        table(
            "accounts of the dashboard", ("account", "roles", "password of", "wrong passwords", "locked until"), cells
        )


@app.command()
def password(name: NameArgument, generate: GenerateOption = False, workspace: WorkspaceOption = None) -> None:
    """Another password; it unlocks the account, and ends its sessions.

    [dim]Example: confide users password asmith --generate[/]
    """
    from dashboard.console import say
    from dashboard.signin import account_changed, accounts, sessions

    place, actor = _managed(workspace)
    chosen = _password(name, generate)
    accounts(place).change(name, chosen)
    sessions(place).end_all(name)
    account_changed(place, actor, name, "password")
    say(f"account {name}: password changed, its sessions ended" + (f"; password {chosen}" if generate else ""))


@app.command()
def unlock(name: NameArgument, workspace: WorkspaceOption = None) -> None:
    """Let an account that was locked after wrong passwords try again.

    [dim]Example: confide users unlock asmith[/]
    """
    from dashboard.console import say
    from dashboard.signin import account_changed, accounts

    place, actor = _managed(workspace)
    accounts(place).unlock(name)
    account_changed(place, actor, name, "unlocked")
    say(f"account {name}: unlocked")


@app.command()
def remove(name: NameArgument, workspace: WorkspaceOption = None) -> None:
    """Delete an account and end its sessions; what it did stays in the log.

    [dim]Example: confide users remove asmith[/]
    """
    from dashboard.console import say
    from dashboard.signin import account_changed, accounts, sessions

    place, actor = _managed(workspace)
    accounts(place).remove(name)
    sessions(place).end_all(name)
    account_changed(place, actor, name, "removed")
    say(f"account {name}: removed")


def _managed(workspace: Path | None) -> tuple[Workspace, str]:
    """The workspace and who manages its accounts, if the access policy lets this account."""
    from dashboard.signin import guards
    from policies.access import Action, Purpose
    from policies.guard import account_name
    from policies.policy import load_policy
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    actor = account_name(load_policy(place.policy).people)
    for guard in guards(place, actor):
        guard.permit(Action.MANAGE_ACCOUNTS, Purpose.OPERATIONS)
    return place, actor


def _password(name: str, generate: bool) -> str:
    import getpass

    from dashboard.signin import new_password

    if generate:
        return new_password()
    if not (sys.stdin and sys.stdin.isatty()):
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"Password of {name}: ")
    if first != getpass.getpass("Once more: "):
        raise InputError("the two passwords differ", "Run the command again.")
    return first
