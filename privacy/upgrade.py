"""What an earlier version wrote, brought up to date: a backup first, then one step after the other, each logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.access import Action, Purpose
from policies.backup import back_up
from policies.care_team import EVERY
from policies.errors import PolicyError
from policies.events import Event
from policies.guard import Server, Site
from policies.layout import LAYOUT, layout_of, say_layout
from policies.workspace import Workspace
from privacy.care_teams import add


@dataclass(frozen=True)
class Upgraded:
    """A home that was brought up to date: from which layout, and what changed for its people."""

    holder: str
    before: int
    changes: tuple[str, ...]


def upgrade(workspace: Workspace, holders: Sequence[Server | Site], out: Path) -> list[Upgraded]:
    """Back up all that is older than this version, then bring it up to date; killed anywhere, it is done once more.

    Args:
        holders: opened whatever their layout.
        out: the backup, which this version restores.

    Raises:
        AccessDenied: whoever asks may not manage keys, or care teams.
        InputError: the file of the backup exists.
        PolicyError: one was written by a later version.
    """
    for holder in holders:
        holder.guard.permit(Action.MANAGE_KEYS, Purpose.OPERATIONS)
    found = {holder.home.name: layout_of(holder.home) for holder in holders}
    if later := [name for name, layout in found.items() if layout > LAYOUT]:
        raise PolicyError(f"'{later[0]}' was written by a later version", "Install that version.")
    old = [holder for holder in holders if found[holder.home.name] < LAYOUT]
    if old:
        back_up(workspace, holders, out)
    return [_upgraded(holder, found[holder.home.name]) for holder in old]


def _upgraded(holder: Server | Site, before: int) -> Upgraded:
    holder.guard.record(Event.WORKSPACE_UPGRADED, before=before, after=LAYOUT)
    changes = [said for layout in range(before, LAYOUT) if (said := _STEPS[layout](holder))]
    say_layout(holder.home)
    return Upgraded(holder.home.name, before, tuple(changes))


def _care_teams(holder: Server | Site) -> str:
    """Before there were teams, every clinician of a hospital saw each of its patients."""
    if not isinstance(holder, Site):
        return ""
    add(holder, EVERY, EVERY)
    return (
        "every account with the role clinician is on the care team of every patient, as before; "
        "'confide care-team import' says who treats whom, and 'confide care-team remove \"*\" \"*\"' ends this"
    )


# What leads from each layout to the next; says what changed for people, or nothing.
_STEPS: dict[int, Callable[[Server | Site], str]] = {1: _care_teams}
