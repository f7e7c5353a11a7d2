"""confide keys: see a hospital's keys, put them under a passphrase, change them, and hand out the public one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, WorkspaceOption, chosen_homes, opened
from policies.errors import InputError
from policies.workspace import Workspace

if TYPE_CHECKING:
    from policies.guard import Server, Site
    from policies.rotation import Rotation

app = typer.Typer(no_args_is_help=True, help="See, protect, change and export the keys of a hospital or the server.")
HolderArgument = Annotated[str, typer.Argument(metavar="SITE", help="The hospital, or 'server'.")]


@app.command("list")
def list_all(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Whose keys there are, how each is kept, and what is to be done; needs no passphrase and shows no secret.

    [dim]Example: confide keys list[/]
    """
    import json

    from dashboard.console import table
    from dashboard.view.keys import told

    found = [told(home) for home in chosen_homes(Workspace.existing(workspace), None)]
    if as_json:
        typer.echo(json.dumps(found))
    else:
        table("keys", tuple(found[0]), [(*row.values(),) for row in found])


@app.command()
def protect(
    site: HolderArgument,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the new passphrase, its owner's only. \\[default: asked twice]")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Take the passphrase off.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Put the keys under a passphrase (Argon2id), or under another one, or under none.

    Commands then take it from $CONFIDE_PASSPHRASE or the file in $CONFIDE_PASSPHRASE_FILE, or ask for it.

    [dim]Example: confide keys protect north --passphrase-file passphrase.txt[/]
    """
    from dashboard.console import say
    from policies import rotation
    from policies.events import Event
    from policies.keyfile import Kept
    from policies.passphrase import new_passphrase, read_passphrase

    holder = _managed(workspace, site)
    new = None if off else read_passphrase(passphrase_file) if passphrase_file else new_passphrase()
    kept = Kept.FILE if off else Kept.PASSPHRASE
    record = partial(holder.guard.record, Event.KEY_ROTATED, kind="protection", kept=kept)
    rotation.protect(holder.home.keys, site, new, record)
    say(f"the keys of {site} are {'under no passphrase' if off else 'under this passphrase'} from now on")


@app.command()
def rotate(
    site: HolderArgument,
    signing: Annotated[bool, typer.Option("--signing", help="The key that signs; the old one signs the new.")] = False,
    wrapping: Annotated[bool, typer.Option("--wrapping", help="The key that wraps each patient's data key.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Change a key; one that was interrupted is finished by the same command. Stop what runs at this site first.

    What was signed before still verifies. A new wrapping key is taken from $CONFIDE_KEK_NEXT, where that is set.

    [dim]Example: confide keys rotate north --signing[/]
    """
    from dashboard.console import say
    from policies.keyfile import Kept, kept_as
    from policies.notes import Verifier
    from policies.workspace import SiteHome
    from privacy.vault.originals import rewrap_all

    if signing == wrapping:
        raise InputError("which key is to be changed?", "Say --signing or --wrapping, one of both.")
    changing = _rotation(workspace, site)
    home = changing.home
    if signing:
        say(f"{site} signs with {Verifier(changing.signing().public).vkey} from now on")
        return
    vaults = home.vaults if isinstance(home, SiteHome) else ()
    changing.wrapping(lambda old, new: rewrap_all(vaults, old, new))
    say(f"every data key of {site} is wrapped by a new key")
    if kept_as(home.ring) is Kept.ENVIRONMENT:
        say("set $CONFIDE_KEK to what is in $CONFIDE_KEK_NEXT now; the key before it opens nothing any more")


@app.command("export-public")
def export_public(
    site: HolderArgument,
    out: Annotated[Path, typer.Option(help="File to write (PEM); beside it one that ends in .vkey.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write the public key for others: as PEM, former keys after it, and as a verifier key (C2SP signed-note).

    [dim]Example: confide keys export-public north --out north.pem[/]
    """
    from dashboard.console import say
    from policies.events import Event
    from policies.files import write_whole
    from policies.keys import public_key_pem
    from policies.notes import Verifier

    if out.suffix == ".vkey":
        raise InputError("this is where the verifier key goes", "Name a .pem file.", file=out)
    holder = _managed(workspace, site)
    key, vkey = holder.keys.public, Verifier(holder.keys.public).vkey
    holder.guard.record(Event.KEY_EXPORTED, key=vkey)
    write_whole(out, public_key_pem(key))
    write_whole(out.with_suffix(".vkey"), f"{vkey}\n".encode())
    say(f"wrote {out} and {out.with_suffix('.vkey')}: {vkey}")


def _managed(workspace: Path | None, name: str) -> Server | Site:
    """A holder whose keys this account may manage."""
    from policies.access import Action, Purpose

    place = Workspace.existing(workspace)
    holder = opened(place, chosen_homes(place, name)[0])
    holder.guard.permit(Action.MANAGE_KEYS, Purpose.OPERATIONS)
    return holder


def _rotation(workspace: Path | None, name: str) -> Rotation:
    """A change of a key; one that was begun was permitted, and the log may stand under the new key already."""
    from policies.guard import account_name
    from policies.policy import load_policy
    from policies.rotation import Rotation

    place = Workspace.existing(workspace)
    policy, home = load_policy(place.policy), chosen_homes(place, name)[0]
    begun = Rotation(home, account_name(policy.people), {"policy": policy.digest})
    return begun if begun.unfinished() else Rotation(home, _managed(workspace, name).guard.actor, begun.facts)
