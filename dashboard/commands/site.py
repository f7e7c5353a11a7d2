"""confide site: a hospital's part in a federation of machines: join, approve a plan, run its node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.commands.server import ForegroundOption, foreground_of, say_state
from dashboard.options import SiteOption, WorkspaceOption, chosen_site, site_with
from policies.errors import InputError

if TYPE_CHECKING:
    from policies.guard import Site
    from policies.workspace import Workspace

_DIGITS_OF_A_YES = 8
app = typer.Typer(no_args_is_help=True, help="A hospital's node: join a federation, approve plans, start and stop.")


@app.command()
def init(
    site: Annotated[str, typer.Argument(help="Name of the hospital.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="Replace its node's key; it has to join again.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make the keys of a hospital and of its node.

    [dim]Example: confide site init north[/]
    """
    from dashboard.console import say
    from federated.provision.membership import make_node
    from policies.guard import open_site
    from policies.workspace import Workspace

    make_node(open_site(Workspace.existing(workspace), site), new_key=new_key)
    say(f"site '{site}' has its keys; when its invitation has come: confide site join INVITATION")


@app.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="The file that the server's administrator sent.")],
    out: Annotated[Path | None, typer.Option(help="File to send back. \\[default: SITE.reply]")] = None,
    fingerprint: Annotated[
        str | None, typer.Option(help="The digits as they were read to you. \\[default: ask for them]")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Answer an invitation; the one that knows everybody is believed once its fingerprint was compared by telephone.

    [dim]Example: confide site join north.invitation[/]
    """
    from dashboard.console import say
    from federated.provision.documents import read_invitation
    from federated.provision.membership import confirm, knows, reply_to
    from policies.files import write_whole
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    read = read_invitation(invitation)
    site, roster = chosen_site(place, read.site), read.roster
    if not knows(site, roster):
        reply = out or Path(f"{site.name}.reply")
        write_whole(reply, reply_to(site, read))
        say(f"wrote {reply}; send it to the server's administrator, and join once more when all have replied")
        return
    say(f"federation '{roster.federation}' at {roster.address}: {', '.join(sorted(roster.invited))}")
    # Not shown before it is typed: what stands on the screen is easily copied instead of heard.
    heard = fingerprint or typer.prompt("Call the server's administrator, and type the digits that you are read")
    confirm(site, place, read, heard)
    say(f"joined; the fingerprint is the same:\n{roster.fingerprint}\nnext: confide site start")


@app.command()
def offer(
    data: Annotated[Path, typer.Argument(metavar="DEID", help="Folder that 'confide deid' wrote.")],
    counts: Annotated[int, typer.Option(min=1, help="Drafts that may count its patients from now on.")] = 1,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Let the federation's drafts count the patients of a folder, with noise, at a small cost in epsilon each.

    [dim]Example: confide site offer deid/north[/]
    """
    from clinical.manifest import read_manifest
    from dashboard.console import say
    from federated.proposals import offer as offered
    from policies.workspace import Workspace

    chosen = _member(Workspace.existing(workspace), site)
    read_manifest(data, chosen.keys.public)
    offered(chosen, data, counts)
    say(f"'{chosen.name}' counts {data} for {counts} more draft{'s' if counts > 1 else ''}")
    say("next: 'confide site status' shows a plan when the server proposes one")


@app.command()
def approve(
    plan: Annotated[
        str, typer.Argument(help="First digits of a proposed plan, or its file. \\[default: the newest proposal]")
    ] = "",
    data: Annotated[
        Path | None, typer.Argument(metavar="[DEID]", help="Its folder. \\[default: the one that was offered]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve PLAN without asking.")] = False,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read a plan in plain words and agree to it; the approval is signed and logged, and the cohort prepared.

    [dim]Example: confide site approve 413eefb3[/]
    """
    from dashboard.console import progress, say
    from federated.approval import approve as approved
    from federated.parties import check_known
    from federated.plan import read_plan
    from federated.proposals import is_approved, offered, proposed
    from federated.site_round import plan_classifier, prepare
    from federated.study import budget_after
    from policies.releases import epsilon_text
    from policies.workspace import Workspace

    if yes and len(plan) < _DIGITS_OF_A_YES and not Path(plan).is_file():
        raise InputError(
            f"--yes needs {_DIGITS_OF_A_YES} digits of the plan that it approves: a newer one could have come",
            "Give the first digits of the plan that you read; 'confide site status' shows those of the newest.",
        )
    place = Workspace.existing(workspace)
    chosen = _member(place, site)
    read = read_plan(Path(plan)) if Path(plan).is_file() else proposed(chosen, plan)
    if is_approved(chosen, read.digest):
        say(f"plan {read.digest[:16]} is approved here already; nothing was changed")
        return
    folder = data or offered(chosen)
    check_known(chosen, read)
    say(read.in_words(chosen.name))
    before, after = budget_after([chosen], read)
    say(f"It brings the epsilon of each patient from {epsilon_text(before)} to {epsilon_text(after)}, for good.")
    if not yes:
        typer.confirm("Approve this plan?", abort=True)
    approved(chosen, read, folder)
    with progress() as bar:
        task = bar.add_task("preparing", total=None)
        prepare(
            chosen,
            read,
            plan_classifier(read),
            lambda windows: bar.update(task, total=windows),
            lambda windows: bar.advance(task, windows),
        )
    say(f"approved plan {read.digest[:16]}; this site takes part as long as its node runs")


@app.command()
def start(site: SiteOption = None, foreground: ForegroundOption = False, workspace: WorkspaceOption = None) -> None:
    """Start this hospital's node, and keep it running.

    [dim]Example: confide site start[/]
    """
    from dashboard.console import say
    from federated.node.service import run_site
    from federated.node.supervise import start_detached, stop_on_signals
    from federated.provision.membership import membership
    from federated.provision.probe import why_unreachable
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    chosen = _member(place, site)
    roster = membership(chosen)
    if foreground:
        run_site(chosen, place, stop_on_signals())
        return
    start_detached(chosen.home.federation, foreground_of(place, "site", "start", "--site", chosen.name))
    say(f"the node of '{chosen.name}' runs, for federation '{roster.federation}'")
    if reason := why_unreachable(roster.address, chosen.home.federation.authority):
        say(f"attention: {reason}; it goes on trying")


@app.command()
def stop(site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """End this hospital's node; a message in hand is answered first.

    [dim]Example: confide site stop[/]
    """
    from dashboard.console import say
    from federated.node.state import stop_supervisor
    from policies.workspace import Workspace

    stopped = stop_supervisor(_member(Workspace.existing(workspace), site).home.federation)
    say("stopped" if stopped else "the node did not run")


@app.command()
def status(site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Show the federation of this hospital, the newest plan, and whether its node is well (code 8 where it is not).

    [dim]Example: confide site status[/]
    """
    from dashboard.console import say
    from federated.node.state import read_state
    from federated.provision.membership import membership
    from policies.workspace import Workspace

    chosen = _member(Workspace.existing(workspace), site)
    roster = membership(chosen)
    say(f"'{chosen.name}' in federation '{roster.federation}' at {roster.address}: {', '.join(sorted(roster.invited))}")
    say(f"fingerprint {roster.fingerprint}")
    _say_plan(chosen)
    _say_refusal(chosen)
    say_state(read_state(chosen.home.federation), "site")


def _say_plan(site: Site) -> None:
    """The plan that the server proposed last, and whether this hospital agreed to it."""
    from dashboard.console import say
    from federated.proposals import is_approved, proposed

    try:
        digest = proposed(site).digest
    except InputError:
        return
    waits = f"waits for you: confide site approve {digest[:8]}"
    say(f"plan {digest[:16]} {'is approved here' if is_approved(site, digest) else waits}")


def _say_refusal(site: Site) -> None:
    """What this hospital refused last, or failed at, as its log says; the server is told a code alone."""
    from dashboard.console import say
    from federated.refusing import REFUSALS, recent_entries
    from policies.events import Event

    for entry in reversed(recent_entries(site)):
        if entry.event in (Event.UPDATE_RELEASED, Event.RECEIPT_CHECKED):
            return  # what was refused before that was mended
        if entry.event in REFUSALS and "reason" in entry.details:  # an error that is not ours has none
            say(f"refused {entry.time[:19].replace('T', ' ')} UTC: {entry.details['reason']}")
            return


def _member(workspace: Workspace, site: str | None) -> Site:
    return site_with(workspace, site, "joined a federation", lambda home: home.federation.roster.exists())
