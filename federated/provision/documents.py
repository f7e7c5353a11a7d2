"""What the server and a site hand each other before they trust each other: an invitation, and a reply.

Each is signed by a key that it carries itself, which proves only that whoever wrote it holds that key. Whose key it is,
the fingerprint says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from federated.provision.roster import Member, Roster
from policies.errors import InputError, IntegrityError
from policies.keys import KeyRing, PublicKey
from policies.signed import read_signed, signed

_INVITATION, _REPLY = "invitation", "reply"
_Document = TypeVar("_Document", bound=BaseModel)


@dataclass(frozen=True)
class Invitation:
    """What one site is given: who it is in the federation, and the roster as far as it is known."""

    site: str
    roster: Roster


def write_invitation(keys: KeyRing, site: str, roster: Roster) -> bytes:
    """An invitation for one site, signed by the server."""
    return signed(keys, _INVITATION, {"site": site, "roster": roster.model_dump()}) + b"\n"


def read_invitation(path: Path) -> Invitation:
    """An invitation, with the signature of the key that it names as the server's.

    Raises:
        InputError: the file is missing, or no invitation.
        IntegrityError: it was edited.
    """
    body = _body(path, _INVITATION)
    roster = _model(Roster, body.get("roster"), path, _INVITATION)
    read_signed(path, _INVITATION, roster.server_key)
    return Invitation(str(body.get("site")), roster)


def write_reply(keys: KeyRing, federation: str, node: str) -> bytes:
    """A site's answer to an invitation: its public keys, signed with its own."""
    member = Member(name=keys.name, signing=keys.public.raw.hex(), node=node)
    return signed(keys, _REPLY, {"federation": federation, "member": member.model_dump()}) + b"\n"


def read_reply(path: Path, federation: str) -> Member:
    """A site's reply, with the signature of the key that it names.

    Raises:
        InputError: the file is missing, no reply, or one to another federation.
        IntegrityError: it was edited.
    """
    body = _body(path, _REPLY)
    member = _model(Member, body.get("member"), path, _REPLY)
    read_signed(path, _REPLY, PublicKey(member.name, bytes.fromhex(member.signing)))
    if body.get("federation") != federation:
        raise InputError(f"a reply to another federation than '{federation}'", file=path)
    return member


def _body(path: Path, kind: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes())[kind])
    except OSError:
        raise InputError(f"there is no {kind} here", "Name the file as it was sent.", file=path) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"no {kind} of this version", "Ask for the file once more.", file=path) from None


def _model(kind: type[_Document], raw: Any, path: Path, what: str) -> _Document:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) or "it" for problem in error.errors())
        raise IntegrityError(f"{path}: no {what} of this version; wrong: {keys}") from None
