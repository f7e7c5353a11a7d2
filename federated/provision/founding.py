"""The server's side of bringing a federation together: found it, invite sites, admit those that answer."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from federated.provision.authority import checked_host, issue_certificate, make_authority
from federated.provision.documents import read_reply, write_invitation
from federated.provision.roster import Roster
from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Server
from policies.keys import PublicKey, alone_in
from policies.signed import read_signed, signed
from policies.workspace import SERVER, ServerHome, checked_name

_ROSTER = "roster"
_SECRET_BYTES = 32


def found(server: Server, federation: str, host: str, port: int) -> Roster:
    """Make a federation's authority, the server's certificate and the secrets of its processes.

    Raises:
        AccessDenied: whoever asks may not train.
        InputError: the host is none, or there is a federation here already.
    """
    server.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    folder = server.home.federation
    checked_name(federation, "federation")
    checked_host(host)
    with alone_in(folder.root):
        if folder.roster.exists():
            raise InputError("this server has a federation already", "Use another --workspace.", file=folder.roster)
        make_authority(folder, federation)
        issue_certificate(folder, host)
        for secret in (folder.executor_secret, folder.control_secret):
            write_whole(secret, os.urandom(_SECRET_BYTES), OWNER_ONLY)
        authority, own = folder.authority.read_text("ascii"), server.keys.public.raw.hex()
        return _keep(server, Roster(federation=federation, host=host, port=port, authority=authority, server=own))


def read_roster(server: Server) -> Roster:
    """The federation of this server; raises as `roster_of`."""
    roster = roster_of(server.home, server.keys.public)
    if roster.server != server.keys.public.raw.hex():  # the key was changed: everyone has to compare anew
        roster = _keep(server, roster.model_copy(update={"server": server.keys.public.raw.hex()}))
    return roster


def roster_of(home: ServerHome, key: PublicKey) -> Roster:
    """The federation of a server, for whoever has its public key.

    Raises:
        InputError: there is none.
        IntegrityError: its file was edited.
    """
    path = home.federation.roster
    if not path.exists():
        raise InputError("there is no federation here yet", "Run 'confide server init' first.", file=path)
    try:
        return Roster.model_validate(read_signed(path, _ROSTER, key))
    except ValidationError:
        raise IntegrityError(f"{path}: no roster of this version") from None


def invite(server: Server, site: str) -> bytes:
    """An invitation for a site, with the keys of everyone that is known by now.

    Raises:
        InputError: the name cannot be a site's, or there is no federation.
    """
    server.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    if checked_name(site, "site") == SERVER:
        raise InputError(f"a site cannot be called '{SERVER}'", "Choose another name.")
    with alone_in(server.home.federation.root):
        roster = read_roster(server)
        if site not in roster.invited:
            roster = _keep(server, roster.model_copy(update={"invited": (*roster.invited, site)}))
    return write_invitation(server.keys, site, roster)


def admit(server: Server, reply: Path) -> Roster:
    """Take a site's keys into the roster; its node is let in within seconds.

    Raises:
        InputError: no reply, or of a site that was not invited.
        IntegrityError: the reply was edited.
    """
    server.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    with alone_in(server.home.federation.root):
        roster = read_roster(server)
        member = read_reply(reply, roster.federation)
        if member.name not in roster.invited:
            raise InputError(f"'{member.name}' was not invited", "Run 'confide server invite' for it.", file=reply)
        others = tuple(known for known in roster.members if known.name != member.name)
        server.guard.record(Event.MEMBER_ADMITTED, site=member.name, signing=member.signing)
        return _keep(server, roster.model_copy(update={"members": (*others, member)}))


def dismiss(server: Server, site: str) -> Roster:
    """Take a site out of the roster; its node is refused within seconds, and everyone compares anew.

    Raises:
        InputError: it is not in the roster.
    """
    server.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    with alone_in(server.home.federation.root):
        roster = read_roster(server)
        if site not in roster.invited:
            raise InputError(f"no site '{site}' was invited", "Run 'confide server status' to see who was.")
        invited = tuple(name for name in roster.invited if name != site)
        members = tuple(member for member in roster.members if member.name != site)
        server.guard.record(Event.MEMBER_DISMISSED, site=site)
        return _keep(server, roster.model_copy(update={"invited": invited, "members": members}))


def _keep(server: Server, roster: Roster) -> Roster:
    write_whole(server.home.federation.roster, signed(server.keys, _ROSTER, roster.model_dump()) + b"\n")
    return roster
