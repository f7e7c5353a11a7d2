"""Options that several commands share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policies.errors import InputError
from policies.workspace import SERVER, Home, SiteHome, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from policies.access import Action, Purpose
    from policies.guard import Server, Site
    from policies.keys import PublicKey
    from policies.models import SignedModel

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="CONFIDE_WORKSPACE",
        help="Folder of policy, keys, logs and models. \\[default: ./confide-workspace]",
        show_default=False,
    ),
]
SiteOption = Annotated[str | None, typer.Option("--site", help="The hospital; not needed where there is only one.")]
SitesOption = Annotated[str | None, typer.Option("--site", help="Only this hospital. \\[default: all of them]")]
KeyOption = Annotated[
    Path | None, typer.Option(help="The site's public key (PEM). \\[default: of the site in this workspace]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def chosen_site(workspace: Workspace, name: str | None) -> Site:
    """The site that was asked for, or the only one.

    Raises:
        InputError: there is none, no such one, or more than one to choose from.
    """
    from policies.guard import open_site

    return open_site(workspace, _one_of(workspace.sites(), name).name)


def site_with(workspace: Workspace, name: str | None, what: str, holds: Callable[[SiteHome], bool]) -> Site:
    """The site that was asked for, or the one of several that holds `what`; raises InputError where not exactly one."""
    sites = workspace.sites()
    if name is None and len(sites) > 1:
        found = [site for site in sites if holds(site)]
        if len(found) != 1:
            how_many = f"more than one site ({_names(found)})" if found else "no site"
            hint = f"Name the site with --site; there are {_names(sites)}."
            raise InputError(f"{how_many} of this workspace has {what}", hint)
        name = found[0].name
    return chosen_site(workspace, name)


def chosen_homes(workspace: Workspace, name: str | None) -> list[Home]:
    """The site (or the server) that was asked for, or all that have keys; raises InputError where there is none."""
    homes = [home for home in (*workspace.sites(), workspace.server) if home.keys.is_dir()]
    chosen = [home for home in homes if name in (None, home.name)]
    if not chosen:
        known = ", ".join(home.name for home in homes) or "none yet"
        raise InputError(f"no keys and no log{f' of {name!r}' if name else ''} here", f"There are: {known}.")
    return chosen


def opened(workspace: Workspace, home: Home, *, any_layout: bool = False) -> Server | Site:
    """A site or the server, with its keys and its guard; `any_layout` as `open_site` has it."""
    from policies.guard import open_server, open_site

    if home.name == SERVER:
        return open_server(workspace, any_layout=any_layout)
    return open_site(workspace, home.name, any_layout=any_layout)


def chosen_sites(workspace: Workspace, name: str | None) -> tuple[SiteHome, ...]:
    """The site that was asked for, or all of them; raises InputError where there is none."""
    return (_one_of(workspace.sites(), name),) if name else _some(workspace.sites())


def chosen_key(site: str, key: Path | None, workspace: Path | None) -> PublicKey:
    """A site's public key from a file, or of the site in this workspace.

    Raises:
        InputError: the file cannot be read.
        IntegrityError: it holds no key, or there is none.
    """
    from policies.keys import open_public
    from policies.notes import read_key

    if key is None:
        folder = Workspace.find(workspace).site(site).keys
        if not folder.is_dir():
            hint = "Name the site's public key with --key; it is the file public.pem beside its others."
            raise InputError(f"signed by '{site}', which is no site of this workspace", hint)
        return open_public(folder, site)
    return read_key(key, site)


def chosen_purpose(workspace: Workspace, code: str, action: Action) -> Purpose:
    """Raises InputError for a code for which the access policy lets nobody do this."""
    from policies.access import Purpose, decide
    from policies.guard import access_of
    from policies.policy import Role

    access = access_of(workspace)
    allowed = [purpose for purpose in Purpose if decide("anybody", Role, action, purpose, access=access).permitted]
    if code not in allowed:
        raise InputError(f"'{code}' is no purpose for this", f"Use one of: {', '.join(allowed)}.")
    return Purpose(code)


def chosen_model(workspace: Workspace, name: str) -> SignedModel:
    """A model of this name, verified.

    Raises:
        InputError: there is none.
        IntegrityError: it does not verify.
    """
    from policies.models import open_model
    from policies.workspace import checked_name

    folder = workspace.models / checked_name(name, "model")
    if not folder.is_dir():
        raise InputError(f"there is no model '{name}' in this workspace", "Run 'confide models list' to see them.")
    return open_model(folder, workspace.trusted)


def _one_of(sites: tuple[SiteHome, ...], name: str | None) -> SiteHome:
    found = [site for site in _some(sites) if name in (None, site.name)]
    if len(found) > 1:  # one without a vault was named once and never filled: no reason to ask which one is meant
        found = [site for site in found if site.vault.is_dir()]
    if len(found) == 1:
        return found[0]
    if name is None:
        raise InputError(f"there are several sites ({_names(sites)})", "Name one with --site.")
    raise InputError(f"there is no site '{name}'", f"The sites of this workspace: {_names(sites)}.")


def _names(sites: Iterable[SiteHome]) -> str:
    return ", ".join(site.name for site in sites)


def _some(sites: tuple[SiteHome, ...]) -> tuple[SiteHome, ...]:
    if not sites:
        raise InputError("there is no site in this workspace yet", "Run 'confide deid IN OUT' first.")
    return sites
