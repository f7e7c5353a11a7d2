"""confide care-team: say who treats whom; a clinician reads the notes of these patients, and of no others."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.care_team import Member

_MOST = 20  # bad lines that are shown
app = typer.Typer(
    no_args_is_help=True,
    help="Say who treats whom: a clinician reads the notes of these patients, and of no others.",
)
PatientArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATIENT",
        help="Record number, id in the export where there is no number, or pseudonym; '*' is every patient.",
        show_default=False,
    ),
]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="'*' is every account.", show_default=False)]


@app.command("import")
def read(
    file: Annotated[Path, typer.Argument(help="CSV with the columns patient and account, as the other commands.")],
    whole: Annotated[bool, typer.Option("--replace", help="Take out what the file does not have.")] = False,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read a list of who treats whom; lines that cannot be used are named, and the rest counts.

    [dim]Example: confide care-team import teams.csv --replace --site north[/]
    """
    from dashboard.console import say
    from policies.wording import counted
    from privacy.care_teams import import_list

    done = import_list(chosen_site(Workspace.existing(workspace), site), file, whole=whole)
    say(f"{counted(done.lines, 'line')} read: {counted(done.added, 'row')} put in, {done.removed} taken out")
    for number, why in islice(done.bad.items(), _MOST):
        say(f"{file}, line {number}: {why}")
    if done.bad:
        many = counted(len(done.bad), "line counts", "lines count")
        raise InputError(f"{many} for nobody", "Correct them and import the list again; rows are kept once.", file=file)


@app.command()
def add(
    patient: PatientArgument, account: AccountArgument, site: SiteOption = None, workspace: WorkspaceOption = None
) -> None:
    """Put an account on the care team of a patient.

    [dim]Example: confide care-team add 7852774 anna.brandt[/]
    """
    from dashboard.console import say
    from privacy import care_teams

    new = care_teams.add(chosen_site(Workspace.existing(workspace), site), patient, account)
    for row in new:
        say(f"{_who(row)} now treats {_whom(row)}")
    if not new:
        say("that stands in the list already")


@app.command()
def remove(
    patient: PatientArgument, account: AccountArgument, site: SiteOption = None, workspace: WorkspaceOption = None
) -> None:
    """Take an account off the care team of a patient; it takes effect at once.

    [dim]Example: confide care-team remove 7852774 anna.brandt[/]
    """
    from dashboard.console import say
    from privacy import care_teams

    opened = chosen_site(Workspace.existing(workspace), site)
    for row in care_teams.remove(opened, patient, account):
        still = opened.guard.care_teams.treats(row.account, row.patient)
        say(
            f"{_who(row)} no longer treats {_whom(row)}" + (", but by another row with '*' still does" if still else "")
        )


@app.command("list")
def list_all(as_json: JsonOption = False, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Who treats whom, by pseudonym.

    [dim]Example: confide care-team list --site north[/]
    """
    import json

    from dashboard.console import say, table
    from privacy.care_teams import members

    opened = chosen_site(Workspace.existing(workspace), site)
    rows = members(opened)
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in rows]))
    elif not rows:
        say("nobody treats anybody; 'confide care-team import' reads a list, 'confide care-team add' adds a row")
    else:
        table(f"care teams at {opened.name}", ("patient", "account"), rows)


def _who(row: Member) -> str:
    return "every account" if row.account == "*" else f"'{row.account}'"


def _whom(row: Member) -> str:
    return "every patient" if row.patient == "*" else f"patient {row.patient}"
