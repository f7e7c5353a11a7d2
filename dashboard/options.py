"""Options that several commands share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policies.errors import InputError
from policies.workspace import SiteHome, Workspace

if TYPE_CHECKING:
    from policies.access import Purpose
    from policies.guard import Site
    from policies.keys import PublicKey

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
PurposeOption = Annotated[
    str, typer.Option(help="Purpose of use by its HL7 code: TREAT, PATSFTY, PATRQT, HLEGAL; the access policy decides.")
]
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


def chosen_sites(workspace: Workspace, name: str | None) -> tuple[SiteHome, ...]:
    """The site that was asked for, or all of them; raises InputError where there is none."""
    return (_one_of(workspace.sites(), name),) if name else _some(workspace.sites())


def chosen_key(site: str, key: Path | None, workspace: Path | None) -> PublicKey:
    """A site's public key from a file, or of the site in this workspace.

    Raises:
        InputError: the file cannot be read.
        IntegrityError: it holds no key, or there is none.
    """
    from policies.keys import open_keys, public_key_from_pem

    if key is None:
        return open_keys(Workspace.find(workspace).site(site).keys, site).public
    try:
        return public_key_from_pem(site, key.read_bytes())
    except OSError:
        raise InputError("cannot be read", "Name the site's public key.", file=key) from None


def chosen_purpose(code: str) -> Purpose:
    """Raises InputError for a code that is no purpose of use."""
    from policies.access import Purpose

    if code not in list(Purpose):
        raise InputError(f"no purpose '{code}'", f"Use one of: {', '.join(Purpose)}.")
    return Purpose(code)


def _one_of(sites: tuple[SiteHome, ...], name: str | None) -> SiteHome:
    # A site without a vault was named once and never filled: no reason to ask which one is meant.
    named = [site for site in _some(sites) if name == site.name or (name is None and site.vault.is_dir())]
    if len(named) == 1:
        return named[0]
    known = ", ".join(site.name for site in sites)
    if name is None:
        raise InputError(f"there are several sites ({known})", "Name one with --site.")
    raise InputError(f"there is no site '{name}'", f"The sites of this workspace: {known}.")


def _some(sites: tuple[SiteHome, ...]) -> tuple[SiteHome, ...]:
    if not sites:
        raise InputError("there is no site in this workspace yet", "Run 'confide deid IN OUT' first.")
    return sites
