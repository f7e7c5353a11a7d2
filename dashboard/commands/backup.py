"""confide backup and restore: ledger, log, keys, approvals and policies of one moment in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.options import SitesOption, WorkspaceOption, chosen_homes, opened
from policies.errors import InputError


def backup(
    out: Annotated[Path, typer.Argument(help="File to write; only you may read it.")],
    site: SitesOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write ledger, log, keys, approvals, policies and models into one signed file, also while others work.

    Patients' data (vault, caches) is not in it. Keys are in it as they are kept: put them under a passphrase first.

    [dim]Example: confide backup confide-2026-11-22.tar[/]
    """
    from dashboard.console import say
    from policies.backup import back_up
    from policies.keyfile import Kept, kept_as
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    holders = [opened(place, home) for home in chosen_homes(place, site)]
    made = back_up(place, holders, out)
    for one in made:
        say(f"{one.holder}: {len(one.files)} files, with a log of {one.entries} entries")
    say(f"wrote {out}")
    if bare := [holder.home.name for holder in holders if kept_as(holder.home.ring) is Kept.FILE]:
        say(
            f"attention: the keys of {', '.join(bare)} are under no passphrase, so this file opens what they sealed; "
            "lock it away, or run 'confide keys protect' and back up anew"
        )
    if secrets := [name for one in made for name in one.open_secrets]:
        say(f"attention: the node's and the server's own keys lie open in it ({', '.join(secrets)}); lock it away")


def restore(
    file: Annotated[Path, typer.Argument(help="What 'confide backup' wrote.")],
    head: Annotated[
        list[Path] | None,
        typer.Option(help="A tree head that was seen: audit/checkpoint of the old folder, or a witness's 'cosigned'."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Put a backup back where nothing is, once every digest, signature, log and ledger in it was verified.

    A ledger behind its log is refused, and a log behind a tree head that somebody has seen. Where it was interrupted,
    the same command goes on.

    [dim]Example: confide restore confide-2026-11-22.tar --workspace /srv/confide/workspace[/]
    """
    from dashboard.console import say
    from policies.restore import restore as restored
    from policies.workspace import Workspace
    from privacy.training.budget import check_bookings

    for path in head or []:
        if not path.is_file():
            raise InputError("there is no tree head here", "Name a file 'checkpoint' or 'cosigned'.", file=path)
    place = Workspace.find(workspace)
    for one in restored(place, file, check_bookings, [path.read_bytes() for path in head or []]):
        say(f"{one.holder}: {len(one.files)} files of {one.made}, with a log of {one.entries} entries")
    say(f"restored to {place.root}; what was done or spent after the backup is in neither ledger nor log")
