"""What the first visitor of a page would wait for, opened while nobody waits."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from policies.errors import ConfideError
from policies.guard import open_site
from policies.retention import logged_releases
from policies.workspace import Workspace


def warm(workspace: Workspace) -> Thread:
    """Read the logs and open what reads notes, beside the server; what fails here is said where it is needed."""
    thread = Thread(target=_open_all, args=(workspace,), daemon=True)
    thread.start()
    return thread


def _open_all(workspace: Workspace) -> None:
    for home in workspace.sites():
        with suppress(ConfideError):
            site = open_site(workspace, home.name)
            logged_releases(site.home.audit, site.keys.public)
            if home.vault.is_dir():
                from clinical.gateway import warm_up  # brings torch and Presidio

                warm_up(site, None)
