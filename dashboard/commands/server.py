"""confide server: found a federation of machines, invite hospitals, admit them, and run its server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption

if TYPE_CHECKING:
    from federated.node.state import State
    from federated.provision.roster import Roster
    from policies.workspace import Workspace

DEFAULT_PORT = 9092
ForegroundOption = Annotated[
    bool, typer.Option("--foreground", help="Stay in this terminal, as a service manager wants it.")
]
app = typer.Typer(no_args_is_help=True, help="The server of a federation: certificates, invitations, start and stop.")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Name of the federation.")],
    host: Annotated[str, typer.Option(help="Name or IP address by which the hospitals reach this machine.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="The one port that is open to them.")] = DEFAULT_PORT,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a federation: its certificate authority, the server's certificate and the secrets of its processes.

    [dim]Example: confide server init --name cardio --host cardio.example.org[/]
    """
    from dashboard.console import say
    from federated.provision.founding import found
    from policies.guard import open_server
    from policies.workspace import Workspace

    roster = found(open_server(Workspace.existing(workspace)), name, host, port)
    say(f"federation '{roster.federation}' at {roster.address}; next, for each hospital: confide server invite SITE")


@app.command()
def invite(
    site: Annotated[str, typer.Argument(help="Name of the hospital, as it calls itself in its own workspace.")],
    out: Annotated[Path, typer.Option(help="File to send to it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write an invitation for a hospital, with every public key that is known by now.

    [dim]Example: confide server invite north --out north.invitation[/]
    """
    from dashboard.console import say
    from federated.provision.founding import invite as invited
    from federated.provision.founding import read_roster
    from policies.files import write_whole
    from policies.guard import open_server
    from policies.workspace import Workspace

    server = open_server(Workspace.existing(workspace))
    write_whole(out, invited(server, site))
    say(f"wrote {out}; send it to '{site}', by mail or on a stick: nothing in it is secret")
    _say_fingerprint(read_roster(server))


@app.command()
def admit(
    reply: Annotated[Path, typer.Argument(help="The file that a hospital sent back.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Take a hospital's public keys; its node is let in at once where the server runs.

    [dim]Example: confide server admit north.reply[/]
    """
    from dashboard.console import say
    from federated.provision.founding import admit as admitted
    from policies.guard import open_server
    from policies.workspace import Workspace

    roster = admitted(open_server(Workspace.existing(workspace)), reply)
    say(f"admitted; the federation knows {', '.join(sorted(member.name for member in roster.members))}")
    _say_fingerprint(roster)


@app.command()
def dismiss(
    site: Annotated[str, typer.Argument(help="Name of the hospital.")], workspace: WorkspaceOption = None
) -> None:
    """Let a hospital's node in no more. The others get new invitations and compare once more.

    [dim]Example: confide server dismiss north[/]
    """
    from dashboard.console import say
    from federated.progress import unfinished
    from federated.provision.founding import dismiss as dismissed
    from policies.guard import open_server
    from policies.workspace import Workspace

    roster = dismissed(server := open_server(Workspace.existing(workspace)), site)
    for plan, done in unfinished(server, site):
        say(f"attention: plan {plan.digest[:16]} needs '{site}', and ends at round {done} of {plan.rounds}")
    _say_fingerprint(roster)
    others = ", ".join(sorted(roster.invited))
    say(f"next: 'confide server invite' for each of {others}, and each joins again, comparing this fingerprint")


@app.command()
def start(
    listen: Annotated[str, typer.Option(help="Address of this machine on which hospitals are served.")] = "0.0.0.0",  # noqa: S104  # the door for sites
    metrics: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of this machine's loopback for Prometheus: /metrics.")
    ] = None,
    foreground: ForegroundOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Start the server, and keep it running.

    [dim]Example: confide server start[/]
    """
    from dashboard.console import say
    from federated.node.service import run_server
    from federated.node.supervise import start_detached, stop_on_signals
    from federated.provision.founding import read_roster
    from policies.guard import open_server
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    server = open_server(place)
    roster = read_roster(server)
    if foreground:
        run_server(server, place, listen, stop_on_signals(), metrics)
    else:
        words = ["server", "start", "--listen", listen, *(["--metrics", str(metrics)] if metrics else [])]
        start_detached(server.home.federation, foreground_of(place, *words))
        say(f"the server of '{roster.federation}' runs at {roster.address}; 'confide server status' shows who is there")


@app.command()
def stop(workspace: WorkspaceOption = None) -> None:
    """End the server; runs in hand end with it, and go on with the next one of the same plan.

    [dim]Example: confide server stop[/]
    """
    from dashboard.console import say
    from federated.node.state import stop_supervisor
    from policies.workspace import Workspace

    stopped = stop_supervisor(Workspace.existing(workspace).server.federation)
    say("stopped" if stopped else "the server did not run")


@app.command()
def status(workspace: WorkspaceOption = None) -> None:
    """Show the federation, who is connected and whether the server is well (code 8 where it is not).

    [dim]Example: confide server status[/]
    """
    from dashboard.console import say, table
    from federated.node.link import online_nodes
    from federated.node.service import running_link
    from federated.node.state import read_state
    from federated.provision.authority import RENEW_DAYS, valid_until
    from federated.provision.founding import read_roster
    from policies.guard import open_server
    from policies.workspace import Workspace

    server = open_server(Workspace.existing(workspace))
    roster, state = read_roster(server), read_state(server.home.federation)
    online = online_nodes(running_link(server)) if state and state.healthy else {}
    rows = []
    for name in sorted(roster.invited):
        member = roster.member(name)
        connected = bool(member) and online.get(member.node.encode() if member else b"", False)
        rows.append((name, "known" if member else "awaited", "yes" if connected else "no"))
    say(f"federation '{roster.federation}' at {roster.address}")
    ends = valid_until(server.home.federation).date()
    say(f"certificate until {ends}; a start in its last {RENEW_DAYS} days renews it")
    table("sites", ("site", "keys", "connected"), rows)
    _say_fingerprint(roster)
    say_state(state, "server")


def foreground_of(workspace: Workspace, *words: str) -> list[str]:
    """The command of this installation that stays in the foreground."""
    import sys

    root = str(workspace.root.resolve())
    return [sys.executable, "-P", "-m", "dashboard", *words, "--foreground", "--workspace", root]


def say_state(state: State | None, what: str) -> None:
    """Show the processes of a supervisor; raises StorageError where they are not well."""
    from dashboard.console import say, table
    from policies.errors import StorageError

    if state is None:
        raise StorageError(f"the {what} does not run", f"Run 'confide {what} start'.")
    rows = [
        (child.name, child.pid or "-", "well" if child.healthy else "not well", child.restarts, child.last_exit or "-")
        for child in state.children
    ]
    say(f"running since {state.since}")
    table("processes", ("process", "pid", "health", "restarts", "last code"), rows)
    if state.note:
        say(f"attention: {state.note}")
    if not state.healthy:
        raise StorageError(f"the {what} is not well", "Look into the logs beside its keys, in federation/logs.")


def _say_fingerprint(roster: Roster) -> None:
    from dashboard.console import say

    if roster.missing:
        say(f"awaited: {', '.join(roster.missing)}; there is a fingerprint to compare when all have replied")
    elif roster.members:
        say(f"fingerprint, to read to every hospital over the telephone:\n{roster.fingerprint}")
