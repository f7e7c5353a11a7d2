"""confide policy: check what a hospital wrote, say it in words, and see what a change would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import SiteOption, SitesOption, WorkspaceOption, chosen_site, chosen_sites
from policies.errors import InputError
from policies.wording import counted
from policies.workspace import Workspace

if TYPE_CHECKING:
    from datetime import date

    from policies.decisions import Change
    from policies.guard import Site
    from policies.report import Facts

_MONTH = 30
app = typer.Typer(no_args_is_help=True, help="Check a policy, say it in plain words, replay it, and report from it.")


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="A policy (.toml) or an access policy (.cedar). \\[default: the workspace's]")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read policy files, name every bad line (code 3), and warn of what is likely to be a mistake.

    [dim]Example: confide policy check access.cedar[/]
    """
    import os

    from dashboard.console import say
    from policies.access import load_access
    from policies.decisions import people_warnings, warnings
    from policies.guard import access_of
    from policies.policy import load_policy, odd_values

    place = Workspace.find(workspace)
    if file is not None and file.suffix not in (".toml", ".cedar"):
        raise InputError("neither .toml nor .cedar", "Name a policy file or an access policy.", file=file)
    own = place.access if os.path.lexists(place.access) else "the installed access policy"
    access = load_access(file) if file and file.suffix == ".cedar" else access_of(place)
    found = [] if file and file.suffix == ".toml" else [f"{file or own}: {warning}" for warning in warnings(access)]
    if file is None or file.suffix == ".toml":
        policy = load_policy(file or place.policy)
        odd = (*people_warnings(policy, access), *odd_values(policy))
        found += [f"{file or place.policy}: {warning}" for warning in odd]
    for warning in found:
        say(f"warning: {warning}")
    say(f"{file or f'{place.policy} and {own}'}: valid, {counted(len(found), 'warning')}")


@app.command()
def explain(
    person: Annotated[str | None, typer.Option(help="Only what this account may do.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say who may do what for which purpose, found out by asking the access policy about every case.

    [dim]Example: confide policy explain --person alice[/]
    """
    from dashboard.console import say
    from policies.decisions import explain as may
    from policies.decisions import explain_policy
    from policies.guard import access_of, open_site
    from policies.policy import load_policy

    place = Workspace.existing(workspace)
    policy, access = load_policy(place.policy), access_of(place)
    if person is None:
        lines = explain_policy(policy, access)
    else:
        roles = policy.people.get(person, frozenset())
        lines = [
            f"{person} ({', '.join(sorted(roles)) or 'no role'}) may",
            *(f"  {line}" for line in may(roles, access, person)),
        ]
    for line in lines:
        say(line)
    for home in place.sites():
        if waiting := open_site(place, home.name).guard.grants.open_reviews():
            owed = counted(waiting, "break-glass grant awaits", "break-glass grants await")
            say(f"warning: {home.name}: {owed} review: 'confide break-glass list'")


@app.command()
def replay(
    proposed: Annotated[Path, typer.Option(help="The access policy (.cedar) that somebody proposes.")],
    since: Annotated[
        str | None, typer.Option(help="Decisions from this day on (YYYY-MM-DD, UTC). \\[default: the last 30 days]")
    ] = None,
    site: SitesOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Decide again what the log says was decided, under a proposed access policy, and print what would change.

    [dim]Example: confide policy replay --proposed access.cedar --since 2026-01-01[/]
    """
    from dashboard.console import say, table
    from policies.access import Action, Purpose, load_access
    from policies.audit import entries
    from policies.decisions import replay as decide_again
    from policies.guard import open_site

    place, access, first = Workspace.existing(workspace), load_access(proposed), _day(since).isoformat()
    for home in chosen_sites(place, site):
        opened = open_site(place, home.name)
        opened.guard.permit(Action.VIEW_AUDIT, Purpose.OPERATIONS)
        logged = (entry for entry in entries(home.audit, opened.keys.public) if entry.time >= first)
        found = decide_again(logged, access)
        changed = counted(len(found.changes), "kind")
        said = f"{home.name}: {counted(found.decisions, 'decision')} since {first}, {changed} would change"
        left_out = counted(found.left_out, "denial is", "denials are")
        say(said + (f"; {left_out} not the access policy's" if found.left_out else ""))
        if found.changes:
            columns = ("account", "action", "purpose", "would be", "rules then", "rules proposed", "times")
            table("what would change", columns, (_row(*change) for change in found.changes.items()))


@app.command()
def report(
    template: Annotated[
        str, typer.Option(help="dpia: impact assessment (GDPR 35(7)); data-use: annex of a data use agreement.")
    ],
    out: Annotated[Path, typer.Option(help="File to write (Markdown).")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Fill in a document from the policy, the ledger and the log; what people must write is marked.

    [dim]Example: confide policy report --template dpia --out dpia.md --site north[/]
    """
    from dashboard.console import say
    from policies.access import Action, Purpose
    from policies.files import write_whole
    from policies.report import Document, fill_in

    if template not in list(Document):
        raise InputError(f"no template '{template}'", f"Use one of: {', '.join(Document)}.")
    opened = chosen_site(Workspace.existing(workspace), site)
    opened.guard.permit(Action.VIEW_BUDGET, Purpose.OPERATIONS)
    text = fill_in(Document(template), opened.guard.policy, opened.guard.access, _facts(opened))
    write_whole(out, text.encode())
    places = counted(text.count("[WRITE"), "place is", "places are")
    say(f"wrote {out}: {places} for people to write")


def _facts(site: Site) -> Facts:
    from collections import Counter
    from datetime import UTC, datetime

    from policies.audit import entries
    from policies.releases import epsilon_text
    from policies.report import Facts
    from privacy.training.budget import open_ledger

    events = Counter(str(entry.event) for entry in entries(site.home.audit, site.keys.public))
    spent = epsilon_text(open_ledger(site).spent())
    return Facts(site.name, datetime.now(UTC).date(), spent, events, site.guard.grants.open_reviews())


def _day(since: str | None) -> date:
    from datetime import UTC, datetime, timedelta

    from policies.typed import day_of

    return day_of(since) if since else datetime.now(UTC).date() - timedelta(days=_MONTH)


def _row(change: Change, times: int) -> tuple[object, ...]:
    rules = (", ".join(found) or "none" for found in (change.before, change.after))
    verdict = "permitted" if change.permitted else "denied"
    return change.actor, change.action, change.purpose, verdict, *rules, times
