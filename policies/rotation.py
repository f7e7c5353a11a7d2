"""Changing a key: everything is made ready beside, the log is told, and one rename makes it so.

Killed at any point, the next call finishes what was begun: what was made ready is used, not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from policies.audit import AuditLog
from policies.errors import InputError
from policies.events import Event
from policies.files import flush_folder, storage_errors
from policies.keyfile import (
    NEXT_WRAPPING_VARIABLE,
    WRAPPING_VARIABLE,
    Kept,
    Secrets,
    kept_as,
    key_from_environment,
    new_key,
    read_secrets,
    write_secrets,
)
from policies.keys import RING, KeyRing, alone_in, open_keys, publish_key
from policies.passphrase import checked_passphrase
from policies.sealing import key_id
from policies.succession import hand_over
from policies.workspace import Home

_NEXT_SIGNING, _NEXT_WRAPPING = "signing.next", "wrapping.next"


@dataclass(frozen=True)
class Rotation:
    """Whose keys are changed, and what the log says of who does it.

    Attributes:
        facts: for every entry, such as the policy's hash.
    """

    home: Home
    actor: str
    facts: Mapping[str, Any]

    def unfinished(self) -> bool:
        """Whether a change was begun, and permitted, and not finished."""
        return any((self.home.keys / ready).exists() for ready in (_NEXT_SIGNING, _NEXT_WRAPPING))

    def signing(self) -> KeyRing:
        """A new signing key; the old public key is kept, so that what it signed still verifies.

        Raises:
            InputError: a change of the wrapping key has to be finished first.
            IntegrityError: the keys cannot be opened, or the log does not verify.
        """
        folder, name = self.home.keys, self.home.name
        with alone_in(folder), storage_errors(folder):
            _refuse_unfinished(folder / _NEXT_WRAPPING)
            old, ready = open_keys(folder, name), folder / _NEXT_SIGNING
            if not ready.exists():
                former = (old.public.raw, *old.secrets.former)
                _write_as(folder, ready, name, replace(old.secrets, signing=new_key(), former=former))
            new = KeyRing(name, read_secrets(ready, name))
            hand_over(self.home.audit, old, new, self.actor, self.facts)
            _commit(ready, folder / RING)
            publish_key(folder, new.public)
        return new

    def wrapping(self, rewrap: Callable[[bytes, bytes], int]) -> KeyRing:
        """A new wrapping key: the one of $CONFIDE_KEK_NEXT, else a new one that is kept as the old one was.

        A key of the environment that gets no successor there is kept in the file from now on.

        Args:
            rewrap: wraps every data key anew, from the old key to the new one, where it is not under the new one
                already; gives their number.

        Raises:
            InputError: a change of the signing key has to be finished first.
            IntegrityError: a key cannot be opened.
        """
        folder, name = self.home.keys, self.home.name
        with alone_in(folder), storage_errors(folder):
            _refuse_unfinished(folder / _NEXT_SIGNING)
            old, ready = open_keys(folder, name), folder / _NEXT_WRAPPING
            if not ready.exists():
                _write_next_wrapping(folder, ready, old)
            new = KeyRing(name, read_secrets(ready, name, NEXT_WRAPPING_VARIABLE))
            data_keys = rewrap(old.wrapping, new.wrapping)
            AuditLog(self.home.audit, old, self.actor).append(
                Event.KEY_ROTATED, kind="wrapping", old=key_id(old.wrapping), new=key_id(new.wrapping),
                data_keys=data_keys, kept=kept_as(ready), **self.facts,
            )  # fmt: skip
            _commit(ready, folder / RING)
        return new


def protect(folder: Path, name: str, passphrase: str | None, record: Callable[[], None]) -> None:
    """Put the keys under a passphrase, under another one, or, with None, under none.

    Args:
        record: tells the log; called when nothing is left to check and nothing has been changed.

    Raises:
        InputError: the passphrase is too short, the wrapping key is in the environment, or a change of a key has to
            be finished first.
    """
    with alone_in(folder):
        for ready in (_NEXT_SIGNING, _NEXT_WRAPPING):
            _refuse_unfinished(folder / ready)
        if kept_as(folder / RING) is Kept.ENVIRONMENT:
            raise InputError("the wrapping key is in the environment", "A passphrase is for a key in the file.")
        secrets = read_secrets(folder / RING, name)
        new = passphrase if passphrase is None else checked_passphrase(passphrase)
        record()
        write_secrets(folder / RING, name, secrets, Kept.FILE if new is None else Kept.PASSPHRASE, new)


def _write_next_wrapping(folder: Path, ready: Path, old: KeyRing) -> None:
    given = key_from_environment(NEXT_WRAPPING_VARIABLE)
    secrets = replace(old.secrets, wrapping=given or new_key())
    if given:
        write_secrets(ready, old.name, secrets, Kept.ENVIRONMENT)
    else:
        _write_as(folder, ready, old.name, secrets)


def _write_as(folder: Path, ready: Path, name: str, secrets: Secrets) -> None:
    """Keep secrets as the present ones are kept; a new wrapping key cannot be put into the environment, though."""
    kept = kept_as(folder / RING)
    moved = kept is Kept.ENVIRONMENT and secrets.wrapping != key_from_environment(WRAPPING_VARIABLE)
    write_secrets(ready, name, secrets, Kept.FILE if moved else kept)


def _refuse_unfinished(ready: Path) -> None:
    if ready.exists():
        which = ready.stem
        raise InputError(
            f"{ready.parent}: a change of the {which} key was not finished", f"Run 'confide keys rotate --{which}'."
        )


def _commit(ready: Path, ring: Path) -> None:
    ready.replace(ring)
    flush_folder(ring.parent)
