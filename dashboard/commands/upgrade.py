"""confide upgrade: bring a workspace of an earlier version up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.options import WorkspaceOption, chosen_homes, opened


def upgrade(
    out: Annotated[Path, typer.Argument(metavar="BACKUP", help="File to write a backup to, first of all.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Bring a workspace that an earlier version wrote up to date, after a backup of it.

    Stop what runs ('confide site stop', 'confide server stop', the dashboard) and install the new version first.

    [dim]Example: confide upgrade before-2026-11-23.tar[/]
    """
    from dashboard.console import say
    from policies.layout import LAYOUT
    from policies.workspace import Workspace
    from privacy.upgrade import upgrade as upgraded

    place = Workspace.existing(workspace)
    holders = [opened(place, home, any_layout=True) for home in chosen_homes(place, None)]
    done = upgraded(place, holders, out)
    for one in done:
        say(f"{one.holder}: layout {one.before} -> {LAYOUT}")
        for change in one.changes:
            say(f"attention: {change}")
    say(f"wrote {out}" if done else "everything is of this version already: nothing was changed, and no backup written")
