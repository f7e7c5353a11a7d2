"""A site's side of joining: its node's key, its reply to an invitation, and the roster once a person compared it."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from pydantic import ValidationError

from federated.provision.documents import Invitation, write_reply
from federated.provision.roster import Roster, same_fingerprint
from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import OWNER_ONLY, sha256_hex, storage_errors, write_whole
from policies.guard import Site
from policies.keys import alone_in
from policies.models import trust
from policies.signed import read_signed, signed
from policies.workspace import Workspace

_MEMBERSHIP = "membership"
_SECRET_BYTES = 32
_PEM = serialization.Encoding.PEM


def make_node(site: Site, *, new_key: bool = False) -> None:
    """Make the key by which the server will know this site's node, and the secret of its processes, where they are not.

    Args:
        new_key: replace the node's key, as after a dismissal or a loss; the site has to join again.

    Raises:
        AccessDenied: whoever asks may not train.
    """
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    folder = site.home.federation
    with alone_in(folder.root):
        if new_key or not folder.node_key.exists():
            key = ec.generate_private_key(ec.SECP384R1())
            form = serialization.PrivateFormat.OpenSSH
            site.guard.record(Event.NODE_KEY_MADE, node=sha256_hex(_public_text(key.public_key()).encode()))
            write_whole(folder.node_key, key.private_bytes(_PEM, form, serialization.NoEncryption()), OWNER_ONLY)
        if not folder.executor_secret.exists():
            write_whole(folder.executor_secret, os.urandom(_SECRET_BYTES), OWNER_ONLY)


def reply_to(site: Site, invitation: Invitation) -> bytes:
    """This site's public keys for the server.

    Raises:
        InputError: the invitation is another site's, or this one has no node yet.
    """
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    _check_name(site, invitation)
    return write_reply(site.keys, invitation.roster.federation, _node_key(site))


def knows(site: Site, roster: Roster) -> bool:
    """Whether a roster has everybody's keys, and for this site its own; else it first needs a reply."""
    return not roster.missing and _is_own(site, roster)


def confirm(site: Site, workspace: Workspace, invitation: Invitation, heard: str) -> None:
    """Believe a roster whose fingerprint a person read out over the telephone; it is signed here, and kept.

    Args:
        heard: the fingerprint as the other person read it.

    Raises:
        AccessDenied: whoever asks may not train.
        InputError: the invitation is another site's, or names sites whose keys are not known yet.
        IntegrityError: the fingerprint is another, or the roster has other keys for this site than its own.
    """
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    _check_name(site, invitation)
    roster = invitation.roster
    if roster.missing:
        raise InputError(f"the keys of {', '.join(roster.missing)} are not known yet", "Wait for the next invitation.")
    if (given := sum(map(str.isdigit, heard))) != (whole := sum(map(str.isdigit, roster.fingerprint))):
        raise InputError(f"{given} digits were typed, of {whole}", "Type all twelve groups, as they are read to you.")
    if not same_fingerprint(heard, roster.fingerprint):
        raise IntegrityError(
            "the fingerprint that was read to you is not that of this invitation, so nothing of it is believed",
            "Compare once more, digit by digit; if they differ, somebody changed a file on its way.",
        )
    _check_own(site, roster)
    site.guard.record(Event.ROSTER_CONFIRMED, federation=roster.federation, fingerprint=roster.fingerprint)
    trust(workspace.trusted, roster.server_key)
    write_whole(site.home.federation.authority, roster.authority.encode())
    write_whole(site.home.federation.roster, signed(site.keys, _MEMBERSHIP, roster.model_dump()) + b"\n")


def membership(site: Site) -> Roster:
    """The roster that a person at this site compared.

    Raises:
        TrainingError: there is none.
        IntegrityError: it was edited since, or this site's keys are not those in it any more.
    """
    path = site.home.federation.roster
    if not path.exists():
        raise TrainingError(
            f"site '{site.name}' has joined no federation", "Run 'confide site init' and 'confide site join' first."
        )
    try:
        roster = Roster.model_validate(read_signed(path, _MEMBERSHIP, site.keys.public))
    except ValidationError:
        raise IntegrityError(f"{path}: no roster of this version") from None
    _check_own(site, roster)
    return roster


def _check_name(site: Site, invitation: Invitation) -> None:
    if invitation.site != site.name:
        raise InputError(f"this invitation is for '{invitation.site}', not for '{site.name}'")


def _check_own(site: Site, roster: Roster) -> None:
    if not _is_own(site, roster):
        raise IntegrityError(
            f"the roster has other keys for '{site.name}' than this site's own",
            "Run 'confide site join' with the invitation again, and send the new reply to the server.",
        )


def _is_own(site: Site, roster: Roster) -> bool:
    own = roster.member(site.name)
    return own is not None and (own.signing, own.node) == (site.keys.public.raw.hex(), _node_key(site))


def _node_key(site: Site) -> str:
    path = site.home.federation.node_key
    if not path.exists():
        raise InputError(f"site '{site.name}' has no node yet", "Run 'confide site init' first.")
    with storage_errors(path):
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
    return _public_text(key.public_key())


def _public_text(key: PublicKeyTypes) -> str:
    return key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
