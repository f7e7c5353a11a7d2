"""How a home on disk is laid out: what an earlier version wrote is used after `confide upgrade`, a later one's never.

| layout | since |
| --- | --- |
| 1 | the first version |
| 2 | care teams say which patients a clinician sees |
"""

from __future__ import annotations

from policies.errors import PolicyError
from policies.files import storage_errors, write_whole
from policies.workspace import Home

LAYOUT = 2
_FIRST = 1  # which was written nowhere


def layout_of(home: Home) -> int:
    """The layout of a home; raises PolicyError where the file that says it was edited."""
    with storage_errors(home.layout):
        if not home.layout.exists():
            return _FIRST if home.audit.exists() else LAYOUT
        said = home.layout.read_bytes().strip()
    if not said.isdigit():
        raise PolicyError(f"{home.layout}: holds no number of a layout", "Put it back from a backup.")
    return int(said)


def say_layout(home: Home) -> None:
    """Write that a home has the layout of this version."""
    write_whole(home.layout, f"{LAYOUT}\n".encode())


def refuse_other(home: Home) -> None:
    """Raises PolicyError for a home that another version of Confide wrote, unless nothing is in it yet."""
    found = layout_of(home)
    if found < LAYOUT:
        raise PolicyError(
            f"{home.root}: written by an earlier version (layout {found}, not {LAYOUT})",
            "Run 'confide upgrade BACKUP': it makes a backup and brings everything up to date.",
        )
    if found > LAYOUT:
        raise PolicyError(
            f"{home.root}: written by a later version (layout {found}, not {LAYOUT})", "Install that version."
        )
